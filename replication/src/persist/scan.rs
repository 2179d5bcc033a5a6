//! Finding whole commands in an append only file that arrives in pieces.
//!
//! Nothing is carried out here. A transaction is handed on only when its EXEC is there, so that whoever applies the
//! commands never sees half of one; annotation lines (`#`) are left out.

use std::ops::Range;

/// The scan of one file's commands.
#[derive(Debug, Default)]
pub(super) struct CommandScan {
    /// Bytes of which those before `from` have been handed on: a feed drops them once, not command by command.
    buffer: Vec<u8>,
    /// Place in the buffer of the command that is not complete yet.
    from: usize,
    /// Place in the file of that command.
    start: u64,
    /// Bytes of the buffer that have been looked at.
    at: usize,
    /// Arguments of the command that are still to come; nothing between commands.
    args_left: Option<u64>,
    name: Name,
    /// Complete commands of the transaction that is open, and where in the file it began.
    transaction: Option<(u64, Vec<u8>)>,
    ready: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Name {
    #[default]
    Unknown,
    Exec,
    Multi,
    Other,
}

/// The bytes are not commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadFormat;

/// Where a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// After a complete command.
    Clean,
    /// In the middle of one, or of a transaction: everything up to `valid` is good.
    Torn { valid: u64, in_transaction: bool },
}

impl CommandScan {
    /// A scan that begins `start` bytes into the file.
    pub(super) fn new(start: u64) -> Self {
        Self { start, ..Self::default() }
    }

    /// Takes the next bytes of the file.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), BadFormat> {
        self.buffer.drain(..self.from);
        self.at -= self.from;
        self.from = 0;
        self.buffer.extend_from_slice(bytes);
        while self.step()? {}
        Ok(())
    }

    /// Takes the commands that are complete.
    pub(super) fn take_ready(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    /// Tells how the file ends when no more bytes come.
    pub(super) fn tail(&self) -> Tail {
        match &self.transaction {
            Some((valid, _)) => Tail::Torn { valid: *valid, in_transaction: true },
            None if self.from == self.buffer.len() => Tail::Clean,
            None => Tail::Torn { valid: self.start, in_transaction: false },
        }
    }

    /// Looks at the next line or argument; says whether it was all there.
    fn step(&mut self) -> Result<bool, BadFormat> {
        let Some(left) = self.args_left else { return self.begin_command() };
        if left == 0 {
            self.end_command();
            return Ok(true);
        }
        let Some(line) = self.line()? else { return Ok(false) };
        let len = number(&self.buffer[line.clone()], b'$').ok_or(BadFormat)?;
        let data = line.end + 2;
        let Some(end) = usize::try_from(len).ok().and_then(|len| data.checked_add(len)) else { return Err(BadFormat) };
        let Some(closing) = self.buffer.get(end..end.saturating_add(2)) else { return Ok(false) };
        if closing != b"\r\n" {
            return Err(BadFormat);
        }
        if self.name == Name::Unknown {
            self.name = Name::of(&self.buffer[data..end]);
        }
        self.at = end + 2;
        self.args_left = Some(left - 1);
        Ok(true)
    }

    fn begin_command(&mut self) -> Result<bool, BadFormat> {
        self.pass();
        let Some(line) = self.line()? else { return Ok(false) };
        let text = &self.buffer[line.clone()];
        self.at = line.end + 2;
        if text.first() == Some(&b'#') {
            return Ok(true);
        }
        let args = number(text, b'*').filter(|&args| args >= 1).ok_or(BadFormat)?;
        self.args_left = Some(args);
        self.name = Name::Unknown;
        Ok(true)
    }

    fn end_command(&mut self) {
        let command = &self.buffer[self.from..self.at];
        match (&mut self.transaction, self.name) {
            (None, Name::Multi) => self.transaction = Some((self.start, command.to_vec())),
            (None, _) => self.ready.extend_from_slice(command),
            (Some((_, commands)), name) => {
                commands.extend_from_slice(command);
                if name == Name::Exec {
                    self.ready.append(commands);
                    self.transaction = None;
                }
            }
        }
        self.args_left = None;
        self.pass();
    }

    /// What lies before the place looked at is done with.
    fn pass(&mut self) {
        self.start += (self.at - self.from) as u64;
        self.from = self.at;
    }

    /// The line that begins at `at`, without its end; nothing when its end is not there yet.
    fn line(&self) -> Result<Option<Range<usize>>, BadFormat> {
        let rest = &self.buffer[self.at..];
        let Some(end) = rest.iter().take(LINE_BYTES_MAX).position(|&byte| byte == b'\n') else {
            return if rest.len() >= LINE_BYTES_MAX { Err(BadFormat) } else { Ok(None) };
        };
        let known = matches!(rest[0], b'*' | b'$' | b'#');
        if !known || end == 0 || rest[end - 1] != b'\r' {
            return Err(BadFormat);
        }
        Ok(Some(self.at..self.at + end - 1))
    }
}

impl Name {
    fn of(word: &[u8]) -> Self {
        match word {
            word if word.eq_ignore_ascii_case(b"MULTI") => Self::Multi,
            word if word.eq_ignore_ascii_case(b"EXEC") => Self::Exec,
            _ => Self::Other,
        }
    }
}

fn number(line: &[u8], prefix: u8) -> Option<u64> {
    let (&first, digits) = line.split_first()?;
    let sound = first == prefix && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if sound { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

/// Longest header or annotation line, in bytes (Redis reads them into 128 bytes).
const LINE_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::{BadFormat, CommandScan, Tail};

    const SET: &str = "*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n";
    const MULTI: &str = "*1\r\n$5\r\nmulti\r\n";
    const EXEC: &str = "*1\r\n$4\r\nEXEC\r\n";

    fn scanned(text: &str, piece: usize) -> (String, Tail) {
        let mut scan = CommandScan::new(0);
        let mut ready = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            scan.feed(piece).unwrap();
            ready.extend(scan.take_ready());
        }
        (String::from_utf8(ready).unwrap(), scan.tail())
    }

    #[test]
    fn whole_commands_come_out_however_they_arrive() {
        let text = format!("#TS:1700000000\r\n{SET}{MULTI}{SET}#TS:1700000001\r\n{EXEC}{SET}");
        let expected = format!("{SET}{MULTI}{SET}{EXEC}{SET}");

        for piece in 1..text.len() {
            assert_eq!(scanned(&text, piece), (expected.clone(), Tail::Clean), "pieces of {piece}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_good_up_to_a_whole_command_or_transaction() {
        let text = format!("{SET}{MULTI}{SET}{EXEC}{SET}");
        let group = SET.len() + MULTI.len() + SET.len() + EXEC.len();
        for cut in 0..text.len() {
            let (ready, tail) = scanned(&text[..cut], 7);
            let good = [0, SET.len(), group, text.len()].into_iter().rfind(|&good| good <= cut).unwrap();

            assert_eq!(ready.len(), good, "cut at {cut}");
            match tail {
                Tail::Clean => assert_eq!(cut, good),
                Tail::Torn { valid, .. } => assert_eq!(valid, good as u64, "cut at {cut}"),
            }
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let lines =
            ["PING\r\n", "*0\r\n", "*-1\r\n", "*1\n", "*1\r\n$x\r\n", "*1\r\n+OK\r\n", "*1\r\n$1\r\nab\r\n", "\r\n"];
        for text in lines {
            assert_eq!(CommandScan::new(0).feed(text.as_bytes()), Err(BadFormat), "{}", text.escape_debug());
        }
        assert_eq!(CommandScan::new(0).feed(&[b'*'; 200]), Err(BadFormat));
    }
}
