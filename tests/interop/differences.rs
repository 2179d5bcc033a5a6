//! Where two right answers may differ: the one list of exceptions.
//!
//! Everything not named here must agree byte for byte.

use slotmesh_engine::number::parse_i64;

/// What ours is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Redis 7.0: where it differs from Valkey 9, ours mostly follows Valkey (tests/scripts/README.md lists it).
    Redis,
    /// Valkey 9.
    Valkey,
}

/// How far two answers to one command may be apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Not at all.
    Exact,
    /// Numbers this far apart: both servers read their clocks at their own moment.
    Within(i64),
    /// Elements in any order: it comes from the hash table, which nobody promises.
    AnyOrder,
    /// As `AnyOrder`, with doubles that are the same number, however many digits they are written with.
    AnyOrderNumbers,
    /// Not compared, as long as both are errors or neither is.
    Free,
    /// As `AnyOrderNumbers`, or errors on both sides: Redis 7.0 has other words for some of them.
    Geo,
    /// Exact, but for an error of ours: Redis 7.0 finds it later, or not at all.
    OtherErrors,
    /// Not compared: here the reference differs, and ours follows the other one.
    Other,
    /// Doubles that are the same number: Redis 7.0 writes 17 digits of them.
    Numbers,
    /// As many elements, of the same kinds: which ones is picked by chance.
    Shape,
    /// Payloads may differ in their seals, and altogether if their forms do or have no order. What they hold is compared
    /// at the end of the stream.
    Payload,
    /// As `Payload`, but for sorted sets: Redis 7.0 writes scores with more digits, and gives other signs to zeros.
    OlderPayload,
    /// Times of entries and consumers are not compared.
    StreamTimes,
    /// The forms that small lists and sets, and suddenly large hashes and sorted sets, have since 7.2.
    Form,
}

/// The rule for a command.
pub(crate) fn rule(command: &[Vec<u8>], reference: Reference) -> Rule {
    let differs = match reference {
        Reference::Redis => differs_from_redis(command),
        Reference::Valkey => differs_from_valkey(command),
    };
    differs.unwrap_or_else(|| common_rule(command))
}

fn common_rule(command: &[Vec<u8>]) -> Rule {
    match command[0].to_ascii_uppercase().as_slice() {
        b"TTL" | b"EXPIRETIME" | b"HTTL" | b"HEXPIRETIME" => Rule::Within(CLOCK_SECONDS),
        b"PTTL" | b"PEXPIRETIME" | b"HPTTL" | b"HPEXPIRETIME" => Rule::Within(CLOCK_MILLIS),
        // What lies behind a cursor is the table's own affair; only a whole iteration means something.
        b"SCAN" if command.get(1).is_some_and(|cursor| cursor != b"0") => Rule::Free,
        b"HSCAN" | b"SSCAN" | b"ZSCAN" if command.get(2).is_some_and(|cursor| cursor != b"0") => Rule::Free,
        b"OBJECT" if has_word(command, b"IDLETIME") => Rule::Within(CLOCK_SECONDS),
        // How many names share one value in memory; Redis 7.0 lets some integers be shared and counts its own holds.
        b"OBJECT" if has_word(command, b"REFCOUNT") => Rule::Free,
        // Picked by chance.
        b"HRANDFIELD" | b"RANDOMKEY" | b"SRANDMEMBER" | b"ZRANDMEMBER" => Rule::Shape,
        b"KEYS" | b"SCAN" => Rule::AnyOrder,
        // Large hashes and sets have no order.
        b"HGETALL" | b"HKEYS" | b"HSCAN" | b"HVALS" => Rule::AnyOrder,
        b"SDIFF" | b"SINTER" | b"SMEMBERS" | b"SPOP" | b"SSCAN" | b"SUNION" => Rule::AnyOrder,
        b"ZSCAN" => Rule::AnyOrderNumbers,
        name if is_geo_search(name) && has_word(command, b"ANY") => Rule::Shape,
        // Members at the same distance have no order among themselves.
        name if is_geo_search(name) => Rule::AnyOrderNumbers,
        b"DUMP" => Rule::Payload,
        // Entries come from any of several streams, or none: what is no pair of key and id is an error in other words.
        b"XREAD" | b"XREADGROUP" if !command.len().is_multiple_of(2) => Rule::Free,
        b"XINFO" => Rule::StreamTimes,
        _ => Rule::Exact,
    }
}

