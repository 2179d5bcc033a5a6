//! What clients can do to a sentinel: begin and end watching, change settings, force a failover.

use std::fmt;

use slotmesh_engine::glob;
use slotmesh_engine::number::parse_i64;
use slotmesh_engine::time::Now;

use super::address::Address;
use super::config::{Globals, PrimaryConfig};
use super::failover::Kind;
use super::instance::{Primary, Replica, Who};
use super::link::Peer;
use super::periods::Periods;
use super::{Sentinel, Simulated};
use crate::machine::LogLevel;

/// Why a SENTINEL subcommand is refused; displays as the error reply without its leading dash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// MONITOR of a name that is taken.
    DuplicatePrimary,
    /// MONITOR of an address that is none.
    InvalidHost,
    /// MONITOR with a number that is no port.
    InvalidPortNumber,
    /// FAILOVER while there is one.
    InProgress,
    /// FAILOVER that the primary shall take part in, which it cannot.
    NoGoodPrimary,
    /// FAILOVER without a replica that could take over.
    NoGoodReplica,
    /// SET of a script that is missing or cannot be executed.
    NoProgram(Setting),
    /// MONITOR with a name that cannot be written down.
    NotUtf8,
    /// MONITOR without a quorum.
    QuorumTooSmall,
    /// SET of a script, which the configuration forbids.
    ScriptsDenied,
    /// No primary has this name.
    UnknownPrimary,
    /// SET with a value that does not fit (option and value as the client wrote them).
    Value(Vec<u8>, Vec<u8>),
}

impl Refusal {
    /// The error's line.
    pub fn line(&self) -> Vec<u8> {
        if let Self::Value(option, value) = self {
            return [b"ERR Invalid argument '", &value[..], b"' for SENTINEL SET '", option, b"'"].concat();
        }
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuplicatePrimary => "ERR Duplicate master name.",
            Self::InvalidHost => "ERR Invalid IP address or hostname specified",
            Self::InvalidPortNumber => "ERR Invalid port number.",
            Self::InProgress => "INPROG Failover already in progress",
            Self::NoGoodPrimary => "NOGOODPRIMARY Primary does not support FAILOVER command",
            Self::NoGoodReplica => "NOGOODSLAVE No suitable replica to promote",
            Self::NoProgram(Setting::NotificationScript) => {
                "ERR Notification script seems non existing or non executable"
            }
            Self::NoProgram(_) => "ERR Client reconfiguration script seems non existing or non executable",
            Self::NotUtf8 => "ERR The name is not valid UTF-8.",
            Self::QuorumTooSmall => "ERR Quorum must be 1 or greater.",
            Self::ScriptsDenied => {
                "ERR Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig \
                 configuration directive in your Sentinel configuration"
            }
            Self::UnknownPrimary => "ERR No such master with that name",
            Self::Value(option, value) => {
                let (option, value) = (String::from_utf8_lossy(option), String::from_utf8_lossy(value));
                return write!(f, "ERR Invalid argument '{value}' for SENTINEL SET '{option}'");
            }
        })
    }
}

impl std::error::Error for Refusal {}

/// An option of SENTINEL SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the options' names")]
pub enum Setting {
    AuthPass,
    AuthUser,
    ClientReconfigScript,
    DownAfter,
    FailoverTimeout,
    NotificationScript,
    ParallelSyncs,
    Quorum,
    RebootDownAfter,
    RenameCommand,
}

impl Setting {
    /// Whether its value is the path of a program.
    pub fn is_script(self) -> bool {
        matches!(self, Self::ClientReconfigScript | Self::NotificationScript)
    }

    /// The option of this name, in any case, and how many values it takes.
    pub fn find(name: &[u8]) -> Option<(Self, usize)> {
        let (_, setting) = SETTINGS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))?;
        Some((*setting, if *setting == Self::RenameCommand { 2 } else { 1 }))
    }
}

const SETTINGS: [(&str, Setting); 11] = [
    ("auth-pass", Setting::AuthPass),
    ("auth-user", Setting::AuthUser),
    ("client-reconfig-script", Setting::ClientReconfigScript),
    ("down-after-milliseconds", Setting::DownAfter),
    ("failover-timeout", Setting::FailoverTimeout),
    ("master-reboot-down-after-period", Setting::RebootDownAfter),
    ("notification-script", Setting::NotificationScript),
    ("parallel-syncs", Setting::ParallelSyncs),
    ("primary-reboot-down-after-period", Setting::RebootDownAfter),
    ("quorum", Setting::Quorum),
    ("rename-command", Setting::RenameCommand),
];

