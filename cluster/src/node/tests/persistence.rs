//! SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE.

use slotmesh_engine::config::special::save_points::{SavePoint, SavePoints};

use super::Fixture;
use super::disk::TestDisk;

#[test]
fn save_answers_when_the_file_has_its_name() {
    let mut fixture = Fixture::new();
    let (saver, other) = (fixture.client(), fixture.client());
    fixture.hold_disk = true;

    assert_eq!(fixture.call(saver, "SAVE"), "");
    assert_eq!(fixture.call(other, "PING"), "+PONG|", "others go on");
    assert_eq!(fixture.call(other, "SAVE"), "-ERR Background save already in progress|");
    assert_eq!(fixture.call(other, "BGSAVE"), "-ERR Background save already in progress|");
    assert!(!fixture.disk.files.contains_key("/data/dump.rdb"));
    fixture.release_disk();

    assert_eq!(fixture.heard(saver), "+OK|");
    assert!(fixture.disk.files["/data/dump.rdb"].starts_with(b"REDIS"));
}

#[test]
fn a_client_in_save_runs_its_later_commands_afterwards() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    fixture.send_bytes(client, b"SAVE\r\nPING\r\n");

    assert_eq!(fixture.heard(client), "+OK|+PONG|");
}

#[test]
fn a_save_that_fails_says_so() {
    let disk = TestDisk { full_for: Some(".rdb".to_owned()), ..TestDisk::default() };
    let mut fixture = Fixture::started(|_| {}, disk);
    let client = fixture.client();

    assert_eq!(fixture.call(client, "SAVE"), "-ERR|");

    assert!(fixture.logged("Write error saving DB on disk: No space left on device"));
    // Who asked knows; writes are refused only when nobody was told.
    assert!(fixture.call(client, "INFO persistence").contains("|rdb_last_bgsave_status:ok|"));
    fixture.call(client, "BGSAVE");
    assert!(fixture.call(client, "INFO persistence").contains("|rdb_last_bgsave_status:err|"));
}

#[test]
fn bgsave_answers_at_once_and_lastsave_moves_when_it_is_done() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    assert_eq!(fixture.call(client, "LASTSAVE"), ":1700000000|");
    fixture.advance(5000);
    fixture.hold_disk = true;

    assert_eq!(fixture.call(client, "BGSAVE"), "+Background saving started|");
    assert_eq!(fixture.call(client, "LASTSAVE"), ":1700000000|");
    fixture.release_disk();

    assert_eq!(fixture.call(client, "LASTSAVE"), ":1700000005|");
    assert_eq!(fixture.call(client, "BGSAVE x"), "-ERR syntax error|");
    assert_eq!(fixture.call(client, "BGSAVE SCHEDULE"), "+Background saving started|");
}

#[test]
fn a_bgsave_behind_a_rewrite_is_refused_or_scheduled() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.hold_disk = true;
    assert_eq!(fixture.call(client, "BGREWRITEAOF"), "+Background append only file rewriting started|");

    assert!(fixture.call(client, "BGSAVE").starts_with("-ERR Another child process is active (AOF?)"));
    assert_eq!(fixture.call(client, "BGSAVE SCHEDULE"), "+Background saving scheduled|");
    assert!(fixture.call(client, "BGREWRITEAOF").starts_with("-ERR Background append only file rewriting already"));
    assert_eq!(fixture.call(client, "SAVE"), "");
    fixture.release_disk();
    fixture.advance(200);

    assert_eq!(fixture.heard(client), "+OK|");
    assert!(fixture.disk.files.contains_key("/data/dump.rdb"));
    assert!(fixture.call(client, "INFO persistence").contains("|aof_rewrites:1|"));
}

#[test]
fn in_a_transaction_files_begin_behind_it() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.call(client, "MULTI");
    assert_eq!(fixture.call(client, "SAVE"), "-ERR Command 'save' not allowed inside a transaction|");
    fixture.call(client, "DISCARD");

    for request in ["MULTI", "BGSAVE", "BGREWRITEAOF"] {
        fixture.call(client, request);
    }

    let reply = fixture.call(client, "EXEC");
    assert_eq!(reply, "*2|+Background saving scheduled|+Background append only file rewriting scheduled|");
    fixture.advance(200);
    assert!(fixture.disk.files.contains_key("/data/dump.rdb"));
}

