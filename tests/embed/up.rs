//! `slotmesh up` as a process.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use slotmesh::{Client, ClusterClient};
use slotmesh_test_support::port::Port;
use slotmesh_test_support::wait::poll_until;

#[test]
fn a_cluster_comes_up_shows_a_failover_and_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let mut up = Up::start(&["--node-timeout", "300"], temp.path());
    let map = up.lines_until("Ready. Connect:");
    assert_eq!(map.iter().filter(|line| line.contains("primary  slots")).count(), 3, "{map:?}");
    assert_eq!(map.iter().filter(|line| line.contains("replica  of 127.0.0.1:")).count(), 3, "{map:?}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    let mut client = ClusterClient::connect(("127.0.0.1", up.port + 1)).unwrap();
    client.set_patience(Duration::from_secs(20));
    client.call::<()>(("SET", "sample1", "x")).unwrap();
    client.call::<i64>(("WAIT", 0, 0)).unwrap();

    let mut first = Client::connect(("127.0.0.1", up.port)).unwrap();
    assert_eq!(first.call::<i64>(("WAIT", 1, 10_000)).unwrap(), 1);
    assert!(first.call::<()>(["SHUTDOWN", "NOSAVE"]).is_err());

    let told = up.lines_until("is a primary now: slots 0-5460");
    assert!(told.iter().any(|line| line.ends_with(&format!("127.0.0.1:{} is down", up.port))), "{told:?}");
    assert_eq!(client.call::<String>(("GET", "sample1")).unwrap(), "x");
    assert!(up.end().0.success());
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "nothing stays");
}

#[test]
fn sentinels_come_up_with_what_they_watch_and_show_a_failover() {
    let temp = tempfile::tempdir().unwrap();
    let mut up = Up::start(&["--sentinel", "--node-timeout", "500"], temp.path());
    let map = up.lines_until("Ready. Ask a sentinel:");
    assert_eq!(map.iter().filter(|line| line.contains("a sentinel of 127.0.0.1:")).count(), 3, "{map:?}");
    assert_eq!(map.iter().filter(|line| line.contains("a replica of 127.0.0.1:")).count(), 2, "{map:?}");
    let mut sentinel = Client::connect(("127.0.0.1", up.port + 3)).unwrap();
    let named = |sentinel: &mut Client| {
        sentinel.call::<(String, u16)>(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"]).unwrap().1
    };
    assert_eq!(named(&mut sentinel), up.port);
    let mut first = Client::connect(("127.0.0.1", up.port)).unwrap();
    first.call::<()>(("SET", "k", "v")).unwrap();
    assert_eq!(first.call::<i64>(("WAIT", 2, 10_000)).unwrap(), 2);
    // A failover needs sentinels that know each other, which takes them a hello.
    let knows_all = |sentinel: &mut Client| {
        sentinel.call::<String>(["INFO", "sentinel"]).unwrap().contains("slaves=2,sentinels=3").then_some(())
    };
    poll_until("sentinels that know each other", LIMIT, || knows_all(&mut sentinel)).unwrap();

    assert!(first.call::<()>(["SHUTDOWN", "NOSAVE"]).is_err());
    up.lines_until("is the primary now");

    let old = up.port;
    let new = poll_until("another primary", LIMIT, || Some(named(&mut sentinel)).filter(|&port| port != old)).unwrap();
    let value: String = Client::connect(("127.0.0.1", new)).unwrap().call(("GET", "k")).unwrap();
    assert_eq!(value, "v");
    assert!(up.end().0.success());
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "nothing stays");
}

#[test]
fn a_cluster_with_a_folder_is_found_again() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let args = ["--replicas", "0", "--dir", dir.to_str().unwrap()];
    let mut up = Up::start(&args, temp.path());
    up.lines_until("Ready. Connect:");
    let mut client = ClusterClient::connect(("127.0.0.1", up.port)).unwrap();
    client.call::<()>(("SET", "k", "kept")).unwrap();
    let (status, ports) = up.end();
    assert!(status.success());

    let mut again = Up::start_on(ports, &args, temp.path());
    again.lines_until("Ready. Connect:");

    let mut client = ClusterClient::connect(("127.0.0.1", again.port)).unwrap();
    assert_eq!(client.call::<String>(("GET", "k")).unwrap(), "kept");
    let (status, ports) = again.end();
    assert!(status.success());
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_slotmesh")).args(["up", "--port", "16000"]).args(args).output();
    let told = String::from_utf8(elsewhere.unwrap().stderr).unwrap();
    assert!(told.contains(&format!("begins at port {}, not 16000", ports[0].number())), "{told}");
}

#[test]
fn what_is_not_understood_is_explained() {
    for (args, expected) in [
        (&["down"][..], "there is no command 'down'"),
        (&[][..], "a command is missing"),
        (&["up", "--port", "0"][..], "not a port"),
        (&["up", "--primaries", "x"][..], "cannot parse argument \"x\""),
        (&["up", "--primaries", "0"][..], "a cluster needs at least one primary"),
        (&["up", "--port", "60000"][..], "take one up to 55530"),
        (&["up", "--nodes", "3"][..], "invalid option '--nodes'"),
        (&["up", "--sentinel", "--dir", "x"][..], "--dir is not available with --sentinel"),
        (&["up", "--sentinel", "--port", "65532"][..], "leaves no room"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_slotmesh")).args(args).output().unwrap();

        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.starts_with("slotmesh: ") && text.contains(expected), "{args:?}: {text}");
    }
}

#[test]
fn help_is_no_failure() {
    let output = Command::new(env!("CARGO_BIN_EXE_slotmesh")).arg("--help").output().unwrap();

    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("--node-timeout MS"));
}

/// Longest wait for what sentinels do.
const LIMIT: Duration = Duration::from_secs(20);

/// A running `slotmesh up`; killed when dropped.
struct Up {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
    /// Nobody else may take them, even while the nodes are down.
    ports: Vec<Port>,
}

impl Up {
    fn start(args: &[&str], temp: &Path) -> Self {
        Self::start_on(Port::claim_row(6).unwrap(), args, temp)
    }

    fn start_on(ports: Vec<Port>, args: &[&str], temp: &Path) -> Self {
        let port = ports[0].number();
        let mut child = Command::new(env!("CARGO_BIN_EXE_slotmesh"))
            .args(["up", "--port", &port.to_string()])
            .args(args)
            .env("TMPDIR", temp)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, port, ports }
    }

    /// Reads lines up to one that contains `text`. Blocks: the process ends, or says it.
    fn lines_until(&mut self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            let found = line.contains(text);
            seen.push(line);
            if found {
                return seen;
            }
        }
        panic!("the process ended without saying '{text}': {seen:?}");
    }

    /// Asks the process to end, as Ctrl-C does.
    fn end(mut self) -> (ExitStatus, Vec<Port>) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
        (self.child.wait().unwrap(), std::mem::take(&mut self.ports))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
