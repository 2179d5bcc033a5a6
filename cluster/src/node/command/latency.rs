//! LATENCY: what took too long, and how long commands take.

use std::fmt::Write as _;

use slotmesh_engine::command::CommandId;
use slotmesh_engine::command::help;
use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ADMIN, Flags, LOADING, NO_SCRIPT, STALE, Spec, container, data};
use slotmesh_engine::error::ReplyError;

use super::super::timing::monitor::Series;
use super::{Call, Node, NodeFn};

const OPERATOR: Flags = ADMIN.and(NO_SCRIPT).and(LOADING).and(STALE);
const ASK_TIPS: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

pub(super) const ROWS: &[Spec<NodeFn>] = &[container("LATENCY", LATENCY_ROWS)];

const LATENCY_ROWS: &[Spec<NodeFn>] = &[
    data("DOCTOR", 2, OPERATOR, NO_KEYS, doctor as NodeFn).tips(ASK_TIPS),
    data("GRAPH", 3, OPERATOR, NO_KEYS, graph as NodeFn).tips(ASK_TIPS),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, latency_help),
    data("HISTOGRAM", -2, OPERATOR, NO_KEYS, histogram as NodeFn).tips(ASK_TIPS),
    data("HISTORY", 3, OPERATOR, NO_KEYS, history as NodeFn).tips(ASK_TIPS),
    data("LATEST", 2, OPERATOR, NO_KEYS, latest as NodeFn).tips(ASK_TIPS),
    data("RESET", -2, OPERATOR, NO_KEYS, reset as NodeFn)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
];

fn latest(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let Node { engine, timing, .. } = node;
    let events = timing.monitor.events();
    let mut reply = engine.reply(call.session);
    reply.array(events.len());
    for (name, series) in events {
        let last = series.last();
        reply.array(6);
        reply.bulk(name.as_bytes());
        reply.int(last.map_or(0, |sample| sample.unix_secs));
        reply.int(last.map_or(0, |sample| sample.millis as i64));
        reply.int(series.max_ms() as i64);
        reply.int(series.sum_ms() as i64);
        reply.int(series.count() as i64);
    }
    Ok(())
}

fn history(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let Node { engine, timing, .. } = node;
    let mut reply = engine.reply(call.session);
    let Some((_, series)) = timing.monitor.find(&call.args[2]) else {
        reply.array(0);
        return Ok(());
    };
    reply.array(series.samples().len());
    for sample in series.samples() {
        reply.array(2);
        reply.int(sample.unix_secs);
        reply.int(sample.millis as i64);
    }
    Ok(())
}

fn reset(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let gone = node.timing.monitor.reset(call.args.from(2).iter());
    node.engine.reply(call.session).len(gone);
    Ok(())
}

// --- histograms -----------------------------------------------------------------------------------------------

