//! Reading a list, whether it lies in the entry of its key or in an object of its own.

use std::ops::Range;

use super::chain::Chain;
use super::node::{Node, NodeRef};
use super::{Iter, IterForm};
use crate::value::digest::Digest;
use crate::value::listpack::{Element, Elements};
use crate::value::rebuild::Rebuild;
use crate::value::{Collection, Kind};

/// A list to read.
#[derive(Debug, Clone, Copy)]
pub struct ListView<'a> {
    pub(super) form: Form<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    Large(&'a Chain),
    Small(Elements<'a>),
}

impl<'a> ListView<'a> {
    /// The list that these elements are.
    #[inline]
    pub(crate) const fn of_elements(elements: Elements<'a>) -> Self {
        Self { form: Form::Small(elements) }
    }

    /// The nodes as files have them; the compact form is one.
    pub fn nodes(self) -> impl Iterator<Item = NodeRef<'a>> {
        let (chain, pack) = match self.form {
            Form::Large(chain) => (Some(chain), None),
            Form::Small(pack) => (None, Some(NodeRef::Packed(pack))),
        };
        chain.into_iter().flat_map(|chain| chain.nodes().map(Node::get)).chain(pack)
    }

    /// Number of nodes, at least 1.
    pub fn node_count(self) -> usize {
        match self.form {
            Form::Large(chain) => chain.node_count().max(1),
            Form::Small(_) => 1,
        }
    }

    /// The form in the words of `OBJECT ENCODING`.
    pub const fn encoding(self) -> &'static str {
        match self.form {
            Form::Large(_) => "quicklist",
            Form::Small(_) => "listpack",
        }
    }

    /// Number of elements.
    pub fn len(self) -> usize {
        match self.form {
            Form::Large(chain) => chain.len(),
            Form::Small(pack) => pack.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element at an index from the front.
    pub fn get(self, index: usize) -> Option<Element<'a>> {
        match self.form {
            Form::Large(chain) => chain.get(index),
            Form::Small(pack) => Some(pack.get(pack.at(index)?)),
        }
    }

    /// The elements of a range of indices, cut to what there is, from either end.
    pub fn range(self, indices: Range<usize>) -> Iter<'a> {
        let indices = self.cut(indices);
        let left = indices.len();
        let form = match self.form {
            Form::Large(chain) => IterForm::Large(chain.range(indices)),
            Form::Small(pack) => IterForm::Small(pack.range(indices)),
        };
        Iter { form, left }
    }

    /// All elements, from either end.
    pub fn iter(self) -> Iter<'a> {
        self.range(0..self.len())
    }

    pub(super) fn cut(self, indices: Range<usize>) -> Range<usize> {
        let end = indices.end.min(self.len());
        indices.start.min(end)..end
    }
}

impl Collection for ListView<'_> {
    fn kind(&self) -> Kind {
        Kind::List
    }

    fn encoding(&self) -> &'static str {
        Self::encoding(*self)
    }

    fn len(&self) -> usize {
        Self::len(*self)
    }

    fn digest(&self, digest: &mut Digest) {
        for element in self.iter() {
            digest.mix(element.text(&mut itoa::Buffer::new()));
        }
    }

    fn rebuild(&self, rebuild: &mut Rebuild<'_>) {
        rebuild.items("RPUSH", self.iter().map(|element| [element.to_vec()]));
    }
}
