//! The log: one line per event, on standard output or at the end of a file.
//!
//! The file is opened for each line, so that it can be moved away at any time. Which lines there are is decided
//! elsewhere; their level is compared with `loglevel` here. Start at [`LogFile`].

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Zoned;
pub use slotmesh_cluster::machine::LogLevel as Level;
use slotmesh_cluster::machine::LogLine;
use slotmesh_engine::config::Config;

/// Where lines go.
#[derive(Debug, Clone)]
pub struct LogFile {
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    File(PathBuf),
    /// In the background without a file.
    Nowhere,
    Stdout,
}

impl LogFile {
    /// The log that `logfile` and `daemonize` describe; a relative path starts in `dir`.
    pub fn new(config: &Config) -> Self {
        let target = if !config.logfile.is_empty() {
            Target::File(Path::new(&config.dir).join(&config.logfile))
        } else if config.daemonize {
            Target::Nowhere
        } else {
            Target::Stdout
        };
        Self { target }
    }

    /// Standard output.
    pub fn stdout() -> Self {
        Self { target: Target::Stdout }
    }

    /// Opens the file once, which creates it.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub fn check(&self) -> io::Result<()> {
        match &self.target {
            Target::File(path) => open(path).map(|_| ()),
            Target::Nowhere | Target::Stdout => Ok(()),
        }
    }

    /// Writes a line of a machine with the present local time.
    ///
    /// # Errors
    /// When the line cannot be written; Redis goes on without it.
    pub fn write(&self, entry: &LogLine) -> io::Result<()> {
        let line = line(std::process::id(), entry.role, &now(), entry.level, &entry.text);
        self.write_raw(&line)
    }

    /// Writes text as it is: the banner of a start.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn write_raw(&self, text: &str) -> io::Result<()> {
        match &self.target {
            Target::File(path) => open(path)?.write_all(text.as_bytes()),
            Target::Nowhere => Ok(()),
            Target::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()
            }
        }
    }
}

/// One line of the log: `<pid>:<role> <dd Mon yyyy HH:MM:SS.mmm> <level> <message>`.
pub fn line(pid: u32, role: char, at: &Zoned, level: Level, text: &str) -> String {
    let mark = match level {
        Level::Debug => '.',
        Level::Verbose => '-',
        Level::Notice => '*',
        Level::Warning => '#',
    };
    format!("{pid}:{role} {} {mark} {text}\n", at.strftime("%d %b %Y %H:%M:%S.%3f"))
}

/// The present time in the local time zone.
pub fn now() -> Zoned {
    Zoned::now()
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use jiff::{Timestamp, Zoned};
    use slotmesh_cluster::machine::LogLine;
    use slotmesh_engine::config::Config;

    use super::{Level, LogFile, line};

    fn at(millis: i64) -> Zoned {
        Timestamp::from_millisecond(millis).unwrap().to_zoned(TimeZone::UTC)
    }

    #[test]
    fn a_line_has_the_form_of_a_real_server() {
        let time = at(1_795_159_073_046);

        assert_eq!(line(11168, 'M', &time, Level::Notice, "hello"), "11168:M 20 Nov 2026 07:17:53.046 * hello\n");
        assert_eq!(line(1, 'C', &at(0), Level::Debug, ""), "1:C 01 Jan 1970 00:00:00.000 . \n");
        assert!(line(1, 'S', &time, Level::Verbose, "x").ends_with(" - x\n"));
        assert!(line(1, 'X', &time, Level::Warning, "x").ends_with(" # x\n"));
    }

    #[test]
    fn a_moved_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap().to_owned();
        let log = LogFile::new(&Config { dir, logfile: "a.log".to_owned(), ..Config::default() });
        let path = folder.path().join("a.log");
        let entry = |level, text: &str| LogLine { level, role: 'M', text: text.to_owned() };

        log.write(&entry(Level::Notice, "first")).unwrap();
        std::fs::rename(&path, folder.path().join("b.log")).unwrap();
        log.write(&entry(Level::Warning, "second")).unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(" # second\n") && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_an_error() {
        let log = LogFile::new(&Config { logfile: "/nonexistent/x".to_owned(), ..Config::default() });

        assert!(log.check().is_err());
    }
}
