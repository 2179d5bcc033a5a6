//! Replicas as they come, synchronise, lag and go.

use std::time::Duration;

use bytes::Bytes;
use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now};

use super::{FeedConfig, Feeds, Origin, Output, PeerId, Psync, ReplconfReply, Standing, SyncForm, SyncGate};
use crate::disk::{DiskOp, DiskResult, Tickets};
use crate::log::Log;
use crate::offset::Offset;
use crate::wait::{Depth, Ended, Local, Places, Wait, WaitId, Waits, Written};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);
const SET: &[u8] = b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n";

/// A primary as a node would drive it.
struct Primary {
    feeds: Feeds,
    log: Log,
    rng: Rng,
    tickets: Tickets,
    now: Now,
    outs: [OutBuf; 3],
    notes: Vec<String>,
    closed: Vec<PeerId>,
    ops: Vec<(crate::disk::Ticket, DiskOp)>,
    kept: bool,
}

impl Primary {
    fn new(config: FeedConfig) -> Self {
        let mut rng = Rng::new(5);
        let now = Now { instant: Instant(1_000_000), ..Now::default() };
        Self {
            feeds: Feeds::new(now, config),
            log: Log::new(&mut rng, 1 << 20),
            rng,
            tickets: Tickets::default(),
            now,
            outs: Default::default(),
            notes: Vec::new(),
            closed: Vec::new(),
            ops: Vec::new(),
            kept: false,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.feeds.poll() {
            match output {
                Output::Close(peer) => self.closed.push(peer),
                Output::Disk(ticket, op) => self.ops.push((ticket, op)),
                Output::FileSettled(kept) => self.kept = kept,
                Output::Note(note) => self.notes.push(note.text),
                Output::Ready(peer) => {
                    let out = &mut self.outs[peer.0 as usize];
                    self.feeds.fill(self.now, peer, &mut self.log, out, &mut self.tickets);
                }
            }
        }
    }

    fn received(&mut self, peer: PeerId) -> Vec<u8> {
        self.drain();
        let mut bytes = Vec::new();
        self.outs[peer.0 as usize].take_into(&mut bytes);
        bytes
    }

    fn received_text(&mut self, peer: PeerId) -> String {
        String::from_utf8(self.received(peer)).unwrap()
    }

    fn replconf(&mut self, peer: PeerId, args: &[&str]) -> ReplconfReply {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        self.feeds.replconf(self.now, peer, &origin(), &args)
    }

    fn greet(&mut self, peer: PeerId) {
        assert_eq!(self.replconf(peer, &["listening-port", "7002"]), ReplconfReply::Ok);
        assert_eq!(self.replconf(peer, &["capa", "eof", "capa", "psync2"]), ReplconfReply::Ok);
    }

    fn psync(&mut self, peer: PeerId, id: &[u8], offset: &str) -> Result<(), String> {
        let gate = SyncGate::Open;
        let request = Psync { peer, origin: &origin(), gate, id, offset: offset.as_bytes() };
        let result = self.feeds.psync(self.now, request, &mut self.log, &mut self.rng);
        self.drain();
        result
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now.plus(Duration::from_millis(millis));
        let (now, log, rng) = (self.now, &mut self.log, &mut self.rng);
        self.feeds.tick(now, Standing::Primary, log, rng, &mut self.tickets);
        self.drain();
    }

    fn write(&mut self) {
        self.log.append(0, SET);
        self.feeds.log_grew(&self.log);
        self.drain();
    }

    /// Runs a diskless snapshot of these bytes.
    fn snapshot(&mut self, bytes: &'static [u8]) {
        assert_eq!(self.feeds.wants_snapshot(self.now), Some(SyncForm::Sockets));
        self.feeds.begin_snapshot(SyncForm::Sockets, &self.log, &mut self.rng);
        self.log.force_select();
        self.feeds.push_chunk(&Bytes::from_static(bytes));
        self.feeds.end_snapshot();
        self.drain();
    }

    /// Brings a replica online at the present end of the log.
    fn online(&mut self, peer: PeerId) {
        self.greet(peer);
        self.psync(peer, b"?", "-1").unwrap();
        self.wait(6000);
        self.snapshot(b"rdb");
        self.received(peer);
        let offset = self.log.offset().to_string();
        assert_eq!(self.replconf(peer, &["ACK", &offset]), ReplconfReply::Silent);
        self.received(peer);
    }

    fn has_note(&self, text: &str) -> bool {
        self.notes.iter().any(|note| note.contains(text))
    }
}

fn origin() -> Origin {
    Origin { ip: Some("127.0.0.1".to_owned()), client_id: 9 }
}

fn disk_config() -> FeedConfig {
    FeedConfig { diskless: false, ..FeedConfig::default() }
}

#[test]
fn a_diskless_synchronisation_goes_as_on_a_real_server() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();

