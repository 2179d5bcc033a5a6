//! CONFIG SET: all of several options, or none.

use std::fmt;

use super::choices::Allowed;
use super::invalid::Invalid;
use super::row::Row;
use super::stored::Origin;
use super::{Config, ROWS, find};

/// Where a CONFIG SET comes from, for `enable-protected-configs local`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// This process or this machine.
    Local,
    /// Another machine.
    Remote,
}

/// The options whose values a CONFIG SET changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    names: Vec<&'static str>,
}

impl Changed {
    /// Whether the option with this name (its present one) changed.
    ///
    /// # Panics
    /// When there is no such option: a name misspelt by the caller.
    pub fn has(&self, name: &str) -> bool {
        assert!(ROWS.iter().any(|row| row.name == name), "{name} is an option's present name");
        self.names.contains(&name)
    }

    /// The present names of all changed options, in the order of the table.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The options whose values differ between two configurations.
    pub fn between(before: &Config, after: &Config) -> Self {
        let changed = ROWS.iter().filter(|row| !row.is_same(before, after));
        Self { names: changed.map(|row| row.name).collect() }
    }
}

/// Why a CONFIG SET changed nothing. `Display` is the reply's text after `ERR `.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetError {
    /// The same option twice.
    Duplicate {
        /// The name as written.
        option: Vec<u8>,
    },
    /// An option that only a file can set.
    Immutable {
        /// The name as written.
        option: Vec<u8>,
    },
    /// An option that `enable-protected-configs` guards.
    Protected {
        /// The name as written.
        option: Vec<u8>,
    },
    /// No such option.
    Unknown {
        /// The name as written.
        option: Vec<u8>,
    },
    /// A value that does not fit, or that the system refused.
    Value {
        /// The name under which the option was found, in lower case.
        option: &'static str,
        /// Why.
        cause: Invalid,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = |f: &mut fmt::Formatter<'_>, option: &[u8], why: &dyn fmt::Display| {
            let option = String::from_utf8_lossy(option);
            write!(f, "CONFIG SET failed (possibly related to argument '{option}') - {why}")
        };
        match self {
            Self::Duplicate { option } => failed(f, option, &"duplicate parameter"),
            Self::Immutable { option } => failed(f, option, &"can't set immutable config"),
            Self::Protected { option } => failed(f, option, &"can't set protected config"),
            Self::Unknown { option } => {
                let option = String::from_utf8_lossy(option);
                write!(f, "Unknown option or number of arguments for CONFIG SET - '{option}'")
            }
            Self::Value { option, cause } => failed(f, option.as_bytes(), cause),
        }
    }
}

impl std::error::Error for SetError {}

impl Config {
    /// The configuration after `pairs` of names and values, and what it changes; this one stays as it is.
    ///
    /// For a node, which must make a change happen (listen, open a file) before it may keep it.
    ///
    /// # Errors
    /// The first wrong name decides before the first wrong value, as in Redis.
    pub fn prepare(&self, pairs: &[(&[u8], &[u8])], caller: Caller) -> Result<(Self, Changed), SetError> {
        let mut next = self.clone();
        for Pair { row, option, value } in self.checked_names(pairs, caller)? {
            let words: Vec<&[u8]> = if row.is_multi() { split_value(value) } else { vec![value] };
            row.assign(&mut next, &words, Origin::Set).map_err(|cause| SetError::Value { option, cause })?;
        }
        next.clamp();
        if next.repl_backlog_size != self.repl_backlog_size {
            next.repl_backlog_size = next.repl_backlog_size.max(BACKLOG_BYTES_MIN);
        }
        let changed = Changed::between(self, &next);
        Ok((next, changed))
    }

