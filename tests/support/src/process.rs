//! A process with a command line of its own, for what [`Launch`](crate::Launch) does not do: no port, no bind
//! address, a background process, a start that fails.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{WaitTimeout, poll_until};

/// A running process whose output goes to a file; killed on drop.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Process {
    /// Starts `program` in the folder `dir`.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn start<A: AsRef<OsStr>>(program: &Path, dir: &Path, args: impl IntoIterator<Item = A>) -> io::Result<Self> {
        let output = tempfile::NamedTempFile::new()?;
        let file = File::options().append(true).open(output.path())?;
        let child = Command::new(program)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Self { child, output })
    }

    /// All it wrote to its standard output and error.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.output.path()).unwrap_or_default()).into_owned()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = Pid::from_raw(self.pid().cast_signed()).ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until its output contains `text`.
    ///
    /// # Errors
    /// [`WaitTimeout`] when it does not within `limit`.
    pub fn wait_output(&self, text: &str, limit: Duration) -> Result<(), WaitTimeout> {
        let found = poll_until(&format!("output {text:?}"), limit, || self.output().contains(text).then_some(()));
        found.map_err(|timeout| WaitTimeout { what: format!("{}\n{}", timeout.what, self.output()), ..timeout })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// `TimedOut` when it still runs after `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        poll_until("the end of the process", limit, || self.child.try_wait().transpose())
            .map_err(|timeout| io::Error::new(io::ErrorKind::TimedOut, timeout))?
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- output of process {} ---\n{}", self.pid(), self.output());
        }
        // A process that has ended cannot be killed.
        drop(self.child.kill());
        if let Err(error) = self.child.wait() {
            eprintln!("process {} could not be waited for: {error}", self.pid());
        }
    }
}
