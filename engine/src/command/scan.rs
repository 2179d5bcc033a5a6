//! Going through all keys: SCAN, KEYS, RANDOMKEY; and through a value, for SSCAN and the like ([`scan_within`]).

use super::Ctx;
use super::words::integer;
use crate::error::ReplyError;
use crate::glob;
use crate::keyspace::{Entry, UnixMillis};
use crate::number::parse_u64;
use crate::resp::args::Args;
use crate::value::Typed;
use crate::value::listpack::Element;

/// What SCAN takes behind the cursor.
#[derive(Debug, Clone, Copy)]
struct Options<'a> {
    count: usize,
    pattern: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    /// Only the first part of each pair is wanted (`NOVALUES`, `NOSCORES`).
    names_only: bool,
}

impl<'a> Options<'a> {
    /// The options from word `first` on.
    fn parse(args: Args<'a>, first: usize) -> Result<Self, ReplyError> {
        let mut options = Self { count: COUNT_DEFAULT, pattern: None, kind: None, names_only: false };
        let mut index = first;
        while index < args.len() {
            if options.take_shortening(args, index)? {
                index += 1;
                continue;
            }
            let value = args.get(index + 1).ok_or(ReplyError::Syntax)?;
            if args.is(index, "COUNT") {
                let count = integer(value)?;
                options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(ReplyError::Syntax)?;
            } else if args.is(index, "MATCH") {
                options.pattern = Some(value).filter(|pattern| pattern != b"*");
            } else if args.is(index, "TYPE") && first == SCAN_OPTIONS_AT {
                options.kind = Some(known_type(value)?);
            } else {
                return Err(ReplyError::Syntax);
            }
            index += 2;
        }
        Ok(options)
    }

    /// Takes an option without a value that one of the commands has. Returns whether the word is one.
    fn take_shortening(&mut self, args: Args<'_>, index: usize) -> Result<bool, ReplyError> {
        if args.is(index, "NOVALUES") {
            if !args.is(0, "HSCAN") {
                return Err(ReplyError::Fixed("ERR NOVALUES option can only be used in HSCAN"));
            }
            self.names_only = true;
            return Ok(true);
        }
        if args.is(index, "NOSCORES") {
            if !args.is(0, "ZSCAN") {
                return Err(ReplyError::Fixed("ERR NOSCORES option can only be used in ZSCAN"));
            }
            self.names_only = true;
            return Ok(true);
        }
        Ok(false)
    }

    fn wants(&self, entry: &Entry) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, entry.key(), false))
            && self.kind.is_none_or(|kind| entry.value().kind().name().as_bytes().eq_ignore_ascii_case(kind))
    }
}

/// The name of a type that exists, here or elsewhere.
fn known_type(name: &[u8]) -> Result<&[u8], ReplyError> {
    let known = ["string", "list", "set", "zset", "hash", "stream"];
    if known.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
        return Ok(name);
    }
    Err(ReplyError::naming("ERR unknown type name '", name, "'"))
}

/// A cursor as a client sends it back; zeros in front do not matter (Valkey 9).
fn cursor(text: &[u8]) -> Option<u64> {
    let zeros = text.iter().take_while(|&&digit| digit == b'0').count();
    if zeros > 0 && zeros == text.len() { Some(0) } else { parse_u64(&text[zeros..]) }
}

pub(super) fn scan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let cursor = cursor(&args[1]).ok_or(INVALID_CURSOR)?;
    let options = Options::parse(args, SCAN_OPTIONS_AT)?;
    let (db, now) = (ctx.db(), UnixMillis::from(ctx.now.unix));
    let mut past: Vec<Box<[u8]>> = Vec::new();
    let mut found: Vec<u8> = Vec::new();
    let mut count = 0;
    let next = ctx.core.keyspace.db(db).scan(cursor, options.count, |entry| {
        if !options.wants(entry) {
            return;
        }
        if entry.expiry().is_some_and(|at| at.is_past(now)) {
            past.push(entry.key().into());
            return;
        }
        crate::resp::reply::header(&mut found, b'$', entry.key().len() as i64);
        found.extend_from_slice(entry.key());
        found.extend_from_slice(b"\r\n");
        count += 1;
    });
    // A key whose time has come is shown where it still counts as present, and removed otherwise.
    for key in past {
        if ctx.peek(&key).is_some() {
            crate::resp::reply::header(&mut found, b'$', key.len() as i64);
            found.extend_from_slice(&key);
            found.extend_from_slice(b"\r\n");
            count += 1;
        }
        ctx.core.changes.separate();
    }
    ctx.reply.array(2);
    ctx.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    ctx.reply.array(count);
    ctx.reply.raw(&found);
    Ok(())
}

