//! From the text of a script to its cases.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::expect::Expectation;
use super::word::split;
use super::{Action, Case, ClientNumber, DEFAULT_TARGETS, Protocol, Script, Step};

/// What is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFault {
    /// The script.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// Why it is refused.
    pub why: String,
}

impl fmt::Display for ScriptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.why)
    }
}

impl std::error::Error for ScriptFault {}

/// Reads a script.
///
/// # Errors
/// [`ScriptFault`] for the first line that is not understood.
pub fn parse(path: &Path, text: &str) -> Result<Script, ScriptFault> {
    let mut builder =
        Builder { header: Marks::default(), cases: Vec::new(), speaker: ClientNumber(1), unanswered: None };
    for (number, line) in logical_lines(text) {
        builder.line(number, &line).map_err(|why| ScriptFault { path: path.to_owned(), line: number, why })?;
    }
    builder.end_command();
    let cases = builder.cases;
    if let Some(line) = cases.iter().find_map(aimless_repetition) {
        let why = "`until>` is followed by what its reply is to be".to_owned();
        return Err(ScriptFault { path: path.to_owned(), line, why });
    }
    match cases.iter().find(|case| case.steps.is_empty()) {
        Some(case) => {
            Err(ScriptFault { path: path.to_owned(), line: case.line, why: "the case does nothing".to_owned() })
        }
        None => Ok(Script { path: path.to_owned(), cases }),
    }
}

/// The line of a command that would be repeated until nothing.
fn aimless_repetition(case: &Case) -> Option<usize> {
    let is_aimless =
        |pair: &&[Step]| matches!(pair[0].action, Action::Until(_)) && !matches!(pair[1].action, Action::Expect(_));
    case.steps.windows(2).find(is_aimless).map(|pair| pair[0].line)
}

/// Lines with their numbers; a line that starts with a blank continues the one before.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let is_continuation = line.starts_with([' ', '\t']) && !line.trim().is_empty();
        match lines.last_mut() {
            Some((_, last)) if is_continuation && !last.is_empty() => {
                last.push('\n');
                last.push_str(line);
            }
            _ => lines.push((at + 1, line.to_owned())),
        }
    }
    lines
}

struct Builder {
    /// Marks ahead of the first case; they hold for all cases.
    header: Marks,
    cases: Vec<Case>,
    /// The client of the line before: whose reply `<` without a number is.
    speaker: ClientNumber,
    /// The last command, as long as no expectation has followed it.
    unanswered: Option<Step>,
}

#[derive(Clone)]
struct Marks {
    protocols: Vec<Protocol>,
    targets: Vec<String>,
    needs: Vec<String>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            protocols: vec![Protocol::Resp2, Protocol::Resp3],
            targets: DEFAULT_TARGETS.map(str::to_owned).to_vec(),
            needs: Vec::new(),
        }
    }
}

