//! What a sentinel does again and again: reconnect, ask, judge, and go on with failovers.

use slotmesh_engine::time::{Instant, Now};

use super::Sentinel;
use super::failover::FailoverState;
use super::instance::{Primary, Replica, Role, Target, Who};
use super::link::{Channel, Expect, LinkId, Peer, State, Wire};
use super::output::Output;
use crate::machine::LogLevel;

impl Sentinel {
    /// When [`Sentinel::tick`] is due.
    pub fn deadline(&self) -> Instant {
        self.next_tick
    }

    /// Lets time pass; does nothing before [`Sentinel::deadline`].
    pub fn tick(&mut self, now: Now) {
        if now.instant < self.next_tick {
            return;
        }
        // Sentinels that look at the same moment ask for votes at the same moment, and split them. What is done below may
        // have a reason to look again sooner.
        self.next_tick = now.instant.plus_millis(1000 / (HZ + self.rng.below(HZ)));
        self.check_clock(now);
        let ids: Vec<_> = self.primaries.keys().copied().collect();
        for id in ids {
            self.with_primary(id, |sentinel, primary| sentinel.tick_primary(now, primary));
        }
        let Self { scripts, periods, outputs, .. } = self;
        for line in scripts.tick(now, periods, outputs) {
            self.tell_text(now, LogLevel::Warning, "-script-timeout", None, line);
        }
    }

    /// Has the next look at everything at once: something came that others wait for.
    pub(super) fn hurry(&mut self, now: Now) {
        self.next_tick = self.next_tick.min(now.instant);
    }

    /// A clock that jumps, or a process that was stopped, makes every age wrong: nothing is decided for a while.
    fn check_clock(&mut self, now: Now) {
        let before = self.last_tick.replace(now.unix.millis());
        let gap = before.map_or(0, |before| now.unix.millis() - before);
        if u64::try_from(gap).map_or(true, |gap| gap > self.periods.tilt_trigger) {
            self.tilt = Some(now.instant);
            self.tilts += 1;
            self.tell_text(now, LogLevel::Warning, "+tilt", None, "#tilt mode entered".to_owned());
        } else if self.tilt.is_some_and(|since| now.instant.millis_since(since) >= self.periods.tilt) {
            self.tilt = None;
            self.tell_text(now, LogLevel::Warning, "-tilt", None, "#tilt mode exited".to_owned());
        }
    }

    fn tick_primary(&mut self, now: Now, primary: &mut Primary) {
        for who in primary.everybody() {
            self.reconnect(now, primary, &who);
            self.send_periodic(now, primary, &who);
            if self.tilt.is_some() {
                continue;
            }
            self.check_down(now, primary, &who);
            if who == Who::Primary {
                self.check_objectively_down(now, primary);
                if self.should_fail_over(now, primary) {
                    self.begin_failover(now, primary);
                }
                self.go_on_failing_over(now, primary);
                self.ask_sentinels(now, primary);
            }
        }
        if primary.failover.state == FailoverState::UpdateConfig {
            self.switch_to_promoted(now, primary);
        }
    }

    // --- connections ------------------------------------------------------------------------------------------

    /// Dials what is missing of an instance's link, at most once in a while.
    fn reconnect(&mut self, now: Now, primary: &Primary, who: &Who) {
        let Some(instance) = primary.instance(who) else { return };
        let (host, port) = (instance.address.host().to_owned(), instance.address.port);
        let period = self.periods.ping;
        let Some(link) = self.links.get_mut(instance.link) else { return };
        let is_early = link.last_dial.is_some_and(|at| now.instant.millis_since(at) < period);
        if !link.is_disconnected || port == 0 || is_early {
            return;
        }
        link.last_dial = Some(now.instant);
        link.is_disconnected = false;
        for &channel in link.channels() {
            if link.connection(channel).state == State::Closed {
                link.connection_mut(channel).dial(now.instant);
                match channel {
                    // One that does not even let us in is as silent as one that does not answer.
                    Channel::Command => link.pinged(now.instant),
                    Channel::PubSub => link.last_message = now.instant,
                }
                let wire = Wire { link: instance.link, channel };
                self.outputs.push_back(Output::Dial { wire, host: host.clone(), port });
            }
        }
    }

    /// Gives a connection up; it is dialled again later.
    pub(super) fn drop_wire(&mut self, now: Now, wire: Wire) {
        let Some(link) = self.links.get_mut(wire.link) else { return };
        if link.connection(wire.channel).state != State::Closed {
            link.connection_mut(wire.channel).closed(now.instant);
            link.is_disconnected = true;
            self.outputs.push_back(Output::Drop(wire));
        }
    }

