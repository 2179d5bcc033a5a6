//! Running in the background, and the file that tells the process id.
//!
//! A fork is only safe before any thread runs, and needs unsafe code; so the process starts itself anew instead,
//! as a child in a session of its own, and ends. The child reads the same command line. Start at [`detach`].

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use slotmesh_engine::config::Config;

/// Which of the two processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// The one in the background: go on.
    Background,
    /// The one that was started: a child goes on in the background, so exit with code 0.
    Foreground,
}

/// Moves into the background: call it before anything else than the configuration is read.
///
/// `stdin` is what the configuration read from standard input, which the child must read again. Its other standard
/// streams are `/dev/null`.
///
/// # Errors
/// When the child cannot be started or cannot leave the session.
pub fn detach(args: &[Vec<u8>], stdin: Option<&[u8]>) -> io::Result<Process> {
    if std::env::var_os(MARK).is_some() {
        rustix::process::setsid()?;
        return Ok(Process::Background);
    }
    let mut child = Command::new(std::env::current_exe()?)
        .args(args.iter().map(|arg| <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(arg)))
        .env(MARK, "1")
        .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
        pipe.write_all(text)?;
    }
    Ok(Process::Foreground)
}

/// A file with the process's id.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the file `pidfile` names, or the usual one of a process in the background; nothing when neither.
    ///
    /// # Errors
    /// When the file cannot be written; Redis logs `Failed to write PID file: <cause>` and goes on.
    pub fn create(config: &Config) -> io::Result<Option<Self>> {
        let path = match config.pidfile.as_str() {
            "" if config.daemonize => PathBuf::from(PIDFILE_IN_BACKGROUND),
            "" => return Ok(None),
            path => Path::new(&config.dir).join(path),
        };
        fs::write(&path, format!("{}\n", std::process::id()))?;
        Ok(Some(Self { path }))
    }

    /// Removes the file at an orderly end.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

/// Tells the child that it is the one in the background.
const MARK: &str = "SLOTMESH_IN_BACKGROUND";

/// Redis's name for the file when `pidfile` gives none.
const PIDFILE_IN_BACKGROUND: &str = "/var/run/redis.pid";

#[cfg(test)]
mod tests {
    use slotmesh_engine::config::Config;

    use super::PidFile;

    #[test]
    fn the_pid_file_holds_the_process_id_until_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap().to_owned();
        let config = Config { dir, pidfile: "x.pid".to_owned(), ..Config::default() };

        let file = PidFile::create(&config).unwrap().unwrap();

        let path = folder.path().join("x.pid");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        file.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_process_in_the_foreground_has_no_pid_file_unless_asked() {
        assert!(PidFile::create(&Config::default()).unwrap().is_none());
    }
}
