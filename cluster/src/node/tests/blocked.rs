//! Clients that wait for keys: who is served when, what ends a wait, and what the log and others hear of it.

use super::Fixture;
use crate::machine::{Input, Machine, Reset};

#[test]
fn clients_are_served_in_the_order_they_came_and_go_on() {
    let mut fixture = Fixture::new();
    let [pusher, first, second] = [(); 3].map(|()| fixture.client());
    fixture.send(first, "BLPOP k 0");
    fixture.send(first, "ECHO behind");
    fixture.send(second, "BRPOP k 0");

    assert_eq!(fixture.call(pusher, "RPUSH k a b c"), ":3|");

    assert_eq!(fixture.heard(first), "*2|$1|k|$1|a|$6|behind|");
    assert_eq!(fixture.heard(second), "*2|$1|k|$1|c|");
    assert_eq!(fixture.call(first, "PING"), "+PONG|");
}

#[test]
fn requests_of_one_packet_behind_a_wait_run_when_it_ends() {
    let mut fixture = Fixture::new();
    let (pusher, client) = (fixture.client(), fixture.neighbour());
    fixture.send_bytes(client, b"SET a 1\r\nBLPOP k 0\r\nINCR a\r\nBLPOP k 0\r\nINCR a\r\n");
    assert_eq!(fixture.heard(client), "+OK|");

    fixture.send(pusher, "RPUSH k x");
    assert_eq!(fixture.heard(client), "*2|$1|k|$1|x|:2|");

    fixture.send(pusher, "RPUSH k y");
    assert_eq!(fixture.heard(client), "*2|$1|k|$1|y|:3|");
}

#[test]
fn a_pipeline_serves_behind_each_of_its_requests() {
    let mut fixture = Fixture::new();
    let (pusher, client) = (fixture.neighbour(), fixture.client());
    fixture.send(client, "BLPOP k 0");

    fixture.send_bytes(pusher, b"RPUSH k a\r\nLLEN k\r\nRPUSH k b\r\n");

    assert_eq!(fixture.heard(pusher), ":1|:0|:1|");
    assert_eq!(fixture.heard(client), "*2|$1|k|$1|a|");
}

#[test]
fn waits_end_by_the_clock_of_the_node() {
    let mut fixture = Fixture::new();
    let [pusher, early, late, patient] = [(); 4].map(|()| fixture.client());
    fixture.send(early, "BLPOP k 0.25");
    fixture.send(late, "BLMOVE k j LEFT LEFT 3600");
    fixture.send(patient, "BLMPOP 0 1 k LEFT");
    fixture.send(early, "PING");

    fixture.advance(249);
    assert_eq!(fixture.heard(early), "");
    fixture.advance(1);
    assert_eq!(fixture.heard(early), "*-1|+PONG|");
    fixture.advance(3_599_749);
    assert_eq!(fixture.heard(late), "");
    fixture.advance(1);
    assert_eq!(fixture.heard(late), "*-1|");

    fixture.send(pusher, "RPUSH k a");
    assert_eq!(fixture.heard(patient), "*2|$1|k|*1|$1|a|");
}

#[test]
fn a_transaction_serves_behind_its_end_and_waits_for_nothing() {
    let mut fixture = Fixture::new();
    let (pusher, client) = (fixture.client(), fixture.client());
    fixture.send(client, "BLPOP k 0");
    for request in ["MULTI", "RPUSH k a", "BLPOP nosuch 0", "LPUSH k b"] {
        fixture.call(pusher, request);
    }

    assert_eq!(fixture.call(pusher, "EXEC"), "*3|:1|*-1|:2|");

    assert_eq!(fixture.heard(client), "*2|$1|k|$1|b|");
}

#[test]
fn an_element_goes_from_hand_to_hand() {
    let mut fixture = Fixture::new();
    let [pusher, mover, taker] = [(); 3].map(|()| fixture.client());
    fixture.send(taker, "BLPOP b 0");
    fixture.send(mover, "BRPOPLPUSH a b 0");

    fixture.send(pusher, "RPUSH a x");

    assert_eq!(fixture.heard(mover), "$1|x|");
    assert_eq!(fixture.heard(taker), "*2|$1|b|$1|x|");
}

#[test]
fn who_is_gone_is_not_served() {
    let mut fixture = Fixture::new();
    let [pusher, closed, killed, next] = [(); 4].map(|()| fixture.client());
    for client in [closed, killed, next] {
        fixture.send(client, "BLPOP k 5");
    }
    fixture.node.handle(fixture.now, Input::Closed(closed, Reset::EndOfStream));
    fixture.settle();
    assert!(fixture.call(pusher, "CLIENT LIST").contains("flags=b"));
    let killed_id = fixture.node.client_id(killed).unwrap();
    assert_eq!(fixture.call(pusher, &format!("CLIENT KILL ID {killed_id}")), ":1|");

    fixture.send(pusher, "RPUSH k a");

    assert_eq!(fixture.heard(next), "*2|$1|k|$1|a|");
    assert!(fixture.call(pusher, "INFO clients").contains("blocked_clients:0|"));
}

