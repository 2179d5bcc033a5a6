//! The append only file: a manifest writes itself again, and files load the same however they are read.

use std::collections::BTreeMap;

use slotmesh_engine::rdb::reader::RdbReader;
use slotmesh_engine::rng::Rng;
use slotmesh_replication::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult, Tickets};
use slotmesh_replication::persist::manifest::Manifest;
use slotmesh_replication::persist::recover::{Output, Recover, RecoverConfig};

use super::command::request;
use super::input::Input;
use super::nodes_conf::now;

/// Two bytes choose; then manifest, base and increment, each up to a byte `0xfd`.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, seed) = (input.byte(), u64::from(input.byte()));
    let parts = [input.until(MARK), input.until(MARK), input.rest()];
    check_manifest(parts[0]);
    let whole = recovered(&files(choice, parts), choice, None);
    let cut = recovered(&files(choice, parts), choice, Some(Rng::new(seed)));
    assert_eq!(cut, whole, "short reads change nothing");
}

fn check_manifest(text: &[u8]) {
    let Ok(manifest) = Manifest::parse(text) else { return };
    if manifest == Manifest::default() {
        return;
    }
    let written = manifest.format();
    let again = Manifest::parse(written.as_bytes()).unwrap_or_else(|error| panic!("{error:?} in {written}"));
    assert_eq!(again, manifest, "{written}");
}

fn files(choice: u8, [manifest, base, increment]: [&[u8]; 3]) -> BTreeMap<String, Vec<u8>> {
    let manifest = if choice & 1 == 0 { MANIFEST } else { manifest };
    let mut files = BTreeMap::from([
        ("/d/appendonlydir/a.1.base.rdb".to_owned(), base.to_vec()),
        ("/d/appendonlydir/a.1.incr.aof".to_owned(), increment.to_vec()),
        ("/d/dump.rdb".to_owned(), base.to_vec()),
    ]);
    if choice & 2 == 0 {
        files.insert("/d/appendonlydir/a.manifest".to_owned(), manifest.to_vec());
    }
    if choice & 4 != 0 {
        files.insert("/d/a".to_owned(), increment.to_vec());
    }
    files
}

/// What a start makes of the files. With `cuts`, reads give any part of what was asked for.
fn recovered(files: &BTreeMap<String, Vec<u8>>, choice: u8, mut cuts: Option<Rng>) -> Vec<String> {
    let mut files = files.clone();
    let config = RecoverConfig {
        dir: "/d".to_owned(),
        dump_name: "dump.rdb".to_owned(),
        aof_folder: "appendonlydir".to_owned(),
        aof_name: "a".to_owned(),
        aof: choice & 8 == 0,
        load_truncated: choice & 16 == 0,
        starts_as: None,
    };
    let mut tickets = Tickets::default();
    let mut recover = Recover::begin(now(), config, &mut tickets);
    let (mut told, mut commands) = (Vec::new(), Vec::new());
    let mut reader: Option<RdbReader> = None;
    for _ in 0..STEPS_MAX {
        let Some(output) = recover.poll(&mut tickets) else { break };
        match output {
            Output::Commands(bytes) => commands.extend_from_slice(&bytes),
            Output::Disk(ticket, op) => {
                let result = perform(&mut files, op, cuts.as_mut());
                assert!(recover.on_disk(now(), ticket, result, &mut tickets), "the ticket is its own");
            }
            Output::Done(found) => {
                told.push(format!("done {found:?} {:?}", commands.escape_ascii().to_string()));
                return told;
            }
            Output::Fatal(lines) => {
                assert!(!lines.is_empty());
                told.push(format!("fatal {lines:?} {:?}", commands.escape_ascii().to_string()));
                return told;
            }
            Output::Note(note) => told.push(note.text),
            Output::Rdb(bytes) => {
                let Some(reading) = &mut reader else { continue };
                reading.feed(&bytes);
                loop {
                    match reading.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(error) => {
                            recover.rdb_failed(&error.to_string());
                            reader = None;
                            break;
                        }
                    }
                }
                if let Some(ended) = reader.take_if(|reader| reader.is_ended()) {
                    recover.rdb_ended(ended.rest());
                }
            }
            Output::RdbBegin(_) => reader = Some(RdbReader::new()),
        }
    }
    panic!("a start ends: {told:?}");
}

