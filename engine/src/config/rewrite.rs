//! CONFIG REWRITE: the old file's text and the present configuration give the new text.
//!
//! Comments, blank lines and the order of the file stay. A line of a known option is replaced where it stands;
//! what has no line yet is added at the end, below a signature. No file is touched here: the host reads and
//! writes. Start at [`rewrite`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::special::primary::Primary;
use super::text::{quote_into, split_args, trim_line};
use super::{Config, ROWS, find};

/// What the running node knows and its configuration does not.
#[derive(Debug, Clone, Default)]
pub struct Running<'a> {
    /// The primary that is followed now; `replicaof` is written for it unless the node is in a cluster.
    pub primary: Option<Primary>,
    /// The ACL users in the order to write them, each as `<name> <rules>`; nothing when an ACL file keeps them.
    pub users: Option<&'a [Vec<u8>]>,
    /// What a sentinel knows, in the order to write it: every directive it has, each with its lines.
    pub sentinel: &'a [(&'static str, Vec<SentinelValue>)],
}

/// What one line of a sentinel's directive says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelValue {
    /// The words behind the directive.
    pub words: Vec<u8>,
    /// It says what would hold without it: it is written only where the file has such a line.
    pub is_default: bool,
}

/// The text of the configuration file after CONFIG REWRITE; `old` is its text before, empty when it is missing.
pub fn rewrite(old: &[u8], config: &Config, running: &Running<'_>) -> Vec<u8> {
    let mut file = OldFile::read(old);
    let default = Config::default();
    for row in ROWS {
        match row.name {
            "replicaof" => file.put_primary(config, running),
            // A sentinel has no dataset to save.
            "save" if !running.sentinel.is_empty() => file.put_all("save", &[]),
            // The folder is written always: other paths depend on it.
            "dir" => file.put_all("dir", &[(quoted(config.dir.as_bytes()), true)]),
            _ => {
                let lines = row.lines(config, &default).into_iter().map(|line| (line.value, line.forced));
                file.put_all(row.name, &lines.collect::<Vec<_>>());
            }
        }
    }
    let users = running.users.unwrap_or_default().iter().map(|user| (user.clone(), true));
    file.put_all("user", &users.collect::<Vec<_>>());
    file.put_modules(config);
    for (directive, values) in running.sentinel {
        let lines = values.iter().map(|value| (value.words.clone(), !value.is_default));
        file.put_all(&format!("sentinel {directive}"), &lines.collect::<Vec<_>>());
    }
    file.remove_surplus();
    file.text()
}

/// The file being rewritten.
#[derive(Default)]
struct OldFile {
    lines: Vec<Vec<u8>>,
    /// The places of each directive's lines that no new line has taken yet, under its present name.
    places: BTreeMap<Vec<u8>, VecDeque<usize>>,
    /// The directives whose present value is known, so that their other lines may go.
    processed: BTreeSet<Vec<u8>>,
    has_signature: bool,
}

impl OldFile {
    fn read(text: &[u8]) -> Self {
        let mut file = Self::default();
        if text.is_empty() {
            return file;
        }
        for line in text.split(|&byte| byte == b'\n') {
            file.take_line(trim_line(line));
        }
        file
    }

    fn take_line(&mut self, line: &[u8]) {
        if line.is_empty() || line.starts_with(b"#") {
            self.has_signature |= line == SIGNATURE;
            self.lines.push(line.to_vec());
            return;
        }
        let Some(directive) = known_directive(line) else {
            self.lines.push([b"# ??? ", line].concat());
            return;
        };
        self.places.entry(directive).or_default().push_back(self.lines.len());
        self.lines.push(line.to_vec());
    }

