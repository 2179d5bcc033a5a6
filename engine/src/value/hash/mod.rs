//! Hashes: fields with values, each of which may expire by itself.
//!
//! Two forms: a [`Listpack`] of fields and values in the order they came, while they are few and short and none
//! expires; else a table of entries, with the field as key. A hash grows from form to form and never back. Fields
//! past their expiry stay until [`Hash::expire`] takes them or a write replaces them: who asks says what he sees with
//! [`Sight`]. Random fields are in `random.rs`. Start at [`Hash::set`].

mod field;
mod random;
mod view;

pub use field::{Field, Presence, Sight, text_len};
pub use view::HashView;
use view::value_position;

use super::entries::{Entries, Met};
use super::listpack::Listpack;
use super::memory::allocated_bytes;
use super::{Holder, Rules, Typed, limit};
use crate::keyspace::{Entry, Expiry, NewValue, Object, PackedKind, UnixMillis, ValueRef};
use crate::number::parse_i64;

/// Fields with values.
#[derive(Debug, Clone, Default)]
pub struct Hash {
    form: Form,
}

/// As large as a listpack: an object has no more room.
#[derive(Debug, Clone)]
enum Form {
    /// `listpack`: field, value, field, value and so on.
    Compact(Listpack),
    /// `hashtable`.
    Table(Box<Entries>),
}

impl Default for Form {
    fn default() -> Self {
        Self::Compact(Listpack::new())
    }
}

impl Hash {
    /// A hash of these fields and values, in the form that the options ask for; nothing when a field comes twice or
    /// lacks its value.
    pub fn from_listpack(pairs: Listpack, rules: Rules<'_>) -> Option<Self> {
        let len = pairs.len();
        if !len.is_multiple_of(2) {
            return None;
        }
        let mut names: Vec<_> = pairs.iter().pairs().map(|(field, _)| field.to_vec()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let bytes_max = limit(rules.config.hash_max_listpack_value);
        let fits = len / 2 <= limit(rules.config.hash_max_listpack_entries)
            && pairs.iter().all(|element| element.text_len() <= bytes_max);
        let mut hash = Self { form: Form::Compact(pairs) };
        if !fits {
            hash.become_table(rules);
        }
        Some(hash)
    }

    /// Prepares for so many fields, as one command brings them, with so many bytes of names and values: more fields
    /// than a listpack may have make it a table at once, even if some are there or come twice.
    pub fn expect(&mut self, fields: usize, bytes: usize, rules: Rules<'_>) {
        if fields > limit(rules.config.hash_max_listpack_entries) {
            self.become_table(rules);
        } else if let Form::Compact(pairs) = &mut self.form
            && pairs.is_empty()
        {
            *pairs = Listpack::with_capacity(bytes + fields * PAIR_OVERHEAD_BYTES);
        }
    }

    /// Gives a field a value and an expiry. Returns what was there, past its expiry or not.
    pub fn set(&mut self, field: &[u8], value: &[u8], expiry: Expiry, rules: Rules<'_>) -> Option<Met> {
        if let Form::Table(entries) = &mut self.form {
            return entries.set(field, stored(value), expiry);
        }
        let bytes_max = limit(rules.config.hash_max_listpack_value);
        if matches!(expiry, Expiry::At(_)) || field.len() > bytes_max || value.len() > bytes_max {
            return self.become_table(rules).set(field, stored(value), expiry);
        }
        let Form::Compact(pairs) = &mut self.form else {
            return self.become_table(rules).set(field, stored(value), expiry);
        };
        if let Some(position) = value_position(pairs.elements(), field) {
            pairs.replace(position, value);
            return Some(Met { expiry: None });
        }
        let has_room = pairs.len() / 2 < limit(rules.config.hash_max_listpack_entries)
            && pairs.has_room_for(field.len() + value.len(), 2);
        if !has_room {
            return self.become_table(rules).set(field, stored(value), expiry);
        }
        pairs.push_pair(field, value);
        None
    }

    /// Removes a field that the caller sees. Returns what it was before; a hidden one stays.
    pub fn remove(&mut self, field: &[u8], sight: Sight) -> Presence {
        match &mut self.form {
            Form::Compact(pairs) => match pairs.find(field, 1) {
                None => Presence::Absent,
                Some(position) => {
                    pairs.delete_many(position, 2);
                    Presence::Seen
                }
            },
            Form::Table(entries) => {
                let mut presence = Presence::Absent;
                entries.remove_if(field, |entry| {
                    presence = Presence::of(sight.sees(entry.expiry()));
                    presence == Presence::Seen
                });
                presence
            }
        }
    }

    /// Sets or removes the expiry of a field. Returns the one before; nothing when the field is not there.
    pub fn set_expiry(&mut self, field: &[u8], expiry: Option<UnixMillis>, rules: Rules<'_>) -> Option<Met> {
        if let Form::Table(entries) = &mut self.form {
            return entries.set_expiry(field, expiry);
        }
        self.view().find(field)?;
        if expiry.is_none() {
            return Some(Met { expiry: None });
        }
        self.become_table(rules).set_expiry(field, expiry)
    }

    /// Takes fields out that are past their expiry and hands them to `gone`, until about `visits_max` fields were
    /// looked at. Returns how many were.
    pub fn expire(&mut self, now: UnixMillis, visits_max: usize, gone: impl FnMut(Entry)) -> usize {
        if let Form::Table(entries) = &mut self.form { entries.expire(now, visits_max, gone) } else { 0 }
    }

    fn become_table(&mut self, rules: Rules<'_>) -> &mut Entries {
        if !matches!(self.form, Form::Table(_)) {
            let mut entries = Entries::new(rules.hasher);
            let (mut name_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
            for field in self.view().fields() {
                let value = field.value.string_bytes(&mut value_digits).unwrap_or_default();
                entries.set(field.name.text(&mut name_digits), stored(value), Expiry::Never);
            }
            self.form = Form::Table(Box::new(entries));
        }
        match &mut self.form {
            Form::Table(entries) => entries,
            Form::Compact(_) => unreachable!("the form was changed above"),
        }
    }
}

/// A value as a table keeps it: a number where that is shorter than its digits.
fn stored(value: &[u8]) -> NewValue<'_> {
    match parse_i64(value).filter(|_| value.len() > size_of::<i64>()) {
        Some(number) => NewValue::Int(number),
        None => NewValue::Str(value),
    }
}

impl Holder for Hash {
    #[inline]
    fn memory_usage(&self) -> usize {
        match &self.form {
            Form::Compact(pairs) => pairs.memory_usage(),
            Form::Table(entries) => allocated_bytes(size_of::<Entries>()) + entries.memory_usage(),
        }
    }

