//! The process's limit of open files.
//!
//! A server needs a file per client and some for itself; here the limit is raised as far as the system lets us. What
//! does not live here: what to do when it is not enough (a machine lowers its `maxclients`).

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What became of a wish for more open files.
#[derive(Debug)]
pub struct OpenFiles {
    /// The limit before.
    pub before: u64,
    /// The limit now.
    pub now: u64,
    /// Why the limit is lower than what was asked, if it is.
    pub refused: Option<io::Error>,
}

/// Raises the process's limit of open files to `wanted`, or as near to it as the system allows. Never lowers it.
pub fn raise_open_files(wanted: u64) -> OpenFiles {
    let limit = getrlimit(Resource::Nofile);
    let before = limit.current.unwrap_or(u64::MAX);
    if before >= wanted {
        return OpenFiles { before, now: before, refused: None };
    }
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let refused = match set(wanted, hard.max(wanted)) {
        Ok(()) => return OpenFiles { before, now: wanted, refused: None },
        Err(error) => error,
    };
    let now = if hard > before && set(hard.min(wanted), hard).is_ok() { hard.min(wanted) } else { before };
    OpenFiles { before, now, refused: (now < wanted).then_some(refused) }
}

fn set(soft: u64, hard: u64) -> io::Result<()> {
    setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: Some(hard) }).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::raise_open_files;

    #[test]
    fn the_limit_is_never_lowered() {
        let files = raise_open_files(1);

        assert_eq!(files.now, files.before);
        assert!(files.refused.is_none());
    }

    #[test]
    fn a_modest_wish_is_granted() {
        let before = raise_open_files(0).before;

        let files = raise_open_files(before + 1);

        assert!(files.now == before + 1 || files.refused.is_some());
        assert!(raise_open_files(0).before == files.now);
    }
}
