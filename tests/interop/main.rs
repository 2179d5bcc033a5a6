//! The same random commands, sent to our server and to a real one: the answers must be the same bytes.
//!
//! Lives here: what is sent ([`generate`]), sending and cutting down ([`replay`]), how answers are compared ([`agree`]),
//! the listed exceptions ([`differences`]), streams of several clients that wait ([`waiting`]) and the events that
//! commands publish ([`events`]). Streams are short, so that each can be cut down to the commands that matter; every
//! second one is under RESP3. At the end of each, all keys are compared, and each server restores the other's payloads.
//!
//! `SLOTMESH_FUZZ_COMMANDS=n` sends n commands in each test instead of a few thousand, `SLOTMESH_FUZZ_SEED=n` begins
//! with another seed, and reproduces a failure if no number of commands is given. A million in each of the tests takes
//! an hour or two: `SLOTMESH_FUZZ_COMMANDS=1000000 cargo test --test interop`.

mod agree;
mod differences;
mod events;
mod generate;
mod replay;
mod waiting;

use std::path::{Path, PathBuf};

use slotmesh_engine::command::spec::Group;
use slotmesh_engine::rng::Rng;
use slotmesh_test_support::{Launch, Peer, Server, require_peer};

use differences::Reference;
use generate::{Family, Rows, command};
use replay::{Mismatch, Pair};

