//! SORT and SORT_RO: the elements of a list, a set or a sorted set in another order, or what their names lead to.
//!
//! Lives here: the commands and the order of their steps. The words are in [`options`], keys made of patterns in
//! [`pattern`], elements and what they weigh in [`items`].

mod items;
mod options;
mod pattern;

use std::ops::Range;

use super::keys::{Access, Begin, Find, KeySpec};
use super::spec::{Categories, DENY_OOM, READ, Spec, WRITE, data};
use super::string::reply_value;
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::value::Kind;
use crate::value::list::{End, List};
use items::{Items, Texts};
use options::Request;
use pattern::Pattern;

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("SORT", -2, WRITE.and(DENY_OOM), SORT_KEYS, sort as DataFn).acl(CATEGORIES),
    data("SORT_RO", -2, READ, SORT_RO_KEYS, sort_ro as DataFn).acl(CATEGORIES),
];

const CATEGORIES: Categories =
    Categories::SET.and(Categories::SORTED_SET).and(Categories::LIST).and(Categories::DANGEROUS);
const READ_ACCESS: Access = Access::RO.and(Access::ACCESS);
const SORTED: KeySpec = KeySpec::one(1, READ_ACCESS);
const LED_TO: KeySpec = KeySpec { access: READ_ACCESS, begin: Begin::Unknown, find: Find::Unknown, notes: "" }.noting(
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key \
     we sort",
);
const STORED: KeySpec = KeySpec {
    access: Access::OW.and(Access::UPDATE),
    begin: Begin::Unknown,
    find: Find::LastOption { keyword: "STORE", from: 2, others: &[("LIMIT", 2), ("GET", 1), ("BY", 1)] },
    notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the \
            argument array",
};
const SORT_KEYS: &[KeySpec] = &[SORTED, LED_TO, STORED];
const SORT_RO_KEYS: &[KeySpec] = &[SORTED, LED_TO];

fn sort(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = Request::parse(ctx, args, options::Form::MayStore)?;
    run(ctx, &args[1], request)
}

fn sort_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = Request::parse(ctx, args, options::Form::ReadsOnly)?;
    run(ctx, &args[1], request)
}

fn run(ctx: &mut Ctx<'_>, key: &[u8], mut request: Request<'_>) -> Result<(), ReplyError> {
    let kind = ctx.view(key, |entry, _| entry.map(|entry| entry.value().kind()));
    match kind {
        None | Some(Kind::List | Kind::SortedSet) => {}
        Some(Kind::Set) => request.settle_order_of_sets(),
        Some(Kind::Hash | Kind::Stream | Kind::String) => return Err(ReplyError::WrongType),
    }
    let mut items = match kind {
        None => Items::default(),
        Some(_) => Items::load(ctx, key, &request),
    };
    if !request.keeps_order {
        items.weigh(ctx, &request)?;
        items.sort(request.descending);
    }
    let chosen = items.chosen(&request);
    match request.target {
        None => reply(ctx, &items, chosen, &request.gets)?,
        Some(target) => {
            let stored = collect(ctx, &items, chosen, &request.gets);
            store(ctx, target, &stored);
        }
    }
    Ok(())
}

fn reply(ctx: &mut Ctx<'_>, items: &Items, chosen: Range<usize>, gets: &[Pattern<'_>]) -> Result<(), ReplyError> {
    ctx.reply.array(chosen.len() * gets.len().max(1));
    for index in chosen {
        let element = items.text(index);
        if gets.is_empty() {
            ctx.reply.bulk(element);
        }
        for pattern in gets {
            pattern.look_up(ctx, element, |found, reply| match found {
                None => {
                    reply.null();
                    Ok(())
                }
                Some(value) => reply_value(value, reply),
            })?;
        }
    }
    Ok(())
}

/// What STORE keeps: what is not there is the empty string.
fn collect(ctx: &mut Ctx<'_>, items: &Items, chosen: Range<usize>, gets: &[Pattern<'_>]) -> Texts {
    let mut stored = Texts::default();
    for index in chosen {
        let element = items.text(index);
        if gets.is_empty() {
            stored.push(element);
        }
        for pattern in gets {
            pattern.look_up(ctx, element, |found, _| {
                let mut digits = itoa::Buffer::new();
                stored.push(found.and_then(|value| value.string_bytes(&mut digits)).unwrap_or_default());
            });
        }
    }
    stored
}

fn store(ctx: &mut Ctx<'_>, target: &[u8], elements: &Texts) {
    let mut list = List::new();
    list.push(End::Back, elements.iter(), ctx.core.rules().into());
    let removed = ctx.store_typed(target, list);
    if removed {
        ctx.notify(KeyspaceEvents::GENERIC, "del", target);
    } else if elements.len() > 0 {
        // One change was counted with the key.
        ctx.count_changes(elements.len() as u64 - 1);
        ctx.notify(KeyspaceEvents::LIST, "sortstore", target);
    }
    ctx.reply.len(elements.len());
}

#[cfg(test)]
mod tests {
    use crate::Engine;
    use crate::config::Config;
    use crate::time::Now;

    fn run(engine: &mut Engine, line: &str) -> String {
        let session = engine.open();
        let reply = engine.run(Now::default(), session, line.split(' '));
        String::from_utf8(reply).unwrap().replace("\r\n", " ").trim_end().to_owned()
    }

    #[test]
    fn in_a_cluster_patterns_stay_in_the_slot_of_the_key() {
        let mut engine = Engine::new(Config { cluster_enabled: true, ..Config::default() }, 1);
        run(&mut engine, "RPUSH {k}l 2 1");
        let denied = |option: &str| {
            format!(
                "-ERR {option} option of SORT denied in Cluster mode when keys formed by the pattern may be in \
                 different slots."
            )
        };

        for (line, reply) in [
            ("SORT {k}l BY w*", denied("BY")),
            ("SORT_RO {k}l BY {j}w*", denied("BY")),
            ("SORT {k}l BY *{k}", denied("BY")),
            ("SORT {k}l BY {k}w*", "*2 $1 1 $1 2".to_owned()),
            ("SORT {k}l BY nosort", "*2 $1 2 $1 1".to_owned()),
            ("SORT {k}l GET w*", denied("GET")),
            ("SORT {k}l GET w", denied("GET")),
            ("SORT {k}l GET #", "*2 $1 1 $1 2".to_owned()),
            ("SORT {k}l GET {k}w*->f", "*2 $-1 $-1".to_owned()),
        ] {
            assert_eq!(run(&mut engine, line), reply, "{line}");
        }
    }

    #[test]
    fn only_what_is_stored_is_repeated() {
        let mut engine = Engine::new(Config::default(), 1);
        run(&mut engine, "RPUSH l 2 1");
        engine.changes().set_enabled(true);

        run(&mut engine, "SORT l");
        run(&mut engine, "SORT_RO l");
        run(&mut engine, "SORT nosuch STORE d");
        run(&mut engine, "SORT l STORE d");

        let mut log = Vec::new();
        engine.changes().take(&mut log);
        let log = String::from_utf8(log).unwrap().replace("\r\n", " ");
        assert_eq!(log, "*2 $6 SELECT $1 0 *4 $4 SORT $1 l $5 STORE $1 d ");
        // Two elements of RPUSH, two that were stored.
        assert_eq!(engine.changes().dirty(), 4);
    }
}
