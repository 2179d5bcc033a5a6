//! Configuration files: from text to a [`Config`], with the line and the reason of a failure.
//!
//! The grammar and the directives that are no options (`include`, `user`, `rename-command`, `loadmodule`) live
//! here. Files are read by the host through [`Host`]. Start at [`load`].

use std::fmt;

use super::invalid::Invalid;
use super::row::Row;
use super::set::split_value;
use super::startup::{Rename, SentinelLine, UserLine};
use super::stored::Origin;
use super::text::{split_args, trim_line};
use super::{Config, find};

/// What loading a configuration asks of its host: files, and words that other rooms know.
pub trait Host {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The absolute path and the system's words.
    fn read(&mut self, path: &[u8]) -> Result<Vec<u8>, Unreadable>;

    /// The paths a pattern with `*`, `?` or `[` stands for, in order; none is no error.
    fn expand(&mut self, pattern: &[u8]) -> Vec<Vec<u8>>;

    /// Makes a folder the one that later relative paths start from; returns its absolute path.
    ///
    /// # Errors
    /// The system's words.
    fn enter_dir(&mut self, path: &str) -> Result<String, String>;

    /// Whether a command of this name exists (in any case), for `rename-command`.
    fn is_command(&self, name: &[u8]) -> bool;

    /// Whether the rules of an ACL user are well formed.
    ///
    /// # Errors
    /// The first bad rule.
    fn check_user(&self, user: &UserLine) -> Result<(), UserFault>;

    /// Whether the file is a sentinel's: only then may it have `sentinel` lines.
    fn is_sentinel(&self) -> bool {
        false
    }
}

/// A file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its absolute path.
    pub path: String,
    /// The system's words ("No such file or directory").
    pub error: String,
}

/// A bad rule of an ACL user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFault {
    /// The rule's place among the user's rules, from 0.
    pub rule: usize,
    /// Why it is bad ("Syntax error").
    pub why: String,
}

/// Why a configuration cannot be used. `Display` is what Redis prints.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fatal {
    /// A line is wrong.
    Line {
        /// The version to print: as configured so far.
        version: String,
        /// The line's number in its file, from 1.
        number: usize,
        /// The line without the blanks around it.
        line: Vec<u8>,
        /// Why.
        reason: String,
    },
    /// The lines are right, what they say together is not.
    Whole {
        /// The version to print.
        version: String,
        /// Why.
        reason: String,
    },
    /// An included file cannot be read; Redis writes this one to the log.
    Include(Unreadable),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { version, number, line, reason } => {
                let line = String::from_utf8_lossy(line);
                writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {version}) ***")?;
                writeln!(f, "Reading the configuration file, at line {number}\n>>> '{line}'\n{reason}")
            }
            Self::Whole { version, reason } => {
                writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {version}) ***\n{reason}")
            }
            Self::Include(unreadable) => unreadable.fmt(f),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fatal error, can't open config file '{}': {}", self.path, self.error)
    }
}

impl std::error::Error for Fatal {}
impl std::error::Error for Unreadable {}

/// Applies the lines of `text` to `config`.
///
/// # Errors
/// The first line that is wrong, or what is wrong with all of them together; `config` is half changed then.
pub fn load(config: &mut Config, text: &[u8], host: &mut impl Host) -> Result<(), Fatal> {
    let mut sources = vec![Source::new(text.to_vec())];
    let mut files_left = INCLUDE_FILES_MAX;
    while let Some(source) = sources.last_mut() {
        let Some((number, line)) = source.next_line() else {
            sources.pop();
            continue;
        };
        let depth = sources.len();
        let applied = apply_line(config, number, &line, depth, host).and_then(|included| {
            files_left = files_left.checked_sub(included.len()).ok_or_else(too_many_files)?;
            Ok(included)
        });
        let included = match applied {
            Ok(included) => included,
            Err(Fault::Include(unreadable)) => return Err(Fatal::Include(unreadable)),
            Err(Fault::Reason(reason)) => {
                let version = config.slotmesh_version.clone();
                return Err(Fatal::Line { version, number, line, reason });
            }
        };
        // The first of several files is read first: it must be on top.
        sources.extend(included.into_iter().rev().map(Source::new));
    }
    config.clamp();
    check_whole(config)
}

