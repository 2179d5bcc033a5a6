//! The same random commands, sent to our server and to redis-server: the answers must be the same bytes.
//!
//! Lives here: what is sent ([`generate`]), how answers are compared ([`replay`]) and the listed exceptions
//! ([`differences`]). [`events`] compares keyspace events in the same way.
//!
//! `SLOTMESH_FUZZ_COMMANDS=n` sets the length of each stream, `SLOTMESH_FUZZ_SEED=n` runs that one seed.

mod differences;
mod events;
mod generate;
mod replay;

use std::path::PathBuf;

use slotmesh_engine::rng::Rng;
use slotmesh_test_support::{Launch, Peer, Server, require_peer};

use generate::{Family, command};
use replay::{Mismatch, Pair};

#[test]
fn string_commands_get_the_same_answers() {
    same_answers(&[Family::String, Family::Generic], "2");
}

#[test]
fn bitmap_commands_get_the_same_answers() {
    same_answers(&[Family::Bitmap, Family::Bitmap, Family::String, Family::Generic], "2");
}

#[test]
fn hyperloglog_commands_get_the_same_answers() {
    same_answers(&[Family::HyperLogLog, Family::HyperLogLog, Family::HyperLogLog, Family::Generic], "3");
}

#[test]
fn expiry_commands_get_the_same_answers() {
    same_answers(&[Family::String, Family::Expire], "2");
}

#[test]
fn hash_commands_get_the_same_answers() {
    same_answers(&[Family::Hash], "2");
    same_answers(&[Family::Hash, Family::Generic, Family::String, Family::Expire], "2");
}

#[test]
fn commands_on_expiring_fields_get_the_same_answers_from_valkey() {
    let valkey = require_peer!(Peer::ValkeyServer);
    same_answers_as(valkey.clone(), &[], &[Family::Hash, Family::HashExpiry], "2");
    same_answers_as(valkey, &[], &[Family::Hash, Family::HashExpiry, Family::Expire], "3");
}

#[test]
fn sorting_gets_the_same_answers_from_valkey() {
    same_answers_as(require_peer!(Peer::ValkeyServer), &[], &[Family::Sort], "2");
    same_answers_as(require_peer!(Peer::ValkeyServer), &[], &[Family::Sort], "3");
}

#[test]
fn list_commands_get_the_same_answers() {
    same_answers(&[Family::List, Family::List, Family::Generic], "2");
}

#[test]
fn lists_of_short_nodes_get_the_same_answers() {
    let families = &[Family::List, Family::List, Family::List, Family::Transaction, Family::Generic];
    same_answers_with(&[("list-max-listpack-size", "4")], families, "2");
}

#[test]
fn stream_commands_get_the_same_answers() {
    // Compressed payloads of streams differ in where, which the whole payload hides.
    for entries_max in ["100", "3"] {
        let options = &[("stream-node-max-entries", entries_max), ("rdbcompression", "no")];
        same_answers_with(options, &[Family::Stream], "2");
        same_answers_with(options, &[Family::Stream, Family::Stream, Family::Generic], "2");
    }
    let small = &[("stream-node-max-bytes", "60"), ("rdbcompression", "no")];
    same_answers_with(small, &[Family::Stream], "3");
}

#[test]
fn consumer_groups_get_the_same_answers_from_valkey() {
    let valkey = require_peer!(Peer::ValkeyServer);
    let families = &[Family::Stream, Family::StreamGroup, Family::StreamGroup];
    same_answers_as(valkey.clone(), &[], families, "2");
    same_answers_as(valkey, &[("stream-node-max-entries", "2")], families, "3");
}

#[test]
fn all_families_get_the_same_answers_under_resp3() {
    let families = [Family::String, Family::Generic, Family::Hash, Family::List, Family::Expire, Family::Transaction];
    same_answers(&families, "3");
}

/// Checks the checker: two servers that do differ must be told apart, by few commands.
#[test]
fn a_difference_is_found_and_cut_down() {
    let reference = require_peer!(Peer::RedisServer);
    let few = Launch::new(&reference).option("databases", "2").start().expect("the server starts");
    let many = Launch::new(&reference).start().expect("the server starts");
    let mut pair = Pair::connect(&few, &many, "2");
    let commands = stream(1, &[Family::String, Family::Generic], 2000);

    let mismatch = pair.run(&commands).expect_err("MOVE to database 2 exists on one side only");
    let cut = pair.shrink(&commands[..=mismatch.at]);

    assert!(cut.len() <= 2, "{cut:?}");
}

fn same_answers(families: &[Family], protocol: &str) {
    same_answers_with(&[], families, protocol);
}

fn same_answers_with(options: &[(&str, &str)], families: &[Family], protocol: &str) {
    same_answers_as(require_peer!(Peer::RedisServer), options, families, protocol);
}

fn same_answers_as(reference: PathBuf, options: &[(&str, &str)], families: &[Family], protocol: &str) {
    let ours = start(server_under_test(), options);
    let reference = start(reference, options);
    let mut pair = Pair::connect(&ours, &reference, protocol);
    for seed in seeds() {
        let commands = stream(seed, families, commands_per_seed());
        if let Err(mismatch) = pair.run(&commands) {
            report(seed, &mut pair, &commands, &mismatch);
        }
    }
}

fn report(seed: u64, pair: &mut Pair, commands: &[Vec<Vec<u8>>], mismatch: &Mismatch) -> ! {
    let cut = pair.shrink(&commands[..commands.len().min(mismatch.at + 1)]);
    let script: String = cut.iter().map(|command| format!("  {}\n", replay::shown(command))).collect();
    panic!(
        "SLOTMESH_FUZZ_SEED={seed}, command {}: {mismatch}\nthe shortest stream that differs:\n{script}",
        mismatch.at
    );
}

fn stream(seed: u64, families: &[Family], len: usize) -> Vec<Vec<Vec<u8>>> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| command(&mut rng, families)).collect()
}

fn start(server: PathBuf, options: &[(&str, &str)]) -> Server {
    let launch = Launch::new(server);
    options.iter().fold(launch, |launch, (name, value)| launch.option(name, value)).start().expect("the server starts")
}

fn seeds() -> Vec<u64> {
    match number("SLOTMESH_FUZZ_SEED") {
        Some(seed) => vec![seed],
        None => (1..=SEEDS).collect(),
    }
}

fn commands_per_seed() -> usize {
    number("SLOTMESH_FUZZ_COMMANDS").map_or(COMMANDS_PER_SEED, |n| n as usize)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn server_under_test() -> PathBuf {
    env!("CARGO_BIN_EXE_slotmesh-server").into()
}

/// Streams run by default.
const SEEDS: u64 = 4;
/// Commands in each stream by default: a second or two in all.
const COMMANDS_PER_SEED: usize = 2_000;
