//! PSYNC and SYNC, and the snapshots that full synchronisations share.
//!
//! All replicas that wait when a walk begins, and that need the same, share it. The node asks
//! [`Feeds::wants_snapshot`], begins the walk, says so with [`Feeds::begin_snapshot`] and gives its chunks to
//! [`Feeds::push_chunk`] (sockets) or to a file sink followed by [`Feeds::file_ready`] (disk).

use std::collections::VecDeque;

use bytes::Bytes;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Now;

use super::command::printable;
use super::peer::{Feed, FeedState, FileSend, Origin};
use super::{Feeds, Output, PeerId};
use crate::disk::{DiskOp, DiskResult, Ticket, Tickets};
use crate::log::{Log, ResyncRefusal};
use crate::note::Note;
use crate::offset::Position;
use crate::persist::sequence::{Advance, Sequence};

/// Whether this node can serve a synchronisation at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncGate {
    /// A FAILOVER is running.
    FailingOver,
    /// It is a replica whose own link is down.
    NoLink,
    /// It can.
    Open,
    /// Replies to the peer have not left yet.
    PendingOutput,
}

/// What a replica wants of a snapshot; only equal wants share a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// The keys.
    pub data: bool,
    /// The function libraries.
    pub functions: bool,
    /// Nothing after the snapshot.
    pub rdb_only: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Self { data: true, functions: true, rdb_only: false }
    }
}

/// The way a snapshot takes to replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncForm {
    /// Through a file, sent with its size.
    Disk,
    /// Straight to their connections, ended by a mark.
    Sockets,
}

/// The snapshot on its way.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) form: SyncForm,
    needs: Needs,
    from: Position,
    mark: [u8; 40],
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The walk goes on.
    Walking,
    /// The walk is over; the file is read by those it was written for.
    File { path: String, keep_as: Option<(String, String)> },
}

impl Feeds {
    /// Carries out `PSYNC id offset`.
    ///
    /// # Errors
    /// The error reply, without the leading `-`; the connection stays as it was.
    pub fn psync(&mut self, now: Now, request: Psync<'_>, log: &mut Log, rng: &mut Rng) -> Result<(), String> {
        self.check_gate(request.peer, request.gate)?;
        if self.is_replica(request.peer) {
            return Ok(());
        }
        let offset = super::command::parse_number::<i64>(request.offset)
            .ok_or_else(|| "ERR value is not an integer or out of range".to_owned())?;
        let name = self.attach(now, request.peer, request.origin);
        self.note(Note::notice(format!("Replica {name} asks for synchronization")));
        match log.resume(request.id, offset) {
            Ok(from) => {
                self.counts.partial += 1;
                self.resume(now, request.peer, from, log);
            }
            Err(refusal) => {
                self.counts.refused += u64::from(refusal != ResyncRefusal::Requested);
                self.counts.full += 1;
                self.explain(&name, &request, offset, refusal, log);
                self.wait_for_snapshot(now, request.peer, log, rng);
            }
        }
        Ok(())
    }

    /// Carries out `SYNC`: a full synchronisation of the old kind.
    ///
    /// # Errors
    /// As [`psync`](Self::psync).
    pub fn sync(
        &mut self,
        now: Now,
        peer: PeerId,
        origin: &Origin,
        gate: SyncGate,
        log: &mut Log,
        rng: &mut Rng,
    ) -> Result<(), String> {
        self.check_gate(peer, gate)?;
        if self.is_replica(peer) {
            return Ok(());
        }
        let name = self.attach(now, peer, origin);
        self.note(Note::notice(format!("Replica {name} asks for synchronization")));
        if let Some(feed) = self.feeds.get_mut(&peer) {
            feed.pre_psync = true;
        }
        self.counts.full += 1;
        self.wait_for_snapshot(now, peer, log, rng);
        Ok(())
    }

    /// Whether a snapshot must be made now, and in which form. `busy` says that another walk is running.
    pub fn wants_snapshot(&mut self, now: Now) -> Option<SyncForm> {
        if self.transfer.is_some() || self.settling.is_some() {
            return None;
        }
        let first = self.waiting().next()?;
        let form = self.form_for(first);
        let needs = first.needs;
        let alike = || self.waiting().filter(|feed| feed.needs == needs && self.form_for(feed) == form);
        let longest = alike().map(|feed| now.instant.since(feed.progress_at)).max()?;
        let enough = self.config.diskless_replicas_max;
        let due = form == SyncForm::Disk
            || longest >= self.config.diskless_delay
            || (enough > 0 && alike().count() >= enough);
        due.then_some(form)
    }