impl Builder {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if let Some(title) = line.strip_prefix("## ") {
            self.start_case(number, title.trim());
            return Ok(());
        }
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(directive) = line.strip_prefix('@') {
            return self.directive(number, directive);
        }
        let (client, rest) = client_number(line)?;
        let default = if rest.starts_with('<') { self.speaker } else { ClientNumber(1) };
        let client = client.unwrap_or(default);
        self.speaker = client;
        let step = |action| Step { line: number, source: line.to_owned(), client, action };
        if let Some(bytes) = rest.strip_prefix("raw>") {
            let words = split(bytes)?;
            let [word] = words.as_slice() else { return Err("`raw>` takes one quoted string".to_owned()) };
            self.push(step(Action::SendRaw(word.clone())))
        } else if let Some(command) = rest.strip_prefix("scan>") {
            self.push_command(step(Action::Scan(command_words(command)?)))
        } else if let Some(command) = rest.strip_prefix("until>") {
            self.push_command(step(Action::Until(command_words(command)?)))
        } else if let Some(command) = rest.strip_prefix(">>") {
            self.push(step(Action::Send(command_words(command)?)))
        } else if let Some(command) = rest.strip_prefix('>') {
            self.push_command(step(Action::Send(command_words(command)?)))
        } else if let Some(expectation) = rest.strip_prefix('<') {
            if self.unanswered.as_ref().is_some_and(|command| command.client == client) {
                self.unanswered = None;
            }
            self.push(step(Action::Expect(Expectation::parse(expectation)?)))
        } else {
            Err("a line starts with `>`, `<`, `@` or `#`".to_owned())
        }
    }

    fn start_case(&mut self, line: usize, title: &str) {
        self.end_command();
        let Marks { protocols, targets, needs } = self.header.clone();
        self.cases.push(Case { title: title.to_owned(), line, protocols, targets, needs, steps: Vec::new() });
    }

    fn directive(&mut self, number: usize, directive: &str) -> Result<(), String> {
        let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        if name == "advance" {
            let action = Action::Advance(duration(rest.trim())?);
            let step = Step { line: number, source: format!("@{directive}"), client: ClientNumber(1), action };
            return self.push(step);
        }
        if name == "speaks" {
            let protocol = match rest.trim() {
                "resp2" => Protocol::Resp2,
                "resp3" => Protocol::Resp3,
                other => return Err(format!("`{other}` is no protocol version")),
            };
            let action = Action::Speak(protocol);
            return self.push(Step { line: number, source: format!("@{directive}"), client: self.speaker, action });
        }
        let values = || rest.split_whitespace().map(str::to_owned);
        let mut marks = match self.cases.last() {
            Some(case) if !case.steps.is_empty() => return Err("a mark stands ahead of the steps".to_owned()),
            Some(case) => {
                Marks { protocols: case.protocols.clone(), targets: case.targets.clone(), needs: case.needs.clone() }
            }
            None => self.header.clone(),
        };
        match name {
            "resp2" => marks.protocols = vec![Protocol::Resp2],
            "resp3" => marks.protocols = vec![Protocol::Resp3],
            "both" => marks.protocols = vec![Protocol::Resp2, Protocol::Resp3],
            "on" if values().next().is_some() => marks.targets = values().collect(),
            "needs" if values().next().is_some() => marks.needs.extend(values()),
            _ => return Err(format!("unknown mark `@{directive}`")),
        }
        match self.cases.last_mut() {
            Some(case) => (case.protocols, case.targets, case.needs) = (marks.protocols, marks.targets, marks.needs),
            None => self.header = marks,
        }
        Ok(())
    }

    fn push_command(&mut self, step: Step) -> Result<(), String> {
        self.push(step.clone())?;
        self.unanswered = Some(step);
        Ok(())
    }

    fn push(&mut self, step: Step) -> Result<(), String> {
        if !matches!(step.action, Action::Speak(_)) {
            self.end_command();
        }
        let Some(case) = self.cases.last_mut() else {
            return Err("a step stands ahead of the first case (`## title`)".to_owned());
        };
        case.steps.push(step);
        Ok(())
    }

    /// A command that no expectation followed must at least not fail.
    fn end_command(&mut self) {
        if let (Some(command), Some(case)) = (self.unanswered.take(), self.cases.last_mut()) {
            case.steps.push(Step { action: Action::ExpectSuccess, ..command });
        }
    }
}

fn command_words(command: &str) -> Result<Vec<super::Word>, String> {
    let words = split(command)?;
    if words.is_empty() { Err("a command is missing".to_owned()) } else { Ok(words) }
}

/// The client number ahead of a mark, if there is one.
fn client_number(line: &str) -> Result<(Option<ClientNumber>, &str), String> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &line[..line.len() - rest.len()];
    if digits.is_empty() {
        return Ok((None, rest));
    }
    match digits.parse() {
        Ok(number) if (1..=CLIENTS_MAX).contains(&number) => Ok((Some(ClientNumber(number)), rest)),
        _ => Err(format!("clients are numbered 1 to {CLIENTS_MAX}")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let malformed = || format!("`{text}` is no duration such as `20ms` or `1s`");
    let duration = if let Some(millis) = text.strip_suffix("ms") {
        Duration::from_millis(millis.parse().map_err(|_| malformed())?)
    } else {
        Duration::from_secs(text.strip_suffix('s').ok_or_else(malformed)?.parse().map_err(|_| malformed())?)
    };
    if duration > ADVANCE_MAX { Err(format!("no advance above {ADVANCE_MAX:?}")) } else { Ok(duration) }
}

/// Clients in one case.
const CLIENTS_MAX: u8 = 9;
/// Longest advance: against a real server it is real time.
const ADVANCE_MAX: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Action, Protocol, parse};

    #[test]
    fn marks_hold_for_the_file_or_for_one_case() {
        let text = "@needs node\n## one\n@resp3\n> PING\n< +PONG\n## two\n@on valkey\n2> PING\n";

        let script = parse(Path::new("x"), text).unwrap();

        assert_eq!(script.cases[0].protocols, [Protocol::Resp3]);
        assert_eq!(script.cases[0].targets, ["redis", "ours"]);
        assert_eq!(script.cases[1].targets, ["valkey"]);
        assert!(script.cases.iter().all(|case| case.needs == ["node"]));
        assert!(matches!(script.cases[1].steps[1].action, Action::ExpectSuccess));
    }

    #[test]
    fn a_fault_names_its_line() {
        let faults = [
            ("## a\n> PING\n< foo\n", 3),
            ("> PING\n", 1),
            ("## a\n> PING\n@resp2\n", 3),
            ("## a\n> PING\n\n@advance 10s\n", 4),
            ("## a\n##b\n> \"\n", 3),
            ("## a\n", 1),
            ("## a\nPING\n", 2),
            ("## a\n0> PING\n", 2),
            ("## a\n> PING\nuntil> PING\n> PING\n", 3),
            ("## a\n> PING\nuntil> PING\n", 3),
        ];

        for (text, line) in faults {
            assert_eq!(parse(Path::new("x"), text).unwrap_err().line, line, "{text}");
        }
    }
}
