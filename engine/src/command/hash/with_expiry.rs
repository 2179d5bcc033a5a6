//! Hashes: reading or writing fields together with their expiry (HGETEX, HSETEX), or taking them out (HGETDEL).

use super::expire::{Action, FIELD_COUNT, Fields, tell};
use super::{Stored, repeat_deletion, reply_value, sight_to_write, tell_expired};
use crate::command::Ctx;
use crate::command::expiry::{ExpiryOption, Lasting};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Expiry, UnixMillis};
use crate::resp::args::Args;
use crate::value::hash::{Hash, HashView, Presence, Sight};
use crate::value::{Collection, Typed};

/// What HGETEX and HSETEX take ahead of their fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Options {
    /// `NX`, `XX`: about the key.
    key: Option<Condition>,
    /// `FNX`, `FXX`: about all fields.
    fields: Option<Condition>,
    expiry: ExpiryOption,
}

/// When HSETEX does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    IfAbsent,
    IfPresent,
}

/// Which command reads the options: not all of them suit both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Get,
    Set,
}

impl Options {
    /// The options from word 2 up to `end`.
    fn parse(args: Args<'_>, end: usize, form: Form) -> Result<Self, ReplyError> {
        let mut options = Self::default();
        let mut index = 2;
        while index < end {
            if form == Form::Set && options.take_condition(args, index)? {
                index += 1;
            } else {
                let lasting = if form == Form::Set { Lasting::Keep } else { Lasting::Persist };
                index += options.expiry.take(args, index, end, lasting)?;
            }
        }
        Ok(options)
    }

    fn take_condition(&mut self, args: Args<'_>, index: usize) -> Result<bool, ReplyError> {
        use Condition::{IfAbsent, IfPresent};
        let (held, condition) = match index {
            _ if args.is(index, "NX") => (&mut self.key, IfAbsent),
            _ if args.is(index, "XX") => (&mut self.key, IfPresent),
            _ if args.is(index, "FNX") => (&mut self.fields, IfAbsent),
            _ if args.is(index, "FXX") => (&mut self.fields, IfPresent),
            _ => return Ok(false),
        };
        if held.replace(condition).is_some_and(|other| other != condition) {
            return Err(ReplyError::Syntax);
        }
        Ok(true)
    }

    /// The time that was given.
    fn at(self, ctx: &Ctx<'_>, args: Args<'_>, command: &str) -> Result<Option<UnixMillis>, ReplyError> {
        let ExpiryOption::Time(clock, word) = self.expiry else { return Ok(None) };
        clock.field_time(ctx.now, &args[word], command).map(Some)
    }

    /// Whether the conditions hold for a hash, which is empty where there is no key.
    fn allow(self, hash: HashView<'_>, pairs: Args<'_>, sight: Sight) -> bool {
        let is_seen = |index: usize| hash.presence(&pairs[index], sight) == Presence::Seen;
        let all_hold = || (0..pairs.len()).step_by(2).all(|index| holds(self.fields, is_seen(index)));
        holds(self.key, !hash.is_empty()) && (self.fields.is_none() || all_hold())
    }
}

fn holds(condition: Option<Condition>, is_there: bool) -> bool {
    condition.is_none_or(|condition| is_there == (condition == Condition::IfPresent))
}

/// The time is none: the key's type and the condition about the key come first.
fn refuse_time(ctx: &mut Ctx<'_>, key: &[u8], options: Options, error: ReplyError) -> Result<(), ReplyError> {
    let is_there = ctx.edit_typed(key, |_: &mut Hash, _, _| ())?.is_some();
    if holds(options.key, is_there) {
        return Err(error);
    }
    ctx.reply.int(0);
    Ok(())
}

pub(super) fn hgetex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let found = Fields::search(args, 2).ok_or(FIELD_COUNT)?;
    let options = Options::parse(args, found.at, Form::Get)?;
    let fields = found.names()?;
    let at = match options.at(ctx, args, "hgetex") {
        Ok(at) => at,
        Err(error) => return refuse_time(ctx, key, options, error),
    };
    let action = match at {
        Some(at) if ctx.is_gone_at(at) => Some(Action::Remove),
        Some(at) => Some(Action::Set(at)),
        None => (options.expiry == ExpiryOption::Persist).then_some(Action::Persist),
    };
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_typed(key, |hash: &mut Hash, reply, rules| {
        let mut changed: Vec<&[u8]> = Vec::new();
        reply.array(fields.len());
        for field in fields.iter() {
            let found = hash.view().find(field).filter(|(_, expiry)| sight.sees(*expiry));
            reply_value(reply, found.map(|(value, _)| value));
            let (Some((_, old)), Some(action)) = (found, action) else { continue };
            match action {
                Action::Persist if old.is_none() => continue,
                Action::Persist => hash.set_expiry(field, None, rules),
                Action::Remove => {
                    hash.remove(field, Sight::All);
                    None
                }
                Action::Set(at) => hash.set_expiry(field, Some(at), rules),
            };
            changed.push(field);
        }
        changed
    })?;
    match (edited, action) {
        (None, _) => {
            ctx.core.stats.keyspace_misses += 1;
            ctx.notify(KeyspaceEvents::KEY_MISS, "keymiss", key);
            reply_nulls(ctx, fields);
        }
        (Some(edited), action) => {
            ctx.core.stats.keyspace_hits += 1;
            if let Some(action) = action {
                tell(ctx, key, &edited.result, action, edited.emptied);
            }
        }
    }
    Ok(())
}

