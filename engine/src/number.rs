//! Numbers as Redis reads and writes them.
//!
//! Reading is strict where Redis is strict: an integer is canonical or it is text. Writing is in place, without a
//! formatter.

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
    let value = hexadecimal(text).or_else(|| text.parse::<f64>().ok())?;
    // Rust reads "nan" and overflows to infinity; strtod reports the overflow and Redis refuses both.
    let names_infinity = text.trim_start_matches(['+', '-']).as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    (!value.is_nan() && (value.is_finite() || names_infinity)).then_some(value)
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

/// Writes a double in its shortest form, as Redis 7.2 and later do: `3`, `0.1`, `1e+20`, `inf`, `nan`.
pub fn format_double(value: f64, buffer: &mut [u8; DOUBLE_BYTES_MAX]) -> &[u8] {
    let text: &str = if value.is_nan() {
        "nan"
    } else if value.is_infinite() {
        if value > 0.0 { "inf" } else { "-inf" }
    } else if value == 0.0 {
        if value.is_sign_negative() { "-0" } else { "0" }
    } else if value.fract() == 0.0 && value.abs() < INTEGRAL_LIMIT {
        return copy(itoa::Buffer::new().format(value as i64), buffer);
    } else {
        return shortest(value, buffer);
    };
    copy(text, buffer)
}

/// Lays out the shortest digits as `%g` with 17 digits would: exponents below -4 and from 17 on get an `e`.
fn shortest(value: f64, buffer: &mut [u8; DOUBLE_BYTES_MAX]) -> &[u8] {
    let mut ryu = ryu::Buffer::new();
    let text = ryu.format_finite(value);
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once('e').map_or((text, 0), |(m, e)| (m, e.parse::<i32>().unwrap_or(0)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = if fraction == "0" { "" } else { fraction };
    let mut digits = [0_u8; 40];
    let mut len = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        digits[len] = byte;
        len += 1;
    }
    let leading = digits[..len].iter().take_while(|&&digit| digit == b'0').count();
    let mut end = len;
    while end > leading + 1 && digits[end - 1] == b'0' {
        end -= 1;
    }
    let point = whole.len() as i32 + exponent - leading as i32;
    let digits = &digits[leading..end];
    let mut writer = Writer { buffer, len: 0 };
    if negative {
        writer.put(b"-");
    }
    writer.digits(digits, point);
    let len = writer.len;
    &buffer[..len]
}

struct Writer<'b> {
    buffer: &'b mut [u8; DOUBLE_BYTES_MAX],
    len: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// `digits` with the decimal point after the first `point` of them.
    fn digits(&mut self, digits: &[u8], point: i32) {
        let exponent = point - 1;
        if !(-4..17).contains(&exponent) {
            self.put(&digits[..1]);
            if digits.len() > 1 {
                self.put(b".");
                self.put(&digits[1..]);
            }
            self.put(if exponent < 0 { b"e-" } else { b"e+" });
            let magnitude = exponent.unsigned_abs();
            if magnitude < 10 {
                self.put(b"0");
            }
            self.put(itoa::Buffer::new().format(magnitude).as_bytes());
        } else if point <= 0 {
            self.put(b"0.");
            (point..0).for_each(|_| self.put(b"0"));
            self.put(digits);
        } else {
            let point = point as usize;
            let whole = digits.len().min(point);
            self.put(&digits[..whole]);
            (whole..point).for_each(|_| self.put(b"0"));
            if digits.len() > point {
                self.put(b".");
                self.put(&digits[point..]);
            }
        }
    }
}

fn copy<'b>(text: &str, buffer: &'b mut [u8; DOUBLE_BYTES_MAX]) -> &'b [u8] {
    buffer[..text.len()].copy_from_slice(text.as_bytes());
    &buffer[..text.len()]
}

/// Bytes that hold any double written here.
pub const DOUBLE_BYTES_MAX: usize = 40;

/// Longer texts are no number to Redis (`MAX_LONG_DOUBLE_CHARS` is 5 KiB; doubles are read from at most this).
const DOUBLE_TEXT_BYTES_MAX: usize = 5 * 1024;

/// Integral doubles below this are written like integers; from 10^17 on `%.17g` uses an exponent.
const INTEGRAL_LIMIT: f64 = 1e17;

#[cfg(test)]
mod tests {
    use super::{DOUBLE_BYTES_MAX, format_double, parse_f64, parse_i64, parse_u64};

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
    fn doubles_are_written_in_shortest_form() {
        let cases = [
            (0.1, "0.1"),
            (3.0, "3"),
            (-2.5, "-2.5"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "inf"),
            (123456.789, "123456.789"),
            (1e17, "1e+17"),
            (-0.0, "-0"),
        ];

        for (value, text) in cases {
            let mut buffer = [0; DOUBLE_BYTES_MAX];
            assert_eq!(std::str::from_utf8(format_double(value, &mut buffer)).unwrap(), text);
        }
    }

    #[test]
    fn doubles_are_read_as_strtod_reads_them() {
        assert_eq!(parse_f64(b"1e3"), Some(1000.0));
        assert_eq!(parse_f64(b"0x10"), Some(16.0));
        assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_f64(b"nan"), None);
        assert_eq!(parse_f64(b"1e999"), None);
        assert_eq!(parse_f64(b" 1"), None);
    }
}
