//! FAILOVER.

use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ADMIN, NO_SCRIPT, STALE, Spec, data};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::resp::args::Args;

use super::super::handover::HandOver;
use super::{Call, Node, NodeFn, integer};

pub(super) const ROWS: &[Spec<NodeFn>] =
    &[data("FAILOVER", -1, ADMIN.and(NO_SCRIPT).and(STALE), NO_KEYS, failover as NodeFn)];

/// The words behind FAILOVER.
#[derive(Default)]
struct Options<'a> {
    target: Option<(&'a [u8], i64)>,
    timeout_ms: Option<u64>,
    force: bool,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Self, ReplyError> {
        let mut options = Self::default();
        let mut at = 1;
        while at < args.len() {
            if args.is(at, "TIMEOUT") && at + 1 < args.len() && options.timeout_ms.is_none() {
                let millis = u64::try_from(integer(&args[at + 1])?).ok().filter(|&millis| millis > 0);
                let invalid = ReplyError::Fixed("ERR FAILOVER timeout must be greater than 0");
                options.timeout_ms = Some(millis.ok_or(invalid)?);
                at += 2;
            } else if args.is(at, "TO") && at + 2 < args.len() && options.target.is_none() {
                options.target = Some((args.at(at + 1), integer(&args[at + 2])?));
                at += 3;
            } else if args.is(at, "FORCE") && !options.force {
                options.force = true;
                at += 1;
            } else {
                return Err(ReplyError::Syntax);
            }
        }
        Ok(options)
    }
}

fn failover(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if node.bus.is_some() {
        return Err(ReplyError::Fixed("ERR FAILOVER not allowed in cluster mode."));
    }
    if call.args.len() == 2 && call.args.is(1, "ABORT") {
        if node.handover.is_none() {
            return Err(ReplyError::Fixed("ERR No failover in progress."));
        }
        node.abort_handover(call.now, "Failover manually aborted");
    } else {
        let options = Options::parse(call.args)?;
        let handover = plan(node, call, &options)?;
        node.begin_handover(handover);
    }
    node.engine.reply(call.session).ok();
    Ok(())
}

fn plan(node: &Node, call: &Call<'_>, options: &Options<'_>) -> Result<HandOver, ReplyError> {
    let refused = |text| Err(ReplyError::Fixed(text));
    if node.handover.is_some() {
        return refused("ERR FAILOVER already in progress.");
    }
    if node.is_replica() {
        return refused("ERR FAILOVER is not valid when server is a replica.");
    }
    if node.replication.feeds.connected() == 0 {
        return refused("ERR FAILOVER requires connected replicas.");
    }
    if options.force && (options.timeout_ms.is_none() || options.target.is_none()) {
        return refused("ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
    }
    let mut target = None;
    if let Some((host, port)) = options.target {
        let host = String::from_utf8_lossy(host).into_owned();
        let port = u16::try_from(port).unwrap_or(0);
        match node.replication.feeds.find(call.now, &host, port) {
            None => return refused("ERR FAILOVER target HOST and PORT is not a replica."),
            Some((_, info)) if info.state != "online" => {
                return refused("ERR FAILOVER target replica is not online.");
            }
            Some(_) => target = Some((host, port)),
        }
    }
    let deadline = options.timeout_ms.map(|millis| call.now.instant.plus_millis(millis));
    Ok(HandOver::new(target, deadline, options.force))
}
