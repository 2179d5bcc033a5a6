//! Holding clients back: CLIENT PAUSE, manual failover, and the last moments before a shutdown.

use slotmesh_engine::command::spec::{Flags, MAY_REPLICATE, WRITE};
use slotmesh_engine::time::Instant;

/// What a pause holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PauseKind {
    /// Commands that change data or are propagated.
    Writes,
    /// Every command.
    All,
}

/// All pauses in force. They are independent: each ends by itself, the strictest counts.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    by_client: Option<Pause>,
    by_failover: Option<Pause>,
    by_shutdown: Option<Pause>,
}

/// One pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) until: Instant,
    pub(crate) kind: PauseKind,
}

impl Pause {
    /// Whether a request with these properties must wait.
    pub(crate) fn holds(self, flags: Flags) -> bool {
        match self.kind {
            PauseKind::All => true,
            PauseKind::Writes => flags.any(WRITE | MAY_REPLICATE),
        }
    }
}

impl Pauses {
    /// CLIENT PAUSE. A running one is never made shorter or weaker.
    pub(crate) fn begin_by_client(&mut self, until: Instant, kind: PauseKind) {
        self.by_client = Some(match self.by_client {
            Some(old) => Pause { until: until.max(old.until), kind: kind.max(old.kind) },
            None => Pause { until, kind },
        });
    }

    pub(crate) fn end_by_client(&mut self) {
        self.by_client = None;
    }

    pub(crate) fn begin_by_failover(&mut self, until: Instant) {
        self.by_failover = Some(Pause { until, kind: PauseKind::Writes });
    }

    pub(crate) fn end_by_failover(&mut self) {
        self.by_failover = None;
    }

    /// A shutdown that waits for replicas holds back writes; one that completes its files, everything.
    pub(crate) fn begin_by_shutdown(&mut self, until: Instant, kind: PauseKind) {
        self.by_shutdown = Some(Pause { until, kind });
    }

    pub(crate) fn end_by_shutdown(&mut self) {
        self.by_shutdown = None;
    }

    /// Whether no pause was begun that has not been ended or forgotten.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_client.is_none() && self.by_failover.is_none() && self.by_shutdown.is_none()
    }

    /// The strictest pause in force, if any.
    pub(crate) fn current(&self, now: Instant) -> Option<Pause> {
        self.all().filter(|pause| pause.until > now).max_by_key(|pause| pause.kind)
    }

    /// Why clients are held back, in the words of INFO.
    pub(crate) fn reason(&self, now: Instant) -> &'static str {
        let causes = [
            (self.by_client, "client_pause"),
            (self.by_shutdown, "shutdown_in_progress"),
            (self.by_failover, "failover_in_progress"),
        ];
        let active = |pause: Option<Pause>| pause.is_some_and(|pause| pause.until > now);
        causes.into_iter().find(|(pause, _)| active(*pause)).map_or("none", |(_, name)| name)
    }

    /// When the next pause ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.all().map(|pause| pause.until).filter(|&until| until < Instant::MAX).min()
    }

    /// Forgets pauses that are over. Returns whether one was.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mut any = false;
        for pause in [&mut self.by_client, &mut self.by_failover, &mut self.by_shutdown] {
            if pause.is_some_and(|pause| pause.until <= now) {
                *pause = None;
                any = true;
            }
        }
        any
    }

    fn all(&self) -> impl Iterator<Item = Pause> {
        [self.by_client, self.by_failover, self.by_shutdown].into_iter().flatten()
    }
}