fn histogram(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let commands = histogram_commands(node, call);
    let Node { engine, timing, .. } = node;
    let found: Vec<_> = commands
        .into_iter()
        .filter_map(|id| Some((engine.registry().get(id).full_name.clone(), timing.histogram(id)?)))
        .collect();
    let mut reply = engine.reply(call.session);
    reply.map(found.len());
    for (name, histogram) in found {
        reply.bulk(name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.int(histogram.count() as i64);
        reply.bulk(b"histogram_usec");
        let doublings = histogram.doublings();
        reply.map(doublings.len());
        for (micros, count) in doublings {
            reply.int(micros as i64);
            reply.int(count as i64);
        }
    }
    Ok(())
}

/// The commands that are asked for: a container stands for its subcommands, no word for all commands.
fn histogram_commands(node: &Node, call: &Call<'_>) -> Vec<CommandId> {
    let registry = node.engine.registry();
    if call.args.len() == 2 {
        return registry.iter().map(|(id, _)| id).collect();
    }
    let mut ids = Vec::new();
    for name in call.args.from(2).iter() {
        let mut words = name.splitn(2, |&byte| byte == b'|');
        let Some(id) = registry.find(words.next().unwrap_or_default()) else { continue };
        match words.next() {
            Some(sub) => ids.extend(registry.find_sub(id, sub)),
            None if registry.get(id).subcommands.is_empty() => ids.push(id),
            None => ids.extend(&registry.get(id).subcommands),
        }
    }
    ids
}

// --- texts ----------------------------------------------------------------------------------------------------

fn graph(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let name = &call.args[2];
    let Some((name, series)) = node.timing.monitor.find(name) else {
        return Err(ReplyError::naming("ERR No samples available for event '", name, "'"));
    };
    let text = graph_text(name, series, call.now.unix.seconds());
    node.engine.reply(call.session).verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// The samples as columns, oldest first: the higher, the slower; below each its age.
fn graph_text(name: &str, series: &Series, now_secs: i64) -> String {
    let (low, _, high) = series.spread();
    let most = series.max_ms();
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {most} ms)\n");
    text.push_str(&"-".repeat(GRAPH_COLUMNS));
    text.push('\n');
    let skipped = series.samples().len().saturating_sub(GRAPH_COLUMNS);
    let samples: Vec<_> = series.samples().skip(skipped).collect();
    let height = |millis: u64| match high - low {
        0 => 0,
        range => ((millis - low) * (GRAPH_STEPS - 1) / range) as usize,
    };
    for row in (0..GRAPH_ROWS).rev() {
        for sample in &samples {
            let height = height(sample.millis);
            let mark = [b'_', b'o', b'#'][height % 3];
            let above = (height / 3).cmp(&row);
            text.push(match above {
                std::cmp::Ordering::Equal => char::from(mark),
                std::cmp::Ordering::Greater => '|',
                std::cmp::Ordering::Less => ' ',
            });
        }
        text.push('\n');
    }
    let ages: Vec<Vec<u8>> =
        samples.iter().map(|sample| age_text(now_secs.saturating_sub(sample.unix_secs)).into_bytes()).collect();
    text.push_str(&" ".repeat(samples.len()));
    text.push('\n');
    for row in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        for age in &ages {
            text.push(age.get(row).map_or(' ', |&byte| char::from(byte)));
        }
        text.push('\n');
    }
    text
}

/// `5s`, `3m`, `2h`, `9d`.
fn age_text(secs: i64) -> String {
    match secs {
        ..60 => format!("{secs}s"),
        60..3600 => format!("{}m", secs / 60),
        3600..86_400 => format!("{}h", secs / 3600),
        _ => format!("{}d", secs / 86_400),
    }
}

fn doctor(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let config = &node.engine.core().config;
    let threshold = config.latency_monitor_threshold_ms;
    let mut text = String::new();
    if threshold == 0 {
        text.push_str(
            "The latency monitor is off. Turn it on with \"CONFIG SET latency-monitor-threshold <milliseconds>\".\n",
        );
    } else if node.timing.monitor.events().len() == 0 {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "Nothing took {threshold} ms or longer since the monitor was turned on.");
    }
    for (name, series) in node.timing.monitor.events() {
        let (low, mean, high) = series.spread();
        let _ = writeln!(
            text,
            "{name}: {} spikes, {low} to {high} ms, {mean} ms on average, {} ms at the worst.",
            series.samples().len(),
            series.max_ms()
        );
    }
    if node.timing.monitor.find(b"command").is_some() {
        text.push_str("Commands that walk over many elements are slow: SLOWLOG GET shows which ones they were.\n");
    }
    if node.timing.monitor.find(b"fast-command").is_some() {
        text.push_str("Commands of constant time were slow: the processor was busy elsewhere, or memory was paged.\n");
    }
    node.engine.reply(call.session).verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn latency_help(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    help::reply(
        &mut node.engine.reply(call.session),
        "LATENCY",
        &[
            ("DOCTOR", "Says in words what took too long."),
            ("GRAPH <event>", "Draws the spikes of an event."),
            ("HISTOGRAM [<command> ...]", "Counts how often commands took how long."),
            ("HISTORY <event>", "Shows when and for how long an event took too long."),
            ("LATEST", "Shows each event's last and longest spike."),
            ("RESET [<event> ...]", "Forgets the spikes of these events, or of all."),
        ],
    );
    Ok(())
}

/// Columns of the graph (Redis: `LATENCY_GRAPH_COLS`).
const GRAPH_COLUMNS: usize = 80;

/// Rows of the graph.
const GRAPH_ROWS: usize = 4;

/// Heights a column can have: three marks in each row.
const GRAPH_STEPS: u64 = 3 * GRAPH_ROWS as u64;
