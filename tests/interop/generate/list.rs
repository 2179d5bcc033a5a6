//! Lists.

/// Waits are short and few: they take the reference a tenth of a second.
pub(super) const FORMS: &[&str] = &[
    "(BLPOP <keys> 0.001|BRPOP <keys> 0.001|BRPOPLPUSH <key> <key> 0.001|BLMOVE <key> <key> RIGHT LEFT 0.001|BLMPOP \
     0.001 2 <key> <key> LEFT COUNT 2)",
    "LINDEX <key> <index>",
    "LINSERT <key> (BEFORE|AFTER) <value> <value>",
    "LINSERT <key> (BEFORE|AFTER) <int> <long>",
    "LLEN <key>",
    "LMOVE <key> <key> (LEFT|RIGHT) (LEFT|RIGHT)",
    "LMPOP 2 <key> <key> (LEFT|RIGHT) [COUNT 3]",
    "LPOP <key> [<offset>]",
    "LPOS <key> <value> [RANK <index>] [COUNT <offset>] [MAXLEN <offset>]",
    "LPUSH <key> <values>",
    "LPUSH <key> <int> <long>",
    "LPUSHX <key> <values>",
    "LRANGE <key> <index> <index>",
    "LREM <key> <index> <value>",
    "LSET <key> <index> <value>",
    "LSET <key> <index> <long>",
    "LTRIM <key> <index> <index>",
    "RPOP <key> [<offset>]",
    "RPOPLPUSH <key> <key>",
    "RPUSH <key> <values>",
    "RPUSH <key> <values>",
    "RPUSH <key> <long> <int>",
    "RPUSHX <key> <values>",
];
