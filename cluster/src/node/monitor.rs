//! MONITOR: every command shown to those who asked to see them.

use slotmesh_engine::command::Resolved;
use slotmesh_engine::command::spec::{ADMIN, SKIP_MONITOR};
use slotmesh_engine::config::text::quote;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::time::Now;

use super::Node;
use super::conns::Role;
use crate::machine::{ConnId, Peer};

impl Node {
    /// Shows a command to the monitors before it runs.
    pub(super) fn show_monitors(&mut self, now: Now, conn: ConnId, command: Resolved, args: Args<'_>) {
        if self.monitors == 0 || command.flags.any(SKIP_MONITOR | ADMIN) || self.is_exec(command) {
            return;
        }
        let line = self.monitor_line(now, conn, args);
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

    fn monitor_line(&self, now: Now, conn: ConnId, args: Args<'_>) -> Vec<u8> {
        let db = self.conns.client(conn).map_or(0, |client| self.engine.session(client.session).db.0);
        let from = match self.conns.client(conn).map(|client| &client.peer) {
            Some(Peer::Unix { path }) => format!("unix:{path}"),
            _ => self.peer_text(conn),
        };
        let (seconds, micros) = (now.unix.seconds(), now.unix.micros().rem_euclid(1_000_000));
        let mut line = format!("+{seconds}.{micros:06} [{db} {from}]").into_bytes();
        for arg in args.iter() {
            line.push(b' ');
            line.extend_from_slice(&quote(arg));
        }
        line.extend_from_slice(b"\r\n");
        line
    }
}
