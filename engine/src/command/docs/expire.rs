//! Documentation of the commands about expiry.

use super::{Argument, Doc, Kind, argument, doc, integer, key, one_of, token};

const KEY: Argument = key("key");
const CONDITION: Argument =
    one_of("condition", &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")])
        .since("7.0.0")
        .optional();
const CONDITIONS_CAME: &[(&str, &str)] = &[("7.0.0", "The options `NX`, `XX`, `GT` and `LT`.")];
const MINUS_TWO_CAME: &[(&str, &str)] = &[("2.8.0", "The reply -2 for a missing key.")];

pub(super) const DOCS: &[Doc] =
    &[
        doc("expire", "1.0.0", "Lets a key expire after a number of seconds.").history(CONDITIONS_CAME).takes(&[
            KEY,
            integer("seconds"),
            CONDITION,
        ]),
        doc("expireat", "1.2.0", "Lets a key expire at a Unix time in seconds.").history(CONDITIONS_CAME).takes(&[
            KEY,
            argument("unix-time-seconds", Kind::UnixTime),
            CONDITION,
        ]),
        doc("expiretime", "7.0.0", "Returns the Unix time in seconds at which a key expires.").takes(&[KEY]),
        doc("persist", "2.2.0", "Removes a key's expiry.").takes(&[KEY]),
        doc("pexpire", "2.6.0", "Lets a key expire after a number of milliseconds.").history(CONDITIONS_CAME).takes(&[
            KEY,
            integer("milliseconds"),
            CONDITION,
        ]),
        doc("pexpireat", "2.6.0", "Lets a key expire at a Unix time in milliseconds.")
            .history(CONDITIONS_CAME)
            .takes(&[KEY, argument("unix-time-milliseconds", Kind::UnixTime), CONDITION]),
        doc("pexpiretime", "7.0.0", "Returns the Unix time in milliseconds at which a key expires.").takes(&[KEY]),
        doc("pttl", "2.6.0", "Returns how many milliseconds a key has left.").history(MINUS_TWO_CAME).takes(&[KEY]),
        doc("ttl", "1.0.0", "Returns how many seconds a key has left.").history(MINUS_TWO_CAME).takes(&[KEY]),
    ];
