//! Documentation of the HyperLogLog commands.

use super::{Doc, argument, doc, key, string};
use crate::command::docs::Kind;

pub(super) const DOCS: &[Doc] = &[
    doc("pfadd", "2.8.9", "Adds elements to a HyperLogLog, which is created when it does not exist.")
        .costs("O(1) for each element")
        .takes(&[key("key"), string("element").optional().multiple()]),
    doc("pfcount", "2.8.9", "Estimates how many different elements were added to any of several HyperLogLogs.")
        .costs("O(1) with a small constant for one key, O(N) with a large one for N keys")
        .takes(&[key("key").multiple()]),
    doc("pfdebug", "2.8.9", "Shows how a HyperLogLog is written.")
        .costs("O(N) where N is the number of registers")
        .internal()
        .takes(&[string("subcommand"), key("key")]),
    doc("pfmerge", "2.8.9", "Merges HyperLogLogs into one, as if everything had been added to that.")
        .costs("O(N) where N is the number of HyperLogLogs, with a large constant")
        .takes(&[key("destkey"), argument("sourcekey", Kind::Key(1)).optional().multiple()]),
    doc("pfselftest", "2.8.9", "Tests whether HyperLogLogs work on this machine.").costs("O(N)").internal(),
];
