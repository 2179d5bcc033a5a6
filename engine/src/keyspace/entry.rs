//! One key with its value: one allocation behind one thin pointer.
//!
//! The memory goal (16-byte key and 64-byte value in about 110 bytes all told) leaves no room for a second pointer,
//! length words or a separate expiry table, so this file lays the parts out by hand:
//!
//! ```text
//! header 8: flags 8 bits, access 24 bits, key length 16 bits, value length 16 bits
//! [expiry 8] [key length 8, for keys past 65,535 bytes] [integer 8 | object] key bytes [value bytes]
//! ```
//!
//! The value bytes are those of a string, or the elements of a small collection: its listpack without header and end
//! mark. The value length of a collection is three figures: see [`PackedShape`].
//!
//! The pointer is stored in 6 bytes, because the tables hold up to 2.3 places for each key. This is the only file
//! of the core crates with unsafe code; all of it is private to [`Entry`], and Miri runs its tests
//! (`MIRIFLAGS=-Zmiri-permissive-provenance cargo +nightly miri test -p slotmesh-engine entry`).
//! Start at [`Entry::new`].
#![expect(unsafe_code, reason = "the memory goal needs a hand-laid entry; everything else stays safe")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::marker::PhantomData;

use bytes::Bytes;

use super::expire::UnixMillis;
use super::object::{
    EMBEDDED_BYTES_MAX, INLINE_BYTES_MAX, INLINE_EDIT_BYTES_MAX, LongString, NewValue, Object, StringEncoding, ValueRef,
};
use super::packed::{Packed, PackedShape};
use crate::value::memory::allocated_bytes;

/// A key, its value, its expiry and its access bits.
///
/// Not `Sync`: [`Entry::set_access`] writes through a shared reference.
pub struct Entry {
    /// The lower 48 bits of the address, little endian.
    address: [u8; 6],
    owns: PhantomData<*mut Header>,
}

// SAFETY: an entry owns its allocation alone, and everything in it (bytes, `Object`) is `Send`; `assert_send`
// below keeps the latter true.
unsafe impl Send for Entry {}

const fn assert_send<T: Send>() {}
const _: () = assert_send::<Object>();

#[repr(C)]
struct Header {
    /// Lowest 8 bits: flags. Upper 24: access.
    meta: u32,
    key_len: u16,
    /// Length of a string in the entry, the [`PackedShape`] of a collection in it, or 0.
    value_len: u16,
}

/// What an entry gets beside key and value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Birth {
    pub(super) expiry: Option<UnixMillis>,
    /// Access bits.
    pub(super) access: u32,
    /// Snapshot colour.
    pub(super) colour: u8,
}

impl Entry {
    /// Stores a key with its value: one allocation, and a second one for a value of more than
    /// [`INLINE_BYTES_MAX`] bytes.
    pub(super) fn new(key: &[u8], value: NewValue<'_>, birth: Birth) -> Self {
        match value {
            NewValue::Int(number) => {
                let mut entry = Self::allocate(key, KIND_INT, 0, birth);
                *entry.int_mut().expect("just made an integer") = number;
                entry
            }
            NewValue::Str(bytes) if bytes.len() <= INLINE_BYTES_MAX => {
                let mut entry = Self::allocate(key, KIND_STR, bytes.len(), birth);
                entry.inline_mut().expect("just made a string").copy_from_slice(bytes);
                entry
            }
            NewValue::Str(bytes) => {
                Self::new(key, NewValue::Object(Object::String(Bytes::copy_from_slice(bytes).into())), birth)
            }
            NewValue::Shared(bytes) if bytes.len() <= INLINE_BYTES_MAX => Self::new(key, NewValue::Str(&bytes), birth),
            NewValue::Shared(bytes) => Self::new(key, NewValue::Object(Object::String(bytes.into())), birth),
            NewValue::Object(object) => {
                if let Some(packed) = object.packed() {
                    return Self::new(key, NewValue::Packed(packed), birth);
                }
                let mut entry = Self::allocate(key, KIND_OBJECT, 0, birth);
                *entry.object_mut().expect("just made an object") = object;
                entry
            }
            NewValue::Packed(packed) => {
                let mut entry = Self::allocate(key, KIND_PACKED, packed.bytes().len(), birth);
                entry.write_packed(packed);
                entry
            }
        }
    }

