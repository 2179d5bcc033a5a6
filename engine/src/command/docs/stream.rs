//! Documentation of the stream commands.

use super::{Argument, Doc, Kind, argument, block, doc, integer, key, one_of, string, token};

const KEY: Argument = key("key");
const GROUP: Argument = string("group");
const CONSUMER: Argument = string("consumer");
const IDS: Argument = string("id").multiple();
const COUNT: Argument = integer("count").after("COUNT").optional();
const JUSTID: Argument = token("justid", "JUSTID").optional();
const MIN_IDLE: Argument = string("min-idle-time");
const PER_RETURNED: &str = "O(N) where N is the number of entries returned";
const OPEN_RANGES: &[(&str, &str)] = &[("6.2.0", "Takes ranges without their ends.")];

const STRATEGY: Argument = one_of("strategy", &[token("maxlen", "MAXLEN"), token("minid", "MINID").since("6.2.0")]);
const OPERATOR: Argument = one_of("operator", &[token("equal", "="), token("approximately", "~")]).optional();
const LIMIT: Argument = integer("count").after("LIMIT").since("6.2.0").optional();
const TRIM: Argument = block("trim", &[STRATEGY, OPERATOR, string("threshold"), LIMIT]);

const PLACE: Argument = one_of("id-selector", &[string("id"), token("new-id", "$")]);
const ENTRIES_READ: Argument = integer("entriesread").after("ENTRIESREAD").optional();
const WITH_ENTRIES_READ: &[(&str, &str)] = &[("7.0.0", "Takes the number of entries read.")];
const BLOCK: Argument = integer("milliseconds").after("BLOCK").optional();
const STREAMS: Argument = block("streams", &[KEY.multiple(), IDS]).after("STREAMS");

