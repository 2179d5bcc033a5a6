//! Running scripts and reporting what did not hold.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{
    Action, Bindings, Case, ClientNumber, Expectation, Patience, Protocol, Script, Step, Target, Word, compare,
    show_received,
};
use crate::client::Received;
use crate::reply::Reply;

/// What running some scripts came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases run, once for each protocol version.
    pub cases: usize,
    /// Replies compared.
    pub checks: usize,
    /// Cases left out, with the feature that the target lacks.
    pub skipped: Vec<String>,
    /// What did not hold.
    pub failures: Vec<Failure>,
}

/// A step that did not go as the script says.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The script.
    pub path: PathBuf,
    /// Line of the expectation or command.
    pub line: usize,
    /// Title of the case.
    pub case: String,
    /// Target and protocol version.
    pub target: String,
    /// The last command sent by that client.
    pub command: String,
    /// What the script says.
    pub expected: String,
    /// What happened.
    pub got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: {} [{}]", self.path.display(), self.line, self.case, self.target)?;
        writeln!(f, "    command   {}", self.command)?;
        writeln!(f, "    expected  {}", self.expected)?;
        write!(f, "    got       {}", self.got)
    }
}

/// Sees each reply that an expectation is compared with: line, protocol version, what was received.
pub type Observer<'a> = &'a mut dyn FnMut(usize, Protocol, &Received);

/// Runs all cases of a script that hold for the target.
pub fn run(script: &Script, target: &mut dyn Target) -> Report {
    run_with(script, target, None)
}

/// As [`run`], with an observer. Unknown expectations (`?`) then hold for anything.
pub fn run_observed(script: &Script, target: &mut dyn Target, observer: Observer<'_>) -> Report {
    run_with(script, target, Some(observer))
}

fn run_with(script: &Script, target: &mut dyn Target, mut observer: Option<Observer<'_>>) -> Report {
    let mut report = Report::default();
    let name = target.name().to_owned();
    for case in script.cases.iter().filter(|case| case.targets.contains(&name)) {
        if let Some(feature) = case.needs.iter().find(|feature| target.lacks(feature)) {
            report.skipped.push(format!("{}:{}: {} (needs {feature})", script.path.display(), case.line, case.title));
            continue;
        }
        for &protocol in &case.protocols {
            report.cases += 1;
            let mut run = Run {
                target: &mut *target,
                protocol,
                switched: BTreeMap::new(),
                bindings: Bindings::new(),
                pending: None,
                checks: 0,
            };
            let outcome = run.case(case, &mut observer);
            report.checks += run.checks;
            if let Err(fault) = outcome {
                report.failures.push(fault.into_failure(&script.path, case, &name, protocol));
            }
        }
    }
    report
}

/// All `*.txt` files below a folder, in the order of their names.
///
/// # Errors
/// When the folder cannot be read.
pub fn scripts_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                scripts.push(path);
            }
        }
    }
    scripts.sort();
    Ok(scripts)
}

struct Run<'t> {
    target: &'t mut dyn Target,
    protocol: Protocol,
    /// Clients that have left the case's version.
    switched: BTreeMap<ClientNumber, Protocol>,
    bindings: Bindings,
    /// What a scan came to, until its expectation takes it.
    pending: Option<Received>,
    checks: usize,
}

/// A failure before its place is known.
struct Fault {
    line: usize,
    command: String,
    expected: String,
    got: String,
}

impl Fault {
    fn into_failure(self, path: &Path, case: &Case, target: &str, protocol: Protocol) -> Failure {
        Failure {
            path: path.to_owned(),
            line: self.line,
            case: case.title.clone(),
            target: format!("{target}, {protocol}"),
            command: self.command,
            expected: self.expected,
            got: self.got,
        }
    }
}

