//! What follows from an instance's INFO.

use slotmesh_engine::time::Now;

use super::Sentinel;
use super::address::Address;
use super::failover::{FailoverState, Kind};
use super::info::{self, Fields, REPLICAS_MAX};
use super::instance::{Primary, Reconfiguration, Replica, Role, Who};
use super::link::Peer;
use super::script::ReconfigRole;
use crate::machine::LogLevel;

impl Sentinel {
    /// Takes an INFO text of a primary or replica.
    pub(super) fn take_info(&mut self, now: Now, primary: &mut Primary, who: &Who, text: Vec<u8>) {
        let fields = info::parse(&text);
        let Some(instance) = primary.instance_mut(who) else { return };
        let is_other_run = match (&fields.run_id, &instance.run_id) {
            (Some(new), Some(old)) => new != old,
            _ => false,
        };
        if fields.run_id.is_some() {
            instance.run_id.clone_from(&fields.run_id);
        }
        instance.report.text = Some(text);
        instance.report.at = Some(now.instant);
        instance.report.knows_failover = fields.knows_failover;
        if is_other_run {
            if *who == Who::Primary && primary.settings.reboot_down_after_ms > 0 {
                primary.rebooted = Some(now.instant);
            }
            self.tell(now, LogLevel::Notice, "+reboot", (primary, who), "");
        }
        match who {
            Who::Primary => self.learn_replicas(now, primary, &fields),
            Who::Replica(name) => {
                if let Some(replica) = primary.replicas.get_mut(name) {
                    replica.take_fields(now, &fields);
                }
            }
            Who::Sentinel(_) => return,
        }
        let Some(role) = fields.role else { return };
        self.note_role(now, primary, who, role);
        if self.tilt.is_some() {
            return;
        }
        let Who::Replica(name) = who else { return };
        match role {
            Role::Primary => self.on_replica_is_primary(now, primary, name),
            Role::Replica => self.on_replica_is_replica(now, primary, name),
        }
        if primary.failover.is_in_progress() {
            self.hurry(now);
        }
    }

    /// Takes up replicas that the primary names.
    fn learn_replicas(&mut self, now: Now, primary: &mut Primary, fields: &Fields) {
        for (host, port) in &fields.replicas {
            let Ok(address) = Address::parse(host, *port, self.globals.resolve_hostnames) else { continue };
            self.add_replica(now, primary, address);
        }
    }

    /// Takes up a replica, unless it is known.
    pub(super) fn add_replica(&mut self, now: Now, primary: &mut Primary, address: Address) {
        let is_known = primary.replicas.values().any(|known| known.instance.address.is(&address));
        if is_known || primary.replicas.len() >= REPLICAS_MAX || address.port == 0 {
            return;
        }
        let name = address.joined(self.announces_names());
        let link = self.links.open(now, Peer::Server(primary.id));
        primary.replicas.insert(name.clone(), Replica::new(now.instant, address, link));
        self.tell(now, LogLevel::Notice, "+slave", (primary, &Who::Replica(name)), "");
        self.save();
    }

    fn note_role(&mut self, now: Now, primary: &mut Primary, who: &Who, role: Role) {
        let expected = match who {
            Who::Primary => Role::Primary,
            Who::Replica(_) | Who::Sentinel(_) => Role::Replica,
        };
        let Some(instance) = primary.instance_mut(who) else { return };
        if instance.report.role == role {
            return;
        }
        instance.report.role = role;
        instance.report.role_since = now.instant;
        if let Who::Replica(name) = who
            && let Some(replica) = primary.replicas.get_mut(name)
            && role == Role::Replica
        {
            replica.follows_since = now.instant;
        }
        let event = if role == expected { "+role-change" } else { "-role-change" };
        let extra = format!(" new reported role is {}", role.word());
        self.tell(now, LogLevel::Verbose, event, (primary, who), &extra);
    }

    /// A replica says that it is a primary: the promotion worked, or it must be told whom to follow.
    fn on_replica_is_primary(&mut self, now: Now, primary: &mut Primary, name: &str) {
        let is_promoted = primary.failover.promoted.as_deref() == Some(name);
        if is_promoted && primary.failover.state == FailoverState::WaitPromotion {
            return self.on_promoted(now, primary, name);
        }
        let patience = HELLOS_OF_PATIENCE * self.periods.publish;
        let Some(replica) = primary.replicas.get(name) else { return };
        let report = &replica.instance.report;
        let is_steady =
            replica.instance.is_up_for(now.instant, patience) && now.instant.millis_since(report.role_since) > patience;
        if !is_promoted && is_steady && self.looks_sane(now, primary) {
            let address = primary.instance.address.clone();
            if self.send_slaveof(now, primary, name, Some(&address)) {
                self.tell(now, LogLevel::Notice, "+convert-to-slave", (primary, &replica_of(name)), "");
            }
        }
    }