    assert!(primary.has_note("Replica 127.0.0.1:7002 asks for synchronization"));
    assert!(primary.has_note("Full resync requested by replica 127.0.0.1:7002"));
    assert!(primary.has_note("Replication backlog created, my new replication IDs are"));
    assert!(primary.has_note("Delay next BGSAVE for diskless SYNC"));
    assert_eq!(primary.feeds.wants_snapshot(primary.now), None);
    primary.wait(1000);
    primary.wait(1000);
    assert_eq!(primary.received_text(A), "\n\n");
    primary.wait(3000);
    primary.received(A);

    primary.snapshot(b"REDIS...");
    primary.write();
    let head = format!("+FULLRESYNC {} 0\r\n$EOF:", primary.log.replid());
    let text = primary.received_text(A);
    let (mark, rest) = text.strip_prefix(&head).unwrap().split_at(40);
    assert_eq!(rest, format!("\r\nREDIS...{mark}"));
    assert!(primary.has_note("Starting BGSAVE for SYNC with target: replicas sockets"));
    assert!(primary.has_note("Waiting for REPLCONF ACK from slave to enable streaming"));

    primary.write();
    assert_eq!(primary.received_text(A), "");
    primary.replconf(A, &["ACK", "0"]);
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    let set = String::from_utf8_lossy(SET);
    assert_eq!(primary.received_text(A), format!("{select}{set}{set}"));
}

#[test]
fn a_sized_synchronisation_reads_the_file_and_streams_at_once() {
    let mut primary = Primary::new(disk_config());
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();
    assert_eq!(primary.feeds.wants_snapshot(primary.now), Some(SyncForm::Disk));
    primary.feeds.begin_snapshot(SyncForm::Disk, &primary.log, &mut primary.rng);
    primary.write();
    primary.wait(1000);
    assert_eq!(primary.received_text(A), format!("+FULLRESYNC {} 0\r\n\n", primary.log.replid()));

    let kept = Some(("/d".to_owned(), "/d/dump.rdb".to_owned()));
    primary.feeds.file_ready("/d/temp.rdb", 5, kept, &mut primary.tickets);
    primary.drain();
    let (ticket, op) = primary.ops.remove(0);
    assert_eq!(op, DiskOp::Read { path: "/d/temp.rdb".to_owned(), offset: 0, len: 5 });
    let data = DiskResult::Data(Bytes::from_static(b"REDIS"));
    assert!(primary.feeds.on_disk(primary.now, ticket, data, &mut primary.tickets));

    let set = String::from_utf8_lossy(SET);
    assert_eq!(primary.received_text(A), format!("$5\r\nREDIS*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n{set}"));
    assert!(primary.has_note("Synchronization with replica 127.0.0.1:7002 succeeded"));
    let mut ops = Vec::new();
    while let Some((ticket, op)) = primary.ops.pop() {
        assert!(!primary.kept);
        ops.push(op);
        assert!(primary.feeds.on_disk(primary.now, ticket, DiskResult::Done, &mut primary.tickets));
        primary.drain();
    }
    let (from, to) = ("/d/temp.rdb".to_owned(), "/d/dump.rdb".to_owned());
    let close = DiskOp::Close { path: from.clone() };
    assert_eq!(ops, [close, DiskOp::Rename { from, to }, DiskOp::SyncDir { path: "/d".to_owned() }]);
    assert!(primary.kept);
}

#[test]
fn a_late_replica_joins_a_snapshot_on_its_way_to_disk() {
    let mut primary = Primary::new(disk_config());
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();
    primary.feeds.begin_snapshot(SyncForm::Disk, &primary.log, &mut primary.rng);
    primary.write();
    primary.greet(B);
    primary.psync(B, b"?", "-1").unwrap();

    assert_eq!(primary.received_text(B), format!("+FULLRESYNC {} 0\r\n", primary.log.replid()));
    assert!(primary.has_note("Waiting for end of BGSAVE for SYNC"));
}

