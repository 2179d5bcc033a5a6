//! HyperLogLogs: strings that estimate how many different elements were added.
//!
//! The bytes are the matter of [`value::hyperloglog`](crate::value::hyperloglog); PFDEBUG and PFSELFTEST are in
//! [`debug`].

mod debug;

use std::borrow::Cow;

use super::keys::{Access, INSERT_ONE, KeySpec, NO_KEYS};
use super::spec::{ADMIN, DENY_OOM, FAST, MAY_REPLICATE, READ, Spec, WRITE, data};
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Entry, EntryMut, Expiry, NewValue, ValueRef};
use crate::resp::args::Args;
use crate::session::Origin;
use crate::value::hyperloglog::{self as hll, Corrupted, Form, Registers};
use debug::{pfdebug, pfselftest};

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("PFADD", -2, WRITE.and(DENY_OOM).and(FAST), INSERT_ONE, pfadd as DataFn),
    data("PFCOUNT", -2, READ.and(MAY_REPLICATE), COUNT_EVERY, pfcount),
    data("PFDEBUG", 3, WRITE.and(DENY_OOM).and(ADMIN), LOOK_INTO, pfdebug),
    data("PFMERGE", -2, WRITE.and(DENY_OOM), MERGE, pfmerge),
    data("PFSELFTEST", 1, ADMIN, NO_KEYS, pfselftest),
];

const COUNT_EVERY: &[KeySpec] = &[KeySpec::every(1, 1, Access::RW.and(Access::ACCESS))
    .noting("RW because it may change the internal representation of the key, and propagate to replicas")];
const LOOK_INTO: &[KeySpec] = &[KeySpec::one(2, Access::RW.and(Access::ACCESS))];
const MERGE: &[KeySpec] = &[
    KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::INSERT)),
    KeySpec::every(2, 1, Access::RO.and(Access::ACCESS)),
];

fn pfadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, elements) = (&args[1], args.from(2));
    let sparse_bytes_max = sparse_bytes_max(ctx);
    let edited = edit(ctx, key, |entry, form| match form {
        // The hot case: large ones are dense, and changed in place.
        Form::Dense => Ok(entry.edit_bytes(0, |bytes| {
            let raised = elements.iter().filter(|element| hll::add_dense(bytes, element)).count();
            if raised > 0 {
                hll::forget_estimate(bytes);
            }
            (raised, None)
        })),
        Form::Sparse => change(entry, |image| {
            let (raised, fault) = add_all(image, elements, sparse_bytes_max);
            if raised > 0 {
                hll::forget_estimate(image.to_mut());
            }
            Ok((raised, fault))
        }),
    })?;
    let (changes, fault) = match edited {
        Some(edited) => edited,
        None => {
            let mut image = Cow::Owned(hll::empty());
            let (raised, fault) = add_all(&mut image, elements, sparse_bytes_max);
            hll::forget_estimate(image.to_mut());
            create(ctx, key, &image);
            (raised + 1, fault)
        }
    };
    if changes > 0 {
        // A key that came to be was counted as one change.
        let counted = usize::from(edited.is_none());
        ctx.tell_edit(key, KeyspaceEvents::STRING, "pfadd", changes - counted, false);
    }
    if let Some(Corrupted) = fault {
        return Err(CORRUPTED);
    }
    ctx.reply.int(i64::from(changes > 0));
    Ok(())
}

/// Adds elements as far as the runs are sound. Returns how many raised a register.
fn add_all(image: &mut Cow<'_, [u8]>, elements: Args<'_>, sparse_bytes_max: usize) -> (usize, Option<Corrupted>) {
    let mut raised = 0;
    for element in elements.iter() {
        match hll::add(image, element, sparse_bytes_max) {
            Ok(is_raised) => raised += usize::from(is_raised),
            Err(fault) => return (raised, Some(fault)),
        }
    }
    (raised, None)
}

fn pfcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if args.len() > 2 {
        let (merged, _) = merge(ctx, args.from(1))?;
        ctx.reply.int(merged.estimate() as i64);
        return Ok(());
    }
    let key = &args[1];
    let found = ctx.view(key, |entry, _| {
        let Some(entry) = entry else { return Ok(None) };
        with_image(entry, |image, _| match hll::last_estimate(image) {
            Some(estimate) => Ok((estimate, true)),
            None => hll::estimate(image).map(|estimate| (estimate, false)).map_err(|Corrupted| CORRUPTED),
        })
        .map(Some)
    })?;
    let (estimate, is_kept) = found.unwrap_or((0, true));
    // What a client reads on a replica must not change what the primary gave it.
    let is_guest = ctx.core.is_replica && ctx.session.origin == Origin::Client;
    if !is_kept && !is_guest {
        ctx.edit(key, |entry, _| entry.and_then(|mut entry| entry.edit_bytes(0, |b| hll::keep_estimate(b, estimate))));
        ctx.changed(key);
    }
    ctx.reply.int(estimate as i64);
    Ok(())
}

