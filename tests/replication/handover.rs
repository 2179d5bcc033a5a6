//! FAILOVER: a primary that hands over to its replica, and one that changes its mind.

use std::path::Path;
use std::time::Duration;

use slotmesh_test_support::replication::{FOLLOW_LIMIT, follow, info, info_number, wait_caught_up};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Client, Reply, Server};

use crate::start;

crate::pairs! {
    a_replica_that_has_everything_takes_over,
    a_replica_that_lags_does_not_take_over_unless_forced,
    a_failover_can_be_taken_back,
}

fn ok() -> Reply {
    Reply::Simple(b"OK".to_vec())
}

fn pair(primary: &Path, replica: &Path) -> (Server, Server) {
    let (primary, replica) = (start(primary), start(replica));
    follow(&replica, primary.port());
    primary.client().call(["SET", "before", "1"]).unwrap();
    wait_caught_up(&primary, &replica);
    (primary, replica)
}

fn wait_for_state(client: &mut Client, field: &str, value: &str) {
    let is_so = || (info(client, "replication", field)? == value).then_some(());
    poll_until(&format!("{field}:{value}"), FOLLOW_LIMIT, is_so).unwrap();
}

fn a_replica_that_has_everything_takes_over(primary: &Path, replica: &Path) {
    let (old, new) = pair(primary, replica);
    let (mut above, mut below) = (old.client(), new.client());

    let port = new.port().to_string();
    assert_eq!(above.call(["FAILOVER", "TO", "127.0.0.1", &port, "TIMEOUT", "15000"]).unwrap(), ok());

    wait_for_state(&mut below, "role", "master");
    wait_for_state(&mut above, "master_link_status", "up");
    wait_for_state(&mut above, "master_failover_state", "no-failover");
    assert_eq!(below.call(["SET", "after", "2"]).unwrap(), ok());
    wait_caught_up(&new, &old);
    assert_eq!(above.call(["GET", "after"]).unwrap(), Reply::Bulk(b"2".to_vec()));
    let counted = ["sync_full", "sync_partial_ok"].map(|field| info_number(&mut below, "stats", field));
    assert_eq!(counted, [0, 1], "nothing was copied again");
    let error = above.call(["SET", "k", "v"]).unwrap();
    assert!(matches!(&error, Reply::Error(text) if text.starts_with(b"READONLY")), "{error:?}");
}

fn a_replica_that_lags_does_not_take_over_unless_forced(primary: &Path, replica: &Path) {
    let (old, new) = pair(primary, replica);
    let (mut above, mut writer) = (old.client(), old.client());

    new.pause().unwrap();
    above.call(["SET", "unseen", "1"]).unwrap();
    assert_eq!(above.call(["FAILOVER", "TIMEOUT", "300"]).unwrap(), ok());
    assert_eq!(info(&mut above, "replication", "master_failover_state").as_deref(), Some("waiting-for-sync"));
    let again = above.call(["FAILOVER"]).unwrap();
    assert_eq!(again, Reply::Error(b"ERR FAILOVER already in progress.".to_vec()));
    let follows = above.call(["REPLICAOF", "NO", "ONE"]).unwrap();
    assert_eq!(follows, Reply::Error(b"ERR REPLICAOF not allowed while failing over.".to_vec()));
    // This one waits for the end of the failover.
    assert_eq!(writer.call(["SET", "held", "1"]).unwrap(), ok());
    assert_eq!(info(&mut above, "replication", "master_failover_state").as_deref(), Some("no-failover"));

    let port = new.port().to_string();
    assert_eq!(above.call(["FAILOVER", "TO", "127.0.0.1", &port, "FORCE", "TIMEOUT", "100"]).unwrap(), ok());
    wait_for_state(&mut above, "role", "slave");
    new.resume().unwrap();

    wait_for_state(&mut new.client(), "role", "master");
    wait_for_state(&mut above, "master_link_status", "up");
}

fn a_failover_can_be_taken_back(primary: &Path, replica: &Path) {
    let (old, new) = pair(primary, replica);
    let mut above = old.client();

    new.pause().unwrap();
    above.call(["SET", "unseen", "1"]).unwrap();
    assert_eq!(above.call(["FAILOVER"]).unwrap(), ok());
    assert_eq!(above.call(["FAILOVER", "ABORT"]).unwrap(), ok());
    assert_eq!(above.call(["SET", "k", "v"]).unwrap(), ok());
    new.resume().unwrap();

    poll_until("the log's line", Duration::from_secs(5), || {
        old.log().contains("FAILOVER to any replica aborted: Failover manually aborted").then_some(())
    })
    .unwrap();
    wait_caught_up(&old, &new);
}
