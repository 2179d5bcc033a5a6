use std::time::Duration;

use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::Slot;

use super::solo::{Solo, TIMEOUT_MS, id, slot, slots};
use crate::bus::codec::encode;
use crate::bus::message::{Body, Extension, Heartbeat, IpText, Message, MessageFlags, NodeFlags};
use crate::bus::report::ClientKind;
use crate::bus::{BusOutput, ClusterError, Dataset, LinkBytes, ResetKind, SetSlot};
use crate::slots::SlotBitmap;

#[test]
fn a_vote_is_granted_once_and_leaves_after_it_is_durable() {
    let mut solo = Solo::new();
    solo.fail_b();
    let mut header = Solo::header('d');
    header.current_epoch = 6;

    solo.say_as('d', header.clone(), Body::AuthRequest);
    assert!(matches!(solo.outputs[0], BusOutput::SaveConfig { sync: true, .. }), "{:?}", solo.outputs);
    let ack = solo.outputs.iter().find(|output| matches!(output, BusOutput::Send { .. })).unwrap();
    assert!(matches!(ack, BusOutput::Send { after_sync: true, .. }));
    assert_eq!(solo.sent(solo.links[&'d'].1), ["auth-ack"]);
    assert_eq!(solo.bus.last_vote_epoch(), 6);

    solo.say_as('d', header.clone(), Body::AuthRequest);
    assert!(solo.logged("Failover auth denied to dddddddddddddddddddddddddddddddddddddddd: already voted for epoch 6"));
    header.current_epoch = 7;
    solo.say_as('d', header, Body::AuthRequest);
    assert!(solo.logged("can't vote about this master before 2000 milliseconds"));
    assert_eq!(solo.sent(solo.links[&'d'].1), ["auth-ack"]);
}

#[test]
fn votes_are_refused_for_every_reason_of_the_specification() {
    let denied = |prepare: &dyn Fn(&mut Solo), who: char, change: &dyn Fn(&mut crate::bus::message::Header)| {
        let mut solo = Solo::new();
        prepare(&mut solo);
        let mut header = Solo::header(who);
        header.current_epoch = 6;
        change(&mut header);
        solo.say_as(who, header, Body::AuthRequest);
        assert!(!solo.sent(solo.links[&who].1).contains(&"auth-ack"));
        solo.log.into_iter().rev().find_map(|line| line.split_once(": ").map(|(_, why)| why.to_owned()))
    };
    let fail = |solo: &mut Solo| solo.fail_b();
    let nothing = |_: &mut crate::bus::message::Header| {};

    assert_eq!(denied(&|_| {}, 'd', &nothing).unwrap(), "its master is up");
    assert_eq!(denied(&fail, 'c', &nothing).unwrap(), "it is a master node");
    assert_eq!(denied(&fail, 'd', &|header| header.current_epoch = 4).unwrap(), "reqEpoch (4) < curEpoch(5)");
    let stale = |header: &mut crate::bus::message::Header| header.config_epoch = 1;
    assert_eq!(denied(&fail, 'd', &stale).unwrap(), "slot 5461 epoch (2) > reqEpoch (1)");
    let heard = |solo: &mut Solo| {
        solo.fail_b();
        solo.say('b', Solo::beat(Heartbeat::Ping));
    };
    assert_eq!(denied(&heard, 'd', &nothing).unwrap(), "its master was heard of within the node timeout");
}

#[test]
fn a_forced_vote_needs_no_failure() {
    let mut solo = Solo::new();
    let mut header = Solo::header('d');
    header.current_epoch = 6;
    header.mflags = MessageFlags::FORCE_ACK;

    solo.say_as('d', header, Body::AuthRequest);

    assert_eq!(solo.sent(solo.links[&'d'].1), ["auth-ack"]);
}

#[test]
fn an_update_moves_slots_when_it_is_newer() {
    let mut solo = Solo::new();

    solo.say('b', Solo::update('c', 3, slots(0, 16383)));
    assert_eq!(solo.owner(5461), Some(id('b')), "an epoch already known changes nothing");

    solo.say('b', Solo::update('d', 9, slots(5461, 10922)));
    assert_eq!(solo.owner(5461), Some(id('d')));
    assert!(solo.flags('d').unwrap().has(NodeFlags::PRIMARY));

    solo.say('b', Solo::update('f', 99, slots(0, 16383)));
    assert_eq!(solo.owner(0), Some(id('a')), "nobody knows this subject");

    solo.say('b', Solo::update('a', 99, SlotBitmap::new()));
    assert_eq!(solo.owner(0), Some(id('a')));
    assert!(solo.logged("Discarding UPDATE message about myself"));
}

