use std::collections::VecDeque;

use super::{End, List, ListNode, ListRules, NodeRef, Side};
use crate::rng::Rng;
use crate::value::Typed;
use crate::value::listpack::{Element, Listpack};

const RULES: ListRules = ListRules { fill: -2, plain_bytes_min: None };

fn counted(fill: i32) -> ListRules {
    ListRules { fill, plain_bytes_min: None }
}

fn texts(list: &List) -> Vec<Vec<u8>> {
    list.view().iter().map(Element::to_vec).collect()
}

fn push(list: &mut List, end: End, element: &[u8], rules: ListRules) {
    list.push(end, std::iter::once(element), rules);
}

fn build(elements: &[Vec<u8>], rules: ListRules) -> List {
    let mut list = List::new();
    elements.iter().for_each(|element| push(&mut list, End::Back, element, rules));
    list
}

/// Lengths of the nodes, those of single long elements as 0.
fn shape(list: &List) -> Vec<usize> {
    list.view()
        .nodes()
        .map(|node| match node {
            NodeRef::Packed(pack) => pack.len(),
            NodeRef::Plain(_) => 0,
        })
        .collect()
}

#[test]
fn random_changes_agree_with_a_deque() {
    let all =
        [RULES, counted(-1), counted(3), counted(0), counted(128), ListRules { fill: 5, plain_bytes_min: Some(9) }];
    for (seed, rules) in (0..).zip(all.into_iter().cycle().take(24)) {
        let mut rng = Rng::new(seed);
        let (mut list, mut model) = (List::new(), VecDeque::new());
        for round in 0..3_000 {
            change(&mut rng, &mut list, &mut model, rules, if round % 1_500 < 1_000 { 70 } else { 30 });
            assert_eq!(list.view().len(), model.len(), "seed {seed} round {round}");
            if round % 100 == 0 {
                check(&list, &model, &mut rng, &format!("seed {seed} round {round}"));
            }
        }
        check(&list, &model, &mut rng, &format!("seed {seed}"));
        check(&list.clone(), &model, &mut rng, &format!("clone, seed {seed}"));
    }
}

fn element(rng: &mut Rng) -> Vec<u8> {
    match rng.below(20) {
        0 => vec![b'l'; rng.index(9_000)],
        1 => vec![b'm'; rng.index(300)],
        2..=9 => rng.below(10).to_string().into_bytes(),
        _ => format!("element {}", rng.below(10)).into_bytes(),
    }
}

fn change(rng: &mut Rng, list: &mut List, model: &mut VecDeque<Vec<u8>>, rules: ListRules, growth: u8) {
    let (new, index) = (element(rng), rng.index(model.len()));
    if rng.chance(growth) {
        match rng.below(5) {
            0..=1 => {
                push(list, End::Back, &new, rules);
                model.push_back(new);
            }
            2 => {
                push(list, End::Front, &new, rules);
                model.push_front(new);
            }
            3 => {
                let pivot = if rng.chance(90) { model.get(index).cloned().unwrap_or_default() } else { element(rng) };
                let (side, shift) = if rng.chance(50) { (Side::After, 1) } else { (Side::Before, 0) };
                let place = model.iter().position(|element| *element == pivot);
                assert_eq!(list.insert(side, &pivot, &new, rules), place.is_some());
                place.into_iter().for_each(|place| model.insert(place + shift, new.clone()));
            }
            _ => {
                assert_eq!(list.set(index, &new, rules), index < model.len());
                if let Some(old) = model.get_mut(index) {
                    *old = new;
                }
            }
        }
        return;
    }
    match rng.below(40) {
        0..=14 => assert_eq!(list.pop(End::Back, rules, |element| element.to_vec()), model.pop_back()),
        15..=34 => assert_eq!(list.pop(End::Front, rules, |element| element.to_vec()), model.pop_front()),
        35 => {
            let (start, end) = (rng.index(model.len() / 8 + 1), model.len() - rng.index(model.len() / 8 + 1));
            list.trim(start..end, rules);
            model.truncate(end);
            model.drain(..start.min(model.len()));
        }
        choice => {
            let max = if rng.chance(10) { usize::MAX } else { rng.index(4) };
            let from = if choice % 2 == 0 { End::Back } else { End::Front };
            let needle = model.get(index).cloned().unwrap_or_default();
            assert_eq!(list.remove(&needle, max, from, rules), remove(model, &needle, max, from));
        }
    }
}

fn remove(model: &mut VecDeque<Vec<u8>>, needle: &[u8], max: usize, from: End) -> usize {
    let mut removed = 0;
    let mut keep = |element: &Vec<u8>| {
        let doomed = removed < max && element == needle;
        removed += usize::from(doomed);
        !doomed
    };
    match from {
        End::Back => {
            let mut kept: VecDeque<_> = model.drain(..).rev().filter(|element| keep(element)).collect();
            kept.make_contiguous().reverse();
            *model = kept;
        }
        End::Front => model.retain(keep),
    }
    removed
}

