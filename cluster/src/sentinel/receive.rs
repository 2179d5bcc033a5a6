//! What comes from instances: connections, replies and messages.

use std::net::IpAddr;

use slotmesh_engine::resp::value::Reply;
use slotmesh_engine::time::Now;

use super::Sentinel;
use super::instance::Primary;
use super::link::{Channel, Expect, LinkId, Peer, State, Wire};
use crate::machine::LogLevel;

impl Sentinel {
    /// A connection that was dialled is open: from this address of ours to that one.
    pub fn connected(&mut self, now: Now, wire: Wire, local: Option<IpAddr>, remote: Option<IpAddr>) {
        let Some(link) = self.links.get_mut(wire.link) else { return };
        if link.connection(wire.channel).state != State::Dialing {
            return;
        }
        link.connection_mut(wire.channel).opened(now.instant, local);
        link.remote = remote;
        let peer = link.peer;
        if let Some(ip) = remote {
            self.learn_address(wire.link, ip);
        }
        self.introduce(wire, peer);
        match wire.channel {
            Channel::Command => self.ping(now, wire.link, &self.word_for(peer, "PING")),
            Channel::PubSub => {
                let subscribe = self.word_for(peer, "SUBSCRIBE");
                self.send_on(wire, &[subscribe.as_bytes(), HELLO_CHANNEL], Expect::Subscribed);
            }
        }
    }

    /// What the name of an instance stands for.
    fn learn_address(&mut self, link: LinkId, ip: IpAddr) {
        let mut is_news = false;
        for primary in self.primaries.values_mut() {
            for who in primary.everybody() {
                if let Some(instance) = primary.instance_mut(&who).filter(|instance| instance.link == link) {
                    is_news |= instance.address.resolve(ip);
                }
            }
        }
        if is_news && !self.announces_names() {
            self.save();
        }
    }

    /// The name that was dialled for a connection stands for no address.
    pub fn unknown_name(&mut self, wire: Wire) {
        let everybody = |primary: &Primary| {
            let all = primary.everybody().into_iter();
            all.filter_map(|who| primary.instance(&who).map(|found| (found.link, found.address.host().to_owned())))
                .collect::<Vec<_>>()
        };
        let mut all = self.primaries.values().flat_map(|primary| everybody(primary));
        if let Some((_, host)) = all.find(|(link, _)| *link == wire.link && wire.channel == Channel::Command) {
            self.log(LogLevel::Warning, format!("Failed to resolve hostname '{host}'"));
        }
    }

    /// Says who we are.
    fn introduce(&mut self, wire: Wire, peer: Peer) {
        let (user, pass) = match peer {
            Peer::Sentinel if self.globals.pass.is_empty() => (Vec::new(), self.requirepass.clone()),
            Peer::Sentinel => (self.globals.user.clone(), self.globals.pass.clone()),
            Peer::Server(id) => self.primaries.get(&id).map_or((Vec::new(), Vec::new()), |primary| {
                (primary.settings.auth_user.clone(), primary.settings.auth_pass.clone())
            }),
        };
        let auth = self.word_for(peer, "AUTH");
        match (user.is_empty(), pass.is_empty()) {
            (_, true) => {}
            (true, false) => self.send_on(wire, &[auth.as_bytes(), &pass], Expect::Anything),
            (false, false) => self.send_on(wire, &[auth.as_bytes(), &user, &pass], Expect::Anything),
        }
        let kind = match wire.channel {
            Channel::Command => "cmd",
            Channel::PubSub => "pubsub",
        };
        let name = format!("sentinel-{}-{kind}", &self.my_id[..8]);
        let client = self.word_for(peer, "CLIENT");
        self.send_on(wire, &[client.as_bytes(), b"SETNAME", name.as_bytes()], Expect::Anything);
    }

    /// What a command is called at an instance (`rename-command`).
    pub(super) fn word_for(&self, peer: Peer, command: &str) -> String {
        let Peer::Server(id) = peer else { return command.to_owned() };
        let renames = self.primaries.get(&id).map(|primary| &primary.settings.renames);
        let renamed = renames.and_then(|renames| renames.get(&command.to_ascii_lowercase()));
        renamed.map_or_else(|| command.to_owned(), Clone::clone)
    }

    /// A connection is gone, or could not be opened.
    pub fn closed(&mut self, now: Now, wire: Wire) {
        let Some(link) = self.links.get_mut(wire.link) else { return };
        link.connection_mut(wire.channel).closed(now.instant);
        link.is_disconnected = true;
    }

