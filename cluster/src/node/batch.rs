//! Requests that were read together and run one after the other.
//!
//! When a client has to wait between two of them, the rest is kept: a client that sends many requests which are
//! measured alone would have all that follow read again for each one.

use std::collections::VecDeque;

use slotmesh_engine::resp::args::{ArgRange, Args};

use super::intake::Known;
use crate::machine::ConnId;

/// The requests of one batch; its memory is kept from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) ranges: Vec<ArgRange>,
    /// Those that have not run.
    pub(super) requests: VecDeque<Request>,
    /// Offset of the first request, behind empty lines that nobody needs again.
    pub(super) start: usize,
}

/// A request in a batch.
#[derive(Debug)]
pub(super) struct Request {
    /// First of its words in the batch's ranges.
    pub(super) first: usize,
    /// Number of words.
    pub(super) len: usize,
    /// Offset behind it.
    pub(super) end: usize,
    pub(super) known: Known,
}

impl Request {
    pub(super) fn args<'a>(&self, input: &'a [u8], ranges: &'a [ArgRange]) -> Args<'a> {
        Args::new(input, &ranges[self.first..self.first + self.len])
    }
}

impl Batch {
    /// Empties it.
    pub(super) fn clear(&mut self) {
        self.requests.clear();
        self.ranges.clear();
    }

    /// Follows the bytes that have not run, which have moved to the front by `count`.
    fn shift(&mut self, count: usize) {
        let Some(first) = self.requests.front().map(|request| request.first) else { return };
        self.start -= count;
        for range in &mut self.ranges[first..] {
            range.start -= count as u32;
        }
        for request in &mut self.requests {
            request.end -= count;
        }
    }
}

/// What was read of one client's input before the client had to wait.
#[derive(Debug, Default)]
pub(super) struct Kept {
    conn: Option<ConnId>,
    batch: Batch,
}

impl Kept {
    /// Whose requests are kept.
    pub(super) fn owner(&self) -> Option<ConnId> {
        self.conn
    }

    /// Keeps the requests of `conn`, in the place of what was kept before.
    pub(super) fn put(&mut self, conn: ConnId, batch: &mut Batch) {
        self.conn = Some(conn);
        std::mem::swap(&mut self.batch, batch);
    }

    /// Gives back what was kept of `conn`. Returns whether there was something.
    pub(super) fn take(&mut self, conn: ConnId, batch: &mut Batch) -> bool {
        let is_there = self.conn == Some(conn);
        if is_there {
            self.conn = None;
            std::mem::swap(&mut self.batch, batch);
        }
        is_there
    }

    /// Follows the bytes of `conn` that have not run, which have moved to the front by `count`.
    pub(super) fn shift(&mut self, conn: ConnId, count: usize) {
        if self.conn == Some(conn) && count > 0 {
            self.batch.shift(count);
        }
    }
}