    /// Writes all lines of a directive: each into the next place the file has for it, or at the end if forced.
    fn put_all(&mut self, name: &str, values: &[(Vec<u8>, bool)]) {
        self.processed.insert(name.as_bytes().to_vec());
        for (value, forced) in values {
            let line = [name.as_bytes(), b" ", value].concat();
            if let Some(place) = self.places.get_mut(name.as_bytes()).and_then(VecDeque::pop_front) {
                self.lines[place] = line;
            } else if *forced {
                if !std::mem::replace(&mut self.has_signature, true) {
                    self.lines.push(SIGNATURE.to_vec());
                }
                self.lines.push(line);
            }
        }
    }

    fn put_primary(&mut self, config: &Config, running: &Running<'_>) {
        // In a cluster the cluster's own file says who follows whom.
        let primary = running.primary.as_ref().filter(|_| !config.cluster_enabled);
        let line = primary.map(|primary| (format!("{} {}", primary.host, primary.port).into_bytes(), true));
        self.put_all("replicaof", line.as_slice());
    }

    fn put_modules(&mut self, config: &Config) {
        let line = |words: &Vec<Vec<u8>>| (words.join(&b' '), true);
        self.put_all("loadmodule", &config.startup.modules.iter().map(line).collect::<Vec<_>>());
    }

    /// Blanks the lines that are left of directives whose values are all written.
    fn remove_surplus(&mut self) {
        for (name, places) in &self.places {
            if self.processed.contains(name) {
                for &place in places {
                    self.lines[place].clear();
                }
            }
        }
    }

    /// All lines, runs of blank ones as one.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut was_blank = false;
        for line in &self.lines {
            if !(line.is_empty() && was_blank) {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            was_blank = line.is_empty();
        }
        text
    }
}

/// The present name of a line's directive; nothing when the line does not parse or nobody knows the directive.
fn known_directive(line: &[u8]) -> Option<Vec<u8>> {
    let mut words = split_args(line).ok()?.into_iter().map(|word| word.to_ascii_lowercase());
    let name = words.next()?;
    if let Some(row) = find(&name) {
        return Some(row.name.as_bytes().to_vec());
    }
    if name == b"sentinel"
        && let Some(directive) = words.next()
    {
        return Some([&b"sentinel "[..], &directive].concat());
    }
    OTHER_DIRECTIVES.contains(&name.as_slice()).then_some(name)
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::new();
    quote_into(&mut quoted, text);
    quoted
}

/// Directives that are no options.
const OTHER_DIRECTIVES: [&[u8]; 5] = [b"include", b"loadmodule", b"rename-command", b"sentinel", b"user"];

/// The line above everything that CONFIG REWRITE added.
const SIGNATURE: &[u8] = b"# Generated by CONFIG REWRITE";

#[cfg(test)]
mod tests {
    use super::{Running, rewrite};
    use crate::config::Config;
    use crate::config::file::{load, tests::TestHost};
    use crate::config::set::Caller;
    use crate::config::special::primary::Primary;

    /// A file and what Redis 7.0.15 made of it (the lines below the signature in the order of our table).
    const BEFORE: &str = include_str!("golden/before.conf");
    const AFTER: &str = include_str!("golden/after.conf");

    fn loaded(text: &str) -> Config {
        let mut host = TestHost::default();
        host.files.insert("/etc/inc.conf".to_owned(), "timeout 5\nappendfsync always\n".to_owned());
        let mut config = Config { dir: "/data".to_owned(), ..Config::default() };
        load(&mut config, text.as_bytes(), &mut host).unwrap();
        config
    }

    fn rewritten(old: &str, config: &Config, running: &Running<'_>) -> String {
        String::from_utf8(rewrite(old.as_bytes(), config, running)).unwrap()
    }

    fn set(config: &mut Config, pairs: &[(&str, &str)]) {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        config.set(&pairs, Caller::Local).unwrap();
    }

