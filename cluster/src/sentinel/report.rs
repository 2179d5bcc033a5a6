//! What a sentinel tells its clients of the instances it watches.

use slotmesh_engine::time::{Instant, Now};

use super::Sentinel;
use super::failover::Kind;
use super::instance::{Instance, Primary, Reconfiguration, Replica, Sister, Who};
use super::operations::Refusal;
use super::script::PendingScript;

/// An instance as pairs of names and values, in the reference's order.
pub type Fields = Vec<(&'static str, String)>;

/// The last INFO of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedInfo {
    /// How old it is, in milliseconds.
    pub age_ms: u64,
    /// The text, when there is one.
    pub text: Option<Vec<u8>>,
}

/// What INFO tells of a primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// `ok`, `sdown` or `odown`.
    pub status: &'static str,
    /// Host and port as one word.
    pub address: String,
    /// Replicas.
    pub replicas: usize,
    /// Sentinels that watch it, this one included.
    pub sentinels: usize,
}

/// Whether enough sentinels can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumCheck {
    /// Sentinels that are not down, this one included.
    pub usable: usize,
    /// Whether they are enough to find the primary down.
    pub has_quorum: bool,
    /// Whether they are enough to elect a leader.
    pub has_majority: bool,
}

impl Sentinel {
    /// All primaries (SENTINEL MASTERS).
    pub fn primary_fields(&self, now: Now) -> Vec<Fields> {
        self.primaries.values().map(|primary| self.fields(now.instant, primary, &Who::Primary)).collect()
    }

    /// One primary (SENTINEL MASTER).
    ///
    /// # Errors
    /// When no primary has this name.
    pub fn fields_of(&self, now: Now, name: &[u8]) -> Result<Fields, Refusal> {
        Ok(self.fields(now.instant, self.get(name)?, &Who::Primary))
    }

    /// A primary's replicas (SENTINEL REPLICAS), but those that do not want to be told.
    ///
    /// # Errors
    /// When no primary has this name.
    pub fn replica_fields(&self, now: Now, name: &[u8]) -> Result<Vec<Fields>, Refusal> {
        let primary = self.get(name)?;
        let told = primary.replicas.iter().filter(|(_, replica)| replica.is_announced);
        Ok(told.map(|(name, _)| self.fields(now.instant, primary, &Who::Replica(name.clone()))).collect())
    }

    /// The other sentinels that watch a primary (SENTINEL SENTINELS).
    ///
    /// # Errors
    /// When no primary has this name.
    pub fn sentinel_fields(&self, now: Now, name: &[u8]) -> Result<Vec<Fields>, Refusal> {
        let primary = self.get(name)?;
        let ids = primary.sentinels.keys();
        Ok(ids.map(|id| self.fields(now.instant, primary, &Who::Sentinel(id.clone()))).collect())
    }

    /// Where a primary is now: host and port.
    ///
    /// # Errors
    /// When no primary has this name.
    pub fn address_of(&self, name: &[u8]) -> Result<(String, u16), Refusal> {
        let address = self.get(name)?.current_address();
        Ok((address.shown(self.announces_names()), address.port))
    }

    /// Whether enough sentinels can be reached for a failover (SENTINEL CKQUORUM).
    ///
    /// # Errors
    /// When no primary has this name.
    pub fn check_quorum(&self, name: &[u8]) -> Result<QuorumCheck, Refusal> {
        let primary = self.get(name)?;
        let usable = 1 + primary.sentinels.values().filter(|sister| sister.instance.down.is_none()).count();
        let voters = primary.sentinels.len() + 1;
        Ok(QuorumCheck {
            usable,
            has_quorum: usable >= primary.settings.quorum as usize,
            has_majority: usable > voters / 2,
        })
    }

    /// The last INFO of a primary and of its replicas (SENTINEL INFO-CACHE).
    pub fn info_cache(&self, now: Now, name: &[u8]) -> Option<Vec<CachedInfo>> {
        let primary = self.get(name).ok()?;
        let replicas = primary.replicas.values().map(|replica| &replica.instance);
        let all = std::iter::once(&primary.instance).chain(replicas);
        let age = |instance: &Instance| instance.report.at.map_or(0, |at| now.instant.millis_since(at));
        Some(all.map(|instance| CachedInfo { age_ms: age(instance), text: instance.report.text.clone() }).collect())
    }

