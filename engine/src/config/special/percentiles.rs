//! `latency-tracking-info-percentiles`: which percentiles INFO shows.

use crate::config::invalid::Invalid;
use crate::config::stored::{Kind, Origin, Stored};

/// Percentiles, each 0 to 100, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Default for Percentiles {
    fn default() -> Self {
        Self(vec![50.0, 99.0, 99.9])
    }
}

impl Stored for Percentiles {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        let words = if matches!(words, [word] if word.is_empty()) { &[] } else { words };
        self.0 = words.iter().map(|word| parse_percentile(word)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        self.0.iter().map(|&percentile| percentile_text(percentile)).collect::<Vec<_>>().join(" ").into_bytes()
    }

    fn lines(&self, kind: &Kind) -> Vec<Vec<u8>> {
        vec![if self.0.is_empty() { b"\"\"".to_vec() } else { self.text(kind) }]
    }
}

fn parse_percentile(word: &[u8]) -> Result<f64, Invalid> {
    let text = std::str::from_utf8(word).map_err(|_| Invalid::PercentileSyntax)?;
    let number: f64 = text.parse().map_err(|_| Invalid::PercentileSyntax)?;
    if number.is_nan() {
        return Err(Invalid::PercentileSyntax);
    }
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err(Invalid::PercentileRange) }
}

/// At most six decimals, none that are zeros at the end: the form of CONFIG GET and of INFO's field names.
pub fn percentile_text(percentile: f64) -> String {
    let text = format!("{percentile:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
