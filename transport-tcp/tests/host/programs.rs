//! Programs a machine has run.

use slotmesh_cluster::machine::{Effect, ProcessId, ProcessNews};

use crate::echo::{Fixture, Seen};

fn run(fixture: &Fixture, id: u64, words: &[&str]) {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    fixture.act(|machine| machine.effects.push_back(Effect::Run(ProcessId(id), words)));
}

fn started(fixture: &Fixture, id: u64) -> u32 {
    let seen = fixture.next();
    let Seen::Process(ProcessId(own), ProcessNews::Started(process)) = seen else { panic!("{seen:?}") };
    assert_eq!(own, id);
    process
}

fn ended(signal: i32, code: i32) -> ProcessNews {
    ProcessNews::Ended { signal, code }
}

#[test]
fn a_program_is_started_with_its_words_and_its_end_is_told() {
    let fixture = Fixture::new();

    run(&fixture, 1, &["/bin/sh", "-c", "test \"$1 $2\" = 'a b' && exit 3", "sh", "a", "b"]);

    assert!(started(&fixture, 1) > 0);
    assert_eq!(fixture.next(), Seen::Process(ProcessId(1), ended(0, 3)));
}

#[test]
fn a_program_that_is_not_there_ends_as_a_shell_would_say() {
    let fixture = Fixture::new();

    run(&fixture, 1, &["/nonexistent/program"]);

    assert_eq!(fixture.next(), Seen::Process(ProcessId(1), ended(0, 2)));
}

#[test]
fn a_program_that_runs_too_long_is_ended_by_a_signal() {
    let fixture = Fixture::new();
    run(&fixture, 1, &["/bin/sleep", "600"]);
    started(&fixture, 1);

    fixture.act(|machine| machine.effects.push_back(Effect::Kill(ProcessId(1))));

    assert_eq!(fixture.next(), Seen::Process(ProcessId(1), ended(9, 0)));
}
