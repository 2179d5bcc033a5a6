//! Programs that machines ask to be run: here nothing runs, the test says what becomes of each.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use slotmesh_cluster::machine::{Input, Machine, ProcessId, ProcessNews};
use slotmesh_engine::time::Instant;

use super::Sim;
use crate::network::Owner;
use crate::place::MachineId;
use crate::queue::Event;
use crate::trace::What;

/// A program that a machine had run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramRun {
    /// The virtual time at which it began.
    pub at: Instant,
    /// Who asked for it.
    pub machine: MachineId,
    /// Its path, then its arguments.
    pub words: Vec<String>,
}

/// What becomes of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramEnd {
    /// How long it runs; nothing for one that runs until it is killed.
    pub after: Option<Duration>,
    /// The signal that ends it; 0 for none.
    pub signal: i32,
    /// Its exit code, when no signal ends it.
    pub code: i32,
}

impl ProgramEnd {
    /// It ends at once, with this code.
    pub fn with_code(code: i32) -> Self {
        Self { after: Some(Duration::ZERO), signal: 0, code }
    }

    /// It ends at once, by this signal.
    pub fn by_signal(signal: i32) -> Self {
        Self { after: Some(Duration::ZERO), signal, code: 0 }
    }

    /// It runs until it is killed.
    pub fn never() -> Self {
        Self { after: None, signal: 0, code: 0 }
    }

    /// It runs for this long first.
    pub fn lasting(self, duration: Duration) -> Self {
        Self { after: Some(duration), ..self }
    }
}

/// The programs of all machines.
pub(super) struct Programs {
    behave: Box<dyn FnMut(&ProgramRun) -> ProgramEnd>,
    /// The last ones that began, oldest first.
    runs: VecDeque<ProgramRun>,
    /// Those that have not ended, with the run of the machine that asked for them.
    alive: BTreeSet<(MachineId, u32, ProcessId)>,
    next_process: u32,
}

impl Programs {
    pub(super) fn new() -> Self {
        Self {
            behave: Box::new(|_| ProgramEnd::with_code(0)),
            runs: VecDeque::new(),
            alive: BTreeSet::new(),
            next_process: FIRST_PROCESS,
        }
    }
}

/// What a machine asked of programs while it was drained.
#[derive(Debug)]
pub(super) enum Wish {
    Kill(ProcessId),
    Run(ProcessId, Vec<String>),
}

impl<M: Machine> Sim<M> {
    /// Says what becomes of each program that a machine has run from now on. Without this every program succeeds at once.
    pub fn on_program(&mut self, behave: impl FnMut(&ProgramRun) -> ProgramEnd + 'static) {
        self.programs.behave = Box::new(behave);
    }

    /// The last programs that machines had run, oldest first; at most [`PROGRAM_RUNS_MAX`].
    pub fn programs(&self) -> impl DoubleEndedIterator<Item = &ProgramRun> {
        self.programs.runs.iter()
    }

    pub(super) fn grant(&mut self, machine: MachineId, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Kill(id) => self.end_program(machine, id, Duration::ZERO, KILLED),
                Wish::Run(id, words) => self.begin_program(machine, id, words),
            }
        }
    }

    fn begin_program(&mut self, machine: MachineId, id: ProcessId, words: Vec<String>) {
        let run = self.hosts[machine.0].kit.run;
        let begun = ProgramRun { at: self.now, machine, words };
        let end = (self.programs.behave)(&begun);
        self.trace.push(self.now, Some(machine.into()), What::Ran(begun.words.join(" ")));
        if self.programs.runs.len() == PROGRAM_RUNS_MAX {
            self.programs.runs.pop_front();
        }
        self.programs.runs.push_back(begun);
        self.programs.alive.insert((machine, run, id));
        let process = self.programs.next_process;
        self.programs.next_process += 1;
        self.queue.push(self.now, Event::Program { machine, run, id, news: ProcessNews::Started(process) });
        if let Some(after) = end.after {
            self.end_program(machine, id, after, ProcessNews::Ended { signal: end.signal, code: end.code });
        }
    }

    fn end_program(&mut self, machine: MachineId, id: ProcessId, after: Duration, news: ProcessNews) {
        let run = self.hosts[machine.0].kit.run;
        self.queue.push(self.now + after, Event::Program { machine, run, id, news });
    }

    /// A machine hears of its program; of its end once.
    pub(super) fn tell_program(
        &mut self,
        event: Event,
        machine: MachineId,
        run: u32,
        id: ProcessId,
        news: ProcessNews,
    ) {
        if self.hosts[machine.0].kit.run != run {
            self.programs.alive.remove(&(machine, run, id));
            return;
        }
        if self.park(Owner::Machine(machine, None), event) {
            return;
        }
        let is_alive = match news {
            ProcessNews::Ended { .. } => self.programs.alive.remove(&(machine, run, id)),
            ProcessNews::Started(_) => self.programs.alive.contains(&(machine, run, id)),
        };
        if is_alive {
            self.feed(machine, Input::Process(id, news));
        }
    }
}

/// The end of a program that is killed.
const KILLED: ProcessNews = ProcessNews::Ended { signal: 9, code: 0 };

/// The number of the first process.
const FIRST_PROCESS: u32 = 10_000;

/// Runs of programs that are kept for reading.
pub const PROGRAM_RUNS_MAX: usize = 10_000;
