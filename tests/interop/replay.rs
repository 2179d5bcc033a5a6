//! Sending one stream to two servers, and cutting a stream that differs down to what matters.

use std::collections::BTreeSet;
use std::fmt;

use slotmesh_test_support::script::show;
use slotmesh_test_support::{Client, Reply, Server};

use crate::agree::agree;
use crate::differences::{Reference, Rule, parts_ways, parts_ways_in_transaction, rule, touches_otherwise};

/// Two servers that are sent the same.
pub(crate) struct Pair {
    ours: Client,
    theirs: Client,
    reference: Reference,
}

/// The first command whose answers differ.
#[derive(Debug)]
pub(crate) struct Mismatch {
    /// Its place in the stream; the stream's length when the data differ at the end.
    pub(crate) at: usize,
    command: String,
    ours: String,
    theirs: String,
}

impl Mismatch {
    fn name(&self) -> &str {
        self.command.split(' ').next().unwrap_or_default()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  ours    {}\n  theirs  {}", self.command, self.ours, self.theirs)
    }
}

impl Pair {
    pub(crate) fn connect(ours: &Server, theirs: &Server, reference: Reference) -> Self {
        Self { ours: ours.client(), theirs: theirs.client(), reference }
    }

    /// Changes to a version of the protocol.
    pub(crate) fn speak(&mut self, protocol: &str) {
        for client in [&mut self.ours, &mut self.theirs] {
            let reply = client.call(["HELLO", protocol]).expect("HELLO is answered");
            assert!(!reply.is_error(), "{}", show(&reply));
        }
    }

    /// Whether the reference knows a command, by its full name.
    pub(crate) fn reference_knows(&mut self, name: &str) -> bool {
        let reply = self.theirs.call(["COMMAND", "INFO", name]).expect("COMMAND INFO is answered");
        matches!(reply.elements(), Some([row]) if row.elements().is_some())
    }