    /// An entry that belongs to no database but to a value: a field of a hash, a member of a set.
    pub(crate) fn free(field: &[u8], value: NewValue<'_>, expiry: Option<UnixMillis>) -> Self {
        Self::new(field, value, Birth { expiry, ..Birth::default() })
    }

    /// Stores another value and expiry in an entry that belongs to a value.
    pub(crate) fn store(&mut self, value: NewValue<'_>, expiry: Option<UnixMillis>) {
        self.replace(value, Birth { expiry, ..self.birth() });
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        // SAFETY: `allocate` initialised `key_len` bytes there, and nothing shortens or moves them while `self` is
        // borrowed: every method that reallocates takes `&mut self`.
        unsafe { std::slice::from_raw_parts(self.pointer().add(self.key_at()), self.key_len()) }
    }

    /// When the key expires.
    #[inline]
    pub fn expiry(&self) -> Option<UnixMillis> {
        if self.flags() & EXPIRY == 0 {
            return None;
        }
        // SAFETY: with the `EXPIRY` flag `allocate` initialised an aligned i64 there.
        Some(UnixMillis(unsafe { self.pointer().add(EXPIRY_AT).cast::<i64>().read() }))
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        match self.flags() & KIND {
            // SAFETY: the kind says that `allocate` initialised an aligned i64 there.
            KIND_INT => ValueRef::Int(unsafe { self.pointer().add(self.fixed_at()).cast::<i64>().read() }),
            KIND_STR => ValueRef::Str(self.inline()),
            KIND_PACKED => ValueRef::Packed(self.packed()),
            // SAFETY: the kind says that an aligned object lives there; `&self` keeps it borrowed.
            _ => ValueRef::Object(unsafe { &*self.pointer().add(self.fixed_at()).cast::<Object>() }),
        }
    }

    /// How a string is stored; nothing for other types.
    pub fn string_encoding(&self) -> Option<StringEncoding> {
        match self.value() {
            ValueRef::Int(_) => Some(StringEncoding::Int),
            ValueRef::Str(bytes) if bytes.len() <= EMBEDDED_BYTES_MAX && self.flags() & EDITED == 0 => {
                Some(StringEncoding::Embedded)
            }
            ValueRef::Str(_) | ValueRef::Object(Object::String(_)) => Some(StringEncoding::Raw),
            ValueRef::Object(_) | ValueRef::Packed(_) => None,
        }
    }

    /// A copy of the entry under another key, with the same expiry; long strings are shared.
    ///
    /// It belongs to no database before [`DbMut::put`](super::DbMut::put) takes it.
    pub fn copy_as(&self, key: &[u8]) -> Self {
        let value = match self.value() {
            ValueRef::Int(number) => NewValue::Int(number),
            ValueRef::Object(object) => NewValue::Object(object.clone()),
            ValueRef::Packed(packed) => NewValue::Packed(packed),
            ValueRef::Str(bytes) => NewValue::Str(bytes),
        };
        Self::new(key, value, self.birth())
    }

    /// The 24 access bits: a clock in seconds, or minutes and a counter, as the eviction policy wants it.
    #[inline]
    pub fn access(&self) -> u32 {
        self.meta() >> FLAG_BITS
    }

    /// Sets the access bits; bits past 24 are cut off.
    #[inline]
    pub fn set_access(&self, access: u32) {
        let meta = access << FLAG_BITS | u32::from(self.flags());
        // Most reads of a hot key find the second unchanged: leave its cache line clean.
        if meta != self.meta() {
            self.set_meta(meta);
        }
    }

    /// Bytes of memory the entry holds on to, as the allocator rounds them.
    #[inline]
    pub fn memory_usage(&self) -> usize {
        let outside = if let ValueRef::Object(object) = self.value() { object.memory_usage() } else { 0 };
        allocated_bytes(self.size()) + outside
    }

    /// The snapshot colour.
    #[inline]
    pub(super) fn colour(&self) -> u8 {
        self.flags() >> COLOUR_SHIFT
    }

