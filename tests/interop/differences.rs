//! Where two right answers may differ: the one list of exceptions.
//!
//! Everything not named here must agree byte for byte.

use slotmesh_engine::number::parse_i64;
use slotmesh_test_support::Reply;

/// How far two answers to one command may be apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Not at all.
    Exact,
    /// Numbers this far apart: both servers read their clocks at their own moment.
    Within(i64),
    /// Elements in any order: it comes from the hash table, which nobody promises.
    AnyOrder,
    /// Not compared, as long as both are errors or neither is.
    Free,
    /// Not compared: here Valkey 9 differs from Redis 7.0, and ours follows Valkey (tests/scripts/README.md lists it).
    Newer,
    /// Payloads may differ in how, and whether, they are compressed, where that saves little; the checksum and so the
    /// last bytes differ then. What they hold is compared at the end of the stream.
    Compressed,
    /// Times of entries and consumers are not compared; Redis 7.0 does not tell all of them.
    StreamTimes,
    /// The forms of lists: short ones are a quicklist in Redis 7.0, and a listpack since 7.2.
    ListForm,
}

/// The rule for a command.
pub(crate) fn rule(command: &[Vec<u8>]) -> Rule {
    match command[0].to_ascii_uppercase().as_slice() {
        b"TTL" | b"EXPIRETIME" => Rule::Within(CLOCK_SECONDS),
        b"PTTL" | b"PEXPIRETIME" => Rule::Within(CLOCK_MILLIS),
        b"BITCOUNT" | b"BITPOS" if is_newer_range(command) => Rule::Newer,
        b"SCAN" if is_newer_scan(&command[1..]) => Rule::Newer,
        // What lies behind a cursor is the table's own affair; only a whole iteration means something.
        b"SCAN" if command.get(1).is_some_and(|cursor| cursor != b"0") => Rule::Free,
        // How many names share one value in memory; Redis 7.0 lets some integers be shared and counts its own holds.
        b"OBJECT" if command.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"REFCOUNT")) => Rule::Free,
        b"OBJECT" => Rule::ListForm,
        // Redis 7.0 takes what is too far away for a negative number, or for a wait.
        b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BRPOPLPUSH" | b"BLMPOP" if has_word(command, b"9223372036854775808") => {
            Rule::Newer
        }
        // The number without an absolute value is refused since 7.2.
        b"LREM" | b"LPOS" if has_word(command, b"-9223372036854775808") => Rule::Newer,
        b"KEYS" | b"SCAN" => Rule::AnyOrder,
        b"HTTL" | b"HEXPIRETIME" => Rule::Within(CLOCK_SECONDS),
        b"HPTTL" | b"HPEXPIRETIME" => Rule::Within(CLOCK_MILLIS),
        b"HRANDFIELD" => Rule::Free,
        b"HSCAN" if command.get(2).is_some_and(|cursor| !is_number(cursor)) => Rule::Newer,
        b"HSCAN" if command.get(2).is_some_and(|cursor| cursor != b"0") => Rule::Free,
        // Large hashes have no order.
        b"HGETALL" | b"HKEYS" | b"HSCAN" | b"HVALS" => Rule::AnyOrder,
        b"DUMP" => Rule::Compressed,
        // Read behind the last entry: 7.0 does not know that.
        b"XREAD" if has_word(command, b"+") => Rule::Newer,
        b"XREAD" | b"XREADGROUP" if !command.len().is_multiple_of(2) => Rule::Free,
        b"XINFO" => Rule::StreamTimes,
        _ => Rule::Exact,
    }
}

/// Whether a command inside an open transaction leaves it in another state on both servers, so that nothing after it
/// can be compared: MULTI and WATCH spoil it on Valkey 9 and on ours, and do nothing on Redis 7.0.
pub(crate) fn parts_ways_in_transaction(command: &[Vec<u8>]) -> bool {
    match command[0].to_ascii_uppercase().as_slice() {
        b"MULTI" => command.len() == 1,
        b"WATCH" => command.len() > 1,
        _ => false,
    }
}