    /// Sets all of `pairs` or, on an error, none; returns what changed.
    ///
    /// # Errors
    /// As [`Config::prepare`].
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])], caller: Caller) -> Result<Changed, SetError> {
        let (next, changed) = self.prepare(pairs, caller)?;
        *self = next;
        Ok(changed)
    }

    /// The rows `pairs` name, each with the spelling of its name that was used.
    fn checked_names<'a>(&self, pairs: &[(&[u8], &'a [u8])], caller: Caller) -> Result<Vec<Pair<'a>>, SetError> {
        let mut rows: Vec<Pair<'a>> = Vec::with_capacity(pairs.len());
        for &(name, value) in pairs {
            let option = name.to_vec();
            let Some(row) = find(name) else { return Err(SetError::Unknown { option }) };
            if row.flags.is_immutable() {
                return Err(SetError::Immutable { option });
            }
            if row.flags.is_protected() && !self.allows_protected(caller) {
                return Err(SetError::Protected { option });
            }
            // An option under its present and its older name is no duplicate to Redis (7.0.15); the last one wins.
            let spelling = row.spelling(name);
            if rows.iter().any(|known| known.option == spelling) {
                return Err(SetError::Duplicate { option });
            }
            rows.push(Pair { row, option: spelling, value });
        }
        Ok(rows)
    }

    fn allows_protected(&self, caller: Caller) -> bool {
        match self.enable_protected_configs {
            Allowed::No => false,
            Allowed::Yes => true,
            Allowed::Local => caller == Caller::Local,
        }
    }

    /// Brings values into bounds that Redis applies in silence.
    pub(super) fn clamp(&mut self) {
        self.hz = self.hz.clamp(HZ_MIN, HZ_MAX);
    }
}

/// One name and value of a CONFIG SET whose name is good.
struct Pair<'a> {
    row: &'static Row,
    /// The spelling of the name that was used.
    option: &'static str,
    value: &'a [u8],
}

/// The words of one value of CONFIG SET: pieces between single spaces, as Redis cuts them; two spaces in a row make
/// an empty word, and an empty value has no words.
pub(super) fn split_value(value: &[u8]) -> Vec<&[u8]> {
    if value.is_empty() { Vec::new() } else { value.split(|&byte| byte == b' ').collect() }
}

/// What CONFIG SET makes of a smaller `repl-backlog-size` (observed on Redis 7.0.15; a file may say less).
const BACKLOG_BYTES_MIN: u64 = 16 * 1024;

/// Bounds of `hz` (redis.conf, "hz").
const HZ_MIN: u32 = 1;
const HZ_MAX: u32 = 500;

#[cfg(test)]
mod tests {
    use super::{Caller, Changed};
    use crate::config::Config;
    use crate::config::choices::Allowed;

    fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Changed, String> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        config.set(&pairs, Caller::Remote).map_err(|error| error.to_string())
    }

    fn shown(config: &Config, name: &str) -> String {
        String::from_utf8(config.get(&[name.as_bytes()]).remove(0).1).unwrap()
    }

    /// One CONFIG SET of one option on a fresh configuration: what CONFIG GET shows then, or the reason it failed.
    fn after(name: &str, value: &str) -> Result<String, String> {
        let mut config = Config::default();
        let failed = format!("CONFIG SET failed (possibly related to argument '{name}') - ");
        match set(&mut config, &[(name, value)]) {
            Ok(_) => Ok(shown(&config, name)),
            Err(text) => Err(text.strip_prefix(&failed).unwrap_or(&text).to_owned()),
        }
    }

    #[test]
    fn good_values_show_as_a_real_server_shows_them() {
        let expected = [
            ("appendonly", "YES", "yes"),
            ("hz", "0", "1"),
            ("hz", "1000", "500"),
            ("maxmemory", "1GB", "1073741824"),
            ("maxmemory", "18446744073709551615", "18446744073709551615"),
            ("maxmemory", "", "0"),
            ("maxmemory", "kb", "0"),
            ("repl-backlog-size", "1", "16384"),
            ("maxmemory-clients", "50%", "50%"),
            ("maxmemory-clients", "1mb", "1048576"),
            ("slowlog-log-slower-than", "-1", "-1"),
            ("loglevel", "DEBUG", "debug"),
            ("save", "", ""),
            ("save", "1 0", "1 0"),
            ("save", "1 2 3 4", "1 2 3 4"),
            ("save", "99999999999 1", "99999999999 1"),
            ("client-output-buffer-limit", "", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
            (
                "client-output-buffer-limit",
                "replica 1mb 5 5 NORMAL 1 1 1 normal 2 2 2",
                "normal 2 2 2 slave 1048576 5 5 pubsub 33554432 8388608 60",
            ),
            ("oom-score-adj-values", "-2000 3 2000", "-2000 3 2000"),
            ("notify-keyspace-events", "", ""),
            ("notify-keyspace-events", "KEA", "AKE"),
            ("notify-keyspace-events", "Kxz", "zxK"),
            ("notify-keyspace-events", "K$gnm", "g$nKm"),
            ("notify-keyspace-events", "KEAnm", "AKEm"),
            ("notify-keyspace-events", "g$lshzxetd", "A"),
            ("notify-keyspace-events", "g$lshzxet", "g$lshzxet"),
            ("notify-keyspace-events", "dnm", "dnm"),
            ("latency-tracking-info-percentiles", "", ""),
            ("latency-tracking-info-percentiles", "50 99.99999 100.0 5e-5", "50 99.99999 100 0.00005"),
            ("latency-tracking-info-percentiles", "50.123456789 0.0000005 1e1", "50.123457 0 10"),
            ("shutdown-on-sigint", "default save", "save"),
            ("shutdown-on-sigterm", "force nosave", "nosave force"),
            ("shutdown-on-sigint", "SAVE save", "save"),
            ("bind", "", ""),
            ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
            ("proc-title-template", "x} {port}", "x} {port}"),
            ("cluster-announce-hostname", "-a.b", "-a.b"),
            ("ignore-warnings", "foo bar", "foo bar"),
            ("tls-auth-clients", "optional", "optional"),
        ];

        for (name, value, shown) in expected {
            assert_eq!(after(name, value), Ok(shown.to_owned()), "{name} {value}");
        }
    }

    #[test]
    fn bad_values_fail_with_the_texts_of_a_real_server() {
        let port = "argument must be between 0 and 65535 inclusive";
        let integer = "argument couldn't be parsed into an integer";
        let memory = "argument must be a memory value";
        let save = "Invalid save parameters";
        let limit = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        let class = "Invalid client class specified in buffer limit configuration.";
        let oom = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        let event = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
        let percentile = "Invalid latency-tracking-info-percentiles parameters";
        let percentile_range = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        let shutdown = "argument(s) must be one of the following: default, save, nosave, now, force";
        let title = "template format is invalid or contains unknown variables";
        let many = ["*"; 17].join(" ");
        let long = "x".repeat(256);
        let expected = [
            ("port", "abc", integer),
            ("port", "-1", port),
            ("port", "70000", port),
            ("port", "1.5", integer),
            ("port", "", integer),
            ("hz", "+5", integer),
            ("hz", "05", integer),
            ("hz", "99999999999", "argument must be between 0 and 2147483647 inclusive"),
            ("appendfsync", "foo", "argument(s) must be one of the following: everysec, always, no"),
            ("appendonly", "1", "argument must be 'yes' or 'no'"),
            ("maxmemory", "-1", memory),
            ("maxmemory", "50%", memory),
            ("maxmemory", "1 kb", memory),
            ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
            ("maxmemory-clients", "x", "argument must be a memory or percent value"),
            ("client-query-buffer-limit", "10", "argument must be between 1048576 and 9223372036854775807 inclusive"),
            (
                "hash-max-listpack-value",
                "99999999999999999999",
                "argument must be between 0 and 9223372036854775807 inclusive",
            ),
            ("slowlog-log-slower-than", "-2", "argument must be between -1 and 9223372036854775807 inclusive"),
            ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
            ("io-threads", "2", "can't set immutable config"),
            ("slaveof", "1", "can't set immutable config"),
            ("dir", "/tmp", "can't set protected config"),
            ("foo", "bar", "Unknown option or number of arguments for CONFIG SET - 'foo'"),
            ("user", "x", "Unknown option or number of arguments for CONFIG SET - 'user'"),
            ("save", "3600", save),
            ("save", "0 1", save),
            ("save", "1 -1", save),
            ("save", " 1  2 ", save),
            ("save", "\"3600\" \"1\"", save),
            ("client-output-buffer-limit", "pubsub a b c", limit),
            ("client-output-buffer-limit", "normal 1 1 -1", limit),
            ("client-output-buffer-limit", "master 0 0 0", class),
            ("client-output-buffer-limit", "normal 1 2", "Wrong number of arguments in buffer limit configuration."),
            ("oom-score-adj-values", "", "wrong number of arguments"),
            ("oom-score-adj-values", "0 1", "wrong number of arguments"),
            ("oom-score-adj-values", "a b c", oom),
            ("notify-keyspace-events", "o", event),
            ("latency-tracking-info-percentiles", "50 a", percentile),
            ("latency-tracking-info-percentiles", "nan", percentile),
            ("latency-tracking-info-percentiles", "inf", percentile_range),
            ("latency-tracking-info-percentiles", "-1", percentile_range),
            ("shutdown-on-sigint", "", shutdown),
            ("shutdown-on-sigint", "save foo", shutdown),
            ("shutdown-on-sigint", "nosave save", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
            ("bind", &many, "Too many bind addresses specified."),
            ("proc-title-template", "", title),
            ("proc-title-template", "{title}", title),
            ("proc-title-template", "{ti{tle}", title),
            ("cluster-announce-hostname", "a_b", "Hostnames may only contain alphanumeric characters, hyphens or dots"),
            ("cluster-announce-hostname", &long, "Hostnames must be less than 256 characters"),
            ("cluster-announce-human-nodename", "a b", "Announced human node name contained invalid character"),
            ("locale-collate", "foo", "Invalid locale name"),
        ];

        for (name, value, why) in expected {
            assert_eq!(after(name, value), Err(why.to_owned()), "{name} {value}");
        }
    }

    #[test]
    fn the_first_wrong_name_wins_over_values_and_nothing_changes() {
        let failed =
            |name: &str, why: &str| Err(format!("CONFIG SET failed (possibly related to argument '{name}') - {why}"));
        let mut config = Config::default();
        let before = config.clone();

        assert_eq!(
            set(&mut config, &[("hz", "12"), ("port", "abc")]),
            failed("port", "argument couldn't be parsed into an integer")
        );
        assert_eq!(set(&mut config, &[("port", "abc"), ("dir", "/tmp")]), failed("dir", "can't set protected config"));
        assert_eq!(set(&mut config, &[("hz", "5"), ("HZ", "6"), ("foo", "7")]), failed("HZ", "duplicate parameter"));
        assert_eq!(
            set(&mut config, &[("hz", "5"), ("foo", "7")]),
            Err("Unknown option or number of arguments for CONFIG SET - 'foo'".to_owned())
        );
        assert_eq!(
            set(&mut config, &[("SLAVE-READ-ONLY", "maybe")]),
            failed("slave-read-only", "argument must be 'yes' or 'no'")
        );
        assert_eq!(config, before);
    }

    #[test]
    fn an_option_under_both_names_is_set_twice() {
        let mut config = Config::default();

        set(&mut config, &[("slave-priority", "5"), ("replica-priority", "6")]).unwrap();

        assert_eq!(config.replica_priority, 6);
    }

    #[test]
    fn only_options_that_differ_count_as_changed() {
        let mut config = Config::default();

        let changed = set(&mut config, &[("maxmemory", "5"), ("port", "6379"), ("save", "1 2")]).unwrap();

        assert_eq!(changed.names(), ["maxmemory", "save"]);
        assert!(changed.has("save"));
        assert!(!changed.has("port"));
    }

    #[test]
    fn protected_options_open_to_those_the_configuration_names() {
        let mut config = Config { enable_protected_configs: Allowed::Local, ..Config::default() };

        assert!(config.prepare(&[(b"dir", b"/tmp")], Caller::Remote).is_err());
        config.set(&[(b"dir", b"/tmp")], Caller::Local).unwrap();

        assert_eq!(config.dir, "/tmp");
    }
}