    #[test]
    fn a_file_becomes_what_a_real_server_makes_of_it() {
        let users: Vec<Vec<u8>> = AFTER.lines().filter_map(|line| line.strip_prefix("user ")).map(Into::into).collect();
        let running = Running { users: Some(&users), ..Running::default() };

        assert_eq!(rewritten(BEFORE, &loaded(BEFORE), &running), AFTER);
    }

    #[test]
    fn the_second_rewrite_only_adds_the_blank_line_after_the_last_line() {
        let users: Vec<Vec<u8>> = AFTER.lines().filter_map(|line| line.strip_prefix("user ")).map(Into::into).collect();
        let running = Running { users: Some(&users), ..Running::default() };
        let config = loaded(BEFORE);

        let second = rewritten(AFTER, &config, &running);
        let third = rewritten(&second, &config, &running);

        assert_eq!(second, format!("{AFTER}\n"));
        assert_eq!(third, second);
    }

    #[test]
    fn surplus_lines_go_and_missing_ones_are_added_below_the_signature() {
        let old = "port 7000\nsave 1 1\nsave 2 2\nhz 20\nhz 30\nunixsocket \"\"\nlogfile \"\"";
        let mut config = loaded(old);
        set(&mut config, &[("save", ""), ("client-output-buffer-limit", "slave 1 2 3")]);
        set(&mut config, &[("maxmemory", "1000"), ("proto-max-bulk-len", "1gb"), ("masterauth", "a\"b")]);

        let expected = "port 7000\nsave \"\"\n\nhz 30\n\nlogfile \"\"\n# Generated by CONFIG REWRITE\n\
                        dir \"/data\"\n\
                        client-output-buffer-limit replica 1 2 3\nproto-max-bulk-len 1gb\nmaxmemory 1000\n\
                        latency-tracking-info-percentiles 50 99 99.9\nmasterauth \"a\\\"b\"\n";
        assert_eq!(rewritten(old, &config, &Running::default()), expected);
    }

    #[test]
    fn save_points_are_written_even_when_they_are_built_in() {
        let expected = "port 7000\n\n# Generated by CONFIG REWRITE\ndir \"/data\"\n\
                        latency-tracking-info-percentiles 50 99 99.9\nsave 3600 1\nsave 300 100\nsave 60 10000\n";
        assert_eq!(rewritten("port 7000\n", &loaded("port 7000\n"), &Running::default()), expected);
    }

    #[test]
    fn the_primary_is_the_one_followed_now_and_none_in_a_cluster() {
        let old = "replicaof 10.0.0.1 1\ncluster-enabled no";
        let mut config = loaded(old);
        let primary = Some(Primary { host: "10.0.0.2".to_owned(), port: 2 });
        let running = Running { primary, ..Running::default() };

        assert!(rewritten(old, &config, &running).starts_with("replicaof 10.0.0.2 2\n"));
        assert!(rewritten(old, &config, &Running::default()).starts_with("\ncluster-enabled no\n"));
        config.cluster_enabled = true;
        assert!(rewritten(old, &config, &running).starts_with("\ncluster-enabled yes\n"));
    }

    #[test]
    fn a_missing_file_gets_only_what_it_needs() {
        let mut config = loaded("");
        set(&mut config, &[("save", "")]);

        let text = rewritten("", &config, &Running::default());

        assert!(text.starts_with("# Generated by CONFIG REWRITE\ndir \"/data\"\n"), "{text}");
    }

    #[test]
    fn a_rewritten_configuration_reads_back_as_itself() {
        let mut config = loaded(BEFORE);
        set(&mut config, &[("notify-keyspace-events", "KEAn"), ("maxmemory-clients", "7%"), ("bind", "")]);
        set(&mut config, &[("save", ""), ("latency-tracking-info-percentiles", ""), ("masteruser", "\u{1}\"x")]);

        let text = rewritten("", &config, &Running::default());
        let again = loaded(&text);

        let differing = crate::config::set::Changed::between(&config, &again);
        assert!(differing.names().is_empty(), "{:?}", differing.names());
    }
}
