//! SLOWLOG, LATENCY, and the times in INFO.

use std::time::Duration;

use slotmesh_engine::resp::reply::write_request;
use slotmesh_engine::rng::Rng;

use super::Fixture;
use crate::machine::{Input, Machine};

/// A node whose host has measured before, so that it counts on it.
fn measured(takes: Duration) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.takes = Some(takes);
    let client = fixture.client();
    fixture.call(client, "PING");
    fixture
}

#[test]
fn a_slow_command_is_in_the_slow_log_with_its_client() {
    let mut fixture = measured(Duration::from_millis(12));
    let client = fixture.client();
    fixture.call(client, "CLIENT SETNAME me");
    fixture.call(client, "SLOWLOG RESET");
    fixture.call(client, "INFO cluster");
    fixture.takes = Some(Duration::from_millis(9));
    fixture.call(client, "INFO keyspace");

    let log = fixture.call(client, "SLOWLOG GET");

    let info = "*6|:2|:1700000000|:12000|*2|$4|INFO|$7|cluster|$3|?:0|$2|me|";
    let reset = "*6|:1|:1700000000|:12000|*2|$7|SLOWLOG|$5|RESET|$3|?:0|$2|me|";
    assert_eq!(log, format!("*2|{info}{reset}"));
    assert_eq!(fixture.call(client, "SLOWLOG LEN"), ":2|");
    assert_eq!(fixture.call(client, "SLOWLOG GET 0"), "*0|");
    assert_eq!(fixture.call(client, "SLOWLOG GET -2"), "-ERR count should be greater than or equal to -1|");
    assert!(fixture.call(client, "SLOWLOG GET 1 2").starts_with("-ERR unknown subcommand or wrong number of"));
}

#[test]
fn the_slow_log_forgets_its_oldest_entries() {
    let mut fixture = measured(Duration::from_secs(1));
    let client = fixture.client();
    fixture.call(client, "CONFIG SET slowlog-max-len 2");

    for _ in 0..5 {
        fixture.call(client, "INFO cluster");
    }

    assert_eq!(fixture.call(client, "SLOWLOG LEN"), ":2|");
    fixture.call(client, "CONFIG SET slowlog-max-len 0");
    assert_eq!(fixture.call(client, "SLOWLOG LEN"), ":0|");
}

#[test]
fn requests_behind_a_long_one_are_measured_apart_and_answered_in_order() {
    let mut fixture = measured(Duration::from_millis(20));
    let client = fixture.neighbour();

    fixture.send_bytes(client, b"ECHO a\r\nINFO cluster\r\nECHO b\r\nECHO c\r\nINFO keyspace\r\nECHO d\r\n");

    let cluster = "$30|# Cluster|cluster_enabled:0||";
    let keyspace = "$12|# Keyspace||";
    assert_eq!(fixture.heard(client), format!("$1|a|{cluster}$1|b|$1|c|{keyspace}$1|d|"));
    let stats = fixture.call(client, "INFO commandstats");
    assert!(stats.contains("|cmdstat_info:calls=2,usec=40000,usec_per_call=20000.00,"), "{stats}");
    assert!(stats.contains("|cmdstat_echo:calls=4,usec=60000,usec_per_call=15000.00,"), "{stats}");
    assert_eq!(fixture.call(client, "SLOWLOG LEN"), ":3|", "both, and the INFO just now");
}

#[test]
fn clients_whose_turn_is_still_to_come_are_not_left_until_a_timer() {
    let mut fixture = measured(Duration::from_millis(20));
    use crate::machine::Timer;
    let clients: Vec<_> = (0..3).map(|_| fixture.client()).collect();
    let arrivals: Vec<_> = clients.iter().map(|&client| (client, &b"KEYS a\r\nKEYS b\r\n"[..])).collect();
    fixture.node.receive_many(fixture.now, &arrivals);

    fixture.node.took(fixture.now, Duration::from_millis(20));

    assert_eq!(fixture.node.deadline().map(|(_, timer)| timer), Some(Timer::Yield));
}

#[test]
fn one_clients_long_request_does_not_lengthen_anothers() {
    let mut fixture = measured(Duration::from_millis(20));
    let (first, second) = (fixture.client(), fixture.client());

    fixture.node.receive_many(fixture.now, &[(first, b"INFO cluster\r\n"), (second, b"ECHO b\r\nINFO cluster\r\n")]);
    fixture.send_bytes(first, b"ECHO a\r\n");

    assert!(fixture.heard(first).ends_with("$1|a|"));
    assert!(fixture.heard(second).starts_with("$1|b|$30|"));
    let stats = fixture.call(first, "INFO commandstats");
    assert!(stats.contains("|cmdstat_info:calls=2,usec=40000,"), "{stats}");
}