    /// Runs the stream on empty data sets and compares each answer, then all data.
    pub(crate) fn run(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<(), Mismatch> {
        self.start_over();
        let mut queued = Vec::new();
        let (mut is_open, mut watches) = (false, false);
        for (at, command) in commands.iter().enumerate() {
            let is_spoilt = is_open && self.reference == Reference::Redis && parts_ways_in_transaction(command);
            let is_touched = watches && !is_open && self.reference == Reference::Redis && touches_otherwise(command);
            if is_spoilt || is_touched || parts_ways(command, self.reference) {
                continue;
            }
            let (ours, theirs) = self.call(command);
            let name = command[0].to_ascii_uppercase();
            let is_same = if name == b"EXEC" {
                transaction_agrees(&queued, &ours, &theirs)
            } else {
                agree(rule(command, self.reference), &ours, &theirs)
            };
            if !is_same {
                return Err(Mismatch { at, command: shown(command), ours: show(&ours), theirs: show(&theirs) });
            }
            watches = match name.as_slice() {
                b"WATCH" => watches || !theirs.is_error(),
                b"EXEC" | b"UNWATCH" => false,
                b"DISCARD" => watches && theirs.is_error(),
                _ => watches,
            };
            is_open = match name.as_slice() {
                b"MULTI" => is_open || !theirs.is_error(),
                b"EXEC" => false,
                b"DISCARD" => is_open && theirs.is_error(),
                _ => is_open,
            };
            if theirs == Reply::Simple(b"QUEUED".to_vec()) {
                queued.push(rule(command, self.reference));
            } else if name == b"EXEC" || (matches!(name.as_slice(), b"MULTI" | b"DISCARD") && !theirs.is_error()) {
                queued.clear();
            }
        }
        self.compare_data().map_err(|mismatch| Mismatch { at: commands.len(), ..mismatch })
    }

    /// The shortest stream found that still differs in the same command: pieces are left out as long as it does.
    pub(crate) fn shrink(&mut self, commands: &[Vec<Vec<u8>>], seen: &Mismatch) -> Vec<Vec<Vec<u8>>> {
        let mut left = commands.to_vec();
        let mut piece = left.len().div_ceil(2);
        let mut runs = 0;
        while piece > 0 && runs < SHRINK_RUNS_MAX {
            let mut at = 0;
            while at < left.len() && runs < SHRINK_RUNS_MAX {
                let end = (at + piece).min(left.len());
                let without = [&left[..at], &left[end..]].concat();
                runs += 1;
                if self.run(&without).is_err_and(|mismatch| mismatch.name() == seen.name()) {
                    left = without;
                } else {
                    at = end;
                }
            }
            piece /= 2;
        }
        left
    }

    fn start_over(&mut self) {
        // Ends a transaction that the last stream may have left open; an error when it has not.
        self.call(&[b"DISCARD".to_vec()]);
        for command in [&[b"UNWATCH".to_vec()][..], &[b"SELECT".to_vec(), b"0".to_vec()], &[b"FLUSHALL".to_vec()]] {
            let (ours, theirs) = self.call(command);
            assert!(!ours.is_error() && !theirs.is_error(), "{}: {}", shown(command), show(&ours));
        }
    }

    /// Compares every key of the first two databases: value, encoding and time to live.
    fn compare_data(&mut self) -> Result<(), Mismatch> {
        self.call(&[b"DISCARD".to_vec()]);
        for database in ["0", "1"] {
            self.call(&[b"SELECT".to_vec(), database.into()]);
            let keys = self.check(&[b"KEYS".to_vec(), b"*".to_vec()])?;
            self.check_scan(&[b"SCAN"])?;
            for key in keys.elements().unwrap_or_default() {
                let key = key.text().unwrap_or_default().to_vec();
                self.check_value(&key)?;
                // Payloads do not tell all of a group, so this comes ahead of their exchange; an error for other types.
                let words = [&b"XINFO"[..], b"STREAM", &key, b"FULL", b"COUNT", b"0"];
                self.check(&words.map(<[u8]>::to_vec))?;
                self.check(&[b"DUMP".to_vec(), key.clone()])?;
                self.check(&[b"OBJECT".to_vec(), b"ENCODING".to_vec(), key.clone()])?;
                self.check(&[b"PEXPIRETIME".to_vec(), key.clone()])?;
                self.exchange(&key)?;
            }
        }
        self.call(&[b"SELECT".to_vec(), b"0".to_vec()]);
        Ok(())
    }

    /// Each server takes the other's payload of a key, and both still hold the same.
    fn exchange(&mut self, key: &[u8]) -> Result<(), Mismatch> {
        let (ours, theirs) = self.call(&[b"DUMP".to_vec(), key.to_vec()]);
        let mut replies = [Reply::Null, Reply::Null];
        for (place, (client, payload)) in [(&mut self.ours, &theirs), (&mut self.theirs, &ours)].into_iter().enumerate()
        {
            let payload = payload.text().unwrap_or_default();
            let reply = client.call([&b"RESTORE"[..], key, b"0", payload, b"REPLACE"]);
            replies[place] = reply.unwrap_or_else(|error| panic!("RESTORE is not answered: {error}"));
        }
        if replies.iter().any(Reply::is_error) {
            let command = format!("\"RESTORE\" with the payloads {} and {}", show(&ours), show(&theirs));
            return Err(Mismatch { at: 0, command, ours: show(&replies[0]), theirs: show(&replies[1]) });
        }
        self.check_value(key)
    }

    /// Reads a value with the command of its type, and in small steps if there is a command for that.
    fn check_value(&mut self, key: &[u8]) -> Result<(), Mismatch> {
        let kind = self.check(&[b"TYPE".to_vec(), key.to_vec()])?;
        let scan = match kind.text().unwrap_or_default() {
            b"hash" => Some("HSCAN"),
            b"set" => Some("SSCAN"),
            b"zset" => Some("ZSCAN"),
            _ => None,
        };
        if let Some(name) = scan {
            self.check_scan(&[name.as_bytes(), key])?;
        }
        let words: &[&str] = match kind.text().unwrap_or_default() {
            b"hash" => &["HGETALL"],
            b"list" => &["LRANGE", "0", "-1"],
            b"set" => &["SMEMBERS"],
            b"stream" => &["XRANGE", "-", "+"],
            b"string" => &["GET"],
            b"zset" => &["ZRANGE", "0", "-1", "WITHSCORES"],
            other => panic!("keys of type {} cannot be read", other.escape_ascii()),
        };
        let mut command: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        command.insert(1, key.to_vec());
        self.check(&command).map(drop)
    }

    /// A whole iteration sees the same elements on both servers, in whatever steps and order. Scores are compared where
    /// the value is read at once.
    fn check_scan(&mut self, words: &[&[u8]]) -> Result<(), Mismatch> {
        let unit = if words[0] == b"SCAN" || words[0] == b"SSCAN" { 1 } else { 2 };
        let ours = scan_all(&mut self.ours, words, unit);
        let theirs = scan_all(&mut self.theirs, words, unit);
        if ours == theirs {
            return Ok(());
        }
        let command = shown(&words.iter().map(|word| word.to_vec()).collect::<Vec<_>>());
        let text = |names: &BTreeSet<Vec<u8>>| shown(&names.iter().cloned().collect::<Vec<_>>());
        Err(Mismatch { at: 0, command, ours: text(&ours), theirs: text(&theirs) })
    }

    fn check(&mut self, command: &[Vec<u8>]) -> Result<Reply, Mismatch> {
        let (ours, theirs) = self.call(command);
        if agree(rule(command, self.reference), &ours, &theirs) {
            Ok(theirs)
        } else {
            Err(Mismatch { at: 0, command: shown(command), ours: show(&ours), theirs: show(&theirs) })
        }
    }

    fn call(&mut self, command: &[Vec<u8>]) -> (Reply, Reply) {
        let sent = self.ours.send(command).and_then(|()| self.theirs.send(command));
        sent.unwrap_or_else(|error| panic!("{} cannot be sent: {error}", shown(command)));
        let answer = |client: &mut Client, name: &str| {
            client.read().unwrap_or_else(|error| panic!("{name} does not answer {}: {error}", shown(command)))
        };
        (answer(&mut self.ours, "ours"), answer(&mut self.theirs, "the reference"))
    }
}

/// The names that an iteration in small steps sees, until its cursor is 0 again.
fn scan_all(client: &mut Client, words: &[&[u8]], unit: usize) -> BTreeSet<Vec<u8>> {
    let (mut names, mut cursor) = (BTreeSet::new(), b"0".to_vec());
    for _ in 0..SCAN_STEPS_MAX {
        let command = [words, &[&cursor, b"COUNT", b"5"]].concat();
        let reply = client.call(command).unwrap_or_else(|error| panic!("a scan is not answered: {error}"));
        let Some([Reply::Bulk(next), elements]) = reply.elements() else { panic!("no step: {}", show(&reply)) };
        let elements = elements.elements().unwrap_or_default().chunks(unit);
        names.extend(elements.filter_map(|element| element[0].text().map(<[u8]>::to_vec)));
        cursor.clone_from(next);
        if cursor == b"0" {
            return names;
        }
    }
    panic!("an iteration of {} does not end", words[0].escape_ascii());
}

/// Each answer inside an EXEC follows the rule of its own command.
fn transaction_agrees(queued: &[Rule], ours: &Reply, theirs: &Reply) -> bool {
    match (ours, theirs) {
        (Reply::Array(ours), Reply::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).zip(queued).all(|((ours, theirs), &rule)| agree(rule, ours, theirs))
        }
        _ => ours == theirs,
    }
}

/// A command as one would type it.
pub(crate) fn shown(command: &[Vec<u8>]) -> String {
    let words: Vec<String> = command.iter().map(|arg| format!("\"{}\"", arg.escape_ascii())).collect();
    words.join(" ")
}

/// Runs spent on cutting a stream down; each takes some 100 ms.
const SHRINK_RUNS_MAX: usize = 400;

/// Steps one iteration may take: far above what the data of a stream need.
const SCAN_STEPS_MAX: usize = 100_000;
