//! redis-rs through sentinels: before and after a failover.

use redis::Commands;
use redis::sentinel::{SentinelClient, SentinelServerType};
use slotmesh_test_support::sentinel::{NAME, SentinelGroup};

use crate::ours;

#[test]
fn the_sentinel_client_finds_the_primary_before_and_after_a_failover() {
    let ours = ours();
    let mut group = SentinelGroup::start(&[&ours, &ours], &[&ours, &ours, &ours], 2, 1000);
    let sentinels: Vec<String> = group.sentinels.iter().map(|one| format!("redis://{}", one.address())).collect();
    let old = group.servers[0].port();
    let to = |kind| SentinelClient::build(sentinels.clone(), NAME.to_owned(), None, kind).unwrap();
    let mut client = to(SentinelServerType::Master);

    let mut connection = client.get_connection().unwrap();
    let () = connection.set("k", "v").unwrap();
    let mut replica = to(SentinelServerType::Replica).get_connection().unwrap();
    assert!(replica.set::<_, _, ()>("k", "w").unwrap_err().to_string().contains("read only replica"));
    let replicated: i64 = redis::cmd("WAIT").arg(1).arg(5000).query(&mut connection).unwrap();
    assert_eq!(replicated, 1);

    group.servers[0].kill().unwrap();
    group.wait_switch(old);

    let mut connection = client.get_connection().unwrap();
    assert_eq!(connection.get::<_, String>("k").unwrap(), "v");
    let () = connection.set("k", "after").unwrap();
}