/// Where Redis 7.0 does otherwise, and ours does as Valkey 9.
fn differs_from_redis(command: &[Vec<u8>]) -> Option<Rule> {
    let rule = match command[0].to_ascii_uppercase().as_slice() {
        b"BITCOUNT" | b"BITPOS" if is_newer_range(command) => Rule::Other,
        b"SCAN" if is_newer_scan(&command[1..]) => Rule::Other,
        b"HSCAN" | b"SSCAN" | b"ZSCAN" if command.get(2).is_some_and(|cursor| !is_number(cursor)) => Rule::Other,
        b"OBJECT" if has_word(command, b"ENCODING") => Rule::Form,
        b"DUMP" => Rule::OlderPayload,
        // Redis 7.0 takes what is too far away for a negative number, or for a wait.
        b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BRPOPLPUSH" | b"BLMPOP" | b"BZPOPMIN" | b"BZPOPMAX" | b"BZMPOP"
            if has_word(command, b"9223372036854775808") =>
        {
            Rule::Other
        }
        // The time is looked at ahead of the key since 7.2.
        b"GETEX" if command.len() == 4 => Rule::OtherErrors,
        // The number without an absolute value is refused since 7.2.
        b"LREM" | b"LPOS" if has_word(command, b"-9223372036854775808") => Rule::Other,
        name if is_geo_search(name) && has_word(command, b"ANY") => Rule::Free,
        name if is_geo_search(name) => Rule::Geo,
        // Read behind the last entry: 7.0 does not know that.
        b"XREAD" if has_word(command, b"+") => Rule::Other,
        // WITHSCORE came with 7.2.
        b"ZRANK" | b"ZREVRANK" if command.len() > 3 => Rule::Other,
        b"GEODIST" | b"GEOPOS" | b"ZADD" | b"ZDIFF" | b"ZINCRBY" | b"ZINTER" | b"ZMPOP" | b"ZMSCORE" | b"ZPOPMAX"
        | b"ZPOPMIN" | b"ZRANGE" | b"ZRANGEBYSCORE" | b"ZREVRANGE" | b"ZREVRANGEBYSCORE" | b"ZSCORE" | b"ZUNION"
        | b"BZMPOP" | b"BZPOPMAX" | b"BZPOPMIN" => Rule::Numbers,
        _ => return None,
    };
    Some(rule)
}

/// Where Valkey 9 does otherwise, and ours does as Redis 7.0.
fn differs_from_valkey(command: &[Vec<u8>]) -> Option<Rule> {
    match command[0].to_ascii_uppercase().as_slice() {
        // Nothing, as ever, for a limit that begins before the first.
        b"ZRANGE" | b"ZRANGEBYLEX" | b"ZRANGEBYSCORE" | b"ZRANGESTORE" | b"ZREVRANGEBYLEX" | b"ZREVRANGEBYSCORE"
            if has_word(command, b"LIMIT") && command.iter().any(|word| word.starts_with(b"-")) =>
        {
            Some(Rule::Other)
        }
        // Valkey cuts places to 32 bits where lists are packed: it changes the last element for one that is far away.
        b"LINDEX" | b"LSET" if command.get(2).is_some_and(|place| place.len() > 10) => Some(Rule::Other),
        // Valkey keeps strings of up to 128 bytes or so beside their names.
        b"OBJECT" if has_word(command, b"ENCODING") => Some(Rule::Form),
        _ => None,
    }
}