#[test]
fn replicas_during_a_socket_snapshot_wait_for_the_next() {
    let mut primary = Primary::new(FeedConfig { diskless_delay: Duration::ZERO, ..FeedConfig::default() });
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();
    primary.feeds.begin_snapshot(SyncForm::Sockets, &primary.log, &mut primary.rng);
    primary.greet(B);
    primary.psync(B, b"?", "-1").unwrap();

    assert!(primary.has_note("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC"));
    assert_eq!(primary.feeds.wants_snapshot(primary.now), None);
    primary.feeds.end_snapshot();
    assert_eq!(primary.feeds.wants_snapshot(primary.now), Some(SyncForm::Sockets));
}

#[test]
fn an_overdue_snapshot_leaves_no_deadline_in_the_past() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();
    assert_eq!(primary.feeds.deadline(), primary.now.instant);
    for _ in 0..20 {
        primary.wait(700);
        assert!(primary.feeds.deadline() > primary.now.instant);
    }
    assert_eq!(primary.feeds.wants_snapshot(primary.now), Some(SyncForm::Sockets));
}

#[test]
fn enough_waiting_replicas_end_the_delay() {
    let mut primary = Primary::new(FeedConfig { diskless_replicas_max: 2, ..FeedConfig::default() });
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();
    assert_eq!(primary.feeds.wants_snapshot(primary.now), None);
    primary.greet(B);
    primary.psync(B, b"?", "-1").unwrap();

    assert_eq!(primary.feeds.wants_snapshot(primary.now), Some(SyncForm::Sockets));
}

#[test]
fn a_partial_synchronisation_sends_what_is_missing() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.online(A);
    primary.write();
    primary.write();
    let id = *primary.log.replid().as_bytes();
    let missing = primary.log.offset().0 - 27;
    primary.greet(B);
    primary.psync(B, &id, &(missing + 1).to_string()).unwrap();

    let expected = format!("+CONTINUE {}\r\n{}", primary.log.replid(), String::from_utf8_lossy(SET));
    assert_eq!(primary.received_text(B), expected);
    let note = format!("accepted. Sending 27 bytes of backlog starting from offset {}.", missing + 1);
    assert!(primary.has_note(&note), "{:?}", primary.notes);
}

#[test]
fn a_replica_without_psync2_gets_no_name() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.online(A);
    let id = *primary.log.replid().as_bytes();
    let next = primary.log.offset().next_byte().to_string();
    primary.psync(B, &id, &next).unwrap();

    assert_eq!(primary.received_text(B), "+CONTINUE\r\n");
}

#[test]
fn refusals_are_explained() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.online(A);
    let id = *primary.log.replid().as_bytes();
    primary.psync(B, &id, "99999").unwrap();
    assert!(primary.has_note(
        "Unable to partial resync with replica 127.0.0.1:<unknown-replica-port> for lack of backlog (Replica request was: 99999)."
    ));
    assert!(primary.has_note("tried to PSYNC with an offset that is greater than the master replication offset."));

    primary.feeds.closed(primary.now, B);
    primary.psync(B, b"0123", "1").unwrap();
    assert!(primary.has_note("Replication ID mismatch (Replica asked for '0123', my replication IDs are '"));
    assert_eq!(primary.psync(PeerId(0), b"?", "x"), Err("ERR value is not an integer or out of range".to_owned()));
}

#[test]
fn a_node_that_cannot_serve_says_why() {
    let mut primary = Primary::new(FeedConfig::default());
    let cases = [
        (SyncGate::NoLink, "NOMASTERLINK Can't SYNC while not connected with my master"),
        (SyncGate::FailingOver, "NOMASTERLINK Can't SYNC while failing over"),
        (SyncGate::PendingOutput, "ERR SYNC and PSYNC are invalid with pending output"),
    ];

    for (gate, text) in cases {
        let (now, log, rng) = (primary.now, &mut primary.log, &mut primary.rng);
        assert_eq!(primary.feeds.sync(now, A, &origin(), gate, log, rng), Err(text.to_owned()));
    }
    assert_eq!(primary.feeds.connected(), 0);
}