#[test]
fn a_stale_claim_is_answered_with_an_update_about_the_owner() {
    let mut solo = Solo::new();
    let mut header = Solo::header('b');
    header.slots.insert(slot(16000));

    solo.say_as('b', header, Solo::beat(Heartbeat::Ping));

    assert_eq!(solo.owner(16000), Some(id('c')));
    let (inbound, outbound) = solo.links[&'b'];
    assert_eq!(solo.sent(inbound), ["pong"]);
    assert_eq!(solo.sent(outbound), ["update"]);
    let Body::Update(update) = solo.last_sent(outbound).body else { panic!("not an UPDATE") };
    assert_eq!((update.id, update.config_epoch, update.slots), (id('c'), 3, slots(10923, 16383)));
}

#[test]
fn a_newer_claim_takes_slots_and_their_keys_go() {
    let mut solo = Solo::new();
    let mut header = Solo::header('b');
    header.config_epoch = 9;
    header.slots.insert(slot(100));

    solo.say_as('b', header, Solo::beat(Heartbeat::Ping));

    assert_eq!(solo.owner(100), Some(id('b')));
    let lost = solo.outputs.iter().find_map(|output| {
        let BusOutput::SlotsLost { ranges, delete_keys: true } = output else { return None };
        Some(format!("{ranges:?}"))
    });
    assert_eq!(lost.unwrap(), "[100]");
    assert!(solo.bus.is_primary());
}

#[test]
fn a_primary_without_slots_left_follows_the_one_that_took_them() {
    let mut solo = Solo::new();
    let mut header = Solo::header('b');
    header.config_epoch = 9;
    header.slots = slots(0, 10922);

    solo.say_as('b', header, Solo::beat(Heartbeat::Ping));

    assert!(!solo.bus.is_primary());
    assert!(solo.outputs.iter().any(|output| matches!(output, BusOutput::Replicate { id: to, .. } if *to == id('b'))));
    assert!(solo.logged("Configuration change detected. Reconfiguring myself as a replica of bbbb"));
}

#[test]
fn a_slot_being_imported_is_not_taken() {
    let mut solo = Solo::new();
    let b = id('b').to_string();
    solo.bus.set_slot(solo.now, slot(6000), SetSlot::Importing(b.as_bytes())).unwrap();

    solo.say('b', Solo::update('c', 9, slots(6000, 6001)));

    assert_eq!(solo.owner(6000), Some(id('b')));
    assert_eq!(solo.owner(6001), Some(id('c')));
}

#[test]
fn a_slot_its_owner_stopped_listing_goes_to_any_claimer() {
    let mut solo = Solo::new();
    let mut header = Solo::header('c');
    header.slots.remove(slot(16383));
    solo.say_as('c', header, Solo::beat(Heartbeat::Ping));
    assert_eq!(solo.owner(16383), Some(id('c')));

    let mut header = Solo::header('b');
    header.slots.insert(slot(16383));
    solo.say_as('b', header, Solo::beat(Heartbeat::Ping));

    assert_eq!(solo.owner(16383), Some(id('b')));
}

#[test]
fn of_two_primaries_with_one_epoch_the_smaller_id_moves() {
    let mut solo = Solo::new();
    let mut header = Solo::header('b');
    header.config_epoch = 1;

    solo.say_as('b', header, Solo::beat(Heartbeat::Ping));

    assert_eq!(solo.bus.my_epoch(), 6);
    assert!(solo.logged("WARNING: configEpoch collision with node bbbb"));
}

#[test]
fn a_demoted_primary_tells_who_took_over() {
    let mut solo = Solo::new();
    let mut header = Solo::header('b');
    header.primary = Some(id('d'));
    header.config_epoch = 8;

    solo.say_as('b', header, Solo::beat(Heartbeat::Ping));

    assert_eq!(solo.owner(5461), Some(id('d')));
    assert!(solo.flags('b').unwrap().has(NodeFlags::REPLICA));
}

