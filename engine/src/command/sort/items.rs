//! The elements that SORT works on, and what they weigh.

use std::cmp::Ordering;
use std::ops::Range;

use super::options::Request;
use crate::command::Ctx;
use crate::error::ReplyError;
use crate::keyspace::ValueRef;
use crate::number::parse_f64;
use crate::value::list::List;
use crate::value::listpack::Element;
use crate::value::set::Set;
use crate::value::sorted::SortedSet;

/// Strings one behind the other in one buffer: a copy of a collection that lookups cannot change any more.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Where each string ends.
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    fn push_element(&mut self, element: Element<'_>) {
        self.push(element.text(&mut itoa::Buffer::new()));
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> &[u8] {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[begin..self.ends[index]]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// The elements of a collection in their present order.
#[derive(Debug, Default)]
pub(super) struct Items {
    texts: Texts,
    /// The texts that ALPHA compares instead of the elements.
    weights: Texts,
    /// By place in the order.
    order: Vec<Item>,
    /// Whether LIMIT was heeded when the elements were read.
    is_cut: bool,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    /// The element's place among the texts.
    text: usize,
    weight: Weight,
}

#[derive(Debug, Clone, Copy)]
enum Weight {
    /// The element's own text.
    Itself,
    /// There is none, which is less than any text.
    Missing,
    Number(f64),
    /// The place among the weights.
    Text(usize),
}

impl Items {
    /// The elements of a key that is there and of one of the three types.
    pub(super) fn load(ctx: &Ctx<'_>, key: &[u8], request: &Request<'_>) -> Self {
        let mut items = Self::default();
        let db = ctx.session.db;
        if let Some(list) = ctx.core.held::<List>(db, key) {
            let wanted = items.cut(request, list.len());
            list.range(wanted).for_each(|element| items.texts.push_element(element));
        } else if let Some(set) = ctx.core.held::<SortedSet>(db, key) {
            let wanted = items.cut(request, set.len());
            set.range(wanted).for_each(|(member, _)| items.texts.push_element(member));
        } else if let Some(set) = ctx.core.held::<Set>(db, key) {
            set.iter().for_each(|member| items.texts.push_element(member));
            items.number();
            if !request.keeps_order {
                // Equal weights leave elements in the order they were in, which a set does not have.
                let texts = &items.texts;
                items.order.sort_unstable_by(|one, other| texts.get(one.text).cmp(texts.get(other.text)));
            }
            return items;
        }
        items.number();
        if request.keeps_order && request.descending {
            items.order.reverse();
        }
        items
    }

    /// The part of an ordered collection that has to be read: all, unless it is shown as it is.
    fn cut(&mut self, request: &Request<'_>, len: usize) -> Range<usize> {
        if !request.keeps_order {
            return 0..len;
        }
        self.is_cut = true;
        let Range { start, end } = limited(request, len);
        if request.descending { len - end..len - start } else { start..end }
    }

    fn number(&mut self) {
        self.order = (0..self.texts.len()).map(|text| Item { text, weight: Weight::Itself }).collect();
    }

    /// Finds what each element weighs.
    pub(super) fn weigh(&mut self, ctx: &mut Ctx<'_>, request: &Request<'_>) -> Result<(), ReplyError> {
        let (texts, weights) = (&self.texts, &mut self.weights);
        let mut all_are_numbers = true;
        for item in &mut self.order {
            let text = texts.get(item.text);
            item.weight = match (&request.by, request.alpha) {
                (None, true) => Weight::Itself,
                (None, false) => number(ValueRef::Str(text), &mut all_are_numbers),
                (Some(by), true) => by.look_up(ctx, text, |found, _| {
                    let mut digits = itoa::Buffer::new();
                    let Some(weight) = found.and_then(|value| value.string_bytes(&mut digits)) else {
                        return Weight::Missing;
                    };
                    weights.push(weight);
                    Weight::Text(weights.len() - 1)
                }),
                // What is not there weighs nothing.
                (Some(by), false) => by.look_up(ctx, text, |found, _| {
                    found.map_or(Weight::Number(0.0), |value| number(value, &mut all_are_numbers))
                }),
            };
        }
        if all_are_numbers { Ok(()) } else { Err(NO_NUMBER) }
    }

    /// Puts the elements in the order of their weights; those that weigh the same stay as they are.
    pub(super) fn sort(&mut self, descending: bool) {
        let (texts, weights) = (&self.texts, &self.weights);
        let compare = |one: &Item, other: &Item| {
            let elements = || texts.get(one.text).cmp(texts.get(other.text));
            match (one.weight, other.weight) {
                // Equal numbers go by the elements, so that the result is always the same.
                (Weight::Number(one), Weight::Number(other)) => {
                    one.partial_cmp(&other).unwrap_or(Ordering::Equal).then_with(elements)
                }
                (Weight::Text(one), Weight::Text(other)) => weights.get(one).cmp(weights.get(other)),
                (Weight::Missing, Weight::Text(_)) => Ordering::Less,
                (Weight::Text(_), Weight::Missing) => Ordering::Greater,
                (Weight::Missing, Weight::Missing) => Ordering::Equal,
                _ => elements(),
            }
        };
        if descending {
            self.order.sort_by(|one, other| compare(other, one));
        } else {
            self.order.sort_by(compare);
        }
    }

    /// The places in the order that LIMIT lets through.
    pub(super) fn chosen(&self, request: &Request<'_>) -> Range<usize> {
        if self.is_cut { 0..self.order.len() } else { limited(request, self.order.len()) }
    }

    /// The element at a place in the order.
    pub(super) fn text(&self, place: usize) -> &[u8] {
        self.texts.get(self.order[place].text)
    }
}

fn limited(request: &Request<'_>, len: usize) -> Range<usize> {
    let start = usize::try_from(request.offset).unwrap_or(0).min(len);
    let count = usize::try_from(request.count).unwrap_or(usize::MAX);
    start..start.saturating_add(count).min(len)
}

fn number(value: ValueRef<'_>, all_are_numbers: &mut bool) -> Weight {
    let number = match value {
        ValueRef::Int(number) => Some(number as f64),
        ValueRef::Object(_) | ValueRef::Packed(_) | ValueRef::Str(_) => {
            value.string_bytes(&mut itoa::Buffer::new()).and_then(parse_f64)
        }
    };
    *all_are_numbers &= number.is_some();
    Weight::Number(number.unwrap_or_default())
}

const NO_NUMBER: ReplyError = ReplyError::Fixed("ERR One or more scores can't be converted into double");