    fn free_cost(&self) -> usize {
        if let Form::Table(entries) = &self.form { entries.len() } else { 1 }
    }

    fn free_some(&mut self, elements_max: usize) -> usize {
        if let Form::Table(entries) = &mut self.form { entries.free_some(elements_max) } else { 0 }
    }
}

impl Typed for Hash {
    type View<'a> = HashView<'a>;

    const PACKED: Option<PackedKind> = Some(PackedKind::Hash);

    #[inline]
    fn of_listpack(listpack: Listpack) -> Option<Self> {
        Some(Self { form: Form::Compact(listpack) })
    }

    #[inline]
    fn as_listpack(&self) -> Option<&Listpack> {
        if let Form::Compact(pairs) = &self.form { Some(pairs) } else { None }
    }

    #[inline]
    fn into_listpack(self) -> Option<Listpack> {
        if let Form::Compact(pairs) = self.form { Some(pairs) } else { None }
    }

    #[inline]
    fn view(&self) -> HashView<'_> {
        let form = match &self.form {
            Form::Compact(pairs) => view::Form::Compact(pairs.elements()),
            Form::Table(entries) => view::Form::Table(entries),
        };
        HashView { form }
    }

    #[inline]
    fn of(value: ValueRef<'_>) -> Option<HashView<'_>> {
        match value {
            ValueRef::Object(Object::Hash(hash)) => Some(hash.view()),
            ValueRef::Packed(packed) => packed.of_kind(PackedKind::Hash).map(HashView::of_elements),
            ValueRef::Int(_) | ValueRef::Object(_) | ValueRef::Str(_) => None,
        }
    }

    #[inline]
    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Hash(hash) = object { Some(hash) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Hash(self)
    }
}

/// Bytes a short field and its value take in a listpack beyond their own.
const PAIR_OVERHEAD_BYTES: usize = 4;

#[cfg(test)]
mod tests;
