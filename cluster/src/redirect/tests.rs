use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Instant;

use super::{Access, KeySlots, Presence, Refusal, Request, Routes, decide, decide_blocked};
use crate::bus::report::{ClientKind, HostPort};
use crate::slots::NodeKey;

const ME: NodeKey = NodeKey(0);
const OTHER: NodeKey = NodeKey(1);
const NOW: Instant = Instant(1000);

/// Slot 1 is mine, 2 the other's, 3 mine and leaving, 4 the other's and arriving, 5 nobody's.
struct Fake {
    ok: bool,
    lease_end: Instant,
    my_primary: Option<NodeKey>,
    reads_when_down: bool,
    pubsub_when_down: bool,
}

impl Default for Fake {
    fn default() -> Self {
        Self { ok: true, lease_end: Instant::MAX, my_primary: None, reads_when_down: false, pubsub_when_down: true }
    }
}

impl Routes for Fake {
    fn owner(&self, slot: Slot) -> Option<NodeKey> {
        match slot.number() {
            1 | 3 => Some(ME),
            2 | 4 => Some(OTHER),
            _ => None,
        }
    }
    fn me(&self) -> NodeKey {
        ME
    }
    fn my_primary(&self) -> Option<NodeKey> {
        self.my_primary
    }
    fn migrating(&self, slot: Slot) -> Option<NodeKey> {
        (slot.number() == 3).then_some(OTHER)
    }
    fn importing(&self, slot: Slot) -> Option<NodeKey> {
        (slot.number() == 4).then_some(OTHER)
    }
    fn is_ok(&self) -> bool {
        self.ok
    }
    fn may_write(&self, now: Instant) -> bool {
        now < self.lease_end
    }
    fn allows_reads_when_down(&self) -> bool {
        self.reads_when_down
    }
    fn allows_pubsubshard_when_down(&self) -> bool {
        self.pubsub_when_down
    }
    fn endpoint(&self, _: NodeKey, _: ClientKind) -> HostPort {
        HostPort { host: "127.0.0.1".to_owned(), port: 7001 }
    }
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

fn request(number: u16, access: Access) -> Request {
    Request {
        keys: KeySlots::One { slot: slot(number), several: false },
        access,
        asking: false,
        readonly: false,
        client: ClientKind::Plain,
    }
}

fn several(number: u16, access: Access) -> Request {
    Request { keys: KeySlots::One { slot: slot(number), several: true }, ..request(number, access) }
}

/// The error line, or "ok".
fn answer(routes: &Fake, request: Request, existing: usize, missing: usize) -> String {
    match decide(routes, NOW, &request, || Presence { existing, missing }) {
        Ok(()) => "ok".to_owned(),
        Err(refusal) => refusal.to_string(),
    }
}

fn unasked() -> Presence {
    panic!("keys are counted only in an open slot")
}

#[test]
fn own_slots_run_here_and_others_are_moved() {
    let routes = Fake::default();

    assert_eq!(decide(&routes, NOW, &request(1, Access::Write), unasked), Ok(()));
    let moved = decide(&routes, NOW, &request(2, Access::Read), unasked).unwrap_err();
    assert_eq!(moved.to_string(), "MOVED 2 127.0.0.1:7001");
}

#[test]
fn commands_without_keys_run_anywhere() {
    let routes = Fake { ok: false, ..Fake::default() };
    let request = Request { keys: KeySlots::None, ..request(1, Access::Write) };

    assert_eq!(decide(&routes, NOW, &request, unasked), Ok(()));
}

#[test]
fn crossing_slots_win_over_a_slot_without_owner_and_that_over_the_state() {
    let routes = Fake { ok: false, ..Fake::default() };
    let cross = Request { keys: KeySlots::Cross, ..request(5, Access::Read) };

    assert_eq!(answer(&routes, cross, 0, 0), "CROSSSLOT Keys in request don't hash to the same slot");
    assert_eq!(answer(&routes, request(5, Access::Read), 0, 0), "CLUSTERDOWN Hash slot not served");
    assert_eq!(answer(&routes, request(1, Access::Read), 0, 0), "CLUSTERDOWN The cluster is down");
}

#[test]
fn a_cluster_that_is_down_serves_what_its_options_allow() {
    let reads = Fake { ok: false, reads_when_down: true, ..Fake::default() };
    let no_pubsub = Fake { ok: false, pubsub_when_down: false, ..Fake::default() };

    assert_eq!(answer(&reads, request(1, Access::Read), 0, 0), "ok");
    assert_eq!(
        answer(&reads, request(1, Access::Write), 0, 0),
        "CLUSTERDOWN The cluster is down and only accepts read commands"
    );
    assert_eq!(answer(&reads, request(1, Access::PubSubShard), 0, 0), "ok");
    assert_eq!(answer(&no_pubsub, request(1, Access::PubSubShard), 0, 0), "CLUSTERDOWN The cluster is down");
}

#[test]
fn a_primary_without_lease_reads_but_does_not_write() {
    let routes = Fake { lease_end: NOW, ..Fake::default() };

    assert_eq!(answer(&routes, request(1, Access::Read), 0, 0), "ok");
    assert_eq!(answer(&routes, request(1, Access::Write), 0, 0), "CLUSTERDOWN The cluster is down");
    assert_eq!(answer(&routes, request(2, Access::Write), 0, 0), "MOVED 2 127.0.0.1:7001");
    let asking = Request { asking: true, ..request(4, Access::Write) };
    assert_eq!(answer(&routes, asking, 0, 1), "CLUSTERDOWN The cluster is down");
}

#[test]
fn a_leaving_slot_serves_the_keys_that_are_still_here() {
    let routes = Fake::default();

    assert_eq!(answer(&routes, request(3, Access::Read), 1, 0), "ok");
    assert_eq!(answer(&routes, request(3, Access::Write), 0, 1), "ASK 3 127.0.0.1:7001");
    assert_eq!(answer(&routes, several(3, Access::Read), 0, 2), "ASK 3 127.0.0.1:7001");
    assert_eq!(
        answer(&routes, several(3, Access::Read), 1, 1),
        "TRYAGAIN Multiple keys request during rehashing of slot"
    );
    assert_eq!(answer(&routes, request(3, Access::Migrate), 0, 1), "ok");
    assert_eq!(decide(&routes, NOW, &request(3, Access::PubSubShard), unasked), Ok(()));
}

#[test]
fn an_arriving_slot_serves_those_who_ask() {
    let routes = Fake::default();
    let asking = |request: Request| Request { asking: true, ..request };

    assert_eq!(answer(&routes, request(4, Access::Read), 1, 0), "MOVED 4 127.0.0.1:7001");
    assert_eq!(answer(&routes, asking(request(4, Access::Write)), 0, 1), "ok");
    assert_eq!(answer(&routes, asking(several(4, Access::Read)), 2, 0), "ok");
    assert_eq!(
        answer(&routes, asking(several(4, Access::Read)), 1, 1),
        "TRYAGAIN Multiple keys request during rehashing of slot"
    );
    assert_eq!(answer(&routes, request(4, Access::Migrate), 0, 1), "ok");
    assert_eq!(answer(&routes, asking(request(2, Access::Read)), 0, 1), "MOVED 2 127.0.0.1:7001");
}

#[test]
fn a_replica_serves_reads_to_those_who_said_readonly() {
    let routes = Fake { my_primary: Some(OTHER), ..Fake::default() };
    let readonly = |access| Request { readonly: true, ..request(2, access) };

    assert_eq!(answer(&routes, request(2, Access::Read), 0, 0), "MOVED 2 127.0.0.1:7001");
    assert_eq!(answer(&routes, readonly(Access::Read), 0, 0), "ok");
    assert_eq!(answer(&routes, readonly(Access::Write), 0, 0), "MOVED 2 127.0.0.1:7001");
    assert_eq!(answer(&routes, request(2, Access::PubSubShard), 0, 0), "ok");
}

#[test]
fn waiting_clients_are_sent_away_when_their_slot_goes() {
    let replica = Fake { my_primary: Some(OTHER), ..Fake::default() };
    let blocked = |routes: &Fake, number, readonly| decide_blocked(routes, slot(number), readonly, ClientKind::Plain);

    assert_eq!(blocked(&Fake::default(), 1, false), Ok(()));
    assert_eq!(blocked(&Fake::default(), 4, false), Ok(()));
    assert!(matches!(blocked(&Fake::default(), 2, false), Err(Refusal::Moved { .. })));
    assert_eq!(blocked(&Fake::default(), 5, false), Err(Refusal::Unserved));
    assert_eq!(blocked(&Fake { ok: false, ..Fake::default() }, 1, false), Err(Refusal::Down));
    assert_eq!(blocked(&replica, 2, true), Ok(()));
    assert!(matches!(blocked(&replica, 2, false), Err(Refusal::Moved { .. })));
}
