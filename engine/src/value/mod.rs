//! The types of values beyond strings: pure data structures, without replies, sessions or files.
//!
//! Lives here: what every collection offers ([`Collection`], [`Holder`], [`Typed`]), the structures they are made of, their
//! digests and the commands that rebuild them. What does not: commands (`command/<type>.rs`), the bytes of files
//! (`rdb/<type>.rs`), expiry of keys. To add a type, follow the list in ARCHITECTURE.md ("Values"); [`set`] is the
//! example to read.

pub mod bits;
pub mod digest;
pub mod entries;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod list;
pub mod listpack;
pub(crate) mod memory;
pub mod rebuild;
pub mod set;
pub mod sorted;
pub mod sorted_algebra;
pub mod stream;

use std::fmt::Debug;
use std::ops::Deref;

use crate::config::Config;
use crate::keyspace::{Object, PackedKind, ValueRef, prefetch_address};
use crate::table::hash::{KeyHasher, Partitioning};
use digest::Digest;
use hash::HashView;
use list::ListView;
use listpack::Listpack;
use rebuild::Rebuild;
use set::SetView;
use sorted::SortedSetView;
use stream::Stream;

/// The type of a value, as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Fields with values.
    Hash,
    /// A sequence.
    List,
    /// Members without order.
    Set,
    /// Members ordered by score.
    SortedSet,
    /// Entries by time, with consumer groups.
    Stream,
    /// Bytes.
    String,
}

impl Kind {
    /// The name `TYPE` replies with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Stream => "stream",
            Self::String => "string",
        }
    }

    /// The number Redis has for the type (`OBJ_STRING` and so on), which its digests contain.
    pub const fn number(self) -> u32 {
        match self {
            Self::String => 0,
            Self::List => 1,
            Self::Set => 2,
            Self::SortedSet => 3,
            Self::Hash => 4,
            Self::Stream => 6,
        }
    }
}

/// What can be read from every collection, whatever its type and wherever it lies.
///
/// All but [`digest`](Self::digest) and [`rebuild`](Self::rebuild) cost the same for any number of elements.
pub trait Collection: Debug {
    /// The type.
    fn kind(&self) -> Kind;

    /// The form it is stored in, in the words of `OBJECT ENCODING`.
    fn encoding(&self) -> &'static str;

    /// Number of elements: members, fields, list elements, stream entries.
    fn len(&self) -> usize;

    /// Whether there is no element. A stream may be empty and still be kept: see [`is_garbage`](Self::is_garbage).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a key with this value is to be deleted.
    fn is_garbage(&self) -> bool {
        self.is_empty()
    }

    /// Adds the contents to a digest, as `DEBUG DIGEST` of Redis does: equal contents, equal digests, whatever the
    /// encoding.
    fn digest(&self, digest: &mut Digest);

    /// Says the commands that make an equal value, for an append only file of commands.
    fn rebuild(&self, rebuild: &mut Rebuild<'_>);

    /// Asks the processor for the memory in which an element will be looked for. An element that is none does no harm.
    fn prefetch(&self, _element: &[u8], _stage: PrefetchStage) {}
}

/// What a collection that owns its memory does with it. Costs the same for any number of elements.
pub trait Holder: Debug + Send {
    /// Bytes of memory it holds on to, as the allocator rounds them, beside the value itself. Never walks.
    fn memory_usage(&self) -> usize;

    /// Allocations that freeing it takes, roughly: 1 for compact forms.
    fn free_cost(&self) -> usize;

    /// Frees about `elements_max` elements of a value nobody reads any more. Returns how many; once it returns 0,
    /// dropping the rest costs little.
    ///
    /// The default is for forms that are one allocation.
    fn free_some(&mut self, _elements_max: usize) -> usize {
        0
    }
}

/// How far a look-up ahead has come: each stage needs what the one before has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefetchStage {
    /// Where the search begins: a bucket, or the compact form.
    Begin,
    /// The entry that is most likely the one.
    Entry,
}

impl PrefetchStage {
    /// All stages in their order.
    pub const ALL: [Self; 2] = [Self::Begin, Self::Entry];
}

/// A collection whose type is known where it is used.
///
/// This is what a command edits. What it reads is the [`View`](Self::View): a small collection lies in the entry of
/// its key, without the structure that owns it.
pub trait Typed: Holder + Clone + Default + Sized {
    /// The collection as it is read.
    type View<'a>: Collection + Copy
    where
        Self: 'a;