fn has_word(command: &[Vec<u8>], word: &[u8]) -> bool {
    command.iter().any(|own| own == word)
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

/// Whether two answers agree under a rule.
pub(crate) fn agree(rule: Rule, ours: &Reply, theirs: &Reply) -> bool {
    if ours == theirs {
        return true;
    }
    match (rule, ours, theirs) {
        (Rule::Within(distance), Reply::Integer(ours), Reply::Integer(theirs)) => {
            // The codes for "no key" and "no time to live" are no times.
            *ours >= 0 && *theirs >= 0 && ours.abs_diff(*theirs) <= distance.unsigned_abs()
        }
        (Rule::Within(_), Reply::Array(ours), Reply::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agree(rule, ours, theirs))
        }
        (Rule::Newer, ..) => true,
        (Rule::Free, ours, theirs) => ours.is_error() == theirs.is_error(),
        (Rule::ListForm, Reply::Bulk(ours), Reply::Bulk(theirs)) => ours == b"listpack" && theirs == b"quicklist",
        (Rule::StreamTimes, ours, theirs) => format!("{:?}", timeless(ours)) == format!("{:?}", timeless(theirs)),
        (Rule::AnyOrder, Reply::Array(ours), Reply::Array(theirs)) => sorted(ours) == sorted(theirs),
        (Rule::AnyOrder, Reply::Map(ours), Reply::Map(theirs)) => paired(ours) == paired(theirs),
        (Rule::Compressed, Reply::Bulk(ours), Reply::Bulk(theirs)) => {
            let (ours, theirs) = (unsealed(ours), unsealed(theirs));
            ours == theirs
                || is_compressed(ours)
                || is_compressed(theirs)
                || is_large_hash(ours) && is_large_hash(theirs)
                || is_set(ours) && is_set(theirs)
                || is_stream_of_other_type(ours, theirs)
        }
        _ => false,
    }
}

/// The elements in one order, those of inner arrays too: a SCAN is a cursor and an array.
fn sorted(elements: &[Reply]) -> Vec<String> {
    let mut texts: Vec<String> = elements
        .iter()
        .map(|element| element.elements().map_or_else(|| format!("{element:?}"), |inner| sorted(inner).concat()))
        .collect();
    texts.sort();
    texts
}

fn paired(pairs: &[(Reply, Reply)]) -> Vec<String> {
    let mut texts: Vec<String> = pairs.iter().map(|pair| format!("{pair:?}")).collect();
    texts.sort();
    texts
}

/// A payload without version and checksum: newer servers have other versions.
fn unsealed(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().saturating_sub(10)]
}

/// Whether a payload of a string, or of a value that is packed into one, starts with the mark of LZF (RDB format,
/// "String Encoding"), or one of a list has that mark anywhere.
fn is_compressed(payload: &[u8]) -> bool {
    matches!(payload, [0 | 11 | 16 | 17 | 20, 0xc3, ..]) || (payload.starts_with(&[18]) && payload.contains(&0xc3))
}

/// Whether payloads are streams, of the type Redis 7.0 reads and of the one newer servers write.
fn is_stream_of_other_type(ours: &[u8], theirs: &[u8]) -> bool {
    (ours.first(), theirs.first()) == (Some(&19), Some(&21))
}

/// A reply without points in time.
fn timeless(reply: &Reply) -> Reply {
    if let Reply::Map(pairs) = reply {
        return Reply::Map(pairs.iter().map(|(name, value)| (timeless(name), timeless(value))).collect());
    }
    if let Reply::Integer(LONG_PAST_MILLIS..) = reply {
        return Reply::Integer(0);
    }
    reply.elements().map_or_else(|| reply.clone(), |elements| Reply::Array(elements.iter().map(timeless).collect()))
}

/// Whether a payload is a list of fields, which has no order.
fn is_large_hash(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(4 | 22))
}

/// Whether a payload is a set that is no list of numbers, which has no order, and in Valkey 9 a form of its own.
fn is_set(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(2 | 20))
}

/// A point that is no count: in the year 2001.
const LONG_PAST_MILLIS: i64 = 1_000_000_000_000;
/// Time between the moments at which both servers run one command, with room for a busy machine.
const CLOCK_MILLIS: i64 = 5_000;
/// The same in seconds.
const CLOCK_SECONDS: i64 = CLOCK_MILLIS / 1_000;
