use super::{START_MS, Store};
use crate::Engine;
use crate::config::Config;
use crate::config::choices::MaxmemoryPolicy;
use crate::keyspace::DbIndex;
use crate::resp::reply::Protocol;
use crate::session::{ReplyMode, SessionId};
use crate::slot::Slot;

impl Store {
    fn bytes(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.engine.run(self.now, self.client, words)
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.engine.core_mut().config);
        self
    }
}

#[test]
fn time_is_the_time_of_the_call() {
    let mut store = Store::new();
    store.advance_ms(1500);

    assert_eq!(store.run("TIME"), "*2 $10 1000000001 $6 500000");
    store.run("SET a 1 PXAT 1000000004499");
    assert_eq!(store.run("PTTL a"), ":2999");
    assert_eq!(store.run("TTL a"), ":3");
    assert_eq!(store.run("PEXPIRETIME a"), format!(":{}", START_MS + 4499));
}

#[test]
fn a_long_value_is_replied_as_it_was_when_asked() {
    let mut store = Store::new();
    let long = vec![b'x'; 100_000];
    store.bytes(&[b"SET", b"a", &long]);
    let other = store.engine.open();
    let now = store.now;
    let ask = |store: &mut Store, session: SessionId, words: &[&[u8]]| {
        let request = words.iter().collect();
        let request: crate::resp::args::ArgsBuf = request;
        store.engine.execute(now, session, request.as_args());
    };

    ask(&mut store, other, &[b"GET", b"a"]);
    ask(&mut store, other, &[b"GETRANGE", b"a", b"0", b"49999"]);
    store.run("SETRANGE a 0 changed");
    store.run("APPEND a tail");

    let mut reply = Vec::new();
    store.engine.out(other).take_into(&mut reply);
    let expected = [b"$100000\r\n", &long[..], b"\r\n$50000\r\n", &long[..50_000], b"\r\n"].concat();
    assert!(reply == expected);
    assert_eq!(store.run("GETRANGE a 0 9"), "$10 changedxxx");
    assert_eq!(store.run("STRLEN a"), ":100004");
}

#[test]
fn a_silent_client_is_sent_no_long_value_either() {
    let mut store = Store::new();
    store.bytes(&[b"SET", b"a", &[b'x'; 20_000]]);
    store.engine.session_mut(store.client).reply_mode = ReplyMode::Off;

    assert_eq!(store.run("GET a"), "");
    assert_eq!(store.run("GETRANGE a 0 -1"), "");
    assert_eq!(store.run("NOSUCH"), "");
    store.engine.session_mut(store.client).reply_mode = ReplyMode::On;
    assert_eq!(store.run("STRLEN a"), ":20000");
}

#[test]
fn a_transaction_s_messages_to_its_client_come_behind_its_reply() {
    let mut store = Store::new();
    store.engine.session_mut(store.client).protocol = Protocol::Resp3;
    store.run("SUBSCRIBE ch");
    store.run("MULTI");
    store.run("PUBLISH ch x");
    store.run("GET a");

    assert_eq!(store.run("EXEC"), "*2 :1 _ >3 $7 message $2 ch $1 x");
}

