//! Requests that come alone on many connections at the same moment: read together, looked up together, run in order.
//!
//! A load from memory takes as long as the rest of a short command, and the loads of one command wait for each other.
//! Those of different clients need not, so the keys of a whole round are asked for before its first command runs.

use std::ops::Range;

use slotmesh_engine::resp::args::{ArgRange, Args, Framed};
use slotmesh_engine::resp::request::{Parsed, RequestParser};
use slotmesh_engine::time::Now;
use slotmesh_engine::value::PrefetchStage;

use super::Node;
use super::conns::Client;
use super::intake::{BATCH_REQUESTS_MAX, Known};
use crate::machine::{ConnId, Input};

/// Requests that came alone on their connections at the same moment; its memory is kept from round to round.
#[derive(Debug, Default)]
pub(super) struct Alone {
    ranges: Vec<ArgRange>,
    /// For each arrival its request, where its bytes are exactly one.
    requests: Vec<Option<Request>>,
}

/// A request that came alone.
#[derive(Debug)]
struct Request {
    /// Where its words are among the ranges.
    words: Range<usize>,
    known: Known,
}

impl Node {
    /// Takes bytes that arrived from several connections at the same moment, as if one after the other.
    ///
    /// Requests that came alone are read and looked up ahead together, so that their memory loads overlap. Nothing a
    /// request does can change what another one's words are or what its key's hash is.
    pub(super) fn read_many(&mut self, now: Now, arrivals: &[(ConnId, &[u8])]) {
        let mut alone = std::mem::take(&mut self.alone);
        for arrivals in arrivals.chunks(BATCH_REQUESTS_MAX) {
            self.read_alone(arrivals, &mut alone);
            self.look_ahead_across(arrivals, &alone);
            for (&(conn, bytes), request) in arrivals.iter().zip(alone.requests.drain(..)) {
                match request {
                    _ if self.deaf.is_deaf() => self.handle_deaf(now, Input::Received(conn, bytes)),
                    Some(Request { words, known }) => {
                        let args = Args::new(bytes, &alone.ranges[words]);
                        self.on_request(now, conn, Framed { bytes, args }, Some(known));
                    }
                    None => self.on_received(now, conn, bytes),
                }
            }
        }
        self.alone = alone;
    }

    fn read_alone(&self, arrivals: &[(ConnId, &[u8])], alone: &mut Alone) {
        alone.ranges.clear();
        alone.requests.clear();
        for &(conn, bytes) in arrivals {
            let is_next = self.conns.client(conn).is_some_and(Client::is_next);
            let request = if is_next { self.one_request(conn, bytes, &mut alone.ranges) } else { None };
            alone.requests.push(request);
        }
    }

    /// The request that `bytes` are, if they are exactly one.
    fn one_request(&self, conn: ConnId, bytes: &[u8], ranges: &mut Vec<ArgRange>) -> Option<Request> {
        let first = ranges.len();
        match RequestParser::default().parse(bytes, 0, ranges, &self.limits(conn)) {
            Ok(Parsed::Request { consumed }) if consumed == bytes.len() => {
                let known = Known::find(&self.engine, Args::new(bytes, &ranges[first..]));
                Some(Request { words: first..ranges.len(), known })
            }
            Ok(_) | Err(_) => {
                ranges.truncate(first);
                None
            }
        }
    }

    fn look_ahead_across(&self, arrivals: &[(ConnId, &[u8])], alone: &Alone) {
        let known = || {
            arrivals.iter().zip(&alone.requests).filter_map(|(&(conn, bytes), request)| {
                let Request { words, known } = request.as_ref()?;
                let session = self.conns.client(conn)?.session;
                let db = self.engine.core().keyspace.db(self.engine.session(session).db);
                Some((db, known, Args::new(bytes, &alone.ranges[words.clone()])))
            })
        };
        let keys = || known().filter_map(|(db, known, _)| Some((db, known.key?.1)));
        keys().for_each(|(db, hash)| db.prefetch_group(hash));
        keys().for_each(|(db, hash)| db.prefetch_entry(hash));
        if !alone.requests.iter().flatten().any(|request| request.known.names_element()) {
            return;
        }
        for stage in PrefetchStage::ALL {
            for (db, known, args) in known() {
                if let Some((hash, element)) = known.element(args) {
                    db.prefetch_element(hash, element, stage);
                }
            }
        }
    }
}
