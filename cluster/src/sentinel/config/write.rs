//! From values to `sentinel` lines, for the file that is rewritten at each change of state.

use slotmesh_engine::config::rewrite::SentinelValue;
use slotmesh_engine::config::text::quote;

use super::{Globals, PrimaryConfig, SentinelConfig, Settings};

impl SentinelConfig {
    /// Every directive there is, each with its lines: none where the value is the default, but for what is said with yes
    /// or no, which stays in a file that has it.
    pub fn lines(&self) -> Vec<(&'static str, Vec<SentinelValue>)> {
        let default = Globals::default();
        let globals = &self.globals;
        let Globals { myid, current_epoch, announce_ip, announce_port, user, pass, .. } = globals;
        let mut lines = vec![
            ("myid", one(myid.as_deref())),
            ("deny-scripts-reconfig", flag(globals.deny_scripts_reconfig, default.deny_scripts_reconfig)),
            ("resolve-hostnames", flag(globals.resolve_hostnames, default.resolve_hostnames)),
            ("announce-hostnames", flag(globals.announce_hostnames, default.announce_hostnames)),
        ];
        for (directive, words) in PRIMARY_DIRECTIVES {
            let of_all = self.primaries.iter().flat_map(|primary| of_primary(primary, words(primary)));
            lines.push((directive, of_all.map(needed).collect()));
        }
        // Names of other versions: their lines become `known-replica` and `master-reboot-down-after-period`.
        lines.push(("known-slave", Vec::new()));
        lines.push(("primary-reboot-down-after-period", Vec::new()));
        lines.push(("current-epoch", one(Some(current_epoch.to_string()))));
        // The one word that the reference always puts between quotes.
        let announced = Some(announce_ip).filter(|ip| !ip.is_empty()).map(|ip| needed(quote(ip.as_bytes())));
        lines.push(("announce-ip", announced.into_iter().collect()));
        lines.push(("announce-port", one((*announce_port != 0).then(|| announce_port.to_string()))));
        lines.push(("sentinel-user", one(Some(user).filter(|user| !user.is_empty()))));
        lines.push(("sentinel-pass", one(Some(pass).filter(|pass| !pass.is_empty()))));
        lines
    }
}

/// The words behind a primary's name, one list for each line.
type Lines = Vec<Vec<Vec<u8>>>;

/// A directive about a primary, and what it says of one.
type Directive = (&'static str, fn(&PrimaryConfig) -> Lines);

/// What is said of each primary, in the order of a new file.
const PRIMARY_DIRECTIVES: [Directive; 14] = [
    ("monitor", |primary| {
        let (address, quorum) = (&primary.address, primary.settings.quorum);
        vec![words([address.host().to_owned(), address.port.to_string(), quorum.to_string()])]
    }),
    ("down-after-milliseconds", |primary| differing(primary, |settings| settings.down_after_ms)),
    ("failover-timeout", |primary| differing(primary, |settings| settings.failover_timeout_ms)),
    ("parallel-syncs", |primary| differing(primary, |settings| u64::from(settings.parallel_syncs))),
    ("notification-script", |primary| optional(primary.settings.notification_script.as_ref())),
    ("client-reconfig-script", |primary| optional(primary.settings.client_reconfig_script.as_ref())),
    ("auth-pass", |primary| optional(Some(&primary.settings.auth_pass).filter(|pass| !pass.is_empty()))),
    ("auth-user", |primary| optional(Some(&primary.settings.auth_user).filter(|user| !user.is_empty()))),
    ("master-reboot-down-after-period", |primary| differing(primary, |settings| settings.reboot_down_after_ms)),
    ("config-epoch", |primary| vec![words([primary.config_epoch.to_string()])]),
    ("leader-epoch", |primary| vec![words([primary.leader_epoch.to_string()])]),
    ("known-replica", |primary| {
        let line = |replica: &super::Address| words([replica.host().to_owned(), replica.port.to_string()]);
        primary.replicas.iter().map(line).collect()
    }),
    ("known-sentinel", |primary| {
        let line = |known: &super::KnownSentinel| {
            words([known.address.host().to_owned(), known.address.port.to_string(), known.id.clone()])
        };
        primary.sentinels.iter().map(line).collect()
    }),
    ("rename-command", |primary| {
        let line = |(usual, here): (&String, &String)| words([usual.clone(), here.clone()]);
        primary.settings.renames.iter().map(line).collect()
    }),
];

fn of_primary(primary: &PrimaryConfig, lines: Lines) -> impl Iterator<Item = Vec<u8>> + '_ {
    lines.into_iter().map(|line| {
        let name = std::iter::once(written(primary.name.as_bytes()));
        name.chain(line.iter().map(|word| written(word))).collect::<Vec<_>>().join(&b' ')
    })
}

fn words<const N: usize>(words: [String; N]) -> Vec<Vec<u8>> {
    words.into_iter().map(String::into_bytes).collect()
}

fn differing(primary: &PrimaryConfig, value: fn(&Settings) -> u64) -> Lines {
    let (own, default) = (value(&primary.settings), value(&Settings::new(1)));
    if own == default { Vec::new() } else { vec![words([own.to_string()])] }
}

fn optional(value: Option<impl AsRef<[u8]>>) -> Lines {
    value.map(|value| vec![value.as_ref().to_vec()]).into_iter().collect()
}

fn one(value: Option<impl AsRef<[u8]>>) -> Vec<SentinelValue> {
    value.map(|value| needed(written(value.as_ref()))).into_iter().collect()
}

fn needed(words: Vec<u8>) -> SentinelValue {
    SentinelValue { words, is_default: false }
}

fn flag(value: bool, default: bool) -> Vec<SentinelValue> {
    let word = if value { "yes" } else { "no" };
    vec![SentinelValue { words: word.into(), is_default: value == default }]
}

/// A word as it stands in the file: between quotes only where it would not come back otherwise.
fn written(word: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'');
    if !word.is_empty() && word.iter().all(is_plain) { word.to_vec() } else { quote(word) }
}
