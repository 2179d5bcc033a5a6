//! Sets.

/// Random picks take all or show all, so that both servers are left with the same.
pub(super) const FORMS: &[&str] = &[
    "SADD <key> <members>",
    "SADD <key> <members>",
    "SADD <key> <numbers>",
    "SADD <key> <many-members>",
    "SCARD <key>",
    "SDIFF <keys>",
    "SDIFFSTORE <key> <keys>",
    "SINTER <keys>",
    "SINTERCARD 2 <key> <key> [LIMIT 1|LIMIT 0|LIMIT -1]",
    "SINTERSTORE <key> <keys>",
    "SISMEMBER <key> <member>",
    "SMEMBERS <key>",
    "SMISMEMBER <key> <members>",
    "SMOVE <key> <key> <member>",
    "SPOP <key> 100000",
    "SRANDMEMBER <key> [100000|-3|0]",
    "SREM <key> <members>",
    "SREM <key> <numbers>",
    "SSCAN <key> 0 COUNT 100000 [MATCH <pattern>]",
    "SUNION <keys>",
    "SUNIONSTORE <key> <keys>",
];
