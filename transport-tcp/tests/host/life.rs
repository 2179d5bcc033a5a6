//! Timers, signals and ends.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use slotmesh_cluster::machine::{Shutdown, Signal};
use slotmesh_transport_tcp::local::Gone;
use slotmesh_transport_tcp::reactor::Outcome;
use slotmesh_transport_tcp::shared::Ended;

use crate::echo::{Fixture, Seen, client, filler, read_all};

#[test]
fn a_deadline_made_by_a_caller_wakes_the_sleeping_host() {
    let fixture = Fixture::new();

    fixture.host.handle().run(|machine, now| machine.deadline = Some(now.instant.plus_millis(5))).unwrap();

    assert_eq!(fixture.next(), Seen::Timer);
}

#[test]
fn time_can_be_moved_forward() {
    let fixture = Fixture::new();
    let handle = fixture.host.handle();
    handle.run(|machine, now| machine.deadline = Some(now.instant.plus_millis(3_600_000))).unwrap();

    handle.fast_forward(Duration::from_secs(3600)).unwrap();

    assert_eq!(fixture.next(), Seen::Timer);
}

#[test]
fn signals_reach_the_machine() {
    let fixture = Fixture::new();

    fixture.host.handle().signal(Signal::Terminate).unwrap();

    assert_eq!(fixture.next(), Seen::Signal(Signal::Terminate));
}

#[test]
fn bytes_put_by_another_thread_leave_at_once() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);
    let conn = fixture.accepted();
    let handle = fixture.host.handle().clone();

    thread::spawn(move || handle.run(|machine, _| machine.say(conn, b"news")).unwrap());

    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"news");
}

#[test]
fn an_exit_sends_the_last_bytes() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);

    stream.write_all(b"exit 5000000").unwrap();

    assert!(read_all(&mut stream) == filler(5_000_000));
    let handle = fixture.host.handle().clone();
    assert_eq!(fixture.host.join().unwrap(), Outcome::Exit(Shutdown { code: 7 }));
    assert_eq!(handle.run(|_, _| ()), Err(Ended));
}

#[test]
fn an_exit_does_not_wait_forever_for_a_peer_that_reads_nothing() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);

    stream.write_all(b"exit 50000000").unwrap();

    assert_eq!(fixture.host.join().unwrap(), Outcome::Exit(Shutdown { code: 7 }));
}

#[test]
fn a_stop_closes_everything() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);
    fixture.accepted();

    fixture.host.handle().stop();

    assert_eq!(read_all(&mut stream), b"");
    assert_eq!(fixture.host.join().unwrap(), Outcome::Stopped);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_machine_that_panicked_is_not_entered_again() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);
    let mut local = fixture.host.handle().open().unwrap();
    let handle = fixture.host.handle().clone();

    let panicked = thread::spawn(move || handle.run(|_, _| panic!("on purpose"))).join();

    assert!(panicked.is_err());
    assert_eq!(local.call(b"hello", &mut Vec::new()), Err(Gone::Ended));
    assert_eq!(read_all(&mut stream), b"");
    assert!(fixture.host.join().is_err());
}
