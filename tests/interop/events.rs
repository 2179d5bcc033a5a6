//! Keyspace events: the same commands publish the same messages in the same order.

use slotmesh_test_support::{Client, Peer, Reply, Server, require_peer};

use crate::{server_under_test, start};

#[test]
fn commands_publish_the_events_of_redis() {
    same_events(&require_peer!(Peer::RedisServer), |line| !line.starts_with(NEWER));
}

#[test]
fn commands_publish_the_events_of_valkey() {
    same_events(&require_peer!(Peer::ValkeyServer), |_| true);
}

fn same_events(reference: &std::path::Path, is_known: impl Fn(&str) -> bool) {
    let (ours, theirs) = (start(server_under_test(), &[]), start(reference.to_owned(), &[]));
    let (mut ours, mut theirs) = (Listener::connect(&ours), Listener::connect(&theirs));
    let mut differences = String::new();
    let lines = include_str!("events.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines.filter(|line| is_known(line)) {
        let command = line.trim_start_matches(NEWER);
        let (ours, theirs) = (ours.events_of(command), theirs.events_of(command));
        if ours != theirs {
            differences.push_str(&format!("{command}\n  ours    {ours:?}\n  theirs  {theirs:?}\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// A client that sends, one that hears what comes of it, and one that marks the end, whatever state the first is in.
struct Listener {
    sender: Client,
    hearer: Client,
    marker: Client,
}

impl Listener {
    fn connect(server: &Server) -> Self {
        let connect = || Client::connect(server.address()).expect("the server accepts");
        let mut listener = Self { sender: connect(), hearer: connect(), marker: connect() };
        // All classes, new keys and misses too, under both names.
        listener.sender.call(["CONFIG", "SET", "notify-keyspace-events", "KEAnm"]).expect("the classes are known");
        listener.hearer.call(["PSUBSCRIBE", "*"]).expect("patterns can be subscribed to");
        listener
    }

    /// The channels and messages that come of one command.
    fn events_of(&mut self, command: &str) -> Vec<String> {
        let words = command.split(' ').map(|word| if word == "\"\"" { "" } else { word });
        self.sender.call(words).expect("there is a reply");
        // What was published before has arrived before.
        self.marker.call(["PUBLISH", END, ""]).expect("there is a reply");
        let mut events = Vec::new();
        loop {
            let message = self.hearer.read().expect("the end is heard");
            let texts: Vec<String> = message.elements().unwrap_or_default().iter().map(text).collect();
            match &texts[..] {
                [_, _, channel, _] if channel == END => return events,
                [_, _, channel, payload] => events.push(format!("{channel} {payload}")),
                _ => panic!("{message:?} is no message"),
            }
        }
    }
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned()
}

/// The channel of the message behind a command's events.
const END: &str = "end";

/// What stands in front of commands that Redis 7.0 does not know, or does otherwise.
const NEWER: &str = "valkey: ";
