//! HyperLogLogs.

pub(super) const FORMS: &[&str] = &[
    "DEL <key>",
    "GET <key>",
    "PFADD <key>",
    "PFADD <key> <element>",
    "PFADD <key> <elements>",
    "PFADD <key> <value> <value>",
    "PFCOUNT <key>",
    "PFCOUNT <keys>",
    "PFDEBUG (DECODE|ENCODING|GETREG|TODENSE) <key>",
    "PFMERGE <key> <keys>",
];
