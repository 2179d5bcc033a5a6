//! Patterns of SORT: names of keys, and of fields in them, with a place for the element.

use crate::command::Ctx;
use crate::command::hash::sight_to_read;
use crate::keyspace::{Object, ValueRef};
use crate::resp::reply::Reply;
use crate::slot::{Slot, hash_tag};
use crate::value::Typed;
use crate::value::hash::Hash;

/// Where an element leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern<'a> {
    /// `#`: to itself.
    Element,
    /// To a key, or to a field of one.
    Key {
        /// The name in front of the element.
        before: &'a [u8],
        /// The name behind it.
        after: &'a [u8],
        /// The field, behind `->`.
        field: Option<&'a [u8]>,
    },
    /// Without a place for the element: nowhere.
    Nowhere,
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Element;
        }
        let Some(star) = memchr::memchr(b'*', text) else { return Self::Nowhere };
        let (before, after) = (&text[..star], &text[star + 1..]);
        // An arrow with nothing behind it is part of the key's name.
        let arrow = memchr::memmem::find(after, b"->").filter(|arrow| arrow + 2 < after.len());
        match arrow {
            None => Self::Key { before, after, field: None },
            Some(arrow) => Self::Key { before, after: &after[..arrow], field: Some(&after[arrow + 2..]) },
        }
    }

    /// Looks up where `element` leads: the string there, if there is one.
    pub(super) fn look_up<R>(
        &self,
        ctx: &mut Ctx<'_>,
        element: &[u8],
        view: impl FnOnce(Option<ValueRef<'_>>, &mut Reply<'_>) -> R,
    ) -> R {
        let Self::Key { before, after, field } = *self else {
            let itself = (*self == Self::Element).then_some(ValueRef::Str(element));
            return view(itself, &mut ctx.reply);
        };
        let sight = sight_to_read(ctx);
        ctx.view(&[before, element, after].concat(), |entry, reply| {
            let value = entry.map(|entry| entry.value());
            let found = match (value, field) {
                (Some(value), Some(field)) => Hash::of(value).and_then(|hash| hash.get(field, sight)),
                (Some(ValueRef::Object(Object::String(_)) | ValueRef::Int(_) | ValueRef::Str(_)), None) => value,
                _ => None,
            };
            view(found, reply)
        })
    }
}

/// The slot of all keys that fit a pattern; nothing where they may be in several.
///
/// A character that stands for others says nothing of the slot behind a complete hash tag.
pub(super) fn slot_of_pattern(pattern: &[u8]) -> Option<Slot> {
    let tag = hash_tag(pattern);
    let decides = if tag.len() == pattern.len() {
        pattern
    } else {
        let open = memchr::memchr(b'{', pattern)?;
        &pattern[..open + 1 + tag.len()]
    };
    let is_fixed = !decides.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
    is_fixed.then(|| Slot::of_key(pattern))
}

#[cfg(test)]
mod tests {
    use super::{Pattern, slot_of_pattern};
    use crate::slot::Slot;

    #[test]
    fn a_pattern_has_a_place_for_the_element_and_perhaps_a_field() {
        let key = |before, after, field| Pattern::Key { before, after, field };

        assert_eq!(Pattern::parse(b"#"), Pattern::Element);
        assert_eq!(Pattern::parse(b"##"), Pattern::Nowhere);
        assert_eq!(Pattern::parse(b"w_*"), key(b"w_", b"", None));
        assert_eq!(Pattern::parse(b"h*x->f*"), key(b"h", b"x", Some(b"f*")));
        assert_eq!(Pattern::parse(b"h->*"), key(b"h->", b"", None));
        assert_eq!(Pattern::parse(b"h*->"), key(b"h", b"->", None));
    }

    #[test]
    fn a_hash_tag_ahead_of_the_place_settles_the_slot() {
        let slot = Some(Slot::of_key(b"k"));

        for pattern in [&b"{k}w*"[..], b"{k}*->f", b"x{k}[*", b"{k}?", b"k"] {
            assert_eq!(slot_of_pattern(pattern), slot, "{}", pattern.escape_ascii());
        }
        for pattern in [&b"k*"[..], b"*{k}", b"{k*}", b"{}{k}*", b"[{k}*", b"\\{k}*", b"{k"] {
            assert_ne!(slot_of_pattern(pattern), slot, "{}", pattern.escape_ascii());
        }
    }
}