    /// What the snapshot that is wanted must hold.
    pub fn snapshot_needs(&self) -> Needs {
        self.waiting().next().map_or_else(Needs::default, |feed| feed.needs)
    }

    /// When [`wants_snapshot`](Self::wants_snapshot) becomes true by time alone.
    pub fn snapshot_due(&self) -> Option<slotmesh_engine::time::Instant> {
        if self.transfer.is_some() {
            return None;
        }
        self.waiting().map(|feed| feed.progress_at + self.config.diskless_delay).min()
    }

    /// Tells that the walk begins here and now: those who wait get their place in the history.
    ///
    /// `at` is the log's end as the walk sees it.
    pub fn begin_snapshot(&mut self, form: SyncForm, log: &Log, rng: &mut Rng) {
        assert!(self.transfer.is_none(), "one snapshot for replicas at a time");
        let (from, needs) = (log.end(), self.snapshot_needs());
        let target = match form {
            SyncForm::Disk => "disk",
            SyncForm::Sockets => "replicas sockets",
        };
        self.note(Note::notice(format!("Starting BGSAVE for SYNC with target: {target}")));
        let mark = rng.hex_id();
        let header = format!("+FULLRESYNC {} {}\r\n", log.replid(), log.offset());
        for (&peer, feed) in &mut self.feeds {
            let joins = matches!(feed.state, FeedState::WaitSnapshot) && feed.needs == needs;
            if !joins || form_of(self.config.diskless, feed) != form {
                continue;
            }
            if !feed.pre_psync {
                feed.control.extend_from_slice(header.as_bytes());
            }
            feed.state = match form {
                SyncForm::Disk => FeedState::WaitFile { from },
                SyncForm::Sockets => {
                    feed.control.extend_from_slice(b"$EOF:");
                    feed.control.extend_from_slice(&mark);
                    feed.control.extend_from_slice(b"\r\n");
                    FeedState::Streaming { from, chunks: VecDeque::new(), complete: false }
                }
            };
            self.outputs.push_back(Output::Ready(peer));
        }
        self.transfer = Some(Transfer { form, needs, from, mark, stage: Stage::Walking });
    }

    /// Whether the replicas of a snapshot in the making can take another chunk; the slowest one decides.
    pub fn has_snapshot_room(&self) -> bool {
        self.feeds.values().all(|feed| {
            let FeedState::Streaming { chunks, .. } = &feed.state else { return true };
            chunks.len() < CHUNKS_IN_FLIGHT_MAX
        })
    }

    /// Whether any replica still takes the snapshot in the making; if not, the walk may as well end.
    pub fn has_snapshot_takers(&self) -> bool {
        self.feeds.values().any(|feed| matches!(feed.state, FeedState::Streaming { .. } | FeedState::WaitFile { .. }))
    }

    /// Gives the next piece of the snapshot to all who take it.
    pub fn push_chunk(&mut self, chunk: &Bytes) {
        for (&peer, feed) in &mut self.feeds {
            if let FeedState::Streaming { chunks, complete: false, .. } = &mut feed.state {
                chunks.push_back(chunk.clone());
                self.outputs.push_back(Output::Ready(peer));
            }
        }
    }

    /// Tells that the last chunk has been given.
    pub fn end_snapshot(&mut self) {
        let Some(transfer) = self.transfer.take() else { return };
        let mark = Bytes::copy_from_slice(&transfer.mark);
        let mut up = 0;
        for (&peer, feed) in &mut self.feeds {
            if let FeedState::Streaming { chunks, complete, .. } = &mut feed.state
                && !std::mem::replace(complete, true)
            {
                chunks.push_back(mark.clone());
                up += 1;
                self.outputs.push_back(Output::Ready(peer));
            }
        }
        self.note(Note::warning(format!("Diskless rdb transfer, done reading from pipe, {up} replicas still up.")));
        self.note(Note::notice("Background RDB transfer terminated with success"));
    }

    /// Tells that the walk failed or was given up: those it was for are disconnected and will come again.
    pub fn fail_snapshot(&mut self, now: Now) {
        let Some(transfer) = self.transfer.take() else { return };
        let text = match transfer.form {
            SyncForm::Disk => "SYNC failed. BGSAVE child returned an error",
            SyncForm::Sockets => "Background transfer error",
        };
        self.note(Note::warning(text));
        let broken: Vec<PeerId> = self
            .feeds
            .iter()
            .filter(|(_, feed)| {
                matches!(feed.state, FeedState::Streaming { complete: false, .. } | FeedState::WaitFile { .. })
            })
            .map(|(&peer, _)| peer)
            .collect();
        for peer in broken {
            self.drop_peer(now, peer);
        }
    }

