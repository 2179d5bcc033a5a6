use std::collections::BTreeMap;

use super::node::Node;
use super::{Key, Members, Tree};
use crate::rng::Rng;

/// A tree with its members, beside a sorted model of both.
#[derive(Default)]
struct Pair {
    tree: Tree,
    members: Members,
    model: BTreeMap<(i64, Vec<u8>), u32>,
}

impl Pair {
    fn insert(&mut self, score: i64, name: &[u8]) {
        if self.model.contains_key(&(score, name.to_vec())) {
            return;
        }
        let id = self.members.insert(name, score as f64);
        self.tree.insert(Key { score: score as f64, name }, id, &self.members);
        self.model.insert((score, name.to_vec()), id);
    }

    fn remove(&mut self, rank: usize) {
        let (entry, &id) = self.model.iter().nth(rank).unwrap();
        let (score, name) = entry.clone();
        assert!(self.tree.remove(Key { score: score as f64, name: &name }, id, &self.members));
        self.model.remove(&(score, name));
        self.members.remove(id);
    }

    fn check(&self, context: &str) {
        let mut nodes = 0;
        let mut ids = Vec::new();
        if let Some(root) = &self.tree.root {
            walk(root, &mut nodes, &mut ids);
        }
        assert_eq!(nodes, self.tree.nodes, "{context}");
        assert!(ids.iter().eq(self.model.values()), "{context}");
        assert_eq!(self.tree.len(), self.model.len(), "{context}");
    }
}

/// Collects the members of a node and checks what it says of its children.
fn walk(node: &Node, nodes: &mut usize, ids: &mut Vec<u32>) {
    *nodes += 1;
    assert!(node.len() > 0);
    match node {
        Node::Inner(inner) => {
            for place in 0..inner.len() {
                let before = ids.len();
                walk(inner.child(place), nodes, ids);
                assert_eq!(inner.ids()[place], ids[before]);
                assert_eq!(inner.count_before(place + 1) - inner.count_before(place), ids.len() - before);
            }
        }
        Node::Leaf(leaf) => ids.extend(leaf.ids()),
    }
}

#[test]
fn random_changes_agree_with_a_sorted_map() {
    for (seed, scores) in [(1, 1), (2, 5), (3, 300), (4, 1_000_000), (5, 40)] {
        let mut rng = Rng::new(seed);
        let mut pair = Pair::default();
        for round in 0..16_000 {
            let growing = round % 8_000 < 5_000;
            if pair.model.is_empty() || rng.chance(if growing { 80 } else { 15 }) {
                let (score, name) = (rng.below(scores).cast_signed(), format!("m{}", rng.below(100_000)));
                pair.insert(score, name.as_bytes());
            } else if rng.chance(50) {
                pair.remove(rng.index(pair.model.len()));
            } else {
                let rank = rng.index(pair.model.len().min(50));
                let entry = pair.model.iter().nth(rank).map(|(entry, &id)| (entry.clone(), id)).unwrap();
                assert_eq!(pair.tree.remove_rank(rank), Some((entry.0.0 as f64, entry.1)), "seed {seed}");
                pair.model.remove(&entry.0);
                pair.members.remove(entry.1);
            }
            if round % 500 == 0 {
                pair.check(&format!("seed {seed} round {round}"));
            }
        }
        for (rank, ((score, name), &id)) in pair.model.iter().enumerate() {
            assert_eq!(
                pair.tree.rank(Key { score: *score as f64, name }, id, &pair.members),
                Some(rank),
                "seed {seed}"
            );
            assert_eq!(pair.tree.select(rank).unwrap().get(), (*score as f64, id), "seed {seed}");
        }
        assert!(pair.tree.select(pair.model.len()).is_none());
    }
}

#[test]
fn members_in_order_fill_their_leaves() {
    for step in [1, -1] {
        let mut pair = Pair::default();
        for number in 0..20_000 {
            pair.insert(number * step, b"m");
        }

        pair.check("in order");
        assert!(pair.tree.nodes < 20_000 / 84 * 11 / 10, "{} nodes", pair.tree.nodes);
        while pair.tree.remove_rank(pair.tree.len() / 2).is_some() {}
        assert_eq!((pair.tree.nodes, pair.tree.root.is_none()), (0, true));
    }
}

#[test]
fn leaves_are_dropped_one_by_one() {
    let mut pair = Pair::default();
    for number in 0..10_000 {
        pair.insert(number * 7919 % 10_007, b"m");
    }

    let mut dropped = 0;
    loop {
        match pair.tree.drop_leaf() {
            0 => break,
            members => {
                assert!(members <= 84);
                dropped += members;
            }
        }
    }

    assert_eq!((dropped, pair.tree.nodes), (10_000, 0));
}

#[test]
fn a_score_changes_in_place_only_where_the_order_stays() {
    let mut pair = Pair::default();
    for number in 0..50 {
        pair.insert(number * 10, b"m");
    }
    let id = pair.model[&(100, b"m".to_vec())];
    let mut rescore = |from: f64, to: f64| pair.tree.rescore(Key { score: from, name: b"m" }, id, to, &pair.members);

    assert!(rescore(100.0, 109.0));
    assert!(rescore(109.0, 91.0));
    assert!(!rescore(91.0, 90.0));
    assert!(!rescore(91.0, 110.0));
    assert!(!rescore(91.0, 500.0));
}
