//! The 80-bit floating point numbers with which INCRBYFLOAT and HINCRBYFLOAT compute.
//!
//! Redis uses C's `long double`, which on x86-64 has 64 bits of mantissa; replies show up to 17 decimals, so plain
//! doubles would give other texts (`0.1 + 0.2`). Lives here: reading, adding and writing such numbers in integer
//! arithmetic. What does not: any other operation. Start at [`Extended`].

use std::cmp::Ordering;

/// A finite number: `mantissa * 2^exponent`, the mantissa with its top bit set or zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

/// What a text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A number.
    Finite(Extended),
    /// `inf` or `infinity`, of either sign.
    Infinite,
}

impl Extended {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, mantissa: 0, exponent: 0 };

    /// The sum, rounded to the nearest, ties to even; nothing when it is beyond the range.
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.mantissa == 0 {
            return Some(if other.mantissa == 0 { Self::ZERO } else { other });
        }
        if other.mantissa == 0 {
            return Some(self);
        }
        let (large, small) = if self.magnitude_is_less(other) { (other, self) } else { (self, other) };
        let distance = large.exponent.abs_diff(small.exponent);
        // Two bits of room below for the rounding, one above for the carry.
        let a = u128::from(large.mantissa) << 62;
        let b = u128::from(small.mantissa) << 62;
        let (b, lost) = if distance >= 126 { (0, true) } else { (b >> distance, b & ((1 << distance) - 1) != 0) };
        let sum = match (large.negative == small.negative, lost) {
            (true, _) => a + b,
            // The lost part is taken from the last place and comes back as the sticky bit.
            (false, lost) => a - b - u128::from(lost),
        };
        Self::rounded(large.negative, sum, large.exponent - 62, lost)
    }

    /// A thousand times the number, rounded as every result is and then up to a whole one; the nearest there is
    /// beyond the range.
    pub fn thousandfold_ceil(self) -> i64 {
        if self.mantissa == 0 {
            return 0;
        }
        let product = Self::rounded(self.negative, u128::from(self.mantissa) * 1000, self.exponent, false);
        let Some(Self { negative, mantissa, exponent }) = product.filter(|product| product.exponent < 0) else {
            return if self.negative { i64::MIN } else { i64::MAX };
        };
        let shift = exponent.unsigned_abs();
        let (whole, rest) =
            if shift < 64 { (mantissa >> shift, mantissa << (64 - shift) != 0) } else { (0, mantissa > 0) };
        match (negative, i64::try_from(whole)) {
            (true, Ok(whole)) => -whole,
            (true, Err(_)) => i64::MIN,
            (false, Ok(whole)) => whole.saturating_add(i64::from(rest)),
            (false, Err(_)) => i64::MAX,
        }
    }

    fn magnitude_is_less(self, other: Self) -> bool {
        (self.exponent, self.mantissa).cmp(&(other.exponent, other.mantissa)) == Ordering::Less
    }

    /// `value * 2^exponent` with `sticky` for anything below its last bit.
    fn rounded(negative: bool, value: u128, exponent: i32, sticky: bool) -> Option<Self> {
        if value == 0 {
            return Some(Self::ZERO);
        }
        let excess = 64 - value.leading_zeros() as i32;
        if excess <= 0 {
            let mantissa = (value as u64) << -excess;
            return Self::in_range(negative, mantissa, exponent + excess);
        }
        let mut mantissa = (value >> excess) as u64;
        let mut exponent = exponent + excess;
        let rest = value & ((1 << excess) - 1);
        let half = 1 << (excess - 1);
        let up = match rest.cmp(&half) {
            Ordering::Less => false,
            Ordering::Equal => sticky || mantissa & 1 == 1,
            Ordering::Greater => true,
        };
        if up {
            let carried;
            (mantissa, carried) = mantissa.overflowing_add(1);
            if carried {
                mantissa = 1 << 63;
                exponent += 1;
            }
        }
        Self::in_range(negative, mantissa, exponent)
    }

    fn in_range(negative: bool, mantissa: u64, exponent: i32) -> Option<Self> {
        (EXPONENT_MIN..=EXPONENT_MAX).contains(&exponent).then_some(Self { negative, mantissa, exponent })
    }

    /// Reads all of `text` as `strtold` would: decimal or hexadecimal, with exponent, or an infinity.
    ///
    /// Nothing for other texts, NaN, and numbers outside the range.
    pub fn parse(text: &[u8]) -> Option<Parsed> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(Parsed::Infinite);
        }
        let parsed = match rest {
            [b'0', b'x' | b'X', digits @ ..] => Digits::split(digits, 16)?.hexadecimal(negative),
            digits => Digits::split(digits, 10)?.decimal(negative),
        };
        parsed.map(Parsed::Finite)
    }

    /// Appends the number with up to 17 decimals, trailing zeros cut, never with an exponent.
    pub fn write(self, out: &mut Vec<u8>) {
        let (whole, decimals) = self.parts();
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        whole.write(out);
        let mut decimals = decimals;
        if decimals > 0 {
            let mut digits = [b'0'; DECIMALS];
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + (decimals % 10) as u8;
                decimals /= 10;
            }
            let len = DECIMALS - digits.iter().rev().take_while(|&&digit| digit == b'0').count();
            out.push(b'.');
            out.extend_from_slice(&digits[..len]);
        }
        if &out[start..] == b"-0" {
            out.truncate(start);
            out.push(b'0');
        }
    }

    /// The whole part, and the rest in units of 10^-17, rounded to the nearest, ties to even.
    fn parts(self) -> (Big, u64) {
        if self.exponent >= 0 {
            let mut whole = Big::from(self.mantissa);
            whole.shift_left(self.exponent as u32);
            return (whole, 0);
        }
        let shift = self.exponent.unsigned_abs();
        // Below 2^-128 nothing shows in 17 decimals.
        if shift >= 128 + 64 {
            return (Big::from(0), 0);
        }
        let whole = if shift < 64 { self.mantissa >> shift } else { 0 };
        let rest = if shift < 64 { self.mantissa & ((1 << shift) - 1) } else { self.mantissa };
        let mut scaled = Big::from(rest);
        scaled.multiply_add(UNITS as u32, 0);
        scaled.multiply_add((UNITS_TOTAL / UNITS) as u32, 0);
        let mut units = scaled.shift_right_rounded(shift);
        let mut whole = whole;
        if units == UNITS_TOTAL {
            units = 0;
            // At least one bit was shifted out: there is room for the carry.
            whole += 1;
        }
        (Big::from(whole), units)
    }
}