    fn on_promoted(&mut self, now: Now, primary: &mut Primary, name: &str) {
        primary.config_epoch = primary.failover.epoch;
        primary.failover.enter(FailoverState::ReconfReplicas, now);
        self.save();
        self.tell(now, LogLevel::Warning, "+promoted-slave", (primary, &replica_of(name)), "");
        if self.simulated.after_promotion {
            return self.crash();
        }
        self.warn(now, "+failover-state-reconf-slaves", primary);
        if primary.failover.kind == Kind::Coordinated {
            self.complete_hand_over(primary, name);
        }
        let to = primary.current_address().clone();
        let from = primary.instance.address.clone();
        self.run_reconfig_script(now, primary, ReconfigRole::Leader, &from, &to);
        primary.hello_at_once();
    }

    fn on_replica_is_replica(&mut self, now: Now, primary: &mut Primary, name: &str) {
        let Some(replica) = primary.replicas.get(name) else { return };
        let follows = replica.follows.as_ref();
        let address = &primary.instance.address;
        let is_at = |address: &Address| {
            follows.is_some_and(|(host, port)| {
                Address::parse(host, *port, true).is_ok_and(|followed| followed.is(address))
            })
        };
        let patience = primary.settings.failover_timeout_ms;
        let strays = follows.is_some() && !is_at(address);
        if strays
            && self.looks_sane(now, primary)
            && replica.instance.is_up_for(now.instant, patience)
            && now.instant.millis_since(replica.follows_since) > patience
        {
            let address = address.clone();
            if self.send_slaveof(now, primary, name, Some(&address)) {
                self.tell(now, LogLevel::Notice, "+fix-slave-config", (primary, &replica_of(name)), "");
            }
        }
        self.note_reconfiguration(now, primary, name);
    }

    /// How far a replica is on its way to the promoted one.
    fn note_reconfiguration(&mut self, now: Now, primary: &mut Primary, name: &str) {
        let promoted = primary.failover.promoted.as_ref().and_then(|name| primary.replicas.get(name));
        let Some(target) = promoted.map(|replica| replica.instance.address.clone()) else { return };
        let Some(replica) = primary.replicas.get_mut(name) else { return };
        let follows = replica.follows.as_ref().and_then(|(host, port)| Address::parse(host, *port, true).ok());
        if matches!(replica.reconfiguration, Reconfiguration::Sent(_))
            && follows.is_some_and(|followed| followed.is(&target))
        {
            replica.reconfiguration = Reconfiguration::InProgress;
            self.tell(now, LogLevel::Notice, "+slave-reconf-inprog", (primary, &replica_of(name)), "");
        }
        let Some(replica) = primary.replicas.get_mut(name) else { return };
        if replica.reconfiguration == Reconfiguration::InProgress && replica.is_link_up {
            replica.reconfiguration = Reconfiguration::Done;
            self.tell(now, LogLevel::Notice, "+slave-reconf-done", (primary, &replica_of(name)), "");
        }
    }

    /// Whether the primary is one that replicas should follow.
    fn looks_sane(&self, now: Now, primary: &Primary) -> bool {
        let report = &primary.instance.report;
        let is_fresh = report.at.is_some_and(|at| now.instant.millis_since(at) < 2 * self.periods.info);
        report.role == Role::Primary && !primary.is_down() && is_fresh
    }
}

impl Replica {
    fn take_fields(&mut self, now: Now, fields: &Fields) {
        self.link_down_ms = fields.link_down_secs.saturating_mul(1000);
        if let (Some(host), Some(port)) = (&fields.primary_host, fields.primary_port) {
            let follows = Some((host.clone(), port));
            if self.follows != follows {
                self.follows = follows;
                self.follows_since = now.instant;
            }
        }
        if let Some(is_up) = fields.is_link_up {
            self.is_link_up = is_up;
        }
        self.priority = fields.priority.unwrap_or(self.priority);
        self.offset = fields.offset.unwrap_or(self.offset);
        self.is_announced = fields.is_announced.unwrap_or(self.is_announced);
    }
}

fn replica_of(name: &str) -> Who {
    Who::Replica(name.to_owned())
}

/// Hellos of other sentinels that may be on their way before a replica's role is corrected.
const HELLOS_OF_PATIENCE: u64 = 4;
