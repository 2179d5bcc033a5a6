use bytes::Bytes;
use slotmesh_replication::disk::{DiskErrorKind, DiskOp, DiskResult, Lane};

use super::{MemDisk, OpKind};

#[test]
fn synced_bytes_survive_every_crash_and_unsynced_ones_are_a_prefix() {
    let mut torn = 0;
    for seed in 0..200 {
        let mut disk = MemDisk::new(seed);
        append(&mut disk, LOG, b"synced");
        sync(&mut disk, LOG);
        append(&mut disk, LOG, b"unsynced");

        disk.crash();

        let left = disk.file(LOG).unwrap();
        assert!(left.len() >= 6 && b"syncedunsynced".starts_with(left), "seed = {seed}");
        torn += usize::from(left.len() > 6 && left.len() < 14);
    }
    assert!(torn > 0, "some appends are torn");
}

#[test]
fn a_strict_crash_leaves_exactly_what_was_synced() {
    for seed in 0..50 {
        let mut disk = MemDisk::new(seed);
        append(&mut disk, LOG, b"synced");
        sync(&mut disk, LOG);
        append(&mut disk, LOG, b"unsynced");
        append(&mut disk, "/data/other", b"name is not synced");
        disk.lose_unsynced();

        disk.crash();

        assert_eq!(disk.file(LOG).unwrap(), b"synced", "seed = {seed}");
        assert_eq!(disk.paths().count(), 1, "seed = {seed}");
    }
}

#[test]
fn a_killed_process_leaves_everything_but_nothing_that_it_did_not_sync_is_safe() {
    let mut disk = MemDisk::new(1);
    append(&mut disk, LOG, b"synced");
    sync(&mut disk, LOG);
    append(&mut disk, LOG, b"unsynced");
    done(&mut disk, DiskOp::Lock { path: CONFIG.into() });

    disk.keep_unsynced();
    disk.crash();
    assert_eq!(disk.file(LOG).unwrap(), b"syncedunsynced");
    assert!(!disk.is_locked(CONFIG));

    disk.lose_unsynced();
    disk.crash();
    assert_eq!(disk.file(LOG).unwrap(), b"synced");
}

#[test]
fn a_rename_happens_wholly_or_not_at_all() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..200 {
        let mut disk = MemDisk::new(seed);
        append(&mut disk, CONFIG, b"old");
        sync(&mut disk, CONFIG);
        append(&mut disk, TEMP, b"new");
        done(&mut disk, DiskOp::Sync { path: TEMP.into() });
        done(&mut disk, DiskOp::Rename { from: TEMP.into(), to: CONFIG.into() });
        assert_eq!(disk.file(CONFIG).unwrap(), b"new");

        disk.crash();

        match disk.file(CONFIG).unwrap() {
            b"old" => old += 1,
            b"new" => {
                new += 1;
                assert!(disk.file(TEMP).is_none(), "the file has one name, seed = {seed}");
            }
            torn => panic!("neither old nor new: {torn:?}, seed = {seed}"),
        }
    }
    assert!(old > 0 && new > 0, "both happen");
}

#[test]
fn a_synced_folder_keeps_a_rename_and_its_file() {
    for seed in 0..50 {
        let mut disk = MemDisk::new(seed);
        append(&mut disk, TEMP, b"new");
        done(&mut disk, DiskOp::Sync { path: TEMP.into() });
        done(&mut disk, DiskOp::Rename { from: TEMP.into(), to: CONFIG.into() });
        done(&mut disk, DiskOp::SyncDir { path: "/data".into() });

        disk.crash();

        assert_eq!(disk.file(CONFIG).unwrap(), b"new", "seed = {seed}");
    }
}

#[test]
fn a_later_change_of_a_name_never_survives_without_the_earlier_one() {
    for seed in 0..200 {
        let mut disk = MemDisk::new(seed);
        disk.install(CONFIG, b"first");
        done(&mut disk, DiskOp::Rename { from: CONFIG.into(), to: "/data/kept".into() });
        append(&mut disk, CONFIG, b"second");

        disk.crash();

        let first = [CONFIG, "/data/kept"].iter().any(|path| disk.file(path) == Some(b"first"));
        assert!(first, "a durable file is never lost, seed = {seed}");
    }
}

#[test]
fn an_unsynced_cut_leaves_the_old_bytes_or_the_cut_ones() {
    for seed in 0..200 {
        let mut disk = MemDisk::new(seed);
        disk.install(LOG, b"0123456789");
        done(&mut disk, DiskOp::Truncate { path: LOG.into(), len: 4 });
        append(&mut disk, LOG, b"ab");
        done(&mut disk, DiskOp::Truncate { path: LOG.into(), len: 3 });
        assert_eq!(disk.file(LOG).unwrap(), b"012");
        assert_eq!(disk.durable_file(LOG).unwrap(), b"0123456789");

        disk.crash();

        let left = disk.file(LOG).unwrap();
        assert!(left == b"0123456789" || left == b"012", "{left:?}, seed = {seed}");
    }
}

