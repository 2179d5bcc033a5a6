//! MONITOR: every command shown to those who asked to see them.

use std::ops::Range;

use slotmesh_engine::command::spec::{ADMIN, SKIP_MONITOR};
use slotmesh_engine::command::{Action, CommandId};
use slotmesh_engine::config::text::quote;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::time::Now;

use super::Node;
use super::conns::Role;
use super::timing::slowlog::{REDACTED, hidden_words};
use crate::machine::{ConnId, Peer};

impl Node {
    /// Shows a command to the monitors once it has run: with the database that it left selected, and behind its
    /// own reply if a monitor sent it (observed on Redis 7.0 and Valkey 9).
    pub(super) fn show_monitors(&mut self, now: Now, conn: ConnId, command: CommandId, args: Args<'_>) {
        if self.monitors == 0 || self.engine.registry().get(command).flags.any(SKIP_MONITOR | ADMIN) {
            return;
        }
        let hidden = hidden_words(&self.engine.registry().get(command).full_name, args);
        let line = self.monitor_line(now, conn, args, &hidden);
        let watching: Vec<_> = self
            .conns
            .clients()
            .filter(|(_, client)| client.role == Role::Monitor)
            .map(|(_, client)| client.session)
            .collect();
        for session in watching {
            self.engine.reply(session).raw(&line);
        }
    }

    /// An EXEC is shown even if it was refused, unlike any other command.
    pub(super) fn show_refused_exec(&mut self, now: Now, conn: ConnId, command: CommandId, args: Args<'_>) {
        if matches!(self.engine.registry().get(command).action, Some(Action::Exec)) {
            self.show_monitors(now, conn, command, args);
        }
    }

    fn monitor_line(&self, now: Now, conn: ConnId, args: Args<'_>, hidden: &Range<usize>) -> Vec<u8> {
        let db = self.conns.client(conn).map_or(0, |client| self.engine.session(client.session).db.0);
        let from = match self.conns.client(conn).map(|client| &client.peer) {
            Some(Peer::Unix { path }) => format!("unix:{path}"),
            _ => self.peer_text(conn),
        };
        let (seconds, micros) = (now.unix.seconds(), now.unix.micros().rem_euclid(1_000_000));
        let mut line = format!("+{seconds}.{micros:06} [{db} {from}]").into_bytes();
        for (index, arg) in args.iter().enumerate() {
            let arg = if hidden.contains(&index) { REDACTED } else { arg };
            line.push(b' ');
            line.extend_from_slice(&quote(arg));
        }
        line.extend_from_slice(b"\r\n");
        line
    }
}
