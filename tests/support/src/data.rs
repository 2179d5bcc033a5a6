//! Data sets: filling a server with one, and comparing what two servers hold.
//!
//! Comparison reads every key (SCAN, TYPE, PEXPIRETIME and what reads all of a type) instead of asking the servers for a
//! digest: it needs nothing but commands that both must have, and it can say what differs.

use std::collections::BTreeMap;
use std::io;

use crate::client::{Client, request};
use crate::reply::Reply;

/// What one database of a server holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents(pub BTreeMap<Vec<u8>, Held>);

/// A value and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The string, or the type and all elements as text; those without an order are sorted.
    pub value: Vec<u8>,
    /// Unix milliseconds at which it expires; -1 for never.
    pub expires_at_ms: i64,
}

impl Contents {
    /// Reads everything in the database the client has selected; keys that expire meanwhile are left out.
    ///
    /// # Errors
    /// As [`Client::call`], and `InvalidData` for a reply of another form.
    pub fn read(client: &mut Client) -> io::Result<Self> {
        let mut held = BTreeMap::new();
        let mut cursor = b"0".to_vec();
        loop {
            let reply = client.call([b"SCAN".as_slice(), &cursor, b"COUNT", b"1000"])?;
            let (next, keys) = scan_page(&reply).ok_or_else(|| unexpected(&reply))?;
            read_keys(client, &keys, &mut held)?;
            cursor = next;
            if cursor == b"0" {
                return Ok(Self(held));
            }
        }
    }

    /// The first differences, in words; `None` when there are none.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let keys = self.0.keys().chain(other.0.keys().filter(|key| !self.0.contains_key(*key)));
        let different = keys.filter(|key| self.0.get(*key) != other.0.get(*key));
        let texts: Vec<String> = different
            .map(|key| format!("{}: {:?} / {:?}", key.escape_ascii(), self.0.get(key), other.0.get(key)))
            .take(DIFFERENCES_SHOWN)
            .collect();
        (!texts.is_empty()).then(|| format!("{} / {} keys\n{}", self.0.len(), other.0.len(), texts.join("\n")))
    }
}

/// Fails with the first differences unless both clients see the same keys, values and expiries.
///
/// # Panics
/// When they do not, or when a server does not answer.
pub fn assert_same(left: &mut Client, right: &mut Client) {
    let (left, right) = (Contents::read(left).expect("the left side"), Contents::read(right).expect("the right side"));
    if let Some(difference) = left.difference(&right) {
        panic!("the two sides differ: {difference}");
    }
}

/// Sets `keys` keys named after `prefix`: integers, short and long text, every fifth one with an expiry far away.
///
/// # Errors
/// As [`Client::call`]; `InvalidData` when a command is refused.
pub fn fill(client: &mut Client, prefix: &str, keys: usize) -> io::Result<()> {
    let commands = (0..keys).map(|number| {
        let mut command = vec![b"SET".to_vec(), format!("{prefix}:{number}").into_bytes(), value(number)];
        if number % 5 == 0 {
            command.extend([b"PX".to_vec(), (EXPIRY_MS + number).to_string().into_bytes()]);
        }
        command
    });
    pipeline(client, commands)
}