#[test]
fn own_claims_wait_for_the_disk_and_other_messages_do_not() {
    let mut solo = Solo::new();
    let waits = |solo: &Solo| {
        let sent = solo.outputs.iter().filter_map(|output| {
            let BusOutput::Send { after_sync, .. } = output else { return None };
            Some(*after_sync)
        });
        sent.collect::<Vec<_>>()
    };
    solo.say('b', Solo::beat(Heartbeat::Ping));
    assert_eq!(waits(&solo), [false]);
    solo.outputs.clear();

    let mut header = Solo::header('b');
    header.config_epoch = 1;
    solo.say_as('b', header.clone(), Solo::beat(Heartbeat::Ping));
    solo.outputs.clear();
    solo.say('c', Solo::beat(Heartbeat::Ping));
    assert_eq!(waits(&solo), [true]);
    solo.outputs.clear();

    solo.bus.config_synced(u64::MAX);
    solo.say('c', Solo::beat(Heartbeat::Ping));
    assert_eq!(waits(&solo), [false]);
}

#[test]
fn a_slot_an_operator_gave_is_told_when_it_is_on_disk() {
    let mut solo = Solo::new();
    let (me, b) = (id('a').to_string(), id('b').to_string());
    let synced = |solo: &mut Solo| {
        solo.drain();
        let version =
            |output: &BusOutput| if let BusOutput::SaveConfig { version, .. } = output { Some(*version) } else { None };
        let newest = solo.outputs.iter().filter_map(version).max();
        solo.bus.config_synced(newest.unwrap_or(0));
        solo.outputs.clear();
    };
    // The epoch is the greatest already: a further slot brings no new one.
    solo.bus.bump_epoch(solo.now);
    solo.bus.set_slot(solo.now, slot(6000), SetSlot::Importing(b.as_bytes())).unwrap();
    synced(&mut solo);
    let epoch = solo.bus.my_epoch();

    solo.bus.set_slot(solo.now, slot(6000), SetSlot::Node { id: me.as_bytes(), keys: 0 }).unwrap();
    solo.drain();

    assert_eq!(solo.bus.my_epoch(), epoch);
    let waits =
        |output: &BusOutput| if let BusOutput::Send { after_sync, .. } = output { Some(*after_sync) } else { None };
    let told: Vec<bool> = solo.outputs.iter().filter_map(waits).collect();
    assert!(!told.is_empty() && told.iter().all(|&waits| waits), "{told:?}");
}

#[test]
fn a_known_link_that_speaks_with_another_id_is_dropped() {
    let mut solo = Solo::new();
    let inbound = solo.links[&'b'].0;

    solo.say_as('b', Solo::header('c'), Solo::beat(Heartbeat::Ping));

    assert_eq!(solo.outputs, [BusOutput::Drop(inbound)]);
}

#[test]
fn another_node_that_answers_in_its_place_costs_a_node_its_address() {
    let mut solo = Solo::new();
    let outbound = solo.links[&'b'].1;
    let bytes = encode(&Message { header: Solo::header('f'), body: Solo::beat(Heartbeat::Pong) });

    solo.bytes(outbound, &bytes);

    assert!(solo.outputs.contains(&BusOutput::Drop(outbound)));
    assert!(solo.bus.nodes_text(ClientKind::Plain).contains(&format!("{} :0@0 master,noaddr - ", id('b'))));
}

#[test]
fn a_stranger_gets_a_pong_and_nothing_else() {
    let mut solo = Solo::new();
    let link = solo.bus.accepted(solo.now, Solo::ip('f'), Solo::ip('a')).unwrap();
    let before = solo.bus.config_text();

    for body in [
        Solo::telling(vec![Solo::gossip('0', NodeFlags::PRIMARY)]),
        Body::Fail(id('b')),
        Body::AuthRequest,
        Body::MfStart,
        Solo::update('c', 99, slots(0, 16383)),
    ] {
        let mut header = Solo::header('f');
        header.current_epoch = 77;
        solo.bytes(link, &encode(&Message { header, body }));
    }

    assert_eq!(solo.sent(link), ["pong"]);
    assert_eq!(solo.bus.config_text(), before);
}

#[test]
fn gossip_is_believed_only_where_it_makes_sense() {
    let mut solo = Solo::new();
    let primary = NodeFlags::PRIMARY;
    let mut no_ip = Solo::gossip('1', primary);
    no_ip.ip = IpText([b'x'; 46]);
    let mut no_port = Solo::gossip('b', primary);
    (no_port.id, no_port.port) = (id('2'), 0);
    let wrong = |name: char, flags| {
        let mut entry = Solo::gossip('f', flags);
        entry.id = id(name);
        entry
    };
    no_ip.port = 7000;
    no_ip.cport = 17000;
    let gossip = vec![
        no_ip,
        no_port,
        wrong('3', NodeFlags::NONE),
        wrong('4', primary.with(NodeFlags::REPLICA)),
        wrong('5', primary.with(NodeFlags::NOADDR)),
        wrong('6', primary.with(NodeFlags::HANDSHAKE)),
        wrong('7', primary.with(NodeFlags::FAIL).with(NodeFlags::MYSELF).with(NodeFlags(0xf800))),
    ];

    solo.say('b', Solo::telling(gossip));

    assert!(('1'..='6').all(|name| solo.flags(name).is_none()));
    assert_eq!(solo.flags('7'), Some(primary));
}

