//! Lists among the other collections: what anything does with any value.

use super::{List, ListRules};
use crate::keyspace::Object;
use crate::value::digest::Digest;
use crate::value::rebuild::Rebuild;
use crate::value::{Collection, Kind, Rules, Typed};

impl From<Rules<'_>> for ListRules {
    fn from(rules: Rules<'_>) -> Self {
        Self { fill: rules.config.list_max_listpack_size, plain_bytes_min: rules.config.list_plain_bytes_min }
    }
}

impl Collection for List {
    fn kind(&self) -> Kind {
        Kind::List
    }

    fn encoding(&self) -> &'static str {
        Self::encoding(self)
    }

    fn len(&self) -> usize {
        Self::len(self)
    }

    fn memory_usage(&self) -> usize {
        Self::memory_usage(self)
    }

    fn digest(&self, digest: &mut Digest) {
        for element in self.iter() {
            digest.mix(element.text(&mut itoa::Buffer::new()));
        }
    }

    fn rebuild(&self, rebuild: &mut Rebuild<'_>) {
        rebuild.items("RPUSH", self.iter().map(|element| [element.to_vec()]));
    }

    fn free_cost(&self) -> usize {
        Self::free_cost(self)
    }

    fn free_some(&mut self, elements_max: usize) -> usize {
        Self::free_some(self, elements_max)
    }
}

impl Typed for List {
    fn of(object: &Object) -> Option<&Self> {
        if let Object::List(list) = object { Some(list) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::List(list) = object { Some(list) } else { None }
    }

    fn into_object(self) -> Object {
        Object::List(self)
    }
}
