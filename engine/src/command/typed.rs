//! Access to keys whose values are collections of one type.
//!
//! Here are the rules all families share: the wrong type is an error, the table is searched once, a collection that
//! lost its last element takes its key along, and the `del` event of that follows the command's own event. Start at
//! [`Ctx::view_typed`] and [`Ctx::edit_or_create`]; tell what happened with [`Ctx::tell_edit`].

use super::Ctx;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::core::Core;
use crate::error::ReplyError;
use crate::keyspace::{DbIndex, Entry, Expiry, NewValue};
use crate::resp::reply::Reply;
use crate::value::{Rules, Typed};

/// What an edit left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edited<R> {
    /// What the edit returned.
    pub result: R,
    /// The collection lost its last element, and its key is gone: see [`Ctx::tell_edit`].
    pub emptied: bool,
}

impl Ctx<'_> {
    /// Looks a key up to read it as one type and lends the collection and the reply writer to `view`.
    ///
    /// Counts a hit or a miss and renews the access time, as [`Ctx::view`] does.
    ///
    /// # Errors
    /// [`ReplyError::WrongType`], before `view` is called.
    #[inline]
    pub fn view_typed<T: Typed, R>(
        &mut self,
        key: &[u8],
        view: impl FnOnce(Option<T::View<'_>>, &mut Reply<'_>) -> R,
    ) -> Result<R, ReplyError> {
        self.view(key, |entry, reply| Ok(view(entry.map(typed::<T>).transpose()?, reply)))
    }

    /// Looks a key up to change it and lends the collection to `edit`; nothing when there is no such key.
    ///
    /// What `edit` changed is told with [`Ctx::tell_edit`].
    ///
    /// # Errors
    /// [`ReplyError::WrongType`], before `edit` is called.
    #[inline]
    pub fn edit_typed<T: Typed, R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut T, &mut Reply<'_>, Rules<'_>) -> R,
    ) -> Result<Option<Edited<R>>, ReplyError> {
        let (caller, at) = (self.caller(), self.here(key));
        let reply = &mut self.reply;
        let edited = self.core.edit_ruled(caller, at, |entry, rules| {
            let Some(mut entry) = entry else { return Ok(None) };
            let edited = entry.edit_typed(|value: &mut T| {
                let result = edit(value, reply, rules);
                Edited { emptied: value.is_garbage(), result }
            });
            edited.map(Some).ok_or(ReplyError::WrongType)
        })?;
        if edited.as_ref().is_some_and(|edited| edited.emptied) {
            self.core.keyspace.db_mut(at.db).discard(at.hash, key);
        }
        Ok(edited)
    }

    /// As [`Ctx::edit_typed`]; a key that is not there comes to be if `edit` leaves something in the collection.
    ///
    /// # Errors
    /// [`ReplyError::WrongType`], before `edit` is called.
    #[inline]
    pub fn edit_or_create<T: Typed, R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut T, &mut Reply<'_>, Rules<'_>) -> R,
    ) -> Result<Edited<R>, ReplyError> {
        let (caller, at) = (self.caller(), self.here(key));
        let reply = &mut self.reply;
        let mut created = None;
        let edited = self.core.edit_ruled(caller, at, |entry, rules| match entry {
            None => {
                let value = created.insert(T::default());
                Ok(Edited { result: edit(value, reply, rules), emptied: false })
            }
            Some(mut entry) => {
                let edited = entry.edit_typed(|value: &mut T| {
                    let result = edit(value, reply, rules);
                    Edited { emptied: value.is_garbage(), result }
                });
                edited.ok_or(ReplyError::WrongType)
            }
        })?;
        if let Some(value) = created.filter(|value| !value.is_garbage()) {
            self.core.set_new(caller, at, NewValue::Object(value.into_object()));
        }
        if edited.emptied {
            self.core.keyspace.db_mut(at.db).discard(at.hash, key);
        }
        Ok(edited)
    }

    /// Puts a collection under a key, replacing what was there (the `STORE` of families); an empty one only removes.
    /// Watchers hear of it; one change is counted if there is one. Returns whether a key was removed without another
    /// in its place: then the `del` event is the caller's to publish.
    pub fn store_typed<T: Typed>(&mut self, key: &[u8], value: T) -> bool {
        if value.is_garbage() {
            return self.exists_to_write(key) && self.remove(key);
        }
        self.set(key, NewValue::Object(value.into_object()), Expiry::Never);
        false
    }

    /// Tells of an edit: watchers hear of the key, so many changes are counted, listeners get the event, and `del`
    /// after it when the key went with its last element.
    pub fn tell_edit(&mut self, key: &[u8], class: KeyspaceEvents, event: &str, changes: usize, emptied: bool) {
        self.core.touch(self.session.db, key);
        self.count_changes(changes as u64);
        self.notify(class, event, key);
        if emptied {
            self.notify(KeyspaceEvents::GENERIC, "del", key);
        }
    }
}

