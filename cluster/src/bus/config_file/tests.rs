use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Now;

use super::super::{Bus, BusConfig, SetSlot};
use super::{ConfigFileReason, parse};

const A: &str = "3a660089d51056d7472da9d65805eea5fc24b156";
const B: &str = "fc6e9788d51056d7472da9d65805eea5fc249129";
const C: &str = "90438822d51056d7472da9d65805eea5fc24b100";

/// As written by Redis 7.0.
fn redis_70() -> String {
    format!(
        "{A} 127.0.0.1:17103@27103,host-1.example.com myself,master - 0 1795159775000 8 connected 0-50 \
         16300-16383 [16302->-{B}] [193-<-{B}]\n\
         {B} 127.0.0.1:17104@27104 master,fail? - 1795159775001 1795159775000 9 connected 51-200\n\
         {C} ::1:17105@27105 slave,nofailover {A} 0 1795159775000 8 disconnected\n\
         vars currentEpoch 9 lastVoteEpoch 7\n"
    )
}

fn redis_72() -> String {
    format!(
        "{A} 127.0.0.1:7000@17000,,tls-port=0,shard-id={B} myself,master - 0 0 1 connected 0-163\n\
         {C} 127.0.0.1:7001@17001,h-2,tls-port=0,nodename=two,shard-id={B} slave {A} 0 0 1 connected\n\
         vars currentEpoch 1 lastVoteEpoch 0\n\n\n"
    )
}

/// As written here, with everything a line can have.
fn own() -> String {
    let file = parse(redis_70().as_bytes()).unwrap();
    let mut bus = Bus::new(Now::default(), BusConfig::default(), Some(&file), Rng::new(1));
    bus.set_slot(Now::default(), Slot::new(5).unwrap(), SetSlot::Migrating(B.as_bytes())).unwrap();
    bus.config_text()
}

fn reason(text: &str) -> (usize, ConfigFileReason) {
    let error = parse(text.as_bytes()).unwrap_err();
    (error.line, error.reason)
}

#[test]
fn both_forms_of_redis_are_read() {
    let file = parse(redis_70().as_bytes()).unwrap();
    assert_eq!((file.current_epoch, file.last_vote_epoch), (9, 7));
    assert_eq!(format!("{:?}", file.nodes[0].slots), "[0-50, 16300-16383]");
    assert_eq!(file.nodes[0].open_slots.len(), 2);
    assert_eq!(file.nodes[0].hostname, "host-1.example.com");
    assert_eq!(file.nodes[1].flags.to_string(), "master,fail?");
    assert_eq!(file.nodes[2].ip.unwrap().to_string(), "::1");
    assert_eq!(file.nodes[2].primary.unwrap().as_str(), A);

    let file = parse(redis_72().as_bytes()).unwrap();
    assert_eq!(file.nodes[0].hostname, "");
    assert_eq!(file.nodes[1].hostname, "h-2");
    assert_eq!(file.nodes[1].nodename, "two");
    assert!(file.nodes.iter().all(|node| node.shard.is_some_and(|shard| shard.as_str() == B)));
}

#[test]
fn a_fresh_node_of_redis_has_no_address() {
    let text = format!("{A} :0@0 myself,master - 0 0 0 connected\nvars currentEpoch 0 lastVoteEpoch 0\n");

    let file = parse(text.as_bytes()).unwrap();

    assert_eq!((file.nodes[0].ip, file.nodes[0].port), (None, 0));
}

#[test]
fn what_is_written_is_what_is_read() {
    let text = own();

    let file = parse(text.as_bytes()).unwrap();
    let again = Bus::new(Now::default(), BusConfig::default(), Some(&file), Rng::new(2)).config_text();

    assert_eq!(text, again);
    assert!(text.contains(&format!(" 0-50 16300-16383 [5->-{B}] [193-<-{B}] [16302->-{B}]\n")), "{text}");
    assert!(text.contains("\nvars currentEpoch 9 lastVoteEpoch 7 checksum "), "{text}");
}

#[test]
fn a_file_cut_at_any_byte_is_refused_or_says_the_same() {
    for text in [redis_70(), redis_72(), own()] {
        let whole = parse(text.as_bytes()).unwrap();
        for len in 0..text.len() {
            match parse(&text.as_bytes()[..len]) {
                Ok(file) => assert_eq!(file, whole, "cut at {len}"),
                Err(error) => assert!(len < text.trim_end().len() + 1, "cut at {len}: {error}"),
            }
        }
    }
}

#[test]
fn a_file_with_a_hole_of_zeros_is_refused() {
    let text = own();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        let end = (at + 40).min(bytes.len());
        bytes[at..end].fill(0);
        assert!(parse(&bytes).is_err(), "zeros at {at}");
    }
}

