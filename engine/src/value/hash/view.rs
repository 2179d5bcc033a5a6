//! Reading a hash, whether it lies in the entry of its key or in an object of its own.

use super::field::value_of;
use super::{Entries, Field, Presence, Sight};
use crate::keyspace::{UnixMillis, ValueRef};
use crate::value::digest::Digest;
use crate::value::listpack::{Elements, Position};
use crate::value::rebuild::Rebuild;
use crate::value::{Collection, Kind, PrefetchStage, prefetch_bytes};

/// A hash to read.
#[derive(Debug, Clone, Copy)]
pub struct HashView<'a> {
    pub(super) form: Form<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    /// `listpack`: field, value, field, value and so on.
    Compact(Elements<'a>),
    /// `hashtable`.
    Table(&'a Entries),
}

impl<'a> HashView<'a> {
    /// The hash that these fields and values are.
    #[inline]
    pub(crate) const fn of_elements(pairs: Elements<'a>) -> Self {
        Self { form: Form::Compact(pairs) }
    }

    /// The value of a field and its expiry, whether or not that is past.
    #[inline]
    pub fn find(self, field: &[u8]) -> Option<(ValueRef<'a>, Option<UnixMillis>)> {
        match self.form {
            Form::Compact(pairs) => Some((value_of(pairs.get(value_position(pairs, field)?)), None)),
            Form::Table(entries) => entries.find(field).map(|entry| (entry.value(), entry.expiry())),
        }
    }

    /// The value of a field that the caller sees.
    #[inline]
    pub fn get(self, field: &[u8], sight: Sight) -> Option<ValueRef<'a>> {
        self.find(field).filter(|(_, expiry)| sight.sees(*expiry)).map(|(value, _)| value)
    }

    /// Whether a field is there, and seen.
    pub fn presence(self, field: &[u8], sight: Sight) -> Presence {
        self.find(field).map_or(Presence::Absent, |(_, expiry)| Presence::of(sight.sees(expiry)))
    }

    /// All fields, those past their expiry too. A listpack has the order in which they came, that of a table depends
    /// only on the seed and on the writes so far.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let (pairs, entries) = match self.form {
            Form::Compact(pairs) => (Some(pairs), None),
            Form::Table(entries) => (None, Some(entries)),
        };
        let pairs = pairs.into_iter().flat_map(|pairs| pairs.iter().pairs()).map(Field::of_pair);
        pairs.chain(entries.into_iter().flat_map(|entries| entries.iter()).map(Field::of_entry))
    }

    /// The fields that the caller sees.
    pub fn seen(self, sight: Sight) -> impl Iterator<Item = Field<'a>> {
        self.fields().filter(move |field| sight.sees(field.expiry))
    }

    /// Number of fields that the caller sees; walks if some expire.
    pub fn seen_len(self, sight: Sight) -> usize {
        if self.volatile_len() == 0 { self.len() } else { self.seen(sight).count() }
    }

    /// Number of fields with an expiry.
    pub fn volatile_len(self) -> usize {
        self.as_table().map_or(0, Entries::volatile_len)
    }

    /// A time before which no field expires; nothing when none ever does. It may be too early, never too late.
    #[inline]
    pub fn next_expiry(self) -> Option<UnixMillis> {
        if let Form::Table(entries) = self.form { entries.next_expiry() } else { None }
    }

    /// The fields and values, while they are a listpack.
    pub const fn as_elements(self) -> Option<Elements<'a>> {
        if let Form::Compact(pairs) = self.form { Some(pairs) } else { None }
    }

    /// The table, once that is the form.
    pub const fn as_table(self) -> Option<&'a Entries> {
        if let Form::Table(entries) = self.form { Some(entries) } else { None }
    }
}

/// Where the value of a field is.
#[inline]
pub(super) fn value_position(pairs: Elements<'_>, field: &[u8]) -> Option<Position> {
    pairs.next(pairs.find(field, 1)?)
}

impl Collection for HashView<'_> {
    fn kind(&self) -> Kind {
        Kind::Hash
    }

    fn encoding(&self) -> &'static str {
        match self.form {
            Form::Compact(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    fn len(&self) -> usize {
        match self.form {
            Form::Compact(pairs) => pairs.len() / 2,
            Form::Table(entries) => entries.len(),
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
        match self.form {
            Form::Table(fields) => fields.prefetch(field, stage),
            Form::Compact(pairs) if stage == PrefetchStage::Begin => prefetch_bytes(pairs.bytes()),
            Form::Compact(_) => {}
        }
    }
}
