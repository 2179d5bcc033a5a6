use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use slotmesh_cluster::machine::{Reset, Signal};
use slotmesh_engine::rng::Rng;
use slotmesh_replication::disk::DiskErrorKind;

use super::{Sim, SimConfig};
use crate::clock::{Skew, Spread};
use crate::disk::OpKind;
use crate::place::{ClientId, MachineId};
use crate::reply::CallError;
use crate::rule::{Fault, Hazards, Link, Loss, plan};
use crate::testing::{BUS_PORT, CLIENT_PORT, COUNT, Double};

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..5 {
        assert_eq!(stormy_history(seed), stormy_history(seed), "seed = {seed}");
    }
    assert_ne!(stormy_history(1), stormy_history(2));
}

#[test]
fn bytes_of_a_connection_arrive_in_order_through_two_hundred_storms() {
    for seed in 0..200 {
        let mut sim = storm(seed);
        sim.on_step(|sim| {
            let wrong: u64 = sim.machines().filter_map(|id| sim.machine(id)).map(|machine| machine.out_of_order).sum();
            assert_eq!(wrong, 0, "a line was lost or came out of order");
        });

        sim.advance(Duration::from_secs(30));

        let before: u64 = sim.machines().filter_map(|id| sim.machine(id)).map(|machine| machine.lines).sum();
        sim.run_until(|sim| sim.machines().filter_map(|id| sim.machine(id)).all(|machine| machine.lines > before / 12));
    }
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_any_moment() {
    for seed in 0..100 {
        let mut sim = Sim::new(seed);
        let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
        sim.settle();
        let client = sim.client(id);
        sim.send(client, &b"INC\n".repeat(20));
        let crash_after = Duration::from_micros(Rng::new(seed).below(30_000));

        sim.advance(crash_after);
        let acknowledged = sim.received(client).iter().filter(|&&byte| byte == b':').count();
        sim.kill(id);
        let left = sim.disk(id).file(COUNT).map_or(0, <[u8]>::len);

        assert!((acknowledged..=20).contains(&left), "{acknowledged} acknowledged, {left} left, seed = {seed}");
        sim.restart(id);
        sim.settle();
        let client = sim.client(id);
        assert_eq!(call(&mut sim, client, "GET"), format!(":{left}\r\n"));
    }
}

#[test]
fn a_partition_holds_bytes_back_and_healing_delivers_all() {
    let (mut sim, [a, b, _]) = three(1);
    sim.advance(Duration::from_secs(1));

    sim.partition(&[&[a], &[b]]);
    sim.advance(Duration::from_millis(10));
    let lines = sim.machine(b).unwrap().lines;
    sim.advance(Duration::from_secs(10));
    assert_eq!(sim.machine(b).unwrap().lines, lines);
    sim.heal();
    sim.advance(Duration::from_millis(10));

    // 100 lines from each of two peers waited.
    assert!(sim.machine(b).unwrap().lines >= lines + 198);
    assert_eq!(sim.machine(b).unwrap().out_of_order, 0);
    assert!(sim.machine(b).unwrap().closed.is_empty());
}

#[test]
fn a_connection_held_up_for_too_long_is_given_up() {
    let config = SimConfig::default();
    let silence_max = config.network.silence_max;
    let (mut sim, [a, b, _]) = three(1);
    sim.advance(Duration::from_secs(1));

    sim.hold(Link::one_way(a, b));
    sim.advance(silence_max + Duration::from_secs(1));

    assert!(closed(&sim, a).contains("timed out"), "{}", closed(&sim, a));
    assert_eq!(closed(&sim, b), "", "the other side has noticed nothing yet");
    sim.release(Link::one_way(a, b));
    sim.settle();
    assert!(closed(&sim, b).contains("reset by peer"));
}

#[test]
fn a_hold_concerns_its_link_and_way_only() {
    let (mut sim, [a, b, c]) = three(1);
    sim.advance(Duration::from_secs(1));
    sim.hold(Link::one_way(a, b));
    sim.advance(Duration::from_millis(10));
    let before = [a, b, c].map(|id| sim.machine(id).unwrap().lines);

    sim.advance(Duration::from_secs(1));

    let after = [a, b, c].map(|id| sim.machine(id).unwrap().lines);
    let gained = [0, 1, 2].map(|at| after[at] - before[at]);
    assert_eq!(gained, [20, 10, 20]);
}

#[test]
fn a_slow_link_takes_its_time_in_both_directions() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    sim.settle();
    let client = sim.client_tcp(address(id));
    assert_eq!(call(&mut sim, client, "PING"), "+PONG\r\n");

    sim.slow(Link::between(client, id), Spread::exactly(Duration::from_millis(200)));
    let began = sim.now();

    assert_eq!(call(&mut sim, client, "PING"), "+PONG\r\n");
    assert_eq!(sim.now().since(began), Duration::from_millis(400));
}

