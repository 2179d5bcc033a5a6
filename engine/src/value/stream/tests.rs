use super::{Group, NewId, Order, Pending, Stream, StreamId, StreamRules, Trim, TrimTo};
use crate::rng::Rng;
use crate::value::Collection;
use crate::value::Holder;
use crate::value::digest::Digest;

const RULES: StreamRules = StreamRules { node_bytes_max: 4096, node_entries_max: 100 };

const fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn add(stream: &mut Stream, id: StreamId, fields: &[(&str, &str)]) {
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    stream.append(id, fields, RULES);
}

/// Entries 1-0, 2-0 and so on.
fn numbered(len: u64) -> Stream {
    let mut stream = Stream::new();
    for number in 1..=len {
        add(&mut stream, id(number, 0), &[("f", &number.to_string())]);
    }
    stream
}

fn ids(stream: &Stream, first: StreamId, last: StreamId, order: Order) -> Vec<StreamId> {
    stream.range(first, last, order).map(|entry| entry.id).collect()
}

fn lens(stream: &Stream) -> Vec<i64> {
    stream.blocks().iter().map(|(_, block)| block.live()).collect()
}

#[test]
fn entries_come_back_as_they_were_added() {
    let mut stream = Stream::new();
    add(&mut stream, id(5, 7), &[("f", "v"), ("g", "-5")]);
    add(&mut stream, id(6, 1), &[("f", ""), ("g", "007")]);
    add(&mut stream, id(6, 2), &[("x", "1"), ("x", "2"), ("", "3")]);

    let texts = |entry: super::Entry<'_>| {
        let fields = entry
            .fields()
            .map(|(name, value)| [name.to_vec(), value.to_vec()].map(|word| String::from_utf8(word).unwrap()));
        fields.map(|[name, value]| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let all: Vec<String> = stream.iter().map(texts).collect();

    assert_eq!(all, ["f=v g=-5", "f= g=007", "x=1 x=2 =3"]);
    assert_eq!(stream.last().map(texts).as_deref(), Some("x=1 x=2 =3"));
    assert_eq!(stream.get(id(6, 1)).map(texts).as_deref(), Some("f= g=007"));
    assert!(stream.get(id(6, 0)).is_none());
}

#[test]
fn a_random_history_leaves_what_a_plain_list_has() {
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let rules =
            StreamRules { node_bytes_max: [0, 80, 4096][rng.below(3) as usize], node_entries_max: rng.below(8) };
        let mut stream = Stream::new();
        let mut model: Vec<(StreamId, u64)> = Vec::new();
        for step in 0..400 {
            match rng.below(8) {
                0..=4 => {
                    let new = NewId::Exact(id(stream.last_id().ms + rng.below(3), rng.below(9)));
                    let Some(new) = stream.next_id(new) else { continue };
                    let (value, name) = (step.to_string(), if rng.below(4) == 0 { "other" } else { "same" });
                    stream.append(new, [(name.as_bytes(), value.as_bytes())].into_iter(), rules);
                    model.push((new, step));
                }
                5 => {
                    let doomed = id(rng.below(stream.last_id().ms + 2), rng.below(9));
                    let before = model.len();
                    model.retain(|(kept, _)| *kept != doomed);
                    assert_eq!(stream.delete([doomed].into_iter()), before - model.len());
                }
                6 => {
                    let len = rng.below(40);
                    let excess = (model.len() as u64).saturating_sub(len) as usize;
                    let trim = Trim { to: TrimTo::Len(len), is_approximate: false, limit: 0 };
                    assert_eq!(stream.trim(trim), excess);
                    model.drain(..excess);
                }
                _ => {
                    let from = id(rng.below(stream.last_id().ms + 2).saturating_sub(20), 3);
                    let before = model.len();
                    model.retain(|(kept, _)| *kept >= from);
                    let trim = Trim { to: TrimTo::Id(from), is_approximate: false, limit: 0 };
                    assert_eq!(stream.trim(trim), before - model.len());
                }
            }
            let (first, last) = (id(rng.below(60), rng.below(9)), id(rng.below(900), rng.below(9)));
            let wanted: Vec<StreamId> =
                model.iter().map(|(id, _)| *id).filter(|id| (first..=last).contains(id)).collect();
            assert_eq!(ids(&stream, first, last, Order::Ascending), wanted, "seed {seed}");
            let descending: Vec<StreamId> = wanted.into_iter().rev().collect();
            assert_eq!(ids(&stream, first, last, Order::Descending), descending, "seed {seed}");
            assert_eq!((stream.len(), stream.iter().count()), (model.len(), model.len()));
            assert_eq!(stream.first_id(), model.first().map_or(StreamId::MIN, |(id, _)| *id));
            assert_eq!(stream.last().map(|entry| entry.id), model.last().map(|(id, _)| *id));
            let bytes: usize = stream.blocks().iter().map(|(_, block)| block.memory_usage()).sum();
            assert!(stream.memory_usage() >= bytes && stream.memory_usage() <= bytes + 400 + 64 * stream.block_count());
        }
        while stream.free_some(7) > 0 {}
        assert_eq!((stream.len(), stream.block_count(), stream.blocks().memory_usage()), (0, 0, 0));
    }
}

