//! Hashes.

pub(super) const FORMS: &[&str] = &[
    "HDEL <key> <fields>",
    "HEXISTS <key> <field>",
    "HGET <key> <field>",
    "HGETALL <key>",
    "HINCRBY <key> <field> <int>",
    "HINCRBYFLOAT <key> <field> <float>",
    "HKEYS <key>",
    "HLEN <key>",
    "HMGET <key> <fields>",
    "HMSET <key> <field-pairs>",
    "HRANDFIELD <key> [1|2|100|-2|0|2 WITHVALUES|-3 WITHVALUES]",
    "HSCAN <key> 0 COUNT 1000 [MATCH <pattern>]",
    "HSET <key> <field-pairs>",
    "HSET <key> <field-pairs>",
    "HSET <key> <field> <int>",
    "HSET <key> <field> <float>",
    "HSETNX <key> <field> <value>",
    "HSTRLEN <key> <field>",
    "HVALS <key>",
];

/// What only newer references have.
pub(super) const EXPIRY_FORMS: &[&str] = &[
    "HEXPIRE <key> <seconds> [NX|XX|GT|LT|XX GT|NX LT] <counted>",
    "HPEXPIRE <key> <millis> [NX|XX|GT|LT|XX LT] <counted>",
    "HEXPIREAT <key> <at> [NX|XX|GT|LT|XX GT|GT LT] <counted>",
    "HPEXPIREAT <key> <at-millis> [NX|XX|GT|LT] <counted>",
    "HEXPIRE <key> (0|-1) <counted>",
    "HTTL <key> <counted>",
    "HPTTL <key> <counted>",
    "HEXPIRETIME <key> <counted>",
    "HPEXPIRETIME <key> <counted>",
    "HPERSIST <key> <counted>",
    "HGETEX <key> [EX <seconds>|PX <millis>|EXAT <at>|PXAT <at-millis>|PERSIST] <counted>",
    "HSETEX <key> [NX|XX] [FNX|FXX] [EX <seconds>|PX <millis>|EXAT <at>|PXAT <at-millis>|KEEPTTL] <counted-pairs>",
    "HGETDEL <key> <counted>",
];
