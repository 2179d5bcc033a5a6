//! Several clients that wait on both servers, and one that brings what they wait for: the same ones must be served, with
//! the same, in the same order.

use slotmesh_engine::rng::Rng;
use slotmesh_test_support::client::Received;
use slotmesh_test_support::script::show;
use slotmesh_test_support::{Client, Reply, Server};

use crate::agree::agree;
use crate::differences::{Reference, rule};
use crate::generate::{Family, Rows, command};
use crate::replay::shown;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The waiting client that sends it; nothing for the client that brings.
    waiter: Option<usize>,
    command: Vec<Vec<u8>>,
}

/// The clients of one server.
struct Side {
    bringer: Client,
    /// Answers when everything before has been done and written.
    ticker: Client,
    waiters: Vec<Client>,
}

/// A random stream of steps.
pub(crate) fn steps(seed: u64, len: usize) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let rows = Rows::default();
    (0..len)
        .map(|_| {
            let waiter = rng.chance(50).then(|| rng.index(WAITERS));
            let family = if waiter.is_some() { Family::Waiting } else { Family::Bringing };
            Step { waiter, command: command(&mut rng, &[family], &rows) }
        })
        .collect()
}

/// Cuts a stream that differs down to what matters, leaving out pieces as long as it still does.
pub(crate) fn shrink(ours: &Server, theirs: &Server, reference: Reference, mut steps: Vec<Step>) -> Vec<Step> {
    let mut piece = steps.len().div_ceil(2);
    let mut runs = 0;
    while piece > 0 {
        let mut at = 0;
        while at < steps.len() && runs < SHRINK_RUNS_MAX {
            let end = (at + piece).min(steps.len());
            let fewer = [&steps[..at], &steps[end..]].concat();
            runs += 1;
            match run(ours, theirs, reference, &fewer) {
                Ok(()) => at = end,
                Err(_) => steps = fewer,
            }
        }
        piece /= 2;
    }
    steps
}

/// Runs the steps on both servers; the place of the first step whose answers differ, and both answers, as an error.
pub(crate) fn run(ours: &Server, theirs: &Server, reference: Reference, steps: &[Step]) -> Result<(), (usize, String)> {
    let (mut ours, mut theirs) = (Side::connect(ours), Side::connect(theirs));
    let (mut is_waiting, mut is_open) = ([false; WAITERS], false);
    for (at, step) in steps.iter().enumerate() {
        // A client that waits sends nothing, and no transaction is opened twice: see `parts_ways_in_transaction`.
        let name = step.command[0].as_slice();
        if step.waiter.is_some_and(|waiter| is_waiting[waiter]) || (is_open && name == b"MULTI") {
            continue;
        }
        is_open = name == b"MULTI" || (is_open && name != b"EXEC" && name != b"DISCARD");
        let waiting: Vec<usize> =
            (0..WAITERS).filter(|&waiter| is_waiting[waiter] || step.waiter == Some(waiter)).collect();
        let own = ours.take(step, &waiting);
        let their = theirs.take(step, &waiting);
        let agrees = |(own, their): (&Answer, &Answer)| {
            own.0 == their.0 && agree(rule(&step.command, reference), &own.1, &their.1)
        };
        if own.len() != their.len() || !own.iter().zip(&their).all(agrees) {
            let text = format!("{}\n  ours    {}\n  theirs  {}", step.shown(), listed(&own), listed(&their));
            return Err((at, text));
        }
        if let Some(waiter) = step.waiter {
            is_waiting[waiter] = true;
        }
        own.iter().filter_map(|(place, _)| *place).for_each(|waiter| is_waiting[waiter] = false);
    }
    Ok(())
}

impl Step {
    pub(crate) fn shown(&self) -> String {
        let who = self.waiter.map_or_else(|| " ".to_owned(), |waiter| waiter.to_string());
        format!("{who} {}", shown(&self.command))
    }
}

/// Who got a reply: a waiting client by its number, or the one that brings.
type Answer = (Option<usize>, Reply);

impl Side {
    fn connect(server: &Server) -> Self {
        let mut control = server.client();
        control.call(["FLUSHALL"]).expect("FLUSHALL is answered");
        control.close();
        let waiters = (0..WAITERS).map(|_| server.client()).collect();
        Self { bringer: server.client(), ticker: server.client(), waiters }
    }

    /// Sends a step, and collects what it brought: its own reply, and those of clients that waited.
    fn take(&mut self, step: &Step, waiting: &[usize]) -> Vec<Answer> {
        let mut answers = Vec::new();
        match step.waiter {
            Some(waiter) => self.waiters[waiter].send(&step.command).expect("the server takes commands"),
            None => answers.push((None, self.bringer.call(&step.command).expect("the server answers"))),
        }
        // The first may be handled together with the step, the second comes behind all it led to.
        for _ in 0..2 {
            self.ticker.call(["PING"]).expect("the server answers");
        }
        for &waiter in waiting {
            match self.waiters[waiter].receive(LOOK).expect("the server stays connected") {
                Received::Reply(reply) => answers.push((Some(waiter), reply)),
                Received::Nothing => {}
                Received::Closed => panic!("the server closed the connection of client {waiter}"),
            }
        }
        answers
    }
}

fn listed(answers: &[Answer]) -> String {
    let one = |(waiter, reply): &Answer| match waiter {
        Some(waiter) => format!("{waiter}: {}", show(reply)),
        None => show(reply),
    };
    answers.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Clients that wait.
const WAITERS: usize = 5;
/// How long is looked for a reply that must have been written already.
const LOOK: std::time::Duration = std::time::Duration::from_millis(1);
/// Runs spent on cutting a stream down; each takes up to a second.
const SHRINK_RUNS_MAX: usize = 80;
