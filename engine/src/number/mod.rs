//! Numbers as Redis reads and writes them.
//!
//! Reading is strict where Redis is strict: an integer is canonical or it is text. Writing is in place, without a
//! formatter; doubles have a writer of their own ([`format_double`]), whose every digit is that of Redis.

mod double;
mod grisu;

pub(crate) use double::as_integer;
pub use double::{format_double, format_plain, format_precise, format_shortest};

/// Reads a canonical 64-bit decimal integer: no plus, no blanks, no leading zeros, not `-0`.
///
/// ```
/// use slotmesh_engine::number::parse_i64;
/// assert_eq!(parse_i64(b"-12"), Some(-12));
/// assert_eq!(parse_i64(b"012"), None);
/// ```
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let canonical = match digits {
        [] => false,
        [b'0'] => !negative,
        [b'0', ..] => false,
        _ => digits.len() <= 19,
    };
    if !canonical {
        return None;
    }
    let mut value = 0_u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // 19 digits stay below 10^19 < 2^64.
        value = value * 10 + u64::from(digit - b'0');
    }
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Reads a canonical unsigned 64-bit decimal integer.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [] => return None,
        [b'0', _, ..] => return None,
        _ => {}
    }
    text.iter().try_fold(0_u64, |value, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Reads a double as `strtod` would take all of the text: decimal, exponent, `inf`, `infinity`; no blanks, no NaN.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || text.len() > DOUBLE_TEXT_BYTES_MAX {
        return None;
    }
    if let Some(number) = parse_i64(text.as_bytes()).filter(|number| number.unsigned_abs() < EXACT_INTEGERS) {
        return Some(number as f64);
    }
    let value = hexadecimal(text).or_else(|| text.parse::<f64>().ok())?;
    // Rust reads "nan", overflows to infinity and underflows to zero; Redis refuses all of them.
    if value == 0.0 && mantissa(text).any(|byte| matches!(byte, b'1'..=b'9')) {
        return None;
    }
    let names_infinity = text.trim_start_matches(['+', '-']).as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    (!value.is_nan() && (value.is_finite() || names_infinity)).then_some(value)
}

/// The bytes ahead of a decimal exponent.
fn mantissa(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E' | b'x' | b'X'))
}

/// Reads what `strtod` also takes: `0x1.8p3`.
fn hexadecimal(text: &str) -> Option<f64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let (digits, exponent) = match rest.split_once(['p', 'P']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(sign * value * 2.0_f64.powi(shift))
}

/// Bytes that hold any double written here.
pub const DOUBLE_BYTES_MAX: usize = 40;

/// Longer texts are no number to Redis (`MAX_LONG_DOUBLE_CHARS` is 5 KiB; doubles are read from at most this).
const DOUBLE_TEXT_BYTES_MAX: usize = 5 * 1024;

/// Integers below this are doubles without rounding.
const EXACT_INTEGERS: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use super::{parse_f64, parse_i64, parse_u64};

    #[test]
    fn only_canonical_integers_are_integers() {
        let good: [(&[u8], i64); 5] = [
            (b"0", 0),
            (b"-1", -1),
            (b"9223372036854775807", i64::MAX),
            (b"-9223372036854775808", i64::MIN),
            (b"10", 10),
        ];
        let bad: [&[u8]; 9] =
            [b"", b"-", b"+1", b" 1", b"1 ", b"01", b"-0", b"9223372036854775808", b"12345678901234567890123"];

        for (text, value) in good {
            assert_eq!(parse_i64(text), Some(value));
        }
        for text in bad {
            assert_eq!(parse_i64(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn unsigned_integers_reach_their_maximum() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"00"), None);
    }

    #[test]
    fn doubles_are_read_as_strtod_reads_them() {
        assert_eq!(parse_f64(b"1e3"), Some(1000.0));
        assert_eq!(parse_f64(b"0x10"), Some(16.0));
        assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_f64(b"nan"), None);
        assert_eq!(parse_f64(b"1e999"), None);
        assert_eq!(parse_f64(b"1e-999"), None);
        assert_eq!(parse_f64(b"0e-999"), Some(0.0));
        assert_eq!(parse_f64(b"9007199254740993"), Some(9_007_199_254_740_992.0));
        assert_eq!(parse_f64(b" 1"), None);
    }
}
