//! Inputs that once broke a reader, by name. Whoever mends what a fuzzer found adds the input here.

use crate::checks;

/// A first read of fewer than five bytes of an RDB was taken for commands, and the file refused.
#[test]
fn an_append_only_file_is_told_from_an_rdb_however_short_the_first_read_is() {
    // Of its parts the base counts: it begins with the signature of Valkey.
    let input = [
        0, 249, 109, 97, 110, 105, 102, 101, 115, 116, 84, 7, 35, 58, 253, 86, 65, 76, 75, 69, 89, 142, 207, 215, 0, 0,
        0, 48, 48, 48, 48, 48, 13, 39, 0, 0, 0, 82, 10, 10, 10, 10, 246, 53, 50, 13, 10, 55, 36, 13, 10, 83, 13, 10,
        77, 85, 76, 84, 73, 13,
    ];

    run("aof", &input);
}

fn run(check: &str, input: &[u8]) {
    (checks::find(check).run)(input);
}
