//! Runs the command scripts of `tests/scripts` against real servers and every form of ours.
//!
//! The references keep the scripts true: each case marked for `redis` (the default) is run on redis-server 7.0,
//! each marked for `valkey` on valkey-server 9. What is marked for `ours` is run on `slotmesh-server`, on the bare
//! engine ([`engine`]) and on a cluster in memory ([`cluster`]); what each of these forms lacks, and why, stands in
//! [`lacking`]. One test per family and target, so that families run beside each other; one fresh target per script,
//! so that a setting changed by one cannot leak into the next.

mod cluster;
mod engine;
mod lacking;
mod tags;

use std::path::{Path, PathBuf};

use slotmesh_test_support::script::run::Report;
use slotmesh_test_support::script::{Script, TcpTarget, parse, run};
use slotmesh_test_support::{Launch, Peer, require_peer};

use cluster::ClusterTarget;
use engine::EngineTarget;

/// Declares each family once: a test per target, and the list that is compared with the folders.
macro_rules! families {
    ($($family:ident)*) => {
        const FAMILIES: &[&str] = &[$(stringify!($family)),*];

        /// The scripts hold on redis-server 7.0.
        mod hold_on_redis {
            $(#[test] fn $family() { super::check_server(stringify!($family), "redis", &super::require_peer!(super::Peer::RedisServer)); })*
        }

        /// The scripts marked for it hold on valkey-server 9.
        mod hold_on_valkey {
            $(#[test] fn $family() { super::check_server(stringify!($family), "valkey", &super::require_peer!(super::Peer::ValkeyServer)); })*
        }

        /// The scripts hold on `slotmesh-server`.
        mod hold_on_ours {
            $(#[test] fn $family() { super::check_server(stringify!($family), "ours", &super::server_under_test()); })*
        }

        /// The scripts hold on an `Engine` without anything around it.
        mod hold_on_the_bare_engine {
            $(#[test] fn $family() { super::check_engine(stringify!($family)); })*
        }

        /// The scripts hold on a primary of a cluster in memory, and its replica comes to the same data.
        mod hold_in_a_cluster_in_memory {
            $(#[test] fn $family() { super::check_cluster(stringify!($family)); })*
        }
    };
}

families! { bitmap cluster connection expire generic geo hash hyperloglog keyspace list peers protocol pubsub sentinel server set stream string transaction zset }

#[test]
fn every_folder_of_scripts_is_run() {
    let entries = std::fs::read_dir(scripts()).unwrap().map(Result::unwrap);
    let mut folders: Vec<String> =
        entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect();
    folders.sort();

    assert_eq!(folders, FAMILIES);
}

/// Runs a family's scripts on a server, a fresh one for each.
fn check_server(family: &str, target: &str, server: &Path) {
    check(family, target, target, |script| {
        let is_sentinel = family == "sentinel";
        let server = if is_sentinel { launch_sentinel(server) } else { launch(family, server) };
        let lacking = if target == "ours" { lacking::SERVER.names() } else { Vec::new() };
        let tcp = TcpTarget::new(target, server.address());
        let tcp = if is_sentinel { tcp.sentinel() } else { tcp };
        run::run(script, &mut lacking.iter().fold(tcp, |tcp, feature| tcp.lacking(feature)))
    });
}

fn check_engine(family: &str) {
    check(family, "ours", "the bare engine", |script| run::run(script, &mut EngineTarget::new()));
}

fn check_cluster(family: &str) {
    check(family, "ours", "a cluster in memory", |script| run::run(script, &mut ClusterTarget::new()));
}

/// Runs a family's scripts that hold for a target and fails with everything that did not hold.
fn check(family: &str, target: &str, form: &str, run_script: impl Fn(&Script) -> Report) {
    let (mut cases, mut checks, mut skipped, mut failures) = (0, 0, Vec::new(), String::new());
    for path in run::scripts_below(&scripts().join(family)).expect("the family has a folder") {
        let script = load(&path);
        if !script.cases.iter().any(|case| case.targets.iter().any(|name| name == target)) {
            continue;
        }
        let report = run_script(&script);
        cases += report.cases;
        checks += report.checks;
        skipped.extend(report.skipped);
        for failure in report.failures {
            failures.push_str(&format!("{failure}\n\n"));
        }
    }
    assert!(failures.is_empty(), "{family} on {form}:\n\n{failures}");
    eprintln!("{family} on {form}: {cases} cases, {checks} replies; {} cases left out", skipped.len());
    skipped.iter().for_each(|case| eprintln!("  left out: {case}"));
}

/// A server as a family's scripts expect it: no persistence, `DEBUG` allowed; for `cluster`, a node without slots that
/// knows no other, for `peers`, one that knows others and never finds them missing.
fn launch(family: &str, server: &Path) -> slotmesh_test_support::Server {
    let launch = Launch::new(server).option("enable-debug-command", "yes");
    let launch = match family {
        // A node that had no slots waits for a node timeout before it serves.
        "cluster" => launch.cluster(500),
        "peers" => launch.cluster(3_600_000).file("nodes.conf", include_str!("../scripts/peers/nodes.conf")),
        _ => launch,
    };
    launch.start().expect("the server starts")
}

/// A sentinel that watches nobody: scripts tell it whom to watch.
fn launch_sentinel(server: &Path) -> slotmesh_test_support::Server {
    Launch::sentinel(server, "").start().expect("the sentinel starts")
}

fn load(path: &Path) -> Script {
    let text = std::fs::read_to_string(path).expect("the script can be read");
    let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path);
    match parse(shown, &text) {
        Ok(script) => script,
        Err(fault) => panic!("{fault}"),
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

fn server_under_test() -> PathBuf {
    env!("CARGO_BIN_EXE_slotmesh-server").into()
}