/// Makes collections of every type and form, some of them with an expiry far away.
///
/// # Errors
/// As [`Client::call`]; `InvalidData` when a command is refused.
pub fn fill_collections(client: &mut Client, prefix: &str) -> io::Result<()> {
    let named = |name: &str| format!("{prefix}:{name}").into_bytes();
    let grow_by = |verb: &str, name: &str, count: usize, member: fn(usize) -> Vec<u8>| {
        let (verb, members) = (verb.as_bytes().to_vec(), (0..count).map(member).collect::<Vec<_>>());
        let key = named(name);
        members.chunks(100).map(|some| [vec![verb.clone(), key.clone()], some.to_vec()].concat()).collect::<Vec<_>>()
    };
    let grow = |name: &str, count: usize, member: fn(usize) -> Vec<u8>| grow_by("SADD", name, count, member);
    let sets = [
        grow("set:narrow", 5, |number| number.to_string().into_bytes()),
        grow("set:wide", 500, |number| (number as i64 * 40_000_000_000 - 7).to_string().into_bytes()),
        grow("set:integers", 2000, |number| number.to_string().into_bytes()),
        grow("set:few", 20, |number| format!("member-{number}").into_bytes()),
        grow("set:mixed", 30, |number| {
            if number % 3 == 0 { format!("m{number}") } else { number.to_string() }.into_bytes()
        }),
        grow("set:many", 3000, |number| format!("member-{number}").into_bytes()),
        grow("set:long", 40, value),
        grow("set:binary", 1, |_| b"\0\r\n\xff".to_vec()),
        grow("set:empty-member", 1, |_| Vec::new()),
        grow("set:few:expiring", 3, value),
        grow("set:many:expiring", 300, value),
    ];
    let push = |name: &str, count: usize, element: fn(usize) -> Vec<u8>| grow_by("RPUSH", name, count, element);
    let lists = [
        push("list:few", 10, value),
        push("list:many", 3000, value),
        push("list:long", 3, |number| vec![b'x'; 5000 + 4000 * number]),
        push("list:binary", 3, |number| [&b"\0\r\n\xff"[..], &b""[..], &b"-0"[..]][number].to_vec()),
        push("list:many:expiring", 300, value),
    ];
    pipeline(client, sets.into_iter().chain(lists).flatten())?;
    let expire = |name: &str| vec![b"PEXPIRE".to_vec(), named(name), EXPIRY_MS.to_string().into_bytes()];
    pipeline(client, ["set:few:expiring", "set:many:expiring", "list:many:expiring"].map(expire))?;
    fill_hashes(client, prefix)
}

fn fill_hashes(client: &mut Client, prefix: &str) -> io::Result<()> {
    let field = |name: &str, field: Vec<u8>, value: Vec<u8>| {
        vec![b"HSET".to_vec(), format!("{prefix}:hash:{name}").into_bytes(), field, value]
    };
    let numbered = |name: &'static str, count: usize| {
        (0..count).map(move |number| field(name, format!("field:{number}").into_bytes(), value(number)))
    };
    let numbers = (0..40_i64).map(|number| {
        field("numbers", number.to_string().into_bytes(), (number * 200_000_000_000_000_000).to_string().into_bytes())
    });
    let odd = [
        field("odd", Vec::new(), b"\0\r\n\xff".to_vec()),
        field("odd", b"\xff\0".to_vec(), Vec::new()),
        field("long", vec![b'f'; 70], vec![b'v'; 20_000]),
    ];
    pipeline(client, numbered("few", 5).chain(numbered("many", 3000)).chain(numbers).chain(odd))?;
    let expire = ["PEXPIRE".to_owned(), format!("{prefix}:hash:few"), EXPIRY_MS.to_string()];
    pipeline(client, [expire.map(String::into_bytes).to_vec()])
}

/// Sends commands in batches and checks that none is refused.
///
/// # Errors
/// As [`Client::call`]; `InvalidData` when a command is refused.
pub fn pipeline(client: &mut Client, commands: impl IntoIterator<Item = Vec<Vec<u8>>>) -> io::Result<()> {
    let mut commands = commands.into_iter().peekable();
    while commands.peek().is_some() {
        let mut bytes = Vec::new();
        let mut sent = 0;
        for command in commands.by_ref().take(BATCH_COMMANDS) {
            bytes.extend(request(command));
            sent += 1;
        }
        client.send_raw(&bytes)?;
        for _ in 0..sent {
            let reply = client.read()?;
            if reply.is_error() {
                return Err(unexpected(&reply));
            }
        }
    }
    Ok(())
}

/// The value [`fill`] gives the key of this number.
pub fn value(number: usize) -> Vec<u8> {
    match number % 4 {
        0 => number.to_string().into_bytes(),
        1 => format!("value-{number}").into_bytes(),
        // Compressible and not.
        2 => vec![b'a' + (number % 26) as u8; 60 + number % 200],
        _ => (0..50 + number % 50)
            .map(|at| (number.wrapping_mul(2_654_435_761).rotate_left(at as u32) % 251) as u8)
            .collect(),
    }
}

