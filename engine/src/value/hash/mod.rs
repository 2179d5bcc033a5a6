//! Hashes: fields with values, each of which may expire by itself.
//!
//! Two forms: a [`Listpack`] of fields and values in the order they came, while they are few and short and none
//! expires; else a table of entries, with the field as key. A hash grows from form to form and never back. Fields
//! past their expiry stay until [`Hash::expire`] takes them or a write replaces them: who asks says what he sees with
//! [`Sight`]. Random fields are in `random.rs`. Start at [`Hash::set`].

mod field;
mod random;

pub use field::{Field, Presence, Sight, text_len};

use super::digest::Digest;
use super::entries::{Entries, Met};
use super::listpack::{Listpack, Position};
use super::memory::allocated_bytes;
use super::rebuild::Rebuild;
use super::{Collection, Kind, PrefetchStage, Rules, Typed, limit, prefetch_bytes};
use crate::keyspace::{Entry, Expiry, NewValue, Object, UnixMillis, ValueRef};
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
        if let Some(position) = value_position(pairs, field) {
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

    /// The value of a field and its expiry, whether or not that is past.
    #[inline]
    pub fn find(&self, field: &[u8]) -> Option<(ValueRef<'_>, Option<UnixMillis>)> {
        match &self.form {
            Form::Compact(pairs) => Some((field::value_of(pairs.get(value_position(pairs, field)?)), None)),
            Form::Table(entries) => entries.find(field).map(|entry| (entry.value(), entry.expiry())),
        }
    }

    /// The value of a field that the caller sees.
    #[inline]
    pub fn get(&self, field: &[u8], sight: Sight) -> Option<ValueRef<'_>> {
        self.find(field).filter(|(_, expiry)| sight.sees(*expiry)).map(|(value, _)| value)
    }

    /// Whether a field is there, and seen.
    pub fn presence(&self, field: &[u8], sight: Sight) -> Presence {
        self.find(field).map_or(Presence::Absent, |(_, expiry)| Presence::of(sight.sees(expiry)))
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
        self.find(field)?;
        if expiry.is_none() {
            return Some(Met { expiry: None });
        }
        self.become_table(rules).set_expiry(field, expiry)
    }

    /// All fields, those past their expiry too. A listpack has the order in which they came, that of a table depends
    /// only on the seed and on the writes so far.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let (pairs, entries) = match &self.form {
            Form::Compact(pairs) => (Some(pairs), None),
            Form::Table(entries) => (None, Some(entries)),
        };
        let pairs = pairs.into_iter().flat_map(|pairs| pairs.iter().pairs()).map(Field::of_pair);
        pairs.chain(entries.into_iter().flat_map(|entries| entries.iter()).map(Field::of_entry))
    }

    /// The fields that the caller sees.
    pub fn seen(&self, sight: Sight) -> impl Iterator<Item = Field<'_>> {
        self.fields().filter(move |field| sight.sees(field.expiry))
    }

    /// Number of fields that the caller sees; walks if some expire.
    pub fn seen_len(&self, sight: Sight) -> usize {
        if self.volatile_len() == 0 { self.len() } else { self.seen(sight).count() }
    }

    /// Number of fields with an expiry.
    pub fn volatile_len(&self) -> usize {
        self.as_table().map_or(0, Entries::volatile_len)
    }

    /// A time before which no field expires; nothing when none ever does. It may be too early, never too late.
    #[inline]
    pub fn next_expiry(&self) -> Option<UnixMillis> {
        if let Form::Table(entries) = &self.form { entries.next_expiry() } else { None }
    }

    /// Takes fields out that are past their expiry and hands them to `gone`, until about `visits_max` fields were
    /// looked at. Returns how many were.
    pub fn expire(&mut self, now: UnixMillis, visits_max: usize, gone: impl FnMut(Entry)) -> usize {
        if let Form::Table(entries) = &mut self.form { entries.expire(now, visits_max, gone) } else { 0 }
    }

    /// The fields and values, while they are a listpack.
    pub const fn as_listpack(&self) -> Option<&Listpack> {
        if let Form::Compact(pairs) = &self.form { Some(pairs) } else { None }
    }

    /// The table, once that is the form.
    pub fn as_table(&self) -> Option<&Entries> {
        if let Form::Table(entries) = &self.form { Some(entries) } else { None }
    }

    fn become_table(&mut self, rules: Rules<'_>) -> &mut Entries {
        if !matches!(self.form, Form::Table(_)) {
            let mut entries = Entries::new(rules.hasher);
            let (mut name_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
            for field in self.fields() {
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

/// Where the value of a field is.
#[inline]
fn value_position(pairs: &Listpack, field: &[u8]) -> Option<Position> {
    pairs.next(pairs.find(field, 1)?)
}

/// A value as a table keeps it: a number where that is shorter than its digits.
fn stored(value: &[u8]) -> NewValue<'_> {
    match parse_i64(value).filter(|_| value.len() > size_of::<i64>()) {
        Some(number) => NewValue::Int(number),
        None => NewValue::Str(value),
    }
}

impl Collection for Hash {
    fn kind(&self) -> Kind {
        Kind::Hash
    }

    fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Compact(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    fn len(&self) -> usize {
        match &self.form {
            Form::Compact(pairs) => pairs.len() / 2,
            Form::Table(entries) => entries.len(),
        }
    }

    #[inline]
    fn memory_usage(&self) -> usize {
        match &self.form {
            Form::Compact(pairs) => pairs.memory_usage(),
            Form::Table(entries) => allocated_bytes(size_of::<Entries>()) + entries.memory_usage(),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        let (mut name_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        for field in self.fields() {
            let mut pair = Digest::default();
            pair.mix(field.name.text(&mut name_digits));
            pair.mix(field.value.string_bytes(&mut value_digits).unwrap_or_default());
            digest.combine_with(&pair);
        }
    }

    fn rebuild(&self, rebuild: &mut Rebuild<'_>) {
        let lasting = self.fields().filter(|field| field.expiry.is_none());
        rebuild.items("HSET", lasting.map(|field| [field.name.to_vec(), field.value_to_vec()]));
        for field in self.fields() {
            let Some(UnixMillis(at)) = field.expiry else { continue };
            let mut digits = itoa::Buffer::new();
            let (at, name, value) = (digits.format(at).as_bytes(), field.name.to_vec(), field.value_to_vec());
            rebuild.command(&[b"HSETEX", rebuild.key(), b"PXAT", at, b"FIELDS", b"1", &name, &value]);
        }
    }

    fn prefetch(&self, field: &[u8], stage: PrefetchStage) {
        match &self.form {
            Form::Table(fields) => fields.prefetch(field, stage),
            Form::Compact(pairs) if stage == PrefetchStage::Begin => prefetch_bytes(pairs.as_bytes()),
            Form::Compact(_) => {}
        }
    }

    fn free_cost(&self) -> usize {
        self.as_table().map_or(1, Entries::len)
    }

    fn free_some(&mut self, elements_max: usize) -> usize {
        if let Form::Table(entries) = &mut self.form { entries.free_some(elements_max) } else { 0 }
    }
}

impl Typed for Hash {
    fn of(object: &Object) -> Option<&Self> {
        if let Object::Hash(hash) = object { Some(hash) } else { None }
    }

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
