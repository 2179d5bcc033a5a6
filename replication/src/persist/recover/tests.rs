//! Start-up from every kind of folder.

use slotmesh_engine::rdb::encoding::Compress;
use slotmesh_engine::rdb::object::RdbValue;
use slotmesh_engine::rdb::reader::{Event, RdbReader};
use slotmesh_engine::rdb::writer::{Attributes, Checksum, RdbWriter};
use slotmesh_engine::time::Now;

use super::{Found, Output, RdbSource, Recover, RecoverConfig};
use crate::disk::{DiskOp, Tickets};
use crate::persist::test_disk::TestDisk;

const SET: &str = "*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n";
const MULTI: &str = "*1\r\n$5\r\nMULTI\r\n";
const DIR: &str = "/d/appendonlydir/";
const MANIFEST: &str = "/d/appendonlydir/appendonly.aof.manifest";

/// Everything a recovery said.
#[derive(Debug, Default)]
struct Told {
    commands: String,
    keys: usize,
    notes: Vec<String>,
    found: Option<Found>,
    fatal: Vec<String>,
}

impl Told {
    fn has_note(&self, text: &str) -> bool {
        self.notes.iter().any(|note| note.contains(text))
    }
}

fn config(aof: bool) -> RecoverConfig {
    RecoverConfig {
        dir: "/d".to_owned(),
        dump_name: "dump.rdb".to_owned(),
        aof_folder: "appendonlydir".to_owned(),
        aof_name: "appendonly.aof".to_owned(),
        aof,
        load_truncated: true,
        starts_as: None,
    }
}

/// Reads back as a node would; stops after `ops_max` operations.
fn run(disk: &mut TestDisk, config: RecoverConfig, ops_max: usize) -> Told {
    let mut tickets = Tickets::default();
    let mut recover = Recover::begin(Now::default(), config, &mut tickets);
    let (mut told, mut reader, mut ops) = (Told::default(), RdbReader::new(), 0);
    while let Some(output) = recover.poll(&mut tickets) {
        match output {
            Output::Commands(bytes) => told.commands.push_str(std::str::from_utf8(&bytes).unwrap()),
            Output::Disk(..) if ops == ops_max => break,
            Output::Disk(ticket, op) => {
                ops += 1;
                let result = disk.run(&op);
                assert!(recover.on_disk(Now::default(), ticket, result, &mut tickets));
            }
            Output::Done(found) => told.found = Some(found),
            Output::Fatal(lines) => told.fatal = lines,
            Output::Note(note) => told.notes.push(note.text),
            Output::RdbBegin(_) => reader = RdbReader::new(),
            Output::Rdb(bytes) => feed(&mut recover, &mut reader, &bytes, &mut told),
        }
    }
    told
}

fn feed(recover: &mut Recover, reader: &mut RdbReader, bytes: &[u8], told: &mut Told) {
    reader.feed(bytes);
    loop {
        match reader.next() {
            Ok(Some(Event::Entry(_))) => told.keys += 1,
            Ok(Some(Event::End(_))) => return recover.rdb_ended(reader.rest()),
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => return recover.rdb_failed(&error.to_string()),
        }
    }
}

fn rdb() -> Vec<u8> {
    let mut writer = RdbWriter::new(Compress::Yes, Checksum::Yes);
    let mut out = Vec::new();
    writer.header(&mut out);
    writer.select_db(&mut out, 0, 1, 0);
    writer.entry(&mut out, b"k", Attributes::default(), RdbValue::Bytes(b"v"));
    writer.seal(&out);
    writer.finish(&mut out);
    out
}

/// A disk with a base (RDB) and one incremental file of these contents.
fn disk(increment: &str) -> TestDisk {
    let mut disk = TestDisk::new(&["/d", "/d/appendonlydir"]);
    disk.put(MANIFEST, b"file a.base seq 1 type b\nfile a.incr seq 1 type i\n");
    disk.put(&format!("{DIR}a.base"), &rdb());
    disk.put(&format!("{DIR}a.incr"), increment.as_bytes());
    disk
}

#[test]
fn an_empty_folder_holds_nothing() {
    for aof in [false, true] {
        let told = run(&mut TestDisk::new(&["/d"]), config(aof), usize::MAX);
        let found = told.found.unwrap();
        assert!(!found.loaded);
        assert!(found.aof.manifest.is_empty());
    }
}

