//! Persistence: the dump file, the append only file, and what start-up makes of them.
//!
//! Lives here: when to save, what is written in which order so that a crash between any two operations leaves
//! something loadable, and how files are read back. What does not: the bytes of a snapshot (the node pulls them from
//! the keyspace) and the disk (operations leave as [`DiskOp`](crate::disk::DiskOp)s). One walk over the keyspace
//! serves every purpose: [`job`] carries its bytes. [`save`] is the policy of the dump file, [`aof`] the append only
//! file, [`manifest`] its table of contents, [`recover`] start-up.

pub mod aof;
pub mod job;
pub mod manifest;
pub mod recover;
pub mod replace;
pub mod save;
mod scan;
pub mod sequence;
pub mod temporary;
#[cfg(test)]
mod test_disk;

/// Joins a folder and a name.
pub(crate) fn join(dir: &str, name: &str) -> String {
    match dir {
        "" => name.to_owned(),
        dir if dir.ends_with('/') => format!("{dir}{name}"),
        dir => format!("{dir}/{name}"),
    }
}
