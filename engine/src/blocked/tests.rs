//! The tables alone.

use bytes::Bytes;

use super::{Blocked, Request, Wish};
use crate::command::{Registry, Resolved};
use crate::keyspace::DbIndex;
use crate::resp::args::ArgsBuf;
use crate::session::SessionId;
use crate::time::Instant;
use crate::value::Kind;

const DB: DbIndex = DbIndex(0);

fn session(number: u32) -> SessionId {
    SessionId { index: number, client_id: u64::from(number) }
}

fn command() -> Resolved {
    let mut registry = Registry::default();
    crate::command::register(&mut registry);
    registry.resolve(["PING"].into_iter().collect::<ArgsBuf>().as_args()).unwrap()
}

fn wait(blocked: &mut Blocked, number: u32, kind: Kind, keys: &[&str], deadline: Option<u64>) {
    let keys = keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
    let request = Request { command: command(), args: ArgsBuf::new() };
    blocked.begin(
        session(number),
        DB,
        Wish { kind, keys, deadline: deadline.map(Instant), until: super::Until::There, words: None },
        request,
    );
}

fn next(blocked: &mut Blocked, kind: Option<Kind>) -> Option<u32> {
    blocked.end_next(|_, _| kind).map(|(id, _)| id.index)
}

#[test]
fn only_those_are_served_who_wait_for_that_type() {
    let mut blocked = Blocked::default();
    wait(&mut blocked, 1, Kind::List, &["k"], None);
    wait(&mut blocked, 2, Kind::SortedSet, &["k"], None);
    wait(&mut blocked, 3, Kind::Stream, &["k"], None);
    wait(&mut blocked, 4, Kind::SortedSet, &["k"], None);

    blocked.key_came(DB, b"k");

    assert_eq!(next(&mut blocked, Some(Kind::SortedSet)), Some(2));
    assert_eq!(next(&mut blocked, Some(Kind::SortedSet)), Some(4));
    assert_eq!(next(&mut blocked, Some(Kind::SortedSet)), None);
    assert_eq!(blocked.len(), 2);
    assert!(!blocked.has_ready());
}

#[test]
fn keys_are_served_in_the_order_they_came() {
    let mut blocked = Blocked::default();
    wait(&mut blocked, 1, Kind::List, &["a"], None);
    wait(&mut blocked, 2, Kind::List, &["b"], None);

    for key in ["b", "a", "b", "nosuch"] {
        blocked.key_came(DB, key.as_bytes());
    }

    assert_eq!(next(&mut blocked, Some(Kind::List)), Some(2));
    assert_eq!(next(&mut blocked, Some(Kind::List)), Some(1));
    assert_eq!(next(&mut blocked, Some(Kind::List)), None);
}

#[test]
fn who_has_to_wait_again_keeps_its_deadline_and_goes_to_the_end_of_the_line() {
    let mut blocked = Blocked::default();
    wait(&mut blocked, 1, Kind::Stream, &["k"], Some(70));
    wait(&mut blocked, 2, Kind::Stream, &["k"], None);
    blocked.key_came(DB, b"k");

    assert_eq!(next(&mut blocked, Some(Kind::Stream)), Some(1));
    wait(&mut blocked, 1, Kind::Stream, &["k"], Some(99));

    assert_eq!(blocked.deadline(), Some(Instant(70)));
    assert_eq!(next(&mut blocked, Some(Kind::Stream)), Some(2));
    assert_eq!(next(&mut blocked, Some(Kind::Stream)), None, "nobody is served twice for one change");
    blocked.key_came(DB, b"k");
    assert_eq!(next(&mut blocked, Some(Kind::Stream)), Some(1));
    assert_eq!(next(&mut blocked, Some(Kind::Stream)), None);

    // A later wait has its own.
    wait(&mut blocked, 1, Kind::Stream, &["k"], Some(99));
    assert_eq!(blocked.deadline(), Some(Instant(99)));
}

#[test]
fn a_key_that_is_gone_again_ends_its_turn() {
    let mut blocked = Blocked::default();
    wait(&mut blocked, 1, Kind::List, &["k"], None);
    blocked.key_came(DB, b"k");

    assert_eq!(next(&mut blocked, None), None);

    assert!(!blocked.has_ready());
    blocked.key_came(DB, b"k");
    assert_eq!(next(&mut blocked, Some(Kind::List)), Some(1));
}

#[test]
fn waits_end_in_the_order_of_their_deadlines() {
    let mut blocked = Blocked::default();
    wait(&mut blocked, 1, Kind::List, &["k"], Some(30));
    wait(&mut blocked, 2, Kind::List, &["k", "j"], Some(10));
    wait(&mut blocked, 3, Kind::List, &["k"], None);
    assert_eq!((blocked.keys(), blocked.limited()), (2, 2));

    let mut past = |now| blocked.end_past(Instant(now)).map(|(id, _)| id.index);

    assert_eq!([past(9), past(40), past(40), past(40)], [None, Some(2), Some(1), None]);
    assert_eq!((blocked.len(), blocked.keys(), blocked.limited()), (1, 1, 0));
}