    /// An instance does not use its link any more.
    pub(super) fn leave_link(&mut self, id: LinkId) {
        let dropped = self.links.leave(id);
        self.outputs.extend(dropped.into_iter().map(Output::Drop));
    }

    /// Gives both connections of a link up.
    pub(super) fn hang_up(&mut self, now: Now, id: LinkId) {
        for channel in [Channel::Command, Channel::PubSub] {
            self.drop_wire(now, Wire { link: id, channel });
        }
    }

    /// Sends a request on a link's command channel.
    pub(super) fn send(&mut self, id: LinkId, words: &[&[u8]], expect: Expect) {
        self.send_on(Wire { link: id, channel: Channel::Command }, words, expect);
    }

    pub(super) fn send_on(&mut self, wire: Wire, words: &[&[u8]], expect: Expect) {
        let Some(link) = self.links.get_mut(wire.link) else { return };
        let connection = link.connection_mut(wire.channel);
        if connection.state != State::Open {
            return;
        }
        connection.awaited.push_back(expect);
        let mut bytes = Vec::new();
        slotmesh_engine::resp::reply::write_request(&mut bytes, words.iter().copied());
        self.outputs.push_back(Output::Send(wire, bytes));
    }

    // --- periodic requests ------------------------------------------------------------------------------------

    fn send_periodic(&mut self, now: Now, primary: &Primary, who: &Who) {
        let id = primary.id;
        let info_period = self.info_period(primary, who);
        let ping_period = primary.settings.down_after_ms.min(self.periods.ping);
        let Some(instance) = primary.instance(who) else { return };
        let Some(link) = self.links.get(instance.link) else { return };
        if !link.is_usable() || link.command.awaited.len() >= PENDING_MAX * link.users as usize {
            return;
        }
        let wire = instance.link;
        let is_server = matches!(link.peer, Peer::Server(_));
        let pings = now.instant.millis_since(link.last_reply) > ping_period
            && link.last_ping.is_none_or(|at| now.instant.millis_since(at) > ping_period / 2);
        let asks = is_server
            && !link.awaits_info()
            && instance.report.at.is_none_or(|at| now.instant.millis_since(at) > info_period);
        let says_hello = instance.last_hello_sent.is_none_or(|at| now.instant.millis_since(at) > self.periods.publish);
        if asks {
            let info = primary.word("INFO");
            self.send(wire, &[info.as_bytes()], Expect::Info(Target { primary: id, who: who.clone() }));
        }
        if pings {
            let ping = if is_server { primary.word("PING") } else { "PING".to_owned() };
            self.ping(now, wire, &ping);
        }
        // A primary that hands over holds publishers back, and with them whatever comes behind on the same connection.
        let holds_back = *who == Who::Primary && primary.failover.awaits_hand_over();
        if says_hello && self.is_durable() && !holds_back {
            self.say_hello(primary, who);
        }
    }

    /// Replicas are asked more often while much happens to them, and all the time while clients are held back for one.
    fn info_period(&self, primary: &Primary, who: &Who) -> u64 {
        if let Who::Replica(name) = who
            && primary.failover.awaits_hand_over()
            && primary.failover.promoted.as_ref() == Some(name)
        {
            return AWAITED_INFO_PERIOD_MS.min(self.periods.info);
        }
        let is_busy = match who {
            Who::Replica(name) => {
                let lacks_link =
                    |replica: &Replica| replica.instance.report.role == Role::Replica && !replica.is_link_up;
                let link_down = primary.replicas.get(name).is_some_and(lacks_link);
                primary.o_down.is_some() || primary.failover.is_in_progress() || link_down
            }
            Who::Primary | Who::Sentinel(_) => false,
        };
        if is_busy { BUSY_INFO_PERIOD_MS.min(self.periods.info) } else { self.periods.info }
    }

    pub(super) fn ping(&mut self, now: Now, link: LinkId, word: &str) {
        if let Some(found) = self.links.get_mut(link) {
            found.pinged(now.instant);
        }
        self.send(link, &[word.as_bytes()], Expect::Ping);
    }
}

/// Looks per second at the least, and how many more by chance.
const HZ: u64 = 10;

/// Replies of one instance that may be on their way, for each primary that shares its link.
const PENDING_MAX: usize = 100;

/// Between two INFO to a replica to which the primary hands over, in milliseconds.
const AWAITED_INFO_PERIOD_MS: u64 = 50;

/// Between two INFO to a replica whose primary is down, in milliseconds.
const BUSY_INFO_PERIOD_MS: u64 = 1_000;
