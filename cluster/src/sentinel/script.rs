//! Programs of the operator that are run for events, one after the other and not too many at once.

use std::collections::VecDeque;

use slotmesh_engine::time::{Instant, Now};

use super::output::Output;
use super::periods::Periods;

/// The name of a script in the queue; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScriptId(pub u64);

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptEnd {
    /// The signal that ended it; 0 for none.
    pub signal: i32,
    /// Its exit code, when no signal ended it.
    pub code: i32,
}

/// A script as SENTINEL PENDING-SCRIPTS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingScript {
    /// Path and arguments.
    pub argv: Vec<String>,
    /// Its process, while it runs.
    pub process_id: Option<u32>,
    /// How long it has been running, or how long it still waits, in milliseconds.
    pub time_ms: u64,
    /// Times it was begun.
    pub runs: u32,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    jobs: VecDeque<Job>,
    next: u64,
}

#[derive(Debug)]
struct Job {
    id: ScriptId,
    argv: Vec<String>,
    state: State,
    runs: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be run then.
    Waits(Instant),
    /// Since then, with its process when the host has told it.
    Runs(Instant, u32),
    /// It ran for too long and was stopped.
    Stopped(Instant, u32),
}

impl Job {
    fn is_running(&self) -> bool {
        !matches!(self.state, State::Waits(_))
    }
}

impl Scripts {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_running()).count()
    }

    /// Queues a script; the oldest one that does not run makes room when there are too many.
    pub(super) fn push(&mut self, now: Now, argv: Vec<String>) {
        let id = ScriptId(self.next);
        self.next += 1;
        if self.jobs.len() >= QUEUE_MAX
            && let Some(oldest) = self.jobs.iter().position(|job| !job.is_running())
        {
            self.jobs.remove(oldest);
        }
        self.jobs.push_back(Job { id, argv, state: State::Waits(now.instant), runs: 0 });
    }

    /// Starts what is due and stops what runs for too long; gives back the lines of those that were stopped.
    pub(super) fn tick(&mut self, now: Now, periods: &Periods, outputs: &mut VecDeque<Output>) -> Vec<String> {
        let mut stopped = Vec::new();
        let mut running = self.running();
        for job in &mut self.jobs {
            match job.state {
                State::Waits(due) if due <= now.instant && running < RUNNING_MAX => {
                    running += 1;
                    job.runs += 1;
                    job.state = State::Runs(now.instant, 0);
                    outputs.push_back(Output::StartScript(job.id, job.argv.clone()));
                }
                State::Runs(since, process) if now.instant.millis_since(since) > periods.script_max_runtime => {
                    job.state = State::Stopped(since, process);
                    outputs.push_back(Output::StopScript(job.id));
                    stopped.push(format!("{} {process}", job.argv[0]));
                }
                State::Waits(_) | State::Runs(..) | State::Stopped(..) => {}
            }
        }
        stopped
    }

    /// The host has begun to run a script.
    pub(super) fn started(&mut self, id: ScriptId, process_id: u32) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id)
            && let State::Runs(since, _) = job.state
        {
            job.state = State::Runs(since, process_id);
        }
    }

    /// A script ended. Gives back the line for one that is given up.
    pub(super) fn ended(&mut self, now: Now, periods: &Periods, id: ScriptId, end: ScriptEnd) -> Option<String> {
        let index = self.jobs.iter().position(|job| job.id == id)?;
        let job = &mut self.jobs[index];
        // A script asks for another try by its exit code 1, or by the signal that ended it.
        let wants_retry = end.signal != 0 || end.code == 1;
        if wants_retry && job.runs < RUNS_MAX {
            let delay = periods.script_retry_delay.saturating_mul(1 << job.runs.saturating_sub(1));
            job.state = State::Waits(now.instant.plus_millis(delay));
            return None;
        }
        let failed = end.signal != 0 || end.code != 0;
        let line = failed.then(|| format!("{} {} {}", job.argv[0], end.signal, end.code));
        self.jobs.remove(index);
        line
    }

    pub(super) fn pending(&self, now: Instant) -> Vec<PendingScript> {
        let pending = |job: &Job| {
            let (process_id, time_ms) = match job.state {
                State::Waits(due) => (None, due.millis_since(now)),
                State::Runs(since, process) | State::Stopped(since, process) => {
                    (Some(process), now.millis_since(since))
                }
            };
            PendingScript { argv: job.argv.clone(), process_id, time_ms, runs: job.runs }
        };
        self.jobs.iter().map(pending).collect()
    }
}

/// Scripts that wait or run at the most.
const QUEUE_MAX: usize = 256;
/// Scripts that run at the same time.
const RUNNING_MAX: usize = 16;
/// Times a script is run until one of them succeeds (`SENTINEL_SCRIPT_MAX_RETRY`).
const RUNS_MAX: u32 = 10;

/// What part we play in a change of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReconfigRole {
    Leader,
    Observer,
}

impl ReconfigRole {
    /// The word the script is given.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Observer => "observer",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use slotmesh_engine::time::Now;

    use super::{RUNS_MAX, ScriptEnd, ScriptId, Scripts};
    use crate::sentinel::output::Output;
    use crate::sentinel::periods::Periods;

    #[test]
    fn a_script_that_always_fails_is_run_ten_times_with_growing_pauses() {
        let (periods, mut now, mut scripts) = (Periods::default(), Now::default(), Scripts::default());
        let (mut outputs, mut pauses) = (VecDeque::new(), Vec::new());
        scripts.push(now, vec!["/fails".to_owned()]);

        let line = loop {
            assert!(scripts.tick(now, &periods, &mut outputs).is_empty());
            assert_eq!(outputs.pop_front(), Some(Output::StartScript(ScriptId(0), vec!["/fails".to_owned()])));
            let end = ScriptEnd { signal: 0, code: 1 };
            if let Some(line) = scripts.ended(now, &periods, ScriptId(0), end) {
                break line;
            }
            let pause = scripts.pending(now.instant)[0].time_ms;
            pauses.push(pause / 1000);
            now = now.plus(Duration::from_millis(pause));
        };

        assert_eq!(line, "/fails 0 1");
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3840, 7680]);
        assert_eq!((pauses.len() + 1, scripts.len()), (RUNS_MAX as usize, 0));
    }
}