    /// The names of all primaries.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.primaries.values().map(|primary| primary.name.as_str())
    }

    /// What INFO tells of each primary.
    pub fn summaries(&self) -> Vec<Summary> {
        let summary = |primary: &Primary| Summary {
            name: primary.name.clone(),
            status: match (primary.o_down, primary.instance.down) {
                (Some(_), _) => "odown",
                (None, Some(_)) => "sdown",
                (None, None) => "ok",
            },
            address: format!(
                "{}:{}",
                primary.instance.address.shown(self.announces_names()),
                primary.instance.address.port
            ),
            replicas: primary.replicas.len(),
            sentinels: primary.sentinels.len() + 1,
        };
        self.primaries.values().map(|primary| summary(primary)).collect()
    }

    /// Scripts that wait or run.
    pub fn pending_scripts(&self, now: Now) -> Vec<PendingScript> {
        self.scripts.pending(now.instant)
    }

    /// Scripts in the queue, and how many of them run.
    pub fn script_counts(&self) -> (usize, usize) {
        (self.scripts.len(), self.scripts.running())
    }

    /// How long nothing has been decided because the clock jumped, in seconds; and how often that has happened.
    pub fn tilt(&self, now: Now) -> (Option<u64>, u64) {
        (self.tilt.map(|since| now.instant.millis_since(since) / 1000), self.tilts)
    }

    /// The failures that were asked for, as the bits INFO shows.
    pub fn simulated_bits(&self) -> u8 {
        u8::from(self.simulated.after_election) | u8::from(self.simulated.after_promotion) << 1
    }

    /// The newest epoch it has heard of.
    pub fn current_epoch(&self) -> u64 {
        self.globals.current_epoch
    }

    fn get(&self, name: &[u8]) -> Result<&Primary, Refusal> {
        let id = self.named(name)?;
        self.primaries.get(&id).map(|primary| &**primary).ok_or(Refusal::UnknownPrimary)
    }

    fn fields(&self, now: Instant, primary: &Primary, who: &Who) -> Fields {
        let mut fields = Fields::new();
        let Some(instance) = primary.instance(who) else { return fields };
        self.put_common(&mut fields, now, (primary, who), instance);
        match who {
            Who::Primary => {
                put_report(&mut fields, now, instance);
                put_primary(&mut fields, primary);
            }
            Who::Replica(name) => {
                put_report(&mut fields, now, instance);
                if let Some(replica) = primary.replicas.get(name) {
                    put_replica(&mut fields, replica);
                }
            }
            Who::Sentinel(id) => {
                if let Some(sister) = primary.sentinels.get(id) {
                    put_sister(&mut fields, now, sister);
                }
            }
        }
        fields
    }

    fn put_common(&self, fields: &mut Fields, now: Instant, of: (&Primary, &Who), instance: &Instance) {
        let (primary, who) = of;
        let age = |at: Option<Instant>| at.map_or(0, |at| now.millis_since(at)).to_string();
        let name = match who {
            Who::Primary => primary.name.clone(),
            Who::Replica(_) => instance.address.joined(self.announces_names()),
            Who::Sentinel(id) => id.clone(),
        };
        fields.push(("name", name));
        fields.push(("ip", instance.address.shown(self.announces_names())));
        fields.push(("port", instance.address.port.to_string()));
        fields.push(("runid", instance.run_id.clone().unwrap_or_default()));
        fields.push(("flags", self.flags(primary, who, instance)));
        let link = self.links.get(instance.link);
        fields.push(("link-pending-commands", link.map_or(0, |link| link.command.awaited.len()).to_string()));
        fields.push(("link-refcount", link.map_or(0, |link| link.users).to_string()));
        if *who == Who::Primary && primary.failover.is_in_progress() {
            fields.push(("failover-state", primary.failover.state.word().to_owned()));
        }
        fields.push(("last-ping-sent", age(link.and_then(|link| link.unanswered_since))));
        fields.push(("last-ok-ping-reply", age(link.map(|link| link.last_valid))));
        fields.push(("last-ping-reply", age(link.map(|link| link.last_reply))));
        if instance.down.is_some() {
            fields.push(("s-down-time", age(instance.down)));
        }
        if *who == Who::Primary && primary.o_down.is_some() {
            fields.push(("o-down-time", age(primary.o_down)));
        }
        fields.push(("down-after-milliseconds", primary.settings.down_after_ms.to_string()));
    }

    fn flags(&self, primary: &Primary, who: &Who, instance: &Instance) -> String {
        let is_primary = *who == Who::Primary;
        let replica = if let Who::Replica(name) = who { primary.replicas.get(name) } else { None };
        let sister = if let Who::Sentinel(id) = who { primary.sentinels.get(id) } else { None };
        let moves = replica.map_or(Reconfiguration::None, |replica| replica.reconfiguration);
        let is_promoted = matches!((who, &primary.failover.promoted), (Who::Replica(name), Some(own)) if name == own);
        let flags = [
            ("s_down", instance.down.is_some()),
            ("o_down", is_primary && primary.o_down.is_some()),
            ("master", is_primary),
            ("slave", replica.is_some()),
            ("sentinel", sister.is_some()),
            ("disconnected", self.links.get(instance.link).is_none_or(|link| link.is_disconnected)),
            ("master_down", sister.is_some_and(|sister| sister.says_down)),
            ("failover_in_progress", is_primary && primary.failover.is_in_progress()),
            ("promoted", is_promoted),
            ("reconf_sent", matches!(moves, Reconfiguration::Sent(_))),
            ("reconf_inprog", moves == Reconfiguration::InProgress),
            ("reconf_done", moves == Reconfiguration::Done),
            ("force_failover", is_primary && primary.failover.kind == Kind::Forced),
            ("coordinated_failover", is_primary && primary.failover.kind == Kind::Coordinated),
            ("script_kill_sent", instance.script_kill_sent),
            ("master_reboot", is_primary && primary.rebooted.is_some()),
        ];
        flags.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect::<Vec<_>>().join(",")
    }
}