fn check(list: &List, model: &VecDeque<Vec<u8>>, rng: &mut Rng, context: &str) {
    assert!(texts(list).iter().eq(model), "{context}");
    assert!(list.view().iter().rev().map(Element::to_vec).eq(model.iter().rev().cloned()), "{context}");
    let (start, end) = (rng.index(model.len()), rng.index(model.len() + 5));
    let range = list.view().range(start..end);
    assert_eq!(range.len(), range.clone().rev().count(), "{context}");
    assert!(range.map(Element::to_vec).eq(model.iter().take(end).skip(start).cloned()), "{context}");
    for index in [0, start, end, model.len().saturating_sub(1), model.len()] {
        assert_eq!(list.view().get(index).map(Element::to_vec).as_ref(), model.get(index), "{context}");
    }
    assert!(
        list.view().nodes().all(|node| !matches!(node, NodeRef::Packed(pack) if pack.is_empty() && !model.is_empty()))
    );
    let outside: usize = list
        .view()
        .nodes()
        .map(|node| match node {
            NodeRef::Packed(pack) => pack.bytes().len(),
            NodeRef::Plain(element) => element.len(),
        })
        .sum();
    let usage = list.memory_usage();
    assert!(
        usage >= outside && usage <= outside * 2 + 600 + list.view().node_count() * 160,
        "{context}: {usage} {outside}"
    );
}

#[test]
fn a_list_grows_past_one_node_and_comes_back_at_half() {
    // As valkey-server 9.1 answered to OBJECT ENCODING with list-max-listpack-size 3.
    let mut list = build(&["1", "2", "3"].map(|text| text.as_bytes().to_vec()), counted(3));
    assert_eq!(list.view().encoding(), "listpack");
    push(&mut list, End::Back, b"4", counted(3));
    assert_eq!((list.view().encoding(), shape(&list)), ("quicklist", vec![3, 1]));

    for (left, encoding) in [(3, "quicklist"), (2, "quicklist"), (1, "listpack")] {
        list.pop(End::Back, counted(3), |_| ());
        assert_eq!((list.view().len(), list.view().encoding()), (left, encoding));
    }
}

#[test]
fn nodes_are_cut_where_the_reference_cuts_them() {
    // Nodes of valkey-server 9.1 after RPUSH of a, b, an element of so many bytes, and c.
    for (len, expected) in [(8_184, [2, 1, 1]), (8_192, [2, 1, 1]), (8_193, [2, 0, 1])] {
        let long = vec![b'x'; len];
        let mut list = List::new();
        list.push(End::Back, [&b"a"[..], b"b", &long, b"c"].into_iter(), RULES);

        assert_eq!((list.view().encoding(), shape(&list)), ("quicklist", expected.to_vec()));
    }
    let mut list = List::new();
    list.push(End::Back, [&b"a"[..], b"b", b"c"].into_iter(), counted(0));
    assert_eq!((list.view().encoding(), shape(&list)), ("quicklist", vec![1, 1, 1]));
}

#[test]
fn an_insertion_into_a_full_node_splits_it() {
    let numbers: Vec<_> = (0..9).map(|number| number.to_string().into_bytes()).collect();
    let insert = |side| {
        let mut list = build(&numbers, counted(3));
        assert!(list.insert(side, b"4", b"new", counted(3)));
        (String::from_utf8(texts(&list).concat()).unwrap(), shape(&list))
    };

    assert_eq!(insert(Side::Before), ("0123new45678".to_string(), vec![3, 2, 2, 3]));
    assert_eq!(insert(Side::After), ("01234new5678".to_string(), vec![3, 2, 2, 3]));
}

#[test]
fn a_list_makes_room_for_what_is_not_inserted_in_the_end() {
    let mut list = build(&[b"a".to_vec(), b"b".to_vec()], counted(2));

    assert!(!list.insert(Side::After, b"no pivot", b"c", counted(2)));

    assert_eq!(list.view().encoding(), "quicklist");
}

#[test]
fn an_iterator_meets_itself_in_the_middle() {
    for fill in [-2, 7] {
        let numbers: Vec<_> = (0..100).map(|number| number.to_string().into_bytes()).collect();
        let list = build(&numbers, counted(fill));
        let mut iter = list.view().range(10..91);
        let (mut front, mut back) = (Vec::new(), Vec::new());

        while let Some(element) = iter.next() {
            front.push(element.to_vec());
            back.extend(iter.next_back().map(Element::to_vec));
        }

        back.reverse();
        assert!(front.iter().chain(&back).eq(&numbers[10..91]));
    }
}

#[test]
fn nodes_from_outside_make_a_list() {
    let pack: Listpack = [b"a", b"b"].into_iter().collect();
    let list = List::from_nodes([ListNode::Packed(Listpack::new()), ListNode::Packed(pack.clone())], RULES);
    assert_eq!((list.view().encoding(), texts(&list).concat()), ("listpack", b"ab".to_vec()));

    let list = List::from_nodes([ListNode::Packed(pack), ListNode::Plain(b"long".to_vec())], RULES);
    assert_eq!(
        (list.view().encoding(), texts(&list).concat(), shape(&list)),
        ("quicklist", b"ablong".to_vec(), vec![2, 0])
    );

    assert!(List::from_nodes([ListNode::Packed(Listpack::new())], RULES).view().is_empty());
}

#[test]
fn a_long_list_is_freed_in_pieces() {
    let numbers: Vec<_> = (0..50_000).map(|number| format!("element {number:08}").into_bytes()).collect();
    let mut list = build(&numbers, RULES);
    assert!(list.memory_usage() < 50_000 * 20, "{}", list.memory_usage());

    let mut steps = 0;
    loop {
        let freed = list.free_some(1_000);
        if freed == 0 {
            break;
        }
        assert!(freed < 1_000 + 8_192 / 16);
        steps += 1;
    }

    assert!(steps > 30, "{steps}");
    assert!(list.memory_usage() < 1_000, "{}", list.memory_usage());
}
