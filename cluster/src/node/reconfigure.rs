//! Changing the configuration of a running node, and writing it down.
//!
//! A CONFIG SET is checked as a whole, then made to happen, then kept. What only the host can do (listen elsewhere,
//! look at a folder) comes in between, so the client waits; so does one whose CONFIG REWRITE is not durable yet. One
//! of these is under way at a time, the others queue: no change is ever built on values that may be taken back.
//! Start at [`Node::reconfigure`].

use std::collections::VecDeque;

use slotmesh_engine::config::Config;
use slotmesh_engine::config::invalid::Invalid;
use slotmesh_engine::config::rewrite::{Running as Followed, rewrite};
use slotmesh_engine::config::set::{Caller, Changed, SetError};
use slotmesh_engine::config::special::primary::Primary;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::time::Now;
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane, Ticket};
use slotmesh_replication::persist::aof::Starting;

use super::Node;
use super::boot::{bus_config, bus_listen, client_listen};
use super::config_rewrite::{self, ConfigRewrite};
use super::persistence::{aof_config, save_config};
use super::replicas::feed_config;
use crate::machine::{ConnId, Effect, Endpoint};

/// What clients asked for and the host has not answered yet.
#[derive(Debug, Default)]
pub(super) struct Reconfiguring {
    running: Option<Running>,
    /// Those behind it, one per client at the most: a client that waits sends nothing new.
    queue: VecDeque<(ConnId, Request)>,
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// CONFIG REWRITE.
    Rewrite,
    /// CONFIG SET.
    Set(Pairs),
}

/// Options and values of one CONFIG SET.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    pub(super) caller: Caller,
    pub(super) pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug)]
struct Running {
    conn: ConnId,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// The new folder is looked at.
    Folder(Ticket, Pairs),
    /// The host listens elsewhere.
    Listening(Listening),
    /// The configuration file is written anew.
    Rewriting(ConfigRewrite),
}

#[derive(Debug)]
struct Listening {
    set: Pairs,
    /// Endpoints whose answer is to come.
    awaited: Vec<Endpoint>,
    /// Endpoints that listen on their new addresses.
    moved: Vec<Endpoint>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Moving,
    /// One endpoint could not.
    Failed,
    /// The others go back to where they were.
    MovingBack,
}

/// How far a request got at once.
enum Progress {
    Done,
    Waits(Work),
}

impl Node {
    /// Carries out a CONFIG SET or REWRITE; the client is answered now or when the host has done its part.
    ///
    /// # Errors
    /// The reply when nothing is changed.
    pub(super) fn reconfigure(&mut self, now: Now, conn: ConnId, request: Request) -> Result<(), ReplyError> {
        if self.is_in_transaction() && (self.reconfiguring.running.is_some() || self.needs_host(&request)) {
            // A transaction's replies leave together, in order: none of them can wait for the host.
            return Err(ReplyError::Fixed("ERR this change waits for the host and cannot be part of a transaction"));
        }
        if self.reconfiguring.running.is_some() {
            self.reconfiguring.queue.push_back((conn, request));
            self.wait_for_host(conn);
            return Ok(());
        }
        match self.begin_request(now, request)? {
            Progress::Done => self.reply_ok(conn),
            Progress::Waits(work) => {
                self.reconfiguring.running = Some(Running { conn, work });
                self.wait_for_host(conn);
            }
        }
        Ok(())
    }

    fn reply_ok(&mut self, conn: ConnId) {
        if let Some(client) = self.conns.client(conn) {
            let session = client.session;
            self.engine.reply(session).ok();
        }
    }

    fn needs_host(&self, request: &Request) -> bool {
        match request {
            Request::Rewrite => self.host.config_file.is_some(),
            Request::Set(set) => {
                self.prepared(set).is_ok_and(|(_, changed)| changed.has("dir") || changes_listeners(&changed))
            }
        }
    }