#[test]
fn only_primaries_with_slots_report_failures() {
    let mut solo = Solo::new();
    let failing = || Solo::telling(vec![Solo::gossip('c', NodeFlags::PRIMARY.with(NodeFlags::PFAIL))]);
    let reports = |solo: &mut Solo| solo.bus.count_failure_reports(solo.now, id('c').as_bytes()).unwrap();

    solo.say('d', failing());
    assert_eq!(reports(&mut solo), 0);
    solo.say('b', failing());
    assert_eq!(reports(&mut solo), 1);
    assert!(!solo.flags('c').unwrap().has(NodeFlags::FAIL), "this node has no doubt of its own");
    solo.now = solo.now.plus(Duration::from_millis(2 * TIMEOUT_MS + 1));
    assert_eq!(reports(&mut solo), 0);
}

#[test]
fn a_majority_of_reports_and_own_doubt_make_a_failure() {
    let mut solo = Solo::new();
    for _ in 0..30 {
        solo.tick(60);
        solo.say('b', Solo::telling(vec![Solo::gossip('c', NodeFlags::PRIMARY.with(NodeFlags::PFAIL))]));
        solo.answer('b');
    }

    assert!(solo.flags('c').unwrap().has(NodeFlags::FAIL));
    assert!(solo.logged("Marking node cccccccccccccccccccccccccccccccccccccccc as failing (quorum reached)."));
    assert!(solo.sent(solo.links[&'b'].1).contains(&"fail"));
    assert!(!solo.flags('b').unwrap().has(NodeFlags::PFAIL));
}

#[test]
fn forgotten_nodes_are_forgotten_on_another_nodes_word() {
    let mut solo = Solo::new();
    let forget = |name| Solo::extended(vec![Extension::Forgotten { id: id(name), ttl_secs: 60 }]);

    solo.say('b', forget('c'));
    solo.say('b', Solo::telling(vec![Solo::gossip('c', NodeFlags::PRIMARY)]));
    solo.say('b', forget('a'));
    solo.say('b', forget('b'));

    assert_eq!(solo.flags('c'), None);
    assert_eq!(solo.owner(16000), None);
    assert!(solo.flags('a').is_some() && solo.flags('b').is_some());
    assert_eq!(solo.bus.forget(solo.now, id('c').as_bytes()), Ok(()));
    solo.bus.forget(solo.now, id('d').as_bytes()).unwrap();
    assert!(solo.bus.forget(solo.now, id('d').as_bytes()).is_err(), "as Redis 7.0: nobody told us");
}

#[test]
fn only_own_replicas_can_pause_a_primary() {
    let mut solo = Solo::new();
    solo.say('d', Body::MfStart);
    assert!(solo.outputs.is_empty());

    solo.say('e', Body::MfStart);

    assert!(matches!(solo.outputs[0], BusOutput::PauseWrites(_)), "{:?}", solo.outputs);
    let answer = solo.last_sent(solo.links[&'e'].0);
    assert!(answer.header.mflags.has(MessageFlags::PAUSED));
    assert_eq!(answer.header.offset, 50);
}

#[test]
fn a_clogged_link_is_dropped() {
    let mut solo = Solo::new();
    let mut config = solo.bus.config().clone();
    config.link_sendbuf_limit = 1000;
    solo.bus.set_config(solo.now, config);
    let clogged = solo.links[&'b'].1;
    solo.now = solo.now.plus(Duration::from_millis(200));

    solo.bus
        .tick(solo.now, &solo.facts, &|link| LinkBytes { allocated: if link == clogged { 1001 } else { 0 }, used: 0 });
    solo.drain();

    assert!(solo.outputs.contains(&BusOutput::Drop(clogged)));
    assert!(solo.bus.info_text().ends_with("total_cluster_links_buffer_limit_exceeded:1\r\n"));
}

