//! Slots that move while they are served.

use std::time::Duration;

use slotmesh::testing::{MachineId, TestCluster};
use slotmesh_engine::resp::reply::write_request;
use slotmesh_engine::slot::Slot;

#[test]
fn keys_move_with_their_slot() {
    let mut t = TestCluster::new(3, 1);
    let mut c = t.client();
    for number in 0..20 {
        assert_eq!(c.call(["SET", &format!("{{sample1}}:{number}"), &number.to_string()]), "OK");
    }

    t.move_slot(Slot::of_key(b"sample1"), MachineId(2));
    t.run_until(TestCluster::is_healthy);

    assert_eq!(t.owner_of("sample1"), MachineId(2));
    assert_eq!(t.call(MachineId(0), ["GET", "{sample1}:3"]), "MOVED 47 10.0.0.3:30003");
    for number in 0..20 {
        assert_eq!(c.call(["GET", &format!("{{sample1}}:{number}")]), number.to_string());
    }
}

#[test]
fn who_waits_for_a_key_hears_where_its_slot_has_moved() {
    let mut t = TestCluster::new(3, 0);
    let waiter = t.with_sim(|sim| {
        let waiter = sim.client(MachineId(0));
        sim.send(waiter, b"BLPOP {sample1}:list 0\r\nPING\r\n");
        waiter
    });
    t.settle();
    assert_eq!(t.with_sim(|sim| sim.take_received(waiter)), b"");

    t.move_slot(Slot::of_key(b"sample1"), MachineId(2));
    t.run_until(TestCluster::is_healthy);

    let told = t.with_sim(|sim| sim.take_received(waiter));
    assert_eq!(String::from_utf8(told).unwrap(), "-MOVED 47 10.0.0.3:30003\r\n+PONG\r\n");
}

#[test]
fn a_moving_slot_sends_clients_to_where_its_missing_keys_are() {
    let t = TestCluster::new(3, 0);
    let mut c = t.client();
    let (source, target) = (MachineId(0), MachineId(1));
    let (from, to) = (t.id_of(source), t.id_of(target));
    assert_eq!(c.call(["SET", "{sample1}:old", "1"]), "OK");
    assert_eq!(t.call(target, ["CLUSTER", "SETSLOT", "47", "IMPORTING", &from]), "OK");
    assert_eq!(t.call(source, ["CLUSTER", "SETSLOT", "47", "MIGRATING", &to]), "OK");

    assert_eq!(t.call(source, ["GET", "{sample1}:old"]), "1");
    assert_eq!(t.call(source, ["GET", "{sample1}:new"]), "ASK 47 10.0.0.2:30002");
    assert_eq!(t.call(target, ["GET", "{sample1}:new"]), "MOVED 47 10.0.0.1:30001");
    let tries = "TRYAGAIN Multiple keys request during rehashing of slot";
    assert_eq!(t.call(source, ["MGET", "{sample1}:old", "{sample1}:new"]), tries);
    assert_eq!(c.call(["SET", "{sample1}:new", "2"]), "OK");
    assert_eq!(t.call(target, ["ASKING"]), "OK");
    assert_eq!(t.call(target, ["GET", "{sample1}:new"]), "2");
}

#[test]
fn no_write_is_lost_while_its_key_moves() {
    let mut t = TestCluster::new(3, 1);
    let counters: Vec<String> = (0..50).map(|number| format!("{{sample1}}:{number}")).collect();
    let mut c = t.client();
    for key in &counters {
        assert_eq!(c.call(["SET", key, "0"]), "OK");
    }
    // Clients that add up without waiting for replies, each of which may be a redirection.
    let (source, target) = (MachineId(0), MachineId(2));
    let (from, to) = (t.id_of(source), t.id_of(target));
    let writers: Vec<_> = counters.iter().map(|_| t.with_sim(|sim| sim.client(source))).collect();
    assert_eq!(t.call(target, ["CLUSTER", "SETSLOT", "47", "IMPORTING", &from]), "OK");
    assert_eq!(t.call(source, ["CLUSTER", "SETSLOT", "47", "MIGRATING", &to]), "OK");

    let mut migrate = vec!["MIGRATE", "10.0.0.3", "30003", "", "0", "1000", "KEYS"];
    migrate.extend(counters.iter().map(String::as_str));
    let mover = t.with_sim(|sim| {
        let mover = sim.client(source);
        let mut request = Vec::new();
        write_request(&mut request, migrate.iter().map(|word| word.as_bytes()));
        sim.send(mover, &request);
        mover
    });
    let mut told = String::new();
    for _ in 0..1000 {
        if !told.is_empty() {
            break;
        }
        t.with_sim(|sim| {
            for (&writer, key) in writers.iter().zip(&counters) {
                sim.send(writer, format!("INCR {key}\r\n").as_bytes());
            }
            sim.advance(Duration::from_micros(50));
            told.push_str(&String::from_utf8_lossy(&sim.take_received(mover)));
        });
    }
    assert_eq!(told, "+OK\r\n");
    t.settle();

    let mut asked = 0;
    for (&writer, key) in writers.iter().zip(&counters) {
        let replies = t.with_sim(|sim| String::from_utf8(sim.take_received(writer)).unwrap());
        let added = replies.lines().filter(|line| line.starts_with(':')).count();
        asked += replies.lines().filter(|line| *line == "-ASK 47 10.0.0.3:30003").count();
        assert!(replies.lines().all(|line| line.starts_with(':') || line.starts_with("-ASK ")), "{replies}");
        assert_eq!(c.call(["GET", key]), added.to_string(), "{key}");
    }
    assert!(asked > 0, "some came late");
}