#[test]
fn an_end_waits_for_the_first_base_of_the_append_only_file() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.call(client, "SET k v");
    fixture.hold_disk = true;
    fixture.send(client, "CONFIG SET appendonly yes");

    fixture.send(client, "SHUTDOWN NOSAVE");
    fixture.advance(500);
    assert_eq!(fixture.exit, None, "what is on disk does not hold the dataset");
    fixture.release_disk();

    assert_eq!(fixture.exit, Some(0));
    let base = &fixture.disk.files["/data/appendonlydir/appendonly.aof.1.base.rdb"];
    assert!(base.windows(3).any(|bytes| bytes == b"\x01k\x01"), "{}", base.escape_ascii());
}

#[test]
fn no_walk_that_is_due_begins_while_the_node_ends() {
    let mut fixture = Fixture::with(|config| {
        config.appendonly = true;
        config.auto_aof_rewrite_min_size = 64;
        config.save = SavePoints::new(vec![SavePoint { seconds: 1, changes: 1 }]);
    });
    let client = fixture.client();
    fixture.advance(2000);
    for number in 0..50 {
        fixture.call(client, &format!("SET key:{number} value"));
    }

    fixture.hold_disk = true;
    fixture.send(client, "SHUTDOWN");
    fixture.advance(500);
    assert_eq!(fixture.exit, None, "the append only file is not synced yet");
    fixture.release_disk();
    fixture.advance(200);

    assert_eq!(fixture.exit, Some(0));
    assert!(!fixture.logged("Starting automatic rewriting of AOF"));
    assert!(!fixture.logged("1 changes in 1 seconds. Saving..."));
}

#[test]
fn what_was_due_begins_when_the_end_is_taken_back() {
    let mut fixture = Fixture::with(|config| {
        config.appendonly = true;
        config.auto_aof_rewrite_min_size = 64;
    });
    let (client, other) = (fixture.client(), fixture.client());
    for number in 0..50 {
        fixture.call(client, &format!("SET key:{number} value"));
    }
    fixture.hold_disk = true;
    fixture.send(client, "SHUTDOWN");
    fixture.advance(500);

    fixture.send(other, "SHUTDOWN ABORT");
    fixture.release_disk();
    fixture.advance(500);

    assert_eq!(fixture.exit, None);
    assert!(fixture.logged("Starting automatic rewriting of AOF"));
}

fn slowed(keys: usize) -> (Fixture, crate::machine::ConnId) {
    let mut fixture = Fixture::with(|config| config.rdb_key_save_delay_micros = 1_000_000);
    let client = fixture.client();
    for key in 0..keys {
        fixture.call(client, &format!("SET key:{key} v"));
    }
    (fixture, client)
}

#[test]
fn a_snapshot_that_is_slowed_down_rests_behind_each_key() {
    let (mut fixture, client) = slowed(200);

    fixture.call(client, "BGSAVE");
    fixture.advance(30_000);

    let info = fixture.call(client, "INFO persistence");
    assert!(info.contains("|rdb_bgsave_in_progress:1|") && info.contains("|current_save_keys_total:200|"), "{info}");
    assert!(!info.contains("|current_save_keys_processed:0|") && !info.contains("|current_save_keys_processed:200|"));

    fixture.advance(175_000);
    assert!(fixture.call(client, "INFO persistence").contains("|rdb_bgsave_in_progress:0|"));
    assert!(fixture.disk.files.contains_key("/data/dump.rdb"));
}

#[test]
fn who_waits_for_a_save_does_not_wait_for_the_delay() {
    let (mut fixture, client) = slowed(5);

    assert_eq!(fixture.call(client, "SAVE"), "+OK|");
}

#[test]
fn flushall_ends_a_bgsave() {
    let (mut fixture, client) = slowed(5);
    fixture.call(client, "BGSAVE");
    fixture.advance(1500);

    fixture.call(client, "FLUSHALL");

    assert!(fixture.call(client, "INFO persistence").contains("|rdb_bgsave_in_progress:0|"));
    assert!(fixture.disk.files.keys().all(|path| !path.contains("temp")), "{:?}", fixture.disk.files.keys());
    assert_eq!(fixture.call(client, "BGSAVE"), "+Background saving started|");
}

#[test]
fn an_end_leaves_no_half_written_dump_behind() {
    let (mut fixture, client) = slowed(5);
    fixture.call(client, "BGSAVE");
    fixture.advance(1500);

    fixture.send(client, "SHUTDOWN NOSAVE");

    assert!(fixture.logged("There is a child saving an .rdb. Killing it!"));
    assert!(fixture.disk.files.keys().all(|path| !path.contains("temp")), "{:?}", fixture.disk.files.keys());
}