    /// Sets the snapshot colour.
    pub(super) fn paint(&self, colour: u8) {
        let flags = self.flags() & !(u8::MAX << COLOUR_SHIFT) | colour << COLOUR_SHIFT;
        self.set_meta(self.access() << FLAG_BITS | u32::from(flags));
    }

    /// Stores another value (and expiry) under the same key; without an allocation where the size stays the same.
    pub(super) fn replace(&mut self, value: NewValue<'_>, birth: Birth) {
        let same_kind = self.flags() & EXPIRY == if birth.expiry.is_some() { EXPIRY } else { 0 };
        if same_kind && self.overwrite(&value) {
            self.set_meta(birth.access << FLAG_BITS | u32::from(self.flags() & !EDITED));
            self.paint(birth.colour);
            self.write_expiry(birth.expiry);
            return;
        }
        *self = Self::new(self.key(), value, birth);
    }

    /// Gives the entry another key; an object moves along untouched.
    pub(super) fn rename(&mut self, key: &[u8]) {
        self.rebuild(key.to_vec(), self.birth());
    }

    /// Sets, changes or removes the expiry.
    pub(crate) fn set_expiry(&mut self, expiry: Option<UnixMillis>) {
        if self.expiry().is_some() == expiry.is_some() {
            self.write_expiry(expiry);
        } else {
            self.rebuild(self.key().to_vec(), Birth { expiry, ..self.birth() });
        }
    }

    /// The integer, to change in place.
    pub(super) fn int_mut(&mut self) -> Option<&mut i64> {
        if self.flags() & KIND != KIND_INT {
            return None;
        }
        // SAFETY: the kind says that an aligned i64 lives there; `&mut self` makes the borrow exclusive.
        Some(unsafe { &mut *self.pointer().add(self.fixed_at()).cast::<i64>() })
    }

    /// The object, to change in place.
    pub(super) fn object_mut(&mut self) -> Option<&mut Object> {
        if self.flags() & KIND != KIND_OBJECT {
            return None;
        }
        // SAFETY: the kind says that an aligned object lives there; `&mut self` makes the borrow exclusive.
        Some(unsafe { &mut *self.pointer().add(self.fixed_at()).cast::<Object>() })
    }

    /// Appends to a string of any form; false for other types.
    pub(super) fn append(&mut self, more: &[u8]) -> bool {
        let Some(old_len) = self.make_editable(more.len(), EditGrowth::Append) else { return false };
        if let Some(Object::String(string)) = self.object_mut() {
            string.append(more);
        } else {
            self.grow_inline(old_len + more.len());
            let bytes = self.inline_mut().expect("an editable string is inline or an object");
            bytes[old_len..].copy_from_slice(more);
        }
        true
    }

    /// Edits a string of any form in place, after filling up with zeros to `len_min`; nothing for other types.
    pub(super) fn edit_bytes<R>(&mut self, len_min: usize, edit: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let old_len = self.make_editable(len_min, EditGrowth::Reach)?;
        if let Some(Object::String(string)) = self.object_mut() {
            return Some(string.edit_bytes(len_min, edit));
        }
        self.grow_inline(len_min.max(old_len));
        self.inline_mut().map(edit)
    }

    /// Turns a string into inline bytes or an object, whichever suits the length it is about to have.
    ///
    /// Returns the length it has; nothing for other types.
    fn make_editable(&mut self, len: usize, growth: EditGrowth) -> Option<usize> {
        let mut digits = itoa::Buffer::new();
        if let Some(&mut number) = self.int_mut() {
            let text = digits.format(number);
            *self = Self::new(self.key(), NewValue::Str(text.as_bytes()), self.birth());
        }
        let old_len = match self.value() {
            ValueRef::Str(bytes) => bytes.len(),
            ValueRef::Object(Object::String(string)) => return Some(string.bytes().len()),
            ValueRef::Int(_) | ValueRef::Object(_) | ValueRef::Packed(_) => return None,
        };
        let new_len = match growth {
            EditGrowth::Append => old_len + len,
            EditGrowth::Reach => old_len.max(len),
        };
        if new_len > old_len && new_len > INLINE_EDIT_BYTES_MAX {
            let string = LongString::with_room(self.inline(), new_len);
            *self = Self::new(self.key(), NewValue::Object(Object::String(string)), self.birth());
        } else {
            self.set_meta(self.meta() | u32::from(EDITED));
        }
        Some(old_len)
    }

