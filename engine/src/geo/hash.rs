//! Positions as numbers: the bits of latitude and longitude by turns, so that near positions mostly have near numbers.
//!
//! A [`Cell`] is the area whose positions begin with the same bits. Start at [`Cell::around`].

use std::ops::Range;

use super::{LATITUDE_MAX, LONGITUDE_MAX, Point};

/// The score of a position: a number of 52 bits, which a double holds without loss.
pub fn score_of(point: Point) -> u64 {
    Cell::around(point, STEPS_MAX).bits
}

/// The position that a score stands for: the middle of the smallest cell. Any score is taken for one.
pub fn position_of(score: f64) -> Point {
    let (low, high) = Cell { bits: bits_of(score), steps: STEPS_MAX }.corners();
    let longitude = f64::midpoint(low.longitude, high.longitude);
    let latitude = f64::midpoint(low.latitude, high.latitude);
    Point {
        longitude: longitude.clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
        latitude: latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX),
    }
}

/// The bits that a score becomes where it is cast to an unsigned integer as x86-64 does: a negative one those of a
/// negative integer, one that is too large none.
fn bits_of(score: f64) -> u64 {
    let half = (1_u64 << 63) as f64;
    if score < half {
        return (score as i64).cast_unsigned();
    }
    let rest = score - half;
    if rest < half { rest as u64 | 1 << 63 } else { 0 }
}

/// The standard geohash of a position. Its last letter is always `0`: scores have no bits for it.
pub fn text_of(point: Point) -> [u8; TEXT_LEN] {
    let bits = encode(point, STANDARD_LATITUDE_MAX, STEPS_MAX);
    std::array::from_fn(|index| {
        let letter = if index + 1 == TEXT_LEN { 0 } else { (bits >> (52 - (index + 1) * 5)) & 0x1f };
        ALPHABET[letter as usize]
    })
}

/// An area whose positions have the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    bits: u64,
    /// Bits of either coordinate, from 1 to 26.
    steps: u32,
}

impl Cell {
    /// The cell with a position.
    pub fn around(point: Point, steps: u32) -> Self {
        Self { bits: encode(point, LATITUDE_MAX, steps), steps }
    }

    /// The cell so many columns to the east and rows to the north, which are -1, 0 or 1. The grid has no edges.
    pub fn neighbour(self, east: i64, north: i64) -> Self {
        let width = 64 - self.steps * 2;
        let move_by = |bits: u64, own: u64, others: u64, by: i64| {
            let (own_bits, others_mask) = (bits & own, others >> width);
            let moved = match by {
                0 => return own_bits,
                1.. => own_bits.wrapping_add(others_mask + 1),
                _ => (own_bits | others_mask).wrapping_sub(others_mask + 1),
            };
            moved & (own >> width)
        };
        let columns = move_by(self.bits, LONGITUDES, LATITUDES, east);
        let rows = move_by(self.bits, LATITUDES, LONGITUDES, north);
        Self { bits: columns | rows, ..self }
    }

    /// The south-western and the north-eastern corner.
    pub fn corners(self) -> (Point, Point) {
        let (row, column) = (squeeze(self.bits), squeeze(self.bits >> 1));
        let cells = (1_u64 << self.steps) as f64;
        let place = |max: f64, index: f64| -max + (index / cells) * (max - -max);
        let corner = |more: f64| Point {
            longitude: place(LONGITUDE_MAX, f64::from(column) + more),
            latitude: place(LATITUDE_MAX, f64::from(row) + more),
        };
        (corner(0.0), corner(1.0))
    }

    /// The scores of its positions.
    pub fn scores(self) -> Range<f64> {
        let shift = STEPS_MAX * 2 - self.steps * 2;
        ((self.bits << shift) as f64)..(((self.bits + 1) << shift) as f64)
    }
}

fn encode(point: Point, latitude_max: f64, steps: u32) -> u64 {
    let cells = (1_u64 << steps) as f64;
    let row = (point.latitude - -latitude_max) / (latitude_max - -latitude_max) * cells;
    let column = (point.longitude - -LONGITUDE_MAX) / (LONGITUDE_MAX - -LONGITUDE_MAX) * cells;
    spread(row as u32) | spread(column as u32) << 1
}