#[test]
fn the_dump_is_loaded_and_damage_is_fatal() {
    let mut disk = TestDisk::new(&["/d"]);
    disk.put("/d/dump.rdb", &rdb());
    let told = run(&mut disk, config(false), usize::MAX);
    assert_eq!((told.keys, told.found.unwrap().loaded), (1, true));
    assert_eq!(told.notes, ["DB loaded from disk: 0.000 seconds"]);

    let cut = rdb();
    disk.put("/d/dump.rdb", &cut[..cut.len() - 3]);
    let told = run(&mut disk, config(false), usize::MAX);
    assert_eq!(told.fatal, ["Short read or OOM loading DB. Unrecoverable error, aborting now."]);
    disk.put("/d/dump.rdb", b"REDIS0099...");
    let told = run(&mut disk, config(false), usize::MAX);
    let lines = ["Can't handle RDB format version 99", "Fatal error loading the DB: Invalid argument. Exiting."];
    assert_eq!(told.fatal, lines);
}

#[test]
fn base_and_increments_are_loaded_in_order() {
    let told = run(&mut disk(SET), config(true), usize::MAX);

    assert_eq!((told.keys, told.commands.as_str()), (1, SET));
    for text in
        ["DB loaded from base file a.base: ", "DB loaded from incr file a.incr: ", "DB loaded from append only file: "]
    {
        assert!(told.has_note(text), "{text}");
    }
    let found = told.found.unwrap().aof;
    assert_eq!((found.earlier_bytes, found.last_bytes), (rdb().len() as u64, SET.len() as u64));
}

#[test]
fn the_dump_is_not_loaded_beside_an_append_only_file() {
    let mut disk = disk(SET);
    disk.put("/d/dump.rdb", b"nonsense and more");
    assert!(run(&mut disk, config(true), usize::MAX).fatal.is_empty());

    let told = run(&mut disk, config(false), usize::MAX);
    assert_eq!(told.fatal[0], "Wrong signature trying to load DB from file");
}

#[test]
fn commands_may_follow_an_rdb_in_one_file() {
    let mut disk = disk("");
    let text = [&rdb()[..], SET.as_bytes(), SET.as_bytes()].concat();
    disk.put(&format!("{DIR}a.incr"), &text);

    let told = run(&mut disk, config(true), usize::MAX);
    assert_eq!((told.keys, told.commands), (2, format!("{SET}{SET}")));
}

#[test]
fn a_torn_tail_is_cut_after_the_last_whole_command() {
    let mut disk = disk(&format!("{SET}*3\r\n$3\r\nset\r\n$1"));
    let told = run(&mut disk, config(true), usize::MAX);

    assert_eq!(told.commands, SET);
    assert_eq!(disk.get(&format!("{DIR}a.incr")), Some(SET.as_bytes()));
    assert_eq!(told.found.unwrap().aof.last_bytes, SET.len() as u64);
    let lines = [
        "!!! Warning: short read while loading the AOF file a.incr!!!",
        "!!! Truncating the AOF a.incr at offset 27 !!!",
        "AOF a.incr loaded anyway because aof-load-truncated is enabled",
    ];
    assert!(told.notes.windows(3).any(|notes| notes == lines), "{:?}", told.notes);
}

#[test]
fn an_unfinished_transaction_is_cut_back_to_its_beginning() {
    let mut disk = disk(&format!("{SET}{MULTI}{SET}"));
    let told = run(&mut disk, config(true), usize::MAX);

    assert_eq!(told.commands, SET);
    assert_eq!(disk.get(&format!("{DIR}a.incr")), Some(SET.as_bytes()));
    assert!(told.has_note("Revert incomplete MULTI/EXEC transaction in AOF file a.incr"));
}

#[test]
fn a_torn_tail_is_fatal_when_it_may_not_be_cut() {
    let strict = RecoverConfig { load_truncated: false, ..config(true) };
    let told = run(&mut disk("*3\r\n"), strict, usize::MAX);
    assert!(told.fatal[0].starts_with("Unexpected end of file reading the append only file a.incr. You can: 1)"));

    let mut disk = disk("*3\r\n");
    disk.put(MANIFEST, b"file a.base seq 1 type b\nfile a.incr seq 1 type i\nfile b.incr seq 2 type i\n");
    disk.put(&format!("{DIR}b.incr"), b"");
    let told = run(&mut disk, config(true), usize::MAX);
    assert_eq!(told.fatal, ["Fatal error: the truncated file is not the last file"]);
    assert_eq!(disk.get(&format!("{DIR}a.incr")), Some(&b"*3\r\n"[..]), "the file is left as it was");
}

#[test]
fn what_is_no_command_is_fatal() {
    let told = run(&mut disk("SET k v\r\n"), config(true), usize::MAX);
    let text = "Bad file format reading the append only file a.incr: make a backup of your AOF file, then use ./redis-check-aof --fix appendonly.aof.manifest";
    assert_eq!(told.fatal, [text]);
}

