//! Streams: the words of XADD and XTRIM in front of the id, and XTRIM itself.

use super::ids::{id, new_id};
use super::repeat_with;
use crate::command::Ctx;
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::session::Origin;
use crate::time::Now;
use crate::value::stream::{ID_TEXT_BYTES_MAX, NewId, Stream, StreamId, Trim, TrimTo};

/// The command whose words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Trim,
}

/// What stands in front of the fields of XADD, or behind the key of XTRIM.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) trim: Option<Trim>,
    /// The word that says what is to stay.
    pub(super) trim_at: usize,
    pub(super) may_create: bool,
    /// The id of XADD; nothing for `*`.
    pub(super) id: Option<NewId>,
    /// The word with the id.
    pub(super) id_at: usize,
}

impl Words {
    /// Reads the words from the third on.
    pub(super) fn read(ctx: &Ctx<'_>, args: Args<'_>, verb: Verb) -> Result<Self, ReplyError> {
        let mut words = Self { trim: None, trim_at: 0, may_create: true, id: None, id_at: args.len() };
        let mut limit = None;
        let mut at = 2;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            if verb == Verb::Add && &args[at] == b"*" {
                words.id_at = at;
                break;
            } else if has_value && (args.is(at, "MAXLEN") || args.is(at, "MINID")) {
                at = words.read_trim(args, at)?;
            } else if has_value && args.is(at, "LIMIT") {
                at += 1;
                let number = u64::try_from(integer(&args[at])?);
                limit = Some(number.map_err(|_| ReplyError::Fixed("ERR The LIMIT argument must be >= 0."))?);
            } else if verb == Verb::Add && args.is(at, "NOMKSTREAM") {
                words.may_create = false;
            } else if verb == Verb::Add {
                words.id = Some(new_id(&args[at])?);
                words.id_at = at;
                break;
            } else {
                return Err(ReplyError::Syntax);
            }
            at += 1;
        }
        words.set_limit(ctx, limit, verb)?;
        Ok(words)
    }

    /// Reads MAXLEN or MINID, which is at `at`. Returns where its value is.
    fn read_trim(&mut self, args: Args<'_>, at: usize) -> Result<usize, ReplyError> {
        if self.trim.is_some() {
            return Err(BOTH);
        }
        let mark = args.get(at + 1).filter(|_| at + 2 < args.len());
        let is_approximate = mark == Some(b"~");
        let value_at = if is_approximate || mark == Some(b"=") { at + 2 } else { at + 1 };
        let value = &args[value_at];
        let to = if args.is(at, "MAXLEN") {
            let len = u64::try_from(integer(value)?);
            TrimTo::Len(len.map_err(|_| ReplyError::Fixed("ERR The MAXLEN argument must be >= 0."))?)
        } else {
            TrimTo::Id(id(value, 0)?)
        };
        self.trim = Some(Trim { to, is_approximate, limit: 0 });
        self.trim_at = value_at;
        Ok(value_at)
    }

    fn set_limit(&mut self, ctx: &Ctx<'_>, limit: Option<u64>, verb: Verb) -> Result<(), ReplyError> {
        let Some(trim) = &mut self.trim else {
            return match (limit, verb) {
                (Some(1..), _) => Err(LIMIT_ALONE),
                (_, Verb::Trim) => Err(NO_STRATEGY),
                (Some(_), Verb::Add) if ctx.session.origin == Origin::Client => Err(LIMIT_EXACT),
                (_, Verb::Add) => Ok(()),
            };
        };
        // What a primary or a file says was rewritten to what came of it there.
        if ctx.session.origin != Origin::Client {
            return Ok(());
        }
        trim.limit = match limit {
            Some(_) if !trim.is_approximate => return Err(LIMIT_EXACT),
            Some(limit) => limit,
            None if trim.is_approximate => default_limit(ctx.core.config.stream_node_max_entries),
            None => 0,
        };
        Ok(())
    }
}

/// Entries that one command removes at most where nothing else is said: those of a hundred blocks.
const fn default_limit(node_entries_max: u64) -> u64 {
    match node_entries_max.saturating_mul(100) {
        0 => 10_000,
        limit if limit > 1_000_000 => 1_000_000,
        limit => limit,
    }
}

/// XTRIM: removes entries from the front.
pub(super) fn xtrim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let words = Words::read(ctx, args, Verb::Trim)?;
    let Some(trim) = words.trim else { return Err(NO_STRATEGY) };
    let key = &args[1];
    let edited = ctx.edit_typed(key, |stream: &mut Stream, _, _| {
        let removed = stream.trim(trim);
        (removed, Kept::of(stream, trim))
    })?;
    let (removed, kept) = edited.map_or((0, None), |edited| edited.result);
    ctx.reply.len(removed);
    if removed > 0 {
        if let Some(kept) = kept {
            repeat_with(ctx, args, &[(words.trim_at - 1, b"="), (words.trim_at, kept.word())]);
        }
        ctx.tell_edit(key, KeyspaceEvents::STREAM, "xtrim", removed, false);
    }
    Ok(())
}

/// What an approximate trimming left, as a word that leaves the same everywhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    word: [u8; ID_TEXT_BYTES_MAX],
    len: usize,
}

impl Kept {
    /// What a trimming left; nothing if it was exact.
    pub(super) fn of(stream: &Stream, trim: Trim) -> Option<Self> {
        if !trim.is_approximate {
            return None;
        }
        let mut word = [0; ID_TEXT_BYTES_MAX];
        let len = match trim.to {
            TrimTo::Len(_) => {
                let mut digits = itoa::Buffer::new();
                let digits = digits.format(stream.len()).as_bytes();
                word[..digits.len()].copy_from_slice(digits);
                digits.len()
            }
            TrimTo::Id(_) => {
                // Deleted entries in front of the first count: whoever repeats this has them, too.
                let first = stream.blocks_with_ids().next();
                first.map_or(StreamId::MAX, |(id, _)| id).text(&mut word).len()
            }
        };
        Some(Self { word, len })
    }

    /// The word.
    pub(super) fn word(&self) -> &[u8] {
        &self.word[..self.len]
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms(now: Now) -> i64 {
    crate::keyspace::UnixMillis::from(now.unix).0
}

const BOTH: ReplyError =
    ReplyError::Fixed("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const LIMIT_ALONE: ReplyError =
    ReplyError::Fixed("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const LIMIT_EXACT: ReplyError =
    ReplyError::Fixed("ERR syntax error, LIMIT cannot be used without the special ~ option");
const NO_STRATEGY: ReplyError = ReplyError::Fixed("ERR syntax error, XTRIM must be called with a trimming strategy");