    /// Makes an inline string longer; the new bytes are zero.
    fn grow_inline(&mut self, len: usize) {
        let old_len = self.inline().len();
        if len <= old_len {
            return;
        }
        debug_assert!(len <= INLINE_BYTES_MAX, "longer strings are objects");
        self.resize_value(len, len as u16);
    }

    /// Gives the value bytes another length, which the header states as `stated`; new bytes are zero.
    pub(super) fn resize_value(&mut self, len: usize, stated: u16) {
        let old_len = self.value_len();
        let old = Self::layout(self.size());
        let size = self.size() - old_len + len;
        // SAFETY: the pointer came from `alloc` or `realloc` with the layout `old`; `size` is not zero and far
        // below `isize::MAX` (key length plus INLINE_BYTES_MAX plus header).
        let pointer = unsafe { realloc(self.pointer(), old, size) };
        if pointer.is_null() {
            handle_alloc_error(Self::layout(size));
        }
        self.address = address_of(pointer);
        // SAFETY: the value is last, so what is behind its old end is new; the header is initialised and moved along.
        unsafe {
            if len > old_len {
                pointer.add(self.key_at() + self.key_len() + old_len).write_bytes(0, len - old_len);
            }
            (*pointer.cast::<Header>()).value_len = stated;
        }
    }

    /// Writes a value over the present one where kind and size are the same. Returns whether it did.
    fn overwrite(&mut self, value: &NewValue<'_>) -> bool {
        let bytes = match value {
            NewValue::Int(number) => {
                let Some(int) = self.int_mut() else { return false };
                *int = *number;
                return true;
            }
            NewValue::Object(_) | NewValue::Packed(_) => return false,
            NewValue::Shared(bytes) => &bytes[..],
            NewValue::Str(bytes) => bytes,
        };
        match self.inline_mut() {
            Some(inline) if inline.len() == bytes.len() => {
                inline.copy_from_slice(bytes);
                true
            }
            _ => false,
        }
    }

    /// Makes the entry anew with another key or expiry; an object moves along untouched.
    fn rebuild(&mut self, key: Vec<u8>, birth: Birth) {
        let edited = self.meta() & u32::from(EDITED);
        let mut entry = match self.object_mut() {
            Some(object) => Self::new(&key, NewValue::Object(std::mem::take(object)), birth),
            None => match self.value() {
                ValueRef::Int(number) => Self::new(&key, NewValue::Int(number), birth),
                ValueRef::Packed(packed) => Self::new(&key, NewValue::Packed(packed), birth),
                ValueRef::Str(bytes) => Self::new(&key, NewValue::Str(bytes), birth),
                ValueRef::Object(_) => return,
            },
        };
        entry.set_meta(entry.meta() | edited);
        std::mem::swap(self, &mut entry);
    }

    pub(super) fn birth(&self) -> Birth {
        Birth { expiry: self.expiry(), access: self.access(), colour: self.colour() }
    }

    fn write_expiry(&mut self, expiry: Option<UnixMillis>) {
        if let Some(UnixMillis(millis)) = expiry {
            debug_assert!(self.flags() & EXPIRY != 0, "the entry was made with room for an expiry");
            // SAFETY: with the `EXPIRY` flag an aligned i64 lives there; `&mut self` makes the access exclusive.
            unsafe { self.pointer().add(EXPIRY_AT).cast::<i64>().write(millis) };
        }
    }

    #[inline]
    fn inline(&self) -> &[u8] {
        let len = self.value_len();
        // SAFETY: the value's bytes follow the key's, all initialised by `allocate` or `resize_value`; for other
        // kinds the length is 0.
        unsafe { std::slice::from_raw_parts(self.pointer().add(self.key_at() + self.key_len()), len) }
    }

    fn inline_mut(&mut self) -> Option<&mut [u8]> {
        (self.flags() & KIND == KIND_STR).then(|| self.value_bytes_mut())
    }