impl Run<'_> {
    fn case(&mut self, case: &Case, observer: &mut Option<Observer<'_>>) -> Result<(), Fault> {
        let fault = |step: &Step, command: &str, got: String| Fault {
            line: step.line,
            command: command.to_owned(),
            expected: step.source.clone(),
            got,
        };
        let mut command = String::new();
        if let Err(error) = self.target.begin(self.protocol, &case.needs) {
            let expected = "an empty data set".to_owned();
            return Err(Fault { line: case.line, command, expected, got: error.to_string() });
        }
        for step in &case.steps {
            if matches!(step.action, Action::Scan(_) | Action::Send(_) | Action::SendRaw(_)) {
                command.clone_from(&step.source);
            }
            self.step(step, observer).map_err(|got| fault(step, &command, got))?;
        }
        let expected = "that all holds at the end".to_owned();
        self.target.end().map_err(|error| Fault { line: case.line, command, expected, got: error.to_string() })
    }

    fn step(&mut self, step: &Step, observer: &mut Option<Observer<'_>>) -> Result<(), String> {
        match &step.action {
            Action::Advance(duration) => self.target.advance(*duration),
            Action::Expect(expectation) => self.expect(step, expectation, observer)?,
            Action::ExpectSuccess => match self.receive(step, Patience::Reply)? {
                Received::Reply(reply) if !reply.is_error() => self.checks += 1,
                other @ (Received::Closed | Received::Nothing | Received::Reply(_)) => {
                    return Err(show_received(&other));
                }
            },
            Action::Scan(words) => self.pending = Some(Received::Reply(self.scan(step, words)?)),
            Action::Send(words) => {
                let args = self.resolve(words)?;
                self.target.send(step.client, &args).map_err(|error| error.to_string())?;
            }
            Action::SendRaw(word) => {
                let bytes = word.resolve(&self.bindings).map_err(unbound)?;
                self.target.send_raw(step.client, &bytes).map_err(|error| error.to_string())?;
            }
            Action::Speak(protocol) => drop(self.switched.insert(step.client, *protocol)),
        }
        Ok(())
    }

    fn expect(
        &mut self,
        step: &Step,
        expectation: &Expectation,
        observer: &mut Option<Observer<'_>>,
    ) -> Result<(), String> {
        let patience = if *expectation == Expectation::Nothing { Patience::Silence } else { Patience::Reply };
        let received = self.receive(step, patience)?;
        if let Some(observer) = observer {
            observer(step.line, self.protocol, &received);
        }
        self.checks += 1;
        let holds = match (&received, expectation) {
            (Received::Closed, Expectation::Closed) | (Received::Nothing, Expectation::Nothing) => true,
            (_, Expectation::Unknown) => observer.is_some(),
            (Received::Reply(reply), _) => {
                let protocol = self.switched.get(&step.client).copied().unwrap_or(self.protocol);
                compare(expectation, reply, protocol, &mut self.bindings)
            }
            (Received::Closed | Received::Nothing, _) => false,
        };
        if holds { Ok(()) } else { Err(show_received(&received)) }
    }

    fn receive(&mut self, step: &Step, patience: Patience) -> Result<Received, String> {
        match self.pending.take() {
            Some(received) => Ok(received),
            None => self.target.receive(step.client, patience).map_err(|error| error.to_string()),
        }
    }

    fn resolve(&self, words: &[Word]) -> Result<Vec<Vec<u8>>, String> {
        words.iter().map(|word| word.resolve(&self.bindings)).collect::<Result<_, _>>().map_err(unbound)
    }

    /// Calls the command with each cursor it returns, until that is 0; gives all elements once, in one array.
    ///
    /// The cursor is the first argument of SCAN and the second of SSCAN, HSCAN and ZSCAN; the elements of the
    /// last two are pairs.
    fn scan(&mut self, step: &Step, words: &[Word]) -> Result<Reply, String> {
        let mut args = self.resolve(words)?;
        let name = args[0].to_ascii_uppercase();
        let cursor_at = if name == b"SCAN" { 1 } else { 2 };
        let unit = if name == b"HSCAN" || name == b"ZSCAN" { 2 } else { 1 };
        let mut units: Vec<Vec<Reply>> = Vec::new();
        for _ in 0..SCAN_ROUNDS_MAX {
            self.target.send(step.client, &args).map_err(|error| error.to_string())?;
            let received = self.target.receive(step.client, Patience::Reply).map_err(|error| error.to_string())?;
            let Received::Reply(Reply::Array(parts)) = &received else { return Err(show_received(&received)) };
            let [Reply::Bulk(cursor), Reply::Array(elements)] = parts.as_slice() else {
                return Err(show_received(&received));
            };
            for element in elements.chunks(unit) {
                if !units.iter().any(|seen| seen == element) {
                    units.push(element.to_vec());
                }
            }
            if cursor == b"0" {
                return Ok(Reply::Array(units.concat()));
            }
            let Some(place) = args.get_mut(cursor_at) else { return Err("the command has no cursor".to_owned()) };
            place.clone_from(cursor);
        }
        Err(format!("no end of the iteration after {SCAN_ROUNDS_MAX} calls"))
    }
}

fn unbound(name: String) -> String {
    format!("nothing was captured as ${name}")
}

/// Calls one scan may take: far above what the data sets of scripts need.
const SCAN_ROUNDS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::run;
    use crate::script::{TcpTarget, parse};
    use crate::{Launch, Peer, require_peer};

    #[test]
    fn a_script_is_checked_against_a_server() {
        let server = Launch::new(require_peer!(Peer::RedisServer)).start().unwrap();
        let text = "## holds\n> SET k v\n< +OK\n2> GET k\n< \"v\"\nscan> SCAN 0 COUNT 1\n< ~[\"k\"]\n\
                    ## does not\n@resp2\n> GET k\n< \"v\"\n> PING\n## is for others\n@on valkey\n> PING\n\
                    ## is skipped\n@needs wings\n> PING\n";
        let script = parse(Path::new("x.txt"), text).unwrap();

        let report = run(&script, &mut TcpTarget::new("redis", server.address()).lacking("wings"));

        assert_eq!((report.cases, report.skipped.len(), report.failures.len()), (3, 1, 1));
        let failure = &report.failures[0];
        assert_eq!((failure.line, failure.got.as_str(), failure.command.as_str()), (11, "_nil", "> GET k"));
    }
}
