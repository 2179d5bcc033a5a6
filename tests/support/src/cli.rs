//! Running a command line program (`redis-cli`, `redis-benchmark`, our own) to its end.

use std::ffi::OsStr;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait::poll_until;

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, lossily decoded.
    pub stdout: String,
    /// Its standard error, lossily decoded.
    pub stderr: String,
}

/// Runs a program with these arguments and this standard input, for [`RUN_LIMIT`] at most.
///
/// # Errors
/// `TimedOut` (the program is then killed); others as the system reports them.
pub fn run<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>, input: &str) -> io::Result<Output> {
    // Files instead of pipes: a program that writes much before it reads cannot block us, nor we it.
    let mut stdin = tempfile::tempfile()?;
    stdin.write_all(input.as_bytes())?;
    stdin.seek(SeekFrom::Start(0))?;
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(stdin))
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .spawn()?;
    let ended = poll_until("the end of the program", RUN_LIMIT, || child.try_wait().transpose());
    let status = match ended {
        Ok(status) => status?,
        Err(timeout) => {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, timeout));
        }
    };
    Ok(Output { status, stdout: content(&mut stdout)?, stderr: content(&mut stderr)? })
}

/// Runs `redis-cli -p port` with these arguments and this standard input.
///
/// # Errors
/// As [`run`].
pub fn redis_cli(redis_cli: &Path, port: u16, arguments: &[&str], input: &str) -> io::Result<Output> {
    let port = port.to_string();
    run(redis_cli, ["-p", &port].iter().chain(arguments), input)
}

fn content(file: &mut std::fs::File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    io::Read::read_to_end(file, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Longest run of a program: `redis-cli --cluster create` with its pauses takes some seconds.
pub const RUN_LIMIT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::redis_cli;
    use crate::{Launch, Peer, require_peer};

    #[test]
    fn redis_cli_reads_commands_from_its_input() {
        let server = Launch::new(require_peer!(Peer::RedisServer)).start().unwrap();
        let cli = require_peer!(Peer::RedisCli);

        let output = redis_cli(&cli, server.port(), &["--raw"], "SET k v\nGET k\n").unwrap();

        assert!(output.status.success());
        assert_eq!(output.stdout, "OK\nv\n");
    }
}
