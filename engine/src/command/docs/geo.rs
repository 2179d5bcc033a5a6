//! Documentation of the geo commands.

use super::{Argument, Doc, Kind, argument, block, doc, integer, key, one_of, string, token};

const KEY: Argument = key("key");
const MEMBER: Argument = string("member");
const LONGITUDE: Argument = argument("longitude", Kind::Double);
const LATITUDE: Argument = argument("latitude", Kind::Double);
const RADIUS: Argument = argument("radius", Kind::Double);
const UNIT: Argument = one_of("unit", &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")]);
const WITH_COORD: Argument = token("withcoord", "WITHCOORD").optional();
const WITH_DIST: Argument = token("withdist", "WITHDIST").optional();
const WITH_HASH: Argument = token("withhash", "WITHHASH").optional();
const COUNT: Argument =
    block("count-block", &[integer("count").after("COUNT"), token("any", "ANY").since("6.2.0").optional()]).optional();
const ORDER: Argument = one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional();
const STORE: Argument = one_of(
    "store",
    &[argument("storekey", Kind::Key(1)).after("STORE"), argument("storedistkey", Kind::Key(2)).after("STOREDIST")],
)
.optional();
const FROM: Argument =
    one_of("from", &[MEMBER.after("FROMMEMBER"), block("fromlonlat", &[LONGITUDE, LATITUDE]).after("FROMLONLAT")]);
const BY: Argument = one_of(
    "by",
    &[
        block("circle", &[RADIUS.after("BYRADIUS"), UNIT]),
        block("box", &[argument("width", Kind::Double).after("BYBOX"), argument("height", Kind::Double), UNIT]),
        block(
            "polygon",
            &[integer("num-vertices").after("BYPOLYGON"), block("vertices", &[LONGITUDE, LATITUDE]).multiple()],
        ),
    ],
);

const RADIUS_COSTS: &str = "O(N+log(M)) where N is the number of members in the cells that cover the area and M that \
                            of the members inside";
const SEARCH_HISTORY: &[(&str, &str)] = &[("7.0.0", "Units may be in capitals."), ("9.0.0", "Takes `BYPOLYGON`.")];
const RADIUS_HISTORY: &[(&str, &str)] = &[("6.2.0", "Takes `ANY`."), ("7.0.0", "Units may be in capitals.")];
const PER_MEMBER: &str = "O(1) for each member";

pub(super) const DOCS: &[Doc] = &[
    doc("geoadd", "3.2.0", "Adds positions to a geo index, which is a sorted set.")
        .costs("O(log(N)) for each member, where N is the number of members of the sorted set")
        .history(&[("6.2.0", "Takes `CH`, `NX` and `XX`.")])
        .takes(&[
            KEY,
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).since("6.2.0").optional(),
            token("change", "CH").since("6.2.0").optional(),
            block("data", &[LONGITUDE, LATITUDE, MEMBER]).multiple(),
        ]),
    doc("geodist", "3.2.0", "Returns the distance between two members of a geo index.").takes(&[
        KEY,
        string("member1"),
        string("member2"),
        UNIT.optional(),
    ]),
    doc("geohash", "3.2.0", "Returns the standard geohashes of members of a geo index.")
        .costs(PER_MEMBER)
        .takes(&[KEY, MEMBER.optional().multiple()]),
    doc("geopos", "3.2.0", "Returns the positions of members of a geo index.")
        .costs(PER_MEMBER)
        .takes(&[KEY, MEMBER.optional().multiple()]),
    doc("georadius", "3.2.0", "Returns or stores the members of a geo index in a circle around a position.")
        .costs(RADIUS_COSTS)
        .history(RADIUS_HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`")
        .takes(&[KEY, LONGITUDE, LATITUDE, RADIUS, UNIT, WITH_COORD, WITH_DIST, WITH_HASH, COUNT, ORDER, STORE]),
    doc("georadius_ro", "3.2.10", "Returns the members of a geo index in a circle around a position.")
        .costs(RADIUS_COSTS)
        .history(RADIUS_HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS`")
        .takes(&[KEY, LONGITUDE, LATITUDE, RADIUS, UNIT, WITH_COORD, WITH_DIST, WITH_HASH, COUNT, ORDER]),
    doc("georadiusbymember", "3.2.0", "Returns or stores the members of a geo index in a circle around one of them.")
        .costs(RADIUS_COSTS)
        .history(RADIUS_HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`")
        .takes(&[KEY, MEMBER, RADIUS, UNIT, WITH_COORD, WITH_DIST, WITH_HASH, COUNT, ORDER, STORE]),
    doc("georadiusbymember_ro", "3.2.10", "Returns the members of a geo index in a circle around one of them.")
        .costs(RADIUS_COSTS)
        .history(RADIUS_HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`")
        .takes(&[KEY, MEMBER, RADIUS, UNIT, WITH_COORD, WITH_DIST, WITH_HASH, COUNT, ORDER]),
    doc("geosearch", "6.2.0", "Returns the members of a geo index in a circle, a box or a polygon.")
        .costs(RADIUS_COSTS)
        .history(SEARCH_HISTORY)
        .takes(&[KEY, FROM, BY, ORDER, COUNT, WITH_COORD, WITH_DIST, WITH_HASH]),
    doc("geosearchstore", "6.2.0", "Stores the members of a geo index in a circle, a box or a polygon under a key.")
        .costs(RADIUS_COSTS)
        .history(SEARCH_HISTORY)
        .takes(&[
            argument("destination", Kind::Key(0)),
            argument("source", Kind::Key(1)),
            FROM,
            BY,
            ORDER,
            COUNT,
            token("storedist", "STOREDIST").optional(),
        ]),
];