impl Core {
    /// A collection that a command has looked up before and found: no expiry, no statistics, so that several can be
    /// held at once. Nothing for a key of another type.
    ///
    /// A key whose time has come is still there on a replica: only the look-up knows that it is hidden.
    pub fn held<T: Typed>(&self, db: DbIndex, key: &[u8]) -> Option<T::View<'_>> {
        let entry = self.keyspace.db(db).find(self.keyspace.hash(key), key)?;
        typed::<T>(entry).ok()
    }
}

/// The collection of an entry.
///
/// # Errors
/// [`ReplyError::WrongType`].
#[inline]
pub fn typed<T: Typed>(entry: &Entry) -> Result<T::View<'_>, ReplyError> {
    T::of(entry.value()).ok_or(ReplyError::WrongType)
}

#[cfg(test)]
mod tests {
    use super::{Ctx, typed};
    use crate::Engine;
    use crate::command::DataFn;
    use crate::command::keys::{Access, KeySpec};
    use crate::command::spec::{DENY_OOM, READ, Spec, WRITE, data};
    use crate::config::Config;
    use crate::config::special::keyspace_events::KeyspaceEvents;
    use crate::error::ReplyError;
    use crate::resp::args::Args;
    use crate::time::Now;
    use crate::value::Collection;
    use crate::value::set::Set;

    const KEY: &[KeySpec] = &[KeySpec::one(1, Access::RW)];
    const ROWS: &[Spec<DataFn>] = &[
        data("TEST.ADD", -3, WRITE.and(DENY_OOM), KEY, add as DataFn),
        data("TEST.LEN", 2, READ, KEY, len as DataFn),
        data("TEST.REM", -3, WRITE, KEY, rem as DataFn),
    ];

    fn add(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
        let edited = ctx.edit_or_create(&args[1], |set: &mut Set, reply, rules| {
            let added = args.from(2).iter().filter(|member| set.insert(member, rules)).count();
            reply.len(added);
            added
        })?;
        ctx.tell_edit(&args[1], KeyspaceEvents::SET, "sadd", edited.result, edited.emptied);
        Ok(())
    }

