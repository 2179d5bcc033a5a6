//! redis-rs against a cluster: routing, and a primary lost under its hands.

use std::time::{Duration, Instant};

use redis::cluster::ClusterClient;
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::{AsyncCommands, Commands, RedisResult};
use slotmesh_test_support::Server;
use slotmesh_test_support::nodes::{add_slots, meet_all, replicate, start_nodes, wait_for, wait_state};
use slotmesh_test_support::replication::{wait_caught_up, wait_connected};
use slotmesh_test_support::wait::poll_until;

use crate::ours;

#[test]
fn the_blocking_cluster_client_goes_on_after_a_failover() {
    let mut servers = cluster();
    let client = ClusterClient::builder(urls(&servers)).retries(2).build().unwrap();
    let mut connection = client.get_connection().unwrap();

    for number in 0..500 {
        let () = connection.set(format!("k:{number}"), number).unwrap();
    }
    let sum: i64 = (0..500).map(|number| connection.get::<_, i64>(format!("k:{number}")).unwrap()).sum();
    assert_eq!(sum, 499 * 500 / 2);
    let (first, second): (i64, String) = redis::cluster::cluster_pipe()
        .incr("{tag}n", 5)
        .set("{tag}s", "v")
        .ignore()
        .get("{tag}s")
        .query(&mut connection)
        .unwrap();
    assert_eq!((first, second.as_str()), (5, "v"));

    wait_caught_up(&servers[0], &servers[3]);
    servers[0].kill().unwrap();
    let begun = Instant::now();
    let mut last = None;
    poll_until("a write through the client", Duration::from_secs(40), || {
        // "kk" is in slot 2589, which the lost primary owned. A refused connection does not make the blocking client
        // ask for the map again, with redis-server neither: a new connection does.
        last = Some(connection.set::<_, _, ()>("kk", "after"));
        if matches!(last, Some(Err(_))) {
            connection = client.get_connection().ok()?;
        }
        matches!(last, Some(Ok(()))).then_some(())
    })
    .unwrap_or_else(|timeout| panic!("{timeout}: {last:?}"));

    assert_eq!(connection.get::<_, String>("kk").unwrap(), "after");
    let sum: i64 = (0..500).map(|number| connection.get::<_, i64>(format!("k:{number}")).unwrap()).sum();
    assert_eq!(sum, 499 * 500 / 2, "after {:?}", begun.elapsed());
}

#[test]
fn the_blocking_cluster_client_can_read_from_replicas() {
    let servers = cluster();
    let client = ClusterClient::builder(urls(&servers)).read_routing_strategy(RandomReplicaStrategy).build().unwrap();
    let mut connection = client.get_connection().unwrap();

    for number in 0..100 {
        let () = connection.set(format!("k:{number}"), number).unwrap();
    }
    for at in 0..3 {
        wait_caught_up(&servers[at], &servers[at + 3]);
    }

    for number in 0..100 {
        assert_eq!(connection.get::<_, i64>(format!("k:{number}")).unwrap(), number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_asynchronous_cluster_client_goes_on_after_a_failover() {
    let mut servers = cluster();
    let client = ClusterClient::builder(urls(&servers)).retries(16).build().unwrap();
    let connection = client.get_async_connection().await.unwrap();

    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let mut connection = connection.clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    let () = connection.set(format!("t:{task}:{number}"), number).await?;
                }
                RedisResult::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    wait_caught_up(&servers[0], &servers[3]);
    servers[0].kill().unwrap();

    let mut connection = connection;
    let begun = Instant::now();
    while connection.set::<_, _, ()>("kk", "after").await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(40), "no write after {:?}", begun.elapsed());
    }

    assert_eq!(connection.get::<_, String>("kk").await.unwrap(), "after");
    for number in 0..50 {
        assert_eq!(connection.get::<_, i64>(format!("t:7:{number}")).await.unwrap(), number);
    }
}

/// Three primaries with a replica each.
pub(crate) fn cluster() -> Vec<Server> {
    let servers = start_nodes(&ours(), 6, 1000);
    meet_all(&servers);
    add_slots(&servers[0], 0..=5460);
    add_slots(&servers[1], 5461..=10_922);
    add_slots(&servers[2], 10_923..=16_383);
    for at in 0..3 {
        replicate(&servers[at + 3], &servers[at]);
    }
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    for server in &servers {
        wait_for(server, "the replicas", |lines| lines.iter().filter(|line| line.is("slave")).count() == 3);
    }
    for server in &servers[3..] {
        wait_connected(server);
    }
    servers
}

fn urls(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| format!("redis://127.0.0.1:{}/", server.port())).collect()
}