#[test]
fn ids_follow_the_clock_but_never_go_back() {
    let mut stream = Stream::default();

    assert_eq!(stream.next_id(NewId::Clock(0)), Some(id(0, 1)));
    assert_eq!(stream.next_id(NewId::Within(0)), Some(id(0, 1)));
    assert_eq!(stream.next_id(NewId::Exact(StreamId::MIN)), None);
    add(&mut stream, id(50, u64::MAX), &[("f", "v")]);
    assert_eq!(stream.next_id(NewId::Clock(51)), Some(id(51, 0)));
    assert_eq!(stream.next_id(NewId::Clock(3)), Some(id(51, 0)));
    assert_eq!(stream.next_id(NewId::Within(50)), None);
    assert_eq!(stream.next_id(NewId::Within(49)), None);
    assert_eq!(stream.next_id(NewId::Exact(id(50, u64::MAX))), None);
    add(&mut stream, StreamId::MAX, &[("f", "v")]);
    assert_eq!(stream.next_id(NewId::Clock(u64::MAX)), None);
}

#[test]
fn approximate_trimming_removes_whole_blocks_up_to_its_limit() {
    let trim = |to, limit| Trim { to, is_approximate: true, limit };
    let mut stream = numbered(450);
    assert_eq!(lens(&stream), [100, 100, 100, 100, 50]);

    assert_eq!(stream.trim(trim(TrimTo::Len(260), 0)), 100);
    assert_eq!(stream.trim(trim(TrimTo::Len(260), 0)), 0);
    assert_eq!(stream.trim(trim(TrimTo::Len(0), 199)), 100);
    assert_eq!(stream.trim(trim(TrimTo::Id(id(301, 0)), 0)), 100);
    assert_eq!(stream.trim(trim(TrimTo::Id(id(400, 0)), 0)), 0);
    assert_eq!((lens(&stream), stream.first_id()), (vec![100, 50], id(301, 0)));
}

#[test]
fn a_block_keeps_its_deleted_entries_until_the_last_goes() {
    let mut stream = numbered(3);
    assert_eq!(stream.delete([id(3, 0), id(3, 0), id(9, 0)].into_iter()), 1);

    // The deleted entry is not before 3-0, so that the block stays, as in redis-server 7.0.15.
    assert_eq!(stream.trim(Trim { to: TrimTo::Id(id(3, 0)), is_approximate: false, limit: 0 }), 2);
    assert_eq!((lens(&stream), stream.first_id(), stream.max_deleted_id()), (vec![0], StreamId::MIN, id(3, 0)));
    add(&mut stream, id(4, 0), &[("f", "v")]);
    assert_eq!(lens(&stream), [1]);
    assert_eq!(stream.delete([id(4, 0)].into_iter()), 1);
    assert_eq!((stream.block_count(), stream.is_garbage()), (0, false));
}

