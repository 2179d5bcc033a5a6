//! Random faults over servers, sentinels and links: every seed is a history of its own.
//!
//! `SLOTMESH_SEEDS` says how many seeds to run (default 200), `SLOTMESH_SEED` runs a single one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use slotmesh::testing::{Link, MachineId, TestSentinel};
use slotmesh_engine::rng::Rng;
use slotmesh_test_support::seeds;

#[test]
fn random_faults_break_no_rule_first_half() {
    run_seeds(0);
}

#[test]
fn random_faults_break_no_rule_second_half() {
    run_seeds(1);
}

#[test]
fn the_same_seed_is_the_same_history() {
    assert_eq!(run(5).trace, run(5).trace);
    assert_ne!(run(5).trace, run(6).trace);
}

#[test]
fn a_promoted_replica_that_died_before_it_wrote_that_down_is_replaced() {
    run(1718);
}

/// What became of a history.
struct History {
    /// Its digest.
    trace: u64,
    /// Elections that were won.
    leaders: usize,
}

/// Every second seed, from the first one on.
fn run_seeds(first: u64) {
    let leaders: Vec<usize> = seeds::every_second(first).map(|seed| run(seed).leaders).collect();
    // Of one history nothing follows.
    let enough = leaders.iter().sum::<usize>() * 2 >= leaders.len();
    assert!(seeds::is_single() || enough, "the faults lead to failovers: {leaders:?}");
}

/// Lets faults happen for a while, then mends everything.
fn run(seed: u64) -> History {
    let mut t = TestSentinel::builder(2, 3).seed(seed).failover_timeout(Duration::from_secs(4)).start();
    let mut rng = Rng::new(seed ^ 0x5e47);
    let mut rules = Rules::default();
    for _ in 0..FAULTS {
        break_something(&mut t, &mut rng);
        for _ in 0..rng.below(60) {
            t.advance(LOOK_EVERY);
            rules.look(&t);
        }
    }
    mend(&mut t);
    let end = t.now() + PATIENCE;
    while !t.is_settled() {
        t.advance(LOOK_EVERY);
        rules.look(&t);
        if t.now() >= end {
            t.fail(&format!("the group does not come to rest: {}", state(&t)));
        }
    }
    rules.look(&t);
    History { leaders: check_logs(&t), trace: t.trace_hash() }
}

/// What everybody says, for a group that does not come to rest.
fn state(t: &TestSentinel) -> String {
    let sentinels = t.sentinels().into_iter().map(|id| format!("{id}: {:?}", t.look(id, |found| found.summaries())));
    let servers = t.servers().into_iter().map(|id| format!("{id}: {}", t.info(id, "replication")));
    sentinels.chain(servers).collect::<Vec<_>>().join("\n")
}

fn break_something(t: &mut TestSentinel, rng: &mut Rng) {
    let all: Vec<MachineId> = t.servers().into_iter().chain(t.sentinels()).collect();
    let one = all[rng.index(all.len())];
    match rng.below(10) {
        0 | 1 => t.kill(one),
        2 => t.power_off(one),
        3 | 4 => t.restart(one),
        5 => t.pause(one),
        6 => t.resume(one),
        7 => {
            let cut = 1 + rng.index(all.len() - 1);
            let mut mixed = all.clone();
            for index in (1..mixed.len()).rev() {
                mixed.swap(index, rng.index(index + 1));
            }
            let (here, there) = mixed.split_at(cut);
            t.partition(&[here, there]);
        }
        8 => t.heal(),
        _ => {
            let other = all[rng.index(all.len())];
            if one != other {
                t.hold(Link::between(one, other));
            }
        }
    }
}

fn mend(t: &mut TestSentinel) {
    t.heal();
    for id in t.servers().into_iter().chain(t.sentinels()) {
        t.resume(id);
        if !t.is_serving(id) {
            t.restart(id);
        }
    }
}

/// What must hold at every moment.
#[derive(Default)]
struct Rules {
    /// The primary of each configuration epoch.
    outcomes: BTreeMap<u64, MachineId>,
}

impl Rules {
    fn look(&mut self, t: &TestSentinel) {
        for id in t.running_sentinels() {
            let epoch = t.look(id, |sentinel| sentinel.config().primaries[0].config_epoch);
            let (Some(epoch), Some(named)) = (epoch, t.named_by(id)) else { continue };
            let first = *self.outcomes.entry(epoch).or_insert(named);
            if first != named {
                t.fail(&format!("{id} names {named} in epoch {epoch}, which made {first} the primary"));
            }
        }
    }
}

/// What the logs of all sentinels must say together. Returns how many elections were won.
fn check_logs(t: &TestSentinel) -> usize {
    let mut leaders: BTreeMap<u64, MachineId> = BTreeMap::new();
    for id in t.sentinels() {
        let mut votes: BTreeMap<u64, String> = BTreeMap::new();
        let (mut epoch, mut tried, mut promoted) = (0, 0, BTreeSet::new());
        for event in t.events(id) {
            let words: Vec<&str> = event.split(' ').collect();
            match words[0] {
                "+new-epoch" => epoch = words[1].parse().unwrap(),
                "+try-failover" => tried = epoch,
                "+vote-for-leader" => {
                    let in_epoch: u64 = words[2].parse().unwrap();
                    let before = votes.insert(in_epoch, words[1].to_owned());
                    assert!(before.is_none(), "{id} votes twice in epoch {in_epoch}");
                }
                "+elected-leader" => {
                    let before = leaders.insert(tried, id);
                    assert!(before.is_none(), "{id} and {before:?} lead in epoch {tried}");
                }
                "+promoted-slave" => {
                    assert!(promoted.insert(tried), "{id} promotes twice in epoch {tried}");
                    assert_eq!(leaders.get(&tried), Some(&id), "{id} promotes without having been elected");
                }
                _ => {}
            }
        }
    }
    leaders.len()
}

/// Faults of one history.
const FAULTS: usize = 25;

/// How often the rules are looked at, in virtual time.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the group may take to recover, in virtual time: the clock of a sentinel that was stopped is not believed
/// for half a minute, and a server is asked for its role every ten seconds.
const PATIENCE: Duration = Duration::from_secs(240);