    /// What it is while it lies in an entry, for types that have a form that may.
    const PACKED: Option<PackedKind> = None;

    /// The collection, to read.
    fn view(&self) -> Self::View<'_>;

    /// The collection that a listpack is which was one before.
    fn of_listpack(_listpack: Listpack) -> Option<Self> {
        None
    }

    /// The listpack that the collection is; nothing for other forms.
    fn as_listpack(&self) -> Option<&Listpack> {
        None
    }

    /// As [`Self::as_listpack`], taken out of the collection.
    fn into_listpack(self) -> Option<Listpack> {
        None
    }

    /// What there is to read of a stored value of this type.
    fn of(value: ValueRef<'_>) -> Option<Self::View<'_>>;

    /// The collection in an object of this type, to change.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;

    /// The object that holds it.
    fn into_object(self) -> Object;

    /// Number of elements.
    #[inline]
    fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no element.
    #[inline]
    fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// Whether a key with this value is to be deleted.
    #[inline]
    fn is_garbage(&self) -> bool {
        self.view().is_garbage()
    }
}

impl<C: Collection> Collection for &C {
    fn kind(&self) -> Kind {
        (**self).kind()
    }

    fn encoding(&self) -> &'static str {
        (**self).encoding()
    }

    fn len(&self) -> usize {
        (**self).len()
    }

    fn is_garbage(&self) -> bool {
        (**self).is_garbage()
    }

    fn digest(&self, digest: &mut Digest) {
        (**self).digest(digest);
    }

    fn rebuild(&self, rebuild: &mut Rebuild<'_>) {
        (**self).rebuild(rebuild);
    }

    fn prefetch(&self, element: &[u8], stage: PrefetchStage) {
        (**self).prefetch(element, stage);
    }
}

/// A collection of any type, to read.
#[derive(Debug, Clone, Copy)]
pub enum AnyView<'a> {
    /// A hash.
    Hash(HashView<'a>),
    /// A list.
    List(ListView<'a>),
    /// A set.
    Set(SetView<'a>),
    /// A sorted set.
    SortedSet(SortedSetView<'a>),
    /// A stream.
    Stream(&'a Stream),
}

impl<'a> Deref for AnyView<'a> {
    type Target = dyn Collection + 'a;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Hash(hash) => hash,
            Self::List(list) => list,
            Self::Set(set) => set,
            Self::SortedSet(set) => set,
            Self::Stream(stream) => *stream,
        }
    }
}

impl PartialEq for AnyView<'_> {
    /// Equal types and contents, in whatever form. Reads all of both.
    fn eq(&self, other: &Self) -> bool {
        let digest_of = |view: &Self| {
            let mut digest = Digest::default();
            view.digest(&mut digest);
            digest
        };
        self.kind() == other.kind() && self.len() == other.len() && digest_of(self) == digest_of(other)
    }
}

impl Eq for AnyView<'_> {}

/// What decides the form of values: the thresholds of the configuration, and the hash function of new tables.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The options (`set-max-listpack-entries` and the like).
    pub config: &'a Config,
    /// The hash function that a value keeps a copy of when it becomes a table.
    pub hasher: &'a KeyHasher,
}

/// An option that counts, as a length; none is longer than memory.
pub(crate) fn limit(option: u64) -> usize {
    usize::try_from(option).unwrap_or(usize::MAX)
}

/// Asks the processor for the beginning of a compact form; it reads on by itself.
pub(crate) fn prefetch_bytes(bytes: &[u8]) {
    prefetch_address(bytes.as_ptr().addr());
    prefetch_address(bytes.as_ptr().addr() + CACHE_LINE_BYTES);
}

/// Bytes the processor loads at once.
const CACHE_LINE_BYTES: usize = 64;

/// Rules that own what they refer to, for whoever has no engine at hand.
#[derive(Debug, Clone)]
pub struct OwnRules {
    /// The options.
    pub config: Config,
    /// The hash function.
    pub hasher: KeyHasher,
}

impl OwnRules {
    /// The rules.
    pub const fn rules(&self) -> Rules<'_> {
        Rules { config: &self.config, hasher: &self.hasher }
    }
}

impl Default for OwnRules {
    /// The thresholds of the default configuration and a hash function that everybody knows: for tools and tests.
    fn default() -> Self {
        let hasher = KeyHasher::new(Partitioning::ByHash, &mut crate::rng::Rng::new(0));
        Self { config: Config::default(), hasher }
    }
}
