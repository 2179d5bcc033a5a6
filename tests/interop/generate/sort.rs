//! Sorting.

/// What is sorted has one order: no two elements differ only behind a zero byte, no two weights are equal as text, and a
/// set whose order nobody asked for is stored.
pub(super) const FORMS: &[&str] = &[
    "DEL <key>",
    "HSET <key> <field> <float>",
    "LRANGE <key> 0 -1",
    "RPUSH <key> <int> <float> <int>",
    "RPUSH <key> <int>",
    "SADD <key> <int> <float>",
    "SADD <key> <int> <int> <int>",
    "SET <key> <float>",
    "SORT <key> [LIMIT <index> <index>] [ASC|DESC] [ALPHA] [STORE <key>]",
    "SORT <key> [LIMIT <index> <index>] [DESC] [GET key:*|GET #|GET x*->f|GET nowhere] [GET #] [STORE <key>]",
    "SORT <key> (BY key:*|BY *->a|BY a*|BY key:*->field) [DESC] [LIMIT <index> <index>] [GET key:*] [STORE <key>]",
    "SORT <key> BY nosort [DESC] [LIMIT <index> <index>] [GET key:*] STORE <key>",
    "SORT_RO <key> [LIMIT <index> <index>] [ASC|DESC] [ALPHA] [GET # GET key:*->a]",
    "TYPE <key>",
    "ZADD <key> <float> <int> <float> <int>",
];