#[test]
fn replconf_answers_as_on_a_real_server() {
    let mut primary = Primary::new(FeedConfig::default());

    assert_eq!(primary.replconf(A, &["capa", "dual-channel"]), ReplconfReply::Ok);
    assert_eq!(primary.replconf(A, &["version", "9.1.2"]), ReplconfReply::Ok);
    assert_eq!(primary.replconf(A, &["getack", "*"]), ReplconfReply::Getack);
    assert_eq!(primary.replconf(A, &["ACK", "1"]), ReplconfReply::Silent);
    let errors: [(&[&str], &str); 4] = [
        (&["nosuch", "8.0.0"], "ERR Unrecognized REPLCONF option: nosuch"),
        (&["capa"], "ERR syntax error"),
        (&["listening-port", "x"], "ERR value is not an integer or out of range"),
        (&["rdb-filter-only", "keys"], "ERR Unsupported rdb-filter-only option: keys"),
    ];
    for (args, text) in errors {
        assert_eq!(primary.replconf(A, args), ReplconfReply::Error(text.to_owned()));
    }
}

#[test]
fn an_rdb_only_replica_gets_no_stream() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.greet(A);
    primary.replconf(A, &["rdb-only", "1"]);
    primary.psync(A, b"?", "-1").unwrap();
    primary.wait(6000);
    primary.snapshot(b"rdb");
    primary.received(A);
    primary.replconf(A, &["ACK", "0"]);
    primary.write();

    assert_eq!(primary.received_text(A), "");
    assert!(primary.has_note("RDB transfer completed, rdb only replica (127.0.0.1:7002) should be disconnected asap"));
    primary.wait(21_000);
    assert_eq!(primary.closed, [A]);
}

#[test]
fn a_replica_beyond_the_hard_limit_is_disconnected_and_frees_the_log() {
    let mut config = FeedConfig::default();
    config.output_limit.hard_bytes = 2 << 20;
    let mut primary = Primary::new(config);
    primary.online(A);
    primary.log.append(0, &vec![b'x'; 4 << 20]);
    primary.feeds.enforce_limits(primary.now, &mut primary.log);
    primary.drain();

    assert_eq!(primary.closed, [A]);
    assert!(primary.log.info().histlen < 2 << 20);
}

#[test]
fn the_soft_limit_counts_only_while_it_is_exceeded() {
    let mut config = FeedConfig::default();
    config.output_limit.soft_bytes = 2 << 20;
    config.timeout = Duration::from_secs(1000);
    let mut primary = Primary::new(config);
    primary.online(A);
    primary.log.append(0, &vec![b'x'; 4 << 20]);

    primary.wait(1000);
    primary.wait(59_000);
    assert!(primary.closed.is_empty());
    let mut sink = Vec::new();
    for _ in 0..10 {
        primary.outs[1].take_into(&mut sink);
        primary.feeds.fill(primary.now, A, &mut primary.log, &mut primary.outs[1], &mut primary.tickets);
    }
    primary.wait(2000);
    assert!(primary.closed.is_empty());
    primary.log.append(0, &vec![b'x'; 4 << 20]);
    primary.wait(1000);
    primary.wait(61_000);
    assert_eq!(primary.closed, [A]);
}

#[test]
fn silent_replicas_are_disconnected_after_the_timeout() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.online(A);
    primary.wait(60_000);
    assert!(primary.closed.is_empty());
    primary.wait(1000);

    assert_eq!(primary.closed, [A]);
    assert!(primary.has_note("Disconnecting timedout replica (streaming sync): 127.0.0.1:7002"));
}

#[test]
fn pings_fill_the_stream_while_replicas_are_attached() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.wait(20_000);
    assert_eq!(primary.log.offset(), Offset(0));
    primary.online(A);
    let before = primary.log.offset();
    for _ in 0..10 {
        primary.wait(1000);
    }

    assert_eq!(primary.log.offset().0 - before.0, 14);
    assert_eq!(primary.received_text(A), "*1\r\n$4\r\nping\r\n");
}

#[test]
fn the_backlog_of_a_lonely_primary_is_freed() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.online(A);
    primary.feeds.closed(primary.now, A);
    primary.wait(3_600_000);
    assert!(primary.log.is_active());
    primary.wait(2000);

    assert!(!primary.log.is_active());
    assert!(primary.has_note("Replication backlog freed after 3602 seconds without connected replicas."));
}

