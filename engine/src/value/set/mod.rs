//! Sets: members without order.
//!
//! Three forms: an [`Intset`] while all members are integers and few, a [`Listpack`] while they are few and short,
//! else a table. A set grows from form to form and never back. Start at [`Set::insert`].

pub mod algebra;
pub mod random;
mod view;

pub use view::SetView;

use super::entries::Entries;
use super::intset::Intset;
use super::listpack::{Element, Listpack};
use super::memory::allocated_bytes;
use super::{Holder, Rules, Typed, limit};
use crate::keyspace::{Object, PackedKind, ValueRef};
use crate::number::parse_i64;

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

    /// Makes a table that has lost most of its members compact again, if the options allow it.
    pub fn compact(&mut self, rules: Rules<'_>) {
        let Form::Table(members) = &self.form else { return };
        let mut compact = Self { form: Form::Compact(Listpack::new()) };
        for entry in members.iter() {
            compact.insert(entry.key(), rules);
        }
        *self = compact;
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
        for member in self.view().iter() {
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

impl Holder for Set {
    fn memory_usage(&self) -> usize {
        match &self.form {
            Form::Integers(integers) => integers.memory_usage(),
            Form::Compact(listpack) => listpack.memory_usage(),
            Form::Table(members) => allocated_bytes(size_of::<Entries>()) + members.memory_usage(),
        }
    }

    fn free_cost(&self) -> usize {
        if let Form::Table(members) = &self.form { members.len() } else { 1 }
    }

    fn free_some(&mut self, elements_max: usize) -> usize {
        if let Form::Table(members) = &mut self.form { members.free_some(elements_max) } else { 0 }
    }
}

impl Typed for Set {
    type View<'a> = SetView<'a>;

    const PACKED: Option<PackedKind> = Some(PackedKind::Set);

    #[inline]
    fn of_listpack(listpack: Listpack) -> Option<Self> {
        Some(Self { form: Form::Compact(listpack) })
    }

    #[inline]
    fn as_listpack(&self) -> Option<&Listpack> {
        if let Form::Compact(members) = &self.form { Some(members) } else { None }
    }

    #[inline]
    fn into_listpack(self) -> Option<Listpack> {
        if let Form::Compact(members) = self.form { Some(members) } else { None }
    }

    #[inline]
    fn view(&self) -> SetView<'_> {
        let form = match &self.form {
            Form::Integers(integers) => view::Form::Integers(integers),
            Form::Compact(listpack) => view::Form::Compact(listpack.elements()),
            Form::Table(members) => view::Form::Table(members),
        };
        SetView { form }
    }

    #[inline]
    fn of(value: ValueRef<'_>) -> Option<SetView<'_>> {
        match value {
            ValueRef::Object(Object::Set(set)) => Some(set.view()),
            ValueRef::Packed(packed) => packed.of_kind(PackedKind::Set).map(SetView::of_elements),
            ValueRef::Int(_) | ValueRef::Object(_) | ValueRef::Str(_) => None,
        }
    }

    #[inline]
    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Set(set) = object { Some(set) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Set(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::value::Typed;
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

        assert_eq!(set(&["1", "2", "3"], &own).view().encoding(), "intset");
        assert_eq!(set(&["1", "2", "3", "4"], &own).view().encoding(), "hashtable");
        assert_eq!(set(&["1", "2", "3", "a"], &own).view().encoding(), "listpack");
        assert_eq!(set(&["a", "1", "2", "3"], &own).view().encoding(), "listpack");
        assert_eq!(set(&["a", "b", "c", "d", "e"], &own).view().encoding(), "hashtable");
        assert_eq!(set(&["1", "abcdef"], &own).view().encoding(), "hashtable");
        assert_eq!(set(&["123456", "a"], &own).view().encoding(), "hashtable");
        assert_eq!(set(&["abcdef"], &own).view().encoding(), "hashtable");
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
                assert_eq!(set.view().contains(member.as_bytes()), model.contains(&member));
                assert_eq!(set.view().len(), model.len());
            }

            let members: BTreeSet<String> =
                set.view().iter().map(|member| String::from_utf8(member.to_vec()).unwrap()).collect();
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
                (0..100).filter_map(|_| set.view().random(&mut rng)).map(|pick| pick.to_vec()).collect();
            seen.sort();
            seen.dedup();

            assert_eq!(seen, members.iter().map(|member| member.as_bytes().to_vec()).collect::<Vec<_>>());
        }
        assert_eq!(Set::default().view().random(&mut rng), None);
    }
}
