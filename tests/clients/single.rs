//! redis-rs against one server: blocking and asynchronous.

use redis::{AsyncCommands, Client, Commands, RedisResult};
use slotmesh_test_support::Server;

use crate::start;

#[test]
fn the_blocking_client_reads_what_it_wrote() {
    let server = start();
    let mut connection = connect(&server);

    let () = connection.set("k", "v").unwrap();
    let () = connection.set_ex("e", 42, 1000).unwrap();

    assert_eq!(connection.get::<_, String>("k").unwrap(), "v");
    assert_eq!(connection.incr::<_, _, i64>("e", 8).unwrap(), 50);
    assert_eq!(connection.ttl::<_, i64>("e").unwrap(), 1000);
    assert_eq!(connection.get::<_, Option<String>>("missing").unwrap(), None);
    assert_eq!(connection.mget::<_, Vec<Option<String>>>(&["k", "missing"]).unwrap(), [Some("v".to_owned()), None]);
    let wrong: RedisResult<i64> = connection.incr("k", 1);
    assert!(wrong.unwrap_err().to_string().contains("not an integer"));
}

#[test]
fn a_pipeline_and_a_transaction_come_back_whole() {
    let server = start();
    let mut connection = connect(&server);

    let (first, second): (i64, i64) =
        redis::pipe().atomic().set("n", 1).ignore().incr("n", 1).incr("n", 10).query(&mut connection).unwrap();
    let mut many = redis::pipe();
    for number in 0..5000 {
        many.set(format!("k:{number}"), number).ignore();
    }
    let () = many.query(&mut connection).unwrap();

    assert_eq!((first, second), (2, 12));
    assert_eq!(redis::cmd("DBSIZE").query::<i64>(&mut connection).unwrap(), 5001);
    let mut keys: Vec<String> = connection.scan_match("k:49*").unwrap().collect::<RedisResult<_>>().unwrap();
    keys.sort();
    assert_eq!(keys.len(), 111);
}

#[test]
fn an_optimistic_transaction_is_retried_when_its_key_changes() {
    let server = start();
    let (mut connection, mut other) = (connect(&server), connect(&server));
    let () = connection.set("n", 1).unwrap();
    let mut attempts = 0;

    let (new,): (i64,) = redis::transaction(&mut connection, &["n"], |connection, pipe| {
        let old: i64 = connection.get("n")?;
        attempts += 1;
        if attempts == 1 {
            let () = other.set("n", 100)?;
        }
        pipe.set("n", old + 1).ignore().get("n").query(connection)
    })
    .unwrap();

    assert_eq!((new, attempts), (101, 2));
}

#[test]
fn published_messages_reach_their_subscribers() {
    let server = start();
    let (mut subscriber, mut publisher) = (connect(&server), connect(&server));
    let mut channel = subscriber.as_pubsub();
    channel.subscribe("news").unwrap();
    channel.psubscribe("n*").unwrap();

    let receivers: i64 = publisher.publish("news", "hello").unwrap();

    assert_eq!(receivers, 2);
    let (first, second) = (channel.get_message().unwrap(), channel.get_message().unwrap());
    assert_eq!(first.get_payload::<String>().unwrap(), "hello");
    assert_eq!(second.get_pattern::<String>().unwrap(), "n*");
}

#[test]
fn the_blocking_client_speaks_the_third_protocol() {
    let server = start();
    let url = format!("redis://127.0.0.1:{}/3?protocol=resp3", server.port());
    let mut connection = Client::open(url).unwrap().get_connection().unwrap();

    let () = connection.set("k", "v").unwrap();
    let settings: std::collections::HashMap<String, String> =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory").query(&mut connection).unwrap();

    assert_eq!(settings["maxmemory"], "0");
    let info: redis::InfoDict = redis::cmd("INFO").query(&mut connection).unwrap();
    assert_eq!(info.get::<String>("role").as_deref(), Some("master"));
    assert!(info.find(&"db3").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_asynchronous_tasks_share_one_connection() {
    let server = start();
    let client = Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();

    let tasks: Vec<_> = (0..100)
        .map(|task: i64| {
            let mut connection = connection.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let key = format!("t:{task}:{round}");
                    let () = connection.set(&key, task * round).await?;
                    assert_eq!(connection.get::<_, i64>(&key).await?, task * round);
                    let _: i64 = connection.incr("total", 1).await?;
                }
                RedisResult::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }

    let mut connection = connection;
    assert_eq!(connection.get::<_, i64>("total").await.unwrap(), 2000);
}

fn connect(server: &Server) -> redis::Connection {
    Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap().get_connection().unwrap()
}
