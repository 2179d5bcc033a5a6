//! `save`: after how many changes within how many seconds a snapshot is due.

use crate::config::invalid::Invalid;
use crate::config::stored::{Kind, Origin, Stored, parse_integer};

/// One condition for a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last snapshot, at least 1.
    pub seconds: u64,
    /// Changes since then.
    pub changes: u64,
}

/// All conditions, in the order given; none means no automatic snapshots.
#[derive(Debug, Clone)]
pub struct SavePoints {
    points: Vec<SavePoint>,
    /// Whether these are the built-in ones, which the first `save` of a file replaces instead of extending.
    built_in: bool,
}

impl SavePoints {
    /// Conditions as a builder states them.
    pub fn new(points: Vec<SavePoint>) -> Self {
        Self { points, built_in: false }
    }

    /// The conditions.
    pub fn points(&self) -> &[SavePoint] {
        &self.points
    }
}

impl Default for SavePoints {
    fn default() -> Self {
        let points = [(3600, 1), (300, 100), (60, 10000)];
        let points = points.map(|(seconds, changes)| SavePoint { seconds, changes }).to_vec();
        Self { points, built_in: true }
    }
}

impl PartialEq for SavePoints {
    fn eq(&self, other: &Self) -> bool {
        self.points == other.points
    }
}

impl Stored for SavePoints {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], origin: Origin) -> Result<(), Invalid> {
        if matches!(words, [word] if word.is_empty()) || (words.is_empty() && origin == Origin::Set) {
            *self = Self::new(Vec::new());
            return Ok(());
        }
        let pairs = words.chunks(2).map(parse_point).collect::<Option<Vec<_>>>().ok_or(Invalid::SaveParameters)?;
        if pairs.is_empty() {
            return Err(Invalid::SaveParameters);
        }
        if origin == Origin::Set || self.built_in {
            self.points.clear();
        }
        self.points.extend(pairs);
        self.built_in = false;
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        self.points.iter().map(point_text).collect::<Vec<_>>().join(" ").into_bytes()
    }

    fn lines(&self, _: &Kind) -> Vec<Vec<u8>> {
        if self.points.is_empty() {
            return vec![b"\"\"".to_vec()];
        }
        self.points.iter().map(|point| point_text(point).into_bytes()).collect()
    }
}

fn parse_point(pair: &[&[u8]]) -> Option<SavePoint> {
    let [seconds, changes] = pair else { return None };
    let seconds = u64::try_from(parse_integer(seconds)?).ok().filter(|&seconds| seconds > 0)?;
    let changes = u64::try_from(parse_integer(changes)?).ok()?;
    Some(SavePoint { seconds, changes })
}

fn point_text(point: &SavePoint) -> String {
    format!("{} {}", point.seconds, point.changes)
}
