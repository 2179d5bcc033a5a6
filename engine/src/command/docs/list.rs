//! Documentation of the list commands.

use super::{Argument, Doc, Kind, argument, doc, integer, key, one_of, string, token};

const KEY: Argument = key("key");
const ELEMENT: Argument = string("element");
const SOURCE: Argument = key("source");
const TARGET: Argument = argument("destination", Kind::Key(1));
const ENDS: &[Argument] = &[token("left", "LEFT"), token("right", "RIGHT")];
const WHERE: Argument = one_of("where", ENDS);
const COUNT: Argument = integer("count").after("COUNT").optional();
const PER_ELEMENT: &str = "O(1) for each element";
const TO_THE_INDEX: &str = "O(N) where N is the number of elements between the index and the nearer end";
const MANY_ELEMENTS: &[(&str, &str)] = &[("2.4.0", "Takes several elements.")];
const MANY_ELEMENTS_LATER: &[(&str, &str)] = &[("4.0.0", "Takes several elements.")];
const POP_COUNT: &[(&str, &str)] = &[("6.2.0", "Takes a count.")];

const TIMEOUT: Argument = argument("timeout", Kind::Double);
const PER_KEY: &str = "O(N) where N is the number of keys";
const FRACTIONS: &[(&str, &str)] = &[("6.0.0", "Takes fractions of seconds.")];

pub(super) const DOCS: &[Doc] = &[
    doc("blmove", "6.2.0", "Moves an element from an end of a list to an end of another; waits for one if need be.")
        .takes(&[SOURCE, TARGET, one_of("wherefrom", ENDS), one_of("whereto", ENDS), TIMEOUT]),
    doc("blmpop", "7.0.0", "Removes elements from the first list that has any; waits for one if need be.")
        .costs("O(N+M) where N is the number of keys and M the number of elements returned")
        .takes(&[TIMEOUT, integer("numkeys"), KEY.multiple(), WHERE, COUNT]),
    doc("blpop", "2.0.0", "Removes the first element of the first list that has any; waits for one if need be.")
        .costs(PER_KEY)
        .history(FRACTIONS)
        .takes(&[KEY.multiple(), TIMEOUT]),
    doc("brpop", "2.0.0", "Removes the last element of the first list that has any; waits for one if need be.")
        .costs(PER_KEY)
        .history(FRACTIONS)
        .takes(&[KEY.multiple(), TIMEOUT]),
    doc("brpoplpush", "2.2.0", "Moves the last element of a list to the front of another; waits for one if need be.")
        .history(FRACTIONS)
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
        .takes(&[SOURCE, TARGET, TIMEOUT]),
    doc("lindex", "1.0.0", "Returns the element at an index of a list.")
        .costs(TO_THE_INDEX)
        .takes(&[KEY, integer("index")]),
    doc("linsert", "2.2.0", "Adds an element to a list in front of another one, or behind it.")
        .costs("O(N) where N is the number of elements up to the one it goes beside")
        .takes(&[
            KEY,
            one_of("where", &[token("before", "BEFORE"), token("after", "AFTER")]),
            string("pivot"),
            ELEMENT,
        ]),
    doc("llen", "1.0.0", "Returns the number of elements of a list.").takes(&[KEY]),
    doc("lmove", "6.2.0", "Moves an element from an end of a list to an end of another, and returns it.").takes(&[
        SOURCE,
        TARGET,
        one_of("wherefrom", ENDS),
        one_of("whereto", ENDS),
    ]),
    doc("lmpop", "7.0.0", "Removes elements from the first list that has any, and returns them.")
        .costs("O(N+M) where N is the number of keys and M the number of elements returned")
        .takes(&[integer("numkeys"), KEY.multiple(), WHERE, COUNT]),
    doc("lpop", "1.0.0", "Removes the first elements of a list and returns them.")
        .costs("O(N) where N is the number of elements returned")
        .history(POP_COUNT)
        .takes(&[KEY, integer("count").since("6.2.0").optional()]),
    doc("lpos", "6.0.6", "Returns the indices at which a list has an element.")
        .costs("O(N) where N is the number of elements compared")
        .takes(&[
            KEY,
            ELEMENT,
            integer("rank").after("RANK").optional(),
            integer("num-matches").after("COUNT").optional(),
            integer("len").after("MAXLEN").optional(),
        ]),
    doc("lpush", "1.0.0", "Adds elements to the front of a list, which is created when it does not exist.")
        .costs(PER_ELEMENT)
        .history(MANY_ELEMENTS)
        .takes(&[KEY, ELEMENT.multiple()]),
    doc("lpushx", "2.2.0", "Adds elements to the front of a list that exists.")
        .costs(PER_ELEMENT)
        .history(MANY_ELEMENTS_LATER)
        .takes(&[KEY, ELEMENT.multiple()]),
    doc("lrange", "1.0.0", "Returns the elements of a list from one index to another.")
        .costs("O(S+N) where S is the distance of the first element from the nearer end and N the number of elements")
        .takes(&[KEY, integer("start"), integer("stop")]),
    doc("lrem", "1.0.0", "Removes elements that equal a value from a list, and the list with the last one.")
        .costs("O(N+M) where N is the number of elements and M the number of those removed")
        .takes(&[KEY, integer("count"), ELEMENT]),
    doc("lset", "1.0.0", "Replaces the element at an index of a list.").costs(TO_THE_INDEX).takes(&[
        KEY,
        integer("index"),
        ELEMENT,
    ]),
    doc("ltrim", "1.0.0", "Removes the elements on both sides of a range of a list, and the list when none is left.")
        .costs("O(N) where N is the number of elements removed")
        .takes(&[KEY, integer("start"), integer("stop")]),
    doc("rpop", "1.0.0", "Removes the last elements of a list and returns them.")
        .costs("O(N) where N is the number of elements returned")
        .history(POP_COUNT)
        .takes(&[KEY, integer("count").since("6.2.0").optional()]),
    doc("rpoplpush", "1.2.0", "Moves the last element of a list to the front of another, and returns it.")
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")
        .takes(&[SOURCE, TARGET]),
    doc("rpush", "1.0.0", "Adds elements to the end of a list, which is created when it does not exist.")
        .costs(PER_ELEMENT)
        .history(MANY_ELEMENTS)
        .takes(&[KEY, ELEMENT.multiple()]),
    doc("rpushx", "2.2.0", "Adds elements to the end of a list that exists.")
        .costs(PER_ELEMENT)
        .history(MANY_ELEMENTS_LATER)
        .takes(&[KEY, ELEMENT.multiple()]),
];
