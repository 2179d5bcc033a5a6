//! Documentation of the set commands.

use super::{Argument, Doc, Kind, argument, doc, integer, key, string};

const KEY: Argument = key("key");
const MEMBER: Argument = string("member");
const SOURCES: &[Argument] = &[argument("destination", Kind::Key(0)), argument("key", Kind::Key(1)).multiple()];
const PER_MEMBER: &str = "O(1) for each member";
const MANY_MEMBERS: &[(&str, &str)] = &[("2.4.0", "Takes several members.")];
const INTER_COSTS: &str =
    "O(N*M) at worst, where N is the number of members of the smallest set and M the number of sets";
const TOGETHER_COSTS: &str = "O(N) where N is the number of members of all sets together";

pub(super) const DOCS: &[Doc] = &[
    doc("sadd", "1.0.0", "Adds members to a set, which is created when it does not exist.")
        .costs(PER_MEMBER)
        .history(MANY_MEMBERS)
        .takes(&[KEY, MEMBER.multiple()]),
    doc("scard", "1.0.0", "Returns the number of members of a set.").takes(&[KEY]),
    doc("sdiff", "1.0.0", "Returns the members of a set that no other set has.")
        .costs(TOGETHER_COSTS)
        .takes(&[KEY.multiple()]),
    doc("sdiffstore", "1.0.0", "Stores the members of a set that no other set has under a key.")
        .costs(TOGETHER_COSTS)
        .takes(SOURCES),
    doc("sinter", "1.0.0", "Returns the members that all sets have.").costs(INTER_COSTS).takes(&[KEY.multiple()]),
    doc("sintercard", "7.0.0", "Returns how many members all sets have in common.").costs(INTER_COSTS).takes(&[
        integer("numkeys"),
        KEY.multiple(),
        integer("limit").after("LIMIT").optional(),
    ]),
    doc("sinterstore", "1.0.0", "Stores the members that all sets have under a key.").costs(INTER_COSTS).takes(SOURCES),
    doc("sismember", "1.0.0", "Tells whether a set has a member.").takes(&[KEY, MEMBER]),
    doc("smembers", "1.0.0", "Returns all members of a set.")
        .costs("O(N) where N is the number of members")
        .takes(&[KEY]),
    doc("smismember", "6.2.0", "Tells for each of several members whether a set has it.")
        .costs(PER_MEMBER)
        .takes(&[KEY, MEMBER.multiple()]),
    doc("smove", "1.0.0", "Moves a member from one set to another.").takes(&[
        key("source"),
        argument("destination", Kind::Key(1)),
        MEMBER,
    ]),
    doc("spop", "1.0.0", "Removes random members from a set and returns them.")
        .costs("O(1) without a count; O(N) where N is the count")
        .history(&[("3.2.0", "Takes a count.")])
        .takes(&[KEY, integer("count").since("3.2.0").optional()]),
    doc("srandmember", "1.0.0", "Returns random members of a set.")
        .costs("O(1) without a count; O(N) where N is the count, or its absolute value")
        .history(&[("2.6.0", "Takes a count.")])
        .takes(&[KEY, integer("count").since("2.6.0").optional()]),
    doc("srem", "1.0.0", "Removes members from a set, and the set with the last one.")
        .costs(PER_MEMBER)
        .history(MANY_MEMBERS)
        .takes(&[KEY, MEMBER.multiple()]),
    doc("sscan", "2.8.0", "Goes through the members of a set in steps.")
        .costs("O(1) for each call; O(N) for the whole walk, where N is the number of members")
        .takes(&[
            KEY,
            integer("cursor"),
            argument("pattern", Kind::Pattern).after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
        ]),
    doc("sunion", "1.0.0", "Returns the members that any of the sets has.")
        .costs(TOGETHER_COSTS)
        .takes(&[KEY.multiple()]),
    doc("sunionstore", "1.0.0", "Stores the members that any of the sets has under a key.")
        .costs(TOGETHER_COSTS)
        .takes(SOURCES),
];
