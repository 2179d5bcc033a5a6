//! Documentation of the commands for keys of any type.

use super::{Argument, Doc, Kind, argument, block, doc, integer, key, one_of, string, token};

const KEY: Argument = key("key");
const NEW_KEY: Argument = argument("newkey", Kind::Key(1));
const PATTERN: Argument = argument("pattern", Kind::Pattern);
const FOR_EACH_KEY: &str = "O(N) where N is the number of keys";
const RESTORE_COSTS: &str = "O(1) to make the key and O(M) to read the payload, where M is its size";
const RESTORE_HISTORY: &[(&str, &str)] =
    &[("3.0.0", "The option `REPLACE`."), ("5.0.0", "The options `ABSTTL`, `IDLETIME` and `FREQ`.")];
const RESTORE_ARGUMENTS: &[Argument] = &[
    KEY,
    integer("ttl"),
    string("serialized-value"),
    token("replace", "REPLACE").since("3.0.0").optional(),
    token("absttl", "ABSTTL").since("5.0.0").optional(),
    integer("seconds").after("IDLETIME").since("5.0.0").optional(),
    integer("frequency").after("FREQ").since("5.0.0").optional(),
];

const SORT_COSTS: &str = "O(N+M*log(M)) where N is the number of elements and M of those that are returned; O(N) where \
                          they keep their order";
const BY: Argument = argument("by-pattern", Kind::Pattern).after("BY").optional();
const SORT_LIMIT: Argument = block("limit", &[integer("offset"), integer("count")]).after("LIMIT").optional();
const GET: Argument = argument("get-pattern", Kind::Pattern).after("GET").optional().multiple().repeating_token();
const ORDER: Argument = one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional();

pub(super) const DOCS: &[Doc] = &[
    doc("copy", "6.2.0", "Copies a value to another key.")
        .costs("O(N) where N is the number of elements of the value; O(1) for strings")
        .takes(&[
            key("source"),
            argument("destination", Kind::Key(1)),
            integer("destination-db").after("DB").optional(),
            token("replace", "REPLACE").optional(),
        ]),
    doc("del", "1.0.0", "Deletes keys.")
        .costs("O(N) where N is the number of keys and of the elements of their values")
        .takes(&[KEY.multiple()]),
    doc("dump", "2.6.0", "Returns a value in a form that RESTORE reads.")
        .costs("O(M) where M is the size of the value")
        .takes(&[KEY]),
    doc("exists", "1.0.0", "Counts how many of the keys exist; a key named twice counts twice.")
        .costs(FOR_EACH_KEY)
        .history(&[("3.0.3", "Several keys.")])
        .takes(&[KEY.multiple()]),
    doc("keys", "1.0.0", "Returns the names of all keys that match a pattern.")
        .costs("O(N) where N is the number of keys in the database")
        .takes(&[PATTERN]),
    doc("move", "1.0.0", "Moves a key to another database.").takes(&[KEY, integer("db")]),
    doc("object", "2.2.3", "Groups commands that look into values.").costs("Depends on the subcommand."),
    doc("object|encoding", "2.2.3", "Returns the form in which a value is stored.").takes(&[KEY]),
    doc("object|freq", "4.0.0", "Returns the counter of a key's uses.").takes(&[KEY]),
    doc("object|help", "6.2.0", "Returns help on the subcommands."),
    doc("object|idletime", "2.2.3", "Returns the seconds since a key was used.").takes(&[KEY]),
    doc("object|refcount", "2.2.3", "Returns the number of references to a value.").takes(&[KEY]),
    doc("randomkey", "1.0.0", "Returns the name of a random key."),
    doc("rename", "1.0.0", "Gives a value another key, replacing what that had.").takes(&[KEY, NEW_KEY]),
    doc("renamenx", "1.0.0", "Gives a value another key, if that does not exist.")
        .history(&[("3.2.0", "Source and target may be the same key.")])
        .takes(&[KEY, NEW_KEY]),
    doc("restore", "2.6.0", "Makes a key from a payload of DUMP.")
        .costs(RESTORE_COSTS)
        .history(RESTORE_HISTORY)
        .takes(RESTORE_ARGUMENTS),
    doc("restore-asking", "3.0.0", "Makes a key from a payload of DUMP in a slot that is being imported.")
        .internal()
        .costs(RESTORE_COSTS)
        .history(RESTORE_HISTORY)
        .takes(RESTORE_ARGUMENTS),
    doc("scan", "2.8.0", "Walks over the names of the keys, a few at each call.")
        .costs("O(1) for each call, O(N) for a whole walk, where N is the number of keys in the database")
        .history(&[("6.0.0", "The option `TYPE`.")])
        .takes(&[
            integer("cursor"),
            PATTERN.after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
            string("type").after("TYPE").since("6.0.0").optional(),
        ]),
    doc("sort", "1.0.0", "Sorts the elements of a list, a set or a sorted set, and may store the result.")
        .costs(SORT_COSTS)
        .takes(&[
            KEY,
            BY,
            SORT_LIMIT,
            GET,
            ORDER,
            token("sorting", "ALPHA").optional(),
            argument("destination", Kind::Key(2)).after("STORE").optional(),
        ]),
    doc("sort_ro", "7.0.0", "Returns the elements of a list, a set or a sorted set in another order.")
        .costs(SORT_COSTS)
        .takes(&[KEY, BY, SORT_LIMIT, GET, ORDER, token("sorting", "ALPHA").optional()]),
    doc("touch", "3.2.1", "Counts how many of the keys exist and marks them as used.")
        .costs(FOR_EACH_KEY)
        .takes(&[KEY.multiple()]),
    doc("type", "1.0.0", "Returns the type of a value.").takes(&[KEY]),
    doc("unlink", "4.0.0", "Deletes keys and leaves the freeing of their memory for later.")
        .costs("O(1) for each key, whatever its size; the memory is freed behind it")
        .takes(&[KEY.multiple()]),
];