    fn rem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
        let edited = ctx.edit_typed(&args[1], |set: &mut Set, _, _| {
            args.from(2).iter().filter(|member| set.remove(member)).count()
        })?;
        if let Some(edited) = edited {
            ctx.tell_edit(&args[1], KeyspaceEvents::SET, "srem", edited.result, edited.emptied);
        }
        ctx.reply.ok();
        Ok(())
    }

    fn len(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
        ctx.view_typed::<Set, _>(&args[1], |set, reply| reply.len(set.map_or(0, |set| set.len())))
    }

    fn run(engine: &mut Engine, line: &str) -> String {
        let session = engine.open();
        let reply = engine.run(Now::default(), session, line.split(' '));
        engine.close(session);
        String::from_utf8_lossy(&reply).replace("\r\n", " ").trim().to_owned()
    }

    fn engine() -> Engine {
        Engine::new(Config::default(), 1).with_commands(ROWS)
    }

    #[test]
    fn a_collection_comes_with_its_first_element_and_goes_with_its_last() {
        let mut engine = engine();
        engine.core_mut().config.notify_keyspace_events = KeyspaceEvents::from_letters(b"KEA").unwrap();
        let listener = engine.open();
        engine.run(Now::default(), listener, ["SUBSCRIBE", "__keyspace@0__:k"]);

        assert_eq!(run(&mut engine, "TEST.ADD k a b"), ":2");
        assert_eq!(run(&mut engine, "TYPE k"), "+set");
        assert_eq!(run(&mut engine, "TEST.REM k a b c"), "+OK");
        assert_eq!(run(&mut engine, "EXISTS k"), ":0");

        let mut told = Vec::new();
        engine.deliver();
        engine.out(listener).take_into(&mut told);
        let told = String::from_utf8(told).unwrap();
        let events: Vec<&str> = told.split("\r\n").filter(|word| ["sadd", "srem", "del"].contains(word)).collect();
        assert_eq!(events, ["sadd", "srem", "del"]);
        assert_eq!(engine.core().keyspace.memory().total(), 0);
    }

    #[test]
    fn the_wrong_type_is_an_error_and_changes_nothing() {
        let mut engine = engine();
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        run(&mut engine, "SET s x");
        run(&mut engine, "TEST.ADD k a");

        for line in ["TEST.ADD s a", "TEST.REM s a", "TEST.LEN s", "GET k", "APPEND k x", "INCR k", "SETRANGE k 0 x"] {
            assert_eq!(run(&mut engine, line), wrong, "{line}");
        }

        assert_eq!(run(&mut engine, "GET s"), "$1 x");
        assert_eq!(run(&mut engine, "TEST.LEN k"), ":1");
        assert_eq!(run(&mut engine, "TEST.LEN nosuch"), ":0");
    }

    #[test]
    fn memory_is_right_after_every_edit() {
        let mut engine = engine();
        for number in 0..300 {
            run(&mut engine, &format!("TEST.ADD k member:{number}"));
        }
        let keyspace = &engine.core().keyspace;
        let db = keyspace.db(crate::keyspace::DbIndex(0));
        let entry = db.find(keyspace.hash(b"k"), b"k").unwrap();

        assert_eq!(keyspace.memory().entries, entry.memory_usage());
        assert_eq!(typed::<Set>(entry).unwrap().encoding(), "hashtable");
        run(&mut engine, "DEL k");
        while engine.tick(Now::default()).is_some() {}
        assert_eq!(engine.core().keyspace.memory().total(), 0);
    }

    #[test]
    fn any_collection_is_copied_renamed_dumped_and_digested() {
        let mut engine = engine();
        run(&mut engine, "TEST.ADD k a b c");

        assert_eq!(run(&mut engine, "COPY k other"), ":1");
        assert_eq!(run(&mut engine, "TEST.REM other a"), "+OK");
        assert_eq!(run(&mut engine, "TEST.LEN k"), ":3");
        assert_eq!(run(&mut engine, "RENAME other third"), "+OK");
        assert_eq!(run(&mut engine, "TEST.LEN third"), ":2");
        assert_eq!(run(&mut engine, "OBJECT ENCODING third"), "$8 listpack");
        assert_eq!(run(&mut engine, "MOVE third 5"), ":1");
        assert_eq!(run(&mut engine, "SCAN 0 TYPE set"), "*2 $1 0 *1 $1 k");
        let session = engine.open();
        let payload = engine.run(Now::default(), session, ["DUMP", "k"]);
        let body = &payload[payload.iter().position(|&byte| byte == b'\n').unwrap() + 1..payload.len() - 2];
        assert_eq!(engine.run(Now::default(), session, [b"RESTORE", &b"back"[..], b"0", body]), b"+OK\r\n");
        let value = |key| crate::debug::digest_value(engine.core(), crate::keyspace::DbIndex(0), key);
        assert_eq!(value(&b"back"[..]), value(b"k"));
        // DEBUG DIGEST-VALUE of redis-server 7.0.15 for a set of a, b and c.
        assert_eq!(value(b"k"), "593c2414786d75446e97f4ea5d4b731f3313da72");
    }
}
