//! Bitmaps and bit fields.

pub(super) const FORMS: &[&str] = &[
    "BITCOUNT <key>",
    "BITCOUNT <key> <index> <index> [BYTE|BIT]",
    "BITFIELD <key> GET <bit-field> [OVERFLOW SAT|OVERFLOW FAIL] INCRBY <bit-field> <int>",
    "BITFIELD <key> [OVERFLOW SAT|OVERFLOW FAIL|OVERFLOW WRAP] SET <bit-field> <int> INCRBY <bit-field> <int>",
    "BITFIELD <key> [GET <bit-field>] [SET <bit-field> <int>] [INCRBY <bit-field> <int>]",
    "BITFIELD_RO <key> GET <bit-field> GET <bit-field>",
    "BITOP (AND|OR|XOR) <key> <keys>",
    "BITOP NOT <key> <key>",
    "BITPOS <key> <bit>",
    "BITPOS <key> <bit> <index>",
    "BITPOS <key> <bit> <index> <index> [BYTE|BIT]",
    "GETBIT <key> <offset>",
    "SETBIT <key> <offset> <bit>",
];
