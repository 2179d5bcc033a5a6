//! What sorted sets have in common with all collections.

use super::small::Small;
use super::view::Form;
use super::{SortedSet, SortedSetRules, SortedSetView};
use crate::keyspace::{Object, PackedKind, ValueRef};
use crate::number::{DOUBLE_BYTES_MAX, format_double, format_shortest};
use crate::value::digest::Digest;
use crate::value::listpack::Listpack;
use crate::value::rebuild::Rebuild;
use crate::value::{Collection, Holder, Kind, PrefetchStage, Rules, Typed, limit, prefetch_bytes};

impl<'a> From<Rules<'a>> for SortedSetRules<'a> {
    fn from(rules: Rules<'a>) -> Self {
        Self {
            entries_max: limit(rules.config.zset_max_listpack_entries),
            value_bytes_max: limit(rules.config.zset_max_listpack_value),
            hasher: rules.hasher,
        }
    }
}

impl Collection for SortedSetView<'_> {
    fn kind(&self) -> Kind {
        Kind::SortedSet
    }

    fn encoding(&self) -> &'static str {
        Self::encoding(*self)
    }

    fn len(&self) -> usize {
        Self::len(*self)
    }

    /// Scores are in it as Valkey 9 has them, which differs from Redis 7.0 for those that are not whole.
    fn digest(&self, digest: &mut Digest) {
        for (member, score) in self.iter() {
            let mut pair = Digest::default();
            pair.mix(member.text(&mut itoa::Buffer::new()));
            pair.mix(format_shortest(score, &mut [0; DOUBLE_BYTES_MAX]));
            digest.combine_with(&pair);
        }
    }

    fn rebuild(&self, rebuild: &mut Rebuild<'_>) {
        let pairs = self.iter().map(|(member, score)| {
            let mut buffer = [0; DOUBLE_BYTES_MAX];
            [format_double(score, &mut buffer).to_vec(), member.to_vec()]
        });
        rebuild.items("ZADD", pairs);
    }

    fn prefetch(&self, element: &[u8], stage: PrefetchStage) {
        match self.form {
            Form::Large(large) => large.prefetch(element, stage),
            Form::Small(small) if stage == PrefetchStage::Begin => prefetch_bytes(small.pairs.bytes()),
            Form::Small(_) => {}
        }
    }
}

impl Holder for SortedSet {
    #[inline]
    fn memory_usage(&self) -> usize {
        self.memory_usage()
    }

    fn free_cost(&self) -> usize {
        self.free_cost()
    }

    fn free_some(&mut self, elements_max: usize) -> usize {
        self.free_some(elements_max)
    }
}

impl Typed for SortedSet {
    type View<'a> = SortedSetView<'a>;

    const PACKED: Option<PackedKind> = Some(PackedKind::SortedSet);

    #[inline]
    fn of_listpack(listpack: Listpack) -> Option<Self> {
        Some(Self { form: super::Form::Small(Small::of_listpack(listpack)) })
    }

    #[inline]
    fn as_listpack(&self) -> Option<&Listpack> {
        if let super::Form::Small(small) = &self.form { Some(small.listpack()) } else { None }
    }

    #[inline]
    fn into_listpack(self) -> Option<Listpack> {
        if let super::Form::Small(small) = self.form { Some(small.into_listpack()) } else { None }
    }

    #[inline]
    fn view(&self) -> SortedSetView<'_> {
        let form = match &self.form {
            super::Form::Large(large) => Form::Large(large),
            super::Form::Small(small) => Form::Small(small.view()),
        };
        SortedSetView { form }
    }

    #[inline]
    fn of(value: ValueRef<'_>) -> Option<SortedSetView<'_>> {
        match value {
            ValueRef::Object(Object::SortedSet(set)) => Some(set.view()),
            ValueRef::Packed(packed) => packed.of_kind(PackedKind::SortedSet).map(SortedSetView::of_elements),
            ValueRef::Int(_) | ValueRef::Object(_) | ValueRef::Str(_) => None,
        }
    }

    #[inline]
    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::SortedSet(set) = object { Some(set) } else { None }
    }

    fn into_object(self) -> Object {
        Object::SortedSet(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Score, SortedSet};
    use crate::value::Typed;
    use crate::value::digest::Digest;
    use crate::value::rebuild::Rebuild;
    use crate::value::{Collection, Kind, OwnRules};

    fn set(pairs: &[(&str, f64)], own: &OwnRules) -> SortedSet {
        let mut set = SortedSet::new();
        for (member, score) in pairs {
            set.insert(member.as_bytes(), Score::new(*score).unwrap(), own.rules().into());
        }
        set
    }

    #[test]
    fn digests_are_the_references_in_every_form() {
        let mut own = OwnRules::default();
        for entries_max in [128, 0] {
            own.config.zset_max_listpack_entries = entries_max;
            let mut digest = Digest::default();
            digest.mix(&Kind::SortedSet.number().to_be_bytes());

            set(&[("a", 0.1), ("b", 1e17), ("c", 3.0)], &own).view().digest(&mut digest);

            // DEBUG DIGEST-VALUE of valkey-server 9.1.
            assert_eq!(digest.to_hex(), "cac6598b2884b3825c013d59cc6458790af4f279");
        }
    }

    #[test]
    fn a_set_is_rebuilt_by_commands() {
        let own = OwnRules::default();
        let mut out = Vec::new();

        set(&[("a", 0.1), ("b", f64::NEG_INFINITY)], &own).view().rebuild(&mut Rebuild::new(b"k", &mut out));

        assert_eq!(
            String::from_utf8(out).unwrap(),
            "*6\r\n$4\r\nZADD\r\n$1\r\nk\r\n$4\r\n-inf\r\n$1\r\nb\r\n$3\r\n0.1\r\n$1\r\na\r\n"
        );
    }
}
