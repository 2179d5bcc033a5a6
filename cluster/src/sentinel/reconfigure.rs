//! Telling servers whom to follow, and going over to a new primary's address.

use slotmesh_engine::time::Now;

use super::Sentinel;
use super::address::Address;
use super::failover::{self, Failover};
use super::instance::{Instance, Primary, Role, Target, Who};
use super::link::{Expect, LinkId, Peer};
use super::script::ReconfigRole;
use crate::machine::LogLevel;

impl Sentinel {
    /// Tells a replica to follow `address`, or to be a primary. Returns whether it could be sent.
    pub(super) fn send_slaveof(
        &mut self,
        now: Now,
        primary: &Primary,
        replica: &str,
        address: Option<&Address>,
    ) -> bool {
        let who = Who::Replica(replica.to_owned());
        let Some(instance) = primary.instance(&who) else { return false };
        let link = instance.link;
        if !self.links.get(link).is_some_and(super::link::Link::is_usable) {
            return false;
        }
        let (host, port) = match address {
            Some(address) => (address.shown(self.announces_names()), address.port.to_string()),
            None => ("NO".to_owned(), "ONE".to_owned()),
        };
        let slaveof = primary.word("SLAVEOF");
        let (config, client) = (primary.word("CONFIG"), primary.word("CLIENT"));
        let mut requests = vec![words([&slaveof, &host, &port])];
        requests.extend(settle_clients(&config, &client));
        self.send_together(link, primary, requests, Expect::Anything);
        self.hurry(now);
        true
    }

    /// Asks the primary to hand over to a replica within the failover's time. Returns whether it could be sent.
    ///
    /// Clients are held back before, so that none writes between the two.
    pub(super) fn ask_to_hand_over(&mut self, now: Now, primary: &Primary, replica: &str) -> bool {
        let Some(target) = primary.instance(&Who::Replica(replica.to_owned())) else { return false };
        let link = primary.instance.link;
        let spent = failover::time_in_state(now, primary);
        let left = primary.settings.failover_timeout_ms.saturating_sub(spent);
        if left == 0 || !self.links.get(link).is_some_and(super::link::Link::is_usable) {
            return false;
        }
        let (client, failover) = (primary.word("CLIENT"), primary.word("FAILOVER"));
        let (host, port) = (target.address.shown(self.announces_names()), target.address.port.to_string());
        let left = left.to_string();
        let requests =
            vec![words([&client, "PAUSE", &left, "WRITE"]), words([&failover, "TO", &host, &port, "TIMEOUT", &left])];
        let answer = Expect::HandOver(Target { primary: primary.id, who: Who::Primary });
        self.send_together(link, primary, requests, answer);
        true
    }

    /// Ends a hand-over that took too long. Each on its own: a transaction would wait behind the pause that it ends.
    pub(super) fn take_hand_over_back(&mut self, primary: &Primary) {
        let (client, failover) = (primary.word("CLIENT"), primary.word("FAILOVER"));
        for request in [words([&failover, "ABORT"]), words([&client, "UNPAUSE"])] {
            self.send_words(primary.instance.link, &request);
        }
    }

    /// The hand-over is done: both servers write down what they are, and their clients ask again who the primary is.
    pub(super) fn complete_hand_over(&mut self, primary: &Primary, replica: &str) {
        let (config, client) = (primary.word("CONFIG"), primary.word("CLIENT"));
        for who in [Who::Primary, Who::Replica(replica.to_owned())] {
            let Some(instance) = primary.instance(&who) else { continue };
            let mut requests = settle_clients(&config, &client);
            requests.push(words([&client, "UNPAUSE"]));
            self.send_together(instance.link, primary, requests, Expect::Anything);
        }
    }

    /// Sends requests that are carried out all or not at all.
    fn send_together(&mut self, link: LinkId, primary: &Primary, requests: Vec<Vec<String>>, answer: Expect) {
        self.send_words(link, &[primary.word("MULTI")]);
        for request in requests {
            self.send_words(link, &request);
        }
        self.send(link, &[primary.word("EXEC").as_bytes()], answer);
    }

