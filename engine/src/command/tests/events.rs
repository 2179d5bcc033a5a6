use super::Store;
use crate::config::special::keyspace_events::KeyspaceEvents;

impl Store {
    /// The events of a command, as `event key`, in order.
    fn events_of(&mut self, line: &str) -> Vec<String> {
        let wanted = KeyspaceEvents::from_letters(b"EAmn").expect("known letters");
        self.engine.core_mut().config.notify_keyspace_events = wanted;
        let listener = self.engine.open();
        self.run_as(listener, "PSUBSCRIBE __keyevent@*");
        self.run(line);
        let mut bytes = Vec::new();
        self.engine.out(listener).take_into(&mut bytes);
        self.engine.close(listener);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let messages = text.split("*4\r\n").skip(1).map(|message| {
            let words: Vec<&str> = message.split("\r\n").skip(1).step_by(2).collect();
            let event = words[2].rsplit(':').next().unwrap_or_default();
            format!("{event} {}", words[3])
        });
        messages.collect()
    }
}

#[test]
fn commands_publish_the_events_of_the_reference() {
    let cases: &[(&str, &[&str])] = &[
        ("SET new 1", &["new new", "set new"]),
        ("SET a 2", &["set a"]),
        ("SET a 2 EX 10", &["set a", "expire a"]),
        ("SET a 2 NX", &[]),
        ("GETSET a 2", &["set a"]),
        ("GETDEL a", &["del a"]),
        ("GETEX a EX 10", &["expire a"]),
        ("GETEX v PERSIST", &["persist v"]),
        ("GETEX a PXAT 1", &["expired a"]),
        ("APPEND a x", &["append a"]),
        ("APPEND new x", &["new new", "append new"]),
        ("SETRANGE a 1 x", &["setrange a"]),
        ("SETRANGE a 1 ", &[]),
        ("INCR a", &["incrby a"]),
        ("DECRBY a 3", &["incrby a"]),
        ("INCRBYFLOAT a 3", &["incrbyfloat a"]),
        ("MSET a 1 b 2", &["set a", "set b"]),
        ("DEL a nosuch b", &["del a", "del b"]),
        ("RENAME a b", &["new b", "rename_from a", "rename_to b"]),
        ("RENAME a a", &[]),
        ("COPY a b REPLACE", &["new b", "copy_to b"]),
        ("MOVE a 3", &["new a", "move_from a", "move_to a"]),
        ("EXPIRE a 10", &["expire a"]),
        ("EXPIRE a -1", &["expired a"]),
        ("PERSIST v", &["persist v"]),
        ("PERSIST a", &[]),
        ("GET nosuch", &["keymiss nosuch"]),
        ("TTL nosuch", &["keymiss nosuch"]),
        ("OBJECT ENCODING nosuch", &[]),
        ("FLUSHALL", &[]),
    ];

    for (command, expected) in cases {
        let mut store = Store::new();
        for line in ["SET a 1", "SET b 2", "SET v 1 EX 1000"] {
            store.run(line);
        }

        assert_eq!(store.events_of(command), *expected, "{command}");
    }
}

#[test]
fn an_expired_key_is_announced_before_what_follows() {
    let mut store = Store::new();
    store.run("SET a 1 PX 5");
    store.advance_ms(6);

    assert_eq!(store.events_of("INCR a"), ["expired a", "new a", "incrby a"]);

    store.run("SET b 1 PX 5");
    store.advance_ms(6);
    assert_eq!(store.events_of("GET b"), ["expired b", "keymiss b"]);
}
