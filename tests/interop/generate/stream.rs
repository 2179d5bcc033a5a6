//! Streams and their groups.

/// Entries with the fields of the one before are stored without them: half of these have such.
pub(super) const FORMS: &[&str] = &[
    "XADD <key> <new-id> a <value>",
    "XADD <key> <new-id> a <int>",
    "XADD <key> <new-id> <field-pairs>",
    "XADD <key> [NOMKSTREAM] [MAXLEN <small>|MAXLEN ~ <small>|MAXLEN ~ <small> LIMIT <small>] <new-id> a <value>",
    "XADD <key> [MINID <id>|MINID ~ <id>|MINID = <id>] <new-id> <field> <value>",
    "XDEL <key> <ids>",
    "XINFO STREAM <key>",
    "XLEN <key>",
    "XRANGE <key> <id> <id> [COUNT <small>]",
    "XREAD [COUNT <small>] STREAMS <key> <key> <id> <id>",
    "XREVRANGE <key> <id> <id> [COUNT <small>]",
    "XTRIM <key> (MAXLEN|MAXLEN ~) <small>",
    "XTRIM <key> (MINID|MINID ~) <id>",
];

/// Waits of entries are none or too long to be met. XSETID is here because Redis 7.0 lets it go in front of ids that were
/// deleted.
pub(super) const GROUP_FORMS: &[&str] = &[
    "XACK <key> <field> <ids>",
    "XAUTOCLAIM <key> <field> <field> (0|9000000) <id> [COUNT <small>] [JUSTID]",
    "XCLAIM <key> <field> <field> (0|9000000) <ids> [IDLE 20000000|TIME 1000|RETRYCOUNT 5|LASTID <id>] [FORCE] [JUSTID]",
    "XGROUP CREATE <key> <field> (0|$|<id>) [MKSTREAM] [ENTRIESREAD <small>]",
    "XGROUP CREATE <key> <field> 0 MKSTREAM",
    "XGROUP CREATECONSUMER <key> <field> <field>",
    "XGROUP DELCONSUMER <key> <field> <field>",
    "XGROUP DESTROY <key> <field>",
    "XGROUP SETID <key> <field> (0|$|<id>) [ENTRIESREAD <small>]",
    "XINFO GROUPS <key>",
    "XPENDING <key> <field>",
    "XPENDING <key> <field> IDLE 9000000 <id> <id> <small>",
    "XREADGROUP GROUP <field> <field> [COUNT <small>] [NOACK] STREAMS <key> >",
    "XREADGROUP GROUP <field> <field> [COUNT <small>] STREAMS <key> >",
    "XREADGROUP GROUP <field> <field> [COUNT <small>] STREAMS <key> <key> > <id>",
    "XSETID <key> <id> [ENTRIESADDED <offset>] [MAXDELETEDID <id>]",
];
