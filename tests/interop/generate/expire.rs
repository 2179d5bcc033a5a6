//! Times to live.

pub(super) const FORMS: &[&str] = &[
    "EXPIRE <key> <seconds> [NX|XX|GT|LT|XX GT|NX LT]",
    "EXPIREAT <key> <at> [NX|XX|GT|LT|XX LT|GT LT]",
    "EXPIRETIME <key>",
    "PERSIST <key>",
    "PEXPIRE <key> <millis> [NX|XX|GT|LT]",
    "PEXPIREAT <key> <at-millis> [NX|XX|GT|LT]",
    "PEXPIRETIME <key>",
    "PTTL <key>",
    "TTL <key>",
    "EXPIRE <key> (0|-1|-100)",
];