    /// Tells that the snapshot lies complete and synced in the file at `path`, `size` bytes long.
    ///
    /// It is sent from there, so that name must not be written to before [`Output::FileSettled`]. `keep_as` names what the file becomes afterwards (folder and name of the dump file);
    /// without it the file is removed.
    pub fn file_ready(&mut self, path: &str, size: u64, keep_as: Option<(String, String)>, tickets: &mut Tickets) {
        let Some(transfer) = &mut self.transfer else { return };
        transfer.stage = Stage::File { path: path.to_owned(), keep_as };
        let header = format!("${size}\r\n");
        for (&peer, feed) in &mut self.feeds {
            let FeedState::WaitFile { from } = feed.state else { continue };
            feed.control.extend_from_slice(header.as_bytes());
            let file = FileSend { path: path.to_owned(), size, read: 0, reading: None, chunk: None };
            feed.state = FeedState::Sending { from, file };
            self.outputs.push_back(Output::Ready(peer));
        }
        self.release_file(tickets);
    }

    /// Tells that a newer dump was saved: the file being sent must not replace it.
    pub fn newer_dump_saved(&mut self) {
        if let Some(Transfer { stage: Stage::File { keep_as, .. }, .. }) = &mut self.transfer {
            *keep_as = None;
        }
    }

    /// Once nobody reads the snapshot's file any more, gives it its lasting name or removes it.
    pub(super) fn release_file(&mut self, tickets: &mut Tickets) {
        let Some(Transfer { stage: Stage::File { path, keep_as }, .. }) = &self.transfer else { return };
        if self.feeds.values().any(|feed| matches!(feed.state, FeedState::Sending { .. })) {
            return;
        }
        let from = path.clone();
        let mut ops = vec![DiskOp::Close { path: from.clone() }];
        let keep_as = keep_as.clone().filter(|_| !self.config.delete_sync_files);
        let kept = keep_as.is_some();
        match keep_as {
            Some((dir, to)) => ops.extend([DiskOp::Rename { from, to }, DiskOp::SyncDir { path: dir }]),
            None => ops.push(DiskOp::Remove { path: from }),
        }
        self.transfer = None;
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        self.settling = Some((sequence, kept));
        self.outputs.push_back(Output::Disk(ticket, op));
    }

    /// Takes an answer about the file of a snapshot that was sent.
    pub(super) fn on_settled(&mut self, ticket: Ticket, result: &DiskResult, tickets: &mut Tickets) -> bool {
        let Some((sequence, kept)) = &mut self.settling else { return false };
        let kept = *kept;
        match sequence.on_disk(ticket, result, tickets) {
            Advance::NotMine => return false,
            Advance::Next(ticket, op) => self.outputs.push_back(Output::Disk(ticket, op)),
            Advance::Done => {
                self.settling = None;
                self.outputs.push_back(Output::FileSettled(kept));
            }
            Advance::Failed(error) => {
                self.settling = None;
                let text = format!("Failed trying to keep the file of a SYNC: {}", error.text);
                self.note(Note::warning(text));
                self.outputs.push_back(Output::FileSettled(false));
            }
        }
        true
    }

    fn check_gate(&self, peer: PeerId, gate: SyncGate) -> Result<(), String> {
        if self.is_replica(peer) {
            return Ok(());
        }
        Err(match gate {
            SyncGate::Open => return Ok(()),
            SyncGate::FailingOver => "NOMASTERLINK Can't SYNC while failing over",
            SyncGate::NoLink => "NOMASTERLINK Can't SYNC while not connected with my master",
            SyncGate::PendingOutput => "ERR SYNC and PSYNC are invalid with pending output",
        }
        .to_owned())
    }

    /// Makes sure the connection is known; returns its name.
    fn attach(&mut self, now: Now, peer: PeerId, origin: &Origin) -> String {
        self.feeds.entry(peer).or_insert_with(|| Feed::new(now, origin.clone())).name()
    }

    fn resume(&mut self, now: Now, peer: PeerId, from: Position, log: &Log) {
        let Some(feed) = self.feeds.get_mut(&peer) else { return };
        let name = feed.name();
        match feed.capa_psync2 {
            true => feed.control.extend_from_slice(format!("+CONTINUE {}\r\n", log.replid()).as_bytes()),
            false => feed.control.extend_from_slice(b"+CONTINUE\r\n"),
        }
        feed.acknowledged_at = now.instant;
        feed.announced_ready = true;
        self.set_state(peer, FeedState::Online { sent: from });
        self.after_gain(now);
        self.outputs.push_back(Output::Ready(peer));
        self.note(Note::notice(format!(
            "Partial resynchronization request from {name} accepted. Sending {} bytes of backlog starting from offset {}.",
            log.end().since(from),
            log.offset_at(from).next_byte()
        )));
    }

