//! Geo indexes.

pub(super) const FORMS: &[&str] = &[
    "GEOADD <key> 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "GEOADD <key> [NX|XX] [CH] 2.35 48.85 Paris -0.12 51.5 London 13.4 52.5 Berlin",
    "GEODIST <key> Palermo Catania [M|KM|FT|MI|XX]",
    "GEOHASH <key> Palermo nosuch Paris",
    "GEOPOS <key> Palermo nosuch Paris",
    "GEORADIUS <key> 15 37 2000 km [WITHDIST] [WITHHASH] [WITHCOORD] ASC",
    "GEOSEARCH <key> FROMLONLAT 15 37 BYRADIUS 200 km ASC [COUNT 1] [WITHCOORD] [WITHDIST] [WITHHASH]",
    "GEOSEARCH <key> FROMMEMBER Paris BYBOX 2000 2000 km DESC [COUNT 2] [WITHDIST]",
    "GEOSEARCHSTORE <key> <key> FROMLONLAT 15 37 BYBOX 4000 4000 km ASC [COUNT 3] [STOREDIST]",
    "ZREM <key> Palermo Paris",
    "ZRANGE <key> 0 -1 WITHSCORES",
];