/// A number's digits with the exponent that belongs to their end.
struct Digits<'t> {
    whole: &'t [u8],
    fraction: &'t [u8],
    exponent: i64,
}

impl<'t> Digits<'t> {
    fn split(text: &'t [u8], base: u32) -> Option<Self> {
        let marks: &[u8] = if base == 16 { b"pP" } else { b"eE" };
        let (digits, exponent) = match text.iter().position(|byte| marks.contains(byte)) {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (whole, fraction) = match digits.iter().position(|&byte| byte == b'.') {
            Some(at) => (&digits[..at], &digits[at + 1..]),
            None => (digits, &digits[..0]),
        };
        let all_digits = whole.iter().chain(fraction).all(|&byte| char::from(byte).is_digit(base));
        (all_digits && whole.len() + fraction.len() > 0).then_some(Self { whole, fraction, exponent })
    }

    fn values(&self) -> impl Iterator<Item = u32> + '_ {
        self.whole.iter().chain(self.fraction).map(|&byte| char::from(byte).to_digit(16).unwrap_or_default())
    }

    fn hexadecimal(&self, negative: bool) -> Option<Extended> {
        let mut big = Big::from(0);
        self.values().for_each(|digit| big.multiply_add(16, digit));
        big.rounded(negative, self.exponent - 4 * self.fraction.len() as i64, false)
    }

    fn decimal(&self, negative: bool) -> Option<Extended> {
        let mut big = Big::from(0);
        self.values().for_each(|digit| big.multiply_add(10, digit));
        if big.is_zero() {
            return Some(Extended { negative, ..Extended::ZERO });
        }
        let mut tens = self.exponent - self.fraction.len() as i64;
        if tens.unsigned_abs() > TENS_MAX + self.fraction.len() as u64 + self.whole.len() as u64 {
            return None;
        }
        let mut twos = 0;
        let mut sticky = false;
        if tens < 0 {
            // Enough bits that 64 and some are left after the division by 10^-tens.
            let shift = (tens.unsigned_abs() * 10 / 3) as u32 + 130;
            big.shift_left(shift);
            twos = -i64::from(shift);
        }
        while tens > 0 {
            let step = tens.min(9);
            big.multiply_add(10_u32.pow(step as u32), 0);
            tens -= step;
        }
        while tens < 0 {
            let step = (-tens).min(9);
            sticky |= big.divide(10_u32.pow(step as u32)) != 0;
            tens += step;
        }
        big.rounded(negative, twos, sticky)
    }
}

/// The exponent's digits; numbers far outside every range stand for all such.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000));
    Some(if negative { -value } else { value })
}

/// A whole number of any size, least significant word first.
#[derive(Debug, Clone)]
struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(value: u64) -> Self {
        Self(vec![value as u32, (value >> 32) as u32])
    }
}

