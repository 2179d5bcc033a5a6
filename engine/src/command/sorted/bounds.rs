//! The bounds of ranges, as clients write them.

use std::ops::{Bound, Range};

use crate::error::ReplyError;
use crate::value::sorted::SortedSetView;

/// A range of ranks as clients write it: negative numbers count from the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct RankRange {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl RankRange {
    /// The ranks it means in a set of that many members.
    pub(super) fn of(self, len: usize) -> Range<usize> {
        let absolute = |rank: i64| match usize::try_from(rank) {
            Ok(rank) => Some(rank),
            Err(_) => len.checked_sub(usize::try_from(rank.unsigned_abs()).unwrap_or(usize::MAX)),
        };
        let start = absolute(self.start).unwrap_or(0);
        let end = absolute(self.end).map_or(0, |end| end.saturating_add(1)).min(len);
        start.min(end)..end
    }
}

/// A range of scores: `(1 5`, `-inf +inf`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScoreRange {
    min: Bound<f64>,
    max: Bound<f64>,
}

impl ScoreRange {
    pub(super) fn parse(min: &[u8], max: &[u8]) -> Result<Self, ReplyError> {
        let error = ReplyError::Fixed("ERR min or max is not a float");
        match (score_bound(min), score_bound(max)) {
            (Some(min), Some(max)) => Ok(Self { min, max }),
            _ => Err(error),
        }
    }

    pub(super) fn of(self, set: SortedSetView<'_>) -> Range<usize> {
        set.ranks_by_score(self.min, self.max)
    }
}

fn score_bound(word: &[u8]) -> Option<Bound<f64>> {
    match word {
        [b'(', rest @ ..] => bound_number(rest).map(Bound::Excluded),
        word => bound_number(word).map(Bound::Included),
    }
}

/// A number as a bound may be: nothing is zero, and what is too large is infinite. A zero byte ends it, as in Redis,
/// which reads bounds as strings of C.
fn bound_number(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

/// A range of texts: `[a (b`, `- +`.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameRange<'a> {
    min: NameBound<'a>,
    max: NameBound<'a>,
}

#[derive(Debug, Clone, Copy)]
enum NameBound<'a> {
    Excluded(&'a [u8]),
    Included(&'a [u8]),
    Largest,
    Smallest,
}

impl<'a> NameRange<'a> {
    pub(super) fn parse(min: &'a [u8], max: &'a [u8]) -> Result<Self, ReplyError> {
        let error = ReplyError::Fixed("ERR min or max not valid string range item");
        match (NameBound::parse(min), NameBound::parse(max)) {
            (Some(min), Some(max)) => Ok(Self { min, max }),
            _ => Err(error),
        }
    }

    pub(super) fn of(self, set: SortedSetView<'_>) -> Range<usize> {
        let bound = |bound| match bound {
            NameBound::Excluded(name) => Some(Bound::Excluded(name)),
            NameBound::Included(name) => Some(Bound::Included(name)),
            NameBound::Largest | NameBound::Smallest => None,
        };
        match (self.min, self.max) {
            (NameBound::Largest, _) | (_, NameBound::Smallest) => 0..0,
            (min, max) => {
                set.ranks_by_name(bound(min).unwrap_or(Bound::Unbounded), bound(max).unwrap_or(Bound::Unbounded))
            }
        }
    }
}

impl<'a> NameBound<'a> {
    fn parse(word: &'a [u8]) -> Option<Self> {
        match word {
            b"-" => Some(Self::Smallest),
            b"+" => Some(Self::Largest),
            [b'(', name @ ..] => Some(Self::Excluded(name)),
            [b'[', name @ ..] => Some(Self::Included(name)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RankRange, score_bound};
    use std::ops::Bound;

    #[test]
    fn ranks_count_from_either_end() {
        let ranks = |start, end| RankRange { start, end }.of(5);

        assert_eq!(ranks(0, -1), 0..5);
        assert_eq!(ranks(-2, 100), 3..5);
        assert_eq!(ranks(-100, 1), 0..2);
        assert_eq!(ranks(i64::MIN, i64::MAX), 0..5);
        for (start, end) in [(3, 2), (5, 9), (0, -6), (i64::MAX, i64::MIN)] {
            assert!(ranks(start, end).is_empty(), "{start} {end}");
        }
    }

    #[test]
    fn bounds_are_read_as_the_references_read_them() {
        assert_eq!(score_bound(b"(1.5"), Some(Bound::Excluded(1.5)));
        assert_eq!(score_bound(b""), Some(Bound::Included(0.0)));
        assert_eq!(score_bound(b"("), Some(Bound::Excluded(0.0)));
        assert_eq!(score_bound(b"1e999"), Some(Bound::Included(f64::INFINITY)));
        assert_eq!(score_bound(b"-inf"), Some(Bound::Included(f64::NEG_INFINITY)));
        for word in [&b"nan"[..], b"((1", b" 1", b"1 ", b"x", b"1e"] {
            assert_eq!(score_bound(word), None);
        }
    }
}
