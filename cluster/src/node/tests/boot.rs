//! What clients see of a node that starts.

use super::Fixture;
use super::disk::TestDisk;
use crate::machine::Signal;

#[test]
fn a_client_that_comes_before_the_data_are_looked_for_is_answered_when_they_are_there() {
    let mut fixture = Fixture::starting(|_| {}, TestDisk::default());
    let client = fixture.client();

    assert_eq!(fixture.call(client, "GET key"), "");
    fixture.release_disk();

    assert_eq!(fixture.heard(client), "$-1|");
}

#[test]
fn a_client_is_told_of_loading_when_that_takes_longer() {
    let mut source = Fixture::new();
    let writer = source.client();
    source.call(writer, "CONFIG SET rdbcompression no");
    source.send_words(writer, &[b"SET", b"key", &vec![b'v'; 3_000_000]]);
    source.call(writer, "SAVE");
    let mut fixture = Fixture::starting(|_| {}, source.disk);
    let client = fixture.client();
    assert_eq!(fixture.call(client, "STRLEN key"), "");

    let mut answer = String::new();
    while answer.is_empty() && fixture.step_disk() {
        answer = fixture.heard(client);
    }
    assert_eq!(answer, "-LOADING Redis is loading the dataset in memory|");
    fixture.release_disk();

    assert_eq!(fixture.call(client, "STRLEN key"), ":3000000|");
}

#[test]
fn a_signal_ends_a_node_that_still_loads() {
    let mut fixture = Fixture::starting(|_| {}, TestDisk::default());

    fixture.signal(Signal::Terminate);

    assert!(fixture.logged("Received shutdown signal during loading, scheduling shutdown."));
    assert_eq!(fixture.exit, Some(0));
}

#[test]
fn a_load_that_is_slowed_down_takes_its_time_for_each_key() {
    let mut source = Fixture::new();
    let writer = source.client();
    source.call(writer, "MSET a 1 b 2 c 3");
    source.call(writer, "SAVE");
    let mut fixture = Fixture::started(|config| config.key_load_delay_micros = 1_000_000, source.disk);
    let client = fixture.client();

    assert_eq!(fixture.call(client, "GET a"), "-LOADING Redis is loading the dataset in memory|");
    fixture.advance(4000);

    assert_eq!(fixture.call(client, "GET a"), "$1|1|");
    assert!(fixture.logged("Done loading RDB, keys loaded: 3, keys expired: 0."));
}