#[test]
fn client_unblock_ends_a_wait() {
    let mut fixture = Fixture::new();
    let (client, waiter) = (fixture.client(), fixture.client());
    let id = fixture.node.client_id(waiter).unwrap();
    fixture.send(waiter, "BLPOP k j 0");
    fixture.send(waiter, "PING");
    let told = fixture.call(client, "INFO clients");
    assert!(told.contains("blocked_clients:1|") && told.contains("total_blocking_keys:2|"), "{told}");

    assert_eq!(fixture.call(client, &format!("CLIENT UNBLOCK {id}")), ":1|");
    assert_eq!(fixture.heard(waiter), "*-1|+PONG|");
    assert_eq!(fixture.call(client, &format!("CLIENT UNBLOCK {id} ERROR")), ":0|");

    fixture.send(waiter, "BLPOP k 0");
    assert_eq!(fixture.call(client, &format!("CLIENT UNBLOCK {id} ERROR")), ":1|");
    assert_eq!(fixture.heard(waiter), "-UNBLOCKED client unblocked via CLIENT UNBLOCK|");
}

#[test]
fn a_node_that_becomes_a_replica_sends_those_who_wait_away() {
    let mut fixture = Fixture::new();
    let (client, waiter) = (fixture.client(), fixture.client());
    fixture.send(waiter, "BLPOP k 0");

    assert_eq!(fixture.call(client, "REPLICAOF 127.0.0.1 1"), "+OK|");

    let text = "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)|";
    assert_eq!(fixture.heard(waiter), text);
    assert!(fixture.is_closed(waiter));
    assert!(fixture.call(client, "INFO clients").contains("blocked_clients:0|"));
}

#[test]
fn those_who_wait_hear_that_nobody_serves_their_slot_any_more() {
    let mut fixture = Fixture::with(|config| config.cluster_enabled = true);
    let (client, waiter) = (fixture.client(), fixture.client());
    assert_eq!(fixture.call(client, "CLUSTER ADDSLOTSRANGE 0 16383"), "+OK|");
    fixture.advance(5_000);
    fixture.send(waiter, "BLPOP k 0");
    fixture.send(waiter, "PING");
    fixture.advance(5_000);
    assert_eq!(fixture.heard(waiter), "");

    let slot = fixture.call(client, "CLUSTER KEYSLOT k");
    fixture.call(client, &format!("CLUSTER DELSLOTS {}", slot.trim_matches([':', '|'])));
    fixture.advance(1_000);

    let told = fixture.heard(waiter);
    assert!(told.starts_with("-CLUSTERDOWN ") && told.ends_with("|+PONG|"), "{told}");
    assert!(fixture.call(client, "INFO clients").contains("blocked_clients:0|"));
}

#[test]
fn a_request_that_waited_passes_the_gates_again() {
    let mut fixture = Fixture::new();
    let (client, waiter) = (fixture.client(), fixture.client());
    fixture.send(waiter, "BLMOVE k j LEFT LEFT 0");
    fixture.send(client, "MULTI");
    fixture.send(client, "RPUSH k a");
    fixture.send(client, "CONFIG SET maxmemory 1");

    fixture.send(client, "EXEC");

    assert_eq!(fixture.heard(waiter), "-OOM command not allowed when used memory > 'maxmemory'.|");
}

#[test]
fn silence_asked_for_one_request_holds_until_its_answer() {
    let mut fixture = Fixture::new();
    let (client, waiter) = (fixture.client(), fixture.client());
    fixture.send(waiter, "CLIENT REPLY SKIP");
    fixture.send(waiter, "BLPOP k 0");

    fixture.send(client, "RPUSH k a b");

    assert_eq!(fixture.heard(waiter), "");
    assert_eq!(fixture.call(waiter, "LLEN k"), ":1|");
}

#[test]
fn a_monitor_sees_a_request_that_waits_once() {
    let mut fixture = Fixture::new();
    let [client, waiter, monitor] = [(); 3].map(|()| fixture.client());
    fixture.call(monitor, "MONITOR");
    fixture.send(waiter, "BLPOP k 0");

    fixture.send(client, "RPUSH k a");

    let seen = fixture.heard(monitor);
    assert_eq!(seen.matches("\"BLPOP\"").count(), 1, "{seen}");
    assert!(seen.find("\"BLPOP\"") < seen.find("\"RPUSH\""));
}

#[test]
fn a_measured_node_serves_as_any_other() {
    let mut fixture = Fixture::new();
    fixture.takes = Some(std::time::Duration::from_micros(5));
    let [pusher, first, second] = [(); 3].map(|()| fixture.client());
    fixture.send(first, "BLPOP k 0");
    fixture.send(second, "BLPOP k 0");

    assert_eq!(fixture.call(pusher, "RPUSH k a b"), ":2|");

    assert_eq!(fixture.heard(first), "*2|$1|k|$1|a|");
    assert_eq!(fixture.heard(second), "*2|$1|k|$1|b|");
    assert_eq!(fixture.call(second, "PING"), "+PONG|");
}
