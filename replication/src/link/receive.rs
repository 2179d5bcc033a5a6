//! What bytes from the primary do before the stream is open.

use bytes::Bytes;
use slotmesh_engine::time::Now;

use super::{Link, LoadTarget, Output, Stage, Upstream};
use crate::feed::command::{parse_number, printable};
use crate::handshake::{Progress, put_command};
use crate::note::Note;
use crate::offset::{Offset, Replid};
use crate::transfer::Body;

impl Link {
    /// Feeds bytes that arrived; returns how many of them were the link's. The rest are commands of the stream: when
    /// any are left, [`is_streaming`](Link::is_streaming) holds.
    pub fn received(&mut self, now: Now, bytes: &[u8]) -> usize {
        self.last_io = now.instant;
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            match &mut self.stage {
                Stage::Streaming { .. } => return used,
                Stage::Idle | Stage::Waiting | Stage::Dialling => return bytes.len(),
                Stage::Greeting(_) | Stage::Asking | Stage::Header { .. } => used += self.take_line(now, rest),
                Stage::Receiving { .. } => used += self.take_body(rest),
                Stage::Loading { early, .. } => {
                    early.extend_from_slice(rest);
                    if early.len() > EARLY_BYTES_MAX {
                        self.give_up(now, Note::warning("Too much replication stream arrived while loading"));
                    }
                    return bytes.len();
                }
            }
        }
        used
    }

    /// Takes bytes up to the end of a line and acts on the line; returns how many.
    fn take_line(&mut self, now: Now, bytes: &[u8]) -> usize {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(&bytes[..used]);
        if self.line.len() > LINE_BYTES_MAX {
            self.give_up(now, Note::warning("Master sent a line that is too long during SYNC handshake"));
        } else if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            self.on_line(now, line.strip_suffix(b"\r").unwrap_or(line));
        }
        used
    }

    fn on_line(&mut self, now: Now, line: &[u8]) {
        match &mut self.stage {
            Stage::Greeting(handshake) => {
                let progress = handshake.line(line);
                self.on_greeting(now, progress);
            }
            // Empty lines are signs of life while the primary prepares.
            _ if line.is_empty() => {}
            Stage::Asking => self.on_psync_reply(now, line),
            Stage::Header { history } => {
                let history = *history;
                self.on_header(now, line, history);
            }
            Stage::Dialling
            | Stage::Idle
            | Stage::Loading { .. }
            | Stage::Receiving { .. }
            | Stage::Streaming { .. }
            | Stage::Waiting => {}
        }
    }

    fn on_greeting(&mut self, now: Now, progress: Progress) {
        match progress {
            Progress::Wait => {}
            Progress::Note(note) => self.note(note),
            Progress::Send(bytes, note) => {
                self.note(note);
                self.outputs.push_back(Output::Send(bytes));
            }
            Progress::Failed(note) => self.give_up(now, note),
            Progress::Done(note) => {
                if let Some(note) = note {
                    self.note(note);
                }
                self.send_psync();
            }
        }
    }

    fn send_psync(&mut self) {
        let mut psync = Vec::new();
        match self.upstream {
            Some(Upstream { replid, offset }) => {
                let next = offset.next_byte().to_string();
                self.note(Note::notice(format!("Trying a partial resynchronization (request {replid}:{next}).")));
                let args: [&[u8]; 4] = [b"PSYNC", replid.as_bytes(), next.as_bytes(), b"FAILOVER"];
                put_command(&mut psync, if self.failover { &args } else { &args[..3] });
            }
            None => {
                self.note(Note::notice("Partial resynchronization not possible (no cached master)"));
                put_command(&mut psync, &[b"PSYNC", b"?", b"-1"]);
            }
        }
        self.outputs.push_back(Output::Send(psync));
        self.stage = Stage::Asking;
    }

    fn on_psync_reply(&mut self, now: Now, line: &[u8]) {
        if std::mem::take(&mut self.failover) {
            let accepted = line.starts_with(b"+CONTINUE") || line.starts_with(b"+FULLRESYNC");
            self.outputs.push_back(Output::HandedOver { accepted });
            if !accepted {
                let text = format!("The new primary does not take over (reply: {})", printable(line));
                return self.give_up(now, Note::warning(text));
            }
        }
        if let Some(rest) = line.strip_prefix(b"+FULLRESYNC") {
            self.on_full_resync(now, rest);
        } else if let Some(rest) = line.strip_prefix(b"+CONTINUE") {
            self.on_continue(now, rest);
        } else if line.starts_with(b"-NOMASTERLINK") || line.starts_with(b"-LOADING") {
            let text = format!("Master is currently unable to PSYNC but should be in the future: {}", printable(line));
            self.give_up(now, Note::notice(text));
        } else {
            if line.starts_with(b"-ERR") {
                let text = format!("Master does not support PSYNC or is in error state (reply: {})", printable(line));
                self.note(Note::notice(text));
            } else {
                self.note(Note::warning(format!("Unexpected reply to PSYNC from master: {}", printable(line))));
            }
            self.discard_upstream();
            self.note(Note::notice("Retrying with SYNC..."));
            self.outputs.push_back(Output::Send(b"SYNC\r\n".to_vec()));
            self.stage = Stage::Header { history: None };
        }
    }

    fn on_full_resync(&mut self, now: Now, rest: &[u8]) {
        let mut words = rest.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let replid = words.next().and_then(Replid::parse);
        let offset = words.next().and_then(parse_number).filter(|offset| *offset <= OFFSET_MAX).map(Offset);
        let (Some(replid), Some(offset)) = (replid, offset) else {
            return self.give_up(now, Note::warning("Master replied with wrong +FULLRESYNC syntax."));
        };
        self.note(Note::notice(format!("Full resync from master: {replid}:{offset}")));
        self.stage = Stage::Header { history: Some((replid, offset)) };
    }

    fn on_continue(&mut self, now: Now, rest: &[u8]) {
        let Some(upstream) = &mut self.upstream else {
            return self.give_up(now, Note::warning("Master continued a replication history that was not asked for"));
        };
        let replid = Replid::parse(rest.trim_ascii());
        let renamed = replid.filter(|replid| *replid != upstream.replid);
        if let Some(replid) = renamed {
            upstream.replid = replid;
        }
        self.note(Note::notice("Successful partial resynchronization with master."));
        if let Some(replid) = renamed {
            self.note(Note::warning(format!("Master replication ID changed to {replid}")));
        }
        self.note(Note::notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization."));
        self.outputs.push_back(Output::Continue { replid });
        self.stage = Stage::Streaming { acknowledges: true };
        self.acknowledge(now);
    }

    fn on_header(&mut self, now: Now, line: &[u8], history: Option<(Replid, Offset)>) {
        if line.first() == Some(&b'-') {
            let text = format!("MASTER aborted replication with an error: {}", printable(&line[1..]));
            return self.give_up(now, Note::warning(text));
        }
        let Some(body) = line.strip_prefix(b"$").and_then(Body::parse) else {
            let text = format!(
                "Bad protocol from MASTER, the first byte is not '$' (we received '{}'), are you sure the host and port are right?",
                printable(line)
            );
            return self.give_up(now, Note::warning(text));
        };
        let target = match self.config.load {
            LoadTarget::Disk => "disk",
            LoadTarget::Parser => "parser",
        };
        let size = body.size();
        self.note(Note::notice(match size {
            Some(size) => format!("MASTER <-> REPLICA sync: receiving {size} bytes from master to {target}"),
            None => format!("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to {target}"),
        }));
        // Loaded as it comes, the snapshot replaces the data now; kept in a file, only when it is complete.
        if self.config.load == LoadTarget::Parser {
            self.discard_upstream();
        }
        self.outputs.push_back(Output::FullSync { history, size });
        let ended = size == Some(0);
        self.stage = Stage::Receiving { history, body, total: size.unwrap_or(0), read: 0 };
        if ended {
            self.end_body();
        }
    }

    fn take_body(&mut self, bytes: &[u8]) -> usize {
        let Stage::Receiving { body, read, .. } = &mut self.stage else { return 0 };
        let taken = body.take(bytes);
        *read += taken.used as u64;
        if !taken.rdb.is_empty() {
            self.outputs.push_back(Output::Rdb(Bytes::from(taken.rdb)));
        }
        if taken.ended {
            self.end_body();
        }
        taken.used
    }

    fn end_body(&mut self) {
        let Stage::Receiving { history, read, .. } = self.stage else { return };
        self.stage = Stage::Loading { history, early: Vec::new(), total: read };
        self.discard_upstream();
        self.outputs.push_back(Output::RdbEnd);
    }

    fn discard_upstream(&mut self) {
        if self.upstream.take().is_some() {
            self.note(Note::notice("Discarding previously cached master state."));
        }
    }

    /// Gives this connection up and tries again later.
    pub(super) fn give_up(&mut self, now: Now, note: Note) {
        self.note(note);
        self.outputs.push_back(Output::Close);
        self.retry_later(now);
    }
}

/// Greatest offset a history may begin at: offsets are signed numbers to Redis, and the room above keeps those that
/// follow from wrapping.
const OFFSET_MAX: u64 = i64::MAX as u64;
/// Longest line before the stream, in bytes: an error reply fits, a stream that is none of ours does not.
const LINE_BYTES_MAX: usize = 1024;
/// Bytes of the stream that may arrive while the snapshot is loaded (the hard limit a primary keeps for a replica by
/// default).
const EARLY_BYTES_MAX: usize = 256 << 20;
