//! Documentation of the string commands.

use super::{Argument, Doc, Kind, argument, block, doc, integer, key, one_of, string, token};

const KEY: Argument = key("key");
const VALUE: Argument = string("value");
const PAIRS: &[Argument] = &[block("data", &[KEY, VALUE]).multiple()];
const RANGE: &[Argument] = &[KEY, integer("start"), integer("end")];
const RANGE_COSTS: &str = "O(N) where N is the number of bytes returned";

const COMPARISONS: &[Argument] = &[
    string("ifeq-value").after("IFEQ"),
    string("ifne-value").after("IFNE"),
    string("ifdeq-digest").after("IFDEQ"),
    string("ifdne-digest").after("IFDNE"),
];

pub(super) const DOCS: &[Doc] = &[
    doc("append", "2.0.0", "Adds bytes to the end of a string, which is created when it does not exist.")
        .costs("O(1) amortized for small additions: the buffer doubles as it grows")
        .takes(&[KEY, VALUE]),
    doc("decr", "1.0.0", "Subtracts one from an integer; a missing key counts as 0.").takes(&[KEY]),
    doc("decrby", "1.0.0", "Subtracts a number from an integer; a missing key counts as 0.")
        .takes(&[KEY, integer("decrement")]),
    doc("delex", "8.4.0", "Deletes a key, or a string that equals another or has a digest, or does not.")
        .costs("O(1); O(N) with a digest, where N is the length of the string")
        .takes(&[KEY, one_of("condition", COMPARISONS).optional()]),
    doc("delifeq", "9.0.0", "Deletes a key if its string equals another.").takes(&[KEY, VALUE]),
    doc("digest", "8.4.0", "Returns the XXH3 digest of a string.")
        .costs("O(N) where N is the length of the string")
        .takes(&[KEY]),
    doc("get", "1.0.0", "Returns a string.").takes(&[KEY]),
    doc("getdel", "6.2.0", "Returns a string and deletes its key.").takes(&[KEY]),
    doc("getex", "6.2.0", "Returns a string and sets or removes its expiry.").takes(&[
        KEY,
        one_of(
            "expiration",
            &[
                integer("seconds").after("EX"),
                integer("milliseconds").after("PX"),
                argument("unix-time-seconds", Kind::UnixTime).after("EXAT"),
                argument("unix-time-milliseconds", Kind::UnixTime).after("PXAT"),
                token("persist", "PERSIST"),
            ],
        )
        .optional(),
    ]),
    doc("getrange", "2.4.0", "Returns the part of a string between two indexes.").costs(RANGE_COSTS).takes(RANGE),
    doc("getset", "1.0.0", "Replaces a string and returns the old one.")
        .deprecated("6.2.0", "`SET` with the `GET` argument")
        .takes(&[KEY, VALUE]),
    doc("incr", "1.0.0", "Adds one to an integer; a missing key counts as 0.").takes(&[KEY]),
    doc("incrby", "1.0.0", "Adds a number to an integer; a missing key counts as 0.")
        .takes(&[KEY, integer("increment")]),
    doc("incrbyfloat", "2.6.0", "Adds a floating point number to a number; a missing key counts as 0.")
        .takes(&[KEY, argument("increment", Kind::Double)]),
    doc("lcs", "7.0.0", "Finds the longest common subsequence of two strings.")
        .costs("O(N*M) where N and M are the lengths of the strings")
        .takes(&[
            key("key1"),
            key("key2"),
            token("len", "LEN").optional(),
            token("idx", "IDX").optional(),
            integer("min-match-len").after("MINMATCHLEN").optional(),
            token("withmatchlen", "WITHMATCHLEN").optional(),
        ]),
    doc("mget", "1.0.0", "Returns the strings of several keys.")
        .costs("O(N) where N is the number of keys")
        .takes(&[KEY.multiple()]),
    doc("mset", "1.0.1", "Sets several strings at once.").costs("O(N) where N is the number of keys").takes(PAIRS),
    doc("msetex", "9.1.0", "Sets several strings at once, with an expiry and under a condition that holds for all.")
        .costs("O(N) where N is the number of keys")
        .takes(&[
            integer("numkeys"),
            block("data", &[KEY, VALUE]).multiple(),
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).optional(),
            one_of(
                "expiration",
                &[
                    integer("seconds").after("EX"),
                    integer("milliseconds").after("PX"),
                    argument("unix-time-seconds", Kind::UnixTime).after("EXAT"),
                    argument("unix-time-milliseconds", Kind::UnixTime).after("PXAT"),
                    token("keepttl", "KEEPTTL"),
                ],
            )
            .optional(),
        ]),
    doc("msetnx", "1.0.1", "Sets several strings at once, if none of the keys exists.")
        .costs("O(N) where N is the number of keys")
        .takes(PAIRS),
    doc("psetex", "2.6.0", "Sets a string that expires after a number of milliseconds.")
        .deprecated("2.6.12", "`SET` with the `PX` argument")
        .takes(&[KEY, integer("milliseconds"), VALUE]),
    doc("set", "1.0.0", "Sets a string, whatever type the key had before.")
        .history(&[
            ("2.6.12", "The options `EX`, `PX`, `NX` and `XX`."),
            ("6.0.0", "The option `KEEPTTL`."),
            ("6.2.0", "The options `GET`, `EXAT` and `PXAT`."),
            ("7.0.0", "`NX` and `GET` may be used together."),
            ("8.1.0", "The option `IFEQ`."),
            ("8.4.0", "The options `IFNE`, `IFDEQ` and `IFDNE`."),
        ])
        .takes(&[
            KEY,
            VALUE,
            one_of(
                "condition",
                &[
                    token("nx", "NX").since("2.6.12"),
                    token("xx", "XX").since("2.6.12"),
                    string("comparison-value").after("IFEQ").since("8.1.0"),
                    string("ifne-value").after("IFNE").since("8.4.0"),
                    string("ifdeq-digest").after("IFDEQ").since("8.4.0"),
                    string("ifdne-digest").after("IFDNE").since("8.4.0"),
                ],
            )
            .optional(),
            token("get", "GET").since("6.2.0").optional(),
            one_of(
                "expiration",
                &[
                    integer("seconds").after("EX").since("2.6.12"),
                    integer("milliseconds").after("PX").since("2.6.12"),
                    argument("unix-time-seconds", Kind::UnixTime).after("EXAT").since("6.2.0"),
                    argument("unix-time-milliseconds", Kind::UnixTime).after("PXAT").since("6.2.0"),
                    token("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ]),
    doc("setex", "2.0.0", "Sets a string that expires after a number of seconds.")
        .deprecated("2.6.12", "`SET` with the `EX` argument")
        .takes(&[KEY, integer("seconds"), VALUE]),
    doc("setnx", "1.0.0", "Sets a string if the key does not exist.")
        .deprecated("2.6.12", "`SET` with the `NX` argument")
        .takes(&[KEY, VALUE]),
    doc("setrange", "2.2.0", "Overwrites a part of a string, filling up with zero bytes where it is too short.")
        .costs("O(M) where M is the length of the new part, and of the string when it has to grow")
        .takes(&[KEY, integer("offset"), VALUE]),
    doc("strlen", "2.2.0", "Returns the length of a string in bytes.").takes(&[KEY]),
    doc("substr", "1.0.0", "Returns the part of a string between two indexes.")
        .costs(RANGE_COSTS)
        .deprecated("2.0.0", "`GETRANGE`")
        .takes(RANGE),
];
