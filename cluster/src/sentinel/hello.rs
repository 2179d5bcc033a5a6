//! Hellos: how sentinels that watch the same primaries find one another and agree on addresses.

use slotmesh_engine::time::Now;

use super::Sentinel;
use super::address::Address;
use super::config::{KnownSentinel, is_id};
use super::instance::{Primary, Sister, Target, Who};
use super::link::{Expect, Peer};
use super::receive::HELLO_CHANNEL;
use super::script::ReconfigRole;
use crate::machine::LogLevel;

/// A hello, read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hello<'a> {
    host: &'a str,
    port: i64,
    id: &'a str,
    current_epoch: u64,
    primary: &'a str,
    primary_host: &'a str,
    primary_port: i64,
    config_epoch: u64,
}

impl<'a> Hello<'a> {
    /// Nothing when it is not one of eight fields that can be what they stand for.
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let fields: Vec<&str> = text.split(',').collect();
        let &[host, port, id, current_epoch, primary, primary_host, primary_port, config_epoch] = &fields[..] else {
            return None;
        };
        let epoch = |text: &str| text.parse().ok().filter(|&epoch: &u64| epoch <= EPOCH_MAX);
        Some(Self {
            host,
            port: port.parse().ok()?,
            id: Some(id).filter(|id| is_id(id))?,
            current_epoch: epoch(current_epoch)?,
            primary,
            primary_host,
            primary_port: primary_port.parse().ok()?,
            config_epoch: epoch(config_epoch)?,
        })
    }
}

impl Sentinel {
    /// Tells an instance, and through it other sentinels, where we and the primary are.
    pub(super) fn say_hello(&mut self, primary: &Primary, who: &Who) {
        let Some(instance) = primary.instance(who) else { return };
        let own = match (&self.globals.announce_ip, self.local_address(instance.link)) {
            (announced, _) if !announced.is_empty() => announced.clone(),
            (_, Some(local)) => local.to_canonical().to_string(),
            (_, None) => return,
        };
        let port = if self.globals.announce_port != 0 { self.globals.announce_port } else { self.port };
        let address = primary.current_address();
        let payload = format!(
            "{own},{port},{},{},{},{},{},{}",
            self.my_id,
            self.globals.current_epoch,
            primary.name,
            address.shown(self.announces_names()),
            address.port,
            primary.config_epoch
        );
        let expect = Expect::Published(Target { primary: primary.id, who: who.clone() });
        let publish = match who {
            Who::Primary | Who::Replica(_) => primary.word("PUBLISH"),
            Who::Sentinel(_) => "PUBLISH".to_owned(),
        };
        self.send(instance.link, &[publish.as_bytes(), HELLO_CHANNEL, payload.as_bytes()], expect);
    }

    /// Takes a hello, from whomever it came.
    pub fn hear(&mut self, now: Now, payload: &[u8]) {
        let Some(hello) = Hello::parse(payload).filter(|hello| hello.id != self.my_id) else { return };
        let Some(id) = self.find(hello.primary) else { return };
        let Ok(address) = Address::parse(hello.host, hello.port, self.globals.resolve_hostnames) else { return };
        let names = self.globals.resolve_hostnames;
        let Ok(primary_address) = Address::parse(hello.primary_host, hello.primary_port, names) else { return };
        if address.port == 0 || primary_address.port == 0 {
            return;
        }
        self.with_primary(id, |sentinel, primary| {
            sentinel.meet(now, primary, hello.id, address);
            sentinel.adopt_epoch(now, primary, hello.current_epoch);
            sentinel.adopt_configuration(now, primary, &hello, primary_address);
            if let Some(sister) = primary.sentinels.get_mut(hello.id) {
                sister.last_hello = now.instant;
            }
        });
    }

    /// Takes up another sentinel, or where it is now.
    fn meet(&mut self, now: Now, primary: &mut Primary, id: &str, address: Address) {
        let known = primary.sentinels.get(id);
        if known.is_some_and(|known| known.instance.address.is(&address)) {
            return;
        }
        let moved = known.is_some();
        if moved {
            let extra = format!(" ip {} port {} for {id}", address.shown(self.announces_names()), address.port);
            self.tell(now, LogLevel::Notice, "+sentinel-address-switch", (primary, &Who::Primary), &extra);
            self.remove_sister(primary, id);
        } else {
            self.forget_address(now, primary, &address);
        }
        if primary.sentinels.len() >= SENTINELS_MAX {
            return;
        }
        self.add_sister(now, primary, KnownSentinel { id: id.to_owned(), address: address.clone() });
        if moved {
            self.move_sister_elsewhere(now, primary, id, &address);
        } else {
            self.tell(now, LogLevel::Notice, "+sentinel", (primary, &Who::Sentinel(id.to_owned())), "");
        }
        self.save();
    }

