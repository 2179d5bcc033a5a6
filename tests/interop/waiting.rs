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
///
/// Redis 7.0 serves a client from the key that came, where the whole command runs again since 7.2: another of its keys may
/// come first then, or be of a wrong type. So a client waits for one key there, and each key has one type.
pub(crate) fn steps(seed: u64, len: usize, reference: Reference) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let rows = Rows::default();
    (0..len)
        .map(|_| {
            let waiter = rng.chance(50).then(|| rng.index(WAITERS));
            let family = if waiter.is_some() { Family::Waiting } else { Family::Bringing };
            Step { waiter, command: command(&mut rng, &[family], &rows) }
        })
        .filter(|step| reference == Reference::Valkey || step.command[0] != b"SET")
        .map(|step| if reference == Reference::Redis { step.with_one_key() } else { step })
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
    let result = run_between(&mut ours, &mut theirs, reference, steps);
    // Nobody of this run may be left waiting when the next one begins.
    ours.close();
    theirs.close();
    result
}

fn run_between(
    ours: &mut Side,
    theirs: &mut Side,
    reference: Reference,
    steps: &[Step],
) -> Result<(), (usize, String)> {
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
    /// The same with other keys for sorted sets than for lists, and with one key to wait for.
    fn with_one_key(mut self) -> Self {
        let is_key = |word: &[u8]| matches!(word, b"a" | b"b" | b"c");
        let is_sorted = self.command[0].starts_with(b"Z") || self.command[0].starts_with(b"BZ");
        let waits = self.waiter.is_some() && !self.command[0].ends_with(b"MOVE") && !self.command[0].ends_with(b"PUSH");
        let first = self.command.iter().find(|word| is_key(word)).cloned();
        for word in self.command.iter_mut().skip(1).filter(|word| is_key(word)) {
            if let Some(first) = first.as_ref().filter(|_| waits) {
                word.clone_from(first);
            }
            if is_sorted {
                word.insert(0, b'z');
            }
        }
        self
    }

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
        let mut side = Self { bringer: server.client(), ticker: server.client(), waiters };
        for client in side.waiters.iter_mut().chain([&mut side.bringer, &mut side.ticker]) {
            client.call(["PING"]).expect("the server answers");
        }
        side
    }

    fn close(self) {
        self.waiters.into_iter().chain([self.bringer, self.ticker]).for_each(Client::close);
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
