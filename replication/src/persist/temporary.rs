//! Names of files that are not complete yet.
//!
//! A process that is killed leaves them behind. They are removed at the next start where nobody else can be at work on
//! them: Redis's names carry the number of the process, and several servers may share a folder.

/// The dump file while it is written.
pub fn dump(process_id: u32) -> String {
    format!("temp-{process_id}.rdb")
}

/// A dump that is sent to replicas.
pub fn sync_file(process_id: u32) -> String {
    format!("temp-sync-{process_id}.rdb")
}

/// The base of a rewritten append only file.
pub fn aof_base(process_id: u32) -> String {
    format!("temp-rewriteaof-bg-{process_id}.aof")
}

/// The first incremental file of an append only file that is being created, in its own folder.
pub fn aof_increment(name: &str) -> String {
    format!("temp-{name}.incr")
}

/// The manifest of an append only file, in its own folder.
pub fn aof_manifest(manifest: &str) -> String {
    format!("temp-{manifest}")
}

/// A small file that is replaced as a whole: nodes.conf, redis.conf.
pub fn replacement(name: &str, process_id: u32) -> String {
    format!("{name}.tmp-{process_id}")
}

/// Whether this is what a process, whichever, was going to replace the file `name` by. Redis and Valkey put the time
/// behind the process's number.
pub fn is_replacement(of: &str, name: &str) -> bool {
    let number = name.strip_prefix(of).and_then(|rest| rest.strip_prefix(".tmp-"));
    number.is_some_and(|number| {
        number.starts_with(|first: char| first.is_ascii_digit())
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::{is_replacement, replacement};

    #[test]
    fn replacements_are_told_from_other_files() {
        for name in [&*replacement("nodes.conf", 17), "nodes.conf.tmp-1-1700000000000"] {
            assert!(is_replacement("nodes.conf", name), "{name}");
        }
        for name in ["nodes.conf", "nodes.conf.tmp-", "nodes.conf.tmp-1.bak", "nodes.conf.tmp--1", "xnodes.conf.tmp-1"]
        {
            assert!(!is_replacement("nodes.conf", name), "{name}");
        }
    }
}
