//! Small collections inside their entry: key and value are one allocation.
//!
//! Lives here: what such a collection is ([`Packed`]), how large it may be, what an entry's header says of it, and how
//! it is changed: it comes out of the entry, into a buffer that serves all entries of a database, and goes back if it
//! is still small. What does not: where the bytes lie ([`super::entry`]). Start at [`Entry::edit_packed`].

use super::entry::Entry;
use super::object::{NewValue, Object, ValueRef};
use crate::value::hash::{Hash, HashView};
use crate::value::list::{List, ListView};
use crate::value::listpack::{Elements, Listpack, SLACK_BYTES_MAX};
use crate::value::memory::allocated_bytes;
use crate::value::set::{Set, SetView};
use crate::value::sorted::{SortedSet, SortedSetView};
use crate::value::{AnyView, Typed};

/// A collection small enough to lie in its entry, as the elements of its listpack.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    kind: PackedKind,
    elements: Elements<'a>,
}

/// The type of a collection that lies in its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackedKind {
    /// A hash: fields and values.
    Hash,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set: members and scores in order.
    SortedSet,
}

impl<'a> Packed<'a> {
    /// The collection as it may lie in an entry; nothing if it is too large for that or no listpack.
    #[inline]
    pub(super) fn of<T: Typed>(value: &'a T) -> Option<Self> {
        let (kind, elements) = (T::PACKED?, value.as_listpack()?.elements());
        let fits = elements.bytes().len() <= PACKED_BYTES_MAX && elements.len() <= PACKED_ELEMENTS_MAX;
        fits.then_some(Self { kind, elements })
    }

    /// The collection that an entry's header tells of and that lies in these bytes.
    #[inline]
    pub(super) const fn lying(shape: PackedShape, bytes: &'a [u8]) -> Self {
        Self { kind: shape.kind(), elements: Elements::new(bytes, shape.elements()) }
    }

    /// The bytes that lie in the entry: a listpack without its header and its end mark.
    #[inline]
    pub(super) const fn bytes(self) -> &'a [u8] {
        self.elements.bytes()
    }

    /// The elements of a collection of that type; nothing for another type.
    #[inline]
    pub(crate) fn of_kind(self, kind: PackedKind) -> Option<Elements<'a>> {
        (self.kind == kind).then_some(self.elements)
    }

    /// The collection, to read.
    #[inline]
    pub fn view(self) -> AnyView<'a> {
        match self.kind {
            PackedKind::Hash => AnyView::Hash(HashView::of_elements(self.elements)),
            PackedKind::List => AnyView::List(ListView::of_elements(self.elements)),
            PackedKind::Set => AnyView::Set(SetView::of_elements(self.elements)),
            PackedKind::SortedSet => AnyView::SortedSet(SortedSetView::of_elements(self.elements)),
        }
    }

    /// A copy outside the entry.
    pub(crate) fn to_object(self) -> Object {
        let listpack = self.elements.to_listpack();
        let object = match self.kind {
            PackedKind::Hash => Hash::of_listpack(listpack).map(Object::Hash),
            PackedKind::List => List::of_listpack(listpack).map(Object::List),
            PackedKind::Set => Set::of_listpack(listpack).map(Object::Set),
            PackedKind::SortedSet => SortedSet::of_listpack(listpack).map(Object::SortedSet),
        };
        object.expect("what can be packed can be a listpack")
    }
}

/// What an entry's header says of a collection in it: 8 bits of length, 6 bits of elements, 2 bits of type.
#[derive(Clone, Copy)]
pub(super) struct PackedShape(pub(super) u16);

impl PackedShape {
    #[inline]
    pub(super) fn of(packed: Packed<'_>) -> Self {
        let (len, elements) = (packed.bytes().len() as u16, packed.elements.len() as u16);
        Self(len | elements << LEN_BITS | (packed.kind as u16) << KIND_SHIFT)
    }

    /// Length of the collection's bytes.
    #[inline]
    pub(super) const fn len(self) -> usize {
        self.0 as usize & PACKED_BYTES_MAX
    }

    #[inline]
    const fn elements(self) -> u16 {
        self.0 >> LEN_BITS & PACKED_ELEMENTS_MAX as u16
    }

    #[inline]
    const fn kind(self) -> PackedKind {
        match self.0 >> KIND_SHIFT {
            0 => PackedKind::Hash,
            1 => PackedKind::List,
            2 => PackedKind::Set,
            _ => PackedKind::SortedSet,
        }
    }
}

/// The buffer in which small collections are changed.
#[derive(Debug, Default)]
pub(super) struct Desk(Option<Listpack>);

impl Desk {
    #[inline]
    fn take(&mut self) -> Listpack {
        self.0.take().unwrap_or_else(|| Listpack::with_capacity(PACKED_BYTES_MAX))
    }

    /// Keeps a buffer for the next change, unless it has become larger than it need be.
    #[inline]
    fn put(&mut self, listpack: Listpack) {
        if listpack.memory_usage() <= SLACK_BYTES_MAX {
            self.0 = Some(listpack);
        }
    }
}

