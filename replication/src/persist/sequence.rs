//! Disk operations one after the other, each only after the one before has succeeded.
//!
//! A lane keeps order but goes on after a failure: a rename queued behind a failed append would replace a good file
//! by half of one. Whatever must not happen after a failure goes through a [`Sequence`].

use std::collections::VecDeque;

use crate::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult, Ticket, Tickets};

/// A run of operations that stops at the first failure.
#[derive(Debug)]
pub struct Sequence {
    rest: VecDeque<DiskOp>,
    awaited: Option<Ticket>,
    /// The operation under way removes a file: that it is missing is as good.
    removes: bool,
}

/// What an answer led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advance {
    /// All operations have succeeded.
    Done,
    /// This one failed; none after it was asked for.
    Failed(DiskError),
    /// Ask for the next one.
    Next(Ticket, DiskOp),
    /// The answer was somebody else's.
    NotMine,
}

impl Sequence {
    /// Begins the run; the first operation comes with it.
    ///
    /// # Panics
    /// When there is no operation at all.
    pub fn begin(ops: impl IntoIterator<Item = DiskOp>, tickets: &mut Tickets) -> (Self, Ticket, DiskOp) {
        let mut sequence = Self { rest: ops.into_iter().collect(), awaited: None, removes: false };
        let Some((ticket, op)) = sequence.next(tickets) else { panic!("a sequence has operations") };
        (sequence, ticket, op)
    }

    /// Takes an answer.
    pub fn on_disk(&mut self, ticket: Ticket, result: &DiskResult, tickets: &mut Tickets) -> Advance {
        if self.awaited != Some(ticket) {
            return Advance::NotMine;
        }
        if let DiskResult::Failed(error) = result
            && !(self.removes && error.kind == DiskErrorKind::NotFound)
        {
            self.rest.clear();
            self.awaited = None;
            return Advance::Failed(error.clone());
        }
        match self.next(tickets) {
            Some((ticket, op)) => Advance::Next(ticket, op),
            None => Advance::Done,
        }
    }

    fn next(&mut self, tickets: &mut Tickets) -> Option<(Ticket, DiskOp)> {
        self.awaited = None;
        let op = self.rest.pop_front()?;
        let ticket = tickets.take();
        self.awaited = Some(ticket);
        self.removes = matches!(op, DiskOp::Remove { .. });
        Some((ticket, op))
    }
}

#[cfg(test)]
mod tests {
    use super::{Advance, Sequence};
    use crate::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult, Tickets};

    fn failed(kind: DiskErrorKind) -> DiskResult {
        DiskResult::Failed(DiskError { kind, text: "no".to_owned() })
    }

    #[test]
    fn nothing_happens_after_a_failure() {
        let mut tickets = Tickets::default();
        let path = || "f".to_owned();
        let ops = [DiskOp::Create { path: path() }, DiskOp::Sync { path: path() }, DiskOp::Close { path: path() }];
        let (mut sequence, first, _) = Sequence::begin(ops, &mut tickets);
        let Advance::Next(second, _) = sequence.on_disk(first, &DiskResult::Done, &mut tickets) else { panic!() };

        assert_eq!(sequence.on_disk(first, &DiskResult::Done, &mut tickets), Advance::NotMine);
        let answer = sequence.on_disk(second, &failed(DiskErrorKind::NoSpace), &mut tickets);
        assert!(matches!(answer, Advance::Failed(_)));
        assert_eq!(sequence.on_disk(second, &DiskResult::Done, &mut tickets), Advance::NotMine);
    }

    #[test]
    fn a_file_that_is_missing_is_removed() {
        let mut tickets = Tickets::default();
        let ops = [DiskOp::Remove { path: "f".to_owned() }];
        let (mut sequence, ticket, _) = Sequence::begin(ops, &mut tickets);

        assert_eq!(sequence.on_disk(ticket, &failed(DiskErrorKind::NotFound), &mut tickets), Advance::Done);
    }
}
