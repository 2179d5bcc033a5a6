//! Documentation of the sorted set commands.

use super::{Argument, Doc, Kind, argument, block, doc, integer, key, one_of, string, token};

const KEY: Argument = key("key");
const MEMBER: Argument = string("member");
const SCORE: Argument = argument("score", Kind::Double);
const TIMEOUT: Argument = argument("timeout", Kind::Double);
const NUMKEYS: Argument = integer("numkeys");
const TARGET: Argument = argument("destination", Kind::Key(0));
const SOURCES: Argument = argument("key", Kind::Key(1)).multiple();
const MIN_SCORE: Argument = argument("min", Kind::Double);
const MAX_SCORE: Argument = argument("max", Kind::Double);
const MIN_NAME: Argument = string("min");
const MAX_NAME: Argument = string("max");
const WEIGHT: Argument = integer("weight").after("WEIGHTS").optional().multiple();
const AGGREGATE: Argument =
    one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")]).after("AGGREGATE").optional();
const WITH_SCORES: Argument = token("withscores", "WITHSCORES").optional();
const LIMIT: Argument = block("limit", &[integer("offset"), integer("count")]).after("LIMIT").optional();
const REV: Argument = token("rev", "REV").optional();
const SORT_BY: Argument = one_of("sortby", &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")]).optional();
const WHERE: Argument = one_of("where", &[token("min", "MIN"), token("max", "MAX")]);

const PER_MEMBER: &str = "O(log(N)) for each member, where N is the number of members of the sorted set";
const SEARCH: &str = "O(log(N)) where N is the number of members of the sorted set";
const RANGE: &str = "O(log(N)+M) where N is the number of members of the sorted set and M the number of those shown";
const REMOVAL: &str =
    "O(log(N)+M) where N is the number of members of the sorted set and M the number of those removed";
const STORAGE: &str = "O(log(N)+M) where N is the number of members of the sorted set and M the number of those stored";
const UNION: &str =
    "O(N)+O(M*log(M)) where N is the number of members of all sorted sets together and M that of the result";
const INTER: &str = "O(N*K)+O(M*log(M)) at worst, where N is the number of members of the smallest sorted set, K the \
                     number of sorted sets and M the number of members of the result";
const DIFF: &str = "O(L+(N-K)log(N)) at worst, where L is the number of members of all sorted sets, N that of the \
                    first one, and K that of the result";
const MANY: &[(&str, &str)] = &[("2.4.0", "Takes several members.")];
const FRACTIONS: &[(&str, &str)] = &[("6.0.0", "Takes fractions of seconds.")];
const NEWER_SCORE: &[(&str, &str)] = &[("7.2.0", "Takes `WITHSCORE`.")];

pub(super) const DOCS: &[Doc] = &[
    doc("bzmpop", "7.0.0", "Takes members out of the first sorted set that has any; waits for one if need be.")
        .costs("O(K)+O(M*log(N)) where K is the number of keys, N the number of members and M that of those taken")
        .takes(&[TIMEOUT, NUMKEYS, KEY.multiple(), WHERE, integer("count").after("COUNT").optional()]),
    doc("bzpopmax", "5.0.0", "Takes the member with the highest score; waits for one if need be.")
        .costs(SEARCH)
        .history(FRACTIONS)
        .takes(&[KEY.multiple(), TIMEOUT]),
    doc("bzpopmin", "5.0.0", "Takes the member with the lowest score; waits for one if need be.")
        .costs(SEARCH)
        .history(FRACTIONS)
        .takes(&[KEY.multiple(), TIMEOUT]),
    doc("zadd", "1.2.0", "Adds members to a sorted set, or changes their scores.")
        .costs(PER_MEMBER)
        .history(&[
            ("2.4.0", "Takes several members."),
            ("3.0.2", "Takes `XX`, `NX`, `CH` and `INCR`."),
            ("6.2.0", "Takes `GT` and `LT`."),
        ])
        .takes(&[
            KEY,
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).since("3.0.2").optional(),
            one_of("comparison", &[token("gt", "GT"), token("lt", "LT")]).since("6.2.0").optional(),
            token("change", "CH").since("3.0.2").optional(),
            token("increment", "INCR").since("3.0.2").optional(),
            block("data", &[SCORE, MEMBER]).multiple(),
        ]),
    doc("zcard", "1.2.0", "Returns the number of members of a sorted set.").takes(&[KEY]),
    doc("zcount", "2.0.0", "Returns the number of members with scores in a range.")
        .costs(SEARCH)
        .takes(&[KEY, MIN_SCORE, MAX_SCORE]),
    doc("zdiff", "6.2.0", "Returns the members of a sorted set that no other one has.").costs(DIFF).takes(&[
        NUMKEYS,
        KEY.multiple(),
        WITH_SCORES,
    ]),
    doc("zdiffstore", "6.2.0", "Stores the members of a sorted set that no other one has under a key.")
        .costs(DIFF)
        .takes(&[TARGET, NUMKEYS, SOURCES]),
    doc("zincrby", "1.2.0", "Adds to the score of a member.").costs(SEARCH).takes(&[KEY, integer("increment"), MEMBER]),
    doc("zinter", "6.2.0", "Returns the members that all sorted sets have.").costs(INTER).takes(&[
        NUMKEYS,
        KEY.multiple(),
        WEIGHT,
        AGGREGATE,
        WITH_SCORES,
    ]),
    doc("zintercard", "7.0.0", "Returns how many members all sorted sets have in common.")
        .costs("O(N*K) at worst, where N is the number of members of the smallest sorted set and K the number of them")
        .takes(&[NUMKEYS, KEY.multiple(), integer("limit").after("LIMIT").optional()]),
    doc("zinterstore", "2.0.0", "Stores the members that all sorted sets have under a key.")
        .costs(INTER)
        .takes(&[TARGET, NUMKEYS, SOURCES, WEIGHT, AGGREGATE]),
    doc("zlexcount", "2.8.9", "Returns the number of members in a range of texts.")
        .costs(SEARCH)
        .takes(&[KEY, MIN_NAME, MAX_NAME]),
    doc("zmpop", "7.0.0", "Takes members with the lowest or highest scores out of the first sorted set that has any.")
        .costs("O(K)+O(M*log(N)) where K is the number of keys, N the number of members and M that of those taken")
        .takes(&[NUMKEYS, KEY.multiple(), WHERE, integer("count").after("COUNT").optional()]),
    doc("zmscore", "6.2.0", "Returns the scores of several members.")
        .costs("O(N) where N is the number of members asked for")
        .takes(&[KEY, MEMBER.multiple()]),
    doc("zpopmax", "5.0.0", "Takes the members with the highest scores out of a sorted set.")
        .costs("O(log(N)*M) where N is the number of members and M that of those taken")
        .takes(&[KEY, integer("count").optional()]),
    doc("zpopmin", "5.0.0", "Takes the members with the lowest scores out of a sorted set.")
        .costs("O(log(N)*M) where N is the number of members and M that of those taken")
        .takes(&[KEY, integer("count").optional()]),
    doc("zrandmember", "6.2.0", "Returns random members of a sorted set.")
        .costs("O(N*log(M)) where N is the count and M the number of members")
        .takes(&[KEY, block("options", &[integer("count"), WITH_SCORES]).optional()]),
    doc("zrange", "1.2.0", "Returns a range of members.")
        .costs(RANGE)
        .history(&[("6.2.0", "Takes `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")])
        .takes(&[
            KEY,
            string("start"),
            string("stop"),
            SORT_BY.since("6.2.0"),
            REV.since("6.2.0"),
            LIMIT.since("6.2.0"),
            WITH_SCORES,
        ]),
    doc("zrangebylex", "2.8.9", "Returns the members in a range of texts.")
        .costs(RANGE)
        .deprecated("6.2.0", "`ZRANGE` with `BYLEX`")
        .takes(&[KEY, MIN_NAME, MAX_NAME, LIMIT]),
    doc("zrangebyscore", "1.0.5", "Returns the members with scores in a range.")
        .costs(RANGE)
        .history(&[("2.0.0", "Takes `WITHSCORES`.")])
        .deprecated("6.2.0", "`ZRANGE` with `BYSCORE`")
        .takes(&[KEY, MIN_SCORE, MAX_SCORE, WITH_SCORES.since("2.0.0"), LIMIT]),
    doc("zrangestore", "6.2.0", "Stores a range of members under a key.").costs(STORAGE).takes(&[
        argument("dst", Kind::Key(0)),
        argument("src", Kind::Key(1)),
        string("min"),
        string("max"),
        SORT_BY,
        REV,
        LIMIT,
    ]),
    doc("zrank", "2.0.0", "Returns the rank of a member, from the lowest score on.")
        .costs(SEARCH)
        .history(NEWER_SCORE)
        .takes(&[KEY, MEMBER, token("withscore", "WITHSCORE").since("7.2.0").optional()]),
    doc("zrem", "1.2.0", "Removes members from a sorted set, and the sorted set with the last one.")
        .costs(PER_MEMBER)
        .history(MANY)
        .takes(&[KEY, MEMBER.multiple()]),
    doc("zremrangebylex", "2.8.9", "Removes the members in a range of texts.")
        .costs(REMOVAL)
        .takes(&[KEY, MIN_NAME, MAX_NAME]),
    doc("zremrangebyrank", "2.0.0", "Removes the members with ranks in a range.").costs(REMOVAL).takes(&[
        KEY,
        integer("start"),
        integer("stop"),
    ]),
    doc("zremrangebyscore", "1.2.0", "Removes the members with scores in a range.")
        .costs(REMOVAL)
        .takes(&[KEY, MIN_SCORE, MAX_SCORE]),
    doc("zrevrange", "1.2.0", "Returns a range of members, the highest score first.")
        .costs(RANGE)
        .deprecated("6.2.0", "`ZRANGE` with `REV`")
        .takes(&[KEY, integer("start"), integer("stop"), WITH_SCORES]),
    doc("zrevrangebylex", "2.8.9", "Returns the members in a range of texts, the last one first.")
        .costs(RANGE)
        .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYLEX`")
        .takes(&[KEY, MAX_NAME, MIN_NAME, LIMIT]),
    doc("zrevrangebyscore", "2.2.0", "Returns the members with scores in a range, the highest score first.")
        .costs(RANGE)
        .history(&[("2.1.6", "Bounds may be excluded.")])
        .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`")
        .takes(&[KEY, MAX_SCORE, MIN_SCORE, WITH_SCORES, LIMIT]),
    doc("zrevrank", "2.0.0", "Returns the rank of a member, from the highest score on.")
        .costs(SEARCH)
        .history(NEWER_SCORE)
        .takes(&[KEY, MEMBER, token("withscore", "WITHSCORE").since("7.2.0").optional()]),
    doc("zscan", "2.8.0", "Goes through the members of a sorted set and their scores in steps.")
        .costs("O(1) for each call; O(N) for the whole walk, where N is the number of members")
        .takes(&[
            KEY,
            integer("cursor"),
            argument("pattern", Kind::Pattern).after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
            token("noscores", "NOSCORES").since("8.0.0").optional(),
        ]),
    doc("zscore", "1.2.0", "Returns the score of a member.").takes(&[KEY, MEMBER]),
    doc("zunion", "6.2.0", "Returns the members that any of the sorted sets has.").costs(UNION).takes(&[
        NUMKEYS,
        KEY.multiple(),
        WEIGHT,
        AGGREGATE,
        WITH_SCORES,
    ]),
    doc("zunionstore", "2.0.0", "Stores the members that any of the sorted sets has under a key.")
        .costs(UNION)
        .takes(&[TARGET, NUMKEYS, SOURCES, WEIGHT, AGGREGATE]),
];
