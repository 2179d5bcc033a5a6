//! Walking a listpack from either end.

use std::iter::FusedIterator;

use super::Position;
use super::element::Element;
use super::encoding::{decode, decode_next, previous_of};

/// The elements of a listpack, or of a part of it.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    front: usize,
    back: usize,
}

impl<'a> Iter<'a> {
    #[inline]
    pub(super) const fn new(bytes: &'a [u8], front: usize, back: usize) -> Self {
        Self { bytes, front, back }
    }

    /// The same walk, giving positions.
    pub fn positions(mut self) -> impl Iterator<Item = Position> + use<'a> {
        std::iter::from_fn(move || {
            let at = self.front;
            self.next().map(|_| Position(at))
        })
    }

    /// Elements in pairs, such as field and value; an odd one at the end is left out.
    pub fn pairs(mut self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> + use<'a> {
        std::iter::from_fn(move || Some((self.next()?, self.next()?)))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (element, next) = decode_next(self.bytes, self.front);
        self.front = next;
        Some(element)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = previous_of(self.bytes, self.back);
        Some(decode(self.bytes, self.back))
    }
}

impl FusedIterator for Iter<'_> {}
