//! Keys of any type.

pub(super) const FORMS: &[&str] = &[
    "COPY <key> <key> [DB <db>] [REPLACE]",
    "DBSIZE",
    "DEL <keys>",
    "DUMP <key>",
    "EXISTS <keys>",
    "KEYS <pattern>",
    "MOVE <key> <db>",
    "OBJECT (ENCODING|REFCOUNT) <key>",
    "RENAME <key> <key>",
    "RENAMENX <key> <key>",
    "SCAN 0 COUNT 1000 [MATCH <pattern>] [TYPE string|TYPE hash]",
    "SWAPDB 0 1",
    "TOUCH <keys>",
    "TYPE <key>",
    "UNLINK <keys>",
];