impl Entry {
    /// Lends the collection in the entry to `edit` and stores what becomes of it, in the entry or outside; nothing
    /// when none of this type is in it.
    #[inline]
    pub(super) fn edit_packed<T: Typed, R>(&mut self, desk: &mut Desk, edit: impl FnOnce(&mut T) -> R) -> Option<R> {
        let ValueRef::Packed(packed) = self.value() else { return None };
        let elements = packed.of_kind(T::PACKED?)?;
        let mut listpack = desk.take();
        listpack.assign(elements);
        let mut value = T::of_listpack(listpack)?;
        let result = edit(&mut value);
        if let Some(packed) = Packed::of(&value) {
            self.store_packed(packed);
            value.into_listpack().into_iter().for_each(|listpack| desk.put(listpack));
        } else {
            *self = Self::new(self.key(), NewValue::Object(value.into_object()), self.birth());
        }
        Some(result)
    }

    /// Takes an object into the entry that has become small: so small that it does not come out at the next change.
    #[inline]
    pub(super) fn pack(&mut self) {
        let ValueRef::Object(object) = self.value() else { return };
        if let Some(packed) = object.packed()
            && packed.bytes().len() <= PACK_AGAIN_BYTES_MAX
        {
            *self = Self::new(self.key(), NewValue::Packed(packed), self.birth());
        }
    }

    /// Stores a collection in the place of another one in the entry; without an allocation where the allocator gives
    /// as much for both.
    fn store_packed(&mut self, packed: Packed<'_>) {
        let old_size = self.size();
        let new_size = old_size - self.value_len() + packed.bytes().len();
        if old_size != new_size && allocated_bytes(old_size) != allocated_bytes(new_size) {
            *self = Self::new(self.key(), NewValue::Packed(packed), self.birth());
            return;
        }
        if old_size != new_size {
            self.resize_value(packed.bytes().len(), PackedShape::of(packed).0);
        }
        self.write_packed(packed);
    }
}

/// Most bytes of a collection that lies in its entry, of which each change copies all.
///
/// Beyond it one allocation instead of two saves less than the allocator's rounding gives or takes.
pub(super) const PACKED_BYTES_MAX: usize = (1 << LEN_BITS) - 1;

/// Most elements of a collection that lies in its entry.
const PACKED_ELEMENTS_MAX: usize = (1 << (KIND_SHIFT - LEN_BITS)) - 1;

/// Most bytes of a collection that goes back into its entry after it was too large for it: some way below
/// [`PACKED_BYTES_MAX`], so that one that is pushed to and popped from does not go in and out each time.
const PACK_AGAIN_BYTES_MAX: usize = 192;

const LEN_BITS: u32 = 8;
const KIND_SHIFT: u32 = 14;

#[cfg(test)]
mod tests {
    use super::super::entry::Birth;
    use super::super::expire::UnixMillis;
    use super::{Desk, Entry, NewValue, Object, PACK_AGAIN_BYTES_MAX, PACKED_BYTES_MAX, PACKED_ELEMENTS_MAX, ValueRef};
    use crate::keyspace::Expiry;
    use crate::rng::Rng;
    use crate::value::hash::{Hash, Sight};
    use crate::value::list::{End, List, ListRules};
    use crate::value::set::Set;
    use crate::value::sorted::{Score, SortedSet};
    use crate::value::{Collection, OwnRules, Typed};

    fn entry(object: Object) -> Entry {
        Entry::new(b"a key of 16 byte", NewValue::Object(object), Birth::default())
    }

    fn list_of(elements: usize, element: &[u8]) -> List {
        let mut list = List::new();
        list.push(End::Back, std::iter::repeat_n(element, elements), ListRules::default());
        list
    }

    fn is_packed(entry: &Entry) -> bool {
        matches!(entry.value(), ValueRef::Packed(_))
    }

    #[test]
    fn a_small_collection_of_any_type_is_one_allocation() {
        let own = OwnRules::default();
        let (mut hash, mut set, mut sorted) = (Hash::default(), Set::default(), SortedSet::default());
        for number in 0..5 {
            let (name, value) = (format!("field{number}"), [b'a' + number; 16]);
            hash.set(name.as_bytes(), &value, Expiry::Never, own.rules());
        }
        for number in 0..10 {
            let member = [b'a' + number; 16];
            set.insert(&member, own.rules());
            sorted.insert(&member, Score::new(f64::from(number)).unwrap(), own.rules().into());
        }

        let hash = entry(hash.into_object());
        assert_eq!(hash.memory_usage(), 160);
        let value = Hash::of(hash.value()).unwrap().get(b"field3", Sight::All).unwrap();
        assert!(matches!(value, ValueRef::Str(b"dddddddddddddddd")));
        let list = entry(list_of(10, &[b'x'; 16]).into_object());
        assert_eq!((list.memory_usage(), List::of(list.value()).unwrap().len()), (224, 10));
        let set = entry(set.into_object());
        assert_eq!((set.memory_usage(), Set::of(set.value()).unwrap().contains(&[b'j'; 16])), (224, true));
        let sorted = entry(sorted.into_object());
        assert_eq!(sorted.memory_usage(), 224);
        assert_eq!(SortedSet::of(sorted.value()).unwrap().rank(&[b'c'; 16]), Some((2, 2.0)));
        assert!(SortedSet::of(set.value()).is_none() && Set::of(sorted.value()).is_none());
    }

