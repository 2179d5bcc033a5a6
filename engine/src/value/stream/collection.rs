//! Streams among the other collections: what anything does with any value.

use super::{Assignment, ID_TEXT_BYTES_MAX, Stream, StreamId, StreamRules};
use crate::keyspace::{Object, ValueRef};
use crate::value::digest::Digest;
use crate::value::rebuild::Rebuild;
use crate::value::{Collection, Holder, Kind, Rules, Typed};

impl From<Rules<'_>> for StreamRules {
    fn from(rules: Rules<'_>) -> Self {
        Self {
            node_bytes_max: rules.config.stream_node_max_bytes,
            node_entries_max: rules.config.stream_node_max_entries,
        }
    }
}

impl Collection for Stream {
    fn kind(&self) -> Kind {
        Kind::Stream
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }

    fn len(&self) -> usize {
        Self::len(self)
    }

    /// A stream without entries stays: it has an id to go on from, and groups.
    fn is_garbage(&self) -> bool {
        self.0.is_none()
    }

    fn digest(&self, digest: &mut Digest) {
        for entry in self.iter() {
            digest.mix(entry.id.joined(b'.', &mut [0; ID_TEXT_BYTES_MAX]));
            for (name, value) in entry.fields() {
                digest.mix(name.text(&mut itoa::Buffer::new()));
                digest.mix(value.text(&mut itoa::Buffer::new()));
            }
        }
    }

    fn rebuild(&self, rebuild: &mut Rebuild<'_>) {
        self.rebuild_entries(rebuild);
        for (name, group) in self.groups() {
            rebuild_group(rebuild, name, group);
        }
    }
}

impl Holder for Stream {
    fn memory_usage(&self) -> usize {
        Self::memory_usage(self)
    }

    fn free_cost(&self) -> usize {
        self.block_count() + self.body().groups_cost
    }

    fn free_some(&mut self, elements_max: usize) -> usize {
        let mut freed = 0;
        while freed < elements_max {
            let Some((id, live)) = self.blocks().last().map(|(id, block)| (id, block.live())) else { break };
            let live = usize::try_from(live).unwrap_or(0);
            let body = self.body_mut();
            body.blocks.remove(id);
            body.len = body.len.saturating_sub(live);
            freed += live.max(1);
        }
        while freed < elements_max {
            let Some(name) = self.body().groups.last_key_value().map(|(name, _)| name.clone()) else { break };
            let parts = self.edit_group(&name, |group| group.free_some(elements_max - freed)).unwrap_or(0);
            if parts == 0 {
                self.remove_group(&name);
            }
            freed += parts.max(1);
        }
        freed
    }
}

impl Stream {
    fn rebuild_entries(&self, rebuild: &mut Rebuild<'_>) {
        let key = rebuild.key();
        let mut id_text = [0; ID_TEXT_BYTES_MAX];
        for entry in self.iter() {
            let pairs: Vec<_> = entry.clone().fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            let mut words = vec![&b"XADD"[..], key, entry.id.text(&mut id_text)];
            words.extend(pairs.iter().flat_map(|(name, value)| [&name[..], &value[..]]));
            rebuild.command(&words);
        }
        if self.is_empty() {
            // An entry that goes at once leaves a stream without any.
            rebuild.command(&[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]);
        }
        let mut deleted_text = [0; ID_TEXT_BYTES_MAX];
        rebuild.command(&[
            b"XSETID",
            key,
            self.last_id().text(&mut id_text),
            b"ENTRIESADDED",
            itoa::Buffer::new().format(self.entries_added()).as_bytes(),
            b"MAXDELETEDID",
            self.max_deleted_id().text(&mut deleted_text),
        ]);
    }
}

fn rebuild_group(rebuild: &mut Rebuild<'_>, name: &[u8], group: &super::Group) {
    let key = rebuild.key();
    let mut id_text = [0; ID_TEXT_BYTES_MAX];
    let mut digits = itoa::Buffer::new();
    let entries_read = match group.entries_read {
        Some(read) => digits.format(read),
        None => "-1",
    };
    let last_id = group.last_id.text(&mut id_text);
    rebuild.command(&[b"XGROUP", b"CREATE", key, name, last_id, b"ENTRIESREAD", entries_read.as_bytes()]);
    for consumer in group.consumers() {
        rebuild.command(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()]);
    }
    for (id, pending) in group.pending_range(StreamId::MIN, StreamId::MAX) {
        let Some(consumer) = group.consumer(pending.consumer) else { continue };
        let assignment = Assignment { consumer: consumer.name(), id, pending, last_id: None };
        assignment.with_words((key, name), |words| rebuild.command(words));
    }
}

impl Typed for Stream {
    type View<'a> = &'a Self;

    fn view(&self) -> &Self {
        self
    }

    #[inline]
    fn of(value: ValueRef<'_>) -> Option<&Self> {
        if let ValueRef::Object(Object::Stream(stream)) = value { Some(stream) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Stream(stream) = object { Some(stream) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Stream(self)
    }
}