#[test]
fn a_full_disk_takes_what_fits_and_says_so() {
    let mut disk = MemDisk::new(1);
    append(&mut disk, LOG, b"12345");
    disk.fill();

    let full = disk.perform(Lane::Log, DiskOp::Append { path: LOG.into(), data: Bytes::from_static(b"6") });

    assert_eq!(failure(full), (DiskErrorKind::NoSpace, "No space left on device".to_owned()));
    disk.free_space();
    append(&mut disk, LOG, b"6");
    assert_eq!(disk.file(LOG).unwrap(), b"123456");
}

#[test]
fn a_failure_hits_the_next_operation_of_its_kind_only() {
    let mut disk = MemDisk::new(1);
    append(&mut disk, LOG, b"1");
    disk.fail_next(OpKind::Sync, DiskErrorKind::Other);

    append(&mut disk, LOG, b"2");
    let failed = disk.perform(Lane::Log, DiskOp::Sync { path: LOG.into() });

    assert_eq!(failure(failed).0, DiskErrorKind::Other);
    sync(&mut disk, LOG);
}

#[test]
fn a_lock_is_held_by_one_process_until_it_ends() {
    let mut disk = MemDisk::new(1);
    let lock = DiskOp::Lock { path: "/data/nodes.conf".into() };
    disk.lock_elsewhere("/data/nodes.conf", true);
    assert_eq!(failure(disk.perform(Lane::Log, lock.clone())).0, DiskErrorKind::Locked);

    disk.lock_elsewhere("/data/nodes.conf", false);

    done(&mut disk, lock);
    assert!(disk.is_locked("/data/nodes.conf"));
    disk.crash();
    assert!(!disk.is_locked("/data/nodes.conf"));
}

#[test]
fn folders_hold_names() {
    let mut disk = MemDisk::new(1);
    let missing =
        disk.perform(Lane::Log, DiskOp::Append { path: "/data/aof/x".into(), data: Bytes::from_static(b"1") });
    assert_eq!(failure(missing).0, DiskErrorKind::NotFound);

    done(&mut disk, DiskOp::MakeDir { path: "/data/aof/".into() });
    append(&mut disk, "/data//aof/./x", b"1");
    append(&mut disk, "/data/b", b"1");

    let names = disk.perform(Lane::Log, DiskOp::List { path: "/data".into() });
    assert_eq!(names, DiskResult::Names(vec!["aof".into(), "b".into()]));
    let names = disk.perform(Lane::Log, DiskOp::List { path: "/data/aof".into() });
    assert_eq!(names, DiskResult::Names(vec!["x".into()]));
    assert_eq!(failure(disk.perform(Lane::Log, DiskOp::List { path: "/nowhere".into() })).0, DiskErrorKind::NotFound);
}

#[test]
fn reads_stop_at_the_end_of_the_file() {
    let mut disk = MemDisk::new(1);
    disk.install(LOG, b"0123456789");

    let read =
        |disk: &mut MemDisk, offset, len| disk.perform(Lane::Log, DiskOp::Read { path: LOG.into(), offset, len });

    assert_eq!(read(&mut disk, 2, 3), DiskResult::Data(Bytes::from_static(b"234")));
    assert_eq!(read(&mut disk, 8, 100), DiskResult::Data(Bytes::from_static(b"89")));
    assert_eq!(read(&mut disk, u64::MAX, usize::MAX), DiskResult::Data(Bytes::new()));
    assert_eq!(disk.perform(Lane::Log, DiskOp::Size { path: LOG.into() }), DiskResult::Size(10));
}

#[test]
fn a_lane_follows_the_file_it_has_open_and_not_its_name() {
    for closes in [false, true] {
        let mut disk = MemDisk::new(1);
        append(&mut disk, LOG, b"old");
        if closes {
            done(&mut disk, DiskOp::Close { path: LOG.into() });
        }
        let rename = DiskOp::Rename { from: LOG.into(), to: "/data/kept".into() };
        assert_eq!(disk.perform(Lane::Snapshot, rename), DiskResult::Done);

        append(&mut disk, LOG, b"new");

        let expected: [Option<&[u8]>; 2] = if closes { [Some(b"old"), Some(b"new")] } else { [Some(b"oldnew"), None] };
        assert_eq!([disk.file("/data/kept"), disk.file(LOG)], expected);
    }
}

const LOG: &str = "/data/log";
const CONFIG: &str = "/data/nodes.conf";
const TEMP: &str = "/data/nodes.conf.tmp";

fn append(disk: &mut MemDisk, path: &str, data: &'static [u8]) {
    done(disk, DiskOp::Append { path: path.into(), data: Bytes::from_static(data) });
}

/// Syncs a file and its folder.
fn sync(disk: &mut MemDisk, path: &str) {
    done(disk, DiskOp::Sync { path: path.into() });
    done(disk, DiskOp::SyncDir { path: "/data".into() });
}

fn done(disk: &mut MemDisk, op: DiskOp) {
    assert_eq!(disk.perform(Lane::Log, op), DiskResult::Done);
}

fn failure(result: DiskResult) -> (DiskErrorKind, String) {
    let DiskResult::Failed(error) = result else { panic!("it did not fail: {result:?}") };
    (error.kind, error.text)
}