    #[test]
    fn only_what_the_header_can_tell_lies_in_the_entry() {
        // A short string takes two bytes more than it has.
        for (list, packed) in [
            (list_of(1, &[b'x'; 63]), true),
            (list_of(3, &[b'x'; 63]), true),
            (list_of(4, &[b'x'; 61]), true),
            (list_of(4, &[b'x'; 62]), false),
            (list_of(PACKED_ELEMENTS_MAX, b"7"), true),
            (list_of(PACKED_ELEMENTS_MAX + 1, b"7"), false),
        ] {
            let (len, bytes) = (list.len(), list.as_listpack().unwrap().elements().bytes().len());
            let entry = entry(list.into_object());

            assert_eq!(is_packed(&entry), packed, "{len} elements of {bytes} bytes");
            assert_eq!(List::of(entry.value()).unwrap().len(), len);
        }
        assert_eq!(PACKED_BYTES_MAX, 255);
    }

    #[test]
    fn a_collection_goes_out_when_it_grows_and_comes_back_when_it_is_small() {
        let (mut entry, mut desk) = (entry(list_of(1, &[b'x'; 16]).into_object()), Desk::default());
        let rules = ListRules::default();
        let push = |list: &mut List| list.push(End::Back, std::iter::once(&[b'y'; 16][..]), rules);
        let pop = |list: &mut List| _ = list.pop(End::Front, rules, |_| ());

        while entry.edit_packed(&mut desk, push).is_some() {}

        assert!(!is_packed(&entry));
        assert_eq!(List::of(entry.value()).unwrap().len(), PACKED_BYTES_MAX / 18 + 1);
        while !is_packed(&entry) {
            pop(List::of_mut(entry.object_mut().unwrap()).unwrap());
            entry.pack();
        }
        assert_eq!(List::of(entry.value()).unwrap().len(), PACK_AGAIN_BYTES_MAX / 18);
    }

    #[test]
    fn other_types_are_not_lent() {
        let (mut entry, mut desk) = (entry(list_of(3, b"x").into_object()), Desk::default());

        assert!(entry.edit_packed(&mut desk, |_: &mut Set| ()).is_none());

        assert_eq!(List::of(entry.value()).unwrap().len(), 3);
    }

    #[test]
    fn keys_expiries_and_copies_keep_the_collection() {
        let mut entry = entry(list_of(3, b"x").into_object());
        let elements = |entry: &Entry| List::of(entry.value()).unwrap().iter().map(|e| e.to_vec()).collect::<Vec<_>>();
        let expected = elements(&entry);

        entry.set_expiry(Some(UnixMillis(7)));
        entry.rename(b"another key");
        let copy = entry.copy_as(&[b'k'; 70_000]);
        entry.set_expiry(None);

        assert_eq!((elements(&entry), entry.key(), entry.expiry()), (expected.clone(), &b"another key"[..], None));
        assert_eq!((elements(&copy), copy.key().len(), copy.expiry()), (expected, 70_000, Some(UnixMillis(7))));
    }

    #[test]
    fn random_edits_agree_with_a_collection_outside() {
        let (own, mut rng, mut desk) = (OwnRules::default(), Rng::new(9), Desk::default());
        for _ in 0..40 {
            let (mut model, mut entry) = (Hash::default(), entry(list_of(1, b"x").into_object()));
            entry.replace(
                NewValue::Object(Hash::of_listpack(Default::default()).unwrap().into_object()),
                Birth::default(),
            );
            for _ in 0..200 {
                let (field, value) = (rng.below(12).to_string(), vec![b'v'; rng.index(40)]);
                let removes = rng.chance(40);
                let edit = |hash: &mut Hash| {
                    if removes {
                        hash.remove(field.as_bytes(), Sight::All);
                    } else {
                        hash.set(field.as_bytes(), &value, Expiry::Never, own.rules());
                    }
                };
                edit(&mut model);
                if is_packed(&entry) {
                    entry.edit_packed(&mut desk, edit).unwrap();
                } else {
                    edit(Hash::of_mut(entry.object_mut().unwrap()).unwrap());
                    entry.pack();
                }

                let fields = |hash: crate::value::hash::HashView<'_>| {
                    hash.fields().map(|field| (field.name.to_vec(), field.value_to_vec())).collect::<Vec<_>>()
                };
                assert_eq!(fields(Hash::of(entry.value()).unwrap()), fields(model.view()));
                assert_eq!(Hash::of(entry.value()).unwrap().len(), model.len());
            }
        }
    }
}
