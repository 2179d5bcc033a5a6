//! From registers to a number of elements.
//!
//! The estimator is that of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
//! (arXiv:1702.01284), algorithm 6, which Redis uses since 5.0. Each step is in the order of operations that gives
//! Redis's bits.

use super::{HISTOGRAM_LEN, REGISTERS, VALUE_BITS};

/// Estimates from how many registers have each value.
pub(super) fn from_histogram(histogram: &[u32; HISTOGRAM_LEN]) -> u64 {
    let registers = REGISTERS as f64;
    let highest = VALUE_BITS as usize + 1;
    let mut sum = registers * tau((registers - f64::from(histogram[highest])) / registers);
    for &count in histogram[1..highest].iter().rev() {
        sum = (sum + f64::from(count)) * 0.5;
    }
    sum += registers * sigma(f64::from(histogram[0]) / registers);
    // Only damaged registers make this infinite; the conversion is then that of the reference's processor.
    let estimate = (ALPHA * registers * registers / sum).round();
    if estimate.is_finite() { estimate as u64 } else { NO_ESTIMATE }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum == before {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// What an infinite estimate is converted to.
const NO_ESTIMATE: u64 = 1 << 63;