impl Sentinel {
    /// Begins to watch a primary (SENTINEL MONITOR).
    ///
    /// # Errors
    /// When the name is taken or the address is none.
    pub fn monitor(&mut self, now: Now, name: &[u8], host: &[u8], port: i64, quorum: i64) -> Result<(), Refusal> {
        let quorum = u32::try_from(quorum).ok().filter(|&quorum| quorum > 0).ok_or(Refusal::QuorumTooSmall)?;
        let name = std::str::from_utf8(name).map_err(|_| Refusal::NotUtf8)?;
        let host = std::str::from_utf8(host).map_err(|_| Refusal::InvalidHost)?;
        let names = self.globals.resolve_hostnames;
        // The host is looked at before the port, and the name behind both.
        Address::parse(host, 0, names).map_err(|_| Refusal::InvalidHost)?;
        let address = Address::parse(host, port, names).map_err(|_| Refusal::InvalidPortNumber)?;
        if self.find(name).is_some() {
            return Err(Refusal::DuplicatePrimary);
        }
        let mut config = PrimaryConfig::new(name, address, quorum);
        config.settings.down_after_ms = self.periods.down_after;
        config.settings.failover_timeout_ms = self.periods.failover_timeout;
        let id = self.take_up(now, config);
        self.save();
        self.with_primary(id, |sentinel, primary| sentinel.tell_monitored(now, primary));
        Ok(())
    }

    /// Stops watching a primary (SENTINEL REMOVE).
    ///
    /// # Errors
    /// When no primary has this name.
    pub fn remove(&mut self, now: Now, name: &[u8]) -> Result<(), Refusal> {
        let id = self.named(name)?;
        let Some(mut primary) = self.primaries.remove(&id) else { return Err(Refusal::UnknownPrimary) };
        self.warn(now, "-monitor", &primary);
        for (_, replica) in std::mem::take(&mut primary.replicas) {
            self.leave_link(replica.instance.link);
        }
        for (_, sister) in std::mem::take(&mut primary.sentinels) {
            self.leave_link(sister.instance.link);
        }
        self.leave_link(primary.instance.link);
        self.save();
        Ok(())
    }

    /// Forgets replicas and sentinels of the primaries whose names match (SENTINEL RESET). Returns how many do.
    pub fn reset_matching(&mut self, now: Now, pattern: &[u8]) -> usize {
        let matching = self.primaries.values().filter(|found| glob::matches(pattern, found.name.as_bytes(), false));
        let ids: Vec<_> = matching.map(|primary| primary.id).collect();
        for &id in &ids {
            self.with_primary(id, |sentinel, primary| {
                for (_, sister) in std::mem::take(&mut primary.sentinels) {
                    sentinel.leave_link(sister.instance.link);
                }
                sentinel.reset(now, primary);
                sentinel.warn(now, "+reset-master", primary);
            });
        }
        if !ids.is_empty() {
            self.save();
        }
        ids.len()
    }

    /// Begins a failover that an operator wants (SENTINEL FAILOVER): at once, or with the primary's help.
    ///
    /// # Errors
    /// When there is one already, or nobody could take over.
    pub fn fail_over(&mut self, now: Now, name: &[u8], kind: Kind) -> Result<(), Refusal> {
        let id = self.named(name)?;
        let result = self.with_primary(id, |sentinel, primary| {
            if kind == Kind::Coordinated && !primary.can_hand_over() {
                return Err(Refusal::NoGoodPrimary);
            }
            if primary.failover.is_in_progress() {
                return Err(Refusal::InProgress);
            }
            if sentinel.best_replica(now, primary, kind).is_none() {
                return Err(Refusal::NoGoodReplica);
            }
            let text = format!("Executing user requested FAILOVER of '{}'", primary.name);
            sentinel.log(LogLevel::Warning, text);
            sentinel.begin_failover(now, primary);
            primary.failover.kind = kind;
            Ok(())
        });
        self.hurry(now);
        result.unwrap_or(Err(Refusal::UnknownPrimary))
    }

    /// Changes one setting of a primary (SENTINEL SET).
    ///
    /// # Errors
    /// When the value does not fit, or scripts may not be changed; `can_run` tells of those that are named.
    pub fn set(
        &mut self,
        now: Now,
        name: &[u8],
        setting: Setting,
        option: &[u8],
        values: &[&[u8]],
        can_run: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Refusal> {
        let id = self.named(name)?;
        let denied = self.globals.deny_scripts_reconfig;
        let result = self.with_primary(id, |sentinel, primary| {
            if setting.is_script() {
                if denied {
                    return Err(Refusal::ScriptsDenied);
                }
                if !values[0].is_empty() && !can_run(values[0]) {
                    return Err(Refusal::NoProgram(setting));
                }
            }
            primary.apply(setting, option, values)?;
            let shown = if setting == Setting::AuthPass {
                "******".to_owned()
            } else {
                values.iter().map(|value| String::from_utf8_lossy(value)).collect::<Vec<_>>().join(" ")
            };
            let extra = format!(" {} {shown}", String::from_utf8_lossy(option));
            sentinel.tell(now, LogLevel::Warning, "+set", (primary, &Who::Primary), &extra);
            Ok(())
        });
        self.save();
        if matches!(setting, Setting::AuthPass | Setting::AuthUser) {
            self.hang_up_where(now, |primary, who| primary.id == id && !matches!(who, Who::Sentinel(_)));
        }
        result.unwrap_or(Err(Refusal::UnknownPrimary))
    }

    /// Looks for the primary of this name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn named(&self, name: &[u8]) -> Result<super::PrimaryId, Refusal> {
        let name = std::str::from_utf8(name).map_err(|_| Refusal::UnknownPrimary)?;
        self.find(name).ok_or(Refusal::UnknownPrimary)
    }

