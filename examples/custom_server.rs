//! A server with a command of its own, which replicates and persists as the built-in ones do.
//!
//! `cargo run --example custom_server` checks it in memory; with an address it serves:
//! `cargo run --example custom_server 127.0.0.1:6390`, then `redis-cli -p 6390 counter.bump visits`.

use std::error::Error;

use slotmesh::Server;
use slotmesh::command::{
    Args, Ctx, DENY_OOM, DataFn, Entry, Expiry, FAST, NewValue, ReplyError, Spec, UPDATE_ONE, ValueRef, WRITE, data,
};

/// One row per command: name, number of words, flags, where the keys are, the function.
const ROWS: &[Spec<DataFn>] = &[data("COUNTER.BUMP", -2, WRITE.and(DENY_OOM).and(FAST), UPDATE_ONE, bump as DataFn)];

/// `COUNTER.BUMP key [limit]`: counts up to a limit, and begins again at 1.
fn bump(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = args.at(1);
    let limit: i64 = match args.get(2) {
        Some(text) => {
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(ReplyError::NotInteger)?
        }
        None => i64::MAX,
    };
    let count = ctx.view(key, |entry, _| match entry.map(Entry::value) {
        Some(ValueRef::Int(count)) => Ok(count),
        Some(ValueRef::Str(_)) => Err(ReplyError::NotInteger),
        Some(ValueRef::Object(_) | ValueRef::Packed(_)) => Err(ReplyError::WrongType),
        None => Ok(0),
    })?;
    let next = if count >= limit { 1 } else { count + 1 };
    ctx.set(key, NewValue::Int(next), Expiry::Keep);
    ctx.reply.int(next);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(address) = std::env::args().nth(1) {
        return Ok(Server::builder().commands(ROWS).listen(address).serve()?);
    }
    let server = Server::builder().commands(ROWS).start()?;
    let mut client = server.client();

    let counts: Vec<i64> = (0..4).map(|_| client.call(("COUNTER.BUMP", "visits", 3))).collect::<Result<_, _>>()?;
    assert_eq!(counts, [1, 2, 3, 1]);

    // The rest comes from the row: arity, keys, documentation.
    let error = client.call::<i64>(["COUNTER.BUMP"]).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("ERR wrong number of arguments for 'counter.bump' command"));
    let keys: Vec<String> = client.call(["COMMAND", "GETKEYS", "COUNTER.BUMP", "visits"])?;
    assert_eq!(keys, ["visits"]);
    Ok(())
}