fn is_geo_search(name: &[u8]) -> bool {
    [&b"GEORADIUS"[..], b"GEOSEARCH"].iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a command leaves other data on both servers, and is not sent: what it stores or takes away is picked by
/// chance, or stored by one of them only.
pub(crate) fn parts_ways(command: &[Vec<u8>], reference: Reference) -> bool {
    let name = command[0].to_ascii_uppercase();
    match name.as_slice() {
        b"LREM" if reference == Reference::Redis => differs_from_redis(command).is_some(),
        b"ZADD" if command.get(1).is_some_and(|key| key == b"names") => {
            command.get(2..).unwrap_or_default().iter().step_by(2).any(|score| score != b"0")
        }
        b"SPOP" => command.len() != 3 || command[2] != b"100000",
        // Which names are between two others is told only of members that share a score, as those of this key do.
        name if is_by_names(name, command) && !has_word(command, b"names") => true,
        b"LSET" | b"ZRANGESTORE" => reference == Reference::Valkey && differs_from_valkey(command).is_some(),
        name if is_geo_search(name) => has_word(command, b"ANY") && (name.ends_with(b"STORE") || has_store(command)),
        _ => false,
    }
}

fn is_by_names(name: &[u8], command: &[Vec<u8>]) -> bool {
    name.starts_with(b"Z") && (has_word(command, b"BYLEX") || name.ends_with(b"BYLEX") || name == b"ZLEXCOUNT")
}

fn has_store(command: &[Vec<u8>]) -> bool {
    has_word(command, b"STORE") || has_word(command, b"STOREDIST")
}

/// Whether a command inside an open transaction leaves it in another state on both servers, so that nothing after it
/// can be compared: MULTI and WATCH spoil it on Valkey 9 and on ours, and do nothing on Redis 7.0; ranks with scores are
/// unknown there, which spoils it.
pub(crate) fn parts_ways_in_transaction(command: &[Vec<u8>]) -> bool {
    match command[0].to_ascii_uppercase().as_slice() {
        b"MULTI" => command.len() == 1,
        b"ZRANK" | b"ZREVRANK" => command.len() == 4,
        b"WATCH" => command.len() > 1,
        _ => false,
    }
}

/// Whether a command may touch a watched key on Redis 7.0 only: LTRIM does so even if all elements stay.
pub(crate) fn touches_otherwise(command: &[Vec<u8>]) -> bool {
    command[0].eq_ignore_ascii_case(b"LTRIM")
}

fn has_word(command: &[Vec<u8>], word: &[u8]) -> bool {
    command.iter().any(|own| own.eq_ignore_ascii_case(word))
}

/// A BITCOUNT or BITPOS with words that are wrong, or a BITCOUNT without an end.
fn is_newer_range(command: &[Vec<u8>]) -> bool {
    let is_count = command[0].eq_ignore_ascii_case(b"BITCOUNT");
    let range = command.get(if is_count { 2 } else { 3 }..).unwrap_or_default();
    let (ends, unit) = range.split_at(range.len().min(2));
    let is_unit = |word: &Vec<u8>| [&b"BIT"[..], b"BYTE"].iter().any(|unit| unit.eq_ignore_ascii_case(word));
    (is_count && ends.len() == 1)
        || !ends.iter().all(|word| parse_i64(word).is_some())
        || !unit.iter().all(is_unit)
        || unit.len() > 1
}

/// A SCAN from a cursor that is no number, or of a type that does not exist.
fn is_newer_scan(words: &[Vec<u8>]) -> bool {
    let known = ["string", "list", "set", "zset", "hash", "stream"];
    let is_known = |name: &[u8]| known.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
    let asks_type = |pair: &[Vec<u8>]| pair[0].eq_ignore_ascii_case(b"TYPE") && !is_known(&pair[1]);
    words.first().is_some_and(|cursor| !is_number(cursor)) || words.windows(2).any(asks_type)
}

fn is_number(cursor: &[u8]) -> bool {
    !cursor.is_empty() && cursor.iter().all(u8::is_ascii_digit)
}

/// Time between the moments at which both servers run one command, with room for a busy machine.
const CLOCK_MILLIS: i64 = 5_000;
/// The same in seconds.
const CLOCK_SECONDS: i64 = CLOCK_MILLIS / 1_000;

/// Forms of ours, and those that a reference has instead: the last one is Valkey's, the others are Redis 7.0's.
pub(crate) const OTHER_FORMS: &[(&[u8], &[u8])] = &[
    (b"listpack", b"quicklist"),
    (b"listpack", b"hashtable"),
    (b"hashtable", b"listpack"),
    (b"hashtable", b"intset"),
    (b"skiplist", b"listpack"),
    (b"raw", b"embstr"),
];
