//! SENTINEL SET: how a primary is watched.
//!
//! Whether a script can be run only the host knows, who has the files: a command that names one waits for the answer.

use slotmesh_engine::error::ReplyError;
use slotmesh_engine::time::Now;
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane, Ticket};

use super::super::{Call, Node};
use super::refuse_control_characters;
use crate::machine::{ConnId, Effect};
use crate::sentinel::{Refusal, Setting};

/// A command that waits to hear of scripts.
#[derive(Debug)]
pub(in crate::node) struct PendingSet {
    conn: ConnId,
    primary: Vec<u8>,
    /// Options with their values.
    words: Vec<Vec<u8>>,
    scripts: Vec<Script>,
}

#[derive(Debug)]
struct Script {
    path: Vec<u8>,
    ticket: Ticket,
    /// Whether it can be run, once that is known.
    can_run: Option<bool>,
}

pub(super) fn set(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let (args, conn) = (call.args, call.conn);
    let sentinel = node.sentinel_mut()?;
    if !sentinel.watches(&args[2]) {
        return Err(Refusal::UnknownPrimary.into());
    }
    refuse_control_characters(args, 2, "SENTINEL SET")?;
    let words: Vec<&[u8]> = args.from(3).iter().collect();
    let scripts = if sentinel.globals().deny_scripts_reconfig { Vec::new() } else { scripts_in(&words) };
    if scripts.is_empty() {
        apply(node, call.now, &args[2], &words, |_| false)?;
        node.answer_when_saved(conn);
        return Ok(());
    }
    let pending = PendingSet {
        conn,
        primary: args[2].to_vec(),
        words: words.iter().map(|word| word.to_vec()).collect(),
        scripts: scripts.into_iter().map(|path| node.look_at_script(path)).collect(),
    };
    if let Some(watching) = &mut node.watching {
        watching.sets.push(pending);
    }
    node.wait_for_host(conn);
    Ok(())
}

/// The scripts among the values, as far as the options are sound.
fn scripts_in<'a>(words: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut scripts = Vec::new();
    let mut next = Assignment::first(words);
    while let Some(Assignment { setting, values, behind }) = next {
        if setting.is_script() && !values[0].is_empty() {
            scripts.push(values[0]);
        }
        next = Assignment::first(behind);
    }
    scripts
}

/// An option with its values, ahead of others.
struct Assignment<'a, 'b> {
    setting: Setting,
    values: &'b [&'a [u8]],
    behind: &'b [&'a [u8]],
}

impl<'a, 'b> Assignment<'a, 'b> {
    /// The first of these words; nothing when it is no option, or lacks values.
    fn first(words: &'b [&'a [u8]]) -> Option<Self> {
        let (setting, count) = Setting::find(words.first()?)?;
        Some(Self { setting, values: words.get(1..=count)?, behind: &words[1 + count..] })
    }
}

/// Sets one option after the other, as far as they are sound.
fn apply(
    node: &mut Node,
    now: Now,
    primary: &[u8],
    words: &[&[u8]],
    can_run: impl Fn(&[u8]) -> bool,
) -> Result<(), ReplyError> {
    let sentinel = node.sentinel_mut()?;
    let mut rest = words;
    while let Some(option) = rest.first() {
        let assignment = Assignment::first(rest).ok_or_else(|| {
            ReplyError::naming("ERR Unknown option or number of arguments for SENTINEL SET '", option, "'")
        })?;
        sentinel.set(now, primary, assignment.setting, option, assignment.values, &can_run)?;
        rest = assignment.behind;
    }
    Ok(())
}

impl Node {
    fn look_at_script(&mut self, path: &[u8]) -> Script {
        let ticket = self.tickets.take();
        let place = self.script_path(&String::from_utf8_lossy(path));
        self.effects.push_back(Effect::Disk(ticket, Lane::Config, DiskOp::CheckProgram { path: place }));
        Script { path: path.to_vec(), ticket, can_run: None }
    }

    /// Takes an answer about a script. Returns whether it was one.
    pub(in crate::node) fn script_on_disk(&mut self, now: Now, ticket: Ticket, result: &DiskResult) -> bool {
        let Some(watching) = &mut self.watching else { return false };
        let pending = &mut watching.sets;
        let script = pending.iter_mut().flat_map(|set| &mut set.scripts).find(|script| script.ticket == ticket);
        let Some(script) = script else { return false };
        script.can_run = Some(!matches!(result, DiskResult::Failed(_)));
        let is_known = |set: &mut PendingSet| set.scripts.iter().all(|script| script.can_run.is_some());
        let complete: Vec<PendingSet> = pending.extract_if(.., is_known).collect();
        for set in complete {
            self.go_on_setting(now, &set);
        }
        true
    }

    fn go_on_setting(&mut self, now: Now, set: &PendingSet) {
        let words: Vec<&[u8]> = set.words.iter().map(Vec::as_slice).collect();
        let can_run =
            |path: &[u8]| set.scripts.iter().any(|script| script.path == path && script.can_run == Some(true));
        // It may have been removed meanwhile; then that is the answer.
        match apply(self, now, &set.primary, &words, can_run) {
            Ok(()) => self.answer_when_saved(set.conn),
            Err(error) => self.answer(set.conn, Err(error)),
        }
    }
}