#[test]
fn a_listed_file_that_is_missing_is_fatal() {
    let mut disk = disk("");
    disk.run(&DiskOp::Remove { path: format!("{DIR}a.incr") });
    let told = run(&mut disk, config(true), usize::MAX);
    assert_eq!(told.fatal, ["The append log file a.incr doesn't exist: No such file or directory"]);
}

#[test]
fn a_bad_manifest_is_fatal_and_left_alone() {
    let mut disk = disk("");
    disk.put(MANIFEST, b"file a.base seq 1 type q\n");
    let told = run(&mut disk, config(true), usize::MAX);

    assert_eq!(told.fatal.last().unwrap(), "Unknown AOF file type");
    assert_eq!(disk.get(MANIFEST), Some(&b"file a.base seq 1 type q\n"[..]));
}

#[test]
fn an_old_single_file_is_moved_whenever_the_move_was_interrupted() {
    for cut in 0..20 {
        let mut disk = TestDisk::new(&["/d"]);
        disk.put("/d/appendonly.aof", SET.as_bytes());
        let told = run(&mut disk, config(true), cut);
        let migrated =
            "Successfully migrated an old-style AOF file appendonly.aof into the AOF directory appendonlydir.";
        assert!(cut < 19 || told.has_note(migrated));
        for mut after in [disk.killed(), disk.power_lost()] {
            let told = run(&mut after, config(true), usize::MAX);

            assert_eq!(told.commands, SET, "cut {cut}: {:?}", told.fatal);
            assert_eq!(after.get("/d/appendonlydir/appendonly.aof"), Some(SET.as_bytes()));
            assert_eq!(after.get(MANIFEST), Some(&b"file appendonly.aof seq 1 type b\n"[..]));
        }
    }
}

#[test]
fn an_aof_begins_with_its_own_kind_of_rdb() {
    let mut tickets = Tickets::default();
    let mut disk = disk("");
    let mut recover = Recover::begin(Now::default(), config(true), &mut tickets);
    loop {
        match recover.poll(&mut tickets).unwrap() {
            Output::Disk(ticket, op) => {
                let result = disk.run(&op);
                recover.on_disk(Now::default(), ticket, result, &mut tickets);
            }
            Output::RdbBegin(source) => {
                assert_eq!(source, RdbSource::Aof);
                return;
            }
            Output::Commands(_) | Output::Done(_) | Output::Fatal(_) | Output::Note(_) | Output::Rdb(_) => {}
        }
    }
}

#[test]
fn what_was_read_survives_a_loss_of_power_although_the_process_before_was_killed() {
    let mut disk = disk(SET);
    // The process before had cut the file and named it, and was killed ahead of the syncs.
    disk.run(&DiskOp::Truncate { path: format!("{DIR}a.incr"), len: 0 });
    disk.run(&DiskOp::Append { path: format!("{DIR}a.incr"), data: SET.repeat(2).into() });
    disk.run(&DiskOp::Rename { from: format!("{DIR}a.incr"), to: format!("{DIR}b.incr") });
    disk.run(&DiskOp::Create { path: format!("{DIR}temp") });
    let manifest = "file a.base seq 1 type b\nfile b.incr seq 1 type i\n";
    disk.run(&DiskOp::Append { path: format!("{DIR}temp"), data: manifest.into() });
    disk.run(&DiskOp::Rename { from: format!("{DIR}temp"), to: MANIFEST.to_owned() });
    let mut killed = disk.killed();

    let told = run(&mut killed, config(true), usize::MAX);

    assert_eq!(told.commands, SET.repeat(2), "{:?}", told.fatal);
    assert_eq!(run(&mut killed.power_lost(), config(true), usize::MAX).commands, told.commands);
}

#[test]
fn a_file_is_opened_anew_when_it_is_read() {
    let mut disk = TestDisk::new(&["/d"]);
    disk.put("/d/dump.rdb", &rdb());
    let mut tickets = Tickets::default();
    let mut recover = Recover::begin(Now::default(), config(false), &mut tickets);
    let mut ops = Vec::new();
    while let Some(output) = recover.poll(&mut tickets) {
        if let Output::Disk(ticket, op) = output {
            let result = disk.run(&op);
            ops.push(op);
            recover.on_disk(Now::default(), ticket, result, &mut tickets);
        }
    }

    let path = || "/d/dump.rdb".to_owned();
    assert_eq!(ops[1], DiskOp::Close { path: path() });
    assert!(matches!(&ops[2], DiskOp::Read { path: read, .. } if *read == path()), "{ops:?}");
}