fn put_report(fields: &mut Fields, now: Instant, instance: &Instance) {
    let report = &instance.report;
    fields.push(("info-refresh", report.at.map_or(0, |at| now.millis_since(at)).to_string()));
    fields.push(("role-reported", report.role.word().to_owned()));
    fields.push(("role-reported-time", now.millis_since(report.role_since).to_string()));
}

fn put_primary(fields: &mut Fields, primary: &Primary) {
    let settings = &primary.settings;
    fields.push(("config-epoch", primary.config_epoch.to_string()));
    fields.push(("num-slaves", primary.replicas.len().to_string()));
    fields.push(("num-other-sentinels", primary.sentinels.len().to_string()));
    fields.push(("quorum", settings.quorum.to_string()));
    fields.push(("failover-timeout", settings.failover_timeout_ms.to_string()));
    fields.push(("parallel-syncs", settings.parallel_syncs.to_string()));
    if let Some(script) = &settings.notification_script {
        fields.push(("notification-script", script.clone()));
    }
    if let Some(script) = &settings.client_reconfig_script {
        fields.push(("client-reconfig-script", script.clone()));
    }
}

fn put_replica(fields: &mut Fields, replica: &Replica) {
    let (host, port) = replica.follows.clone().unwrap_or_else(|| ("?".to_owned(), 0));
    fields.push(("master-link-down-time", replica.link_down_ms.to_string()));
    fields.push(("master-link-status", if replica.is_link_up { "ok" } else { "err" }.to_owned()));
    fields.push(("master-host", host));
    fields.push(("master-port", port.to_string()));
    fields.push(("slave-priority", replica.priority.to_string()));
    fields.push(("slave-repl-offset", replica.offset.to_string()));
    fields.push(("replica-announced", u8::from(replica.is_announced).to_string()));
}

fn put_sister(fields: &mut Fields, now: Instant, sister: &Sister) {
    fields.push(("last-hello-message", now.millis_since(sister.last_hello).to_string()));
    fields.push(("voted-leader", sister.leader.clone().unwrap_or_else(|| "?".to_owned())));
    fields.push(("voted-leader-epoch", sister.leader_epoch.to_string()));
}