pub(super) const DOCS: &[Doc] = &[
    doc("xack", "5.0.0", "Acknowledges entries, which no longer wait in the group.")
        .costs("O(1) for each id")
        .takes(&[KEY, GROUP, IDS]),
    doc("xadd", "5.0.0", "Adds an entry to a stream, which is made if need be; may trim it.")
        .costs("O(1) for the entry, O(N) for the N entries that a trimming removes")
        .history(&[("6.2.0", "Takes `NOMKSTREAM`, `MINID` and `LIMIT`."), ("7.0.0", "Takes ids of the form `<ms>-*`.")])
        .takes(&[
            KEY,
            token("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
            TRIM.optional(),
            one_of("id-selector", &[token("auto-id", "*"), string("id")]),
            block("data", &[string("field"), string("value")]).multiple(),
        ]),
    doc("xautoclaim", "6.2.0", "Gives entries that have waited for too long to another consumer.")
        .costs("O(N) where N is the count")
        .history(&[("7.0.0", "Tells the ids of entries that are gone, too.")])
        .takes(&[KEY, GROUP, CONSUMER, MIN_IDLE, string("start"), COUNT, JUSTID]),
    doc("xclaim", "5.0.0", "Gives entries that wait to another consumer.")
        .costs("O(log N) for each id, where N is the number of entries that wait")
        .takes(&[
            KEY,
            GROUP,
            CONSUMER,
            MIN_IDLE,
            IDS,
            integer("ms").after("IDLE").optional(),
            argument("unix-time-milliseconds", Kind::UnixTime).after("TIME").optional(),
            integer("count").after("RETRYCOUNT").optional(),
            token("force", "FORCE").optional(),
            JUSTID,
            string("lastid").after("LASTID").optional(),
        ]),
    doc("xdel", "5.0.0", "Removes entries from a stream, and returns how many.")
        .costs("O(1) for each id")
        .takes(&[KEY, IDS]),
    doc("xgroup", "5.0.0", "A container of commands about consumer groups.").costs("As the subcommand."),
    doc("xgroup|create", "5.0.0", "Makes a group.").history(WITH_ENTRIES_READ).takes(&[
        KEY,
        GROUP,
        PLACE,
        token("mkstream", "MKSTREAM").optional(),
        ENTRIES_READ,
    ]),
    doc("xgroup|createconsumer", "6.2.0", "Makes a consumer of a group.").takes(&[KEY, GROUP, CONSUMER]),
    doc("xgroup|delconsumer", "5.0.0", "Removes a consumer from a group.")
        .costs("O(N) where N is the number of entries that wait for it")
        .takes(&[KEY, GROUP, CONSUMER]),
    doc("xgroup|destroy", "5.0.0", "Removes a group.").takes(&[KEY, GROUP]),
    doc("xgroup|help", "5.0.0", "Lists the subcommands."),
    doc("xgroup|setid", "5.0.0", "Has a group read on behind another entry.").history(WITH_ENTRIES_READ).takes(&[
        KEY,
        GROUP,
        PLACE,
        ENTRIES_READ,
    ]),
    doc("xinfo", "5.0.0", "A container of commands that tell about streams.").costs("As the subcommand."),
    doc("xinfo|consumers", "5.0.0", "Lists the consumers of a group.")
        .costs("O(N) where N is the number of consumers")
        .history(&[("7.2.0", "Tells `inactive`; `idle` counts from any attempt.")])
        .takes(&[KEY, GROUP]),
    doc("xinfo|groups", "5.0.0", "Lists the groups of a stream.")
        .costs("O(N) where N is the number of groups")
        .history(&[("7.0.0", "Tells `entries-read` and `lag`.")])
        .takes(&[KEY]),
    doc("xinfo|help", "5.0.0", "Lists the subcommands."),
    doc("xinfo|stream", "5.0.0", "Tells about a stream.")
        .history(&[
            ("6.0.0", "Takes `FULL`."),
            (
                "7.0.0",
                "Tells `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag`.",
            ),
            ("7.2.0", "Tells `active-time`; `seen-time` is that of any attempt."),
        ])
        .takes(&[KEY, block("full-block", &[token("full", "FULL"), COUNT]).optional()]),
    doc("xlen", "5.0.0", "Returns the number of entries of a stream.").takes(&[KEY]),
    doc("xpending", "5.0.0", "Tells of the entries of a group that wait to be acknowledged.")
        .costs("O(N) where N is the number of entries or consumers listed, or looked at behind IDLE")
        .history(&[("6.2.0", "Takes `IDLE` and ranges without their ends.")])
        .takes(&[
            KEY,
            GROUP,
            block(
                "filters",
                &[
                    integer("min-idle-time").after("IDLE").since("6.2.0").optional(),
                    string("start"),
                    string("end"),
                    integer("count"),
                    CONSUMER.optional(),
                ],
            )
            .optional(),
        ]),
    doc("xrange", "5.0.0", "Returns the entries of a range of ids.").costs(PER_RETURNED).history(OPEN_RANGES).takes(&[
        KEY,
        string("start"),
        string("end"),
        COUNT,
    ]),
    doc("xread", "5.0.0", "Returns the entries of streams behind given ids; waits for one if need be.")
        .costs(PER_RETURNED)
        .takes(&[COUNT, BLOCK, STREAMS]),
    doc("xreadgroup", "5.0.0", "Gives a consumer entries that its group has not been given; waits for one if need be.")
        .costs("O(N log M) where N is the number of entries returned and M of those that wait")
        .takes(&[
            block("group-block", &[GROUP, CONSUMER]).after("GROUP"),
            COUNT,
            BLOCK,
            token("noack", "NOACK").optional(),
            STREAMS,
        ]),
    doc("xrevrange", "5.0.0", "Returns the entries of a range of ids, the last first.")
        .costs(PER_RETURNED)
        .history(OPEN_RANGES)
        .takes(&[KEY, string("end"), string("start"), COUNT]),
    doc("xsetid", "5.0.0", "Sets the figures of a stream; for servers among themselves.")
        .history(&[("7.0.0", "Takes the number of entries added and the greatest deleted id.")])
        .takes(&[
            KEY,
            string("last-id"),
            integer("entries-added").after("ENTRIESADDED").since("7.0.0").optional(),
            string("max-deleted-id").after("MAXDELETEDID").since("7.0.0").optional(),
        ]),
    doc("xtrim", "5.0.0", "Removes entries from the front of a stream.")
        .costs("O(N) where N is the number of entries removed")
        .history(&[("6.2.0", "Takes `MINID` and `LIMIT`.")])
        .takes(&[KEY, TRIM]),
];
