//! CLIENT TRACKING and its kin: what clients that keep copies of keys want to hear of.

use std::collections::BTreeSet;

use slotmesh_engine::error::ReplyError;
use slotmesh_engine::session::{Origin, SessionId};
use slotmesh_engine::tracking::{Scope, TrackingMode};

use super::{Call, Node, integer};

/// The words behind CLIENT TRACKING ON or OFF.
#[derive(Default)]
struct Options<'a> {
    redirect: Option<SessionId>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(node: &Node, call: &Call<'a>) -> Result<Self, ReplyError> {
        let args = call.args;
        let mut options = Self::default();
        let mut at = 3;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            if args.is(at, "REDIRECT") && has_value {
                at += 1;
                if options.redirect.is_some() {
                    return Err(ReplyError::Fixed("ERR A client can only redirect to a single other client"));
                }
                let id = integer(&args[at])?;
                let target = node
                    .engine
                    .sessions()
                    .find(|session| session.id.client_id() as i64 == id && session.origin == Origin::Client);
                let target =
                    target.ok_or(ReplyError::Fixed("ERR The client ID you want redirect to does not exist"))?;
                options.redirect = Some(target.id);
            } else if args.is(at, "PREFIX") && has_value {
                at += 1;
                options.prefixes.push(args.at(at));
            } else {
                let flag = match () {
                    () if args.is(at, "BCAST") => &mut options.broadcast,
                    () if args.is(at, "OPTIN") => &mut options.opt_in,
                    () if args.is(at, "OPTOUT") => &mut options.opt_out,
                    () if args.is(at, "NOLOOP") => &mut options.no_loop,
                    () => return Err(ReplyError::Syntax),
                };
                *flag = true;
            }
            at += 1;
        }
        Ok(options)
    }

    /// Whether the options go together, and with what the client asked for before.
    fn check(&self, before: Option<&TrackingMode>) -> Result<(), ReplyError> {
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(ReplyError::Fixed("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        let scope = before.map(|mode| mode.scope);
        if scope.is_some_and(|scope| (scope == Scope::Broadcast) != self.broadcast) {
            return Err(ReplyError::Fixed(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(ReplyError::Fixed("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.opt_in && self.opt_out {
            return Err(ReplyError::Fixed("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if self.opt_in && scope == Some(Scope::ReadOptOut) || self.opt_out && scope == Some(Scope::ReadOptIn) {
            return Err(ReplyError::Fixed(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        self.check_prefixes(before)
    }

    /// No key may be told of twice.
    fn check_prefixes(&self, before: Option<&TrackingMode>) -> Result<(), ReplyError> {
        for (at, &prefix) in self.prefixes.iter().enumerate() {
            let mut existing = before.into_iter().flat_map(|mode| &mode.prefixes);
            if let Some(other) = existing.find(|other| overlap(prefix, other)) {
                return Err(overlaps(prefix, "an existing prefix", other));
            }
            if let Some(other) = self.prefixes[at + 1..].iter().find(|other| overlap(prefix, other)) {
                return Err(overlaps(prefix, "another provided prefix", other));
            }
        }
        Ok(())
    }

    fn mode(self) -> TrackingMode {
        let scope = match self {
            Self { broadcast: true, .. } => Scope::Broadcast,
            Self { opt_in: true, .. } => Scope::ReadOptIn,
            Self { opt_out: true, .. } => Scope::ReadOptOut,
            Self { .. } => Scope::Read,
        };
        let mut prefixes: BTreeSet<Box<[u8]>> = self.prefixes.into_iter().map(Box::from).collect();
        if self.broadcast && prefixes.is_empty() {
            prefixes.insert(Box::default());
        }
        let (caching, is_broken) = (false, false);
        TrackingMode { redirect: self.redirect, scope, no_loop: self.no_loop, caching, is_broken, prefixes }
    }
}

fn overlap(one: &[u8], other: &[u8]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn overlaps(prefix: &[u8], whose: &str, other: &[u8]) -> ReplyError {
    let parts: [&[u8]; 7] = [
        b"ERR Prefix '",
        prefix,
        b"' overlaps with ",
        whose.as_bytes(),
        b" '",
        other,
        b"'. Prefixes for a single client must not overlap.",
    ];
    ReplyError::text(parts.concat())
}

pub(super) fn tracking(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let options = Options::parse(node, call)?;
    if call.args.is(2, "ON") {
        options.check(node.engine.session(call.session).tracking.as_deref())?;
        node.engine.track(call.session, options.mode());
    } else if call.args.is(2, "OFF") {
        node.engine.untrack(call.session);
    } else {
        return Err(ReplyError::Syntax);
    }
    node.engine.reply(call.session).ok();
    Ok(())
}

pub(super) fn caching(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let Some(mode) = &mut node.engine.session_mut(call.session).tracking else {
        return Err(ReplyError::Fixed(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    match (call.args.is(2, "YES"), call.args.is(2, "NO")) {
        (true, _) if mode.scope == Scope::ReadOptIn => mode.caching = true,
        (_, true) if mode.scope == Scope::ReadOptOut => mode.caching = true,
        (true, _) => {
            return Err(ReplyError::Fixed(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        (_, true) => {
            return Err(ReplyError::Fixed(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        (false, false) => return Err(ReplyError::Syntax),
    }
    node.engine.reply(call.session).ok();
    Ok(())
}

/// The number that tells to whom a client's messages go: 0 for itself, -1 when there are none.
pub(crate) fn redirect_number(mode: Option<&TrackingMode>) -> i64 {
    mode.map_or(-1, |mode| mode.redirect.map_or(0, |target| target.client_id() as i64))
}

pub(super) fn getredir(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let number = redirect_number(node.engine.session(call.session).tracking.as_deref());
    node.engine.reply(call.session).int(number);
    Ok(())
}

pub(super) fn trackinginfo(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let mode = node.engine.session(call.session).tracking.as_deref().cloned();
    let mut reply = node.engine.reply(call.session);
    let flags = flags(mode.as_ref());
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.int(redirect_number(mode.as_ref()));
    reply.bulk(b"prefixes");
    let prefixes = mode.map(|mode| mode.prefixes).unwrap_or_default();
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(())
}

fn flags(mode: Option<&TrackingMode>) -> Vec<&'static str> {
    let Some(mode) = mode else { return vec!["off"] };
    let mut flags = vec!["on"];
    flags.extend(match mode.scope {
        Scope::Broadcast => Some("bcast"),
        Scope::Read => None,
        Scope::ReadOptIn => Some("optin"),
        Scope::ReadOptOut => Some("optout"),
    });
    if mode.caching {
        flags.extend(match mode.scope {
            Scope::ReadOptIn => Some("caching-yes"),
            Scope::ReadOptOut => Some("caching-no"),
            Scope::Broadcast | Scope::Read => None,
        });
    }
    if mode.no_loop {
        flags.push("noloop");
    }
    if mode.is_broken {
        flags.push("broken_redirect");
    }
    flags
}
