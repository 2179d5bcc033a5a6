//! LCS: the longest common subsequence of two strings.

use super::bytes_of;
use crate::command::Ctx;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Reply;

/// What LCS replies with.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    len: bool,
    ranges: bool,
    match_len_min: usize,
    with_match_len: bool,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, ReplyError> {
        let mut options = Self::default();
        let mut index = 3;
        while index < args.len() {
            if args.is(index, "IDX") {
                options.ranges = true;
            } else if args.is(index, "LEN") {
                options.len = true;
            } else if args.is(index, "WITHMATCHLEN") {
                options.with_match_len = true;
            } else if args.is(index, "MINMATCHLEN") && index + 1 < args.len() {
                index += 1;
                options.match_len_min = usize::try_from(integer(&args[index])?).unwrap_or(0);
            } else {
                return Err(ReplyError::Syntax);
            }
            index += 1;
        }
        if options.ranges && options.len {
            return Err(ReplyError::Fixed("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

pub(super) fn lcs(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    // The only command that has words of its own for the wrong type.
    let a = ctx.view(&args[1], |entry, _| bytes_of(entry)).map_err(|_| NOT_STRINGS)?;
    let b = ctx.view(&args[2], |entry, _| bytes_of(entry)).map_err(|_| NOT_STRINGS)?;
    let options = Options::parse(args)?;
    let table = Table::new(&a, &b, ctx.core.config.proto_max_bulk_len)?;
    if options.len {
        ctx.reply.len(table.len());
    } else if options.ranges {
        reply_ranges(&mut ctx.reply, &table, options);
    } else {
        let mut common: Vec<u8> = table.matches().map(|(at, _)| a[at]).collect();
        common.reverse();
        ctx.reply.bulk(&common);
    }
    Ok(())
}

fn reply_ranges(reply: &mut Reply<'_>, table: &Table<'_>, options: Options) {
    reply.map(2);
    reply.bulk(b"matches");
    let begin = reply.begin();
    let mut count = 0;
    let mut matches = table.matches().peekable();
    while let Some((a_last, b_last)) = matches.next() {
        let mut len = 1;
        while matches.next_if(|&(a, b)| a + len == a_last && b + len == b_last).is_some() {
            len += 1;
        }
        if len < options.match_len_min {
            continue;
        }
        count += 1;
        reply.array(if options.with_match_len { 3 } else { 2 });
        for last in [a_last, b_last] {
            reply.array(2);
            reply.len(last + 1 - len);
            reply.len(last);
        }
        if options.with_match_len {
            reply.len(len);
        }
    }
    reply.end_array(begin, count);
    reply.bulk(b"len");
    reply.len(table.len());
}

/// The length of the longest common subsequence of each pair of beginnings.
struct Table<'s> {
    a: &'s [u8],
    b: &'s [u8],
    /// Row by row, one for each length of the beginning of `a`, from 0.
    cells: Vec<u32>,
}

impl<'s> Table<'s> {
    fn new(a: &'s [u8], b: &'s [u8], bytes_max: u64) -> Result<Self, ReplyError> {
        if a.len().max(b.len()) >= u32::MAX as usize - 1 {
            return Err(ReplyError::Fixed("ERR String too long for LCS"));
        }
        let cells = (a.len() as u64 + 1) * (b.len() as u64 + 1);
        let fits = cells.checked_mul(4).is_some_and(|bytes| bytes <= bytes_max);
        if !fits {
            return Err(ReplyError::Fixed(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let mut table = Self { a, b, cells: vec![0; cells as usize] };
        table.fill();
        Ok(table)
    }

    fn fill(&mut self) {
        let width = self.b.len() + 1;
        for (row, byte) in self.a.iter().enumerate() {
            let (above, below) = self.cells[row * width..].split_at_mut(width);
            for (column, other) in self.b.iter().enumerate() {
                below[column + 1] =
                    if byte == other { above[column] + 1 } else { above[column + 1].max(below[column]) };
            }
        }
    }

    fn at(&self, a_len: usize, b_len: usize) -> u32 {
        self.cells[a_len * (self.b.len() + 1) + b_len]
    }

    fn len(&self) -> usize {
        self.at(self.a.len(), self.b.len()) as usize
    }

    /// The pairs of indexes that make up the subsequence, last one first.
    fn matches(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        std::iter::from_fn(move || {
            while i > 0 && j > 0 {
                if self.a[i - 1] == self.b[j - 1] {
                    (i, j) = (i - 1, j - 1);
                    return Some((i, j));
                }
                if self.at(i - 1, j) > self.at(i, j - 1) {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
            None
        })
    }
}

const NOT_STRINGS: ReplyError = ReplyError::Fixed("ERR The specified keys must contain string values");
