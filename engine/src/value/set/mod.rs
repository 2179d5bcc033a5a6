//! Sets: members without order.
//!
//! Three forms: an [`Intset`] while all members are integers and few, a [`Listpack`] while they are few and short,
//! else a table. A set grows from form to form and never back. Start at [`Set::insert`].

pub mod algebra;
pub mod random;

use super::digest::Digest;
use super::entries::Entries;
use super::intset::Intset;
use super::listpack::{Element, Listpack};
use super::memory::allocated_bytes;
use super::rebuild::Rebuild;
use super::{Collection, Kind, PrefetchStage, Rules, Typed, limit, prefetch_bytes};
use crate::keyspace::Object;
use crate::number::parse_i64;
use crate::rng::Rng;

/// A set of strings.
#[derive(Debug, Clone)]
pub struct Set {
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// `intset`.
    Integers(Intset),
    /// `listpack`.
    Compact(Listpack),
    /// `hashtable`.
    Table(Box<Entries>),
}

impl Set {
    /// A set of these integers, in the form that the options ask for.
    pub fn from_intset(integers: Intset, rules: Rules<'_>) -> Self {
        let too_many = integers.len() > limit(rules.config.set_max_intset_entries);
        let mut set = Self { form: Form::Integers(integers) };
        if too_many {
            set.become_table(rules);
        }
        set
    }

    /// A set of these members, in the form that the options ask for; nothing when one comes twice.
    pub fn from_listpack(members: Listpack, rules: Rules<'_>) -> Option<Self> {
        let mut keys: Vec<_> = members.iter().map(identity).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let too_many = keys.len() > limit(rules.config.set_max_listpack_entries);
        let mut set = Self { form: Form::Compact(members) };
        if too_many {
            set.become_table(rules);
        }
        Some(set)
    }

    /// Prepares for an insertion of `count` members, as a command brings them: more than a compact form may have
    /// make it a table at once, even if some are there or come twice.
    pub fn expect(&mut self, first: &[u8], count: usize, rules: Rules<'_>) {
        let (integers_max, compact_max) =
            (limit(rules.config.set_max_intset_entries), limit(rules.config.set_max_listpack_entries));
        let fits = match &self.form {
            Form::Table(_) => return,
            Form::Integers(integers) if integers.is_empty() => {
                if parse_i64(first).is_some() && count <= integers_max {
                    return;
                }
                // As in Redis 7.2: what are too many integers from the first may still be few enough for a listpack.
                self.form = Form::Compact(Listpack::new());
                count <= compact_max
            }
            Form::Integers(_) => count <= integers_max,
            Form::Compact(_) => count <= compact_max,
        };
        if !fits {
            self.become_table(rules);
        }
    }

    /// Adds a member. Returns whether it was not there.
    pub fn insert(&mut self, member: &[u8], rules: Rules<'_>) -> bool {
        if let Form::Integers(integers) = &mut self.form {
            if let Some(number) = parse_i64(member) {
                let added = integers.insert(number);
                if added && integers.len() > limit(rules.config.set_max_intset_entries) {
                    self.become_table(rules);
                }
                return added;
            }
            self.leave_integers(member.len(), rules);
        }
        if let Form::Compact(listpack) = &mut self.form {
            if listpack.find(member, 0).is_some() {
                return false;
            }
            if fits(listpack.len(), member.len(), rules) && listpack.has_room_for(member.len(), 1) {
                listpack.push_back(member);
                return true;
            }
            self.become_table(rules);
        }
        if let Form::Table(members) = &mut self.form { members.add(member) } else { false }
    }

