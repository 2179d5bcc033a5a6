//! What arrives on many connections at once, beside the same one after the other.

use slotmesh_engine::rng::Rng;

use super::Fixture;
use crate::machine::ConnId;

/// What clients send, `|` being a line's end; some are no whole request, some are more than one. Nothing that would
/// tell whether a client that leaves in the same moment is gone already.
const ARRIVALS: &[&str] = &[
    "*3|$3|SET|$1|a|$1|1|",
    "*3|$3|SET|$1|b|$1|2|",
    "*2|$3|GET|$1|a|",
    "*2|$3|GET|$1|b|",
    "*2|$4|INCR|$1|a|",
    "*2|$3|DEL|$1|a|",
    "*2|$3|GET|$1|a|*2|$3|GET|$1|b|",
    "*2|$3|GET|$1|",
    "a|",
    "GET a|",
    "*1|$5|MULTI|",
    "*1|$4|EXEC|",
    "*2|$6|SELECT|$1|1|",
    "*2|$6|SELECT|$1|0|",
    "*3|$6|SWAPDB|$1|0|$1|1|",
    "*1|$8|FLUSHALL|",
    "*1|$5|RESET|",
    "*1|$4|QUIT|",
    "*2|$5|WATCH|$1|a|",
    "*2|$4|NONE|$1|a|",
    "*1|$3|GET|",
    "*2|$x|",
    "*3|$6|CLIENT|$5|REPLY|$4|SKIP|",
    "*4|$6|CLIENT|$5|PAUSE|$2|30|$5|WRITE|",
    "*3|$5|DEBUG|$5|SLEEP|$4|0.02|",
    "*2|$9|SUBSCRIBE|$1|c|",
    "*3|$4|WAIT|$1|1|$2|15|",
];

/// What each connection hears when the same bytes come in rounds.
fn heard(seed: u64, send: impl Fn(&mut Fixture, &[(ConnId, &[u8])])) -> Vec<String> {
    let mut rng = Rng::new(seed);
    let mut fixture = Fixture::with(|config| {
        config.enable_debug_command = slotmesh_engine::config::choices::Allowed::Yes;
    });
    let conns: Vec<ConnId> = (0..6).map(|_| fixture.neighbour()).collect();
    let mut all = vec![String::new(); conns.len()];
    for _ in 0..60 {
        let round: Vec<(ConnId, Vec<u8>)> = conns
            .iter()
            .map(|&conn| (conn, rng.index(ARRIVALS.len())))
            .map(|(conn, pick)| (conn, ARRIVALS[pick].replace('|', "\r\n").into_bytes()))
            .collect();
        let round: Vec<(ConnId, &[u8])> = round
            .iter()
            .filter(|(conn, _)| !fixture.is_closed(*conn))
            .map(|(conn, bytes)| (*conn, bytes.as_slice()))
            .collect();
        send(&mut fixture, &round);
        fixture.advance(10);
        all.iter_mut().zip(&conns).for_each(|(text, &conn)| text.push_str(&fixture.heard(conn)));
    }
    all
}

#[test]
fn arrivals_at_the_same_moment_are_as_one_after_the_other() {
    for seed in 0..200 {
        let together = heard(seed, |fixture, round| fixture.send_many(round));
        let apart = heard(seed, |fixture, round| {
            for &(conn, bytes) in round {
                if !fixture.is_closed(conn) {
                    fixture.send_bytes(conn, bytes);
                }
            }
        });

        assert_eq!(together, apart, "seed {seed}");
    }
}
