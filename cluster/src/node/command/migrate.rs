//! MIGRATE: keys to another server.

use slotmesh_engine::command::keys::{MIGRATE_KEYS, each_key};
use slotmesh_engine::command::spec::{Categories, Spec, WRITE, data};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::resp::args::Args;

use super::super::courier::errand::{Address, Errand, Order, Sender};
use super::{Call, Node, NodeFn, integer, shown};

pub(super) const ROWS: &[Spec<NodeFn>] = &[data("MIGRATE", -6, WRITE, MIGRATE_KEYS, migrate as NodeFn)
    .acl(Categories::DANGEROUS)
    .tips(&["nondeterministic_output"])];

/// The words behind the timeout.
#[derive(Debug, Default)]
struct Options {
    copy: bool,
    replace: bool,
    login: Vec<Vec<u8>>,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, ReplyError> {
        let mut options = Self::default();
        let mut at = 6;
        while at < args.len() {
            let left = args.len() - at - 1;
            let mut words = 0;
            if args.is(at, "COPY") {
                options.copy = true;
            } else if args.is(at, "REPLACE") {
                options.replace = true;
            } else if args.is(at, "AUTH") && left >= 1 {
                words = 1;
            } else if args.is(at, "AUTH2") && left >= 2 {
                words = 2;
            } else if args.is(at, "KEYS") {
                if args[3].is_empty() {
                    break;
                }
                return Err(ReplyError::Fixed(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                ));
            } else {
                return Err(ReplyError::Syntax);
            }
            if words > 0 {
                options.login = args.from(at + 1).first(words).iter().map(<[u8]>::to_vec).collect();
            }
            at += 1 + words;
        }
        Ok(options)
    }
}

fn migrate(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let Options { copy, replace, login } = Options::parse(args)?;
    let timeout_ms = u64::try_from(integer(&args[5])?).ok().filter(|&millis| millis > 0).unwrap_or(TIMEOUT_MS);
    let db = integer(&args[4])?;
    if node.is_in_transaction() || node.conns.client(call.conn).is_none() {
        return Err(ReplyError::Fixed("ERR MIGRATE waits for another server, which a transaction cannot"));
    }
    let mut keys = Vec::new();
    each_key(MIGRATE_KEYS, args, |index, _| keys.push(args.at(index)))?;
    let packed = keys.into_iter().filter_map(|key| Some((key.into(), node.engine.pack(call.now, call.session, key)?)));
    let parcels: Vec<_> = packed.collect();
    if parcels.is_empty() {
        node.engine.reply(call.session).simple("NOKEY");
        return Ok(());
    }
    // What is no port cannot be dialled, as in Redis.
    let port = integer(&args[2]).ok().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let order = Order { address: Address { host: shown(&args[1]), port }, db, timeout_ms, copy, replace, login };
    let sender =
        Sender { client: call.conn, db: node.engine.session(call.session).db, is_clustered: node.bus.is_some() };
    node.send_keys(call.now, Errand::new(order, sender, parcels));
    Ok(())
}

/// What a timeout of nothing means.
const TIMEOUT_MS: u64 = 1000;
