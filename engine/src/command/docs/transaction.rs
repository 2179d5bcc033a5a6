//! Documentation of the transaction commands.

use super::{Doc, doc, key};

pub(super) const DOCS: &[Doc] = &[
    doc("discard", "2.0.0", "Ends a transaction without running it.")
        .costs("O(N) where N is the number of commands queued"),
    doc("exec", "1.2.0", "Runs the commands of a transaction.").costs("Depends on the commands in the transaction."),
    doc("multi", "1.2.0", "Begins a transaction."),
    doc("unwatch", "2.2.0", "Forgets all watched keys."),
    doc("watch", "2.2.0", "Lets the next transaction fail if one of the keys changes before it.")
        .costs("O(1) for each key")
        .takes(&[key("key").multiple()]),
];
