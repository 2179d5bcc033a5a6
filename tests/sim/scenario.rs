//! One seed: a cluster, a load, a schedule of faults, and what must be true at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use slotmesh::testing::{Fault, Hazards, MachineId, SimConfig, Skew, Spread, TestCluster, plan};
use slotmesh_engine::config::Config;
use slotmesh_engine::config::choices::{AppendFsync, LogLevel};
use slotmesh_engine::config::special::save_points::{SavePoint, SavePoints};
use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::Slot;

use crate::digest;
use crate::invariants::Watch;
use crate::load::Load;
use crate::operator::{self, Operator};

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) trace: u64,
    pub(crate) acknowledged: u64,
    pub(crate) elections: u64,
}

/// What the nodes keep on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    /// Nothing but nodes.conf.
    None,
    /// Dumps, often.
    Dump,
    /// An append only file, synced once a second.
    AofEverySecond,
    /// An append only file, synced before each reply.
    AofAlways,
}

/// Runs one seed and checks everything.
pub(crate) fn run(seed: u64) -> Outcome {
    let mut rng = Rng::new(seed ^ 0x7363_656e);
    let files = [Files::None, Files::Dump, Files::AofEverySecond, Files::AofAlways][rng.index(4)];
    let world = if rng.chance(50) { SimConfig::rough() } else { SimConfig::default() };
    let replicas: &[usize] = if rng.chance(50) { &[1, 1, 1] } else { &[2, 1] };
    let node_timeout_ms = [100, 500, 500, 2_000][rng.index(4)];
    let diskless = rng.chance(60);
    let mut t = TestCluster::builder(3)
        .replicas_of_each(replicas)
        .seed(seed)
        .world(world)
        .config(move |config| {
            configure(config, files);
            config.cluster_node_timeout_ms = node_timeout_ms;
            config.repl_diskless_sync = diskless;
        })
        .start();
    t.note(format!("{files:?}, replicas {replicas:?}, timeout {node_timeout_ms}, diskless {diskless}"));
    let watch = Watch::begin(&mut t);
    let mut load = Load::new(seed);
    let faults = draw_faults(&mut rng, t.nodes().len());
    t.schedule(faults);
    let mut operator = Operator::new(&mut rng, &t);
    let end = t.now() + LASTS + Duration::from_millis(1);
    while t.now() < end {
        drive(&mut t, &watch, &mut load, Duration::from_millis(20));
        operator.step(&mut t);
    }
    operator.leave(&mut t);
    recover(&mut t, &watch, &mut load);
    let starts = t.nodes().into_iter().map(|id| (id, watch.borrow().starts(id))).collect();
    check_end(&t, &starts, &load, files);
    let elections = watch.borrow().elections;
    Outcome { trace: t.trace_hash(), acknowledged: load.acknowledged, elections }
}

fn configure(config: &mut Config, files: Files) {
    config.loglevel = LogLevel::Debug;
    let often = vec![SavePoint { seconds: 1, changes: 1 }];
    config.save = SavePoints::new(if files == Files::Dump { often } else { Vec::new() });
    config.appendonly = matches!(files, Files::AofAlways | Files::AofEverySecond);
    config.appendfsync = if files == Files::AofAlways { AppendFsync::Always } else { AppendFsync::EverySec };
    // Small enough that rewrites and passed backlogs happen.
    config.auto_aof_rewrite_min_size = 16 * 1024;
    config.repl_backlog_size = 16 * 1024;
    config.repl_ping_replica_period_secs = 1;
}

/// A schedule without what breaks the assumptions of the write lease: clocks run at most 200 ppm wrong.
fn draw_faults(rng: &mut Rng, machines: usize) -> Vec<(Duration, Fault)> {
    let hazards = Hazards {
        machines,
        down_max: 1 + rng.index(3),
        lasts: LASTS,
        gap: Spread::millis(50, 2_500),
        outage: Spread::millis(50, 4_000),
    };
    let mut faults = plan(rng, &hazards);
    for (_, fault) in &mut faults {
        if let Fault::Skew(_, skew) = fault {
            *skew = Skew { rate_ppm: skew.rate_ppm / 500, ..*skew };
        }
    }
    faults
}

/// Lets time pass under load.
fn drive(t: &mut TestCluster, watch: &std::rc::Rc<std::cell::RefCell<Watch>>, load: &mut Load, lasts: Duration) {
    let end = t.now() + lasts;
    while t.now() < end {
        load.step(t, &watch.borrow());
        t.advance(STEP);
    }
}

/// Waits until the cluster is whole again, still under load, and then until every byte has arrived.
fn recover(t: &mut TestCluster, watch: &std::rc::Rc<std::cell::RefCell<Watch>>, load: &mut Load) {
    let end = t.now() + RECOVERY_MAX;
    while !(serves_all(t) && t.now() + RECOVERY_MAX > end + Duration::from_secs(3)) {
        if t.now() >= end {
            t.fail("the cluster did not recover");
        }
        drive(t, watch, load, Duration::from_millis(50));
        // One that was asked to end may have taken its time.
        t.nodes().into_iter().for_each(|id| operator::start(t, id));
    }
    t.run_until(TestCluster::is_healthy);
}

/// Whether all nodes run and agree, apart from what replicas have still to read.
fn serves_all(t: &TestCluster) -> bool {
    let is_ok = |id: &MachineId| t.is_serving(*id) && t.node(*id).bus().is_some_and(|bus| bus.is_ok());
    t.nodes().iter().all(is_ok)
}

fn check_end(t: &TestCluster, starts: &BTreeMap<MachineId, u32>, load: &Load, files: Files) {
    for id in t.nodes() {
        if let Some(primary) = t.primary_of(id)
            && digest::of(&t.node(id)) != digest::of(&t.node(primary))
        {
            let difference = t.with_sim(|sim| digest::difference(sim, id, primary));
            t.fail(&format!("{id} differs from its primary {primary}\n{difference}"));
        }
    }
    for (key, acknowledged) in load.acknowledged() {
        let Some(owner) = t.owner_of_slot(Slot::of_key(key.as_bytes())) else { t.fail("a slot without an owner") };
        let epoch = t.node(owner).bus().map_or(0, slotmesh_cluster::bus::Bus::my_epoch);
        let same_term = owner == acknowledged.by && epoch == acknowledged.epoch;
        let same_life = starts[&owner] == acknowledged.starts;
        if same_term && (same_life || files == Files::AofAlways) {
            let reply = t.call(owner, ["GET", key]);
            let held: u64 = if reply.is_null() { 0 } else { reply.text().parse().expect("a number") };
            if held < acknowledged.number {
                t.fail(&format!("{key} is {held} at {owner}, which acknowledged {}", acknowledged.number));
            }
        }
    }
    if load.acknowledged < ACKNOWLEDGED_MIN {
        t.fail(&format!("only {} writes were acknowledged", load.acknowledged));
    }
}

/// How long things go wrong, in virtual time.
const LASTS: Duration = Duration::from_secs(12);

/// How often the load looks for replies, in virtual time.
const STEP: Duration = Duration::from_millis(1);

/// How long a mended cluster may take until it serves again, in virtual time.
const RECOVERY_MAX: Duration = Duration::from_secs(40);

/// Fewer acknowledged writes than this show that nothing was tested.
const ACKNOWLEDGED_MIN: u64 = 500;