pub(super) fn hgetdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let fields = Fields::at(args, 2).ok_or(ReplyError::Syntax)?.names()?;
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_typed(key, |hash: &mut Hash, reply, _| {
        let mut removed: Vec<&[u8]> = Vec::new();
        reply.array(fields.len());
        for field in fields.iter() {
            reply_value(reply, hash.view().get(field, sight));
            if hash.remove(field, sight) == Presence::Seen {
                removed.push(field);
            }
        }
        removed
    })?;
    let Some(edited) = edited else {
        reply_nulls(ctx, fields);
        return Ok(());
    };
    if !edited.result.is_empty() {
        // Older servers know this command.
        repeat_deletion(ctx, key, &edited.result);
        ctx.tell_edit(key, KeyspaceEvents::HASH, "hdel", edited.result.len(), edited.emptied);
    }
    Ok(())
}

fn reply_nulls(ctx: &mut Ctx<'_>, fields: Args<'_>) {
    ctx.reply.array(fields.len());
    fields.iter().for_each(|_| ctx.reply.null());
}

pub(super) fn hsetex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let found = Fields::search(args, 2).ok_or(FIELD_COUNT)?;
    let options = Options::parse(args, found.at, Form::Set)?;
    let pairs = found.groups(2)?;
    let at = match options.at(ctx, args, "hsetex") {
        Ok(at) => at,
        Err(error) => return refuse_time(ctx, key, options, error),
    };
    if at.is_some_and(|at| ctx.is_gone_at(at)) {
        return store_past(ctx, key, options, pairs);
    }
    let expiry = match at {
        Some(at) => Expiry::At(at),
        None if options.expiry == ExpiryOption::Keep => Expiry::Keep,
        None => Expiry::Never,
    };
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_or_create(key, |hash: &mut Hash, _, rules| {
        if !options.allow(hash.view(), pairs, sight) {
            return None;
        }
        let mut written = Written::default();
        hash.expect(pairs.len() / 2, pairs.bytes(), rules);
        for index in (0..pairs.len()).step_by(2) {
            let field = &pairs[index];
            let is_hidden = expiry == Expiry::Keep && hash.view().presence(field, sight) == Presence::Hidden;
            if is_hidden {
                // What is past is not kept.
                hash.remove(field, Sight::All);
                written.hidden.push(pairs.at(index));
            }
            written.stored.note(hash.set(field, &pairs[index + 1], expiry, rules), sight);
        }
        written.has_volatile = hash.view().volatile_len() > 0;
        Some(written)
    })?;
    ctx.reply.int(i64::from(edited.result.is_some()));
    let Some(written) = edited.result else { return Ok(()) };
    repeat_pairs(ctx, key, pairs, expiry, &written);
    tell_expired(ctx, key, written.stored.expired + written.hidden.len());
    ctx.tell_edit(key, KeyspaceEvents::HASH, "hset", pairs.len() / 2, edited.emptied);
    if at.is_some() {
        ctx.notify(KeyspaceEvents::HASH, "hexpire", key);
    }
    Ok(())
}

/// What HSETEX wrote.
#[derive(Debug, Default)]
struct Written<'a> {
    stored: Stored,
    /// Fields past their expiry that made way for values whose expiry is kept.
    hidden: Vec<&'a [u8]>,
    /// Whether some field of the hash expires.
    has_volatile: bool,
}

/// Has the fields stored wherever the command is repeated, by a command as old as possible.
fn repeat_pairs(ctx: &mut Ctx<'_>, key: &[u8], pairs: Args<'_>, expiry: Expiry, written: &Written<'_>) {
    if !written.hidden.is_empty() {
        repeat_deletion(ctx, key, &written.hidden);
    }
    let (mut digits, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let count = count.format(pairs.len() / 2).as_bytes();
    let head: Vec<&[u8]> = match expiry {
        Expiry::At(UnixMillis(at)) => vec![b"HSETEX", key, b"PXAT", digits.format(at).as_bytes(), b"FIELDS", count],
        Expiry::Keep if written.has_volatile => vec![b"HSETEX", key, b"KEEPTTL", b"FIELDS", count],
        Expiry::Keep | Expiry::Never => vec![b"HSET", key],
    };
    let words: Vec<&[u8]> = head.into_iter().chain(pairs.iter()).collect();
    ctx.rewrite(&words);
}

/// Values that would be past at once: their fields go.
fn store_past(ctx: &mut Ctx<'_>, key: &[u8], options: Options, pairs: Args<'_>) -> Result<(), ReplyError> {
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_or_create(key, |hash: &mut Hash, _, _| {
        if !options.allow(hash.view(), pairs, sight) {
            return None;
        }
        let is_new = hash.is_empty();
        let fields = pairs.iter().step_by(2);
        let removed: Vec<&[u8]> = fields.filter(|field| hash.remove(field, Sight::All) == Presence::Seen).collect();
        Some((removed, is_new, hash.is_empty()))
    })?;
    ctx.reply.int(i64::from(edited.result.is_some()));
    let Some((removed, is_new, is_empty)) = edited.result else { return Ok(()) };
    if removed.is_empty() {
        ctx.rewrite_to_nothing();
    } else {
        repeat_deletion(ctx, key, &removed);
    }
    if is_new {
        ctx.notify(KeyspaceEvents::NEW, "new", key);
    }
    ctx.notify(KeyspaceEvents::HASH, "hset", key);
    ctx.notify(KeyspaceEvents::HASH, "hexpire", key);
    ctx.core.stats.expired_fields += removed.len() as u64;
    ctx.tell_edit(key, KeyspaceEvents::HASH, "hexpired", removed.len(), is_empty);
    Ok(())
}
