//! Bytes for one replica's out-buffer, as much as there is room for.

use bytes::Bytes;
use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::time::Now;

use super::peer::{Feed, FeedState};
use super::{Feeds, Output, PeerId};
use crate::disk::{DiskOp, DiskResult, Ticket, Tickets};
use crate::log::Log;
use crate::note::Note;
use crate::offset::Position;

/// What happened while a replica was filled.
enum Step {
    /// Nothing more to give now.
    Blocked,
    /// The snapshot has left completely.
    SnapshotSent { from: Position, streamed: bool },
    /// Read the next piece of its file.
    Read(DiskOp),
}

impl Feeds {
    /// Puts what waits for a replica into `out` while it holds less than [`OUT_BYTES_MAX`].
    ///
    /// Call it for each [`Output::Ready`] and when the out-buffer has drained. It asks `out` for a drain notice when
    /// more is left, so that the caller need not know.
    pub fn fill(&mut self, now: Now, peer: PeerId, log: &mut Log, out: &mut OutBuf, tickets: &mut Tickets) {
        let Some(feed) = self.feeds.get_mut(&peer) else { return };
        feed.announced_ready = false;
        if !feed.control.is_empty() {
            out.put(&feed.control);
            feed.control = Vec::new();
        }
        match feed.fill(now, log, out) {
            Step::Blocked => {}
            Step::Read(op) => {
                let ticket = tickets.take();
                if let FeedState::Sending { file, .. } = &mut feed.state {
                    file.reading = Some(ticket);
                }
                self.outputs.push_back(Output::Disk(ticket, op));
            }
            Step::SnapshotSent { from, streamed } => {
                self.snapshot_sent(now, peer, from, streamed);
                self.release_file(tickets);
                // A stream that may start at once starts now.
                if let Some(feed) = self.feeds.get_mut(&peer) {
                    feed.fill(now, log, out);
                }
            }
        }
        if out.len() >= OUT_BYTES_MAX {
            out.want_drained();
        }
    }

    /// Takes the answer to a disk operation this machine asked for. Returns whether it was one.
    pub fn on_disk(&mut self, now: Now, ticket: Ticket, result: DiskResult, tickets: &mut Tickets) -> bool {
        let reader = self.feeds.iter_mut().find_map(|(&peer, feed)| {
            let FeedState::Sending { file, .. } = &mut feed.state else { return None };
            (file.reading == Some(ticket)).then_some((peer, file))
        });
        let Some((peer, file)) = reader else { return self.on_settled(ticket, &result, tickets) };
        file.reading = None;
        match result {
            DiskResult::Data(data) if !data.is_empty() => {
                file.read += data.len() as u64;
                file.chunk = Some(data);
                self.outputs.push_back(Output::Ready(peer));
            }
            DiskResult::Failed(error) => self.read_failed(now, peer, &error.text, tickets),
            DiskResult::Data(_) | DiskResult::Done | DiskResult::Names(_) | DiskResult::Size(_) => {
                self.read_failed(now, peer, "premature EOF", tickets);
            }
        }
        true
    }

    fn read_failed(&mut self, now: Now, peer: PeerId, text: &str, tickets: &mut Tickets) {
        self.note(Note::warning(format!("Read error sending DB to replica: {text}")));
        self.drop_peer(now, peer);
        self.release_file(tickets);
    }

    fn snapshot_sent(&mut self, now: Now, peer: PeerId, from: Position, streamed: bool) {
        let Some(feed) = self.feeds.get_mut(&peer) else { return };
        let name = feed.name();
        feed.acknowledged_at = now.instant;
        if feed.needs.rdb_only {
            feed.state = FeedState::RdbOnlyDone;
            feed.progress_at = now.instant;
            self.note(Note::notice(format!(
                "RDB transfer completed, rdb only replica ({name}) should be disconnected asap"
            )));
            return;
        }
        // A replica of the old kind never acknowledges; waiting for it would wait for ever.
        let waits = streamed && !feed.pre_psync;
        feed.state = if waits { FeedState::WaitAck { from } } else { FeedState::Online { sent: from } };
        if streamed {
            self.note(Note::notice(format!(
                "Streamed RDB transfer with replica {name} succeeded (socket). Waiting for REPLCONF ACK from slave to enable streaming"
            )));
        }
        self.note(Note::notice(format!("Synchronization with replica {name} succeeded")));
    }
}

impl Feed {
    fn fill(&mut self, now: Now, log: &mut Log, out: &mut OutBuf) -> Step {
        match &mut self.state {
            FeedState::Streaming { from, chunks, complete } => {
                while out.len() < OUT_BYTES_MAX {
                    let Some(chunk) = chunks.pop_front() else { break };
                    out.put_shared(chunk);
                    self.progress_at = now.instant;
                }
                match *complete && chunks.is_empty() {
                    true => Step::SnapshotSent { from: *from, streamed: true },
                    false => Step::Blocked,
                }
            }
            FeedState::Sending { from, file } => {
                if out.len() >= OUT_BYTES_MAX {
                    return Step::Blocked;
                }
                if let Some(chunk) = file.chunk.take() {
                    out.put_shared(chunk);
                    self.progress_at = now.instant;
                }
                if file.reading.is_some() {
                    return Step::Blocked;
                }
                if file.read == file.size {
                    return Step::SnapshotSent { from: *from, streamed: false };
                }
                let len = (file.size - file.read).min(READ_BYTES) as usize;
                Step::Read(DiskOp::Read { path: file.path.clone(), offset: file.read, len })
            }
            FeedState::Online { sent } => {
                let room = OUT_BYTES_MAX.saturating_sub(out.len());
                let copied = log.copy_to(*sent, room, out);
                *sent = *sent + copied as u64;
                Step::Blocked
            }
            FeedState::Greeting
            | FeedState::RdbOnlyDone
            | FeedState::WaitAck { .. }
            | FeedState::WaitFile { .. }
            | FeedState::WaitSnapshot => Step::Blocked,
        }
    }
}

/// The keepalive line.
pub(super) const NEWLINE: Bytes = Bytes::from_static(b"\n");

/// Bytes a replica's out-buffer is filled up to. More would only move the lag from the shared log into a buffer of
/// its own; less would starve a fast link between two turns of the loop.
pub const OUT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a snapshot file read at a time.
const READ_BYTES: u64 = 256 * 1024;