/// The `sentinel` lines of a text, without a look at its other lines: for a sentinel that reads its own file.
///
/// # Errors
/// A line with a quote that does not close.
pub fn sentinel_lines(text: &[u8], version: &str) -> Result<Vec<SentinelLine>, Fatal> {
    let mut source = Source::new(text.to_vec());
    let mut lines = Vec::new();
    while let Some((number, line)) = source.next_line() {
        let Ok(mut words) = split_args(&line) else {
            let reason = "Unbalanced quotes in configuration line".to_owned();
            return Err(Fatal::Line { version: version.to_owned(), number, line, reason });
        };
        if words.len() > 1 && words[0].eq_ignore_ascii_case(b"sentinel") {
            words.remove(0);
            lines.push(SentinelLine { number, line, words });
        }
    }
    Ok(lines)
}

/// What only all lines together can break.
fn check_whole(config: &Config) -> Result<(), Fatal> {
    if config.cluster_enabled && config.replicaof.is_some() {
        let reason = "replicaof directive not allowed in cluster mode".to_owned();
        return Err(Fatal::Whole { version: config.slotmesh_version.clone(), reason });
    }
    Ok(())
}

/// One text being read.
struct Source {
    text: Vec<u8>,
    at: usize,
    number: usize,
}

impl Source {
    fn new(text: Vec<u8>) -> Self {
        Self { text, at: 0, number: 0 }
    }

    /// The next line that says something, with its number.
    fn next_line(&mut self) -> Option<(usize, Vec<u8>)> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let len = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            self.at += len + 1;
            self.number += 1;
            let line = trim_line(&rest[..len]);
            if !line.is_empty() && line[0] != b'#' {
                return Some((self.number, line.to_vec()));
            }
        }
        None
    }
}

enum Fault {
    Include(Unreadable),
    Reason(String),
}

impl From<Invalid> for Fault {
    fn from(cause: Invalid) -> Self {
        Self::Reason(cause.to_string())
    }
}

fn reason(text: &str) -> Fault {
    Fault::Reason(text.to_owned())
}

/// Applies one line; returns the texts to read before the next one.
fn apply_line(
    config: &mut Config,
    number: usize,
    line: &[u8],
    depth: usize,
    host: &mut impl Host,
) -> Result<Vec<Vec<u8>>, Fault> {
    let words = split_args(line).map_err(|_| reason("Unbalanced quotes in configuration line"))?;
    let Some((name, values)) = words.split_first() else { return Ok(Vec::new()) };
    let name = name.to_ascii_lowercase();
    if let Some(row) = find(&name) {
        apply_option(config, row, values, host)?;
        return Ok(Vec::new());
    }
    match (name.as_slice(), values) {
        (b"include", [path]) => return include(path, depth, host),
        (b"list-max-ziplist-entries" | b"list-max-ziplist-value" | b"lua-replicate-commands", [_]) => {}
        (b"rename-command", [from, to]) => rename(config, from, to, host)?,
        (b"user", [_, ..]) => add_user(config, &words, host)?,
        (b"loadmodule", [_, ..]) => config.startup.modules.push(values.to_vec()),
        (b"sentinel", []) => {}
        (b"sentinel", _) if host.is_sentinel() => {
            config.startup.sentinel.push(SentinelLine { number, line: line.to_vec(), words: values.to_vec() });
        }
        (b"sentinel", _) => return Err(reason("sentinel directive while not in sentinel mode")),
        (name, []) if is_module_option(name) => return Err(reason("Module config specified without value")),
        (name, _) if is_module_option(name) => config.startup.module_options.push(words),
        _ => return Err(reason("Bad directive or wrong number of arguments")),
    }
    Ok(Vec::new())
}

/// `<module>.<option>`
fn is_module_option(name: &[u8]) -> bool {
    name.contains(&b'.')
}

fn apply_option(config: &mut Config, row: &Row, values: &[Vec<u8>], host: &mut impl Host) -> Result<(), Fault> {
    let words: Vec<&[u8]> = match values {
        [] if !row.is_multi() => return Err(Invalid::ArgumentCount.into()),
        // One word for an option of several is those words in quotes.
        [one] if row.is_multi() && !one.is_empty() => split_value(one),
        several => several.iter().map(Vec::as_slice).collect(),
    };
    row.assign(config, &words, Origin::File)?;
    if row.name == "dir" {
        config.dir = host.enter_dir(&config.dir).map_err(Fault::Reason)?;
    }
    Ok(())
}