impl Big {
    fn is_zero(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(factor);
            *word = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Divides and returns the remainder.
    fn divide(&mut self, divisor: u32) -> u32 {
        let mut rest = 0_u64;
        for word in self.0.iter_mut().rev() {
            rest = rest << 32 | u64::from(*word);
            *word = (rest / u64::from(divisor)) as u32;
            rest %= u64::from(divisor);
        }
        rest as u32
    }

    fn shift_left(&mut self, bits: u32) {
        let (words, bits) = ((bits / 32) as usize, bits % 32);
        if bits > 0 {
            self.multiply_add(1 << bits, 0);
        }
        self.0.splice(0..0, std::iter::repeat_n(0, words));
    }

    fn bit(&self, bit: u32) -> bool {
        self.0.get((bit / 32) as usize).is_some_and(|word| word >> (bit % 32) & 1 == 1)
    }

    /// Whether any bit below this one is set.
    fn any_below(&self, bit: u32) -> bool {
        let whole = (bit / 32) as usize;
        let last = self.0.get(whole).is_some_and(|word| word & ((1 << (bit % 32)) - 1) != 0);
        last || self.0.iter().take(whole).any(|&word| word != 0)
    }

    /// 64 bits from this bit on.
    fn window(&self, from: u32) -> u64 {
        (0..64).fold(0, |bits, index| bits | u64::from(self.bit(from + index)) << index)
    }

    fn bits(&self) -> u32 {
        let used = self.0.iter().rposition(|&word| word != 0);
        used.map_or(0, |index| index as u32 * 32 + 32 - self.0[index].leading_zeros())
    }

    /// `self / 2^shift`, which is known to fit, rounded to the nearest, ties to even.
    fn shift_right_rounded(&self, shift: u32) -> u64 {
        let floor = self.window(shift);
        let half = shift > 0 && self.bit(shift - 1);
        let up = half && (self.any_below(shift - 1) || floor & 1 == 1);
        floor + u64::from(up)
    }

    fn rounded(&self, negative: bool, twos: i64, sticky: bool) -> Option<Extended> {
        if self.is_zero() {
            return Some(Extended { negative, ..Extended::ZERO });
        }
        let below = self.bits().saturating_sub(128);
        let value = u128::from(self.window(below)) | u128::from(self.window(below + 64)) << 64;
        let exponent = i32::try_from(twos + i64::from(below)).ok()?;
        Extended::rounded(negative, value, exponent, sticky || self.any_below(below))
    }

    fn write(mut self, out: &mut Vec<u8>) {
        let start = out.len();
        while !self.is_zero() {
            let mut nine = self.divide(1_000_000_000);
            for _ in 0..9 {
                out.push(b'0' + (nine % 10) as u8);
                nine /= 10;
            }
            while self.0.last() == Some(&0) {
                self.0.pop();
            }
        }
        while out.len() > start && out.last() == Some(&b'0') {
            out.pop();
        }
        if out.len() == start {
            out.push(b'0');
        }
        out[start..].reverse();
    }
}

/// Decimals that are shown.
const DECIMALS: usize = 17;
const UNITS: u64 = 100_000_000;
/// 10^17.
const UNITS_TOTAL: u64 = 100_000_000_000_000_000;
/// Longest text that is a number (`MAX_LONG_DOUBLE_CHARS` of Redis 7.0).
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Powers of ten beyond which every number is out of range, whatever its digits.
const TENS_MAX: u64 = 5_000;
/// Exponents of a 64-bit mantissa: the smallest denormal number is 2^-16445, the greatest below 2^16384.
const EXPONENT_MIN: i32 = -16_445 - 63;
const EXPONENT_MAX: i32 = 16_384 - 64;

#[cfg(test)]
mod tests {
    use super::{Extended, Parsed};

    fn number(text: &str) -> Extended {
        match Extended::parse(text.as_bytes()) {
            Some(Parsed::Finite(number)) => number,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn sum(a: &str, b: &str) -> String {
        let mut text = Vec::new();
        number(a).plus(number(b)).unwrap().write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn sums_are_those_of_the_reference() {
        // Each line was answered by INCRBYFLOAT of redis-server 7.0.15 on x86-64.
        let cases = [
            ("0.1", "0.2", "0.3"),
            ("0.3", "-0.3", "0"),
            ("0", "1e-18", "0"),
            ("0", "1e-17", "0.00000000000000001"),
            ("3.0", "1.000000000000000005", "4.00000000000000001"),
            ("0x10", "0x1.8p1", "19"),
            ("-0", "0", "0"),
            ("0", "1e30", "1000000000000000000024696061952"),
            ("1000000000000000000024696061952", "1e22", "1000000010000000000047475326976"),
            ("5.0e3", "2.0e2", "5200"),
            ("-1.5", "1e-4940", "-1.5"),
            ("0.9999999999999999999", "0", "1"),
        ];

        for (a, b, expected) in cases {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
    }

    #[test]
    fn only_whole_texts_in_range_are_numbers() {
        for text in ["", " 1", "1 ", "nan", "1e", "e5", ".", "0x", "1e5000", "1e-5000", "1_0", "1e1x", "--1"] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Extended::parse(b"-Infinity"), Some(Parsed::Infinite));
        assert_eq!(Extended::parse(&[b'9'; 6000]), None);
    }

    #[test]
    fn a_sum_beyond_the_range_is_none() {
        assert_eq!(number("1e4932").plus(number("1e4932")), None);
    }
}
