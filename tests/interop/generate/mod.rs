//! Random commands, from tables of forms and from the command rows themselves.
//!
//! A form is a command line with places: `<kind>` is filled in, `[a|b]` is left out or one of its parts, `(a|b)` is
//! one of its parts. Keys, values and numbers come from small sets ([`values`]) that meet each other often and hold the
//! values at the edges. What the rows say of a command's arguments makes forms of its own: see [`rows`].

mod bitmap;
mod expire;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod rows;
mod set;
mod sort;
mod sorted;
mod stream;
mod string;
mod transaction;
mod values;
mod waiting;

use slotmesh_engine::command::spec::Group;
use slotmesh_engine::rng::Rng;

pub(crate) use rows::Rows;
use values::{BOUNDS, ENDS, FIELDS, FLOATS, INTEGERS, KEYS, MEMBERS, PATTERNS, POINTS, POINTS_MILLIS, SCORES, VALUES};

/// Where commands come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Bitmap,
    /// What clients wait for.
    Bringing,
    Expire,
    Generic,
    Geo,
    Hash,
    HashExpiry,
    HyperLogLog,
    List,
    /// The rows of a group, with their arguments as documented, instead of forms.
    Rows(Group),
    Set,
    Sort,
    SortedSet,
    Stream,
    StreamGroup,
    String,
    Transaction,
    /// What clients send that wait.
    Waiting,
}

impl Family {
    const fn forms(self) -> &'static [&'static str] {
        match self {
            Self::Bitmap => bitmap::FORMS,
            Self::Bringing => waiting::BRINGING_FORMS,
            Self::Expire => expire::FORMS,
            Self::Generic => generic::FORMS,
            Self::Geo => geo::FORMS,
            Self::Hash => hash::FORMS,
            Self::HashExpiry => hash::EXPIRY_FORMS,
            Self::HyperLogLog => hyperloglog::FORMS,
            Self::List => list::FORMS,
            Self::Rows(_) => &[],
            Self::Set => set::FORMS,
            Self::Sort => sort::FORMS,
            Self::SortedSet => sorted::FORMS,
            Self::Stream => stream::FORMS,
            Self::StreamGroup => stream::GROUP_FORMS,
            Self::String => string::FORMS,
            Self::Transaction => transaction::FORMS,
            Self::Waiting => waiting::WAITING_FORMS,
        }
    }
}

/// The next command; now and then one with an argument missing, added or spoilt.
pub(crate) fn command(rng: &mut Rng, families: &[Family], rows: &Rows) -> Vec<Vec<u8>> {
    let mut args = Vec::new();
    let family = families[rng.index(families.len())];
    if let Family::Rows(group) = family {
        rows.command(group, rng, &mut args);
    } else {
        let forms = family.forms();
        expand(forms[rng.index(forms.len())], rng, &mut args);
    }
    // A wait that is spoilt might have an end, which is another one on each server.
    if family != Family::Waiting && rng.chance(SPOILT_PERCENT) {
        spoil(&mut args, rng);
    }
    args
}

fn spoil(args: &mut Vec<Vec<u8>>, rng: &mut Rng) {
    let at = rng.index(args.len());
    match rng.below(3) {
        0 if args.len() > 1 => drop(args.pop()),
        1 => args.push(pick(rng, WORDS)),
        _ if at > 0 => args[at] = pick(rng, WORDS),
        _ => {}
    }
}