#[test]
fn the_lag_is_told_where_it_can_be() {
    let mut stream = numbered(5);
    let mut group = Group::new(StreamId::MIN, None);
    assert_eq!(stream.lag(&group), Some(5));
    group.last_id = id(3, 0);
    assert_eq!(stream.lag(&group), None);
    group.entries_read = Some(3);
    assert_eq!(stream.lag(&group), Some(2));
    stream.delete([id(4, 0)].into_iter());
    assert_eq!(stream.lag(&group), None);
    assert_eq!(stream.lag(&Group::new(id(5, 0), None)), Some(0));
    assert_eq!(Stream::new().lag(&group), Some(0));
}

#[test]
fn an_entry_waits_for_one_consumer() {
    let mut group = Group::default();
    let (alice, bob) = (group.create(b"alice", 1).unwrap(), group.create(b"bob", 1).unwrap());
    assert!(group.create(b"bob", 1).is_none());
    for number in 0..10 {
        let consumer = if number % 2 == 0 { alice } else { bob };
        group.assign(id(number, 0), Pending { consumer, delivered_at: 5, deliveries: 1 });
    }

    group.assign(id(1, 0), Pending { consumer: alice, delivered_at: 9, deliveries: 2 });
    assert!(group.acknowledge(id(2, 0)) && !group.acknowledge(id(2, 0)));

    let of = |group: &Group, consumer| {
        group.pending_of(consumer, id(1, 0), id(8, 0)).map(|(id, _)| id.ms).collect::<Vec<_>>()
    };
    assert_eq!((of(&group, alice), of(&group, bob)), (vec![1, 4, 6, 8], vec![3, 5, 7]));
    assert_eq!(group.pending(id(1, 0)), Some(Pending { consumer: alice, delivered_at: 9, deliveries: 2 }));
    assert_eq!(group.pending_range(id(8, 0), id(3, 0)).count(), 0);
    assert_eq!(group.remove(b"alice"), Some(5));
    assert_eq!((group.pending_len(), group.consumers_len(), group.pending_edges()), (4, 1, Some((id(3, 0), id(9, 0)))));
    assert!(group.find(b"alice").is_none());
}

#[test]
fn groups_are_counted_and_freed_in_pieces() {
    let mut stream = numbered(3);
    let bare = stream.memory_usage();
    for name in [&b"g"[..], b"h"] {
        assert!(stream.create_group(name, Group::default()));
        stream.edit_group(name, |group| {
            for (seq, consumer) in [(1, &b"one"[..]), (2, b"two")] {
                let consumer = group.create(consumer, 0).unwrap();
                for number in 0..500 {
                    let entry = id(number, seq);
                    group.assign(entry, Pending { consumer, delivered_at: 0, deliveries: 1 });
                }
            }
        });
    }
    let full = stream.memory_usage();
    assert!(full > bare + 2000 * 40 && stream.free_cost() > 600);

    let mut removed = stream.remove_group(b"g").unwrap();
    assert_eq!(stream.memory_usage() - bare, (full - bare) / 2);
    let mut slices = 0;
    while removed.free_some(100) > 0 {
        slices += 1;
    }
    assert!(slices >= 10, "{slices} slices");
    assert_eq!((removed.groups_len(), removed.body().groups_bytes, removed.body().groups_cost), (0, 0, 0));
    assert!(stream.create_group(b"g", Group::default()) && !stream.create_group(b"h", Group::default()));
}

#[test]
fn digests_are_the_references() {
    let mut stream = Stream::new();
    add(&mut stream, id(5, 1), &[("f", "v"), ("g", "w")]);
    add(&mut stream, id(5, 2), &[("f", "v2"), ("g", "77")]);
    add(&mut stream, id(6, 0), &[("x", "y")]);
    stream.delete([id(5, 2)].into_iter());
    let mut digest = Digest::default();
    digest.mix(&stream.kind().number().to_be_bytes());

    stream.digest(&mut digest);

    // DEBUG DIGEST-VALUE of redis-server 7.0.15.
    assert_eq!(digest.to_hex(), "51d10280f37009d91f9ac87a2905fd4c319aaecc");
}