#[test]
fn a_line_of_cluster_nodes_has_redis_s_form() {
    let mut solo = Solo::new();
    let b = id('b').to_string();
    solo.bus.set_slot(solo.now, slot(5), SetSlot::Migrating(b.as_bytes())).unwrap();

    let line = solo.bus.node_line(solo.bus.table().my_key(), ClientKind::Plain);

    let me = id('a');
    assert_eq!(line, format!("{me} 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460 [5->-{b}]"));
}

#[test]
fn slots_are_added_and_removed_all_or_none() {
    let mut solo = Solo::new();
    let now = solo.now;
    let (free, mine) = (slot(16383), slot(0));
    solo.bus.del_slots(now, &[free]).unwrap();

    assert_eq!(solo.bus.add_slots(now, &[free, mine]), Err(ClusterError::SlotBusy(mine)));
    assert_eq!(solo.bus.add_slots(now, &[free, free]), Err(ClusterError::SlotTwice(free)));
    assert_eq!(solo.bus.del_slots(now, &[mine, free]), Err(ClusterError::SlotUnassigned(free)));
    assert_eq!(solo.owner(0), Some(id('a')));
    assert_eq!(solo.bus.add_slots(now, &[free]), Ok(()));
    assert_eq!(solo.bus.flush_slots(now, Dataset::HasKeys), Err(ClusterError::FlushSlotsWithKeys));
    assert_eq!(solo.bus.flush_slots(now, Dataset::Empty), Ok(()));
    assert_eq!(solo.bus.myself().slot_count(), 0);
}

#[test]
fn moving_a_slot_follows_the_operator() {
    let mut solo = Solo::new();
    let now = solo.now;
    let (b, d) = (id('b').to_string(), id('d').to_string());
    let unknown = "f".repeat(40);
    let mut set = |number, form| solo.bus.set_slot(now, slot(number), form);

    assert_eq!(set(6000, SetSlot::Migrating(b.as_bytes())), Err(ClusterError::NotTheOwner(slot(6000))));
    assert_eq!(set(0, SetSlot::Importing(b.as_bytes())), Err(ClusterError::AlreadyTheOwner(slot(0))));
    assert_eq!(set(0, SetSlot::Migrating(unknown.as_bytes())), Err(ClusterError::DontKnowNode(unknown.clone())));
    assert_eq!(set(0, SetSlot::Migrating(d.as_bytes())), Err(ClusterError::TargetNotAPrimary));
    let me = id('a').to_string();
    assert_eq!(set(0, SetSlot::Migrating(me.as_bytes())), Err(ClusterError::TargetIsMyself));
    set(0, SetSlot::Migrating(b.as_bytes())).unwrap();
    let leave = |keys| SetSlot::Node { id: b.as_bytes(), keys };
    assert_eq!(set(0, leave(1)), Err(ClusterError::KeysLeft(slot(0))));
    set(0, leave(0)).unwrap();
    set(6000, SetSlot::Importing(b.as_bytes())).unwrap();
    set(6000, SetSlot::Node { id: me.as_bytes(), keys: 3 }).unwrap();

    assert_eq!((solo.owner(0), solo.owner(6000)), (Some(id('b')), Some(id('a'))));
    assert_eq!(solo.bus.my_epoch(), 6, "a claim newer than the source's");
    assert_eq!(solo.bus.table().slot_map().open_slots().count(), 0);
}

#[test]
fn a_node_that_is_only_being_met_has_no_replicas_and_gets_none() {
    let mut solo = Solo::new();
    let now = solo.now;
    let bus = &mut solo.bus;
    bus.reset(now, ResetKind::Soft, Dataset::Empty).unwrap();
    bus.meet(now, b"10.9.9.9", b"7000", None).unwrap();

    let met = bus.table().iter().find(|(_, node)| node.is_handshake()).map(|(_, node)| node.id().to_string()).unwrap();

    assert!(bus.replicas(met.as_bytes()).unwrap().is_empty());
    assert_eq!(bus.replicate_node(now, met.as_bytes(), Dataset::Empty), Err(ClusterError::ReplicateReplica));
}

