use std::path::PathBuf;

use slotmesh_engine::config::Config;

use super::options::split;
use super::{Outcome, Run, Words, read, version_line};

fn args(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn options(words: &[&str]) -> String {
    String::from_utf8(split(&args(words)).options).unwrap()
}

fn words() -> Words {
    Words {
        is_sentinel_command: |_| true,
        is_command: |name| name.eq_ignore_ascii_case(b"get"),
        check_user: |_| Ok(()),
    }
}

fn read_in(dir: PathBuf, words_of_line: &[&str], stdin: &str) -> Outcome {
    read("slotmesh-server", &args(words_of_line), dir, stdin.as_bytes(), words())
}

fn outcome(words_of_line: &[&str], stdin: &str) -> Outcome {
    read_in(PathBuf::from("/"), words_of_line, stdin)
}

fn run(outcome: Outcome) -> Run {
    match outcome {
        Outcome::Run(run) => *run,
        Outcome::Print { text, stderr, code } => panic!("exits with {code}: {text}{stderr}"),
    }
}

fn failure(outcome: Outcome) -> String {
    let Outcome::Print { text, stderr, code: 1 } = outcome else { panic!("does not fail: {outcome:?}") };
    text + &stderr
}

#[test]
fn each_option_becomes_one_line() {
    assert_eq!(options(&["--port", "7000", "--bind", "a", "::1"]), "port \"7000\" \nbind \"a\" \"::1\" ");
    assert_eq!(options(&["--port 7000", "--x"]), "port 7000 \nx ");
    assert_eq!(options(&["--a", "--b", "--c"]), "a \"--b\" \nc ");
    assert_eq!(options(&["--requirepass", "--x", "--port", "1"]), "requirepass \"--x\" \nport \"1\" ");
    assert_eq!(options(&["--save", "--port", "1"]), "save \"\"\nport \"1\" ");
    assert_eq!(options(&["--SAVE"]), "SAVE \"\"");
    assert_eq!(options(&["--save", "1", "2"]), "save \"1\" \"2\" ");
    assert_eq!(options(&["-port", "1"]), "\"-port\" \"1\" ");
    assert_eq!(options(&["--", "--port", "a"]), " \"--port\" \"a\" ");
}

#[test]
fn a_file_comes_first_and_a_dash_first_or_last() {
    let line = args(&["a.conf", "--port", "1", "-"]);
    let split_line = split(&line);
    assert_eq!((split_line.file, split_line.from_stdin), (Some(&b"a.conf"[..]), true));
    assert!(split(&args(&["-", "--port", "1"])).from_stdin);
    assert!(!split(&args(&["--port", "-", "1"])).from_stdin);
    assert_eq!(split(&args(&["--port", "1", "x"])).file, None);
}

#[test]
fn line_numbers_count_on_over_file_input_and_options() {
    let expected = [
        (&["--foo"][..], "", 2, "foo"),
        (&["--port", "1", "--foo", "bar"], "", 3, "foo \"bar\""),
        (&["--port=1"], "", 2, "port=1"),
        (&["-", "--port", "abc"], "timeout 5\n", 3, "port \"abc\""),
        (&["--port", "1", "-"], "timeout abc", 1, "timeout abc"),
        (&["-x"], "", 2, "\"-x\""),
        (&["--port", "--save"], "", 2, "port \"--save\""),
    ];

    for (line, stdin, number, shown) in expected {
        let text = failure(outcome(line, stdin));
        assert!(text.contains(&format!("at line {number}\n>>> '{shown}'\n")), "{line:?}: {text}");
    }
}

#[test]
fn options_override_input_which_overrides_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(folder.path().join("a.conf"), "dir data\nport 1\ntimeout 1\nhz 11\ninclude [b]*.conf\n").unwrap();
    std::fs::write(data.join("b1.conf"), "maxclients 7\n").unwrap();
    std::fs::write(data.join(".b2.conf"), "maxclients 8\n").unwrap();

    let run = run(read_in(folder.path().to_owned(), &["a.conf", "--port", "3", "-"], "port 2\ntimeout 2\n"));

    let config: &Config = &run.config;
    assert_eq!((config.port, config.timeout_secs, config.hz, config.maxclients), (3, 2, 11, 7));
    assert_eq!(config.dir, data.canonicalize().unwrap().to_str().unwrap());
    assert_eq!(run.config_file, Some(folder.path().join("a.conf")));
    assert_eq!(run.stdin.as_deref(), Some(&b"port 2\ntimeout 2\n"[..]));
}

#[test]
fn without_arguments_the_defaults_run() {
    let run = run(outcome(&[], ""));

    assert_eq!(run.config, Config { dir: "/".to_owned(), ..Config::default() });
    assert_eq!(run.config_file, None);
}

#[test]
fn a_file_that_is_missing_is_a_line_of_the_log() {
    let text = failure(outcome(&["nope.conf", "--port", "1"], ""));

    assert!(
        text.ends_with(" # Fatal error, can't open config file '/nope.conf': No such file or directory\n"),
        "{text}"
    );
    assert!(text.starts_with(&format!("{}:C ", std::process::id())), "{text}");
}

#[test]
fn what_only_the_system_knows_is_a_config_error_too() {
    let text = failure(outcome(&["--dir", "/nonexistent"], ""));
    assert!(text.contains(">>> 'dir \"/nonexistent\"'\nNo such file or directory\n"), "{text}");

    let text = failure(outcome(&["--logfile", "/nonexistent/x"], ""));
    assert!(text.ends_with("***\nCan't open the log file: No such file or directory\n"), "{text}");
}

#[test]
fn version_and_help_are_printed() {
    let Outcome::Print { text, code, .. } = outcome(&["-v", "x"], "") else { panic!("prints") };
    assert_eq!((text.as_str(), code), (version_line().as_str(), 0));
    assert!(text.starts_with("Redis server v=7.4.0 sha=00000000:0 malloc=mimalloc bits=64 build="), "{text}");

    assert!(failure(outcome(&["--help"], "")).starts_with("Usage: slotmesh-server "));
}

#[test]
fn a_sentinel_needs_a_file_that_it_can_write() {
    let text = failure(outcome(&["--sentinel"], ""));
    assert!(text.ends_with(" # Sentinel needs config file on disk to save state. Exiting...\n"), "{text}");
    assert!(text.starts_with(&format!("{}:X ", std::process::id())), "{text}");

    let by_name = read("/usr/bin/redis-sentinel", &[], PathBuf::from("/"), &b""[..], words());
    assert!(failure(by_name).contains("Sentinel needs config file on disk"));
}

#[test]
fn a_sentinel_reads_its_directives_and_has_its_own_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sentinel.conf");
    std::fs::write(&path, "sentinel monitor m 127.0.0.1 6379 2\nsentinel down-after-milliseconds m 1000\n").unwrap();
    let path = path.to_str().unwrap();

    let run = run(outcome(&[path, "--sentinel", "--loglevel", "verbose"], ""));

    assert!(run.is_sentinel && !run.config.protected_mode);
    assert_eq!((run.config.port, run.config.startup.sentinel.len()), (26_379, 2));
    std::fs::write(path, "port 1\nsentinel monitor m 127.0.0.1 6379 0\n").unwrap();
    let text = failure(outcome(&[path, "--sentinel"], ""));
    let expected = "at line 2\n>>> 'sentinel monitor m 127.0.0.1 6379 0'\nQuorum must be 1 or greater.\n";
    assert!(text.ends_with(expected), "{text}");
    let text = failure(outcome(&[path], ""));
    assert!(text.ends_with("sentinel directive while not in sentinel mode\n"), "{text}");
}
