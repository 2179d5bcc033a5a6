//! One server in the process.

use std::time::Duration;

use slotmesh::{Client, Error, Message, Server, ServerError};

#[test]
fn a_store_in_memory_answers_typed() {
    let mut client = Server::memory().client();

    assert_eq!(client.call::<String>(["PING"]), Ok("PONG".to_owned()));
    assert_eq!(client.call::<Vec<u8>>(("ECHO", b"\0\xff")), Ok(b"\0\xff".to_vec()));
    assert_eq!(client.call::<i64>(("ECHO", 42)), Ok(42));
    assert_eq!(client.call::<Option<String>>(("CLIENT", "GETNAME")).unwrap_or_default().unwrap_or_default(), "");
}

#[test]
fn an_error_of_the_server_has_its_code_and_text() {
    let mut client = Server::memory().client();

    let error = client.call::<String>(["NOSUCH"]).unwrap_err();

    assert_eq!(error.code(), "ERR");
    assert!(error.server().is_some_and(|error| error.text().starts_with("unknown command 'NOSUCH'")), "{error}");
}

#[test]
fn a_reply_of_another_type_says_what_came() {
    let mut client = Server::memory().client();

    let error = client.call::<i64>(["PING"]).unwrap_err();

    assert!(matches!(error, Error::Unexpected { expected: "an integer", .. }), "{error}");
}

#[test]
fn a_pipeline_keeps_order_and_errors_apart() {
    let mut client = Server::memory().client();

    let (one, error, two): (i64, Result<String, ServerError>, i64) =
        client.pipeline().command(("ECHO", 1)).command(["NOSUCH"]).command(("ECHO", 2)).run().unwrap();

    assert_eq!((one, two), (1, 2));
    assert_eq!(error.unwrap_err().code(), "ERR");
}

#[test]
fn a_long_pipeline_is_answered_whole() {
    let mut client = Server::memory().client();
    let mut pipeline = client.pipeline();
    (0..5000).for_each(|number| pipeline.push(("ECHO", number)));

    let numbers: Vec<i64> = pipeline.run().unwrap();

    assert_eq!(numbers, (0..5000).collect::<Vec<_>>());
}

#[test]
fn a_subscriber_hears_what_another_thread_publishes() {
    let server = Server::memory();
    let client = server.client();
    let mut news = client.subscribe(["news", "weather"]).unwrap();
    let mut all = client.psubscribe(["n*"]).unwrap();

    std::thread::scope(|scope| {
        scope.spawn(|| server.client().call::<i64>(("PUBLISH", "news", "hello")).unwrap());

        let expected = Message { channel: b"news".to_vec(), payload: b"hello".to_vec(), pattern: None };
        assert_eq!(news.next().unwrap().unwrap(), expected);
        assert_eq!(all.next().unwrap().unwrap().pattern.as_deref(), Some(&b"n*"[..]));
    });
    assert_eq!(news.next_message(Duration::ZERO), Ok(None));
    news.unsubscribe(["news"]).unwrap();
    assert_eq!(server.client().call::<i64>(("PUBLISH", "news", "x")), Ok(1), "only the pattern is left");
}

#[test]
fn options_reach_the_server() {
    let server = Server::builder().option("requirepass", "secret").start().unwrap();
    let mut client = server.client();

    assert_eq!(client.call::<String>(["PING"]).unwrap_err().code(), "NOAUTH");
    client.call::<()>(("AUTH", "secret")).unwrap();
    assert_eq!(client.call::<String>(["PING"]).unwrap(), "PONG");
}

#[test]
fn a_wrong_option_is_refused_before_anything_starts() {
    let error = Server::builder().option("maxmemory", "lots").start().unwrap_err();

    assert_eq!(error.to_string(), "option 'maxmemory \"lots\"': argument must be a memory value");
}

#[test]
fn a_server_with_a_port_serves_both_sides() {
    let server = Server::builder().listen("127.0.0.1:0").start().unwrap();
    let address = server.addr().unwrap();
    let mut remote = Client::connect(address).unwrap();
    let mut news = remote.subscribe(["news"]).unwrap();

    assert_eq!(remote.call::<String>(("ECHO", "over tcp")).unwrap(), "over tcp");
    assert_eq!(server.client().call::<i64>(("PUBLISH", "news", "from inside")).unwrap(), 1);
    assert_eq!(news.next().unwrap().unwrap().payload, b"from inside");

    drop(server);
    remote.set_timeout(Duration::from_secs(10));
    assert!(matches!(remote.call::<String>(["PING"]), Err(Error::Disconnected { .. })));
}

#[test]
fn a_taken_port_is_named() {
    let first = Server::builder().listen("127.0.0.1:0").start().unwrap();
    let address = first.addr().unwrap();

    let error = Server::builder().listen(address.to_string()).start().unwrap_err().to_string();

    assert!(error.contains(&format!("Failed listening on port {}", address.port())), "{error}");
}

#[test]
fn log_lines_are_handed_over() {
    let (sender, lines) = std::sync::mpsc::channel();
    let server = Server::builder()
        .log(move |line| {
            let _ = sender.send(line.text.clone());
        })
        .start()
        .unwrap();

    assert!(lines.try_iter().any(|line| line == "Server initialized"));
    drop(server);
}

#[test]
fn a_server_lives_as_long_as_a_client_does() {
    let mut client = Server::memory().client();

    assert_eq!(client.call::<String>(["PING"]).unwrap(), "PONG");
    assert_eq!(client.call::<String>(["PING"]).unwrap(), "PONG");
}

#[test]
fn a_server_that_was_shut_down_says_so() {
    let server = Server::builder().listen("127.0.0.1:0").start().unwrap();
    let mut client = server.client();

    let ended = client.call::<()>(["SHUTDOWN", "NOSAVE"]);

    assert!(matches!(ended, Err(Error::Disconnected { .. })), "{ended:?}");
    assert!(matches!(client.call::<()>(["PING"]), Err(Error::Disconnected { .. })));
    assert!(server.try_client().is_err());
}

#[test]
fn a_server_with_a_folder_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Server::builder().data_dir(folder.path()).start().unwrap();

    let server = start();
    server.client().call::<()>(("SET", "k", "kept")).unwrap();
    drop(server);

    assert!(folder.path().join("dump.rdb").exists());
    assert_eq!(start().client().call::<String>(("GET", "k")).unwrap(), "kept");
}

#[test]
fn a_server_without_a_folder_writes_no_file() {
    let server = Server::builder().listen("127.0.0.1:0").start().unwrap();
    server.client().call::<()>(("SET", "k", "v")).unwrap();

    drop(server);

    assert!(!std::path::Path::new("dump.rdb").exists());
}