/// Puts a zero above each bit.
fn spread(bits: u32) -> u64 {
    SPREAD.iter().rev().fold(u64::from(bits), |bits, &(shift, mask)| (bits | bits << shift) & mask)
}

/// Takes every other bit away: the reverse of [`spread`].
fn squeeze(bits: u64) -> u32 {
    let mut bits = bits & LATITUDES;
    for (index, &(shift, _)) in SPREAD.iter().enumerate() {
        let mask = SPREAD.get(index + 1).map_or(u64::from(u32::MAX), |&(_, mask)| mask);
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// Shifts with the bits that are in place after them, smallest first.
const SPREAD: [(u32, u64); 5] = [
    (1, 0x5555_5555_5555_5555),
    (2, 0x3333_3333_3333_3333),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (8, 0x00ff_00ff_00ff_00ff),
    (16, 0x0000_ffff_0000_ffff),
];

const LATITUDES: u64 = 0x5555_5555_5555_5555;
const LONGITUDES: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// Bits of either coordinate in a score.
pub const STEPS_MAX: u32 = 26;

/// Length of a geohash as text.
pub const TEXT_LEN: usize = 11;

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Standard geohashes go up to the poles.
const STANDARD_LATITUDE_MAX: f64 = 90.0;

#[cfg(test)]
mod tests {
    use super::{Cell, position_of, score_of, spread, squeeze, text_of};
    use crate::geo::Point;
    use crate::rng::Rng;

    fn point(longitude: f64, latitude: f64) -> Point {
        Point::new(longitude, latitude).unwrap()
    }

    #[test]
    fn positions_are_the_references_numbers() {
        // GEOSEARCH WITHHASH, GEOPOS and GEOHASH of valkey-server 9.1.
        let palermo = point(13.361389, 38.115556);

        assert_eq!(score_of(palermo), 3_479_099_956_230_698);
        let back = position_of(3_479_099_956_230_698.0);
        assert_eq!((back.longitude, back.latitude), (13.361_389_338_970_184, 38.115_556_395_496_3));
        assert_eq!(&text_of(back), b"sqc8b49rny0");
        assert_eq!(score_of(point(1.0, 1.0)), 3_377_822_707_026_402);
    }

    #[test]
    fn any_score_is_a_position() {
        // GEOPOS of valkey-server 9.1.
        let positions = [
            (1e300, "-179.99999731779098511 -85.05112751263942528"),
            (f64::INFINITY, "-179.99999731779098511 -85.05112751263942528"),
            (f64::NEG_INFINITY, "180 -85.05112751263942528"),
            (-5.0, "180 85.0511287799999991"),
        ];
        for (score, text) in positions {
            let position = position_of(score);
            let mut buffers = [[0; crate::number::DOUBLE_BYTES_MAX]; 2];
            let [first, second] = &mut buffers;
            let shown = [
                crate::number::format_plain(position.longitude, first),
                crate::number::format_plain(position.latitude, second),
            ];
            assert_eq!(String::from_utf8(shown.join(&b' ')).unwrap(), text);
        }
    }

    #[test]
    fn bits_are_spread_and_squeezed() {
        let mut rng = Rng::new(1);
        for _ in 0..1000 {
            let bits = rng.next_u64() as u32;
            assert_eq!(squeeze(spread(bits)), bits);
            assert_eq!(squeeze(spread(bits) | spread(rng.next_u64() as u32) << 1), bits);
        }
    }

    #[test]
    fn neighbours_touch_the_cell() {
        let mut rng = Rng::new(2);
        for _ in 0..1000 {
            let steps = 2 + rng.below(25) as u32;
            let place = point(rng.below(340) as f64 - 170.0, rng.below(120) as f64 - 60.0);
            let cell = Cell::around(place, steps);
            let (low, high) = cell.corners();
            assert!(low.longitude <= place.longitude && place.latitude <= high.latitude);

            let (east, north) = (cell.neighbour(1, 0), cell.neighbour(0, 1));
            assert_eq!(east.neighbour(-1, 0), cell);
            assert_eq!(north.neighbour(0, -1), cell);
            assert_eq!(cell.neighbour(1, 1), east.neighbour(0, 1));
            if steps > 3 {
                assert_eq!(east.corners().0.longitude, high.longitude);
                assert_eq!(north.corners().0.latitude, high.latitude);
            }
        }
    }
}