#[test]
fn loss_delays_and_resets_but_never_drops_a_byte() {
    let (mut sim, [a, b, _]) = three(3);
    sim.advance(Duration::from_secs(1));

    sim.apply(Fault::Loss(Link::between(a, b), Loss { stall_percent: 30, reset_percent: 2 }));
    sim.advance(Duration::from_secs(60));

    assert!(closed(&sim, a).contains("reset by peer"));
    assert_eq!(sim.machine(a).unwrap().out_of_order + sim.machine(b).unwrap().out_of_order, 0);
    assert!(sim.machine(b).unwrap().lines > 900);
}

#[test]
fn a_dropped_link_resets_its_connections() {
    let (mut sim, [a, b, c]) = three(1);
    sim.advance(Duration::from_secs(1));

    sim.apply(Fault::Drop(Link::between(a, b)));
    sim.settle();

    assert_eq!(sim.machine(a).unwrap().closed.len(), 2);
    assert_eq!(sim.machine(b).unwrap().closed.len(), 2);
    assert_eq!(sim.machine(c).unwrap().closed.len(), 0);
}

#[test]
fn a_stopped_process_sees_how_late_it_is() {
    let (mut sim, [a, b, _]) = three(1);
    sim.advance(Duration::from_secs(1));
    let ticks = sim.machine(a).unwrap().ticks;

    sim.pause(a);
    sim.advance(Duration::from_secs(10));
    assert_eq!(sim.machine(a).unwrap().ticks, ticks, "no deadline runs");
    assert!(closed(&sim, b).is_empty(), "its kernel keeps the connections");
    sim.resume(a);
    sim.advance(Duration::from_millis(1));

    let machine = sim.machine(a).unwrap();
    assert_eq!(machine.ticks, ticks + 1);
    assert!(machine.gap_ms_max >= 10_000);
    assert!(machine.lines >= 200, "what arrived was waiting");
}

#[test]
fn a_connection_to_a_stopped_process_opens_and_waits() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    sim.settle();
    sim.pause(id);
    let client = sim.client_tcp(address(id));
    sim.send(client, b"PING\n");
    sim.advance(Duration::from_secs(5));
    assert!(sim.closed(client).is_none());
    assert!(sim.received(client).is_empty());

    sim.resume(id);

    assert_eq!(sim.reply(client, SECOND).unwrap(), b"+PONG\r\n");
}

#[test]
fn peers_of_a_killed_machine_see_a_reset_and_find_it_again() {
    let (mut sim, [a, b, _]) = three(1);
    sim.advance(Duration::from_secs(1));

    sim.kill(a);
    sim.settle();
    assert!(closed(&sim, b).contains("reset by peer"));
    sim.advance(Duration::from_secs(1));
    assert!(closed(&sim, b).contains("refused"));
    sim.restart(a);

    sim.run_until(|sim| sim.machine(a).is_some_and(|machine| machine.lines > 20));
    assert!(sim.is_running(a));
}

#[test]
fn peers_of_a_machine_without_power_hear_nothing_until_it_is_back() {
    let (mut sim, [a, b, _]) = three(1);
    sim.advance(Duration::from_secs(1));

    sim.power_off(a);
    sim.advance(Duration::from_secs(20));
    assert_eq!(closed(&sim, b), "");
    sim.restart(a);
    sim.settle();

    assert!(closed(&sim, b).contains("reset by peer"));
}

#[test]
fn dials_fail_as_the_system_says_it() {
    let mut sim = Sim::new(1);
    let a = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    let b = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    sim.name("beta", b.ip());
    for (host, port, expected) in [
        ("10.0.0.2", 1, "Connection refused"),
        ("10.0.9.9", CLIENT_PORT, "No route to host"),
        ("gamma", CLIENT_PORT, "Name or service not known"),
    ] {
        sim.with_machine(a, |machine, _| machine.dial(host, port));
        sim.settle();
        assert!(closed(&sim, a).contains(expected), "{host}:{port} {}", closed(&sim, a));
    }

    for host in ["beta", "localhost", "10.0.0.1"] {
        let before = sim.machine(a).unwrap().connected;
        sim.with_machine(a, |machine, _| machine.dial(host, CLIENT_PORT));
        sim.settle();
        assert_eq!(sim.machine(a).unwrap().connected, before + 1, "{host}");
    }

    sim.hold(Link::one_way(b, a));
    sim.with_machine(a, |machine, _| machine.dial("beta", CLIENT_PORT));
    sim.advance(Duration::from_secs(128));
    assert!(closed(&sim, a).contains("Connection timed out"));
}

