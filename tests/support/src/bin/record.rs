//! Fills the `?` expectations of scripts with what a reference answers.
//!
//! `cargo run -p slotmesh-test-support --bin record -- [--every] [--server PATH] SCRIPT...`
//!
//! With `--every`, commands without an expectation get one too. The author then reads what was recorded, replaces
//! what changes from run to run (times, ids) by patterns, and owns the result: a recorded reply is a proposal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use slotmesh_test_support::client::Received;
use slotmesh_test_support::script::{Protocol, TcpTarget, parse, run, show_received};
use slotmesh_test_support::{Launch, Peer, Reply};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut scripts, mut every, mut server, mut name) = (Vec::new(), false, Peer::RedisServer.find(), "redis");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--every" => every = true,
            "--server" => server = arguments.next().map(PathBuf::from),
            "--valkey" => (server, name) = (Peer::ValkeyServer.find(), "valkey"),
            _ => scripts.push(PathBuf::from(argument)),
        }
    }
    let Some(server) = server else {
        eprintln!("no reference server on this machine");
        return ExitCode::FAILURE;
    };
    for script in scripts {
        if let Err(why) = record(&script, &server, name, every) {
            eprintln!("{}: {why}", script.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn record(path: &Path, server: &Path, name: &str, every: bool) -> Result<(), Box<dyn std::error::Error>> {
    let mut text = std::fs::read_to_string(path)?;
    if every {
        text = with_an_expectation_each(&text);
    }
    let server = Launch::new(server).option("enable-debug-command", "yes").start()?;
    let mut replies: BTreeMap<usize, BTreeMap<Protocol, Received>> = BTreeMap::new();
    let script = parse(path, &text)?;
    let mut target = TcpTarget::new(name, server.address());
    let report = run::run_observed(&script, &mut target, &mut |line, protocol, received| {
        replies.entry(line).or_default().insert(protocol, received.clone());
    });
    for failure in &report.failures {
        eprintln!("{failure}");
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the end, so that a reply of several lines moves none that is still to be found.
    for (line, received) in replies.iter().rev() {
        let mark = lines[line - 1].trim_end();
        if let Some(before) = mark.strip_suffix('?').filter(|before| before.trim_end().ends_with('<')) {
            let shown = format!("{before}{}", shown(received));
            lines.splice(line - 1..*line, shown.lines().map(str::to_owned));
        }
    }
    std::fs::write(path, lines.join("\n") + "\n")?;
    Ok(())
}

/// The reply under RESP3 says more, but for the two nulls of RESP2.
fn shown(received: &BTreeMap<Protocol, Received>) -> String {
    let (resp2, resp3) = (received.get(&Protocol::Resp2), received.get(&Protocol::Resp3));
    match (resp2, resp3) {
        (Some(Received::Reply(Reply::NullArray)), Some(Received::Reply(Reply::Null))) => "_nilarray".to_owned(),
        (_, Some(reply)) | (Some(reply), None) => show_received(reply),
        (None, None) => "?".to_owned(),
    }
}

fn with_an_expectation_each(text: &str) -> String {
    let mut out = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        out.push(line.to_owned());
        let next = lines.peek().copied().unwrap_or("");
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let (client, rest) = line.split_at(digits);
        let is_command = (rest.starts_with('>') && !rest.starts_with(">>")) || rest.starts_with("scan>");
        let is_answered = [" ", "<", "@speaks", &format!("{client}<")].iter().any(|mark| next.starts_with(mark));
        if is_command && !is_answered {
            out.push(format!("{client}< ?"));
        }
    }
    out.join("\n") + "\n"
}
