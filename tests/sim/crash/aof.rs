//! The append only file.

use std::time::Duration;

use slotmesh_cluster::node::Node;
use slotmesh_engine::config::Config;
use slotmesh_engine::config::choices::AppendFsync;
use slotmesh_engine::time::Instant;
use slotmesh_transport_mem::{DIR, MachineId, Sim};

use super::{Crashed, Leaves, Stage, Story, alone, every_crash};

/// What is known when a scenario ends.
struct Known {
    story: Story,
    ended: Instant,
}

fn build(fsync: AppendFsync) -> impl Fn(u64) -> (Sim<Node>, MachineId) {
    move |seed| alone(seed, move |config| configure(config, fsync))
}

fn configure(config: &mut Config, fsync: AppendFsync) {
    config.appendonly = true;
    config.appendfsync = fsync;
    config.auto_aof_rewrite_percentage = 0;
}

/// Writes, with two rewrites in between; `pause` passes after each write.
fn play(stage: &mut Stage, pause: Duration) -> (Known, Result<(), Crashed>) {
    let mut story = Story::new();
    let played = write_and_rewrite(stage, &mut story, pause);
    let ended = stage.sim.now();
    (Known { story, ended }, played)
}

fn write_and_rewrite(stage: &mut Stage, story: &mut Story, pause: Duration) -> Result<(), Crashed> {
    let watched = stage.watched;
    stage.start(watched)?;
    for _ in 0..3 {
        story.write(stage)?;
        stage.advance(pause)?;
    }
    for _ in 0..2 {
        stage.call_ok(watched, &["BGREWRITEAOF"])?;
        story.write(stage)?;
        while stage.call(watched, &["INFO", "persistence"])?.text().contains("aof_rewrite_in_progress:1") {
            story.write(stage)?;
            stage.advance(POLL)?;
        }
        story.write(stage)?;
        stage.advance(pause)?;
    }
    Ok(())
}

/// After the restart all that counts as safe is there, and so is what is written then: after one more crash, too.
fn check(stage: &mut Stage, mut known: Known, safe_after: Option<Duration>) {
    let safe = |story: &Story, ended: Instant| {
        let is_safe = |at: &&Instant| safe_after.is_none_or(|time| **at + time <= ended);
        story.acknowledged.iter().filter(is_safe).count()
    };
    stage.recover();
    let held = known.story.held(stage);
    let safe_before = safe(&known.story, known.ended);
    if held < safe_before {
        stage.sim.fail(&format!("only {held} of {safe_before} safe writes are there"));
    }

    stage.sim.settle();
    assert!(stage.unfinished().is_empty(), "{:?}", stage.unfinished());
    known.story.go_on_from(held, stage.sim.now());
    for _ in 0..2 {
        known.story.write(stage).expect("no crash is due");
    }
    stage.advance(safe_after.unwrap_or_default()).expect("no crash is due");
    stage.crash(Leaves::Synced);
    stage.recover();
    assert_eq!(known.story.held(stage), held + 4, "all was safe before the second crash");
}

#[test]
fn no_acknowledged_write_is_lost_with_appendfsync_always() {
    let pause = Duration::from_millis(1);

    let crashes =
        every_crash(build(AppendFsync::Always), |stage| play(stage, pause), |stage, known| check(stage, known, None));

    assert!(crashes > 60, "{crashes}");
}

#[test]
fn no_write_older_than_a_second_is_lost_with_appendfsync_everysec() {
    let (pause, safe_after) = (Duration::from_millis(400), Duration::from_millis(1_100));

    let crashes = every_crash(
        build(AppendFsync::EverySec),
        |stage| play(stage, pause),
        |stage, known| check(stage, known, Some(safe_after)),
    );

    assert!(crashes > 50, "{crashes}");
}

/// `CONFIG SET appendonly yes`: until the first base is complete nothing is promised, from then on everything.
#[test]
fn an_append_only_file_that_is_turned_on_counts_when_its_base_is_complete() {
    let turn_on = |stage: &mut Stage| {
        let (mut story, mut is_on) = (Story::new(), false);
        let played = turn_on(stage, &mut story, &mut is_on);
        let ended = stage.sim.now();
        ((Known { story, ended }, is_on), played)
    };
    // After the crash the file says `appendonly yes`, as an operator would have it.
    let build = |seed| {
        let starts = std::cell::Cell::new(0);
        alone(seed, move |config| {
            configure(config, AppendFsync::Always);
            config.appendonly = starts.replace(starts.get() + 1) > 0;
        })
    };

    every_crash(build, turn_on, |stage, (mut known, is_on)| {
        if !is_on {
            known.story.acknowledged.clear();
        }
        check(stage, known, None);
    });
}

fn turn_on(stage: &mut Stage, story: &mut Story, is_on: &mut bool) -> Result<(), Crashed> {
    let watched = stage.watched;
    stage.start(watched)?;
    story.write(stage)?;
    stage.call_ok(watched, &["CONFIG", "SET", "appendonly", "yes"])?;
    story.write(stage)?;
    while stage.call(watched, &["INFO", "persistence"])?.text().contains("aof_rewrite_in_progress:1") {
        story.write(stage)?;
        stage.advance(POLL)?;
    }
    *is_on = true;
    story.write(stage)?;
    story.write(stage)
}

/// A file of Redis 6 is moved into the folder at the first start; a torn tail is cut before anything is written.
#[test]
fn an_old_file_with_a_torn_tail_is_taken_over_without_loss() {
    let torn = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$4\r\nIN";
    let build = move |seed| {
        let (mut sim, id) = build(AppendFsync::Always)(seed);
        sim.disk(id).install(&format!("{DIR}/appendonly.aof"), torn);
        (sim, id)
    };
    let play = |stage: &mut Stage| {
        let mut story = Story::new();
        (0..2).for_each(|_| story.model.write(&super::strings(&["INCR", "n"])));
        story.acknowledged.resize(2, stage.sim.now());
        let watched = stage.watched;
        let played = stage.start(watched).and_then(|()| story.write(stage));
        let ended = stage.sim.now();
        (Known { story, ended }, played)
    };

    let crashes = every_crash(build, play, |stage, known| check(stage, known, None));

    assert!(crashes > 10, "{crashes}");
}

/// How often a scenario looks whether a rewrite is over, in virtual time.
const POLL: Duration = Duration::from_micros(200);