#[test]
fn a_client_that_does_not_read_leaves_bytes_at_the_machine() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    let client = sim.client_tcp(address(id));
    assert_eq!(call(&mut sim, client, "PING"), "+PONG\r\n");

    sim.stop_reading(client);
    sim.send(client, b"SPAM 1000000\n");
    sim.settle();
    assert_eq!(sim.machine(id).unwrap().waiting_bytes(), 1_000_012 - 256 * 1024);
    assert_eq!(sim.machine(id).unwrap().drained, 0);
    sim.go_on_reading(client);

    assert_eq!(sim.reply(client, SECOND).unwrap().len(), 1_000_012);
    sim.settle();
    assert_eq!(sim.machine(id).unwrap().drained, 1);
}

#[test]
fn the_last_bytes_of_a_closing_machine_arrive() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    let (first, second) = (sim.client(id), sim.client_tcp(address(id)));

    assert_eq!(call(&mut sim, first, "QUIT"), "+BYE\r\n");
    sim.settle();
    assert_eq!(sim.closed(first), Some(&Reset::EndOfStream));
    assert_eq!(call(&mut sim, second, "EXIT"), "+BYE\r\n");
    sim.settle();

    assert_eq!(sim.closed(second), Some(&Reset::EndOfStream));
    assert_eq!(sim.exited(id).map(|shutdown| shutdown.code), Some(3));
    assert!(!sim.is_running(id));
    let late = sim.client(id);
    assert!(matches!(sim.call(late, b"PING\n", SECOND), Err(CallError::Closed(Reset::Error(_)))));
}

#[test]
fn machines_see_who_connects() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    sim.settle();
    let clients = [sim.client(id), sim.client_unix(id), sim.client_tcp(address(id))];

    let seen = clients.map(|client| call(&mut sim, client, "WHO"));

    assert_eq!(seen, ["+inside\r\n", "+/tmp/double.sock\r\n", "+10.1.0.3:50000>10.0.0.1:6379\r\n"]);
}

#[test]
fn what_arrives_at_the_same_moment_is_handed_over_together() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    let clients: Vec<_> = (0..20).map(|_| sim.client(id)).collect();
    sim.settle();

    for &client in &clients {
        sim.send(client, b"INC\n");
    }
    sim.settle();

    assert_eq!(sim.machine(id).unwrap().batches, [16, 4]);
    for (at, &client) in clients.iter().enumerate() {
        assert_eq!(sim.take_received(client), format!(":{}\r\n", at + 1).into_bytes());
    }
}

#[test]
fn push_messages_are_set_aside() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    let client = sim.client(id);
    sim.settle();

    assert_eq!(call(&mut sim, client, "PUSH"), "+OK\r\n");
    assert_eq!(sim.take_pushes(client), b">1\r\n+news\r\n");
}

#[test]
fn a_call_without_an_answer_ends_in_time() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    let client = sim.client(id);
    let began = sim.now();

    assert_eq!(sim.call(client, b"BLOCK\n", SECOND), Err(CallError::TimedOut));

    assert_eq!(sim.now().since(began), SECOND);
}

#[test]
fn a_fast_clock_reaches_its_deadlines_early() {
    let (mut sim, [a, b, _]) = three(1);
    sim.skew(a, Skew { rate_ppm: 1_000_000, calendar_micros: -5_000_000 });

    sim.advance(Duration::from_secs(10));

    assert_eq!(sim.machine(a).unwrap().ticks, 200);
    assert_eq!(sim.machine(b).unwrap().ticks, 100);
    assert_eq!(sim.clock(a).unix.micros() - sim.clock(b).unix.micros(), 5_000_000);
}

