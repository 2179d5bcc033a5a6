//! Documentation of the hash commands.

use super::{Argument, Doc, Kind, argument, block, doc, integer, key, one_of, string, token};

const KEY: Argument = key("key");
const FIELD: Argument = string("field");
const VALUE: Argument = string("value");
const PAIR: Argument = block("data", &[FIELD, VALUE]).multiple();
const FIELDS: Argument = block("fields", &[integer("numfields"), FIELD.multiple()]).after("FIELDS");
const PAIRS: Argument = block("fields", &[integer("numfields"), PAIR]).after("FIELDS");
const CONDITION: Argument =
    one_of("condition", &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")]).optional();
const SECONDS: Argument = integer("seconds").after("EX");
const MILLISECONDS: Argument = integer("milliseconds").after("PX");
const AT_SECONDS: Argument = argument("unix-time-seconds", Kind::UnixTime).after("EXAT");
const AT_MILLISECONDS: Argument = argument("unix-time-milliseconds", Kind::UnixTime).after("PXAT");
const PER_FIELD: &str = "O(1) for each field";
const ALL_FIELDS: &str = "O(N) where N is the number of fields";
const MANY_FIELDS: &[(&str, &str)] = &[("2.4.0", "Takes several fields.")];

pub(super) const DOCS: &[Doc] = &[
    doc("hdel", "2.0.0", "Removes fields from a hash, and the hash with the last one.")
        .costs(PER_FIELD)
        .history(MANY_FIELDS)
        .takes(&[KEY, FIELD.multiple()]),
    doc("hexists", "2.0.0", "Tells whether a hash has a field.").takes(&[KEY, FIELD]),
    doc("hexpire", "7.4.0", "Lets fields expire after a number of seconds.").costs(PER_FIELD).takes(&[
        KEY,
        integer("seconds"),
        CONDITION,
        FIELDS,
    ]),
    doc("hexpireat", "7.4.0", "Lets fields expire at a Unix time in seconds.").costs(PER_FIELD).takes(&[
        KEY,
        argument("unix-time-seconds", Kind::UnixTime),
        CONDITION,
        FIELDS,
    ]),
    doc("hexpiretime", "7.4.0", "Returns the Unix times in seconds at which fields expire.")
        .costs(PER_FIELD)
        .takes(&[KEY, FIELDS]),
    doc("hget", "2.0.0", "Returns the value of a field.").takes(&[KEY, FIELD]),
    doc("hgetall", "2.0.0", "Returns all fields of a hash with their values.").costs(ALL_FIELDS).takes(&[KEY]),
    doc("hgetdel", "8.0.0", "Returns the values of fields and removes the fields.")
        .costs(PER_FIELD)
        .takes(&[KEY, FIELDS]),
    doc("hgetex", "8.0.0", "Returns the values of fields and changes when the fields expire.").costs(PER_FIELD).takes(
        &[
            KEY,
            one_of("expiration", &[SECONDS, MILLISECONDS, AT_SECONDS, AT_MILLISECONDS, token("persist", "PERSIST")])
                .optional(),
            FIELDS,
        ],
    ),
    doc("hincrby", "2.0.0", "Adds to the integer of a field; a missing field counts as 0.").takes(&[
        KEY,
        FIELD,
        integer("increment"),
    ]),
    doc("hincrbyfloat", "2.6.0", "Adds a floating point number to the number of a field; a missing field counts as 0.")
        .takes(&[KEY, FIELD, argument("increment", Kind::Double)]),
    doc("hkeys", "2.0.0", "Returns the names of all fields of a hash.").costs(ALL_FIELDS).takes(&[KEY]),
    doc("hlen", "2.0.0", "Returns the number of fields of a hash.").takes(&[KEY]),
    doc("hmget", "2.0.0", "Returns the values of several fields.").costs(PER_FIELD).takes(&[KEY, FIELD.multiple()]),
    doc("hmset", "2.0.0", "Sets the values of several fields.")
        .costs(PER_FIELD)
        .deprecated("4.0.0", "`HSET` with several pairs of field and value")
        .takes(&[KEY, PAIR]),
    doc("hpersist", "7.4.0", "Removes the expiry of fields.").costs(PER_FIELD).takes(&[KEY, FIELDS]),
    doc("hpexpire", "7.4.0", "Lets fields expire after a number of milliseconds.").costs(PER_FIELD).takes(&[
        KEY,
        integer("milliseconds"),
        CONDITION,
        FIELDS,
    ]),
    doc("hpexpireat", "7.4.0", "Lets fields expire at a Unix time in milliseconds.").costs(PER_FIELD).takes(&[
        KEY,
        argument("unix-time-milliseconds", Kind::UnixTime),
        CONDITION,
        FIELDS,
    ]),
    doc("hpexpiretime", "7.4.0", "Returns the Unix times in milliseconds at which fields expire.")
        .costs(PER_FIELD)
        .takes(&[KEY, FIELDS]),
    doc("hpttl", "7.4.0", "Returns how many milliseconds fields have left.").costs(PER_FIELD).takes(&[KEY, FIELDS]),
    doc("hrandfield", "6.2.0", "Returns random fields of a hash.")
        .costs("O(1) without a count; O(N) where N is the count, or its absolute value")
        .takes(&[KEY, block("options", &[integer("count"), token("withvalues", "WITHVALUES").optional()]).optional()]),
    doc("hscan", "2.8.0", "Goes through the fields of a hash in steps.")
        .costs("O(1) for each call; O(N) for the whole walk, where N is the number of fields")
        .history(&[("7.4.0", "The option `NOVALUES`.")])
        .takes(&[
            KEY,
            integer("cursor"),
            argument("pattern", Kind::Pattern).after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
            token("novalues", "NOVALUES").since("7.4.0").optional(),
        ]),
    doc("hset", "2.0.0", "Sets the values of fields of a hash, which is created when it does not exist.")
        .costs(PER_FIELD)
        .history(&[("4.0.0", "Takes several pairs of field and value.")])
        .takes(&[KEY, PAIR]),
    doc("hsetex", "8.0.0", "Sets the values of fields and when the fields expire.").costs(PER_FIELD).takes(&[
        KEY,
        one_of("key-condition", &[token("nx", "NX"), token("xx", "XX")]).optional(),
        one_of("fields-condition", &[token("fnx", "FNX"), token("fxx", "FXX")]).optional(),
        one_of("expiration", &[SECONDS, MILLISECONDS, AT_SECONDS, AT_MILLISECONDS, token("keepttl", "KEEPTTL")])
            .optional(),
        PAIRS,
    ]),
    doc("hsetnx", "2.0.0", "Sets the value of a field if the field does not exist.").takes(&[KEY, FIELD, VALUE]),
    doc("hstrlen", "3.2.0", "Returns the length of a field's value in bytes.").takes(&[KEY, FIELD]),
    doc("httl", "7.4.0", "Returns how many seconds fields have left.").costs(PER_FIELD).takes(&[KEY, FIELDS]),
    doc("hvals", "2.0.0", "Returns the values of all fields of a hash.").costs(ALL_FIELDS).takes(&[KEY]),
];
