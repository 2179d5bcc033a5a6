//! Files that cannot be read: a clear message, exit code 1, and the file is left as it was.

use std::path::Path;

use slotmesh_test_support::data::fill;
use slotmesh_test_support::launch::LaunchError;

use crate::{launch, ours, stop};

#[test]
fn a_dump_with_a_flipped_bit_is_refused() {
    let dir = with_dump();
    let path = dir.path().join("dump.rdb");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;

    refused(dir.path(), &path, &bytes, "no", "Fatal error loading the DB");
}

#[test]
fn a_dump_that_is_too_short_is_refused() {
    let dir = with_dump();
    let path = dir.path().join("dump.rdb");
    let bytes = std::fs::read(&path).unwrap();

    for cut in [0, 5, 9, 50, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
        refused(
            dir.path(),
            &path,
            &bytes[..cut],
            "no",
            "Short read or OOM loading DB. Unrecoverable error, aborting now.",
        );
    }
}

#[test]
fn a_dump_of_a_later_version_is_refused() {
    let dir = with_dump();
    let path = dir.path().join("dump.rdb");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5..9].copy_from_slice(b"0099");

    refused(dir.path(), &path, &bytes, "no", "Can't handle RDB format version 99");
}

#[test]
fn a_file_that_is_no_dump_is_refused() {
    let dir = tempfile::tempdir().unwrap();

    refused(
        dir.path(),
        &dir.path().join("dump.rdb"),
        b"no dump at all, but text",
        "no",
        "Wrong signature trying to load DB from file",
    );
}

#[test]
fn a_manifest_that_lies_is_refused() {
    let dir = with_folder();
    let manifest = dir.path().join("appendonlydir/appendonly.aof.manifest");
    let cases: [(&str, &str); 6] = [
        ("", "Found an empty AOF manifest"),
        ("file a seq 1 type x\n", "Unknown AOF file type"),
        ("file ../a seq 1 type b\n", "File can't be a path, just a filename"),
        ("file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
        ("file a seq 2 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"),
        ("file a seq\n", "Invalid AOF manifest file format"),
    ];

    for (text, why) in cases {
        refused(dir.path(), &manifest, text.as_bytes(), "yes", why);
    }
}

#[test]
fn a_missing_file_of_the_folder_is_refused() {
    let dir = with_folder();
    let manifest = dir.path().join("appendonlydir/appendonly.aof.manifest");
    let text = std::fs::read_to_string(&manifest).unwrap() + "file appendonly.aof.2.incr.aof seq 2 type i\n";

    refused(dir.path(), &manifest, text.as_bytes(), "yes", "appendonly.aof.2.incr.aof doesn't exist");
}

#[test]
fn a_folder_with_bytes_that_are_no_commands_is_refused() {
    let dir = with_folder();
    let incr = dir.path().join("appendonlydir/appendonly.aof.1.incr.aof");
    let bytes = std::fs::read(&incr).unwrap();
    let with = |tail: &[u8]| [bytes.as_slice(), tail].concat();

    refused(dir.path(), &incr, &with(b"hello\r\n"), "yes", "Bad file format reading the append only file");
    refused(
        dir.path(),
        &incr,
        &with(b"*1\r\n$4\r\nNONE\r\n"),
        "yes",
        "Unknown command 'NONE' reading the append only file",
    );
}

#[test]
fn a_torn_tail_is_refused_when_the_operator_wants_to_decide() {
    let dir = with_folder();
    let incr = dir.path().join("appendonlydir/appendonly.aof.1.incr.aof");
    let bytes = std::fs::read(&incr).unwrap();
    let torn = &bytes[..bytes.len() - 3];
    std::fs::write(&incr, torn).unwrap();

    let Err(LaunchError::Ended { status, log }) =
        launch(&ours(), dir.path()).option("appendonly", "yes").option("aof-load-truncated", "no").start()
    else {
        panic!("it started")
    };

    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("Unexpected end of file reading the append only file"), "{log}");
    assert_eq!(std::fs::read(&incr).unwrap(), torn);
}

/// A folder with a dump of some keys.
fn with_dump() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let server = launch(&ours(), dir.path()).start().unwrap();
    fill(&mut server.client(), "k", 500).unwrap();
    server.client().call(["SAVE"]).unwrap();
    dir
}

/// A folder with an append only folder of some keys.
fn with_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut server = launch(&ours(), dir.path()).option("appendonly", "yes").start().unwrap();
    fill(&mut server.client(), "k", 100).unwrap();
    stop(&mut server);
    dir
}

/// The server refuses to start with this content, says why, and leaves it alone.
fn refused(dir: &Path, path: &Path, content: &[u8], appendonly: &str, why: &str) {
    std::fs::write(path, content).unwrap();

    let started = launch(&ours(), dir).option("appendonly", appendonly).start();

    let Err(LaunchError::Ended { status, log }) = started else { panic!("it started with {} bytes", content.len()) };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains(why), "{why}: {log}");
    assert!(!log.contains("Ready to accept connections"), "{log}");
    assert_eq!(std::fs::read(path).unwrap(), content);
}