    fn value_bytes_mut(&mut self) -> &mut [u8] {
        let len = self.value_len();
        // SAFETY: as in `inline`; `&mut self` makes the borrow exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.pointer().add(self.key_at() + self.key_len()), len) }
    }

    /// The collection of an entry of that kind.
    #[inline]
    fn packed(&self) -> Packed<'_> {
        Packed::lying(PackedShape(self.header().value_len), self.inline())
    }

    /// Writes a collection of as many bytes as the entry has for one.
    pub(super) fn write_packed(&mut self, packed: Packed<'_>) {
        let PackedShape(shape) = PackedShape::of(packed);
        // SAFETY: the header is initialised, and no reference to it outlives a call of this file.
        unsafe { (*self.pointer().cast::<Header>()).value_len = shape };
        self.value_bytes_mut().copy_from_slice(packed.bytes());
    }

    /// An allocation with header, expiry and key in place, and a value of zeros or the default object.
    fn allocate(key: &[u8], kind: u8, value_len: usize, birth: Birth) -> Self {
        let long_key = if key.len() > usize::from(u16::MAX) { LONG_KEY } else { 0 };
        let expiry = if birth.expiry.is_some() { EXPIRY } else { 0 };
        let flags = kind | expiry | long_key | birth.colour << COLOUR_SHIFT;
        let key_at = usize::from(KEY_AT[usize::from(flags & SHAPE)]);
        let layout = Self::layout(key_at + key.len() + value_len);
        // SAFETY: the layout is not empty, it holds at least the header.
        let pointer = unsafe { alloc(layout) };
        if pointer.is_null() {
            handle_alloc_error(layout);
        }
        let header = Header {
            meta: birth.access << FLAG_BITS | u32::from(flags),
            key_len: key.len() as u16,
            value_len: value_len as u16,
        };
        // SAFETY: all writes are inside the allocation: `KEY_AT` counts header, expiry, long length and the fixed
        // part for this shape, each a multiple of 8 bytes, so aligned; key and value follow.
        unsafe {
            pointer.cast::<Header>().write(header);
            if let Some(UnixMillis(millis)) = birth.expiry {
                pointer.add(EXPIRY_AT).cast::<i64>().write(millis);
            }
            if long_key != 0 {
                pointer.add(key_at - fixed_size(kind) - 8).cast::<usize>().write(key.len());
            }
            match kind {
                KIND_INT => pointer.add(key_at - fixed_size(kind)).cast::<i64>().write(0),
                KIND_OBJECT => pointer.add(key_at - fixed_size(kind)).cast::<Object>().write(Object::default()),
                _ => pointer.add(key_at + key.len()).write_bytes(0, value_len),
            }
            pointer.add(key_at).copy_from_nonoverlapping(key.as_ptr(), key.len());
        }
        Self { address: address_of(pointer), owns: PhantomData }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, ALIGN).expect("a key and an inline value are far below the address space")
    }

    /// Size of the allocation in bytes.
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.key_at() + self.key_len() + self.value_len()
    }

    /// Length of the value bytes behind the key.
    #[inline]
    pub(super) fn value_len(&self) -> usize {
        let len = self.header().value_len;
        if self.flags() & KIND == KIND_PACKED { PackedShape(len).len() } else { usize::from(len) }
    }

    #[inline]
    fn key_len(&self) -> usize {
        if self.flags() & LONG_KEY == 0 {
            return usize::from(self.header().key_len);
        }
        // SAFETY: with the `LONG_KEY` flag `allocate` initialised an aligned usize right before the fixed part.
        unsafe { self.pointer().add(self.fixed_at() - 8).cast::<usize>().read() }
    }

    #[inline]
    fn key_at(&self) -> usize {
        usize::from(KEY_AT[usize::from(self.flags() & SHAPE)])
    }

    fn fixed_at(&self) -> usize {
        self.key_at() - fixed_size(self.flags() & KIND)
    }

    #[inline]
    fn flags(&self) -> u8 {
        self.meta() as u8
    }

    #[inline]
    fn meta(&self) -> u32 {
        self.header().meta
    }

    #[inline]
    fn set_meta(&self, meta: u32) {
        // SAFETY: the header is initialised, and no reference to it outlives a call of this file (`header` returns
        // a copy); `Entry` is not `Sync`, so nobody else reads it at this moment.
        unsafe { (*self.pointer().cast::<Header>()).meta = meta };
    }

    #[inline]
    fn header(&self) -> Header {
        // SAFETY: `allocate` initialised the header, aligned, at the start.
        unsafe { self.pointer().cast::<Header>().read() }
    }

    #[inline]
    fn pointer(&self) -> *mut u8 {
        let [a, b, c, d, e, f] = self.address;
        let address = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        std::ptr::with_exposed_provenance_mut(address as usize)
    }

    /// Where the entry's memory is: only good for prefetching.
    #[inline]
    pub(super) fn address(&self) -> usize {
        self.pointer().addr()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let layout = Self::layout(self.size());
        // SAFETY: the pointer came from `alloc` or `realloc` with this layout, and the object, if there is one, is
        // dropped once, here.
        unsafe {
            if self.flags() & KIND == KIND_OBJECT {
                self.pointer().add(self.fixed_at()).cast::<Object>().drop_in_place();
            }
            dealloc(self.pointer(), layout);
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("value", &self.value())
            .field("expiry", &self.expiry())
            .finish()
    }
}

