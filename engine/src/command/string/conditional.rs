//! Strings: DELEX, DELIFEQ and MSETEX, which write under a condition, and DIGEST, which makes one.

use xxhash_rust::xxh3::xxh3_64;

use super::store::{Condition, Form, Options, repeat_with_expiry, store};
use crate::command::Ctx;
use crate::command::keys::Access;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Entry, Expiry};
use crate::number::parse_i64;
use crate::resp::args::Args;

/// How a string is compared with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Comparison {
    of: Compared,
    /// It is to differ.
    is_negated: bool,
}

/// What of a string is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Digest,
    Value,
}

impl Comparison {
    /// The comparison that the word at `index` names.
    pub(super) fn parse(args: Args<'_>, index: usize) -> Option<Self> {
        let known = [
            ("IFEQ", Self { of: Compared::Value, is_negated: false }),
            ("IFNE", Self { of: Compared::Value, is_negated: true }),
            ("IFDEQ", Self { of: Compared::Digest, is_negated: false }),
            ("IFDNE", Self { of: Compared::Digest, is_negated: true }),
        ];
        known.into_iter().find(|(word, _)| args.is(index, word)).map(|(_, comparison)| comparison)
    }

    /// What comes of a key that is not there.
    pub(super) const fn is_met_by_absence(self) -> bool {
        self.is_negated
    }

    /// Whether the string of an entry is as it shall be. The wrong type is an error.
    pub(super) fn is_met(self, entry: &Entry, word: &[u8]) -> Result<bool, ReplyError> {
        let mut digits = itoa::Buffer::new();
        let held = entry.value().string_bytes(&mut digits).ok_or(ReplyError::WrongType)?;
        let is_equal = match self.of {
            Compared::Value => held == word,
            Compared::Digest if word.len() == DIGEST_BYTES => digest_of(held).as_bytes().eq_ignore_ascii_case(word),
            Compared::Digest => {
                return Err(ReplyError::Fixed("ERR must be exactly 16 hexadecimal characters"));
            }
        };
        Ok(is_equal != self.is_negated)
    }
}

/// The digest of a string as clients see it: the same in Redis 8.4, so that they can compute it themselves.
fn digest_of(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}

pub(super) fn digest(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view(&args[1], |entry, reply| {
        let Some(entry) = entry else {
            reply.null();
            return Ok(());
        };
        let mut digits = itoa::Buffer::new();
        let held = entry.value().string_bytes(&mut digits).ok_or(ReplyError::WrongType)?;
        reply.bulk(digest_of(held).as_bytes());
        Ok(())
    })
}

pub(super) fn delifeq(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let equals = Comparison { of: Compared::Value, is_negated: false };
    let is_met = ctx.edit(key, |entry, _| entry.map_or(Ok(false), |entry| equals.is_met(&entry, &args[2])))?;
    remove_if(ctx, key, is_met);
    Ok(())
}

pub(super) fn delex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let is_met = match args.len() {
        2 => ctx.exists_to_write(key),
        4 => ctx.edit(key, |entry, _| {
            // As in Redis, a key that is not there is told before a wrong condition is, and the type in between.
            let Some(entry) = entry else { return Ok(false) };
            entry
                .string_encoding()
                .ok_or(ReplyError::Fixed("ERR Key should be of string type if conditions are specified"))?;
            let unknown = ReplyError::Fixed("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
            Comparison::parse(args, 2).ok_or(unknown)?.is_met(&entry, &args[3])
        })?,
        _ => return Err(ReplyError::arity("delex")),
    };
    remove_if(ctx, key, is_met);
    Ok(())
}

/// What DELEX does with its key: it reads it only under a condition.
pub(in crate::command) fn delex_access(args: Args<'_>) -> Access {
    if args.len() > 2 { Access::RW.and(Access::DELETE) } else { Access::RM.and(Access::DELETE) }
}

fn remove_if(ctx: &mut Ctx<'_>, key: &[u8], is_met: bool) {
    let removed = is_met && ctx.remove(key);
    if removed {
        // The comparison was made: whoever repeats the command, Redis 7.0 too, need not know of it.
        ctx.rewrite(&[b"DEL", key]);
        ctx.notify(KeyspaceEvents::GENERIC, "del", key);
    }
    ctx.reply.int(i64::from(removed));
}

pub(super) fn msetex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let count = parse_i64(&args[1]).and_then(|count| i32::try_from(count).ok()).filter(|&count| count > 0);
    let count = count.ok_or(ReplyError::Fixed("ERR invalid numkeys value or out of range"))? as usize;
    let end = 2 + 2 * count;
    if end > args.len() {
        return Err(ReplyError::Syntax);
    }
    let options = Options::parse(args, end, Form::MSetEx)?;
    let expiry = options.expiry(ctx, args, "msetex")?;
    let pairs = (2..end).step_by(2);
    let mut keys = pairs.clone().map(|index| &args[index]);
    let is_met = match options.condition {
        Some(Condition::Absent) => !keys.any(|key| ctx.exists_to_write(key)),
        Some(Condition::Present) => keys.all(|key| ctx.exists_to_write(key)),
        Some(Condition::Compared(..)) | None => true,
    };
    if is_met {
        for index in pairs {
            let (key, value) = (&args[index], &args[index + 1]);
            store(ctx, key, value, expiry);
            repeat(ctx, key, value, expiry);
        }
    }
    ctx.reply.int(i64::from(is_met));
    Ok(())
}

/// Has one pair repeated as a SET, which Redis 7.0 knows too; those of one command form a transaction.
fn repeat(ctx: &mut Ctx<'_>, key: &[u8], value: &[u8], expiry: Expiry) {
    match expiry {
        Expiry::At(at) => repeat_with_expiry(ctx, key, value, at),
        Expiry::Keep => ctx.rewrite(&[b"SET", key, value, b"KEEPTTL"]),
        Expiry::Never => ctx.rewrite(&[b"SET", key, value]),
    }
}

/// Length of a digest as text.
const DIGEST_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::digest_of;

    #[test]
    fn digests_are_those_of_published_vectors() {
        let long = "v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd";
        for (text, digest) in [
            // The constant for no bytes, of the specification of XXH3.
            ("", "2d06800538d394c2"),
            // The documentation of DIGEST.
            ("Hello world", "b6acb9d84a38ff74"),
            // Issue 14496 of Redis, about leading zeros.
            (long, "00006c38adf31777"),
        ] {
            assert_eq!(digest_of(text.as_bytes()), digest, "{text}");
        }
    }
}
