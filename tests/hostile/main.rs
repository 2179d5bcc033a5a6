//! Bytes from outside that mean no good: every reader of such bytes under arbitrary and mutated input.
//!
//! The checks themselves are in `checks/`; the fuzz targets run the same ones. Here they run for a moment each, on
//! their seeds and on mutations of them, so that a build without a fuzzer still looks.

mod checks;
mod regressions;

use slotmesh_engine::rng::Rng;

#[test]
fn an_append_only_file_of_any_bytes_is_loaded_cut_or_refused() {
    run("aof", 300);
}

#[test]
fn a_bus_takes_any_packet_in_any_order() {
    run("bus_packet", 250);
}

#[test]
fn a_pattern_means_what_its_table_of_matches_says() {
    run("glob", 4000);
}

#[test]
fn a_compressed_string_of_any_bytes_is_bounded() {
    run("lzf", 1500);
}

#[test]
fn a_node_serves_clients_that_send_anything() {
    run("node_client", 150);
}

#[test]
fn a_node_file_is_refused_or_written_again_the_same() {
    run("nodes_conf", 120);
}

#[test]
fn a_dump_of_any_bytes_says_the_same_however_it_is_cut() {
    run("rdb", 1500);
}

#[test]
fn a_configuration_is_refused_or_rewritten_to_itself() {
    run("redis_conf", 250);
}

#[test]
fn a_replication_link_takes_anything_from_a_primary() {
    run("replication_link", 2000);
}

#[test]
fn a_reply_ends_where_it_ends() {
    run("resp_reply", 4000);
}

#[test]
fn a_request_is_the_same_however_it_is_cut() {
    run("resp_request", 2000);
}

#[test]
fn a_file_of_a_sentinel_is_refused_or_means_the_same_again() {
    run("sentinel_conf", 2000);
}

#[test]
fn a_sentinel_takes_anything_from_those_it_watches() {
    run("sentinel_instances", 2000);
}

/// Runs a check on its seeds and on `rounds` mutations of them.
fn run(name: &str, rounds: usize) {
    let check = checks::find(name);
    let seeds = (check.seeds)();
    for (index, seed) in seeds.iter().enumerate() {
        let _note = Note { name, what: "seed", index, bytes: seed };
        (check.run)(seed);
    }
    let mut rng = Rng::new(SEED);
    for index in 0..rounds {
        let bytes = mutated(&mut rng, &seeds);
        let _note = Note { name, what: "mutation", index, bytes: &bytes };
        (check.run)(&bytes);
    }
}

/// One seed with a few bytes changed, cut out, doubled or taken from another seed.
fn mutated(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[rng.index(seeds.len())].clone();
    for _ in 0..=rng.index(4) {
        let at = rng.index(bytes.len() + 1);
        match rng.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next_u64() as u8),
            2 => {
                let other = &seeds[rng.index(seeds.len())];
                let from = rng.index(other.len());
                bytes.splice(at..at, other[from..].iter().copied());
            }
            3 => {
                let end = (at + 1 + rng.index(16)).min(bytes.len());
                let copy = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => {
                let end = (at + 1 + rng.index(8)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            5 if at < bytes.len() => bytes[at] = *rng_pick(rng, b"\0\x01\x7f\x80\xff\r\n$*-0 9\""),
            _ if at < bytes.len() => bytes[at] ^= 1 << rng.index(8),
            _ => {}
        }
    }
    bytes.truncate(LEN_MAX);
    bytes
}

fn rng_pick<'a>(rng: &mut Rng, bytes: &'a [u8]) -> &'a u8 {
    &bytes[rng.index(bytes.len())]
}

/// Says which input failed.
struct Note<'a> {
    name: &'a str,
    what: &'a str,
    index: usize,
    bytes: &'a [u8],
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { name, what, index, bytes } = self;
            eprintln!("{name}, {what} {index} of generator seed {SEED}: b\"{}\"", bytes.escape_ascii());
        }
    }
}

const SEED: u64 = 17;
const LEN_MAX: usize = 8 * 1024;