#[test]
fn an_edit_of_slots_or_epochs_is_refused_and_one_of_addresses_is_not() {
    let text = own();

    for (from, to) in [(" 0-50", ""), ("0-50", "0-49"), (" 9 disconnected", " 10 disconnected"), ("Epoch 9", "Epoch 8")]
    {
        let (line, why) = reason(&text.replacen(from, to, 1));
        assert_eq!((line, why), (5, ConfigFileReason::Checksum), "{from}");
    }
    let without_a_line: String =
        text.lines().filter(|line| !line.starts_with(C)).map(|line| format!("{line}\n")).collect();
    assert_eq!(reason(&without_a_line).1, ConfigFileReason::Checksum);

    let moved = text.replace("127.0.0.1:17104@27104", "10.1.2.3:7000@17000");
    assert_eq!(parse(moved.as_bytes()).unwrap().nodes[2].ip.unwrap().to_string(), "10.1.2.3");
}

#[test]
fn a_refusal_names_line_and_reason() {
    let text = redis_70();
    let cases = [
        (text.replacen("51-200", "50-200", 1), 2, ConfigFileReason::SlotTwice(Slot::new(50).unwrap())),
        (text.replacen("51-200", "51-16384", 1), 2, ConfigFileReason::Slot("51-16384".to_owned())),
        (text.replacen("51-200", "9-8", 1), 2, ConfigFileReason::Slot("9-8".to_owned())),
        (text.replacen("51-200", "+5", 1), 2, ConfigFileReason::Slot("+5".to_owned())),
        (text.replacen("fail?", "fial", 1), 2, ConfigFileReason::Flag("fial".to_owned())),
        (text.replacen("slave,", "slave,master,", 1), 3, ConfigFileReason::Role),
        (
            text.replacen("myself,", "", 1).replacen(&format!(" [16302->-{B}] [193-<-{B}]"), "", 1),
            5,
            ConfigFileReason::NoMyself,
        ),
        (text.replacen("master,fail?", "myself,master", 1), 2, ConfigFileReason::MyselfTwice),
        (
            text.replacen(" 8 disconnected", " 8 disconnected 99", 1).replacen("51-200", "", 1),
            3,
            ConfigFileReason::SlotsOfReplica,
        ),
        (
            text.replacen(B, "xyz", 1).replacen(&format!("->-{B}"), &format!("->-{C}"), 1),
            1,
            ConfigFileReason::Slot("[16302->-xyz]".to_owned()),
        ),
        (text.replacen("@27104", "@x", 1), 2, ConfigFileReason::Address("127.0.0.1:17104@x".to_owned())),
        (text.replacen(" 9 connected", " -1 connected", 1), 2, ConfigFileReason::Epoch("-1".to_owned())),
        (
            text.replacen("127.0.0.1:17104@27104", "\"127.0.0.1:17104@27104\"", 1),
            2,
            ConfigFileReason::UnexpectedByte(b'"'),
        ),
        (format!("{text}{text}"), 5, ConfigFileReason::VarsNotLast),
        (text.replacen(" lastVoteEpoch 7", " lastVoteEpoch", 1), 4, ConfigFileReason::VarsPairs),
        (text.replacen("vars currentEpoch 9 lastVoteEpoch 7\n", "", 1), 4, ConfigFileReason::NoVars),
        (" \n\n".to_owned(), 3, ConfigFileReason::Empty),
    ];

    for (text, line, expected) in cases {
        assert_eq!(reason(&text), (line, expected), "{text}");
    }
    let error = parse(text.replacen("fail?", "fial", 1).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "line 2: unknown flag 'fial'");
}

#[test]
fn an_unknown_variable_is_skipped_by_name() {
    let text = redis_70().replacen("lastVoteEpoch 7", "lastVoteEpoch 7 later 1", 1);

    assert_eq!(parse(text.as_bytes()).unwrap().skipped_vars, ["later"]);
}

#[test]
fn no_changed_byte_makes_the_reader_panic_or_lose_a_slot_of_a_checked_file() {
    let text = own();
    let slots =
        |text: &[u8]| parse(text).map(|file| file.nodes.iter().flat_map(|node| node.slots.clone()).collect::<Vec<_>>());
    let whole = slots(text.as_bytes()).unwrap();
    let checked = text.len() - " checksum 0123456789abcdef\n".len();
    let mut rng = Rng::new(5);

    for at in 0..checked {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << rng.below(7);
        if let Ok(found) = slots(&bytes) {
            assert_eq!(found.len(), whole.len(), "changed at {at}");
        }
    }
}