    /// Whether a primary of this name is watched.
    pub fn watches(&self, name: &[u8]) -> bool {
        self.named(name).is_ok()
    }

    /// Asks for failures (SENTINEL SIMULATE-FAILURE).
    pub fn simulate(&mut self, simulated: Simulated) {
        self.simulated = simulated;
    }

    /// Has the configuration file written anew (SENTINEL FLUSHCONFIG).
    pub fn flush_config(&mut self) {
        self.save();
    }

    /// The settings of the sentinel as a whole, to look at.
    pub fn globals(&self) -> &Globals {
        &self.globals
    }

    /// Changes settings of the sentinel as a whole; the file follows.
    pub fn change_globals(&mut self, now: Now, globals: Globals) {
        let other_login = (&globals.user, &globals.pass) != (&self.globals.user, &self.globals.pass);
        self.globals = globals;
        self.save();
        if other_login {
            self.hang_up_where(now, |_, who| matches!(who, Who::Sentinel(_)));
        }
    }

    /// Has connections opened anew: who we are there has changed.
    fn hang_up_where(&mut self, now: Now, wanted: impl Fn(&Primary, &Who) -> bool) {
        let mut links = Vec::new();
        for primary in self.primaries.values() {
            for who in primary.everybody().into_iter().filter(|who| wanted(primary, who)) {
                links.extend(primary.instance(&who).map(|instance| instance.link));
            }
        }
        for link in links {
            self.hang_up(now, link);
        }
    }

    /// The times it goes by.
    pub fn periods(&self) -> Periods {
        self.periods
    }

    /// Changes the times it goes by.
    pub fn set_periods(&mut self, periods: Periods) {
        self.periods = periods;
    }

    /// Takes up a replica without a word: the file named it.
    pub(super) fn take_up_replica(&mut self, now: Now, primary: &mut Primary, address: Address) {
        if primary.replicas.values().any(|known| known.instance.address.is(&address)) {
            return;
        }
        let link = self.links.open(now, Peer::Server(primary.id));
        let name = address.joined(self.announces_names());
        primary.replicas.insert(name, Replica::new(now.instant, address, link));
    }
}

impl Primary {
    /// Whether it knows FAILOVER: its INFO tells how far one is.
    fn can_hand_over(&self) -> bool {
        self.instance.report.knows_failover
    }

    fn apply(&mut self, setting: Setting, option: &[u8], values: &[&[u8]]) -> Result<(), Refusal> {
        let value = values[0];
        let bad = || Refusal::Value(option.to_vec(), value.to_vec());
        let positive = || {
            let number = parse_i64(value).and_then(|number| u64::try_from(number).ok());
            number.filter(|&number| number > 0).ok_or_else(bad)
        };
        let small = || positive().and_then(|number| u32::try_from(number).map_err(|_| bad()));
        let script = || {
            let text = std::str::from_utf8(value).map_err(|_| bad())?;
            Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
        };
        let settings = &mut self.settings;
        match setting {
            Setting::AuthPass => settings.auth_pass = value.to_vec(),
            Setting::AuthUser => settings.auth_user = value.to_vec(),
            Setting::ClientReconfigScript => settings.client_reconfig_script = script()?,
            Setting::DownAfter => settings.down_after_ms = positive()?,
            Setting::FailoverTimeout => settings.failover_timeout_ms = positive()?,
            Setting::NotificationScript => settings.notification_script = script()?,
            Setting::ParallelSyncs => settings.parallel_syncs = small()?,
            Setting::Quorum => settings.quorum = small()?,
            Setting::RebootDownAfter => {
                let number = parse_i64(value).and_then(|number| u64::try_from(number).ok());
                settings.reboot_down_after_ms = number.ok_or_else(bad)?;
            }
            Setting::RenameCommand => {
                let usual = std::str::from_utf8(value).map_err(|_| bad())?.to_ascii_lowercase();
                let here = std::str::from_utf8(values[1]).map_err(|_| bad())?;
                if usual.is_empty() || here.is_empty() {
                    let empty = if usual.is_empty() { value } else { values[1] };
                    return Err(Refusal::Value(option.to_vec(), empty.to_vec()));
                }
                if here.eq_ignore_ascii_case(&usual) {
                    settings.renames.remove(&usual);
                } else {
                    settings.renames.insert(usual, here.to_owned());
                }
            }
        }
        Ok(())
    }
}