#[test]
fn disk_faults_reach_the_machine() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    sim.settle();
    sim.disk(id).fail_next(OpKind::Sync, DiskErrorKind::Other);
    let client = sim.client(id);

    sim.send(client, b"INC\n");
    sim.settle();

    assert!(sim.trace().entries().any(|entry| entry.to_string().ends_with("disk Sync failed")));
    sim.slow_disk(id, Spread::exactly(SECOND));
    assert_eq!(sim.call(client, b"INC\n", SECOND), Ok(b":1\r\n".to_vec()));
    // The second one takes three operations of a second each.
    assert_eq!(sim.reply(client, Duration::from_millis(2_900)), Err(CallError::TimedOut));
    assert_eq!(sim.reply(client, SECOND), Ok(b":2\r\n".to_vec()));
}

#[test]
fn logs_are_collected_with_their_time() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));

    sim.settle();

    let lines: Vec<_> = sim.log(id).map(|logged| logged.line.text.clone()).collect();
    assert_eq!(lines, ["Client Ok(())", "Bus Ok(())"]);
}

#[test]
#[should_panic(expected = "did not come true within 120s of virtual time (seed = 42")]
fn a_condition_that_never_holds_ends_the_test_with_its_seed() {
    let (mut sim, _) = three(42);

    sim.run_until(|_| false);
}

#[test]
#[should_panic(expected = "time stands still")]
fn a_machine_that_wants_to_be_called_for_ever_is_found() {
    let (mut sim, [a, ..]) = three(1);
    sim.with_machine(a, |machine, _| machine.spins = true);

    sim.advance(SECOND);
}

#[test]
#[should_panic(expected = "more than 1000 events in one run (seed = 7")]
fn a_run_of_too_many_events_ends_the_test_with_its_seed() {
    let mut sim = Sim::with_config(7, SimConfig { events_max: 1_000, ..SimConfig::default() });
    add_all(&mut sim, &[0, 1, 2].map(MachineId));

    sim.advance(Duration::from_secs(3_600));
}

#[test]
fn a_signal_ends_a_process_and_waits_while_it_is_stopped() {
    let mut sim = Sim::new(1);
    let id = sim.add(|boot| Double::new(boot.now, Vec::new(), 1_000));
    sim.pause(id);
    sim.signal(id, Signal::Terminate);
    sim.advance(SECOND);
    assert_eq!(sim.exited(id), None);

    sim.resume(id);
    sim.settle();

    assert_eq!(sim.exited(id).map(|shutdown| shutdown.code), Some(0));
}

const SECOND: Duration = Duration::from_secs(1);

/// Three machines that tick every 100 ms and know each other.
fn three(seed: u64) -> (Sim<Double>, [MachineId; 3]) {
    let mut sim = Sim::new(seed);
    let ids = [0, 1, 2].map(MachineId);
    add_all(&mut sim, &ids);
    (sim, ids)
}

/// Six machines and half a minute of random faults.
fn storm(seed: u64) -> Sim<Double> {
    let mut sim = Sim::with_config(seed, SimConfig::rough());
    let ids: Vec<_> = (0..6).map(MachineId).collect();
    add_all(&mut sim, &ids);
    let hazards = Hazards {
        machines: 6,
        down_max: 2,
        lasts: Duration::from_secs(30),
        gap: Spread::millis(50, 2_000),
        outage: Spread::millis(100, 10_000),
    };
    let faults = plan(&mut Rng::new(seed), &hazards);
    sim.schedule(faults);
    sim
}

fn stormy_history(seed: u64) -> (u64, u64) {
    let mut sim = storm(seed);
    let client = sim.client(MachineId(0));
    sim.send(client, &b"INC\n".repeat(100));
    sim.advance(Duration::from_secs(35));
    (sim.trace().hash(), sim.trace().count())
}

fn add_all(sim: &mut Sim<Double>, ids: &[MachineId]) {
    for id in ids {
        let peers: Vec<IpAddr> = ids.iter().filter(|peer| *peer != id).map(|peer| peer.ip()).collect();
        sim.add(move |boot| Double::new(boot.now, peers.clone(), 100));
    }
}

fn call(sim: &mut Sim<Double>, client: ClientId, line: &str) -> String {
    let reply = sim.call(client, format!("{line}\n").as_bytes(), SECOND).unwrap();
    String::from_utf8(reply).unwrap()
}

fn closed(sim: &Sim<Double>, id: MachineId) -> String {
    sim.machine(id).unwrap().closed.join(", ")
}

fn address(id: MachineId) -> SocketAddr {
    assert_ne!(CLIENT_PORT, BUS_PORT);
    SocketAddr::new(id.ip(), CLIENT_PORT)
}
