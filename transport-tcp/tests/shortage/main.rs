//! A process that has no file descriptor left. It is a binary of its own because the limit is the process's.

#![expect(clippy::unwrap_used, reason = "in test support, too, a failure fails the test")]

#[path = "../host/echo.rs"]
#[expect(dead_code, reason = "the fixture serves more tests than this one")]
mod echo;

use std::fs::File;
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::echo::{Fixture, GUARD, echo, guard};

#[test]
fn a_shortage_of_files_only_delays_new_connections() {
    let (fixture, port) = Fixture::listening();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), ..limit }).unwrap();
    let mut files: Vec<File> = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }

    // One file for our end of the connection, none for the other.
    files.pop();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    guard(&stream);
    let line = fixture.log.recv_timeout(GUARD).unwrap();
    files.clear();

    assert_eq!(line.text, "Accepting client connection: accept: Too many open files");
    echo(&mut stream, b"hello");
}