#[test]
fn requests_that_wait_for_their_turn_are_answered_in_order_however_they_arrive() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let mut fixture = measured(Duration::from_micros(5));
        let clients: Vec<_> = (0..3).map(|_| fixture.client()).collect();
        // With the low threshold no two requests share a measure.
        let threshold = if rng.below(2) == 0 { 0 } else { 10_000 };
        fixture.call(clients[0], &format!("CONFIG SET slowlog-log-slower-than {threshold}"));
        let streams: Vec<_> = clients.iter().map(|_| pipeline(&mut rng)).collect();
        let mut unsent: Vec<&[u8]> = streams.iter().map(|(requests, _)| &requests[..]).collect();

        while unsent.iter().any(|bytes| !bytes.is_empty()) {
            let sender = rng.index(clients.len());
            let (piece, rest) = unsent[sender].split_at(rng.index(400).min(unsent[sender].len()));
            unsent[sender] = rest;
            fixture.node.handle(fixture.now, Input::Received(clients[sender], piece));
            for _ in 0..rng.index(6) {
                if fixture.node.wants_took() {
                    fixture.node.took(fixture.now, Duration::from_micros(5));
                }
            }
        }
        fixture.measure();
        fixture.settle();

        for (&client, (_, replies)) in clients.iter().zip(&streams) {
            assert_eq!(fixture.heard(client), *replies, "seed {seed}");
        }
    }
}

/// Requests of all kinds in one stream, and the replies to them.
fn pipeline(rng: &mut Rng) -> (Vec<u8>, String) {
    let (mut requests, mut replies) = (Vec::new(), String::new());
    for number in 100..160 {
        match rng.below(5) {
            0 => write_request(&mut requests, [&b"KEYS"[..], b"nothing"].into_iter()),
            1 => requests.extend_from_slice(format!("\r\nLRANGE none {number} -1\r\n").as_bytes()),
            _ => {
                write_request(&mut requests, [&b"ECHO"[..], number.to_string().as_bytes()].into_iter());
                replies += &format!("$3|{number}|");
                continue;
            }
        }
        replies += "*0|";
    }
    (requests, replies)
}

#[test]
fn a_client_that_leaves_before_its_turn_takes_nobodys_place() {
    let mut fixture = measured(Duration::from_micros(5));
    let (leaves, stays) = (fixture.client(), fixture.client());
    let mut requests = Vec::new();
    (0..20).for_each(|_| write_request(&mut requests, [&b"KEYS"[..], b"nothing"].into_iter()));
    fixture.node.receive_many(fixture.now, &[(leaves, &requests[..]), (stays, &requests[..])]);
    fixture.node.took(fixture.now, Duration::from_micros(5));

    fixture.hang_up(leaves);
    fixture.measure();
    fixture.settle();

    assert_eq!(fixture.heard(stays), "*0|".repeat(20));
}

#[test]
fn with_a_low_threshold_every_command_is_measured_alone() {
    let mut fixture = measured(Duration::from_micros(3));
    let client = fixture.client();
    fixture.call(client, "CONFIG SET slowlog-log-slower-than 0");
    fixture.call(client, "SLOWLOG RESET");

    fixture.send_bytes(client, b"ECHO a\r\nECHO b\r\nECHO c\r\n");

    assert_eq!(fixture.heard(client), "$1|a|$1|b|$1|c|");
    assert_eq!(fixture.call(client, "SLOWLOG LEN"), ":4|");
    assert!(fixture.call(client, "SLOWLOG GET 2").contains("*2|$4|ECHO|$1|c|"));
}

#[test]
fn a_transaction_is_one_measure() {
    let mut fixture = measured(Duration::from_millis(30));
    let client = fixture.client();
    fixture.call(client, "MULTI");
    fixture.call(client, "INFO cluster");
    fixture.call(client, "ECHO x");
    fixture.call(client, "EXEC");

    let log = fixture.call(client, "SLOWLOG GET");
    assert!(log.starts_with("*2|*6|:1|:1700000000|:15000|*2|$4|ECHO|$1|x|"), "{log}");
    assert!(log.contains("|*6|:0|:1700000000|:15000|*2|$4|INFO|$7|cluster|"), "{log}");
    let stats = fixture.call(client, "INFO commandstats");
    assert!(stats.contains("|cmdstat_info:calls=1,usec=15000,"), "{stats}");
}

