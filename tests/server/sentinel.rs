//! A sentinel as a process: how it starts, what it keeps, how it ends.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use slotmesh_test_support::{Launch, Server};

use crate::{LIMIT, ours, raw};

const MASTER: &str = "sentinel monitor mymaster 127.0.0.1 1 2\nsentinel down-after-milliseconds mymaster 100\n";

fn start(config: &str) -> Server {
    Launch::sentinel(ours(), config).start().unwrap()
}

fn file(server: &Server) -> String {
    std::fs::read_to_string(server.dir().join("server.conf")).unwrap()
}

/// A sentinel that does not come up, in this folder.
fn refused(program: &Path, dir: &Path, args: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = Command::new(program).args(args).current_dir(dir).output().unwrap();
    (status.code().unwrap(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn a_start_logs_who_it_is_and_what_it_watches() {
    let server = start(MASTER);
    server.wait_log("+sdown master mymaster 127.0.0.1 1", LIMIT).unwrap();

    let log = server.log();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} in {log}"));
    let order = [
        at("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo"),
        at("Running mode=sentinel"),
        at("Sentinel new configuration saved on disk"),
        at("Sentinel ID is "),
        at("+monitor master mymaster 127.0.0.1 1 quorum 2"),
        at("+sdown master mymaster 127.0.0.1 1"),
    ];
    assert!(order.is_sorted(), "{order:?}: {log}");
    let pid = server.pid().unwrap();
    assert!(log.lines().filter(|line| line.starts_with(&format!("{pid}:"))).all(|line| line.contains(":X ")), "{log}");
}

#[test]
fn a_sentinel_is_the_same_one_after_a_restart() {
    let mut server = start(MASTER);
    let id = raw(&mut server.client(), "SENTINEL MYID");
    raw(&mut server.client(), "SENTINEL SET mymaster quorum 7");
    assert_eq!(raw(&mut server.client(), "SENTINEL FLUSHCONFIG"), "+OK\r\n");
    assert!(file(&server).contains("sentinel monitor mymaster 127.0.0.1 1 7\n"), "{}", file(&server));

    server.kill().unwrap();
    server.restart().unwrap();

    assert_eq!(raw(&mut server.client(), "SENTINEL MYID"), id);
    assert!(raw(&mut server.client(), "SENTINEL CKQUORUM mymaster").starts_with("-NOQUORUM 1 usable"));
}

#[test]
fn a_command_or_a_signal_ends_it_in_order() {
    let mut server = start(MASTER);
    assert_eq!(raw_end(&server), "");
    assert_eq!(server.wait_exit(LIMIT).unwrap().code(), Some(0));
    server.restart().unwrap();

    server.terminate().unwrap();

    assert_eq!(server.wait_exit(LIMIT).unwrap().code(), Some(0));
    assert!(server.log().contains("Redis is now ready to exit, bye bye..."), "{}", server.log());
}

/// What comes of SHUTDOWN: the end of the connection.
fn raw_end(server: &Server) -> String {
    let mut client = server.client();
    client.send(["SHUTDOWN"]).unwrap();
    client.read().err().map(|_| String::new()).unwrap_or_else(|| "a reply".to_owned())
}

#[test]
fn a_program_of_that_name_is_a_sentinel() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["redis-sentinel", "valkey-sentinel"] {
        let program = dir.path().join(name);
        symlink(ours(), &program).unwrap();

        let server = Launch::new(program).config("sentinel myid 12\n");

        let Err(error) = server.start() else { panic!("the id is too short") };
        assert!(error.to_string().contains("Malformed Sentinel id in myid option."), "{error}");
    }
}

#[test]
fn what_keeps_a_sentinel_from_its_work_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ours = ours();

    let (code, text) = refused(&ours, dir.path(), &["--sentinel"]);
    assert_eq!(code, 1);
    assert!(text.ends_with(" # Sentinel needs config file on disk to save state. Exiting...\n"), "{text}");
    put("bad.conf", "port 1\nsentinel monitor m 127.0.0.1 6379 0\n");
    let (code, text) = refused(&ours, dir.path(), &["bad.conf", "--sentinel"]);
    assert_eq!(code, 1);
    let expected = "Reading the configuration file, at line 2\n>>> 'sentinel monitor m 127.0.0.1 6379 0'\n\
                    Quorum must be 1 or greater.\n";
    assert!(text.ends_with(expected), "{text}");
    put("script.conf", "sentinel monitor m 127.0.0.1 6379 1\nsentinel notification-script m ./script.sh\n");
    put("script.sh", "#!/bin/sh\n");
    let (code, text) = refused(&ours, dir.path(), &["script.conf", "--sentinel"]);
    assert_eq!(code, 1);
    assert!(text.ends_with("Notification script seems non existing or non executable.\n"), "{text}");
    let (code, text) = refused(&ours, dir.path(), &["bad.conf"]);
    assert_eq!(code, 1);
    assert!(text.ends_with("sentinel directive while not in sentinel mode\n"), "{text}");
}

