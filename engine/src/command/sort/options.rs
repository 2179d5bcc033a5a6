//! The words of SORT.

use super::pattern::{Pattern, slot_of_pattern};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::slot::Slot;

/// Which of the commands it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// SORT.
    MayStore,
    /// SORT_RO.
    ReadsOnly,
}

/// A request that was understood.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Where the weights are; nothing where elements weigh what they are.
    pub(super) by: Option<Pattern<'a>>,
    /// What is replied for each element; the element when there is none.
    pub(super) gets: Vec<Pattern<'a>>,
    pub(super) alpha: bool,
    pub(super) descending: bool,
    /// The elements stay in the order they have (`BY` without a `*`).
    pub(super) keeps_order: bool,
    /// Elements to leave out at the beginning.
    pub(super) offset: i64,
    /// Elements to reply; negative for all.
    pub(super) count: i64,
    pub(super) target: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(ctx: &Ctx<'_>, args: Args<'a>, form: Form) -> Result<Self, ReplyError> {
        let mut request = Self {
            by: None,
            gets: Vec::new(),
            alpha: false,
            descending: false,
            keeps_order: false,
            offset: 0,
            count: -1,
            target: None,
        };
        // In a cluster, patterns may only lead to keys that are sure to be in the slot of the key that is sorted.
        let slot = ctx.core.config.cluster_enabled.then(|| Slot::of_key(&args[1]));
        let mut index = 2;
        while index < args.len() {
            index += request.take(args, index, form, slot)?;
        }
        Ok(request)
    }

    /// Takes the option at `index`; returns the number of its words.
    fn take(&mut self, args: Args<'a>, index: usize, form: Form, slot: Option<Slot>) -> Result<usize, ReplyError> {
        let left = args.len() - index - 1;
        if args.is(index, "ASC") {
            self.descending = false;
        } else if args.is(index, "DESC") {
            self.descending = true;
        } else if args.is(index, "ALPHA") {
            self.alpha = true;
        } else if args.is(index, "LIMIT") && left >= 2 {
            (self.offset, self.count) = (integer(&args[index + 1])?, integer(&args[index + 2])?);
            return Ok(3);
        } else if args.is(index, "STORE") && form == Form::MayStore && left >= 1 {
            self.target = Some(args.at(index + 1));
            return Ok(2);
        } else if args.is(index, "BY") && left >= 1 {
            self.take_by(args.at(index + 1), slot)?;
            return Ok(2);
        } else if args.is(index, "GET") && left >= 1 {
            let text = args.at(index + 1);
            if text != b"#" && slot.is_some_and(|slot| slot_of_pattern(text) != Some(slot)) {
                return Err(GET_DENIED);
            }
            self.gets.push(Pattern::parse(text));
            return Ok(2);
        } else {
            return Err(ReplyError::Syntax);
        }
        Ok(1)
    }

    fn take_by(&mut self, text: &'a [u8], slot: Option<Slot>) -> Result<(), ReplyError> {
        if !text.contains(&b'*') {
            // As in Redis, this holds whatever BY follows.
            self.keeps_order = true;
        } else if slot.is_some_and(|slot| slot_of_pattern(text) != Some(slot)) {
            return Err(BY_DENIED);
        } else {
            self.by = Some(Pattern::parse(text));
        }
        Ok(())
    }

    /// A set has no order that replicas could repeat: what is stored of one is sorted all the same.
    pub(super) fn settle_order_of_sets(&mut self) {
        if self.keeps_order && self.target.is_some() {
            self.keeps_order = false;
            self.alpha = true;
            self.by = None;
        }
    }
}

const BY_DENIED: ReplyError = ReplyError::Fixed(
    "ERR BY option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots.",
);
const GET_DENIED: ReplyError = ReplyError::Fixed(
    "ERR GET option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots.",
);