fn include(path: &[u8], depth: usize, host: &mut impl Host) -> Result<Vec<Vec<u8>>, Fault> {
    if depth >= INCLUDE_DEPTH_MAX {
        return Err(Fault::Reason(format!("include nested deeper than {INCLUDE_DEPTH_MAX} files")));
    }
    let is_pattern = path.iter().any(|byte| b"*?[".contains(byte));
    let paths = if is_pattern { host.expand(path) } else { vec![path.to_vec()] };
    paths.iter().map(|path| host.read(path).map_err(Fault::Include)).collect()
}

fn rename(config: &mut Config, from: &[u8], to: &[u8], host: &impl Host) -> Result<(), Fault> {
    if !has_command(config, from, host) {
        return Err(reason("No such command in rename-command"));
    }
    let stays = from.eq_ignore_ascii_case(to);
    if !to.is_empty() && !stays && has_command(config, to, host) {
        return Err(reason("Target command name already exists"));
    }
    config.startup.renames.push(Rename { from: from.to_vec(), to: to.to_vec() });
    Ok(())
}

/// Whether a command has this name after the renames so far.
fn has_command(config: &Config, name: &[u8], host: &impl Host) -> bool {
    let renames = config.startup.renames.iter();
    renames.fold(host.is_command(name), |exists, rename| {
        let gone = rename.from.eq_ignore_ascii_case(name);
        rename.to.eq_ignore_ascii_case(name) || (exists && !gone)
    })
}

fn add_user(config: &mut Config, words: &[Vec<u8>], host: &impl Host) -> Result<(), Fault> {
    let user = UserLine { name: words[1].clone(), rules: words[2..].to_vec() };
    let fault = |rule: usize, why: &str| {
        // Redis (7.0.15) counts from the start of the line here, so it names a word two places before the rule.
        let word = String::from_utf8_lossy(&words[rule.min(words.len() - 1)]);
        Fault::Reason(format!("Error in user declaration '{word}': {why}"))
    };
    if config.startup.users.iter().any(|known| known.name == user.name) {
        return Err(fault(1, "Duplicate user found. A user can only be defined once in config files"));
    }
    host.check_user(&user).map_err(|bad| fault(bad.rule, &bad.why))?;
    config.startup.users.push(user);
    Ok(())
}

fn too_many_files() -> Fault {
    Fault::Reason(format!("more than {INCLUDE_FILES_MAX} files are included"))
}

/// Files all includes together may read (ours): two files that include each other by a pattern would double at every
/// level otherwise.
const INCLUDE_FILES_MAX: usize = 4096;

