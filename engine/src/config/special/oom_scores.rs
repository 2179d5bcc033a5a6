//! `oom-score-adj-values`: the kernel's out-of-memory scores of a primary, a replica and a background child.

use crate::config::invalid::Invalid;
use crate::config::stored::{Kind, Origin, Stored, parse_integer};

/// The scores of a primary, a replica and a background child, each -2000 to 2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomScores(pub [i32; 3]);

impl Default for OomScores {
    fn default() -> Self {
        Self([0, 200, 800])
    }
}

impl Stored for OomScores {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        let [primary, replica, child] = words else { return Err(Invalid::ArgumentCount) };
        let score = |word: &[u8]| {
            let number = parse_integer(word).filter(|number| (-2000..=2000).contains(number));
            number.map(|number| number as i32).ok_or(Invalid::OomScoreRange)
        };
        self.0 = [score(primary)?, score(replica)?, score(child)?];
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        let [primary, replica, child] = self.0;
        format!("{primary} {replica} {child}").into_bytes()
    }
}
