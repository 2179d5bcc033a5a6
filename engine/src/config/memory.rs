//! Memory values: digits with a unit, as `maxmemory 100mb` has them.

use super::invalid::Invalid;

/// Bytes, or a share of `maxmemory` (the type of `maxmemory-clients`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryShare {
    /// A number of bytes; 0 sets no limit.
    Bytes(u64),
    /// Percent of `maxmemory`, 1 to 100.
    Percent(u8),
}

impl MemoryShare {
    /// The limit in bytes under a given `maxmemory`; nothing when there is no limit.
    pub fn bytes(self, maxmemory: u64) -> Option<u64> {
        let bytes = match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => (u128::from(maxmemory) * u128::from(percent) / 100) as u64,
        };
        (bytes > 0).then_some(bytes)
    }
}

/// Reads digits and an optional unit: `b`, `k` = 1000, `kb` = 1024, and so on with `m` and `g`.
///
/// No digits mean 0 and numbers past the range stop at its end: both as Redis 7.0.15 answers.
///
/// # Errors
/// [`Invalid::NotMemory`] for anything else.
pub fn parse_memory(text: &[u8]) -> Result<u64, Invalid> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits >= DIGITS_MAX {
        return Err(Invalid::NotMemory);
    }
    let (digits, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return Err(Invalid::NotMemory),
    };
    let number =
        digits.iter().fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Ok(number.saturating_mul(factor))
}

/// Reads a memory value or a percentage.
///
/// # Errors
/// [`Invalid::NotMemoryOrPercent`] or [`Invalid::PercentAbove100`].
pub fn parse_memory_share(text: &[u8]) -> Result<MemoryShare, Invalid> {
    let Some(percent) = text.strip_suffix(b"%") else {
        return parse_memory(text).map(MemoryShare::Bytes).map_err(|_| Invalid::NotMemoryOrPercent);
    };
    match super::stored::parse_integer(percent) {
        Some(0) => Ok(MemoryShare::Bytes(0)),
        Some(percent @ 1..=100) => Ok(MemoryShare::Percent(percent as u8)),
        Some(101..) => Err(Invalid::PercentAbove100),
        Some(_) | None => Err(Invalid::NotMemoryOrPercent),
    }
}

/// Writes a number of bytes with the largest unit that divides it, as CONFIG REWRITE does.
pub fn memory_text(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

/// Digits a memory value may have; a longer run is no number (Redis keeps 127).
const DIGITS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::{Invalid, MemoryShare, memory_text, parse_memory, parse_memory_share};

    #[test]
    fn units_are_powers_of_ten_without_b_and_of_two_with_it() {
        let expected: [(&[u8], u64); 12] = [
            (b"0", 0),
            (b"", 0),
            (b"kb", 0),
            (b"12b", 12),
            (b"1k", 1000),
            (b"1KB", 1024),
            (b"1m", 1_000_000),
            (b"1Mb", 1 << 20),
            (b"2g", 2_000_000_000),
            (b"2gb", 2 << 30),
            (b"18446744073709551616", u64::MAX),
            (b"18446744073709551615gb", u64::MAX),
        ];

        for (text, bytes) in expected {
            assert_eq!(parse_memory(text), Ok(bytes), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn other_text_is_no_memory_value() {
        for text in [&b"-1"[..], b"1.5gb", b"10kbx", b"1 kb", b"50%", b"foo", &[b'1'; 128]] {
            assert_eq!(parse_memory(text), Err(Invalid::NotMemory), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_share_is_bytes_or_percent() {
        assert_eq!(parse_memory_share(b"1kb"), Ok(MemoryShare::Bytes(1024)));
        assert_eq!(parse_memory_share(b"0%"), Ok(MemoryShare::Bytes(0)));
        assert_eq!(parse_memory_share(b"100%"), Ok(MemoryShare::Percent(100)));
        assert_eq!(parse_memory_share(b"101%"), Err(Invalid::PercentAbove100));
        for text in [&b"%"[..], b"-5", b"-5%", b"x", b"x%"] {
            assert_eq!(parse_memory_share(text), Err(Invalid::NotMemoryOrPercent), "{}", text.escape_ascii());
        }
        assert_eq!(MemoryShare::Percent(50).bytes(1000), Some(500));
        assert_eq!(MemoryShare::Bytes(0).bytes(1000), None);
    }

    #[test]
    fn bytes_are_written_with_the_largest_exact_unit() {
        let expected = [(0, "0"), (1, "1"), (1024, "1kb"), (1025, "1025"), (3 << 20, "3mb"), (1 << 30, "1gb")];

        for (bytes, text) in expected {
            assert_eq!(memory_text(bytes), text);
        }
    }
}