fn perform(files: &mut BTreeMap<String, Vec<u8>>, op: DiskOp, cuts: Option<&mut Rng>) -> DiskResult {
    let missing = || DiskResult::Failed(DiskError { kind: DiskErrorKind::NotFound, text: "No such file".to_owned() });
    match op {
        DiskOp::List { path } => {
            let inside =
                |name: &String| name.strip_prefix(&path)?.strip_prefix('/')?.split('/').next().map(str::to_owned);
            let mut names: Vec<String> = files.keys().filter_map(inside).collect();
            names.dedup();
            DiskResult::Names(names)
        }
        DiskOp::Read { path, offset, len } => {
            let Some(file) = files.get(&path) else { return missing() };
            let rest = &file[file.len().min(offset as usize)..];
            let mut len = len.min(rest.len());
            // A manifest is read at once; its end is not asked for.
            // The first bytes tell what a file is, and come together.
            let first = if offset == 0 { FIRST_BYTES_MIN } else { 1 };
            if let Some(cuts) = cuts.filter(|_| len > first && !path.ends_with("manifest")) {
                len = first + cuts.index(len - first).min(20);
            }
            DiskResult::Data(rest[..len].to_vec().into())
        }
        DiskOp::Append { path, data } => {
            files.entry(path).or_default().extend_from_slice(&data);
            DiskResult::Done
        }
        DiskOp::Create { path } => {
            files.insert(path, Vec::new());
            DiskResult::Done
        }
        DiskOp::Remove { path } => files.remove(&path).map_or_else(missing, |_| DiskResult::Done),
        DiskOp::Rename { from, to } => match files.remove(&from) {
            Some(file) => {
                files.insert(to, file);
                DiskResult::Done
            }
            None => missing(),
        },
        DiskOp::Size { path } => files.get(&path).map_or_else(missing, |file| DiskResult::Size(file.len() as u64)),
        DiskOp::Truncate { path, len } => {
            let Some(file) = files.get_mut(&path) else { return missing() };
            assert!(len <= file.len() as u64, "a tail is cut, nothing is added");
            file.truncate(len as usize);
            DiskResult::Done
        }
        DiskOp::CheckProgram { .. }
        | DiskOp::Close { .. }
        | DiskOp::Lock { .. }
        | DiskOp::MakeDir { .. }
        | DiskOp::Sync { .. }
        | DiskOp::SyncDir { .. } => DiskResult::Done,
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let rdb: &[u8] = b"REDIS0003\xfe\0\0\x01k\x01v\xff";
    let commands =
        [request("SELECT 0"), request("SET k v"), request("MULTI"), request("INCR n"), request("EXEC")].concat();
    let annotated = [b"#TS:1700000000\r\n".to_vec(), commands.clone()].concat();
    let torn = &commands[..commands.len() - 9];
    let with = |choice: u8, manifest: &[u8], base: &[u8], increment: &[u8]| {
        [&[choice, 7], manifest, &[MARK], base, &[MARK], increment].concat()
    };
    vec![
        with(0, b"", rdb, &commands),
        with(0, b"", &[rdb, &commands[..]].concat(), &annotated),
        with(0, b"", &annotated, torn),
        with(16, b"", rdb, torn),
        with(1, MANIFEST, rdb, &commands),
        with(1, b"file \"a b\" seq 1 type b\nfile old seq 3 type h\nfile \"\\x01\" seq 7 type i x y\n", rdb, b""),
        with(6, b"", rdb, &commands),
        with(8, b"", rdb, b""),
    ]
}

const MANIFEST: &[u8] = b"file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
const MARK: u8 = 0xfd;
const FIRST_BYTES_MIN: usize = 5;
/// Steps a start may take: every read but the last of a file gives a byte at least, and notes are few.
const STEPS_MAX: usize = 200_000;
