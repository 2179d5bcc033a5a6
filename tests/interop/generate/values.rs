//! What places are filled with: small sets that meet each other often and hold the values at the edges.

/// Few enough that commands meet the keys of others; `\u{0}` as a name of one byte that is no letter.
pub(super) const KEYS: &[&str] = &["a", "b", "c", "key:1", "key:2", "{a}x", "", "\u{0}"];
pub(super) const FIELDS: &[&str] = &["a", "b", "c", "field", "1", "-7", "", "\u{0}"];
pub(super) const VALUES: &[&str] = &[
    "",
    "0",
    "x",
    "hello",
    "ohmytext",
    "mynewtext",
    "\r\n",
    "\u{0}\u{1}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "01234567890123456789012345678901234567890123",
    "012345678901234567890123456789012345678901234",
];
/// Ids at the edges, and some that are none.
pub(super) const ENDS: &[&str] =
    &["-", "+", "0", "5", "(5", "(5-5", "(-", "007-+1", "18446744073709551615-18446744073709551615", "x"];
pub(super) const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "127",
    "128",
    "-129",
    "32768",
    "10000",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
];
pub(super) const FLOATS: &[&str] = &["0", "0.1", "-0.1", "1.5", "3", "1e3", "-2.25", "1e-7", "123456.789", "5e20"];
pub(super) const PATTERNS: &[&str] = &["*", "key:*", "?", "[ab]", "[^a]", "nosuch", ""];
/// Unix seconds: long past, or far in the future.
pub(super) const POINTS: &[&str] =
    &["1", "1000000000", "33177117420", "33177117421", "33177117999", "9223372036854775"];
pub(super) const POINTS_MILLIS: &[&str] =
    &["1", "1000000000000", "33177117420123", "33177117420999", "9223372036854775807"];

/// Members of sets and sorted sets, and elements that are no members.
pub(super) const MEMBERS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "m1",
    "m2",
    "",
    "\u{0}",
    "7",
    "-7",
    "12345678901",
    "9223372036854775808",
    "007",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];
pub(super) const SCORES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-0",
    "1.5",
    "0.1",
    "1e3",
    "1e300",
    "-1e300",
    "inf",
    "-inf",
    "+inf",
    "3.0",
    "1e-7",
    "nan",
    "123456789012345678",
    "x",
];
/// Ends of ranges of scores, names and places alike: commands are also sent those of the others.
pub(super) const BOUNDS: &[&str] = &[
    "-inf", "+inf", "0", "1", "(1", "2", "(3", "1.5", "-1", "(inf", "-", "+", "[a", "(a", "[c", "(m1", "[", "(", "10",
    "-3",
];
pub(super) const LONGITUDES: &[&str] = &["13.361389", "15.087269", "0", "-0.5", "179.99", "-180", "180", "181", "2.35"];
pub(super) const LATITUDES: &[&str] = &["38.115556", "37.502669", "0", "0.5", "85.05", "-85.05", "86", "48.85"];
pub(super) const LENGTHS: &[&str] = &["0", "1", "100", "200.5", "1000", "50000", "1e9", "-1", "x"];
/// Numbers of elements, and places among them.
pub(super) const COUNTS: &[&str] =
    &["0", "1", "2", "3", "10", "-1", "-2", "-5", "100", "9223372036854775807", "-9223372036854775808", "1.5"];
/// Places of bits and bytes: none that takes much memory.
pub(super) const OFFSETS: &[&str] = &["0", "1", "7", "8", "100", "1000", "-1", "4294967296000", "x"];
pub(super) const BIT_FIELDS: &[&str] = &["u1", "u8", "i8", "i16", "u63", "i64", "u64", "i65", "u0"];
