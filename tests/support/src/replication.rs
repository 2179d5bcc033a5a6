//! What a test asks of servers that replicate: their role, their offsets, whether one has all of another.

use std::time::Duration;

use crate::client::Client;
use crate::launch::Server;
use crate::reply::Reply;
use crate::wait::poll_until;

/// What ROLE says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// `master`: offset of the log and the number of online replicas.
    Primary {
        /// Bytes ever logged.
        offset: i64,
        /// Replicas that follow.
        replicas: usize,
    },
    /// `slave`: state of the link and the offset processed.
    Replica {
        /// `connect`, `connecting`, `sync`, `connected` ..
        state: String,
        /// Bytes processed; -1 without a link.
        offset: i64,
    },
}

/// Asks a server for its role.
///
/// # Panics
/// When the answer is no role.
pub fn role(client: &mut Client) -> Role {
    let reply = client.call(["ROLE"]).expect("ROLE is answered");
    parse(&reply).unwrap_or_else(|| panic!("no role: {reply:?}"))
}

/// A field of INFO.
///
/// # Panics
/// When INFO is not answered with text.
pub fn info(client: &mut Client, section: &str, field: &str) -> Option<String> {
    let reply = client.call(["INFO", section]).expect("INFO is answered");
    let text = String::from_utf8_lossy(reply.text().unwrap_or_else(|| panic!("no text: {reply:?}"))).into_owned();
    text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))
}

/// A field of INFO that is a number.
///
/// # Panics
/// When the field is not there or no number.
pub fn info_number(client: &mut Client, section: &str, field: &str) -> i64 {
    let value = info(client, section, field).unwrap_or_else(|| panic!("INFO {section} has no {field}"));
    value.parse().unwrap_or_else(|_| panic!("{field} is no number: {value}"))
}

/// Makes one server the replica of another address and waits until it follows.
///
/// # Panics
/// When it does not in [`FOLLOW_LIMIT`].
pub fn follow(replica: &Server, port: u16) {
    let reply = replica.client().call(["REPLICAOF", "127.0.0.1", &port.to_string()]).expect("REPLICAOF is answered");
    assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
    wait_connected(replica);
}

/// Waits until the link of a replica is up.
///
/// # Panics
/// When it is not in [`FOLLOW_LIMIT`].
pub fn wait_connected(replica: &Server) {
    let mut client = replica.client();
    let is_up = || matches!(role(&mut client), Role::Replica { state, .. } if state == "connected").then_some(());
    poll_until("the link to the primary", FOLLOW_LIMIT, is_up).unwrap_or_else(|timeout| panic!("{timeout}"));
}

/// Waits until a replica is connected and has processed all that its primary has logged.
///
/// # Panics
/// When it has not in [`FOLLOW_LIMIT`].
pub fn wait_caught_up(primary: &Server, replica: &Server) {
    let (mut above, mut below) = (primary.client(), replica.client());
    let mut last = None;
    let is_equal = || {
        let (above, below) = (role(&mut above), role(&mut below));
        let wanted = match above {
            Role::Primary { offset, .. } | Role::Replica { offset, .. } => offset,
        };
        let is_equal = matches!(&below, Role::Replica { state, offset } if state == "connected" && *offset == wanted);
        last = Some((above, below));
        is_equal.then_some(())
    };
    let caught_up = poll_until("equal offsets", FOLLOW_LIMIT, is_equal);
    caught_up.unwrap_or_else(|timeout| panic!("{timeout}: {last:?}"));
}

fn parse(reply: &Reply) -> Option<Role> {
    let parts = reply.elements()?;
    match parts.first()?.text()? {
        b"master" => {
            let replicas = parts.get(2)?.elements()?.len();
            Some(Role::Primary { offset: parts.get(1)?.integer()?, replicas })
        }
        b"slave" => {
            let state = String::from_utf8_lossy(parts.get(3)?.text()?).into_owned();
            Some(Role::Replica { state, offset: parts.get(4)?.integer()? })
        }
        _ => None,
    }
}

/// Longest wait for a synchronisation; on an idle machine it takes about a second.
pub const FOLLOW_LIMIT: Duration = Duration::from_secs(40);
