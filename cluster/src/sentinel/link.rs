//! Connections to instances: a command channel to each, and one for messages to primaries and replicas.
//!
//! Sentinels that watch several primaries together share the connection to one another. Lives here: what is known of a
//! connection, and what replies are awaited on it. When to dial and what to send is decided elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use slotmesh_engine::resp::decode::Decoder;
use slotmesh_engine::time::{Instant, Now};

use super::instance::{PrimaryId, Target};

/// The name of a link; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

/// The name of one of a link's connections, given out by the sentinel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wire {
    /// The link.
    pub link: LinkId,
    /// Which of its connections.
    pub channel: Channel,
}

/// The two connections of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Requests and their replies.
    Command,
    /// Messages of a subscription.
    PubSub,
}

/// Whose link it is: who the sentinel has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// Another sentinel.
    Sentinel,
    /// A primary or replica of this group.
    Server(PrimaryId),
}

/// What a reply is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// Whatever it is, nothing follows from it.
    Anything,
    /// SENTINEL IS-MASTER-DOWN-BY-ADDR.
    Down(Target),
    /// EXEC of what asks a primary to hand over.
    HandOver(Target),
    /// INFO.
    Info(Target),
    /// PING.
    Ping,
    /// PUBLISH.
    Published(Target),
    /// SUBSCRIBE: what comes behind it are messages.
    Subscribed,
}

/// A link to an instance.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: Peer,
    /// Instances that use it.
    pub(super) users: u32,
    pub(super) command: Connection,
    /// Unused to sentinels.
    pub(super) pubsub: Connection,
    /// Whether a connection is missing and none is being opened.
    pub(super) is_disconnected: bool,
    /// When the oldest PING without a valid reply was sent.
    pub(super) unanswered_since: Option<Instant>,
    pub(super) last_ping: Option<Instant>,
    /// The last valid reply to PING.
    pub(super) last_valid: Instant,
    /// The last reply to PING of any kind.
    pub(super) last_reply: Instant,
    pub(super) last_dial: Option<Instant>,
    /// The last message on the message channel.
    pub(super) last_message: Instant,
    /// The literal address at the other end.
    pub(super) remote: Option<IpAddr>,
}

/// One connection of a link.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) state: State,
    /// Since when it is in that state.
    pub(super) since: Instant,
    /// Counts connections, so that bytes of an earlier one are not taken for those of its successor.
    pub(super) incarnation: u64,
    pub(super) decoder: Decoder,
    /// Replies that are to come, in order.
    pub(super) awaited: VecDeque<Expect>,
    /// Our own address on it.
    pub(super) local: Option<IpAddr>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    Dialing,
    Open,
}

/// All links.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<LinkId, Link>,
    next: u64,
}

impl Links {
    /// A new link with one user, not connected.
    pub(super) fn open(&mut self, now: Now, peer: Peer) -> LinkId {
        let id = LinkId(self.next);
        self.next += 1;
        self.links.insert(id, Link::new(now.instant, peer));
        id
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    /// One more instance uses the link.
    pub(super) fn share(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.users += 1;
        }
    }

    /// One instance less uses the link; gives back the connections to drop when it was the last.
    pub(super) fn leave(&mut self, id: LinkId) -> Vec<Wire> {
        let Some(link) = self.links.get_mut(&id) else { return Vec::new() };
        link.users -= 1;
        if link.users > 0 {
            return Vec::new();
        }
        let open = link.open_channels();
        self.links.remove(&id);
        open.into_iter().map(|channel| Wire { link: id, channel }).collect()
    }
}

impl Link {
    fn new(now: Instant, peer: Peer) -> Self {
        Self {
            peer,
            users: 1,
            command: Connection::new(now, COMMAND_REPLY_BYTES_MAX),
            pubsub: Connection::new(now, MESSAGE_BYTES_MAX),
            is_disconnected: true,
            // An instance that cannot even be dialled must be noticed, too.
            unanswered_since: Some(now),
            last_ping: None,
            last_valid: now,
            last_reply: now,
            last_dial: None,
            last_message: now,
            remote: None,
        }
    }

    pub(super) fn connection(&self, channel: Channel) -> &Connection {
        match channel {
            Channel::Command => &self.command,
            Channel::PubSub => &self.pubsub,
        }
    }

    pub(super) fn connection_mut(&mut self, channel: Channel) -> &mut Connection {
        match channel {
            Channel::Command => &mut self.command,
            Channel::PubSub => &mut self.pubsub,
        }
    }

    /// The connections it should have.
    pub(super) fn channels(&self) -> &'static [Channel] {
        match self.peer {
            Peer::Sentinel => &[Channel::Command],
            Peer::Server(_) => &[Channel::Command, Channel::PubSub],
        }
    }

    pub(super) fn open_channels(&self) -> Vec<Channel> {
        let is_open = |channel: &Channel| self.connection(*channel).state != State::Closed;
        self.channels().iter().copied().filter(is_open).collect()
    }

    /// Whether requests can be sent.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_disconnected && self.command.state == State::Open
    }

    /// Whether a reply to INFO is on its way.
    pub(super) fn awaits_info(&self) -> bool {
        self.command.awaited.iter().any(|expect| matches!(expect, Expect::Info(_)))
    }

    /// Notes that a PING was sent, or would have been if the connection were open.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.last_ping = Some(now);
        self.unanswered_since.get_or_insert(now);
    }

    /// How long a valid reply has been missing, in milliseconds.
    pub(super) fn silent_ms(&self, now: Instant) -> u64 {
        match self.unanswered_since {
            Some(since) => now.millis_since(since),
            None if self.is_disconnected => now.millis_since(self.last_valid),
            None => 0,
        }
    }
}

impl Connection {
    fn new(now: Instant, reply_bytes_max: usize) -> Self {
        Self {
            state: State::Closed,
            since: now,
            incarnation: 0,
            decoder: Decoder::bounded(reply_bytes_max),
            awaited: VecDeque::new(),
            local: None,
        }
    }

    /// A new connection begins.
    pub(super) fn dial(&mut self, now: Instant) {
        self.enter(State::Dialing, now);
    }

    pub(super) fn opened(&mut self, now: Instant, local: Option<IpAddr>) {
        self.state = State::Open;
        self.since = now;
        self.local = local;
    }

    pub(super) fn closed(&mut self, now: Instant) {
        self.enter(State::Closed, now);
    }

    fn enter(&mut self, state: State, now: Instant) {
        self.state = state;
        self.since = now;
        self.incarnation += 1;
        self.decoder.reset();
        self.awaited.clear();
        self.local = None;
    }
}

/// Bytes of one reply: INFO of a server with a thousand replicas has a tenth of it.
const COMMAND_REPLY_BYTES_MAX: usize = 4 << 20;

/// Bytes of one message: a hello has some two hundred.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