    fn begin_request(&mut self, now: Now, request: Request) -> Result<Progress, ReplyError> {
        match request {
            Request::Rewrite => self.begin_rewrite(),
            Request::Set(set) => {
                let (next, changed) = self.prepared(&set)?;
                if !changed.has("dir") {
                    return Ok(self.begin_listening(now, set, next, &changed));
                }
                let op = DiskOp::List { path: next.dir };
                Ok(Progress::Waits(Work::Folder(self.ask_disk(op), set)))
            }
        }
    }

    fn ask_disk(&mut self, op: DiskOp) -> Ticket {
        let ticket = self.tickets.take();
        self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
        ticket
    }

    /// The request under way is over: its client hears of it, and the next one begins.
    fn end_request(&mut self, now: Now, result: Result<(), ReplyError>) {
        let Some(Running { conn, .. }) = self.reconfiguring.running.take() else { return };
        self.answer(conn, result);
        while let Some((conn, request)) = self.reconfiguring.queue.pop_front() {
            if self.conns.client(conn).is_none() {
                continue;
            }
            match self.begin_request(now, request) {
                Err(error) => self.answer(conn, Err(error)),
                Ok(Progress::Done) => self.answer(conn, Ok(())),
                Ok(Progress::Waits(work)) => {
                    self.reconfiguring.running = Some(Running { conn, work });
                    return;
                }
            }
        }
    }

    // --- CONFIG SET -------------------------------------------------------------------------------------------

    fn prepared(&self, set: &Pairs) -> Result<(Config, Changed), ReplyError> {
        let pairs: Vec<(&[u8], &[u8])> = set.pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let config = &self.engine.core().config;
        let (mut next, changed) = config.prepare(&pairs, set.caller).map_err(|error| error_of(&error))?;
        if changed.has("dir") {
            next.dir = resolve(&config.dir, &next.dir);
        }
        self.check_open_files(&next)?;
        Ok((next, changed))
    }

    /// Whether the process may open a file for each of so many clients.
    fn check_open_files(&self, next: &Config) -> Result<(), ReplyError> {
        let most = self.host.open_files_max.saturating_sub(RESERVED_FILES);
        let grows = next.maxclients > self.engine.core().config.maxclients;
        if self.host.open_files_max == 0 || !grows || u64::from(next.maxclients) <= most {
            return Ok(());
        }
        let text =
            format!("The operating system is not able to handle the specified number of clients, try with {most}");
        Err(error_of(&SetError::Value { option: "maxclients", cause: Invalid::System(text) }))
    }

    fn begin_listening(&mut self, now: Now, set: Pairs, next: Config, changed: &Changed) -> Progress {
        if !changes_listeners(changed) {
            self.adopt_config(now, next, changed);
            return Progress::Done;
        }
        let mut awaited = vec![Endpoint::Client];
        if self.bus.is_some() {
            awaited.push(Endpoint::Bus);
        }
        for &endpoint in &awaited {
            self.listen(endpoint, &next);
        }
        Progress::Waits(Work::Listening(Listening { set, awaited, moved: Vec::new(), stage: Stage::Moving }))
    }

    fn listen(&mut self, endpoint: Endpoint, config: &Config) {
        let listen = match endpoint {
            Endpoint::Bus => bus_listen(config),
            Endpoint::Client => client_listen(config),
        };
        self.effects.push_back(Effect::Listen(endpoint, listen));
    }

    /// Takes an answer about listeners that a CONFIG SET waits for; gives back one that it does not.
    pub(super) fn reconfiguring_on_listening(
        &mut self,
        now: Now,
        endpoint: Endpoint,
        result: Result<(), String>,
    ) -> Option<Result<(), String>> {
        let Some(Running { work: Work::Listening(listening), .. }) = &mut self.reconfiguring.running else {
            return Some(result);
        };
        let Some(place) = listening.awaited.iter().position(|&awaited| awaited == endpoint) else {
            return Some(result);
        };
        listening.awaited.remove(place);
        match &result {
            Ok(()) => listening.moved.push(endpoint),
            Err(_) if listening.stage == Stage::Moving => listening.stage = Stage::Failed,
            Err(_) => {}
        }
        if let Err(text) = result {
            self.log_warning(text);
        }
        self.go_on_listening(now);
        None
    }

