//! Geo: positions as scores of sorted sets.
//!
//! Searches are in [`search`], their words in [`options`].

mod options;
mod search;

use super::keys::{Access, KeySpec, READ_ONE};
use super::sorted::zadd;
use super::spec::{DENY_OOM, MOVABLE_KEYS, READ, Spec, WRITE, data};
use super::{Ctx, DataFn};
use crate::error::ReplyError;
use crate::geo::Point;
use crate::geo::distance::{Unit, meters};
use crate::geo::hash::{position_of, score_of, text_of};
use crate::number::parse_f64;
use crate::resp::args::{Args, ArgsBuf};
use crate::resp::reply::Reply;
use crate::value::sorted::SortedSet;
use search::{georadius, georadius_ro, georadiusbymember, georadiusbymember_ro, geosearch, geosearchstore};

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("GEOADD", -5, WRITE.and(DENY_OOM), UPDATE, geoadd as DataFn),
    data("GEODIST", -4, READ, READ_ONE, geodist),
    data("GEOHASH", -2, READ, READ_ONE, geohash),
    data("GEOPOS", -2, READ, READ_ONE, geopos),
    data("GEORADIUS", -6, WRITE.and(DENY_OOM).and(MOVABLE_KEYS), RADIUS, georadius),
    data("GEORADIUSBYMEMBER", -5, WRITE.and(DENY_OOM).and(MOVABLE_KEYS), RADIUS_BY_MEMBER, georadiusbymember),
    data("GEORADIUSBYMEMBER_RO", -5, READ, READ_ONE, georadiusbymember_ro),
    data("GEORADIUS_RO", -6, READ, READ_ONE, georadius_ro),
    data("GEOSEARCH", -7, READ, READ_ONE, geosearch),
    data("GEOSEARCHSTORE", -8, WRITE.and(DENY_OOM), STORE, geosearchstore),
];

const READ_ACCESS: Access = Access::RO.and(Access::ACCESS);
const STORED: Access = Access::OW.and(Access::UPDATE);
const STORED_PERHAPS: Access = STORED.and(Access::VARIABLE);
const UPDATE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::UPDATE))];
const STORE: &[KeySpec] = &[KeySpec::one(1, STORED), KeySpec::one(2, READ_ACCESS)];
const RADIUS: &[KeySpec] = &[
    KeySpec::one(1, READ_ACCESS),
    KeySpec::after("STORE", 6, STORED_PERHAPS),
    KeySpec::after("STOREDIST", 6, STORED_PERHAPS),
];
const RADIUS_BY_MEMBER: &[KeySpec] = &[
    KeySpec::one(1, READ_ACCESS),
    KeySpec::after("STORE", 5, STORED_PERHAPS),
    KeySpec::after("STOREDIST", 5, STORED_PERHAPS),
];

/// Reads a position as two words.
fn parse_point(longitude: &[u8], latitude: &[u8]) -> Result<Point, ReplyError> {
    let longitude = parse_f64(longitude).ok_or(ReplyError::NotFloat)?;
    let latitude = parse_f64(latitude).ok_or(ReplyError::NotFloat)?;
    let error = || ReplyError::text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"));
    Point::new(longitude, latitude).ok_or_else(error)
}

fn parse_unit(word: &[u8]) -> Result<Unit, ReplyError> {
    Unit::parse(word).ok_or(ReplyError::Fixed("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// Replies with a distance: four decimals, ties to even.
fn reply_distance(reply: &mut Reply<'_>, distance: f64) {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    let mut text = [0; DISTANCE_BYTES_MAX];
    let mut at = text.len();
    let mut left = scaled;
    while left > 0 || text.len() - at < 6 {
        at -= 1;
        if text.len() - at == 5 {
            text[at] = b'.';
        } else {
            text[at] = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }
    reply.bulk(&text[at..]);
}

fn reply_point(reply: &mut Reply<'_>, point: Point) {
    reply.array(2);
    reply.plain_double(point.longitude);
    reply.plain_double(point.latitude);
}

/// Puts the request in the words of ZADD, and is that then.
fn geoadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let is_option = |index: usize, word: &str| args.is(index, word);
    let first = (2..args.len()).find(|&index| !["NX", "XX", "CH"].iter().any(|word| is_option(index, word)));
    let first = first.unwrap_or(args.len());
    let has = |word: &str| (2..first).any(|index| is_option(index, word));
    if !(args.len() - first).is_multiple_of(3) || (has("NX") && has("XX")) {
        return Err(ReplyError::Syntax);
    }
    let mut words: ArgsBuf = [&b"zadd"[..]].into_iter().chain(args.first(first).from(1).iter()).collect();
    for index in (first..args.len()).step_by(3) {
        let point = parse_point(&args[index], &args[index + 1])?;
        words.push(itoa::Buffer::new().format(score_of(point)).as_bytes());
        words.push(&args[index + 2]);
    }
    zadd(ctx, words.as_args())?;
    if ctx.changes_made() > 0 {
        let words: Vec<&[u8]> = words.as_args().iter().collect();
        ctx.rewrite(&words);
    }
    Ok(())
}

fn geopos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<SortedSet, _>(&args[1], |set, reply| {
        reply.array(args.len() - 2);
        for member in args.from(2).iter() {
            match set.and_then(|set| set.score(member)) {
                None => reply.null_array(),
                Some(score) => reply_point(reply, position_of(score)),
            }
        }
    })
}

fn geohash(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<SortedSet, _>(&args[1], |set, reply| {
        reply.array(args.len() - 2);
        for member in args.from(2).iter() {
            match set.and_then(|set| set.score(member)) {
                None => reply.null(),
                Some(score) => reply.bulk(&text_of(position_of(score))),
            }
        }
    })
}

fn geodist(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let unit = match args.len() {
        4 => Unit::Meters,
        5 => parse_unit(&args[4])?,
        _ => return Err(ReplyError::Syntax),
    };
    ctx.view_typed::<SortedSet, _>(&args[1], |set, reply| {
        let position = |member: &[u8]| set.and_then(|set| set.score(member)).map(position_of);
        match (position(&args[2]), position(&args[3])) {
            (Some(from), Some(to)) => reply_distance(reply, meters(from, to) / unit.meters()),
            _ => reply.null(),
        }
    })
}

/// Bytes of the longest distance: that of 64 bits with a point in it.
const DISTANCE_BYTES_MAX: usize = 24;
