//! MEMORY, as far as keys are concerned. What the process uses is the host's to tell.

use super::keys::{Access, KeySpec, NO_KEYS};
use super::spec::{LOADING, READ, STALE, Spec, data};
use super::words::integer;
use super::{Ctx, DataFn};
use crate::error::ReplyError;
use crate::resp::args::Args;

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, help as DataFn),
    data("USAGE", -3, READ, &[KeySpec::one(2, Access::RO)], usage as DataFn),
];

fn usage(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    check_samples(args)?;
    let hash = ctx.hash(&args[2]);
    // Expired or not: the memory is in use.
    match ctx.core.keyspace.db(ctx.session.db).find(hash, &args[2]) {
        None => ctx.reply.null(),
        Some(entry) => ctx.reply.len(entry.memory_usage() + size_of_val(entry)),
    }
    Ok(())
}

/// Every value knows its size without being walked, so the number of samples is only checked.
fn check_samples(args: Args<'_>) -> Result<(), ReplyError> {
    for index in (3..args.len()).step_by(2) {
        let samples = args.get(index + 1).filter(|_| args.is(index, "SAMPLES")).ok_or(ReplyError::Syntax)?;
        if integer(samples)? < 0 {
            return Err(ReplyError::Syntax);
        }
    }
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    let forms = [
        ("DOCTOR", "Looks for memory problems."),
        ("MALLOC-STATS", "Shows what the allocator knows."),
        ("PURGE", "Asks the allocator to give memory back."),
        ("STATS", "Tells what memory is used for."),
        ("USAGE <key> [SAMPLES <count>]", "Tells how many bytes key and value take."),
    ];
    // The host may have added the others.
    let registry = &ctx.core.registry;
    let there = |form: &str| {
        let word = form.split(' ').next().unwrap_or(form);
        registry.find(b"MEMORY").is_some_and(|id| registry.find_sub(id, word.as_bytes()).is_some())
    };
    let forms: Vec<(&str, &str)> = forms.into_iter().filter(|(form, _)| there(form)).collect();
    super::help::reply(&mut ctx.reply, "MEMORY", &forms);
    Ok(())
}