    /// Bytes arrived on a connection.
    pub fn received(&mut self, now: Now, wire: Wire, bytes: &[u8]) {
        let Some(connection) = self.links.get_mut(wire.link).map(|link| link.connection_mut(wire.channel)) else {
            return;
        };
        let incarnation = connection.incarnation;
        connection.decoder.received().extend_from_slice(bytes);
        loop {
            // What a reply leads to may have ended the connection.
            let Some(link) = self.links.get_mut(wire.link) else { return };
            let connection = link.connection_mut(wire.channel);
            if connection.incarnation != incarnation || connection.state != State::Open {
                return;
            }
            match connection.decoder.next() {
                Ok(None) => return,
                Ok(Some(reply)) => match wire.channel {
                    Channel::Command => {
                        let Some(expect) = connection.awaited.pop_front() else {
                            return self.drop_wire(now, wire);
                        };
                        self.take_reply(now, wire.link, expect, reply);
                    }
                    Channel::PubSub => {
                        let expect = connection.awaited.pop_front();
                        link.last_message = now.instant;
                        match (expect, reply) {
                            // No message will come: it is tried again, as somebody may allow it meanwhile.
                            (Some(Expect::Subscribed), Reply::Error(_)) => return self.drop_wire(now, wire),
                            (Some(_), _) => {}
                            (None, reply) => self.take_message(now, reply),
                        }
                    }
                },
                // What came is no reply: the rest of the connection cannot be, either.
                Err(_) => return self.drop_wire(now, wire),
            }
        }
    }

    fn take_reply(&mut self, now: Now, link: LinkId, expect: Expect, reply: Reply) {
        match expect {
            Expect::Anything | Expect::Subscribed => {}
            Expect::Down(target) => self.take_opinion(now, &target, reply),
            Expect::HandOver(target) => {
                self.with_primary(target.primary, |sentinel, primary| sentinel.take_hand_over(now, primary, &reply));
            }
            Expect::Info(target) => {
                if let Reply::Bulk(text) = reply {
                    self.with_primary(target.primary, |sentinel, primary| {
                        sentinel.take_info(now, primary, &target.who, text);
                    });
                }
            }
            Expect::Ping => self.take_pong(now, link, &reply),
            Expect::Published(target) => {
                let found = self.primaries.get_mut(&target.primary).and_then(|found| found.instance_mut(&target.who));
                if let (Some(instance), Reply::Int(_)) = (found, reply) {
                    instance.last_hello_sent = Some(now.instant);
                }
            }
        }
    }

    fn take_pong(&mut self, now: Now, link_id: LinkId, reply: &Reply) {
        let word = match reply {
            Reply::Simple(text) => text.as_str(),
            Reply::Error(error) => error.line(),
            Reply::Array(_)
            | Reply::BigNumber(_)
            | Reply::Bool(_)
            | Reply::Bulk(_)
            | Reply::Double(_)
            | Reply::Int(_)
            | Reply::Map(_)
            | Reply::Null
            | Reply::Push(_)
            | Reply::Set(_)
            | Reply::Verbatim { .. } => "",
        };
        let is_valid = ["PONG", "LOADING", "MASTERDOWN"].iter().any(|valid| word.starts_with(valid));
        let Some(link) = self.links.get_mut(link_id) else { return };
        link.last_reply = now.instant;
        if is_valid {
            link.last_valid = now.instant;
            link.unanswered_since = None;
        }
        let Peer::Server(id) = link.peer else { return };
        let is_pong = word.starts_with("PONG");
        let is_busy = word.starts_with("BUSY");
        if !is_pong && !is_busy {
            return;
        }
        self.with_primary(id, |sentinel, primary| {
            if is_pong && primary.instance.link == link_id {
                primary.rebooted = None;
            }
            if is_busy {
                sentinel.kill_script(primary, link_id);
            }
        });
    }

    /// An instance that is down because a script does not end is freed of it, once.
    fn kill_script(&mut self, primary: &mut Primary, link: LinkId) {
        for who in primary.everybody() {
            let Some(instance) = primary.instance_mut(&who).filter(|instance| instance.link == link) else { continue };
            if instance.down.is_some() && !std::mem::replace(&mut instance.script_kill_sent, true) {
                let script = primary.word("SCRIPT");
                self.send(link, &[script.as_bytes(), b"KILL"], Expect::Anything);
            }
        }
    }

    fn take_message(&mut self, now: Now, reply: Reply) {
        let Some(words) = reply.into_elements() else { return };
        let [kind, channel, Reply::Bulk(payload)] = &words[..] else { return };
        if kind.as_bytes() == Some(b"message") && channel.as_bytes() == Some(HELLO_CHANNEL) {
            self.hear(now, payload);
        }
    }

    /// Where a hello of ours comes from: the local address of a link.
    pub(super) fn local_address(&self, link: LinkId) -> Option<IpAddr> {
        self.links.get(link).and_then(|link| link.command.local)
    }
}

/// The channel on which sentinels hear of one another.
pub(super) const HELLO_CHANNEL: &[u8] = b"__sentinel__:hello";