    /// Removes a member. Returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            Form::Table(members) => members.remove(member).is_some(),
            Form::Integers(integers) => parse_i64(member).is_some_and(|number| integers.remove(number)),
            Form::Compact(listpack) => {
                let found = listpack.find(member, 0);
                if let Some(position) = found {
                    listpack.delete(position);
                }
                found.is_some()
            }
        }
    }

    /// Whether a member is there.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.form {
            Form::Table(members) => members.find(member).is_some(),
            Form::Integers(integers) => parse_i64(member).is_some_and(|number| integers.contains(number)),
            Form::Compact(listpack) => listpack.find(member, 0).is_some(),
        }
    }

    /// Whether a member of another set is there.
    pub fn contains_element(&self, member: Element<'_>) -> bool {
        match (&self.form, member) {
            (Form::Integers(integers), Element::Int(number)) => integers.contains(number),
            _ => self.contains(member.text(&mut itoa::Buffer::new())),
        }
    }

    /// All members. Integers ascend, a listpack has its own order, that of a table depends only on the seed and on
    /// the writes so far.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Element<'_>> + '_> {
        match &self.form {
            Form::Integers(integers) => Box::new(integers.iter().map(Element::Int)),
            Form::Compact(listpack) => Box::new(listpack.iter()),
            Form::Table(members) => Box::new(members.iter().map(|entry| Element::Bytes(entry.key()))),
        }
    }

    /// A random member, each as likely as any other; nothing when there is none.
    pub fn random(&self, rng: &mut Rng) -> Option<Element<'_>> {
        match &self.form {
            Form::Integers(integers) => integers.at(rng.index(integers.len())).map(Element::Int),
            Form::Compact(listpack) => listpack.at(rng.index(listpack.len())).map(|position| listpack.get(position)),
            Form::Table(members) => members.random(rng).map(|entry| Element::Bytes(entry.key())),
        }
    }

    /// Makes a table that has lost most of its members compact again, if the options allow it.
    pub fn compact(&mut self, rules: Rules<'_>) {
        let Form::Table(members) = &self.form else { return };
        let mut compact = Self { form: Form::Compact(Listpack::new()) };
        for entry in members.iter() {
            compact.insert(entry.key(), rules);
        }
        *self = compact;
    }

    /// The integers, while that is the form.
    pub const fn as_intset(&self) -> Option<&Intset> {
        if let Form::Integers(integers) = &self.form { Some(integers) } else { None }
    }

    /// The table, once that is the form.
    pub fn as_table(&self) -> Option<&Entries> {
        if let Form::Table(members) = &self.form { Some(members) } else { None }
    }

    /// Makes integers a listpack that can take a string of that length, or a table.
    fn leave_integers(&mut self, len: usize, rules: Rules<'_>) {
        let Form::Integers(integers) = &self.form else { return };
        let ends = [integers.at(0), integers.len().checked_sub(1).and_then(|last| integers.at(last))];
        let longest = ends.into_iter().flatten().map(|number| Element::Int(number).text_len()).max().unwrap_or(0);
        if fits(integers.len(), len.max(longest), rules) {
            let mut listpack = Listpack::with_capacity(len);
            integers.iter().for_each(|number| listpack.push_back(number));
            self.form = Form::Compact(listpack);
        } else {
            self.become_table(rules);
        }
    }

    fn become_table(&mut self, rules: Rules<'_>) {
        let mut table = Entries::new(rules.hasher);
        for member in self.iter() {
            table.add(member.text(&mut itoa::Buffer::new()));
        }
        self.form = Form::Table(Box::new(table));
    }
}

/// What is equal for equal members: the number, or the bytes of those that are none.
fn identity(member: Element<'_>) -> (Option<i64>, &[u8]) {
    match (member.integer(), member) {
        (None, Element::Bytes(bytes)) => (None, bytes),
        (number, _) => (number, b""),
    }
}

/// Whether a listpack with so many members may take one of that length.
fn fits(members: usize, len: usize, rules: Rules<'_>) -> bool {
    members < limit(rules.config.set_max_listpack_entries) && len <= limit(rules.config.set_max_listpack_value)
}

impl Default for Set {
    /// The empty set, which owns nothing.
    fn default() -> Self {
        Self { form: Form::Integers(Intset::default()) }
    }
}

impl Collection for Set {
    fn kind(&self) -> Kind {
        Kind::Set
    }

    fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Integers(_) => "intset",
            Form::Compact(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    fn len(&self) -> usize {
        match &self.form {
            Form::Integers(integers) => integers.len(),
            Form::Compact(listpack) => listpack.len(),
            Form::Table(members) => members.len(),
        }
    }

    fn memory_usage(&self) -> usize {
        match &self.form {
            Form::Integers(integers) => integers.memory_usage(),
            Form::Compact(listpack) => listpack.memory_usage(),
            Form::Table(members) => allocated_bytes(size_of::<Entries>()) + members.memory_usage(),
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
        match &self.form {
            Form::Table(members) => members.prefetch(element, stage),
            Form::Integers(integers) if stage == PrefetchStage::Begin => prefetch_bytes(integers.as_bytes()),
            Form::Compact(listpack) if stage == PrefetchStage::Begin => prefetch_bytes(listpack.as_bytes()),
            Form::Integers(_) | Form::Compact(_) => {}
        }
    }

    fn free_cost(&self) -> usize {
        self.as_table().map_or(1, Entries::len)
    }

    fn free_some(&mut self, elements_max: usize) -> usize {
        if let Form::Table(members) = &mut self.form { members.free_some(elements_max) } else { 0 }
    }
}

impl Typed for Set {
    fn of(object: &Object) -> Option<&Self> {
        if let Object::Set(set) = object { Some(set) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Set(set) = object { Some(set) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Set(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Set;
    use crate::rng::Rng;
    use crate::value::{Collection, OwnRules};

    fn set(members: &[&str], own: &OwnRules) -> Set {
        let mut set = Set::default();
        members.iter().for_each(|member| assert!(set.insert(member.as_bytes(), own.rules())));
        set
    }

    #[test]
    fn a_set_grows_from_form_to_form() {
        let mut own = OwnRules::default();
        own.config.set_max_intset_entries = 3;
        own.config.set_max_listpack_entries = 4;
        own.config.set_max_listpack_value = 5;

        assert_eq!(set(&["1", "2", "3"], &own).encoding(), "intset");
        assert_eq!(set(&["1", "2", "3", "4"], &own).encoding(), "hashtable");
        assert_eq!(set(&["1", "2", "3", "a"], &own).encoding(), "listpack");
        assert_eq!(set(&["a", "1", "2", "3"], &own).encoding(), "listpack");
        assert_eq!(set(&["a", "b", "c", "d", "e"], &own).encoding(), "hashtable");
        assert_eq!(set(&["1", "abcdef"], &own).encoding(), "hashtable");
        assert_eq!(set(&["123456", "a"], &own).encoding(), "hashtable");
        assert_eq!(set(&["abcdef"], &own).encoding(), "hashtable");
    }

    #[test]
    fn it_is_a_set_in_every_form() {
        for (integers_max, listpack_max) in [(0, 0), (512, 0), (8, 64), (512, 128)] {
            let mut own = OwnRules::default();
            own.config.set_max_intset_entries = integers_max;
            own.config.set_max_listpack_entries = listpack_max;
            let (mut set, mut model, mut rng) = (Set::default(), BTreeSet::new(), Rng::new(5));
            for round in 0..3000_u64 {
                let number = rng.below(100 + round / 8);
                let member = if number % 5 == 4 { format!("m{number}") } else { number.to_string() };
                if rng.chance(70) {
                    assert_eq!(set.insert(member.as_bytes(), own.rules()), model.insert(member.clone()));
                } else {
                    assert_eq!(set.remove(member.as_bytes()), model.remove(&member));
                }
                assert_eq!(set.contains(member.as_bytes()), model.contains(&member));
                assert_eq!(set.len(), model.len());
            }

            let members: BTreeSet<String> =
                set.iter().map(|member| String::from_utf8(member.to_vec()).unwrap()).collect();
            assert_eq!(members, model);
        }
    }

    #[test]
    fn random_picks_are_members() {
        let own = OwnRules::default();
        let mut rng = Rng::new(1);
        for members in [&["1", "2"][..], &["a", "b"]] {
            let set = set(members, &own);

            let mut seen: Vec<Vec<u8>> =
                (0..100).filter_map(|_| set.random(&mut rng)).map(|pick| pick.to_vec()).collect();
            seen.sort();
            seen.dedup();

            assert_eq!(seen, members.iter().map(|member| member.as_bytes().to_vec()).collect::<Vec<_>>());
        }
        assert_eq!(Set::default().random(&mut rng), None);
    }
}
