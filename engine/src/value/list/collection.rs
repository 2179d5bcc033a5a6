//! Lists among the other collections: what anything does with any value.

use super::{Form, List, ListRules, ListView, view};
use crate::keyspace::{Object, PackedKind, ValueRef};
use crate::value::listpack::Listpack;
use crate::value::{Holder, Rules, Typed};

impl From<Rules<'_>> for ListRules {
    fn from(rules: Rules<'_>) -> Self {
        Self { fill: rules.config.list_max_listpack_size, plain_bytes_min: rules.config.list_plain_bytes_min }
    }
}

impl Holder for List {
    #[inline]
    fn memory_usage(&self) -> usize {
        Self::memory_usage(self)
    }

    fn free_cost(&self) -> usize {
        Self::free_cost(self)
    }

    fn free_some(&mut self, elements_max: usize) -> usize {
        Self::free_some(self, elements_max)
    }
}

impl Typed for List {
    type View<'a> = ListView<'a>;

    const PACKED: Option<PackedKind> = Some(PackedKind::List);

    #[inline]
    fn of_listpack(listpack: Listpack) -> Option<Self> {
        Some(Self { form: Form::Small(listpack) })
    }

    #[inline]
    fn as_listpack(&self) -> Option<&Listpack> {
        if let Form::Small(pack) = &self.form { Some(pack) } else { None }
    }

    #[inline]
    fn into_listpack(self) -> Option<Listpack> {
        if let Form::Small(pack) = self.form { Some(pack) } else { None }
    }

    #[inline]
    fn view(&self) -> ListView<'_> {
        let form = match &self.form {
            Form::Large(chain) => view::Form::Large(chain),
            Form::Small(pack) => view::Form::Small(pack.elements()),
        };
        ListView { form }
    }

    #[inline]
    fn of(value: ValueRef<'_>) -> Option<ListView<'_>> {
        match value {
            ValueRef::Object(Object::List(list)) => Some(list.view()),
            ValueRef::Packed(packed) => packed.of_kind(PackedKind::List).map(ListView::of_elements),
            ValueRef::Int(_) | ValueRef::Object(_) | ValueRef::Str(_) => None,
        }
    }

    #[inline]
    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::List(list) = object { Some(list) } else { None }
    }

    fn into_object(self) -> Object {
        Object::List(self)
    }
}