/// Files an include may lie inside one another (ours: Redis runs out of stack instead).
const INCLUDE_DEPTH_MAX: usize = 16;

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::{Fatal, Host, Unreadable, UserFault, load};
    use crate::config::Config;
    use crate::config::startup::UserLine;
    use crate::glob;

    /// Files in memory, three commands, and one rule that is bad.
    #[derive(Default)]
    pub(in crate::config) struct TestHost {
        pub(in crate::config) files: BTreeMap<String, String>,
    }

    impl Host for TestHost {
        fn read(&mut self, path: &[u8]) -> Result<Vec<u8>, Unreadable> {
            let path = String::from_utf8_lossy(path).into_owned();
            let text = self.files.get(&path).map(|text| text.as_bytes().to_vec());
            text.ok_or(Unreadable { path, error: "No such file or directory".to_owned() })
        }

        fn expand(&mut self, pattern: &[u8]) -> Vec<Vec<u8>> {
            let paths = self.files.keys().map(|path| path.as_bytes().to_vec());
            paths.filter(|path| glob::matches(pattern, path, false)).collect()
        }

        fn enter_dir(&mut self, path: &str) -> Result<String, String> {
            if path == "/nope" { Err("No such file or directory".to_owned()) } else { Ok(path.to_owned()) }
        }

        fn is_command(&self, name: &[u8]) -> bool {
            [&b"get"[..], b"set", b"keys", b"flushall"].iter().any(|known| known.eq_ignore_ascii_case(name))
        }

        fn check_user(&self, user: &UserLine) -> Result<(), UserFault> {
            match user.rules.iter().position(|rule| rule == b"bar") {
                Some(rule) => Err(UserFault { rule, why: "Syntax error".to_owned() }),
                None => Ok(()),
            }
        }
    }

    fn host() -> TestHost {
        let files = [
            ("/a.conf", "timeout 5\nfoo bar\n"),
            ("/d/1.conf", "timeout 1\nport 1\n"),
            ("/d/2.conf", "timeout 2\n"),
            ("/loop.conf", "include /loop.conf"),
        ];
        TestHost { files: files.map(|(path, text)| (path.to_owned(), text.to_owned())).into() }
    }

    fn loaded(text: &str) -> Result<Config, Fatal> {
        let mut config = Config::default();
        load(&mut config, text.as_bytes(), &mut host()).map(|()| config)
    }

    #[test]
    fn wrong_lines_fail_with_the_texts_of_a_real_server() {
        let unknown = "Bad directive or wrong number of arguments";
        let count = "wrong number of arguments";
        let quotes = "Unbalanced quotes in configuration line";
        let shutdown = "argument(s) must be one of the following: default, save, nosave, now, force";
        let expected = [
            ("foo bar", unknown),
            ("port", count),
            ("port 1 2", count),
            ("port \"1", quotes),
            ("port \"1\"2", quotes),
            ("port '2110'5'", quotes),
            ("appendonly maybe", "argument must be 'yes' or 'no'"),
            (
                "activedefrag yes",
                "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc like the one shipped by default with the Redis source distribution",
            ),
            ("save 1", "Invalid save parameters"),
            ("save a b", "Invalid save parameters"),
            ("client-output-buffer-limit normal 0 0", "Wrong number of arguments in buffer limit configuration."),
            ("client-output-buffer-limit foo 0 0 0", "Invalid client class specified in buffer limit configuration."),
            ("replicaof a", count),
            ("replicaof \"\"", count),
            ("replicaof a 1 2", count),
            ("slaveof a b", "Invalid master port"),
            ("replicaof a 70000", "Invalid master port"),
            ("dir", count),
            ("dir a b", count),
            ("dir /nope", "No such file or directory"),
            ("rename-command foo bar", "No such command in rename-command"),
            ("rename-command get set", "Target command name already exists"),
            ("rename-command get", unknown),
            ("user", unknown),
            ("user foo bar", "Error in user declaration 'user': Syntax error"),
            ("user foo on ~* >pw bar +get", "Error in user declaration '~*': Syntax error"),
            ("loadmodule", unknown),
            ("include", unknown),
            ("include a b", unknown),
            ("sentinel monitor a b 1 2", "sentinel directive while not in sentinel mode"),
            ("oom-score-adj-values 1 2", count),
            ("oom-score-adj-values a b c", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
            ("notify-keyspace-events foo", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
            ("notify-keyspace-events K E", count),
            ("notify-keyspace-events \"K E\"", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
            ("oom-score-adj-values", count),
            ("replicaof", count),
            ("latency-tracking-info-percentiles a", "Invalid latency-tracking-info-percentiles parameters"),
            ("shutdown-on-sigint foo", shutdown),
            ("shutdown-on-sigint", shutdown),
            ("unixsocketperm 999", "argument couldn't be parsed as an octal number"),
            ("unixsocketperm 0x1", "argument couldn't be parsed as an octal number"),
            ("unixsocketperm 1000", "argument must be between 0 and 777 inclusive"),
            ("appendfilename a/b", "appendfilename can't be a path, just a filename"),
            ("appendfilename \"\"", "appendfilename can't be empty"),
            ("appenddirname a/b", "appenddirname can't be a path, just a dirname"),
            ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
            ("list-max-ziplist-entries a b", unknown),
            ("x.foo", "Module config specified without value"),
            ("databases 0", "argument must be between 1 and 2147483647 inclusive"),
            ("supervised x", "argument(s) must be one of the following: upstart, systemd, auto, no"),
            ("enable-debug-command maybe", "argument(s) must be one of the following: no, yes, local"),
            ("io-threads 200", "argument must be between 1 and 128 inclusive"),
            ("slotmesh-version 7", "argument must be a version of three numbers, like 7.4.0"),
        ];

        for (line, reason) in expected {
            let text = format!("\n# comment\n  {line} \r\n");
            let shown = loaded(&text).unwrap_err().to_string();
            let wanted = format!(
                "\n*** FATAL CONFIG FILE ERROR (Redis 7.4.0) ***\n\
                 Reading the configuration file, at line 3\n>>> '{line}'\n{reason}\n"
            );
            assert_eq!(shown, wanted);
        }
    }

    #[test]
    fn lines_are_applied_in_order() {
        let config = loaded(
            "PORT 1\nport 2\n\n  # port 3\nbind 10.0.0.1 -::1\nslave-read-only no\nsave \"1 2\"\nsave 3 4 5 6\n\
             client-output-buffer-limit \"normal 1kb 0 0\"\nrequirepass \"a\\x41 \"\nsentinel\nreplicaof no one\n\
             list-max-ziplist-value 3\nslotmesh-version 6.2.1\nhz 9999\nunixsocketperm 700",
        )
        .unwrap();

        assert_eq!(config.port, 2);
        assert_eq!(config.bind.0, ["10.0.0.1", "-::1"]);
        assert!(!config.replica_read_only);
        assert_eq!(config.save.points().len(), 3);
        assert_eq!(config.client_output_buffer_limit.normal.hard_bytes, 1024);
        assert_eq!(config.requirepass, b"aA ");
        assert_eq!(config.slotmesh_version, "6.2.1");
        assert_eq!(config.hz, 500);
        assert_eq!(config.unixsocketperm, 0o700);
        assert_eq!(loaded("unixsocketperm \"\"").unwrap().unixsocketperm, 0);
    }

    #[test]
    fn an_empty_save_clears_the_points_and_later_ones_add_up() {
        assert!(loaded("save \"\"").unwrap().save.points().is_empty());
        assert_eq!(loaded("save 9 9\nsave \"\"\nsave 1 2").unwrap().save.points().len(), 1);
        assert_eq!(loaded("port 1").unwrap().save.points().len(), 3);
    }

    #[test]
    fn included_files_are_read_in_place() {
        let config = loaded("port 9\ninclude /d/*.conf\ninclude /none/*").unwrap();
        assert_eq!((config.port, config.timeout_secs), (1, 2));

        let text = loaded("\n\n\ninclude /a.conf").unwrap_err().to_string();
        assert!(text.contains("at line 2\n>>> 'foo bar'\n"), "{text}");

        let text = loaded("include /none").unwrap_err().to_string();
        assert_eq!(text, "Fatal error, can't open config file '/none': No such file or directory");
    }

    #[test]
    fn a_file_that_includes_itself_is_refused() {
        let text = loaded("include /loop.conf").unwrap_err().to_string();

        assert!(text.contains("include nested deeper than 16 files"), "{text}");
    }

    #[test]
    fn a_cluster_node_cannot_be_told_its_primary() {
        let text = loaded("replicaof a 1\ncluster-enabled yes").unwrap_err().to_string();

        let wanted =
            "\n*** FATAL CONFIG FILE ERROR (Redis 7.4.0) ***\nreplicaof directive not allowed in cluster mode\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn users_renames_and_modules_are_kept_for_the_node() {
        let config = loaded(
            "user bob on +get\nuser alice off\nrename-command GET g\nrename-command keys get\nrename-command set \"\"\n\
             loadmodule /x.so a\nm.option 1 2",
        )
        .unwrap();

        assert_eq!(config.startup.users[0].rules, [&b"on"[..], b"+get"]);
        assert_eq!(config.startup.renames.len(), 3);
        assert_eq!(config.startup.modules, [[b"/x.so".to_vec(), b"a".to_vec()]]);
        assert_eq!(config.startup.module_options.len(), 1);
        let again = loaded("rename-command get g\nrename-command get h").unwrap_err().to_string();
        assert!(again.contains("at line 2") && again.contains("No such command"), "{again}");
        let twice = loaded("user bob on\nuser bob off").unwrap_err().to_string();
        assert!(twice.contains("'bob': Duplicate user found. A user can only be defined once"), "{twice}");
    }
}