#[test]
fn a_store_alone_refuses_what_memory_does_not_allow() {
    let mut store = Store::new();
    store.run("SET held by-memory");
    store.engine.core_mut().config.maxmemory = 1;
    let refusal = "OOM command not allowed when used memory > 'maxmemory'.";

    assert_eq!(store.run("SET a b"), format!("-{refusal}"));
    assert_eq!(store.run("GET a"), "$-1");
    store.run("MULTI");
    assert_eq!(store.run("GET a"), "+QUEUED");
    assert_eq!(store.run("SET a b"), format!("-{refusal}"));
    assert_eq!(store.run("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
    store.engine.core_mut().config.maxmemory = 0;
    store.run("MULTI");
    store.run("SET a b");
    store.engine.core_mut().config.maxmemory = 1;
    assert_eq!(store.run("EXEC"), format!("-EXECABORT Transaction discarded because of: {refusal}"));
    assert_eq!(store.run("EXEC"), "-ERR EXEC without MULTI");
}

#[test]
fn a_copy_does_not_change_with_its_original() {
    let mut store = Store::new();
    store.bytes(&[b"SET", b"a", &vec![b'x'; 50_000]]);
    store.run("COPY a b");

    store.run("SETRANGE a 0 yy");

    assert_eq!(store.run("GETRANGE b 0 1"), "$2 xx");
}

#[test]
fn payloads_come_back_as_the_same_value() {
    let mut store = Store::new();
    let long = b"abc".repeat(30_000);
    let values: [&[u8]; 6] = [b"", b"12", b"-9223372036854775808", b"hello", &[0xff; 300], &long];

    for value in values {
        store.bytes(&[b"SET", b"a", value]);
        let dumped = store.bytes(&[b"DUMP", b"a"]);
        let head = dumped.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        let payload = &dumped[head..dumped.len() - 2];
        assert_eq!(store.bytes(&[b"RESTORE", b"b", b"0", payload, b"REPLACE"]), b"+OK\r\n");
        assert!(store.bytes(&[b"GET", b"b"]) == store.bytes(&[b"GET", b"a"]));
    }
}

#[test]
fn restored_keys_take_over_idle_time_or_use_counter() {
    let payload = b"\x00\x05hello\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0a";
    let mut store = Store::new();
    store.bytes(&[b"RESTORE", b"a", b"0", payload, b"IDLETIME", b"77"]);
    store.advance_ms(3000);
    assert_eq!(store.run("OBJECT IDLETIME a"), ":80");

    let mut store = Store::new().with(|config| config.maxmemory_policy = MaxmemoryPolicy::AllkeysLfu);
    store.bytes(&[b"RESTORE", b"a", b"0", payload, b"FREQ", b"99"]);
    assert_eq!(store.run("OBJECT FREQ a"), ":99");
    store.advance_ms(120_000);
    assert_eq!(store.run("OBJECT FREQ a"), ":97");
}

#[test]
fn asking_about_a_key_does_not_use_it() {
    let mut store = Store::new();
    store.run("SET a 1");
    store.advance_ms(10_000);

    for command in ["TTL a", "TYPE a", "EXISTS a", "OBJECT ENCODING a", "OBJECT IDLETIME a"] {
        store.run(command);
        assert_eq!(store.run("OBJECT IDLETIME a"), ":10", "{command}");
    }
    store.run("TOUCH a");
    assert_eq!(store.run("OBJECT IDLETIME a"), ":0");
}

#[test]
fn strings_do_not_pass_the_configured_length() {
    let mut store = Store::new().with(|config| config.proto_max_bulk_len = 10);
    store.run("SET a 123456");
    let refusal = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";

    assert_eq!(store.run("APPEND a 12345"), refusal);
    assert_eq!(store.run("SETRANGE a 8 123"), refusal);
    assert_eq!(store.run("SETRANGE new 10 1"), refusal);
    assert_eq!(store.run("EXISTS new"), ":0");
    assert_eq!(store.run("APPEND a 1234"), ":10");
}

#[test]
fn the_table_of_lcs_is_bounded() {
    let mut store = Store::new().with(|config| config.proto_max_bulk_len = 1 << 20);
    store.bytes(&[b"SET", b"a", &[b'x'; 600]]);
    store.bytes(&[b"SET", b"b", &[b'x'; 600]]);

    let refusal = "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    assert_eq!(store.run("LCS a b LEN"), refusal);
}

#[test]
fn in_cluster_mode_there_is_one_database() {
    let mut store = Store::new().with(|config| config.cluster_enabled = true);
    store.run("SET a 1");

    assert_eq!(store.run("MOVE a 1"), "-ERR MOVE is not allowed in cluster mode");
    assert_eq!(store.run("SWAPDB 0 1"), "-ERR SWAPDB is not allowed in cluster mode");
    assert_eq!(store.run("COPY a b DB 1"), "-ERR Copying to another database is not allowed in cluster mode");
    assert_eq!(store.run("COPY a b DB 0"), ":1");
}

#[test]
fn a_cluster_node_may_have_more_databases() {
    let mut store = Store::new();
    let config = Config { cluster_enabled: true, cluster_databases: 3, ..Config::default() };
    store.engine = Engine::new(config, 1);
    store.client = store.engine.open();
    store.run("SET a 1");

    // As valkey-server 9.1 answers with `cluster-databases 3`.
    assert_eq!(store.run("SWAPDB 0 1"), "-ERR SWAPDB is not allowed in cluster mode");
    assert_eq!(store.run("COPY a b DB 1"), ":1");
    assert_eq!(store.run("COPY a b DB 3"), "-ERR DB index is out of range");
    assert_eq!(store.run("MOVE a 0"), "-ERR source and destination objects are the same");
    assert_eq!(store.run("MOVE a 3"), "-ERR DB index is out of range");
    assert_eq!(store.run("MOVE a 2"), ":1");
    assert_eq!(store.run("DBSIZE"), ":0");
    assert_eq!(store.run("SELECT 3"), "-ERR DB index is out of range");
    assert_eq!(store.run("SELECT -1"), "-ERR DB index is out of range");
    assert_eq!(store.run("SELECT 2"), "+OK");
    assert_eq!(store.run("GET a"), "$1 1");
    let (a, b) = (Slot::of_key(b"a"), Slot::of_key(b"b"));
    assert_eq!([a, b].map(|slot| store.engine.core().keyspace.slot_total(slot)), [1, 1]);

    store.engine.changes().set_enabled(true);
    store.engine.delete_slot(a);
    assert_eq!([a, b].map(|slot| store.engine.core().keyspace.slot_total(slot)), [0, 1]);
    let log = String::from_utf8(store.engine.changes().bytes().to_vec()).unwrap();
    assert_eq!(log, "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n");
}

#[test]
fn a_scan_meets_every_key_that_stays() {
    let mut store = Store::new();
    let now = store.now;
    store.engine.populate(now, DbIndex(0), 5000, b"stay", None);
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = "0".to_owned();
    let mut calls = 0;
    loop {
        let reply = store.run(&format!("SCAN {cursor} COUNT 50"));
        let words: Vec<&str> = reply.split(' ').collect();
        cursor = words[2].to_owned();
        seen.extend(words.iter().filter(|word| word.starts_with("stay:")).map(|word| word.to_string()));
        // The table grows and shrinks under the scan.
        store.run(&format!("SET come:{calls} 1"));
        store.run(&format!("DEL come:{}", calls - 5));
        calls += 1;
        if cursor == "0" {
            break;
        }
    }

    assert_eq!(seen.len(), 5000);
    assert!(calls < 400, "{calls} calls");
}

#[test]
fn an_empty_word_does_not_take_the_hash_of_its_neighbour() {
    let mut store = Store::new();
    let request: crate::resp::args::ArgsBuf = ["RENAME", "", "b"].into_iter().collect();
    store.run("SET b 1");
    store.bytes(&[b"SET", b"", b"empty"]);
    let args = request.as_args();
    let command = store.engine.resolve(args).unwrap();
    let hash = store.engine.core().keyspace.hash(b"");

    store.engine.call_primed(store.now, store.client, command, args, Some((1, hash)));

    let mut reply = Vec::new();
    store.engine.out(store.client).take_into(&mut reply);
    assert_eq!(reply, b"+OK\r\n");
    assert_eq!(store.run("GET b"), "$5 empty");
}
