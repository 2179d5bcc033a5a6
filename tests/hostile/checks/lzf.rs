//! LZF: nothing is longer than announced, and what was compressed comes back.

use slotmesh_engine::rdb::lzf::{Compressor, decompress};

use super::input::Input;

/// Two bytes announce a length, the rest is a stream; then all bytes are compressed.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let len = input.short();
    let stream = input.rest();
    let mut out = Vec::new();
    if decompress(stream, len, &mut out).is_ok() {
        assert_eq!(out.len(), len);
    }
    // A run of literals is added before it is found too long.
    assert!(out.capacity() <= 2 * (len + 64), "memory follows the announced length");
    assert!(out.capacity() <= 88 * stream.len() + 256, "and the bytes that are there");

    let (mut packed, mut back) = (Vec::new(), Vec::new());
    if Compressor::default().compress(data, data.len() * 2 + 8, &mut packed) {
        decompress(&packed, data.len(), &mut back).expect("our own stream is sound");
        assert_eq!(back, data);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [
        &b"\0\x64\x01aa\xe0\x57\0\x01aa"[..],
        b"\0\x03\x20\0",
        b"\0\x09\xe0",
        b"\xff\xff\0a\xe0\xff\0",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaabaaaaaaaaaaaaaaaaaabcabcabcabc",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}
