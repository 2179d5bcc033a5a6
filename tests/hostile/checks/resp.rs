//! RESP: requests and replies are the same however their bytes are cut.

use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::request::{Limits, Parsed, ProtocolError, RequestParser};
use slotmesh_transport_mem::reply_len;

use super::input::{Input, pieces};

#[derive(Debug, PartialEq, Eq)]
enum Read {
    Inline(Vec<u8>),
    Request(Vec<Vec<u8>>),
    Refused(ProtocolError),
}

/// Two bytes choose limits and cuts, the rest is the stream.
pub(crate) fn check_request(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, seed) = (input.byte(), input.byte());
    let limits = Limits {
        bulk_bytes_max: if choice & 4 == 0 { 1 << 20 } else { 64 },
        authenticated: choice & 1 == 0,
        trusted: choice & 2 != 0,
    };
    let stream = input.rest();
    if stream.len() > STREAM_BYTES_MAX {
        return;
    }

    let whole = read(stream, &pieces(stream, 0, 0), &limits);

    for longest in [1, 3, 40] {
        let cut = pieces(stream, u64::from(seed), longest);
        assert_eq!(read(stream, &cut, &limits), whole, "pieces of up to {longest}");
    }
}

/// What the pieces of `stream` say. As a connection does, only what is not understood yet is kept.
fn read(stream: &[u8], pieces: &[&[u8]], limits: &Limits) -> Vec<Read> {
    let mut parser = RequestParser::default();
    let (mut kept, mut ranges, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut at = 0;
        loop {
            ranges.clear();
            match parser.parse(&kept[at..], at, &mut ranges, limits) {
                Ok(Parsed::Incomplete) => break,
                Ok(Parsed::Empty { consumed }) => at += consumed,
                Ok(Parsed::Inline { consumed, line }) => {
                    all.push(Read::Inline(kept[at..at + line].to_vec()));
                    at += consumed;
                }
                Ok(Parsed::Request { consumed }) => {
                    let words = Args::new(&kept, &ranges).iter().map(<[u8]>::to_vec).collect();
                    all.push(Read::Request(words));
                    at += consumed;
                }
                Err(error) => {
                    all.push(Read::Refused(error));
                    return all;
                }
            }
        }
        assert!(ranges.is_empty(), "an unfinished request leaves no words behind");
        assert!(parser.allocated() <= 16 * (stream.len() + 64), "words cost what their bytes cost");
        kept.drain(..at);
    }
    all
}

/// Bytes are a stream of replies; one byte chooses a cut.
pub(crate) fn check_reply(data: &[u8]) {
    let mut input = Input::new(data);
    let cut = usize::from(input.byte());
    let stream = input.rest();
    let whole = reply_len(stream);
    let Ok(Some(len)) = whole else {
        // What is wrong in a part is wrong in the whole; what is complete in a part is complete.
        let part = reply_len(&stream[..cut.min(stream.len())]);
        assert!(part == Ok(None) || part == whole, "{part:?} {whole:?}");
        return;
    };
    assert!(len <= stream.len());
    assert_eq!(reply_len(&stream[..len]), whole, "nothing behind a reply is needed");
    assert_eq!(reply_len(&stream[..cut.min(len - 1)]), Ok(None), "no part of a reply is one");
}

pub(crate) fn request_seeds() -> Vec<Vec<u8>> {
    [
        &b"\0\0*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n"[..],
        b"\0\x01PING\r\nSET k \"a b\"\r\n\r\n*0\r\n*-1\r\n",
        b"\x01\x02*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n",
        b"\x01\x03*11\r\n$16385\r\n",
        b"\x02\x04*1\r\n$536870913\r\nxx",
        b"\x04\x05*1\r\n$65\r\n",
        b"\0\x06*2147483647\r\n$1\r\na\r\n",
        b"\0\x07*1\r\n:3\r\n",
        b"\0\x08*0\rx*1\r\n$4\rxPINGxx",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

pub(crate) fn reply_seeds() -> Vec<Vec<u8>> {
    [
        &b"\x03+OK\r\n"[..],
        b"\x05*2\r\n$3\r\nfoo\r\n:1\r\n",
        b"\x09%1\r\n+a\r\n~2\r\n,1.5\r\n#t\r\n",
        b"\x04$-1\r\n*-1\r\n_\r\n",
        b"\x02>3\r\n+message\r\n=7\r\ntxt:abc\r\n(123\r\n",
        b"\x01-ERR no\r\n!5\r\nERR x\r\n",
        b"\x01*4294967296\r\n",
        b"\x01$9223372036854775807\r\n",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// A line may be longer than the reader's bound when it arrives in one piece, and not when in many.
const STREAM_BYTES_MAX: usize = 60_000;
