//! Doubles as text, as Redis 7.2 and later write them.

use std::io::Write;

use super::DOUBLE_BYTES_MAX;
use super::grisu::{DIGITS_MAX, digits_of};

/// Writes a double as Redis 7.2 and later do, in listpacks and in replies: `3`, `0.1`, `1e+22`, `8.1e-7`, `inf`.
///
/// Whole numbers up to 2^62 are written like integers, others as [`format_shortest`] does.
pub fn format_double(value: f64, buffer: &mut [u8; DOUBLE_BYTES_MAX]) -> &[u8] {
    match as_integer(value) {
        Some(number) if number != 0 => {
            let mut writer = Writer { buffer, len: 0 };
            writer.put(itoa::Buffer::new().format(number).as_bytes());
            let len = writer.len;
            &buffer[..len]
        }
        _ => format_shortest(value, buffer),
    }
}

/// Writes a double as `fpconv_dtoa` does, which uses an exponent only where that is shorter by some digits (observed
/// on valkey-server 9.1): digests have scores so.
pub fn format_shortest(value: f64, buffer: &mut [u8; DOUBLE_BYTES_MAX]) -> &[u8] {
    let mut writer = Writer { buffer, len: 0 };
    if value.is_nan() {
        writer.put(b"nan");
    } else if value.is_infinite() {
        writer.put(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        writer.put(if value.is_sign_negative() { b"-0" } else { b"0" });
    } else {
        writer.number(value);
    }
    let len = writer.len;
    &buffer[..len]
}

/// Writes a double with 17 digits, as `%.17g` does: `0.10000000000000001`, `1e+17`.
pub fn format_precise(value: f64, buffer: &mut [u8; DOUBLE_BYTES_MAX]) -> &[u8] {
    if value == 0.0 || !value.is_finite() {
        return format_shortest(value, buffer);
    }
    let mut text = [0; DOUBLE_BYTES_MAX];
    let mut rest = &mut text[..];
    write!(rest, "{:.16e}", value.abs()).expect("17 digits and an exponent fit");
    let left = rest.len();
    let text = &text[..DOUBLE_BYTES_MAX - left];
    let (mantissa, exponent) = text.split_at(text.iter().position(|&byte| byte == b'e').unwrap_or(text.len()));
    let exponent = super::parse_i64(&exponent[1..]).unwrap_or(0) as i32;
    let mut digits = [0; PRECISE_DIGITS];
    mantissa.iter().filter(|byte| byte.is_ascii_digit()).zip(&mut digits).for_each(|(byte, digit)| *digit = *byte);
    let zeros = digits.iter().rev().take_while(|&&digit| digit == b'0').count();
    let mut writer = Writer { buffer, len: 0 };
    if value < 0.0 {
        writer.put(b"-");
    }
    writer.general(&digits[..PRECISE_DIGITS - zeros], exponent);
    let len = writer.len;
    &buffer[..len]
}

/// Writes a double with up to 17 decimals, as `%.17f` does, without the zeros at the end. What is too long for the
/// buffer, from 10^20 on, is written as [`format_precise`] does.
pub fn format_plain(value: f64, buffer: &mut [u8; DOUBLE_BYTES_MAX]) -> &[u8] {
    if !value.is_finite() || value.abs() >= PLAIN_MAX {
        return format_precise(value, buffer);
    }
    let mut rest = &mut buffer[..];
    write!(rest, "{value:.17}").expect("20 digits, a sign and 17 decimals fit");
    let left = rest.len();
    let text = &buffer[..DOUBLE_BYTES_MAX - left];
    let zeros = text.iter().rev().take_while(|&&digit| digit == b'0').count();
    match &text[..text.len() - zeros] {
        [whole @ .., b'.'] if whole == b"-0" => b"0",
        [whole @ .., b'.'] => whole,
        text => text,
    }
}

/// The integer that a double is written as, and as which a listpack has a score: if it is whole and within half of
/// what 64 bits hold (`double2ll`, `util.c` of 7.0).
#[inline]
pub(crate) fn as_integer(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= INTEGER_MAX).then_some(value as i64)
}

struct Writer<'b> {
    buffer: &'b mut [u8; DOUBLE_BYTES_MAX],
    len: usize,
}