    /// Ends a move of listeners that is complete; one that failed is taken back first.
    fn go_on_listening(&mut self, now: Now) {
        let Some(Running { work: Work::Listening(listening), .. }) = &mut self.reconfiguring.running else { return };
        if !listening.awaited.is_empty() {
            return;
        }
        let set = listening.set.clone();
        if listening.stage == Stage::Failed && !listening.moved.is_empty() {
            listening.stage = Stage::MovingBack;
            listening.awaited = std::mem::take(&mut listening.moved);
            let endpoints = listening.awaited.clone();
            let config = self.engine.core().config.clone();
            endpoints.into_iter().for_each(|endpoint| self.listen(endpoint, &config));
            return;
        }
        let moved = listening.stage == Stage::Moving;
        let result = self.prepared(&set).and_then(|(next, changed)| {
            if !moved {
                return Err(listen_error(&changed));
            }
            self.adopt_config(now, next, &changed);
            Ok(())
        });
        self.end_request(now, result);
    }

    /// Keeps a configuration and has every part of the node follow it.
    fn adopt_config(&mut self, now: Now, next: Config, changed: &Changed) {
        let bus_before = bus_config(&self.engine.core().config);
        self.engine.core_mut().config = next;
        let config = self.engine.core().config.clone();
        if changed.has("requirepass") && config.requirepass.is_empty() {
            self.let_everybody_in();
        }
        self.persistence.saver.configure(save_config(&config, self.process_id));
        self.replication.feeds.configure(feed_config(&config));
        if changed.has("repl-backlog-size") {
            self.replication.log.resize(config.repl_backlog_size);
        }
        self.timing.configure(&config);
        self.sizes.configure(&config);
        let link_config = self.link_config();
        if let Some(link) = &mut self.replication.link {
            link.configure(link_config);
        }
        let bus_after = bus_config(&config);
        if let Some(bus) = self.bus.as_mut().filter(|_| bus_before != bus_after) {
            bus.set_config(now, bus_after);
        }
        self.adopt_aof_config(now, &config, changed.has("appendonly"));
    }

    /// Without a password every session is that of the default user.
    fn let_everybody_in(&mut self) {
        let sessions: Vec<_> = self.engine.sessions().map(|session| session.id).collect();
        for session in sessions {
            self.engine.session_mut(session).authenticated = true;
        }
    }

    fn adopt_aof_config(&mut self, now: Now, config: &Config, switched: bool) {
        let Self { persistence, replication, tickets, process_id, .. } = self;
        let Some(aof) = &mut persistence.aof else { return };
        aof.configure(aof_config(config, *process_id));
        if switched && config.appendonly {
            aof.enable(Starting::No);
        } else if switched {
            aof.disable(now, &mut replication.log, tickets);
        }
        self.follow_readers();
        self.look_for_walk();
    }

    // --- CONFIG REWRITE ---------------------------------------------------------------------------------------

    fn begin_rewrite(&mut self) -> Result<Progress, ReplyError> {
        let Some(path) = self.host.config_file.clone() else {
            return Err(ReplyError::Fixed("ERR The server is running without a config file"));
        };
        let (rewrite, ticket, op) = ConfigRewrite::begin(path, &mut self.tickets);
        self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
        Ok(Progress::Waits(Work::Rewriting(rewrite)))
    }

    /// The new text of the configuration file whose text is `old`.
    pub(super) fn rewritten(&self, now: Now, old: &[u8]) -> Vec<u8> {
        let config = &self.engine.core().config;
        let primary = match &self.replication.link {
            Some(link) if self.is_replica() => {
                link.info(now).map(|info| Primary { host: info.target.0, port: info.target.1 })
            }
            _ => None,
        };
        // The default user as it is without a password; one with a password follows from `requirepass`.
        let default_user = [b"default on nopass ~* &* +@all".to_vec()];
        let users = if config.requirepass.is_empty() { &default_user[..] } else { &[] };
        let sentinel = self.sentinel_lines();
        rewrite(old, config, &Followed { primary, users: Some(users), sentinel: &sentinel })
    }