/// What the length given to [`Entry::make_editable`] means.
enum EditGrowth {
    /// So many bytes more.
    Append,
    /// So many bytes at least.
    Reach,
}

/// The 6 bytes that stand for a pointer.
///
/// # Panics
/// When the allocator hands out an address of more than 48 bits: user space has none on x86-64 and AArch64 unless a
/// process asks for them.
#[inline]
fn address_of(pointer: *mut u8) -> [u8; 6] {
    let [a, b, c, d, e, f, high, highest] = (pointer.expose_provenance() as u64).to_le_bytes();
    assert!(high == 0 && highest == 0, "an address of at most 48 bits");
    [a, b, c, d, e, f]
}

/// Asks the processor to load the cache line at an address. The address need not be valid.
#[inline]
pub(crate) fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing the program can see and never faults; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Asks the processor to load an entry.
#[inline]
pub(crate) fn prefetch_entry(entry: &Entry) {
    prefetch(entry.address());
}

const fn fixed_size(kind: u8) -> usize {
    match kind {
        KIND_INT => 8,
        KIND_OBJECT => size_of::<Object>(),
        _ => 0,
    }
}

/// Where the key begins, by the lower four flags.
const KEY_AT: [u8; 16] = {
    let mut table = [0; 16];
    let mut shape = 0_u8;
    while shape < 16 {
        let expiry = if shape & EXPIRY == 0 { 0 } else { 8 };
        let long_key = if shape & LONG_KEY == 0 { 0 } else { 8 };
        table[shape as usize] = (size_of::<Header>() + expiry + long_key + fixed_size(shape & KIND)) as u8;
        shape += 1;
    }
    table
};

const _: () = assert!(size_of::<Header>() == 8 && size_of::<Entry>() == 6 && align_of::<Object>() <= ALIGN);
const _: () = assert!(size_of::<Object>().is_multiple_of(8) && size_of::<Object>() <= 24 && size_of::<usize>() <= 8);
const _: () = assert!(INLINE_BYTES_MAX <= u16::MAX as usize);

const ALIGN: usize = 8;
const EXPIRY_AT: usize = size_of::<Header>();

const FLAG_BITS: u32 = 8;
const KIND: u8 = 0b11;
const KIND_INT: u8 = 0;
const KIND_STR: u8 = 1;
const KIND_OBJECT: u8 = 2;
const KIND_PACKED: u8 = 3;
const EXPIRY: u8 = 0b100;
const LONG_KEY: u8 = 0b1000;
/// The flags that decide where the parts are.
const SHAPE: u8 = 0b1111;
/// The string was changed in place: Redis calls it `raw` then, however short it is.
const EDITED: u8 = 0b1_0000;
const COLOUR_SHIFT: u32 = 5;

/// Number of snapshot colours that the remaining three flags make.
pub(super) const COLOURS: u8 = 8;

#[cfg(test)]
mod tests;
