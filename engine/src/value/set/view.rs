//! Reading a set, whether it lies in the entry of its key or in an object of its own.

use super::{Element, Entries, Intset};
use crate::number::parse_i64;
use crate::rng::Rng;
use crate::value::digest::Digest;
use crate::value::listpack::Elements;
use crate::value::rebuild::Rebuild;
use crate::value::{Collection, Kind, PrefetchStage, prefetch_bytes};

/// A set to read.
#[derive(Debug, Clone, Copy)]
pub struct SetView<'a> {
    pub(super) form: Form<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    /// `intset`.
    Integers(&'a Intset),
    /// `listpack`.
    Compact(Elements<'a>),
    /// `hashtable`.
    Table(&'a Entries),
}

impl<'a> SetView<'a> {
    /// The set that these members are.
    #[inline]
    pub(crate) const fn of_elements(members: Elements<'a>) -> Self {
        Self { form: Form::Compact(members) }
    }

    /// Whether a member is there.
    pub fn contains(self, member: &[u8]) -> bool {
        match self.form {
            Form::Table(members) => members.find(member).is_some(),
            Form::Integers(integers) => parse_i64(member).is_some_and(|number| integers.contains(number)),
            Form::Compact(listpack) => listpack.find(member, 0).is_some(),
        }
    }

    /// Whether a member of another set is there.
    pub fn contains_element(self, member: Element<'a>) -> bool {
        match (self.form, member) {
            (Form::Integers(integers), Element::Int(number)) => integers.contains(number),
            _ => self.contains(member.text(&mut itoa::Buffer::new())),
        }
    }

    /// All members. Integers ascend, a listpack has its own order, that of a table depends only on the seed and on
    /// the writes so far.
    pub fn iter(self) -> Box<dyn Iterator<Item = Element<'a>> + 'a> {
        match self.form {
            Form::Integers(integers) => Box::new(integers.iter().map(Element::Int)),
            Form::Compact(listpack) => Box::new(listpack.iter()),
            Form::Table(members) => Box::new(members.iter().map(|entry| Element::Bytes(entry.key()))),
        }
    }

    /// A random member, each as likely as any other; nothing when there is none.
    pub fn random(self, rng: &mut Rng) -> Option<Element<'a>> {
        match self.form {
            Form::Integers(integers) => integers.at(rng.index(integers.len())).map(Element::Int),
            Form::Compact(listpack) => listpack.at(rng.index(listpack.len())).map(|position| listpack.get(position)),
            Form::Table(members) => members.random(rng).map(|entry| Element::Bytes(entry.key())),
        }
    }

    /// The integers, while that is the form.
    pub const fn as_intset(self) -> Option<&'a Intset> {
        if let Form::Integers(integers) = self.form { Some(integers) } else { None }
    }

    /// The table, once that is the form.
    pub const fn as_table(self) -> Option<&'a Entries> {
        if let Form::Table(members) = self.form { Some(members) } else { None }
    }
}

impl Collection for SetView<'_> {
    fn kind(&self) -> Kind {
        Kind::Set
    }

    fn encoding(&self) -> &'static str {
        match self.form {
            Form::Integers(_) => "intset",
            Form::Compact(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    fn len(&self) -> usize {
        match self.form {
            Form::Integers(integers) => integers.len(),
            Form::Compact(listpack) => listpack.len(),
            Form::Table(members) => members.len(),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        for member in self.iter() {
            digest.combine(member.text(&mut itoa::Buffer::new()));
        }
    }

    fn rebuild(&self, rebuild: &mut Rebuild<'_>) {
        rebuild.items("SADD", self.iter().map(|member| [member.to_vec()]));
    }

    fn prefetch(&self, element: &[u8], stage: PrefetchStage) {
        match self.form {
            Form::Table(members) => members.prefetch(element, stage),
            Form::Integers(integers) if stage == PrefetchStage::Begin => prefetch_bytes(integers.as_bytes()),
            Form::Compact(listpack) if stage == PrefetchStage::Begin => prefetch_bytes(listpack.bytes()),
            Form::Integers(_) | Form::Compact(_) => {}
        }
    }
}
