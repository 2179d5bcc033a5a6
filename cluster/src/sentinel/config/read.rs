//! From `sentinel` lines to values. Their order in the file is free: primaries are made before what is said of them.

use std::fmt;

use slotmesh_engine::config::startup::SentinelLine;

use super::{Globals, KnownSentinel, PrimaryConfig, SentinelConfig};
use crate::sentinel::address::{Address, AddressFault};

/// A line that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its number in its file, from 1.
    pub number: usize,
    /// The line.
    pub line: Vec<u8>,
    /// Why, in the reference's words.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = String::from_utf8_lossy(&self.line);
        write!(f, "Reading the configuration file, at line {}\n>>> '{line}'\n{}", self.number, self.reason)
    }
}

impl std::error::Error for Fault {}

/// Which of the three passes reads a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Global,
    Monitor,
    Rest,
}

impl SentinelConfig {
    /// Reads the lines; `is_program` tells whether a file can be executed.
    ///
    /// # Errors
    /// The first line that is wrong, of those that are read first.
    pub fn read(lines: &[SentinelLine], is_program: impl Fn(&str) -> bool) -> Result<Self, Fault> {
        let mut config = Self::default();
        for pass in [Pass::Global, Pass::Monitor, Pass::Rest] {
            for line in lines.iter().filter(|line| pass_of(&line.words) == pass) {
                let fault =
                    |reason: &str| Fault { number: line.number, line: line.line.clone(), reason: reason.to_owned() };
                let words = texts(&line.words).map_err(fault)?;
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                match pass {
                    Pass::Global => config.globals.apply(&line.words, &words),
                    Pass::Monitor => config.monitor(&words),
                    Pass::Rest => config.apply_to_primary(&line.words, &words, &is_program),
                }
                .map_err(fault)?;
            }
        }
        // Nobody can have switched to a configuration of an epoch that has not come.
        let configured = config.primaries.iter().map(|primary| primary.config_epoch).max().unwrap_or(0);
        config.globals.current_epoch = config.globals.current_epoch.max(configured);
        Ok(config)
    }

    fn monitor(&mut self, words: &[&str]) -> Result<(), &'static str> {
        let &[_, name, host, port, quorum] = words else { return Err(UNRECOGNIZED) };
        let quorum = number(quorum).and_then(|quorum| u32::try_from(quorum).ok()).filter(|&quorum| quorum > 0);
        let quorum = quorum.ok_or("Quorum must be 1 or greater.")?;
        let address = self.address(host, port)?;
        if self.primaries.iter().any(|primary| primary.name == name) {
            return Err("Duplicate master name.");
        }
        self.primaries.push(PrimaryConfig::new(name, address, quorum));
        Ok(())
    }

    fn address(&self, host: &str, port: &str) -> Result<Address, &'static str> {
        let bad_port = "Invalid port number.";
        let port = number(port).ok_or(bad_port)?;
        Address::parse(host, port, self.globals.resolve_hostnames).map_err(|fault| match fault {
            AddressFault::Host => "Can't resolve instance hostname.",
            AddressFault::Port => bad_port,
        })
    }

    fn apply_to_primary(
        &mut self,
        bytes: &[Vec<u8>],
        words: &[&str],
        is_program: &impl Fn(&str) -> bool,
    ) -> Result<(), &'static str> {
        let directive = words[0].to_ascii_lowercase();
        let count = words.len() - 1;
        let fits = match directive.as_str() {
            "auth-pass"
            | "auth-user"
            | "client-reconfig-script"
            | "config-epoch"
            | "down-after-milliseconds"
            | "failover-timeout"
            | "leader-epoch"
            | "master-reboot-down-after-period"
            | "notification-script"
            | "parallel-syncs"
            | "primary-reboot-down-after-period" => count == 2,
            "known-replica" | "known-slave" | "rename-command" => count == 3,
            "known-sentinel" => count == 3 || count == 4,
            _ => false,
        };
        if !fits {
            return Err(UNRECOGNIZED);
        }
        let found = self.primaries.iter().position(|primary| primary.name == words[1]);
        let index = found.ok_or("No such master with specified name.")?;
        match directive.as_str() {
            "known-replica" | "known-slave" => {
                let address = self.address(words[2], words[3])?;
                self.primaries[index].add_replica(address)
            }
            "known-sentinel" => {
                // A line of an older version, without the other's name, is of no use.
                let Some(&id) = words.get(4) else { return Ok(()) };
                let address = self.address(words[2], words[3])?;
                self.primaries[index].add_sentinel(id, address)
            }
            _ => self.primaries[index].apply(&directive, words[2], &bytes[2], words.get(3).copied(), is_program),
        }
    }
}

impl Globals {
    fn apply(&mut self, bytes: &[Vec<u8>], words: &[&str]) -> Result<(), &'static str> {
        let &[_, value] = words else { return Err(UNRECOGNIZED) };
        match words[0].to_ascii_lowercase().as_str() {
            "announce-hostnames" => {
                self.announce_hostnames =
                    yes_or_no(value).ok_or("Please specify yes or no for the announce-hostnames option.")?;
            }
            "announce-ip" => value.clone_into(&mut self.announce_ip),
            "announce-port" => {
                let port = number(value).and_then(|port| u16::try_from(port).ok());
                self.announce_port = port.ok_or("Invalid port number.")?;
            }
            "current-epoch" => self.current_epoch = epoch(value)?,
            "deny-scripts-reconfig" => {
                self.deny_scripts_reconfig =
                    yes_or_no(value).ok_or("Please specify yes or no for the deny-scripts-reconfig options.")?;
            }
            "myid" if is_id(value) => self.myid = Some(value.to_owned()),
            "myid" => return Err("Malformed Sentinel id in myid option."),
            "resolve-hostnames" => {
                self.resolve_hostnames =
                    yes_or_no(value).ok_or("Please specify yes or no for the resolve-hostnames option.")?;
            }
            "sentinel-pass" => self.pass.clone_from(&bytes[1]),
            "sentinel-user" => self.user.clone_from(&bytes[1]),
            _ => return Err(UNRECOGNIZED),
        }
        Ok(())
    }
}