    fn send_words(&mut self, link: LinkId, request: &[String]) {
        let words: Vec<&[u8]> = request.iter().map(|word| word.as_bytes()).collect();
        self.send(link, &words, Expect::Anything);
    }

    /// Asks for news at once, whatever is on its way: behind a request of a failover, each of which is sent once. A
    /// server that does not do what it is told must not be told again at every answer.
    pub(super) fn ask_info(&mut self, primary: &Primary, who: &Who) {
        let (id, info) = (primary.id, primary.word("INFO"));
        let Some(instance) = primary.instance(who) else { return };
        let expect = Expect::Info(Target { primary: id, who: who.clone() });
        self.send(instance.link, &[info.as_bytes()], expect);
    }

    /// The failover is over: the promoted replica is the primary we watch from now on.
    pub(super) fn switch_to_promoted(&mut self, now: Now, primary: &mut Primary) {
        let address = primary.current_address().clone();
        self.tell_switch(now, primary, &address);
        self.change_address(now, primary, address);
    }

    pub(super) fn tell_switch(&mut self, now: Now, primary: &Primary, to: &Address) {
        let names = self.announces_names();
        let from = &primary.instance.address;
        let text = format!("{} {} {} {} {}", primary.name, from.shown(names), from.port, to.shown(names), to.port);
        self.tell_text(now, LogLevel::Warning, "+switch-master", Some(primary), text);
    }

    /// Watches another address under the same name; everybody else who was known becomes its replica.
    pub(super) fn change_address(&mut self, now: Now, primary: &mut Primary, address: Address) {
        let old = std::mem::replace(&mut primary.instance.address, address);
        let mut others: Vec<Address> =
            primary.replicas.values().map(|replica| replica.instance.address.clone()).collect();
        others.push(old);
        others.retain(|other| !other.is(&primary.instance.address));
        self.reset(now, primary);
        for other in others {
            self.add_replica(now, primary, other);
        }
        self.save();
    }

    /// Forgets what was found out about a primary but the other sentinels.
    pub(super) fn reset(&mut self, now: Now, primary: &mut Primary) {
        for (_, replica) in std::mem::take(&mut primary.replicas) {
            self.leave_link(replica.instance.link);
        }
        self.leave_link(primary.instance.link);
        let link = self.links.open(now, Peer::Server(primary.id));
        let address = primary.instance.address.clone();
        primary.instance = Instance::new(now.instant, address, link, Role::Primary);
        primary.o_down = None;
        primary.rebooted = None;
        primary.leader = None;
        primary.failover = Failover::none(now.instant);
        for sister in primary.sentinels.values_mut() {
            sister.says_down = false;
        }
    }

    /// Runs the operator's script for a new address.
    pub(super) fn run_reconfig_script(
        &mut self,
        now: Now,
        primary: &Primary,
        role: ReconfigRole,
        from: &Address,
        to: &Address,
    ) {
        let Some(script) = primary.settings.client_reconfig_script.clone() else { return };
        let names = self.announces_names();
        let argv = vec![
            script,
            primary.name.clone(),
            role.word().to_owned(),
            "start".to_owned(),
            from.shown(names),
            from.port.to_string(),
            to.shown(names),
            to.port.to_string(),
        ];
        self.scripts.push(now, argv);
    }
}

/// What a server does whose role has changed: it writes that down and cuts its clients off, so that they ask again who the
/// primary is; subscribers as well, because they would not notice.
fn settle_clients(config: &str, client: &str) -> Vec<Vec<String>> {
    vec![
        words([config, "REWRITE"]),
        words([client, "KILL", "TYPE", "normal"]),
        words([client, "KILL", "TYPE", "pubsub"]),
    ]
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

impl Primary {
    /// What a command is called at the servers of this group.
    pub(super) fn word(&self, command: &str) -> String {
        let renamed = self.settings.renames.get(&command.to_ascii_lowercase());
        renamed.map_or_else(|| command.to_owned(), Clone::clone)
    }
}