/// What one call of SSCAN and the like has found.
pub(super) struct Page<'a> {
    options: Options<'a>,
    found: Vec<u8>,
    len: usize,
}

impl Page<'_> {
    /// About how many elements the client wants.
    pub(super) const fn count(&self) -> usize {
        self.options.count
    }

    /// Adds an element, if it fits the client's pattern.
    pub(super) fn push(&mut self, element: Element<'_>) {
        let mut digits = itoa::Buffer::new();
        let text = element.text(&mut digits);
        if self.options.pattern.is_none_or(|pattern| glob::matches(pattern, text, false)) {
            self.add(text);
        }
    }

    /// Adds a pair, if its name fits the client's pattern; without the value if the client wants none.
    pub(super) fn push_pair(&mut self, name: Element<'_>, value: &[u8]) {
        let before = self.len;
        self.push(name);
        if self.len > before && !self.options.names_only {
            self.add(value);
        }
    }

    fn add(&mut self, text: &[u8]) {
        crate::resp::reply::header(&mut self.found, b'$', text.len() as i64);
        self.found.extend_from_slice(text);
        self.found.extend_from_slice(b"\r\n");
        self.len += 1;
    }
}

/// Goes through the value of the key at word 1: `<command> key cursor [options]`. `scan` visits elements from the
/// cursor on and returns the next one.
pub(super) fn scan_within<T: Typed>(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    scan: impl FnOnce(T::View<'_>, u64, &mut Page<'_>) -> u64,
) -> Result<(), ReplyError> {
    let cursor = cursor(&args[2]).ok_or(INVALID_CURSOR)?;
    ctx.view_typed::<T, _>(&args[1], |value, reply| {
        let (mut next, mut found, mut len) = (0, Vec::new(), 0);
        // Options of a key that is not there are not looked at.
        if let Some(value) = value {
            let options = Options::parse(args, SCAN_OPTIONS_AT + 1)?;
            let mut page = Page { options, found, len };
            next = scan(value, cursor, &mut page);
            (found, len) = (page.found, page.len);
        }
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(next).as_bytes());
        reply.array(len);
        reply.raw(&found);
        Ok(())
    })?
}

pub(super) fn keys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let pattern = &args[1];
    let now = UnixMillis::from(ctx.now.unix);
    let begin = ctx.reply.begin();
    let mut count = 0;
    for entry in ctx.core.keyspace.db(ctx.session.db).iter() {
        let is_past = entry.expiry().is_some_and(|at| at.is_past(now));
        if !is_past && glob::matches(pattern, entry.key(), false) {
            ctx.reply.bulk(entry.key());
            count += 1;
        }
    }
    ctx.reply.end_array(begin, count);
    Ok(())
}

pub(super) fn randomkey(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    let db = ctx.db();
    for _ in 0..RANDOM_TRIES_MAX {
        let core = &mut *ctx.core;
        let Some(entry) = core.keyspace.db(db).random_key(&mut core.rng) else { break };
        let key: Box<[u8]> = entry.key().into();
        // A primary removes what it picked and picks again; a replica only hides it.
        if ctx.peek(&key).is_some() {
            ctx.reply.bulk(&key);
            return Ok(());
        }
        ctx.core.changes.separate();
    }
    ctx.reply.null();
    Ok(())
}

const INVALID_CURSOR: ReplyError = ReplyError::Fixed("ERR invalid cursor");

/// The word at which options of SCAN begin; those of the others are one further.
const SCAN_OPTIONS_AT: usize = 2;

/// Keys one SCAN call looks at unless COUNT says otherwise.
const COUNT_DEFAULT: usize = 10;

/// Picks after which RANDOMKEY gives up on a database full of expired keys.
///
/// Redis stops after 100 where it may not remove them (`dbRandomKey`, `db.c` of 7.0).
const RANDOM_TRIES_MAX: usize = 100;