fn pfmerge(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let (merged, densest) = merge(ctx, args.from(1))?;
    let sparse_bytes_max = sparse_bytes_max(ctx);
    let fill = |image: &mut Cow<'_, [u8]>| {
        if densest == Some(Form::Dense) && hll::form(image) == Some(Form::Sparse) {
            *image = Cow::Owned(hll::to_dense(image)?);
        }
        merged.write_to(image, sparse_bytes_max)?;
        hll::forget_estimate(image.to_mut());
        Ok(())
    };
    let edited = edit(ctx, key, |entry, _| change(entry, fill))?;
    if edited.is_none() {
        let mut image = Cow::Owned(hll::empty());
        fill(&mut image).map_err(|Corrupted| CORRUPTED)?;
        create(ctx, key, &image);
    }
    // A key that came to be was counted already.
    ctx.tell_edit(key, KeyspaceEvents::STRING, "pfadd", usize::from(edited.is_some()), false);
    ctx.reply.ok();
    Ok(())
}

/// The highest registers of all keys that are there, and the dense form if one of them has it.
fn merge(ctx: &mut Ctx<'_>, keys: Args<'_>) -> Result<(Registers, Option<Form>), ReplyError> {
    let (mut merged, mut densest) = (Registers::default(), None);
    for key in keys.iter() {
        ctx.view(key, |entry, _| {
            let Some(entry) = entry else { return Ok(()) };
            with_image(entry, |image, form| {
                if form == Form::Dense {
                    densest = Some(form);
                }
                merged.merge(image).map_err(|Corrupted| CORRUPTED)
            })
        })?;
    }
    Ok((merged, densest))
}

/// Lends the bytes of an entry that is a HyperLogLog.
fn with_image<R>(entry: &Entry, view: impl FnOnce(&[u8], Form) -> Result<R, ReplyError>) -> Result<R, ReplyError> {
    let mut digits = itoa::Buffer::new();
    let bytes = entry.value().string_bytes(&mut digits).ok_or(ReplyError::WrongType)?;
    view(bytes, hll::form(bytes).ok_or(NO_HYPERLOGLOG)?)
}

/// Looks a HyperLogLog up to change it and lends it to `edit`; nothing when there is no such key.
pub(super) fn edit<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    edit: impl FnOnce(&mut EntryMut<'_>, Form) -> Result<Option<R>, Corrupted>,
) -> Result<Option<R>, ReplyError> {
    ctx.edit(key, |entry, _| {
        let Some(mut entry) = entry else { return Ok(None) };
        let form = with_image(&entry, |_, form| Ok(form))?;
        edit(&mut entry, form).map_err(|Corrupted| CORRUPTED)
    })
}

/// Has `change` work on the bytes of an entry, and stores them if it took a copy to change.
pub(super) fn change<R>(
    entry: &mut EntryMut<'_>,
    change: impl FnOnce(&mut Cow<'_, [u8]>) -> Result<R, Corrupted>,
) -> Result<Option<R>, Corrupted> {
    let mut digits = itoa::Buffer::new();
    let value: ValueRef<'_> = entry.value();
    let Some(bytes) = value.string_bytes(&mut digits) else { return Ok(None) };
    let mut image = Cow::Borrowed(bytes);
    let result = change(&mut image)?;
    if let Cow::Owned(image) = image {
        entry.set_value(NewValue::Str(&image));
    }
    // As in Redis: what was looked up to be changed is no longer embedded.
    entry.edit_bytes(0, |_| ());
    Ok(Some(result))
}

/// Stores a HyperLogLog under a key that is not there.
fn create(ctx: &mut Ctx<'_>, key: &[u8], image: &[u8]) {
    ctx.set(key, NewValue::Str(image), Expiry::Never);
    ctx.keep_editable(ctx.db(), key);
}

fn sparse_bytes_max(ctx: &Ctx<'_>) -> usize {
    usize::try_from(ctx.core.config.hll_sparse_max_bytes).unwrap_or(usize::MAX)
}

/// The string is no HyperLogLog.
const NO_HYPERLOGLOG: ReplyError = ReplyError::Fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");

/// The string is a damaged HyperLogLog.
pub(super) const CORRUPTED: ReplyError = ReplyError::Fixed("INVALIDOBJ Corrupted HLL object detected");