#[test]
fn info_shows_state_offset_and_lag() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();
    let (_, info) = primary.feeds.infos(primary.now).next().unwrap();
    assert_eq!((info.ip.as_str(), info.port, info.state), ("127.0.0.1", 7002, "wait_bgsave"));

    primary.wait(6000);
    primary.snapshot(b"rdb");
    primary.received(A);
    primary.replconf(A, &["ACK", "5"]);
    primary.wait(3000);
    let (_, info) = primary.feeds.infos(primary.now).next().unwrap();
    assert_eq!((info.state, info.offset, info.lag_secs), ("online", Offset(5), 3));
    assert_eq!((primary.feeds.good(primary.now, 2), primary.feeds.good(primary.now, 3)), (0, 1));
}

#[test]
fn a_failed_snapshot_disconnects_those_it_was_for() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();
    primary.wait(6000);
    primary.feeds.begin_snapshot(SyncForm::Sockets, &primary.log, &mut primary.rng);
    primary.feeds.fail_snapshot(primary.now);
    primary.drain();

    assert_eq!(primary.closed, [A]);
    assert!(!primary.feeds.has_snapshot_takers());
}

#[test]
fn a_slow_replica_stops_the_walk_and_not_memory() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.greet(A);
    primary.psync(A, b"?", "-1").unwrap();
    primary.wait(6000);
    primary.feeds.begin_snapshot(SyncForm::Sockets, &primary.log, &mut primary.rng);
    let chunk = Bytes::from(vec![1; 512 * 1024]);
    let mut given = 0;
    while primary.feeds.has_snapshot_room() {
        primary.feeds.push_chunk(&chunk);
        primary.drain();
        given += 1;
    }

    assert!(given <= 8, "{given} chunks");
    primary.received(A);
    primary.feeds.fill(primary.now, A, &mut primary.log, &mut primary.outs[1], &mut primary.tickets);
    assert!(primary.feeds.has_snapshot_room());
}

#[test]
fn wait_ends_with_enough_acknowledgements_or_at_its_deadline() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.online(A);
    primary.write();
    let written = Written { offset: primary.log.offset(), position: primary.log.end() };
    let wait = Wait { written, replicas: 1, depth: Depth::Memory, deadline: None };
    let mut waits = Waits::default();
    let deadline = Some(primary.now.instant.plus_millis(100));
    let ended = |replicas| Ended::Reply(Places { here: None, replicas });

    waits.begin(WaitId(2), wait);
    waits.begin(WaitId(3), Wait { replicas: 2, deadline, ..wait });
    assert_eq!(waits.poll(primary.now, &primary.feeds, Local::Off), None);
    primary.replconf(A, &["ACK", &written.offset.to_string()]);
    assert_eq!(waits.poll(primary.now, &primary.feeds, Local::Off), Some((WaitId(2), ended(1))));
    assert_eq!(waits.poll(primary.now, &primary.feeds, Local::Off), None);
    primary.now = primary.now.plus(Duration::from_millis(100));
    assert_eq!(waits.poll(primary.now, &primary.feeds, Local::Off), Some((WaitId(3), ended(1))));
    assert!(waits.is_empty());
}

#[test]
fn waitaof_counts_disks_and_not_memories() {
    let mut primary = Primary::new(FeedConfig::default());
    primary.online(A);
    primary.write();
    let written = Written { offset: primary.log.offset(), position: primary.log.end() };
    let wait = Wait { written, replicas: 1, depth: Depth::Disk { here: true }, deadline: None };
    let mut waits = Waits::default();
    let synced = Local::Synced(primary.log.end());

    waits.begin(WaitId(1), wait);
    primary.replconf(A, &["ACK", &written.offset.to_string()]);
    assert_eq!(waits.poll(primary.now, &primary.feeds, synced), None);
    primary.replconf(A, &["ACK", &written.offset.to_string(), "FACK", &written.offset.to_string()]);
    assert_eq!(waits.poll(primary.now, &primary.feeds, Local::Beginning), None);
    let places = Places { here: Some(true), replicas: 1 };
    assert_eq!(waits.poll(primary.now, &primary.feeds, synced), Some((WaitId(1), Ended::Reply(places))));

    waits.begin(WaitId(2), Wait { replicas: 2, ..wait });
    assert_eq!(waits.poll(primary.now, &primary.feeds, Local::Off), Some((WaitId(2), Ended::NoFile)));
}