    /// Where somebody new answers, the one who was known there cannot be: nobody waits for its vote any more.
    fn forget_address(&mut self, now: Now, primary: &mut Primary, address: &Address) {
        let found = primary.sentinels.iter().find(|(_, known)| known.instance.address.is(address));
        let Some(id) = found.map(|(id, _)| id.clone()) else { return };
        self.tell(now, LogLevel::Notice, "+sentinel-invalid-addr", (primary, &Who::Sentinel(id.clone())), "");
        self.remove_sister(primary, &id);
        let others: Vec<_> = self.primaries.keys().copied().collect();
        for other in others {
            self.with_primary(other, |sentinel, other| sentinel.remove_sister(other, &id));
        }
    }

    /// Adds a sentinel; the connection to it is shared with other primaries it watches.
    pub(super) fn add_sister(&mut self, now: Now, primary: &mut Primary, known: KnownSentinel) {
        let shared = self.primaries.values().find_map(|other| other.sentinels.get(&known.id));
        let link = match shared.map(|sister| sister.instance.link) {
            Some(link) => {
                self.links.share(link);
                link
            }
            None => self.links.open(now, Peer::Sentinel),
        };
        primary.sentinels.insert(known.id.clone(), Sister::new(now.instant, &known.id, known.address, link));
    }

    pub(super) fn remove_sister(&mut self, primary: &mut Primary, id: &str) {
        if let Some(sister) = primary.sentinels.remove(id) {
            self.leave_link(sister.instance.link);
        }
    }

    /// A sentinel that moved did so for all primaries it watches.
    fn move_sister_elsewhere(&mut self, now: Now, primary: &Primary, id: &str, address: &Address) {
        let mut moved = Vec::new();
        for other in self.primaries.values_mut() {
            if let Some(sister) = other.sentinels.get_mut(id)
                && !sister.instance.address.is(address)
            {
                sister.instance.address = address.clone();
                moved.push(sister.instance.link);
            }
        }
        let count = moved.len();
        for link in moved {
            self.hang_up(now, link);
        }
        if count > 0 {
            let extra = format!(" {count} additional matching instances");
            let who = Who::Sentinel(id.to_owned());
            self.tell(now, LogLevel::Notice, "+sentinel-address-update", (primary, &who), &extra);
        }
    }

    /// Goes by a newer epoch from now on.
    pub(super) fn adopt_epoch(&mut self, now: Now, primary: &Primary, epoch: u64) {
        if epoch > self.globals.current_epoch && epoch <= EPOCH_MAX {
            self.globals.current_epoch = epoch;
            self.save();
            self.tell_text(now, LogLevel::Warning, "+new-epoch", Some(primary), epoch.to_string());
        }
    }

    /// Takes over the outcome of a later failover than the last one we know of.
    fn adopt_configuration(&mut self, now: Now, primary: &mut Primary, hello: &Hello<'_>, address: Address) {
        if hello.config_epoch <= primary.config_epoch || !primary.sentinels.contains_key(hello.id) {
            return;
        }
        primary.config_epoch = hello.config_epoch;
        self.save();
        if primary.instance.address.is(&address) {
            return;
        }
        let who = Who::Sentinel(hello.id.to_owned());
        self.tell(now, LogLevel::Warning, "+config-update-from", (primary, &who), "");
        self.tell_switch(now, primary, &address);
        let from = primary.instance.address.clone();
        self.run_reconfig_script(now, primary, ReconfigRole::Observer, &from, &address);
        self.change_address(now, primary, address);
    }
}

impl Primary {
    /// Has the next look send hellos to everybody.
    pub(super) fn hello_at_once(&mut self) {
        for who in self.everybody() {
            if let Some(instance) = self.instance_mut(&who) {
                instance.last_hello_sent = None;
            }
        }
    }
}

/// The greatest epoch that is believed: one that could not grow any more would end all failovers.
pub(super) const EPOCH_MAX: u64 = i64::MAX as u64;

/// Other sentinels of one primary that are known at the same time.
const SENTINELS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::Hello;

    #[test]
    fn a_hello_has_eight_fields() {
        let id = "096a82fadabddd48cab392e4dffc389e1356ca62";
        let good = format!("127.0.0.1,27400,{id},3,mymaster,127.0.0.1,17400,2");
        let hello = Hello::parse(good.as_bytes()).unwrap();

        assert_eq!((hello.port, hello.current_epoch, hello.config_epoch), (27400, 3, 2));
        assert_eq!((hello.primary, hello.primary_port), ("mymaster", 17400));
        for bad in [
            String::new(),
            good.replace(id, "short"),
            good.replace(",3,", ",-3,"),
            good.replace(",3,", ",18446744073709551615,"),
            good.replace("17400", "x"),
            format!("{good},9"),
            good.trim_end_matches(",2").to_owned(),
        ] {
            assert_eq!(Hello::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
