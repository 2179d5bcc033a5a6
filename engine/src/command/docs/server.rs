//! Documentation of the data side of the server commands.

use super::{Argument, Doc, Kind, argument, doc, integer, key, one_of, string, token};

const COMMAND_NAMES: &[Argument] = &[string("command-name").optional().multiple()];
const FULL_COMMAND: &[Argument] = &[string("command"), string("arg").optional().multiple()];
const FLUSH_MODE: &[Argument] =
    &[one_of("flush-type", &[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")]).optional()];
const FLUSH_HISTORY: &[(&str, &str)] = &[("4.0.0", "The option `ASYNC`."), ("6.2.0", "The option `SYNC`.")];
const FOR_EACH_WORD: &str = "O(N) where N is the number of words of the command";

pub(super) const DOCS: &[Doc] = &[
    doc("command", "2.8.13", "Describes all commands.").costs("O(N) where N is the number of commands"),
    doc("command|count", "2.8.13", "Returns the number of commands."),
    doc("command|docs", "7.0.0", "Returns documentation of commands, or of all.")
        .costs("O(N) where N is the number of commands to document")
        .takes(COMMAND_NAMES),
    doc("command|getkeys", "2.8.13", "Returns the keys of a whole command.").costs(FOR_EACH_WORD).takes(FULL_COMMAND),
    doc("command|getkeysandflags", "7.0.0", "Returns the keys of a whole command with what happens to them.")
        .costs(FOR_EACH_WORD)
        .takes(FULL_COMMAND),
    doc("command|help", "5.0.0", "Returns help on the subcommands."),
    doc("command|info", "2.8.13", "Describes commands, or all of them.")
        .costs("O(N) where N is the number of commands to describe")
        .history(&[("7.0.0", "No argument means all commands.")])
        .takes(COMMAND_NAMES),
    doc("command|list", "7.0.0", "Returns the names of all commands, or of some.")
        .costs("O(N) where N is the number of commands")
        .takes(&[one_of(
            "filterby",
            &[
                string("module-name").after("MODULE"),
                string("category").after("ACLCAT"),
                argument("pattern", Kind::Pattern).after("PATTERN"),
            ],
        )
        .after("FILTERBY")
        .optional()]),
    doc("dbsize", "1.0.0", "Returns the number of keys in the database."),
    doc("flushall", "1.0.0", "Deletes the keys of all databases.")
        .costs("O(1); the memory of N keys is freed behind it in slices")
        .history(FLUSH_HISTORY)
        .takes(FLUSH_MODE),
    doc("flushdb", "1.0.0", "Deletes the keys of the database.")
        .costs("O(1); the memory of N keys is freed behind it in slices")
        .history(FLUSH_HISTORY)
        .takes(FLUSH_MODE),
    doc("lolwut", "5.0.0", "Draws something and shows the version.").costs("").takes(&[
        integer("version").after("VERSION").optional(),
        integer("columns").optional(),
        integer("rows").optional(),
    ]),
    doc("memory", "4.0.0", "Groups commands about memory.").costs("Depends on the subcommand."),
    doc("memory|help", "4.0.0", "Returns help on the subcommands."),
    doc("memory|usage", "4.0.0", "Returns the bytes of memory that a key and its value take.")
        .takes(&[key("key"), integer("count").after("SAMPLES").optional()]),
    doc("swapdb", "4.0.0", "Exchanges two databases.")
        .costs("O(N) where N is the number of clients that watch keys of both")
        .takes(&[integer("index1"), integer("index2")]),
    doc("time", "2.6.0", "Returns the server's time."),
];
