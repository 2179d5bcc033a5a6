//! Random commands from a table of forms.
//!
//! A form is a command line with places: `<kind>` is filled in, `[a|b]` is left out or one of its parts, `(a|b)` is
//! one of its parts. Keys, values and numbers come from small sets that meet each other often and hold the values
//! at the edges.

use slotmesh_engine::rng::Rng;

/// Which forms to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Bitmap,
    Expire,
    Generic,
    Hash,
    HashExpiry,
    List,
    HyperLogLog,
    Sort,
    Stream,
    StreamGroup,
    String,
    Transaction,
}

impl Family {
    const fn forms(self) -> &'static [&'static str] {
        match self {
            Self::Bitmap => BITMAP,
            Self::Expire => EXPIRE,
            Self::Generic => GENERIC,
            Self::Hash => HASH,
            Self::HashExpiry => HASH_EXPIRY,
            Self::List => LIST,
            Self::HyperLogLog => HYPERLOGLOG,
            Self::Sort => SORT,
            Self::Stream => STREAM,
            Self::StreamGroup => STREAM_GROUP,
            Self::String => STRING,
            Self::Transaction => TRANSACTION,
        }
    }
}

/// The next command; now and then one with an argument missing, added or spoilt.
pub(crate) fn command(rng: &mut Rng, families: &[Family]) -> Vec<Vec<u8>> {
    let forms = families[rng.index(families.len())].forms();
    let mut args = Vec::new();
    expand(forms[rng.index(forms.len())], rng, &mut args);
    if rng.chance(SPOILT_PERCENT) {
        spoil(&mut args, rng);
    }
    args
}

fn spoil(args: &mut Vec<Vec<u8>>, rng: &mut Rng) {
    let at = rng.index(args.len());
    match rng.below(3) {
        0 if args.len() > 1 => drop(args.pop()),
        1 => args.push(pick(rng, WORDS)),
        _ if at > 0 => args[at] = pick(rng, WORDS),
        _ => {}
    }
}

