//! An entry's place in a group, put into words: the log repeats changes so, and files of commands tell it so.

use super::{ID_TEXT_BYTES_MAX, Pending, StreamId};

/// Which consumer has which entry, since when and how often.
#[derive(Debug, Clone, Copy)]
pub struct Assignment<'a> {
    /// The consumer's name.
    pub consumer: &'a [u8],
    /// The entry.
    pub id: StreamId,
    /// When it was given away, and how often.
    pub pending: Pending,
    /// Where the group stands; nothing if that is told otherwise.
    pub last_id: Option<StreamId>,
}

impl Assignment<'_> {
    /// Hands on the XCLAIM that brings it about, whatever was before, for a key and the name of a group.
    pub fn with_words<R>(self, (key, group): (&[u8], &[u8]), then: impl FnOnce(&[&[u8]]) -> R) -> R {
        let (mut id_text, mut last_text) = ([0; ID_TEXT_BYTES_MAX], [0; ID_TEXT_BYTES_MAX]);
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let words: [&[u8]; 14] = [
            b"XCLAIM",
            key,
            group,
            self.consumer,
            b"0",
            self.id.text(&mut id_text),
            b"TIME",
            time.format(self.pending.delivered_at).as_bytes(),
            b"RETRYCOUNT",
            count.format(self.pending.deliveries).as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            self.last_id.unwrap_or_default().text(&mut last_text),
        ];
        let len = if self.last_id.is_some() { words.len() } else { words.len() - 2 };
        then(&words[..len])
    }
}
