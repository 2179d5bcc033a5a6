//! Keyspace notifications: changes of keys as pub/sub messages.
//!
//! The option `notify-keyspace-events` says which classes of events, and whether they are published under the key's
//! name, the event's name, or both.

use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::keyspace::DbIndex;
use crate::pubsub::PubSub;

/// One event on a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) class: KeyspaceEvents,
    pub(crate) name: &'a str,
    pub(crate) db: DbIndex,
    pub(crate) key: &'a [u8],
}

/// Publishes an event under the names that `wanted` asks for.
pub(crate) fn publish(pubsub: &mut PubSub, wanted: KeyspaceEvents, event: Event<'_>) {
    let Event { class, name, db, key } = event;
    if !wanted.contains(class) {
        return;
    }
    if wanted.contains(KeyspaceEvents::KEYSPACE) {
        let channel = [format!("__keyspace@{}__:", db.0).as_bytes(), key].concat();
        pubsub.publish(&channel, name.as_bytes());
    }
    if wanted.contains(KeyspaceEvents::KEYEVENT) {
        let channel = format!("__keyevent@{}__:{name}", db.0);
        pubsub.publish(channel.as_bytes(), key);
    }
}
