//! The dump file.

use slotmesh_cluster::machine::Signal;
use slotmesh_cluster::node::Node;
use slotmesh_engine::config::special::save_points::{SavePoint, SavePoints};
use slotmesh_transport_mem::{MachineId, Sim};

use super::{Crashed, Leaves, Stage, Story, alone, every_crash};

/// What is known when a scenario ends.
struct Known {
    story: Story,
    /// After how many writes a save began that has been answered.
    saved: usize,
    /// After how many writes the next one began, if one did.
    saving: Option<usize>,
}

/// Save points are there so that an orderly end saves; none of them is ever due.
fn build(seed: u64) -> (Sim<Node>, MachineId) {
    alone(seed, |config| config.save = SavePoints::new(vec![SavePoint { seconds: 3_600, changes: 1_000_000 }]))
}

fn play(stage: &mut Stage) -> (Known, Result<(), Crashed>) {
    let mut known = Known { story: Story::new(), saved: 0, saving: None };
    let played = save_in_every_way(stage, &mut known);
    (known, played)
}

fn save_in_every_way(stage: &mut Stage, known: &mut Known) -> Result<(), Crashed> {
    let watched = stage.watched;
    stage.start(watched)?;
    let large = super::strings(&["SET", "large", &"0123456789".repeat(20_000)]);
    known.story.model.write(&large);
    stage.call_all(watched, &[large])?;
    known.story.write(stage)?;
    known.begin_save();
    stage.call_ok(watched, &["SAVE"])?;
    known.end_save();

    known.story.write(stage)?;
    known.begin_save();
    stage.call_ok(watched, &["BGSAVE"])?;
    // What is written meanwhile is not in the dump.
    while stage.call(watched, &["INFO", "persistence"])?.text().contains("rdb_bgsave_in_progress:1") {
        known.story.write(stage)?;
        stage.advance(POLL)?;
    }
    known.end_save();

    known.story.write(stage)?;
    known.begin_save();
    stage.sim.signal(watched, Signal::Terminate);
    stage.until(|sim| sim.exited(watched).is_some())?;
    assert_eq!(stage.sim.exited(watched).map(|shutdown| shutdown.code), Some(0));
    known.end_save();
    // The process has ended in order; then the power is lost.
    stage.clients.clear();
    stage.start(watched)
}

impl Known {
    fn begin_save(&mut self) {
        self.saving = Some(self.story.model.len());
    }

    fn end_save(&mut self) {
        self.saved = self.saving.take().expect("a save had begun");
    }
}

#[test]
fn the_dump_is_the_old_one_or_the_new_one_whenever_the_node_crashes() {
    let crashes = every_crash(build, play, |stage, mut known| {
        stage.recover();
        assert!(stage.unfinished().is_empty(), "{:?}", stage.unfinished());
        let held = known.story.held(stage);
        let may_hold = [Some(known.saved), known.saving];
        if !may_hold.contains(&Some(held)) {
            stage.sim.fail(&format!("{held} writes are there, and not one of {may_hold:?}"));
        }

        // What a node has read, it reads again; what it saves then is there as well.
        stage.crash(Leaves::Synced);
        stage.recover();
        assert_eq!(known.story.held(stage), held, "what was loaded once");
        known.story.go_on_from(held, stage.sim.now());
        known.story.write(stage).expect("no crash is due");
        stage.call_ok(stage.watched, &["SAVE"]).expect("no crash is due");
        stage.crash(Leaves::Synced);
        stage.recover();
        assert_eq!(known.story.held(stage), held + 2, "SAVE was answered");
    });

    assert!(crashes > 30, "{crashes}");
}

/// How often the scenario looks whether a save is over, in virtual time.
const POLL: std::time::Duration = std::time::Duration::from_micros(200);
