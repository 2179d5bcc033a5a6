//! Who is down: in our own opinion, and in that of enough sentinels.

use slotmesh_engine::time::Now;

use super::Sentinel;
use super::instance::{Primary, Role, Who};
use super::link::{Channel, State, Wire};
use crate::machine::LogLevel;

impl Sentinel {
    /// Judges one instance by how long it has been silent.
    pub(super) fn check_down(&mut self, now: Now, primary: &mut Primary, who: &Who) {
        self.give_up_deaf_connections(now, primary, who);
        let down_after = primary.settings.down_after_ms;
        let Some(instance) = primary.instance(who) else { return };
        let silent = self.links.get(instance.link).map_or(0, |link| link.silent_ms(now.instant));
        let mut is_down = silent > down_after;
        if *who == Who::Primary {
            // One that says it is a replica is not the one we watch, and others may have made it so.
            let demoted = down_after.saturating_add(2 * self.periods.info);
            let report = &instance.report;
            is_down |= report.role == Role::Replica && now.instant.millis_since(report.role_since) > demoted;
            // One that was restarted may have lost its data: when it takes its time, a replica takes over.
            let patience = primary.settings.reboot_down_after_ms;
            is_down |= primary.rebooted.is_some_and(|since| now.instant.millis_since(since) > patience);
        }
        let Some(instance) = primary.instance_mut(who) else { return };
        match (is_down, instance.down) {
            (true, None) => {
                instance.down = Some(now.instant);
                instance.went_down = Some(now.instant);
                self.tell(now, LogLevel::Warning, "+sdown", (primary, who), "");
            }
            (false, Some(_)) => {
                instance.down = None;
                instance.script_kill_sent = false;
                self.tell(now, LogLevel::Warning, "-sdown", (primary, who), "");
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// A connection can be dead without anybody having said so.
    fn give_up_deaf_connections(&mut self, now: Now, primary: &Primary, who: &Who) {
        let Some(instance) = primary.instance(who) else { return };
        let Some(link) = self.links.get(instance.link) else { return };
        let half = primary.settings.down_after_ms / 2;
        let age = |channel: Channel| {
            let connection = link.connection(channel);
            if connection.state == State::Closed { 0 } else { now.instant.millis_since(connection.since) }
        };
        let least_age = self.periods.min_link_reconnect;
        let unanswered = link.unanswered_since.is_some_and(|since| now.instant.millis_since(since) > half);
        let deaf_command =
            age(Channel::Command) > least_age && unanswered && now.instant.millis_since(link.last_reply) > half;
        let silence = now.instant.millis_since(link.last_message);
        let deaf_messages = age(Channel::PubSub) > least_age && silence > 3 * self.periods.publish;
        for (deaf, channel, event) in [
            (deaf_command, Channel::Command, "-cmd-link-reconnection"),
            (deaf_messages, Channel::PubSub, "-pubsub-link-reconnection"),
        ] {
            if deaf {
                self.drop_wire(now, Wire { link: instance.link, channel });
                self.tell(now, LogLevel::Debug, event, (primary, who), "");
            }
        }
    }

    /// Counts the sentinels that say the primary is down.
    pub(super) fn check_objectively_down(&mut self, now: Now, primary: &mut Primary) {
        let quorum = primary.settings.quorum;
        let others = primary.sentinels.values().filter(|sister| sister.says_down).count() as u32;
        let count = others + 1;
        let is_down = primary.instance.down.is_some() && count >= quorum;
        match (is_down, primary.o_down) {
            (true, None) => {
                primary.o_down = Some(now.instant);
                let extra = format!(" #quorum {count}/{quorum}");
                self.tell(now, LogLevel::Warning, "+odown", (primary, &Who::Primary), &extra);
            }
            (false, Some(_)) => {
                primary.o_down = None;
                self.warn(now, "-odown", primary);
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}