impl PrimaryConfig {
    fn apply(
        &mut self,
        directive: &str,
        value: &str,
        bytes: &[u8],
        second: Option<&str>,
        is_program: &impl Fn(&str) -> bool,
    ) -> Result<(), &'static str> {
        let settings = &mut self.settings;
        match directive {
            "auth-pass" => settings.auth_pass = bytes.to_vec(),
            "auth-user" => settings.auth_user = bytes.to_vec(),
            "client-reconfig-script" if is_program(value) => settings.client_reconfig_script = Some(value.to_owned()),
            "client-reconfig-script" => {
                return Err("Client reconfiguration script seems non existing or non executable.");
            }
            "config-epoch" => self.config_epoch = epoch(value)?,
            "down-after-milliseconds" => settings.down_after_ms = positive(value)?,
            "failover-timeout" => settings.failover_timeout_ms = positive(value)?,
            "leader-epoch" => self.leader_epoch = epoch(value)?,
            "notification-script" if is_program(value) => settings.notification_script = Some(value.to_owned()),
            "notification-script" => return Err("Notification script seems non existing or non executable."),
            "parallel-syncs" => {
                let count = number(value).and_then(|count| u32::try_from(count).ok());
                settings.parallel_syncs = count.ok_or("Invalid number of replicas.")?;
            }
            "rename-command" => {
                let usual = value.to_ascii_lowercase();
                if settings.renames.contains_key(&usual) {
                    return Err("Same command renamed multiple times with rename-command.");
                }
                settings.renames.insert(usual, second.unwrap_or_default().to_owned());
            }
            _ => {
                let period = number(value).and_then(|period| u64::try_from(period).ok());
                settings.reboot_down_after_ms = period.ok_or("negative time parameter.")?;
            }
        }
        Ok(())
    }

    fn add_replica(&mut self, address: Address) -> Result<(), &'static str> {
        if self.replicas.iter().any(|known| known.is(&address)) {
            return Err("Duplicate hostname and port for replica.");
        }
        self.replicas.push(address);
        Ok(())
    }

    fn add_sentinel(&mut self, id: &str, address: Address) -> Result<(), &'static str> {
        if self.sentinels.iter().any(|known| known.id == id) {
            return Err("Duplicate runid for sentinel.");
        }
        if !is_id(id) {
            return Err("Malformed Sentinel id in known-sentinel option.");
        }
        self.sentinels.push(KnownSentinel { id: id.to_owned(), address });
        Ok(())
    }
}

fn pass_of(words: &[Vec<u8>]) -> Pass {
    let is = |name: &&[u8]| words[0].eq_ignore_ascii_case(name);
    if is(&&b"monitor"[..]) {
        Pass::Monitor
    } else if GLOBALS.iter().any(is) {
        Pass::Global
    } else {
        Pass::Rest
    }
}

/// The words as texts; a password, which may be any bytes, is not looked at as one.
fn texts(words: &[Vec<u8>]) -> Result<Vec<String>, &'static str> {
    let is_secret = [&b"auth-pass"[..], b"auth-user", b"sentinel-pass", b"sentinel-user"]
        .iter()
        .any(|name| words[0].eq_ignore_ascii_case(name));
    let last = words.len() - 1;
    let text = |(index, word): (usize, &Vec<u8>)| match std::str::from_utf8(word) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) if is_secret && index == last => Ok(String::new()),
        Err(_) => Err("A word is not valid UTF-8."),
    };
    words.iter().enumerate().map(text).collect()
}

/// Whether a text can be a sentinel's name: 40 characters, none of which would break a line or a message.
pub(in crate::sentinel) fn is_id(text: &str) -> bool {
    text.len() == ID_BYTES && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A whole number of the reference's range, which is that of C's `int`: what is larger it would take for another number
/// or refuse when it reads its own file.
fn number(text: &str) -> Option<i64> {
    text.parse::<i32>().ok().map(i64::from)
}

fn positive(text: &str) -> Result<u64, &'static str> {
    let positive = number(text).and_then(|number| u64::try_from(number).ok()).filter(|&number| number > 0);
    positive.ok_or("negative or zero time parameter.")
}

fn epoch(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "Invalid epoch.")
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Characters of an id.
const ID_BYTES: usize = 40;

/// Directives about the sentinel as a whole.
const GLOBALS: [&[u8]; 9] = [
    b"announce-hostnames",
    b"announce-ip",
    b"announce-port",
    b"current-epoch",
    b"deny-scripts-reconfig",
    b"myid",
    b"resolve-hostnames",
    b"sentinel-pass",
    b"sentinel-user",
];

const UNRECOGNIZED: &str = "Unrecognized sentinel configuration statement.";