#[test]
fn scripts_are_run_with_the_event_and_its_text() {
    let dir = tempfile::tempdir().unwrap();
    let (script, told) = (dir.path().join("notify.sh"), dir.path().join("told"));
    std::fs::write(&script, format!("#!/bin/sh\necho \"$1|$2\" >> {}\n", told.display())).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();

    let _server = start(&format!("{MASTER}sentinel notification-script mymaster {}\n", script.display()));

    let wanted = "+sdown|master mymaster 127.0.0.1 1\n";
    let heard = || std::fs::read_to_string(&told).is_ok_and(|text| text.contains(wanted)).then_some(());
    slotmesh_test_support::wait::poll_until("the script", LIMIT, heard).unwrap();
}

/// A script in a folder, which can be run or not.
fn script(dir: &Path, name: &str, text: &str, mode: u32) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    path.display().to_string()
}

#[test]
fn only_scripts_that_can_be_run_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) =
        (script(dir.path(), "good.sh", "#!/bin/sh\n", 0o755), script(dir.path(), "bad.sh", "#!/bin/sh\n", 0o644));
    let server = start(&format!("sentinel deny-scripts-reconfig no\n{MASTER}"));
    let mut client = server.client();
    let mut set = |words: &str| raw(&mut client, &format!("SENTINEL SET mymaster {words}"));

    let notification = "-ERR Notification script seems non existing or non executable\r\n";
    let reconfig = "-ERR Client reconfiguration script seems non existing or non executable\r\n";
    assert_eq!(set(&format!("notification-script {bad}")), notification);
    assert_eq!(set("notification-script /no/such/script"), notification);
    assert_eq!(set(&format!("client-reconfig-script {bad}")), reconfig);
    assert_eq!(set(&format!("quorum 7 client-reconfig-script {bad}")), reconfig);
    assert_eq!(set(&format!("notification-script {good} client-reconfig-script {good}")), "+OK\r\n");

    let file = file(&server);
    assert!(file.contains("sentinel monitor mymaster 127.0.0.1 1 7\n"), "what is ahead of it is set: {file}");
    assert!(file.contains(&format!("sentinel notification-script mymaster {good}\n")), "{file}");
    assert!(file.contains(&format!("sentinel client-reconfig-script mymaster {good}\n")), "{file}");
}

#[test]
fn what_is_answered_is_in_the_file() {
    let server = start(MASTER);
    let mut client = server.client();

    for (words, line) in [
        ("SENTINEL SET mymaster quorum 4", "sentinel monitor mymaster 127.0.0.1 1 4\n"),
        ("SENTINEL MONITOR other 127.0.0.1 2 1", "sentinel monitor other 127.0.0.1 2 1\n"),
        ("SENTINEL CONFIG SET announce-ip 1.2.3.4", "sentinel announce-ip \"1.2.3.4\"\n"),
    ] {
        assert_eq!(raw(&mut client, words), "+OK\r\n");
        assert!(file(&server).contains(line), "{words}: {}", file(&server));
    }
    assert_eq!(raw(&mut client, "SENTINEL REMOVE other"), "+OK\r\n");
    assert!(!file(&server).contains("other"), "{}", file(&server));
}

#[test]
fn a_file_with_an_id_is_written_only_when_something_changes() {
    let id = "f".repeat(40);
    let server = start(&format!("sentinel myid {id}\n{MASTER}"));
    server.wait_log(&format!("Sentinel ID is {id}"), LIMIT).unwrap();

    assert!(!file(&server).contains("Generated by"), "{}", file(&server));
    assert_eq!(raw(&mut server.client(), "SENTINEL FLUSHCONFIG"), "+OK\r\n");

    assert!(file(&server).contains("# Generated by CONFIG REWRITE\n"), "{}", file(&server));
}

#[test]
fn scripts_may_be_named_from_the_folder_on() {
    let dir = tempfile::tempdir().unwrap();
    script(dir.path(), "notify.sh", "#!/bin/sh\necho $1 >> \"$(dirname \"$0\")\"/told\n", 0o755);

    let _server =
        start(&format!("{MASTER}sentinel notification-script mymaster notify.sh\ndir {}\n", dir.path().display()));

    let heard =
        || std::fs::read_to_string(dir.path().join("told")).is_ok_and(|text| text.contains("+sdown")).then_some(());
    slotmesh_test_support::wait::poll_until("the script", LIMIT, heard).unwrap();
}
