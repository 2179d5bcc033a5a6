//! A link as it comes up, synchronises, breaks and resumes.

use std::time::Duration;

use slotmesh_engine::time::{Instant, Now};

use super::{Link, LinkConfig, LinkState, LoadTarget, Output};
use crate::handshake::Identity;
use crate::offset::{Offset, Replid};

const ID: &str = "ef4794627cd69f7549b6f1b10b9bb4ab8290fe0d";
const OTHER_ID: &str = "770661bf3740cbb172ef72463f5ed531df737333";

/// A link with what it said so far.
struct Replica {
    link: Link,
    now: Now,
    sent: String,
    notes: Vec<String>,
    rdb: Vec<u8>,
    events: Vec<String>,
}

impl Replica {
    fn new() -> Self {
        let identity = Identity { port: 7002, ..Identity::default() };
        let config = LinkConfig { identity, timeout: Duration::from_secs(60), load: LoadTarget::Parser };
        let now = Now { instant: Instant(5_000_000), ..Now::default() };
        let mut replica =
            Self { link: Link::new(config), now, sent: String::new(), notes: vec![], rdb: vec![], events: vec![] };
        replica.link.follow(now, "10.0.0.1", 7001, None);
        replica.drain();
        replica
    }

    fn drain(&mut self) {
        while let Some(output) = self.link.poll() {
            match output {
                Output::Note(note) => self.notes.push(note.text),
                Output::Rdb(bytes) => self.rdb.extend_from_slice(&bytes),
                Output::Send(bytes) => self.sent.push_str(&String::from_utf8(bytes).unwrap()),
                event @ (Output::Close
                | Output::Continue { .. }
                | Output::Dial { .. }
                | Output::FullSync { .. }
                | Output::HandedOver { .. }
                | Output::RdbAborted
                | Output::RdbEnd) => self.events.push(format!("{event:?}")),
            }
        }
    }

    fn feed(&mut self, bytes: &str) -> usize {
        let used = self.link.received(self.now, bytes.as_bytes());
        self.drain();
        used
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now.plus(Duration::from_millis(millis));
        self.link.tick(self.now);
        self.drain();
    }

    /// Goes through the handshake; returns what was asked with PSYNC.
    fn greet(&mut self) -> String {
        self.link.connected(self.now);
        self.drain();
        self.feed("+PONG\r\n");
        self.sent.clear();
        self.feed("+OK\r\n+OK\r\n+OK\r\n");
        std::mem::take(&mut self.sent)
    }

    fn synchronise(&mut self) {
        self.greet();
        self.feed(&format!("+FULLRESYNC {ID} 10944\r\n$5\r\nREDIS"));
        assert!(self.link.loaded(self.now).is_empty());
        self.drain();
    }

    fn take_events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }

    fn has_note(&self, text: &str) -> bool {
        self.notes.iter().any(|note| note.contains(text))
    }
}

#[test]
fn an_offset_that_leaves_no_room_for_the_stream_is_refused() {
    let mut replica = Replica::new();
    replica.greet();

    replica.feed(&format!("+FULLRESYNC {ID} 18446744073709551615\r\n"));

    assert!(replica.has_note("Master replied with wrong +FULLRESYNC syntax."));
    assert_eq!(replica.take_events(), ["Dial { host: \"10.0.0.1\", port: 7001 }", "Close"]);
}

