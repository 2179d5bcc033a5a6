//! What a sentinel knows: primaries, their replicas, and the other sentinels that watch them.

use std::collections::BTreeMap;

use slotmesh_engine::time::Instant;

use super::address::Address;
use super::config::Settings;
use super::failover::Failover;
use super::link::LinkId;

/// The name of a primary inside this sentinel; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PrimaryId(pub(super) u64);

/// An instance among those that belong to one primary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Primary,
    /// By the name it was given at first, `ip:port`; a host name in it may be shown as what it stands for.
    Replica(String),
    /// By its id.
    Sentinel(String),
}

/// An instance among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) primary: PrimaryId,
    pub(super) who: Who,
}

/// What a server says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Replica,
}

impl Role {
    /// The word on the wire.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Primary => "master",
            Self::Replica => "slave",
        }
    }
}

/// What all kinds of instance have.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) address: Address,
    pub(super) run_id: Option<String>,
    pub(super) link: LinkId,
    /// Since when it is down in our own opinion.
    pub(super) down: Option<Instant>,
    /// When it went down last, whether it is still or not.
    pub(super) went_down: Option<Instant>,
    /// SCRIPT KILL was sent to it since it went down.
    pub(super) script_kill_sent: bool,
    /// When a hello was sent to it last.
    pub(super) last_hello_sent: Option<Instant>,
    pub(super) report: Report,
}

/// What a server told of itself with INFO.
#[derive(Debug)]
pub(super) struct Report {
    /// The text and when it came.
    pub(super) text: Option<Vec<u8>>,
    pub(super) at: Option<Instant>,
    pub(super) role: Role,
    pub(super) role_since: Instant,
    /// It tells how far a FAILOVER is, so it has that command.
    pub(super) knows_failover: bool,
}

impl Instance {
    pub(super) fn new(now: Instant, address: Address, link: LinkId, role: Role) -> Self {
        Self {
            address,
            run_id: None,
            link,
            down: None,
            went_down: None,
            script_kill_sent: false,
            last_hello_sent: Some(now),
            report: Report { text: None, at: None, role, role_since: now, knows_failover: false },
        }
    }

    /// Whether it has been up for longer than this.
    pub(super) fn is_up_for(&self, now: Instant, millis: u64) -> bool {
        self.went_down.is_none_or(|since| now.millis_since(since) > millis)
    }
}

/// A primary and everything around it.
#[derive(Debug)]
pub(super) struct Primary {
    pub(super) id: PrimaryId,
    pub(super) name: String,
    pub(super) instance: Instance,
    pub(super) settings: Settings,
    pub(super) config_epoch: u64,
    /// The last vote for a leader of a failover.
    pub(super) leader: Option<String>,
    pub(super) leader_epoch: u64,
    /// Since when enough sentinels say that it is down.
    pub(super) o_down: Option<Instant>,
    /// It was restarted, and has not answered since then.
    pub(super) rebooted: Option<Instant>,
    pub(super) replicas: BTreeMap<String, Replica>,
    pub(super) sentinels: BTreeMap<String, Sister>,
    pub(super) failover: Failover,
}

/// A replica.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) instance: Instance,
    pub(super) priority: u64,
    pub(super) offset: u64,
    /// How long its link to its primary has been down, in milliseconds.
    pub(super) link_down_ms: u64,
    pub(super) is_link_up: bool,
    /// Whom it says it follows.
    pub(super) follows: Option<(String, i64)>,
    /// When it began to follow somebody else.
    pub(super) follows_since: Instant,
    /// Whether it may be told to clients.
    pub(super) is_announced: bool,
    pub(super) reconfiguration: Reconfiguration,
}

/// How far a replica is on its way to a new primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reconfiguration {
    None,
    /// It was told then.
    Sent(Instant),
    /// It follows the new primary, but its link is not up.
    InProgress,
    Done,
}

/// Another sentinel that watches the same primary.
#[derive(Debug)]
pub(super) struct Sister {
    pub(super) instance: Instance,
    pub(super) last_hello: Instant,
    /// Whether it says that the primary is down.
    pub(super) says_down: bool,
    /// When it was heard of the primary's state last.
    pub(super) last_answer: Option<Instant>,
    /// Whom it votes for.
    pub(super) leader: Option<String>,
    pub(super) leader_epoch: u64,
}

impl Replica {
    pub(super) fn new(now: Instant, address: Address, link: LinkId) -> Self {
        Self {
            instance: Instance::new(now, address, link, Role::Replica),
            priority: DEFAULT_PRIORITY,
            offset: 0,
            link_down_ms: 0,
            is_link_up: false,
            follows: None,
            follows_since: now,
            is_announced: true,
            reconfiguration: Reconfiguration::None,
        }
    }
}

impl Sister {
    pub(super) fn new(now: Instant, id: &str, address: Address, link: LinkId) -> Self {
        let mut instance = Instance::new(now, address, link, Role::Primary);
        instance.run_id = Some(id.to_owned());
        Self { instance, last_hello: now, says_down: false, last_answer: None, leader: None, leader_epoch: 0 }
    }
}

impl Primary {
    pub(super) fn instance(&self, who: &Who) -> Option<&Instance> {
        match who {
            Who::Primary => Some(&self.instance),
            Who::Replica(name) => self.replicas.get(name).map(|replica| &replica.instance),
            Who::Sentinel(id) => self.sentinels.get(id).map(|sister| &sister.instance),
        }
    }

    pub(super) fn instance_mut(&mut self, who: &Who) -> Option<&mut Instance> {
        match who {
            Who::Primary => Some(&mut self.instance),
            Who::Replica(name) => self.replicas.get_mut(name).map(|replica| &mut replica.instance),
            Who::Sentinel(id) => self.sentinels.get_mut(id).map(|sister| &mut sister.instance),
        }
    }

    pub(super) fn target(&self, who: Who) -> Target {
        Target { primary: self.id, who }
    }

    /// Every instance, the primary first.
    pub(super) fn everybody(&self) -> Vec<Who> {
        let replicas = self.replicas.keys().cloned().map(Who::Replica);
        let sentinels = self.sentinels.keys().cloned().map(Who::Sentinel);
        std::iter::once(Who::Primary).chain(replicas).chain(sentinels).collect()
    }

    pub(super) fn is_down(&self) -> bool {
        self.instance.down.is_some() || self.o_down.is_some()
    }

    /// Where clients shall go: to the promoted replica as soon as that is a primary.
    pub(super) fn current_address(&self) -> &Address {
        match &self.failover.promoted {
            Some(name) if self.failover.state.is_past_promotion() => {
                self.replicas.get(name).map_or(&self.instance.address, |replica| &replica.instance.address)
            }
            _ => &self.instance.address,
        }
    }

    /// An instance as events name it: `<type> <name> <ip> <port>`, and whose it is.
    pub(super) fn subject(&self, who: &Who, names: bool) -> String {
        let own = self.instance.address.shown(names);
        let own = format!("{} {own} {}", self.name, self.instance.address.port);
        let address = self.instance(who).map(|instance| &instance.address);
        let (host, port) = address.map_or((String::new(), 0), |address| (address.shown(names), address.port));
        let (kind, name) = match who {
            Who::Primary => return format!("master {own}"),
            Who::Replica(key) => ("slave", address.map_or_else(|| key.clone(), |address| address.joined(names))),
            Who::Sentinel(id) => ("sentinel", id.clone()),
        };
        format!("{kind} {name} {host} {port} @ {own}")
    }
}

/// A replica's priority before it told its own.
const DEFAULT_PRIORITY: u64 = 100;