/// Fills in a form. Nesting is that of the table below, so recursion is bounded by it.
fn expand(form: &str, rng: &mut Rng, args: &mut Vec<Vec<u8>>) {
    let mut rest = form.trim_start();
    while let Some(first) = rest.chars().next() {
        let (taken, after) = match first {
            '[' | '(' => group(rest),
            _ => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        match first {
            '[' if rng.chance(50) => {}
            '[' | '(' => {
                let parts: Vec<&str> = taken[1..taken.len() - 1].split('|').collect();
                expand(parts[rng.index(parts.len())], rng, args);
            }
            '<' => fill(&taken[1..taken.len() - 1], rng, args),
            _ => args.push(taken.as_bytes().to_vec()),
        }
        rest = after.trim_start();
    }
}

/// Splits off the bracketed part at the start; brackets do not nest in the table.
fn group(text: &str) -> (&str, &str) {
    let close = if text.starts_with('[') { ']' } else { ')' };
    let end = text.find(close).unwrap_or_else(|| panic!("no `{close}` in {text}"));
    text.split_at(end + 1)
}

fn fill(kind: &str, rng: &mut Rng, args: &mut Vec<Vec<u8>>) {
    match kind {
        "key" => args.push(pick(rng, KEYS)),
        "keys" => (0..=rng.below(3)).for_each(|_| args.push(pick(rng, KEYS))),
        "pairs" => (0..=rng.below(2)).for_each(|_| args.extend([pick(rng, KEYS), pick(rng, VALUES)])),
        "field" => args.push(pick(rng, FIELDS)),
        "fields" => (0..=rng.below(3)).for_each(|_| args.push(pick(rng, FIELDS))),
        "field-pairs" => (0..=rng.below(2)).for_each(|_| args.extend([pick(rng, FIELDS), pick(rng, VALUES)])),
        "counted" => {
            let count = 1 + rng.below(3);
            args.extend([b"FIELDS".to_vec(), count.to_string().into_bytes()]);
            (0..count).for_each(|_| args.push(pick(rng, FIELDS)));
        }
        "counted-pairs" => {
            let count = 1 + rng.below(2);
            args.extend([b"FIELDS".to_vec(), count.to_string().into_bytes()]);
            (0..count).for_each(|_| args.extend([pick(rng, FIELDS), pick(rng, VALUES)]));
        }
        "values" => (0..=rng.below(6)).for_each(|_| args.push(pick(rng, VALUES))),
        // Nodes of lists are full with a few of these; what is compressed of them differs.
        "long" => args.push((0..=rng.below(6000)).map(|at| b'a' + (at % 25) as u8).collect()),
        "value" => args.push(pick(rng, VALUES)),
        "int" => args.push(pick(rng, INTEGERS)),
        "float" => args.push(pick(rng, FLOATS)),
        "index" => args.push((rng.below(60).cast_signed() - 30).to_string().into_bytes()),
        "offset" => args.push(rng.below(80).to_string().into_bytes()),
        "bit" => args.push(rng.below(2).to_string().into_bytes()),
        // One of the numbers below 10,000, and up to 300 of them in a row.
        "element" => args.push(rng.below(10_000).to_string().into_bytes()),
        "elements" => {
            let first = rng.below(10_000);
            (0..rng.below(300)).for_each(|more| args.push((first + more).to_string().into_bytes()));
        }
        "bit-field" => {
            let sign = if rng.chance(50) { 'i' } else { 'u' };
            args.push(format!("{sign}{}", rng.below(66)).into_bytes());
            let counted = if rng.chance(30) { "#" } else { "" };
            args.push(format!("{counted}{}", rng.below(200)).into_bytes());
        }
        // Now and then the next one of a millisecond, mostly soon behind the others: 20 of both parts.
        "new-id" if rng.chance(40) => args.push(format!("{}-*", rng.below(20)).into_bytes()),
        "new-id" => args.push(format!("{}-{}", rng.below(20), rng.below(20)).into_bytes()),
        "id" if rng.chance(20) => args.push(pick(rng, ENDS)),
        "id" => args.push(format!("{}-{}", rng.below(20), rng.below(20)).into_bytes()),
        "ids" => (0..=rng.below(3)).for_each(|_| fill("id", rng, args)),
        "small" => args.push(rng.below(6).to_string().into_bytes()),
        "pattern" => args.push(pick(rng, PATTERNS)),
        "db" => args.push(rng.below(18).to_string().into_bytes()),
        // Far apart, so that no two are equal on one server and a millisecond apart on the other.
        "seconds" => args.push((1_000 + rng.below(1_000_000_000)).to_string().into_bytes()),
        "millis" => args.push((1_000_000 + rng.below(1_000_000_000_000)).to_string().into_bytes()),
        // Past points are left to commands that delete at once: after SET the reference's count depends on when
        // it gets to the key.
        "later-millis" => args.push((33_177_117_420_000 + rng.below(1_000_000)).to_string().into_bytes()),
        "at" => args.push(pick(rng, POINTS)),
        "at-millis" => args.push(pick(rng, POINTS_MILLIS)),
        other => panic!("the table names an unknown kind `{other}`"),
    }
}

fn pick(rng: &mut Rng, from: &[&str]) -> Vec<u8> {
    from[rng.index(from.len())].as_bytes().to_vec()
}

const STRING: &[&str] = &[
    "APPEND <key> <value>",
    "DECR <key>",
    "DECRBY <key> <int>",
    "GET <key>",
    "GETDEL <key>",
    "GETEX <key> [EX <seconds>|PX <millis>|EXAT <at>|PXAT <at-millis>|PERSIST]",
    "GETRANGE <key> <index> <index>",
    "GETSET <key> <value>",
    "INCR <key>",
    "INCRBY <key> <int>",
    "INCRBYFLOAT <key> <float>",
    "LCS <key> <key> [LEN|IDX|IDX WITHMATCHLEN|IDX MINMATCHLEN 2]",
    "MGET <keys>",
    "MSET <pairs>",
    "MSETNX <pairs>",
    "PSETEX <key> <millis> <value>",
    "SET <key> <value> [NX|XX] [GET] [EX <seconds>|PX <millis>|PXAT <later-millis>|KEEPTTL]",
    "SET <key> <int>",
    "SET <key> <float>",
    "SETEX <key> <seconds> <value>",
    "SETNX <key> <value>",
    "SETRANGE <key> <offset> <value>",
    "STRLEN <key>",
    "SUBSTR <key> <index> <index>",
];

const BITMAP: &[&str] = &[
    "BITCOUNT <key>",
    "BITCOUNT <key> <index> <index> [BYTE|BIT]",
    "BITFIELD <key> GET <bit-field> [OVERFLOW SAT|OVERFLOW FAIL] INCRBY <bit-field> <int>",
    "BITFIELD <key> [OVERFLOW SAT|OVERFLOW FAIL|OVERFLOW WRAP] SET <bit-field> <int> INCRBY <bit-field> <int>",
    "BITFIELD <key> [GET <bit-field>] [SET <bit-field> <int>] [INCRBY <bit-field> <int>]",
    "BITFIELD_RO <key> GET <bit-field> GET <bit-field>",
    "BITOP (AND|OR|XOR) <key> <keys>",
    "BITOP NOT <key> <key>",
    "BITPOS <key> <bit>",
    "BITPOS <key> <bit> <index>",
    "BITPOS <key> <bit> <index> <index> [BYTE|BIT]",
    "GETBIT <key> <offset>",
    "SETBIT <key> <offset> <bit>",
];

const HYPERLOGLOG: &[&str] = &[
    "DEL <key>",
    "GET <key>",
    "PFADD <key>",
    "PFADD <key> <element>",
    "PFADD <key> <elements>",
    "PFADD <key> <value> <value>",
    "PFCOUNT <key>",
    "PFCOUNT <keys>",
    "PFDEBUG (DECODE|ENCODING|GETREG|TODENSE) <key>",
    "PFMERGE <key> <keys>",
];

const GENERIC: &[&str] = &[
    "COPY <key> <key> [DB <db>] [REPLACE]",
    "DBSIZE",
    "DEL <keys>",
    "DUMP <key>",
    "EXISTS <keys>",
    "KEYS <pattern>",
    "MOVE <key> <db>",
    "OBJECT (ENCODING|REFCOUNT) <key>",
    "RENAME <key> <key>",
    "RENAMENX <key> <key>",
    "SCAN 0 COUNT 1000 [MATCH <pattern>] [TYPE string|TYPE hash]",
    "SWAPDB 0 1",
    "TOUCH <keys>",
    "TYPE <key>",
    "UNLINK <keys>",
];

const HASH: &[&str] = &[
    "HDEL <key> <fields>",
    "HEXISTS <key> <field>",
    "HGET <key> <field>",
    "HGETALL <key>",
    "HINCRBY <key> <field> <int>",
    "HINCRBYFLOAT <key> <field> <float>",
    "HKEYS <key>",
    "HLEN <key>",
    "HMGET <key> <fields>",
    "HMSET <key> <field-pairs>",
    "HRANDFIELD <key> [1|2|100|-2|0|2 WITHVALUES|-3 WITHVALUES]",
    "HSCAN <key> 0 COUNT 1000 [MATCH <pattern>]",
    "HSET <key> <field-pairs>",
    "HSET <key> <field-pairs>",
    "HSET <key> <field> <int>",
    "HSET <key> <field> <float>",
    "HSETNX <key> <field> <value>",
    "HSTRLEN <key> <field>",
    "HVALS <key>",
];

const HASH_EXPIRY: &[&str] = &[
    "HEXPIRE <key> <seconds> [NX|XX|GT|LT|XX GT|NX LT] <counted>",
    "HPEXPIRE <key> <millis> [NX|XX|GT|LT|XX LT] <counted>",
    "HEXPIREAT <key> <at> [NX|XX|GT|LT|XX GT|GT LT] <counted>",
    "HPEXPIREAT <key> <at-millis> [NX|XX|GT|LT] <counted>",
    "HEXPIRE <key> (0|-1) <counted>",
    "HTTL <key> <counted>",
    "HPTTL <key> <counted>",
    "HEXPIRETIME <key> <counted>",
    "HPEXPIRETIME <key> <counted>",
    "HPERSIST <key> <counted>",
    "HGETEX <key> [EX <seconds>|PX <millis>|EXAT <at>|PXAT <at-millis>|PERSIST] <counted>",
    "HSETEX <key> [NX|XX] [FNX|FXX] [EX <seconds>|PX <millis>|EXAT <at>|PXAT <at-millis>|KEEPTTL] <counted-pairs>",
    "HGETDEL <key> <counted>",
];

/// What is sorted has one order: no two elements differ only behind a zero byte, no two weights are equal as text, and a
/// set whose order nobody asked for is stored.
const SORT: &[&str] = &[
    "DEL <key>",
    "HSET <key> <field> <float>",
    "LRANGE <key> 0 -1",
    "RPUSH <key> <int> <float> <int>",
    "RPUSH <key> <int>",
    "SADD <key> <int> <float>",
    "SADD <key> <int> <int> <int>",
    "SET <key> <float>",
    "SORT <key> [LIMIT <index> <index>] [ASC|DESC] [ALPHA] [STORE <key>]",
    "SORT <key> [LIMIT <index> <index>] [DESC] [GET key:*|GET #|GET x*->f|GET nowhere] [GET #] [STORE <key>]",
    "SORT <key> (BY key:*|BY *->a|BY a*|BY key:*->field) [DESC] [LIMIT <index> <index>] [GET key:*] [STORE <key>]",
    "SORT <key> BY nosort [DESC] [LIMIT <index> <index>] [GET key:*] STORE <key>",
    "SORT_RO <key> [LIMIT <index> <index>] [ASC|DESC] [ALPHA] [GET # GET key:*->a]",
    "TYPE <key>",
    "ZADD <key> <float> <int> <float> <int>",
];

/// Waits are short and few: they take the reference a tenth of a second.
const LIST: &[&str] = &[
    "(BLPOP <keys> 0.001|BRPOP <keys> 0.001|BRPOPLPUSH <key> <key> 0.001|BLMOVE <key> <key> RIGHT LEFT 0.001|BLMPOP \
     0.001 2 <key> <key> LEFT COUNT 2)",
    "LINDEX <key> <index>",
    "LINSERT <key> (BEFORE|AFTER) <value> <value>",
    "LINSERT <key> (BEFORE|AFTER) <int> <long>",
    "LLEN <key>",
    "LMOVE <key> <key> (LEFT|RIGHT) (LEFT|RIGHT)",
    "LMPOP 2 <key> <key> (LEFT|RIGHT) [COUNT 3]",
    "LPOP <key> [<offset>]",
    "LPOS <key> <value> [RANK <index>] [COUNT <offset>] [MAXLEN <offset>]",
    "LPUSH <key> <values>",
    "LPUSH <key> <int> <long>",
    "LPUSHX <key> <values>",
    "LRANGE <key> <index> <index>",
    "LREM <key> <index> <value>",
    "LSET <key> <index> <value>",
    "LSET <key> <index> <long>",
    "LTRIM <key> <index> <index>",
    "RPOP <key> [<offset>]",
    "RPOPLPUSH <key> <key>",
    "RPUSH <key> <values>",
    "RPUSH <key> <values>",
    "RPUSH <key> <long> <int>",
    "RPUSHX <key> <values>",
];

/// Entries with the fields of the one before are stored without them: half of these have such.
const STREAM: &[&str] = &[
    "XADD <key> <new-id> a <value>",
    "XADD <key> <new-id> a <int>",
    "XADD <key> <new-id> <field-pairs>",
    "XADD <key> [NOMKSTREAM] [MAXLEN <small>|MAXLEN ~ <small>|MAXLEN ~ <small> LIMIT <small>] <new-id> a <value>",
    "XADD <key> [MINID <id>|MINID ~ <id>|MINID = <id>] <new-id> <field> <value>",
    "XDEL <key> <ids>",
    "XINFO STREAM <key>",
    "XLEN <key>",
    "XRANGE <key> <id> <id> [COUNT <small>]",
    "XREAD [COUNT <small>] STREAMS <key> <key> <id> <id>",
    "XREVRANGE <key> <id> <id> [COUNT <small>]",
    "XTRIM <key> (MAXLEN|MAXLEN ~) <small>",
    "XTRIM <key> (MINID|MINID ~) <id>",
];

/// Waits of entries are none or too long to be met. XSETID is here because Redis 7.0 lets it go in front of ids that were
/// deleted.
const STREAM_GROUP: &[&str] = &[
    "XACK <key> <field> <ids>",
    "XAUTOCLAIM <key> <field> <field> (0|9000000) <id> [COUNT <small>] [JUSTID]",
    "XCLAIM <key> <field> <field> (0|9000000) <ids> [IDLE 20000000|TIME 1000|RETRYCOUNT 5|LASTID <id>] [FORCE] [JUSTID]",
    "XGROUP CREATE <key> <field> (0|$|<id>) [MKSTREAM] [ENTRIESREAD <small>]",
    "XGROUP CREATE <key> <field> 0 MKSTREAM",
    "XGROUP CREATECONSUMER <key> <field> <field>",
    "XGROUP DELCONSUMER <key> <field> <field>",
    "XGROUP DESTROY <key> <field>",
    "XGROUP SETID <key> <field> (0|$|<id>) [ENTRIESREAD <small>]",
    "XINFO GROUPS <key>",
    "XPENDING <key> <field>",
    "XPENDING <key> <field> IDLE 9000000 <id> <id> <small>",
    "XREADGROUP GROUP <field> <field> [COUNT <small>] [NOACK] STREAMS <key> >",
    "XREADGROUP GROUP <field> <field> [COUNT <small>] STREAMS <key> >",
    "XREADGROUP GROUP <field> <field> [COUNT <small>] STREAMS <key> <key> > <id>",
    "XSETID <key> <id> [ENTRIESADDED <offset>] [MAXDELETEDID <id>]",
];

const EXPIRE: &[&str] = &[
    "EXPIRE <key> <seconds> [NX|XX|GT|LT|XX GT|NX LT]",
    "EXPIREAT <key> <at> [NX|XX|GT|LT|XX LT|GT LT]",
    "EXPIRETIME <key>",
    "PERSIST <key>",
    "PEXPIRE <key> <millis> [NX|XX|GT|LT]",
    "PEXPIREAT <key> <at-millis> [NX|XX|GT|LT]",
    "PEXPIRETIME <key>",
    "PTTL <key>",
    "TTL <key>",
    "EXPIRE <key> (0|-1|-100)",
];

const TRANSACTION: &[&str] = &["MULTI", "EXEC", "EXEC", "DISCARD", "WATCH <keys>", "UNWATCH", "PING", "ECHO <value>"];

/// Few enough that commands meet the keys of others; `\u{0}` as a name of one byte that is no letter.
const KEYS: &[&str] = &["a", "b", "c", "key:1", "key:2", "{a}x", "", "\u{0}"];
const FIELDS: &[&str] = &["a", "b", "c", "field", "1", "-7", "", "\u{0}"];
const VALUES: &[&str] = &[
    "",
    "0",
    "x",
    "hello",
    "ohmytext",
    "mynewtext",
    "\r\n",
    "\u{0}\u{1}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "01234567890123456789012345678901234567890123",
    "012345678901234567890123456789012345678901234",
];
/// Ids at the edges, and some that are none.
const ENDS: &[&str] =
    &["-", "+", "0", "5", "(5", "(5-5", "(-", "007-+1", "18446744073709551615-18446744073709551615", "x"];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "127",
    "128",
    "-129",
    "32768",
    "10000",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
];
const FLOATS: &[&str] = &["0", "0.1", "-0.1", "1.5", "3", "1e3", "-2.25", "1e-7", "123456.789", "5e20"];
const PATTERNS: &[&str] = &["*", "key:*", "?", "[ab]", "[^a]", "nosuch", ""];
/// Unix seconds: long past, or far in the future.
const POINTS: &[&str] = &["1", "1000000000", "33177117420", "33177117421", "33177117999", "9223372036854775"];
const POINTS_MILLIS: &[&str] = &["1", "1000000000000", "33177117420123", "33177117420999", "9223372036854775807"];
/// What a spoilt argument becomes.
const WORDS: &[&str] = &["", "abc", "NX", "-1", "1.5", "9223372036854775808", "GET", "EX", "\u{0}"];
/// Share of commands that are not as the table has them.
const SPOILT_PERCENT: u8 = 8;