/// Fills in a form. Nesting is that of the table below, so recursion is bounded by it.
fn expand(form: &str, rng: &mut Rng, args: &mut Vec<Vec<u8>>) {
    let mut rest = form.trim_start();
    while let Some(first) = rest.chars().next() {
        let (taken, after) = match first {
            '[' | '(' => group(rest),
            _ => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        match first {
            '[' if rng.chance(50) => {}
            '[' | '(' => {
                let parts: Vec<&str> = taken[1..taken.len() - 1].split('|').collect();
                expand(parts[rng.index(parts.len())], rng, args);
            }
            '<' => fill(&taken[1..taken.len() - 1], rng, args),
            _ => args.push(taken.as_bytes().to_vec()),
        }
        rest = after.trim_start();
    }
}

/// Splits off the bracketed part at the start; brackets do not nest in the table.
fn group(text: &str) -> (&str, &str) {
    let close = if text.starts_with('[') { ']' } else { ')' };
    let end = text.find(close).unwrap_or_else(|| panic!("no `{close}` in {text}"));
    text.split_at(end + 1)
}

fn fill(kind: &str, rng: &mut Rng, args: &mut Vec<Vec<u8>>) {
    match kind {
        "key" => args.push(pick(rng, KEYS)),
        "keys" => (0..=rng.below(3)).for_each(|_| args.push(pick(rng, KEYS))),
        "pairs" => (0..=rng.below(2)).for_each(|_| args.extend([pick(rng, KEYS), pick(rng, VALUES)])),
        "field" => args.push(pick(rng, FIELDS)),
        "fields" => (0..=rng.below(3)).for_each(|_| args.push(pick(rng, FIELDS))),
        "field-pairs" => (0..=rng.below(2)).for_each(|_| args.extend([pick(rng, FIELDS), pick(rng, VALUES)])),
        "counted" => {
            let count = 1 + rng.below(3);
            args.extend([b"FIELDS".to_vec(), count.to_string().into_bytes()]);
            (0..count).for_each(|_| args.push(pick(rng, FIELDS)));
        }
        "counted-pairs" => {
            let count = 1 + rng.below(2);
            args.extend([b"FIELDS".to_vec(), count.to_string().into_bytes()]);
            (0..count).for_each(|_| args.extend([pick(rng, FIELDS), pick(rng, VALUES)]));
        }
        "values" => (0..=rng.below(6)).for_each(|_| args.push(pick(rng, VALUES))),
        // Nodes of lists are full with a few of these; what is compressed of them differs.
        "long" => args.push((0..=rng.below(6000)).map(|at| b'a' + (at % 25) as u8).collect()),
        "value" => args.push(pick(rng, VALUES)),
        "int" => args.push(pick(rng, INTEGERS)),
        "float" => args.push(pick(rng, FLOATS)),
        "index" => args.push((rng.below(60).cast_signed() - 30).to_string().into_bytes()),
        "offset" => args.push(rng.below(80).to_string().into_bytes()),
        "bit" => args.push(rng.below(2).to_string().into_bytes()),
        // One of the numbers below 10,000, and up to 300 of them in a row.
        "element" => args.push(rng.below(10_000).to_string().into_bytes()),
        "elements" => {
            let first = rng.below(10_000);
            (0..rng.below(300)).for_each(|more| args.push((first + more).to_string().into_bytes()));
        }
        "bit-field" => {
            let sign = if rng.chance(50) { 'i' } else { 'u' };
            args.push(format!("{sign}{}", rng.below(66)).into_bytes());
            let counted = if rng.chance(30) { "#" } else { "" };
            args.push(format!("{counted}{}", rng.below(200)).into_bytes());
        }
        "member" => args.push(pick(rng, MEMBERS)),
        "members" => (0..=rng.below(6)).for_each(|_| args.push(pick(rng, MEMBERS))),
        "bound" => args.push(pick(rng, BOUNDS)),
        "scored" => (0..=rng.below(4)).for_each(|_| args.extend([pick(rng, SCORES), pick(rng, MEMBERS)])),
        // Enough to leave the small forms at once.
        "many-scored" => (0..200).for_each(|at| args.extend([pick(rng, SCORES), format!("many:{at}").into_bytes()])),
        "many-members" => (0..200).for_each(|at| args.push(format!("many:{at}").into_bytes())),
        "numbers" => (0..=rng.below(600)).for_each(|_| args.push(rng.below(2000).to_string().into_bytes())),
        "new-id" if rng.chance(40) => args.push(format!("{}-*", rng.below(20)).into_bytes()),
        "new-id" => args.push(format!("{}-{}", rng.below(20), rng.below(20)).into_bytes()),
        "id" if rng.chance(20) => args.push(pick(rng, ENDS)),
        "id" => args.push(format!("{}-{}", rng.below(20), rng.below(20)).into_bytes()),
        "ids" => (0..=rng.below(3)).for_each(|_| fill("id", rng, args)),
        "small" => args.push(rng.below(6).to_string().into_bytes()),
        "pattern" => args.push(pick(rng, PATTERNS)),
        "db" => args.push(rng.below(18).to_string().into_bytes()),
        // Far apart, so that no two are equal on one server and a millisecond apart on the other.
        "seconds" => args.push((1_000 + rng.below(1_000_000_000)).to_string().into_bytes()),
        "millis" => args.push((1_000_000 + rng.below(1_000_000_000_000)).to_string().into_bytes()),
        // Past points are left to commands that delete at once: after SET the reference's count depends on when
        // it gets to the key.
        "later-millis" => args.push((33_177_117_420_000 + rng.below(1_000_000)).to_string().into_bytes()),
        "at" => args.push(pick(rng, POINTS)),
        "at-millis" => args.push(pick(rng, POINTS_MILLIS)),
        other => panic!("the table names an unknown kind `{other}`"),
    }
}

fn pick(rng: &mut Rng, from: &[&str]) -> Vec<u8> {
    from[rng.index(from.len())].as_bytes().to_vec()
}

/// What a spoilt argument becomes.
const WORDS: &[&str] = &["", "abc", "NX", "-1", "1.5", "9223372036854775808", "GET", "EX", "\u{0}"];
/// Share of commands that are not as the table has them.
const SPOILT_PERCENT: u8 = 8;