    /// Takes an answer of the disk. Returns whether a change of the configuration waited for it.
    pub(super) fn reconfiguring_on_disk(&mut self, now: Now, ticket: Ticket, result: &DiskResult) -> bool {
        let Self { reconfiguring, tickets, .. } = self;
        let Some(running) = &mut reconfiguring.running else { return false };
        match &mut running.work {
            Work::Folder(own, _) if *own == ticket => self.folder_seen(now, result),
            Work::Rewriting(rewrite) => {
                let progress = rewrite.on_disk(ticket, result, tickets);
                return self.go_on_rewriting(now, progress);
            }
            Work::Folder(..) | Work::Listening(_) => return false,
        }
        true
    }

    fn go_on_rewriting(&mut self, now: Now, progress: config_rewrite::Progress) -> bool {
        use config_rewrite::Progress as Rewriting;
        match progress {
            Rewriting::NotMine => return false,
            Rewriting::Next(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Config, op)),
            Rewriting::Read(old) => {
                let text = self.rewritten(now, &old);
                let Self { reconfiguring, tickets, process_id, .. } = self;
                if let Some(Running { work: Work::Rewriting(rewrite), .. }) = &mut reconfiguring.running {
                    let (ticket, op) = rewrite.write(text, *process_id, tickets);
                    self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
                }
            }
            Rewriting::Done => {
                self.log_warning("CONFIG REWRITE executed with success.");
                self.end_request(now, Ok(()));
            }
            Rewriting::Failed(why) => {
                self.log_warning(format!("CONFIG REWRITE failed: {why}"));
                self.end_request(now, Err(ReplyError::text(format!("ERR Rewriting config file: {why}"))));
            }
        }
        true
    }

    fn folder_seen(&mut self, now: Now, result: &DiskResult) {
        let Some(Running { work: Work::Folder(_, set), .. }) = &self.reconfiguring.running else { return };
        let set = set.clone();
        if let DiskResult::Failed(error) = result {
            let cause = Invalid::System(error.text.clone());
            return self.end_request(now, Err(error_of(&SetError::Value { option: "dir", cause })));
        }
        let progress = self.prepared(&set).map(|(next, changed)| self.begin_listening(now, set, next, &changed));
        match progress {
            Err(error) => self.end_request(now, Err(error)),
            Ok(Progress::Done) => self.end_request(now, Ok(())),
            Ok(Progress::Waits(work)) => {
                if let Some(running) = &mut self.reconfiguring.running {
                    running.work = work;
                }
            }
        }
    }
}

/// The reply of a CONFIG SET that changed nothing.
/// Files the server needs beside one per client (`CONFIG_MIN_RESERVED_FDS`).
const RESERVED_FILES: u64 = 32;

fn error_of(error: &SetError) -> ReplyError {
    if let SetError::Unknown { option } = error {
        return ReplyError::naming("ERR Unknown option or number of arguments for CONFIG SET - '", option, "'");
    }
    ReplyError::text(format!("ERR {error}"))
}

/// The reply when the host cannot listen as asked.
fn listen_error(changed: &Changed) -> ReplyError {
    let (option, text) = if changed.has("port") {
        ("port", "Unable to listen on this port. Check server logs.")
    } else {
        ("bind", "Failed to bind to specified addresses.")
    };
    error_of(&SetError::Value { option, cause: Invalid::System(text.to_owned()) })
}

fn changes_listeners(changed: &Changed) -> bool {
    ["port", "bind", "tcp-keepalive"].into_iter().any(|name| changed.has(name))
}

/// A folder's complete path, as a process in `current` that changes to `wanted` would see it; links are not followed.
fn resolve(current: &str, wanted: &str) -> String {
    let from = if wanted.starts_with('/') { "" } else { current };
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(wanted.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn a_folder_is_named_from_the_root() {
        for (current, wanted, expected) in [
            ("/data", "/x", "/x"),
            ("/data", "x/y/", "/data/x/y"),
            ("/data/a", "../b", "/data/b"),
            ("/data", ".", "/data"),
            ("/data", "../../..", "/"),
        ] {
            assert_eq!(resolve(current, wanted), expected);
        }
    }
}