impl Writer<'_> {
    fn number(&mut self, value: f64) {
        let mut digits = [0; DIGITS_MAX];
        let (len, last_place) = digits_of(value.abs(), &mut digits);
        if value < 0.0 {
            self.put(b"-");
        }
        self.digits(&digits[..len], last_place);
    }

    /// Lays out digits, the last of which stands for that power of ten.
    fn digits(&mut self, digits: &[u8], last_place: i32) {
        let count = digits.len() as i32;
        let exponent = last_place + count - 1;
        if last_place >= 0 && exponent < count + 7 {
            self.put(digits);
            (0..last_place).for_each(|_| self.put(b"0"));
        } else if last_place < 0 && (last_place > -7 || exponent.abs() < 4) {
            let whole = usize::try_from(count + last_place).unwrap_or(0);
            self.put(if whole == 0 { b"0" } else { &digits[..whole] });
            self.put(b".");
            (count + last_place..0).for_each(|_| self.put(b"0"));
            self.put(&digits[whole..]);
        } else {
            self.put(&digits[..1]);
            if digits.len() > 1 {
                self.put(b".");
                self.put(&digits[1..]);
            }
            self.put(if exponent < 0 { b"e-" } else { b"e+" });
            self.put(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        }
    }

    /// Lays out digits as `%g` does, the first of which stands for that power of ten.
    fn general(&mut self, digits: &[u8], exponent: i32) {
        if !(-4..PRECISE_DIGITS as i32).contains(&exponent) {
            self.put(&digits[..1]);
            if digits.len() > 1 {
                self.put(b".");
                self.put(&digits[1..]);
            }
            self.put(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.abs() < 10 {
                self.put(b"0");
            }
            self.put(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        } else if exponent < 0 {
            self.put(b"0.");
            (exponent + 1..0).for_each(|_| self.put(b"0"));
            self.put(digits);
        } else {
            let point = exponent as usize + 1;
            self.put(&digits[..digits.len().min(point)]);
            (digits.len()..point).for_each(|_| self.put(b"0"));
            if digits.len() > point {
                self.put(b".");
                self.put(&digits[point..]);
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Doubles below this have at most 20 digits ahead of the point.
const PLAIN_MAX: f64 = 1e20;

/// Digits of `%.17g`.
const PRECISE_DIGITS: usize = 17;

/// The largest magnitude of doubles that are written as integers: 2^62.
const INTEGER_MAX: f64 = 4_611_686_018_427_387_904.0;

#[cfg(test)]
mod tests {
    use super::{format_double, format_plain, format_precise, format_shortest};
    use crate::number::{DOUBLE_BYTES_MAX, parse_f64};
    use crate::rng::Rng;

    #[test]
    fn doubles_are_written_as_the_reference_writes_them() {
        // Replies and listpacks of valkey-server 9.1.
        let cases = [
            (1e17, "100000000000000000"),
            (4_611_686_018_427_387_904.0, "4611686018427387904"),
            (5e18, "5e+18"),
            (1e22, "1e+22"),
            (4.756547054278131e22, "47565470542781310000000"),
            (-7.670338151869533e19, "-76703381518695330000"),
            (31_842_962.723_964_896, "3.1842962723964896e+7"),
            (473_764.836_711_941_6, "4.737648367119416e+5"),
            (8_483.952_388_555_814, "8483.952388555814"),
            (22.5, "22.5"),
            (0.277_659_517_082_487_9, "0.27765951708248793"),
            (-825_995_148_746_507.8, "-825995148746507.7"),
            (1_295_530_439_769_210.2, "1295530439769210.3"),
            (-8.263_174_943_597_74e-20, "-8.263174943597741e-20"),
            (0.395_731_655_210_228_6, "0.39573165521022857"),
            (0.1, "0.1"),
            (0.034_328_584_780_819_86, "0.03432858478081986"),
            (0.000_815_500_220_358_593_9, "8.155002203585939e-4"),
            (1e-5, "0.00001"),
            (1e-7, "1e-7"),
            (5e-324, "5e-324"),
            (1e300, "1e+300"),
            (-1.718_656_765_450_963e28, "-1.718656765450963e+28"),
            (-0.0, "-0"),
            (f64::NEG_INFINITY, "-inf"),
        ];

        for (score, text) in cases {
            assert_eq!(std::str::from_utf8(format_double(score, &mut [0; DOUBLE_BYTES_MAX])).unwrap(), text);
        }
    }

    #[test]
    fn digests_and_scans_have_other_forms() {
        // DEBUG DIGEST-VALUE and ZSCAN of valkey-server 9.1.
        let cases = [
            (0.1, "0.1", "0.10000000000000001"),
            (1e17, "1e+17", "1e+17"),
            (3.0, "3", "3"),
            (-1.5, "-1.5", "-1.5"),
            (1e20, "1e+20", "1e+20"),
            (1e16, "1e+16", "10000000000000000"),
            (0.000_01, "0.00001", "1.0000000000000001e-05"),
            (0.000_1, "0.0001", "0.0001"),
            (123_456.789, "123456.789", "123456.789"),
            (-0.0, "-0", "-0"),
            (f64::INFINITY, "inf", "inf"),
            (1e300, "1e+300", "1.0000000000000001e+300"),
        ];

        for (value, shortest, precise) in cases {
            let mut buffer = [0; DOUBLE_BYTES_MAX];
            assert_eq!(std::str::from_utf8(format_shortest(value, &mut buffer)).unwrap(), shortest);
            assert_eq!(std::str::from_utf8(format_precise(value, &mut buffer)).unwrap(), precise);
        }
    }

    #[test]
    fn coordinates_have_no_exponent() {
        let cases = [
            (0.000_002_682_209_014_89, "0.00000268220901489"),
            (-2.999_999_821_186_065_7, "-2.99999982118606567"),
            (180.0, "180"),
            (-0.0, "0"),
            (1e-300, "0"),
            (1e21, "1e+21"),
        ];

        for (value, text) in cases {
            let mut buffer = [0; DOUBLE_BYTES_MAX];
            assert_eq!(std::str::from_utf8(format_plain(value, &mut buffer)).unwrap(), text);
        }
    }

    #[test]
    fn any_double_reads_back() {
        let mut rng = Rng::new(1);

        for _ in 0..100_000 {
            let score = f64::from_bits(rng.next_u64());
            if score.is_finite() {
                assert_eq!(parse_f64(format_double(score, &mut [0; DOUBLE_BYTES_MAX])), Some(score));
            }
        }
    }
}