#[test]
fn a_transaction_of_many_commands_is_logged_if_none_of_them_was_slow() {
    let mut fixture = measured(Duration::from_millis(18));
    let client = fixture.client();
    fixture.call(client, "MULTI");
    fixture.call(client, "ECHO x");
    fixture.call(client, "ECHO y");
    fixture.call(client, "EXEC");

    let log = fixture.call(client, "SLOWLOG GET");

    assert!(log.starts_with("*1|*6|:0|:1700000000|:18000|*1|$4|EXEC|"), "{log}");
}

#[test]
fn a_command_that_waits_is_logged_when_it_is_served() {
    let mut fixture = measured(Duration::from_micros(3));
    let (waiting, client) = (fixture.client(), fixture.client());
    fixture.call(client, "CONFIG SET slowlog-log-slower-than 0");
    fixture.send_bytes(waiting, b"BLPOP l 0\r\n");
    assert!(!fixture.call(client, "SLOWLOG GET").contains("BLPOP"));

    fixture.call(client, "RPUSH l x");

    assert_eq!(fixture.heard(waiting), "*2|$1|l|$1|x|");
    let log = fixture.call(client, "SLOWLOG GET 2");
    let (served, pushed) = (log.find("BLPOP").unwrap(), log.find("RPUSH").unwrap());
    assert!(served < pushed, "{log}");
}

#[test]
fn a_host_that_does_not_measure_makes_nobody_wait() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.call(client, "CONFIG SET slowlog-log-slower-than 0");

    fixture.send_bytes(client, b"INFO cluster\r\nINFO cluster\r\nECHO a\r\n");

    assert!(fixture.heard(client).ends_with("$1|a|"));
    assert_eq!(fixture.call(client, "SLOWLOG LEN"), ":0|");
}

#[test]
fn nothing_is_measured_when_nobody_cares() {
    let mut fixture = measured(Duration::from_secs(1));
    let client = fixture.client();
    fixture.call(client, "CONFIG SET slowlog-log-slower-than -1 latency-tracking no");
    fixture.takes = None;

    fixture.call(client, "INFO cluster");

    assert!(!fixture.node.wants_took());
}

#[test]
fn latency_events_are_kept_by_second() {
    let mut fixture = measured(Duration::from_millis(7));
    let client = fixture.client();
    assert_eq!(fixture.call(client, "LATENCY LATEST"), "*0|");
    assert!(fixture.call(client, "LATENCY DOCTOR").contains("latency-monitor-threshold"));
    fixture.call(client, "CONFIG SET latency-monitor-threshold 5");
    fixture.advance(2000);
    fixture.takes = Some(Duration::from_millis(9));
    fixture.call(client, "INFO cluster");

    let latest = "*6|$7|command|:1700000002|:9|:9|:16|:2|";
    assert_eq!(fixture.call(client, "LATENCY LATEST"), format!("*1|{latest}"));
    let history = fixture.call(client, "LATENCY HISTORY command");
    assert_eq!(history, "*2|*2|:1700000000|:7|*2|:1700000002|:9|");
    assert!(fixture.call(client, "LATENCY GRAPH command").contains("command - high 9 ms, low 7 ms (all time high 9"));
    assert_eq!(fixture.call(client, "LATENCY GRAPH none"), "-ERR No samples available for event 'none'|");
    assert_eq!(fixture.call(client, "LATENCY HISTORY none"), "*0|");
    assert_eq!(fixture.call(client, "LATENCY RESET none command"), ":1|");
}

#[test]
fn histograms_name_commands_and_subcommands() {
    let mut fixture = measured(Duration::from_micros(20));
    let client = fixture.client();
    fixture.call(client, "CONFIG GET port");
    fixture.call(client, "CONFIG GET port");

    let histogram = fixture.call(client, "LATENCY HISTOGRAM config nothing");

    assert_eq!(histogram, "*2|$10|config|get|*4|$5|calls|:2|$14|histogram_usec|*2|:33|:2|");
    let stats = fixture.call(client, "INFO latencystats");
    assert!(stats.contains("|latency_percentiles_usec_config|get:p50=20.095,p99=20.095,p99.9=20.095|"), "{stats}");
    fixture.call(client, "CONFIG RESETSTAT");
    assert!(!fixture.call(client, "LATENCY HISTOGRAM").contains("config|get"));
}
