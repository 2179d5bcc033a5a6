//! Documentation of the bitmap commands.

use super::{Argument, Doc, block, doc, integer, key, one_of, string, token};

const KEY: Argument = key("key");
const UNIT: Argument = one_of("unit", &[token("byte", "BYTE"), token("bit", "BIT")]).since("7.0.0").optional();
const FIELD: &[Argument] = &[string("encoding"), integer("offset")];
const GET: Argument = block("get-block", FIELD).after("GET");
const WRITES: &[Argument] = &[
    block("set-block", &[string("encoding"), integer("offset"), integer("value")]).after("SET"),
    block("incrby-block", &[string("encoding"), integer("offset"), integer("increment")]).after("INCRBY"),
];
const OVERFLOWS: &[Argument] = &[token("wrap", "WRAP"), token("sat", "SAT"), token("fail", "FAIL")];

pub(super) const DOCS: &[Doc] = &[
    doc("bitcount", "2.6.0", "Counts the bits that are set in a string or a part of it.")
        .costs("O(N) where N is the number of bytes looked at")
        .history(&[("7.0.0", "The units `BYTE` and `BIT`.")])
        .takes(&[
            KEY,
            block("range", &[integer("start"), block("end-unit-block", &[integer("end"), UNIT]).optional()]).optional(),
        ]),
    doc("bitfield", "3.2.0", "Reads and writes integers of any width at any bit of a string.")
        .costs("O(1) for each field")
        .takes(&[
            KEY,
            one_of(
                "operation",
                &[
                    GET,
                    block(
                        "write",
                        &[
                            one_of("overflow-block", OVERFLOWS).after("OVERFLOW").optional(),
                            one_of("write-operation", WRITES),
                        ],
                    ),
                ],
            )
            .optional()
            .multiple(),
        ]),
    doc("bitfield_ro", "6.0.0", "Reads integers of any width at any bit of a string.")
        .costs("O(1) for each field")
        .takes(&[KEY, GET.optional().multiple()]),
    doc("bitop", "2.6.0", "Combines strings bit by bit and stores the result.")
        .costs("O(N) where N is the length of the longest string")
        .takes(&[
            one_of("operation", &[token("and", "AND"), token("or", "OR"), token("xor", "XOR"), token("not", "NOT")]),
            key("destkey"),
            super::argument("key", super::Kind::Key(1)).multiple(),
        ]),
    doc("bitpos", "2.8.7", "Finds the first bit that is set, or not set, in a string or a part of it.")
        .costs("O(N) where N is the number of bytes looked at")
        .history(&[("7.0.0", "The units `BYTE` and `BIT`.")])
        .takes(&[
            KEY,
            integer("bit"),
            block("range", &[integer("start"), block("end-unit-block", &[integer("end"), UNIT]).optional()]).optional(),
        ]),
    doc("getbit", "2.2.0", "Returns a bit of a string.").takes(&[KEY, integer("offset")]),
    doc("setbit", "2.2.0", "Sets or clears a bit of a string and returns what it was; the string grows as needed.")
        .takes(&[KEY, integer("offset"), integer("value")]),
];