fn read_keys(client: &mut Client, keys: &[Vec<u8>], held: &mut BTreeMap<Vec<u8>, Held>) -> io::Result<()> {
    let kinds = ask(client, keys.iter().map(|key| vec![b"TYPE".to_vec(), key.clone()]))?;
    let kinds: Vec<&[u8]> = kinds.iter().map(|kind| kind.text().unwrap_or_default()).collect();
    let reads = ask(client, keys.iter().zip(&kinds).map(|(key, kind)| reading(kind, key)))?;
    let expiries = ask(client, keys.iter().map(|key| vec![b"PEXPIRETIME".to_vec(), key.clone()]))?;
    for (((key, kind), reply), expiry) in keys.iter().zip(kinds).zip(reads).zip(expiries) {
        let expires_at_ms = expiry.integer().ok_or_else(|| unexpected(&expiry))?;
        // -2: it has expired in between.
        if kind != b"none" && reply != Reply::NullBulk && expires_at_ms != -2 {
            let value = canonical(kind, &reply).ok_or_else(|| unexpected(&reply))?;
            held.insert(key.clone(), Held { value, expires_at_ms });
        }
    }
    Ok(())
}

/// The command that reads all of a value of this type.
fn reading(kind: &[u8], key: &[u8]) -> Vec<Vec<u8>> {
    let (verb, options): (&str, &[&str]) = match kind {
        b"hash" => ("HGETALL", &[]),
        b"list" => ("LRANGE", &["0", "-1"]),
        b"set" => ("SMEMBERS", &[]),
        b"stream" => ("XRANGE", &["-", "+"]),
        b"zset" => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
        _ => ("GET", &[]),
    };
    let options = options.iter().map(|option| option.as_bytes().to_vec());
    [verb.as_bytes().to_vec(), key.to_vec()].into_iter().chain(options).collect()
}

/// The same bytes for equal values.
fn canonical(kind: &[u8], reply: &Reply) -> Option<Vec<u8>> {
    if let Reply::Bulk(value) = reply {
        return Some(value.clone());
    }
    let show = |reply: &Reply| match reply.text() {
        Some(text) => text.escape_ascii().to_string(),
        None => format!("{reply:?}"),
    };
    let mut elements: Vec<String> = reply.elements()?.iter().map(show).collect();
    match kind {
        b"set" => elements.sort(),
        b"hash" => {
            let mut pairs: Vec<String> = elements.chunks(2).map(|pair| pair.join("=")).collect();
            pairs.sort();
            elements = pairs;
        }
        _ => {}
    }
    Some(format!("{} {}", kind.escape_ascii(), elements.join(" ")).into_bytes())
}

/// The replies to many commands, sent together.
fn ask(client: &mut Client, commands: impl Iterator<Item = Vec<Vec<u8>>>) -> io::Result<Vec<Reply>> {
    let commands: Vec<Vec<Vec<u8>>> = commands.collect();
    let mut replies = Vec::with_capacity(commands.len());
    for batch in commands.chunks(BATCH_COMMANDS) {
        client.send_raw(&batch.iter().flat_map(request).collect::<Vec<u8>>())?;
        for _ in batch {
            replies.push(client.read()?);
        }
    }
    Ok(replies)
}

fn scan_page(reply: &Reply) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let [cursor, keys] = reply.elements()? else { return None };
    let keys = keys.elements()?.iter().map(|key| key.text().map(<[u8]>::to_vec)).collect::<Option<_>>()?;
    Some((cursor.text()?.to_vec(), keys))
}

fn unexpected(reply: &Reply) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected reply {reply:?}"))
}

/// Expiry of the keys that have one: no test lives that long.
const EXPIRY_MS: usize = 3_600_000;
/// Commands sent before their replies are read; both together fit the sockets' buffers.
const BATCH_COMMANDS: usize = 400;
/// Differences shown when two sides differ.
const DIFFERENCES_SHOWN: usize = 5;