    fn wait_for_snapshot(&mut self, now: Now, peer: PeerId, log: &mut Log, rng: &mut Rng) {
        if !log.is_active() {
            let note = log.open_new(rng);
            self.note(note);
        }
        self.after_gain(now);
        let diskless = self.config.diskless;
        let delayed = !self.config.diskless_delay.is_zero();
        let Some(feed) = self.feeds.get_mut(&peer) else { return };
        feed.progress_at = now.instant;
        feed.acknowledged_at = now.instant;
        feed.state = FeedState::WaitSnapshot;
        let (form, needs) = (form_of(diskless, feed), feed.needs);
        match &self.transfer {
            Some(running) if self.can_join(running, form, needs) => self.join(peer, log),
            Some(Transfer { form: SyncForm::Sockets, .. }) => {
                self.note(Note::notice("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC"));
            }
            Some(_) => {
                self.note(Note::notice(
                    "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC",
                ));
            }
            None if form == SyncForm::Sockets && delayed => {
                self.note(Note::notice("Delay next BGSAVE for diskless SYNC"));
            }
            None => {}
        }
    }

    /// A snapshot on its way to disk serves a late replica too, as long as one it was begun for keeps the log.
    fn can_join(&self, running: &Transfer, form: SyncForm, needs: Needs) -> bool {
        let writing = matches!(running.stage, Stage::Walking) && running.form == SyncForm::Disk;
        let kept = || self.feeds.values().any(|feed| matches!(feed.state, FeedState::WaitFile { .. }));
        writing && form == SyncForm::Disk && needs == running.needs && kept()
    }

    fn join(&mut self, peer: PeerId, log: &Log) {
        let Some(from) = self.transfer.as_ref().map(|transfer| transfer.from) else { return };
        let Some(feed) = self.feeds.get_mut(&peer) else { return };
        if !feed.pre_psync {
            let header = format!("+FULLRESYNC {} {}\r\n", log.replid(), log.offset_at(from));
            feed.control.extend_from_slice(header.as_bytes());
        }
        feed.state = FeedState::WaitFile { from };
        self.outputs.push_back(Output::Ready(peer));
        self.note(Note::notice("Waiting for end of BGSAVE for SYNC"));
    }

    fn explain(&mut self, name: &str, request: &Psync<'_>, asked: i64, refusal: ResyncRefusal, log: &Log) {
        let text = match refusal {
            ResyncRefusal::Requested => format!("Full resync requested by replica {name}"),
            ResyncRefusal::UnknownReplid => format!(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{}', my replication IDs are '{}' and '{}')",
                printable(request.id),
                log.replid(),
                log.replid2()
            ),
            ResyncRefusal::SecondIdEnded { asked, limit } => format!(
                "Partial resynchronization not accepted: Requested offset for second ID was {asked}, but I can reply up to {limit}"
            ),
            ResyncRefusal::BacklogPassed { .. } => {
                format!(
                    "Unable to partial resync with replica {name} for lack of backlog (Replica request was: {asked})."
                )
            }
        };
        self.note(Note::notice(text));
        if matches!(refusal, ResyncRefusal::BacklogPassed { .. })
            && u64::try_from(asked).is_ok_and(|asked| asked > log.offset().next_byte())
        {
            self.note(Note::warning(format!(
                "Warning: replica {name} tried to PSYNC with an offset that is greater than the master replication offset."
            )));
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &Feed> {
        self.feeds.values().filter(|feed| matches!(feed.state, FeedState::WaitSnapshot))
    }

    fn form_for(&self, feed: &Feed) -> SyncForm {
        form_of(self.config.diskless, feed)
    }
}

fn form_of(diskless: bool, feed: &Feed) -> SyncForm {
    if diskless && feed.capa_eof { SyncForm::Sockets } else { SyncForm::Disk }
}

/// A PSYNC as it came.
#[derive(Debug)]
pub struct Psync<'a> {
    /// The connection it came on.
    pub peer: PeerId,
    /// What is known of the connection.
    pub origin: &'a Origin,
    /// Whether it can be served now.
    pub gate: SyncGate,
    /// The history asked for, or `?`.
    pub id: &'a [u8],
    /// The next byte wanted, counted from 1, in decimal.
    pub offset: &'a [u8],
}

/// Chunks of a snapshot that may wait for one replica: enough to cover a round trip, little enough for memory.
const CHUNKS_IN_FLIGHT_MAX: usize = 4;