#[test]
fn operations_refuse_in_redis_s_words() {
    let mut solo = Solo::new();
    let now = solo.now;
    let text = |result: Result<(), ClusterError>| result.unwrap_err().to_string();
    let bus = &mut solo.bus;

    assert_eq!(text(bus.forget(now, b"nonsense")), "ERR Unknown node nonsense");
    assert_eq!(text(bus.forget(now, id('a').as_bytes())), "ERR I tried hard but I can't forget myself...");
    assert_eq!(text(bus.meet(now, b"host", b"7000", None)), "ERR Invalid node address specified: host:7000");
    assert_eq!(text(bus.meet(now, b"1.2.3.4", b"60000", None)), "ERR Cluster bus port number is out of range");
    assert_eq!(text(bus.meet(now, b"1.2.3.4", b"x", None)), "ERR Invalid base port specified: x");
    assert_eq!(text(bus.meet(now, b"1.2.3.4", b"1", Some(b"y"))), "ERR Invalid bus port specified: y");
    assert_eq!(
        text(bus.replicate_node(now, id('b').as_bytes(), Dataset::Empty)),
        "ERR To set a master the node must be empty and without assigned slots."
    );
    assert_eq!(
        text(bus.replicate_node(now, id('d').as_bytes(), Dataset::Empty)),
        "ERR I can only replicate a master, not a replica."
    );
    assert_eq!(text(bus.replicate_node(now, id('a').as_bytes(), Dataset::Empty)), "ERR Can't replicate myself");
    assert_eq!(text(bus.set_config_epoch(now, -1)), "ERR Invalid config epoch specified: -1");
    assert_eq!(
        text(bus.set_config_epoch(now, 9)),
        "ERR The user can assign a config epoch only when the node does not know any other node."
    );
    assert_eq!(bus.replicas(id('d').as_bytes()).unwrap_err().to_string(), "ERR The specified node is not a master");
    assert_eq!(bus.replicas(id('b').as_bytes()).unwrap().len(), 1);
    assert_eq!(
        text(bus.reset(now, ResetKind::Soft, Dataset::HasKeys)),
        "ERR CLUSTER RESET can't be called with master nodes containing keys"
    );
}

#[test]
fn keys_without_a_slot_are_taken_and_those_of_others_marked() {
    let mut solo = Solo::new();
    solo.bus.del_slots(solo.now, &[slot(16383)]).unwrap();

    solo.bus.adopt_keys(solo.now, [0, 6000, 16383].map(slot));

    assert_eq!(solo.owner(16383), Some(id('a')));
    assert!(solo.bus.table().slot_map().importing(slot(6000)).is_some());
    assert!(solo.bus.table().slot_map().importing(slot(0)).is_none());
}

#[test]
fn damaged_messages_of_known_peers_never_panic() {
    let mut rng = Rng::new(77);
    let mut solo = Solo::new();
    let bodies = || {
        [
            Solo::telling(vec![Solo::gossip('c', NodeFlags::PRIMARY), Solo::gossip('f', NodeFlags::REPLICA)]),
            Solo::extended(vec![Extension::Forgotten { id: id('e'), ttl_secs: 1 }]),
            Body::Fail(id('c')),
            Body::AuthRequest,
            Body::AuthAck,
            Body::MfStart,
            Solo::update('c', 9, slots(3, 99)),
        ]
    };
    for round in 0..800 {
        let name = ['b', 'c', 'd', 'e'][rng.index(4)];
        let body = bodies().into_iter().nth(rng.index(7)).unwrap();
        let mut bytes = encode(&Message { header: Solo::header(name), body });
        for _ in 0..rng.below(4) {
            let at = rng.index(bytes.len());
            // The frame itself stays whole: a broken one only drops the link.
            if at >= 8 {
                bytes[at] = rng.next_u64() as u8;
            }
        }
        let link = solo.bus.accepted(solo.now, Solo::ip(name), Solo::ip('a'));
        if let Some(link) = link {
            solo.bytes(link, &bytes);
        }
        solo.tick(rng.below(50));
        let map = solo.bus.table().slot_map();
        let owned: usize = solo.bus.table().iter().map(|(_, node)| node.slot_count()).sum();
        assert_eq!(map.assigned(), owned, "round {round}");
        assert_eq!(Slot::all().filter(|slot| map.owner(*slot).is_some()).count(), owned, "round {round}");
        solo.outputs.clear();
        solo.log.clear();
    }
}

#[test]
fn messages_of_a_filtered_type_are_ignored() {
    let mut solo = Solo::new();
    solo.fail_b();
    let mut header = Solo::header('d');
    header.current_epoch = 6;
    let auth_request = crate::bus::message::MessageKind::AuthRequest.wire();

    solo.bus.drop_received(Some(auth_request));
    solo.say_as('d', header.clone(), Body::AuthRequest);
    assert!(solo.sent(solo.links[&'d'].1).is_empty());
    solo.bus.drop_received(None);
    solo.say_as('d', header, Body::AuthRequest);

    assert_eq!(solo.sent(solo.links[&'d'].1), ["auth-ack"]);
}