/// Declares each kind of stream once: options of the servers and families of commands; a test for each reference.
macro_rules! streams {
    ($($name:ident: $options:expr, [$($family:expr),*];)*) => {
        mod get_the_same_answers_from_redis {
            use super::*;

            $(#[test] fn $name() { same_answers(Reference::Redis, require_peer!(Peer::RedisServer), $options, &[$($family),*]); })*
        }

        mod get_the_same_answers_from_valkey {
            use super::*;

            $(#[test] fn $name() { same_answers(Reference::Valkey, require_peer!(Peer::ValkeyServer), $options, &[$($family),*]); })*
        }
    };
}

streams! {
    string_commands: &[], [Family::String, Family::Rows(Group::String), Family::Generic];
    bitmap_commands: &[], [Family::Bitmap, Family::Rows(Group::Bitmap), Family::String, Family::Generic];
    hyperloglog_commands: &[], [Family::HyperLogLog, Family::HyperLogLog, Family::Rows(Group::HyperLogLog), Family::Generic];
    expiry_commands: &[], [Family::String, Family::Expire];
    commands_on_keys_of_any_type: &[],
        [Family::Rows(Group::Generic), Family::Rows(Group::Generic), Family::Generic, Family::String, Family::Set,
         Family::SortedSet, Family::List];
    hash_commands: &[], [Family::Hash, Family::Rows(Group::Hash), Family::Expire];
    list_commands: &[], [Family::List, Family::List, Family::Rows(Group::List), Family::Generic];
    commands_on_lists_of_short_nodes: &[("list-max-listpack-size", "4")],
        [Family::List, Family::List, Family::List, Family::Transaction, Family::Generic];
    set_commands: &[], [Family::Set, Family::Rows(Group::Set), Family::Generic];
    commands_on_small_sets_and_tables:
        &[("set-max-intset-entries", "4"), ("set-max-listpack-entries", "8"), ("hash-max-listpack-entries", "4")],
        [Family::Set, Family::Set, Family::Hash];
    sorted_set_commands: &[], [Family::SortedSet, Family::Rows(Group::SortedSet), Family::Generic];
    commands_on_large_sorted_sets: &[("zset-max-listpack-entries", "4")],
        [Family::SortedSet, Family::SortedSet, Family::Rows(Group::SortedSet)];
    stream_commands: &[], [Family::Stream, Family::Stream, Family::Generic];
    commands_on_streams_of_short_nodes: &[("stream-node-max-entries", "3")], [Family::Stream];
    commands_on_streams_of_small_nodes: &[("stream-node-max-bytes", "60")], [Family::Stream];
    geo_commands: &[], [Family::Geo, Family::Geo, Family::Rows(Group::Geo)];
    commands_in_transactions: &[],
        [Family::Transaction, Family::Transaction, Family::List, Family::SortedSet, Family::Rows(Group::List),
         Family::Rows(Group::SortedSet)];
    commands_of_all_families: &[],
        [Family::Bitmap, Family::Expire, Family::Generic, Family::Geo, Family::Hash, Family::HyperLogLog, Family::List,
         Family::Set, Family::SortedSet, Family::String, Family::Transaction];
}

#[test]
fn commands_on_expiring_fields_get_the_same_answers_from_valkey() {
    let valkey = require_peer!(Peer::ValkeyServer);
    same_answers(Reference::Valkey, valkey, &[], &[Family::Hash, Family::HashExpiry, Family::Expire]);
}

#[test]
fn sorting_gets_the_same_answers_from_valkey() {
    same_answers(Reference::Valkey, require_peer!(Peer::ValkeyServer), &[], &[Family::Sort]);
}

#[test]
fn consumer_groups_get_the_same_answers_from_valkey() {
    let valkey = require_peer!(Peer::ValkeyServer);
    let families = &[Family::Stream, Family::StreamGroup, Family::StreamGroup];
    same_answers(Reference::Valkey, valkey.clone(), &[], families);
    same_answers(Reference::Valkey, valkey, &[("stream-node-max-entries", "2")], families);
}

#[test]
fn waiting_clients_are_served_in_the_order_of_redis() {
    same_service(Reference::Redis, &require_peer!(Peer::RedisServer));
}

#[test]
fn waiting_clients_are_served_in_the_order_of_valkey() {
    same_service(Reference::Valkey, &require_peer!(Peer::ValkeyServer));
}

/// Checks the checker: two servers that do differ must be told apart, by few commands.
#[test]
fn a_difference_is_found_and_cut_down() {
    let reference = require_peer!(Peer::RedisServer);
    let few = Launch::new(&reference).option("databases", "2").start().expect("the server starts");
    let many = Launch::new(&reference).start().expect("the server starts");
    let mut pair = Pair::connect(&few, &many, Reference::Redis);
    let commands = stream(1, &[Family::String, Family::Generic], &Rows::default());

    let mismatch = pair.run(&commands).expect_err("MOVE to database 2 exists on one side only");
    let cut = pair.shrink(&commands[..=mismatch.at], &mismatch);

    assert!(cut.len() <= 2, "{cut:?}");
}

fn same_answers(reference: Reference, server: PathBuf, options: &[(&str, &str)], families: &[Family]) {
    let ours = start(server_under_test(), options);
    let theirs = start(server, &known_options(reference, options));
    let mut pair = Pair::connect(&ours, &theirs, reference);
    let newest = (reference == Reference::Redis).then_some(REDIS_VERSION);
    let rows = Rows::known_by(|name| pair.reference_knows(name), newest);
    for seed in seeds() {
        let commands = stream(seed, families, &rows);
        pair.speak(if seed % 2 == 0 { "3" } else { "2" });
        if let Err(mismatch) = pair.run(&commands) {
            report(seed, &mut pair, &commands, &mismatch);
        }
    }
}

fn same_service(reference: Reference, server: &Path) {
    let (ours, theirs) = (start(server_under_test(), &[]), start(server.to_owned(), &[]));
    for seed in seeds() {
        let mut steps = waiting::steps(seed, STEPS_PER_STREAM, reference);
        let Err((at, first)) = waiting::run(&ours, &theirs, reference, &steps) else { continue };
        steps.truncate(at + 1);
        let steps = waiting::shrink(&ours, &theirs, reference, steps);
        let script: String = steps.iter().map(|step| format!("  {}\n", step.shown())).collect();
        panic!("SLOTMESH_FUZZ_SEED={seed}: {first}\nwhat remains:\n{script}");
    }
}

fn report(seed: u64, pair: &mut Pair, commands: &[Vec<Vec<u8>>], mismatch: &Mismatch) -> ! {
    let cut = pair.shrink(&commands[..commands.len().min(mismatch.at + 1)], mismatch);
    let script: String = cut.iter().map(|command| format!("  {}\n", replay::shown(command))).collect();
    panic!(
        "SLOTMESH_FUZZ_SEED={seed}, command {}: {mismatch}\nthe shortest stream that differs:\n{script}",
        mismatch.at
    );
}

fn stream(seed: u64, families: &[Family], rows: &Rows) -> Vec<Vec<Vec<u8>>> {
    let mut rng = Rng::new(seed);
    (0..COMMANDS_PER_STREAM).map(|_| command(&mut rng, families, rows)).collect()
}

fn start(server: PathBuf, options: &[(&str, &str)]) -> Server {
    // What is compressed, and how far, is each server's own affair, and would hide the rest of a payload.
    let launch = Launch::new(server).option("rdbcompression", "no");
    options.iter().fold(launch, |launch, (name, value)| launch.option(name, value)).start().expect("the server starts")
}

/// Redis 7.0 has no packed form of sets but that of integers.
fn known_options<'a>(reference: Reference, options: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_known = |name: &str| reference == Reference::Valkey || !name.starts_with("set-max-listpack");
    options.iter().copied().filter(|(name, _)| is_known(name)).collect()
}

/// The seeds of the streams to run.
fn seeds() -> std::ops::Range<u64> {
    let first = number("SLOTMESH_FUZZ_SEED");
    let streams = match number("SLOTMESH_FUZZ_COMMANDS") {
        Some(commands) => commands.div_ceil(COMMANDS_PER_STREAM),
        None if first.is_some() => 1,
        None => STREAMS,
    };
    let first = first.unwrap_or(1);
    first..first + streams
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn server_under_test() -> PathBuf {
    env!("CARGO_BIN_EXE_slotmesh-server").into()
}

/// The version of the older reference: options that came later are not drawn for it.
const REDIS_VERSION: (u32, u32) = (7, 0);
/// Streams that each test runs by default: a second or two.
const STREAMS: u64 = 2;
/// Commands in each stream: few enough that a stream can be run hundreds of times to cut it down.
const COMMANDS_PER_STREAM: u64 = 2_000;
/// Steps in each stream of clients that wait: each takes some milliseconds.
const STEPS_PER_STREAM: usize = 120;
