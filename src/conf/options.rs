//! The arguments of a server as lines of configuration.

use slotmesh_engine::config::text::{quote_into, split_args};

/// The parts of a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split<'a> {
    /// The configuration file.
    pub(super) file: Option<&'a [u8]>,
    /// Whether `-` asks to read standard input.
    pub(super) from_stdin: bool,
    /// The options, one per line.
    pub(super) options: Vec<u8>,
}

/// Takes a command line apart: a file may come first, `-` first or last, options between.
pub(super) fn split(args: &[Vec<u8>]) -> Split<'_> {
    let mut rest = args;
    let mut file = None;
    let mut from_stdin = false;
    if let Some((first, after)) = rest.split_first() {
        if first == b"-" {
            from_stdin = true;
            rest = after;
        } else if !first.starts_with(b"-") {
            file = Some(first.as_slice()).filter(|path| !path.is_empty());
            rest = after;
        }
    }
    if let Some((last, before)) = rest.split_last()
        && last == b"-"
    {
        from_stdin = true;
        rest = before;
    }
    Split { file, from_stdin, options: lines(rest) }
}

/// One line per `--option`, its values quoted.
fn lines(args: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    // After an option without a value, the next argument is its value even when it starts with `--`.
    let mut option_may_come = true;
    for (at, arg) in args.iter().enumerate() {
        let name = arg.strip_prefix(b"--").filter(|_| option_may_come);
        let Some(name) = name else {
            quote_into(&mut text, arg);
            text.push(b' ');
            option_may_come = true;
            continue;
        };
        if !text.is_empty() {
            text.push(b'\n');
        }
        text.extend_from_slice(name);
        text.push(b' ');
        // One argument may hold a whole line: "--port 7000".
        let is_bare = split_args(arg).is_ok_and(|words| words.len() == 1);
        let next_is_option = args.get(at + 1).is_none_or(|next| next.starts_with(b"--"));
        if is_bare && next_is_option && arg.eq_ignore_ascii_case(b"--save") {
            text.extend_from_slice(b"\"\"");
            option_may_come = true;
        } else {
            option_may_come = !is_bare;
        }
    }
    text
}