#[test]
fn a_full_synchronisation_goes_as_on_a_real_replica() {
    let mut replica = Replica::new();
    assert_eq!(replica.take_events(), [r#"Dial { host: "10.0.0.1", port: 7001 }"#]);
    assert_eq!(replica.notes, ["Connecting to MASTER 10.0.0.1:7001", "MASTER <-> REPLICA sync started"]);
    assert_eq!(replica.link.state(), LinkState::Connecting);

    assert_eq!(replica.greet(), "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
    assert_eq!(replica.link.state(), LinkState::Handshake);
    let mark = "7e8c21c49b16d09993031834775d2e8e6b46d53f";
    replica.feed(&format!("\n\n+FULLRESYNC {ID} 10944\r\n$EOF:{mark}\r\nREDIS0010"));
    assert_eq!(replica.link.state(), LinkState::Sync);
    replica.feed("rest");
    replica.feed(&mark[..11]);
    replica.feed(&mark[11..]);
    assert_eq!(replica.rdb, b"REDIS0010rest");
    let history = format!("FullSync {{ history: Some(({ID}, Offset(10944))), size: None }}");
    assert_eq!(replica.take_events(), [history, "RdbEnd".to_owned()]);

    replica.link.loaded(replica.now);
    replica.drain();
    assert_eq!(replica.sent, "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$5\r\n10944\r\n");
    assert_eq!(replica.link.state(), LinkState::Connected);
    for text in [
        "Partial resynchronization not possible (no cached master)",
        "Full resync from master: ef4794627cd69f7549b6f1b10b9bb4ab8290fe0d:10944",
        "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to parser",
        "MASTER <-> REPLICA sync: Finished with success",
    ] {
        assert!(replica.has_note(text), "{text}");
    }
}

#[test]
fn the_stream_after_a_sized_snapshot_waits_for_the_load() {
    let mut replica = Replica::new();
    replica.greet();
    let text = format!("+FULLRESYNC {ID} 1\r\n\n\n$5\r\nREDIS*1\r\n");

    assert_eq!(replica.feed(&text), text.len());
    assert_eq!(replica.link.loaded(replica.now), b"*1\r\n");
    assert_eq!(replica.feed("$4\r\nping\r\n"), 0);
}

#[test]
fn input_cut_anywhere_means_the_same() {
    let text = format!("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n\n+FULLRESYNC {ID} 1\r\n\n$5\r\nREDIS");
    for cut in 0..text.len() {
        let mut replica = Replica::new();
        replica.link.connected(replica.now);
        replica.feed(&text[..cut]);
        replica.feed(&text[cut..]);

        assert_eq!(replica.rdb, b"REDIS", "cut at {cut}");
        assert_eq!(replica.events.last().unwrap(), "RdbEnd");
    }
}

#[test]
fn a_lost_stream_is_resumed_from_the_applied_offset() {
    let mut replica = Replica::new();
    replica.synchronise();
    replica.link.applied(Offset(11_008));
    replica.take_events();
    replica.link.closed(replica.now, "Connection reset by peer");
    replica.drain();

    assert!(replica.has_note("Connection with master lost."));
    assert!(replica.has_note("Caching the disconnected master state."));
    assert!(replica.has_note("Reconnecting to MASTER 10.0.0.1:7001"));
    assert_eq!(replica.take_events(), [r#"Dial { host: "10.0.0.1", port: 7001 }"#]);
    assert_eq!(replica.greet(), format!("*3\r\n$5\r\nPSYNC\r\n$40\r\n{ID}\r\n$5\r\n11009\r\n"));

    let text = format!("+CONTINUE {OTHER_ID}\r\n*1\r\n$4\r\nping\r\n");
    assert_eq!(replica.feed(&text), text.len() - 14);
    assert_eq!(replica.take_events(), [format!("Continue {{ replid: Some({OTHER_ID}) }}")]);
    assert!(replica.has_note(&format!("Master replication ID changed to {OTHER_ID}")));
    let resumed = (Replid::parse(OTHER_ID.as_bytes()).unwrap(), Offset(11_008));
    assert_eq!(replica.link.resumable(), Some(resumed));
}

#[test]
fn a_new_replica_offers_its_own_history() {
    let mut replica = Replica::new();
    let own = (Replid::parse(ID.as_bytes()).unwrap(), Offset(9));
    replica.link.follow(replica.now, "10.0.0.2", 7005, Some(own));
    replica.drain();

    assert_eq!(replica.greet(), format!("*3\r\n$5\r\nPSYNC\r\n$40\r\n{ID}\r\n$2\r\n10\r\n"));
    replica.feed("+CONTINUE\r\n");
    assert!(replica.link.is_streaming());
}

#[test]
fn a_refused_resume_ends_in_a_full_synchronisation() {
    let mut replica = Replica::new();
    replica.synchronise();
    replica.link.closed(replica.now, "x");
    replica.drain();
    replica.greet();
    replica.feed(&format!("+FULLRESYNC {OTHER_ID} 5\r\n$9\r\n"));

    assert!(replica.has_note("Discarding previously cached master state."));
    assert_eq!(replica.link.resumable(), None);
}

#[test]
fn a_primary_that_cannot_yet_is_asked_again_a_second_later() {
    let mut replica = Replica::new();
    replica.greet();
    replica.take_events();
    replica.feed("-NOMASTERLINK Can't SYNC while not connected with my master\r\n");
    assert_eq!(replica.take_events(), ["Close"]);
    assert_eq!(replica.link.state(), LinkState::Connect);

    replica.wait(999);
    assert!(replica.take_events().is_empty());
    replica.wait(1);
    assert_eq!(replica.take_events().len(), 1);
}

#[test]
fn a_primary_without_psync_is_asked_with_sync() {
    let mut replica = Replica::new();
    replica.greet();
    replica.feed("-ERR unknown command 'PSYNC'\r\n");
    assert_eq!(replica.sent, "SYNC\r\n");
    replica.sent.clear();
    replica.feed("$5\r\nREDIS");
    replica.link.loaded(replica.now);
    replica.wait(1000);

    assert!(replica.link.is_streaming());
    assert_eq!(replica.sent, "", "such a primary is sent no acknowledgements");
}

#[test]
fn acknowledgements_leave_each_second() {
    let mut replica = Replica::new();
    replica.synchronise();
    replica.sent.clear();
    replica.link.applied(Offset(11_000));
    replica.wait(500);
    assert_eq!(replica.sent, "");
    replica.wait(500);
    assert_eq!(replica.sent, "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$5\r\n11000\r\n");
}

#[test]
fn a_silent_primary_is_given_up_after_the_timeout() {
    let mut replica = Replica::new();
    replica.synchronise();
    replica.take_events();
    replica.wait(60_000);
    assert!(replica.take_events().is_empty());
    replica.wait(1);

    assert!(replica.has_note("MASTER timeout: no data nor PING received..."));
    assert_eq!(replica.take_events(), ["Close", r#"Dial { host: "10.0.0.1", port: 7001 }"#]);
    assert!(replica.link.resumable().is_some());
}

#[test]
fn a_broken_transfer_is_forgotten() {
    let mut replica = Replica::new();
    replica.greet();
    replica.feed(&format!("+FULLRESYNC {ID} 1\r\n$50\r\nREDIS"));
    replica.take_events();
    replica.link.closed(replica.now, "connection lost");
    replica.drain();

    assert_eq!(replica.take_events(), ["RdbAborted"]);
    assert!(replica.has_note("I/O error trying to sync with MASTER: connection lost"));
    assert_eq!(replica.link.resumable(), None);
}

#[test]
fn a_transfer_to_a_file_that_breaks_leaves_the_old_history_resumable() {
    let mut replica = Replica::new();
    replica.synchronise();
    let identity = Identity { port: 7002, ..Identity::default() };
    let config = LinkConfig { identity, timeout: Duration::from_secs(60), load: LoadTarget::Disk };
    replica.link.configure(config);
    replica.link.closed(replica.now, "x");
    replica.drain();
    replica.greet();
    replica.feed(&format!("+FULLRESYNC {OTHER_ID} 5\r\n$9\r\nREDIS"));
    replica.link.closed(replica.now, "x");

    assert_eq!(replica.link.resumable(), Some((Replid::parse(ID.as_bytes()).unwrap(), Offset(10_944))));
}

#[test]
fn random_bytes_from_a_primary_never_panic() {
    let seed = 8;
    let mut rng = slotmesh_engine::rng::Rng::new(seed);
    let words =
        ["+OK\r\n", "+PONG\r\n", "+FULLRESYNC ", ID, " 12\r\n", "$5\r\n", "$EOF:", "\n", "-", "+CONTINUE", "\0\u{7f}"];
    for round in 0..3000 {
        let mut replica = Replica::new();
        replica.link.connected(replica.now);
        for _ in 0..rng.index(30) {
            let used = replica.feed(words[rng.index(words.len())]);
            assert!(used > 0 || replica.link.is_streaming(), "seed {seed} round {round}");
        }
        replica.wait(1000 * rng.below(70));
        let deadline = replica.link.deadline().unwrap();
        assert!(deadline > replica.now.instant, "seed {seed} round {round}: {:?}", replica.link.state());
    }
}

#[test]
fn signs_of_life_leave_while_loading() {
    let mut replica = Replica::new();
    replica.greet();
    replica.feed(&format!("+FULLRESYNC {ID} 1\r\n$5\r\nREDIS"));
    replica.sent.clear();
    replica.wait(1000);
    replica.wait(1000);

    assert_eq!(replica.sent, "\n\n");
}

#[test]
fn nonsense_from_the_primary_ends_the_attempt() {
    for (text, note) in [
        ("+FULLRESYNC x 1\r\n", "Master replied with wrong +FULLRESYNC syntax."),
        ("+CONTINUE\r\n", "Master continued a replication history that was not asked for"),
    ] {
        let mut replica = Replica::new();
        replica.greet();
        replica.feed(text);
        assert!(replica.has_note(note), "{text}");
        assert_eq!(replica.link.state(), LinkState::Connect);
    }
    for (text, note) in [
        ("-ERR no\r\n", "MASTER aborted replication with an error: ERR no"),
        ("+OK\r\n", "Bad protocol from MASTER, the first byte is not '$'"),
        ("$-5\r\n", "Bad protocol from MASTER"),
    ] {
        let mut replica = Replica::new();
        replica.greet();
        replica.feed(&format!("+FULLRESYNC {ID} 1\r\n{text}"));
        assert!(replica.has_note(note), "{text}");
    }
    let mut replica = Replica::new();
    replica.greet();
    replica.feed(&"x".repeat(5000));
    assert_eq!(replica.link.state(), LinkState::Connect);
}

#[test]
fn a_corrupt_stream_costs_a_full_synchronisation() {
    let mut replica = Replica::new();
    replica.synchronise();
    replica.take_events();
    replica.link.stream_corrupt(replica.now);
    replica.drain();

    assert_eq!(replica.take_events(), ["Close"]);
    assert!(replica.has_note("WARNING: Receiving inline protocol from master, master stream corruption?"));
    assert_eq!(replica.link.resumable(), None);
}

#[test]
fn info_shows_the_link() {
    let mut replica = Replica::new();
    let info = replica.link.info(replica.now).unwrap();
    assert_eq!((info.last_io_secs, info.down_since_secs), (None, None));
    replica.greet();
    replica.feed(&format!("+FULLRESYNC {ID} 1\r\n$10\r\nREDIS"));
    let sync = replica.link.info(replica.now).unwrap().sync.unwrap();
    assert_eq!((sync.total_bytes, sync.read_bytes), (10, 5));
    replica.feed("01234");
    replica.link.loaded(replica.now);
    replica.wait(900);
    replica.wait(1100);
    assert_eq!(replica.link.info(replica.now).unwrap().last_io_secs, Some(2));
    replica.link.closed(replica.now, "x");
    replica.wait(7000);
    assert_eq!(replica.link.info(replica.now).unwrap().down_since_secs, Some(7));
    replica.link.unfollow();
    assert_eq!(replica.link.info(replica.now), None);
}
