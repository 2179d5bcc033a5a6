//! A replica's link: whatever the primary sends, it hands on no more than came and never stops.

use std::time::Duration;

use slotmesh_engine::time::Now;
use slotmesh_replication::handshake::Identity;
use slotmesh_replication::link::{Link, LinkConfig, LoadTarget, Output};
use slotmesh_replication::offset::{Offset, Replid};

use super::input::Input;
use super::nodes_conf::now;

/// A run of steps: one byte chooses, a line or a counted piece follows.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let load = if choice & 1 == 0 { LoadTarget::Disk } else { LoadTarget::Parser };
    let identity = Identity { port: 7000, password: Some(b"secret".to_vec()), ..Identity::default() };
    let config = LinkConfig { identity, timeout: Duration::from_secs(60), load };
    let mut run = Run { link: Link::new(config), now: now(), received: 0, handed_on: 0, sent: 0, dialled: 1 };
    let own = Replid::parse(b"8371445ee47e2a2c4dd8f6d8f4e5a6d1a0b1c2d3").map(|replid| (replid, Offset(100)));
    run.link.follow(run.now, "10.0.0.1", 6379, own.filter(|_| choice & 2 != 0));
    run.drain();
    while !input.is_empty() {
        run.step(&mut input);
        run.drain();
    }
}

struct Run {
    link: Link,
    now: Now,
    received: usize,
    handed_on: usize,
    sent: usize,
    dialled: usize,
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() {
            0 => self.link.connected(self.now),
            1 => self.link.closed(self.now, "Connection reset by peer"),
            2 => {
                let early = self.link.loaded(self.now);
                assert!(early.len() <= self.received);
            }
            3 => self.link.load_failed(self.now),
            4 => {
                self.now = self.now.plus(Duration::from_millis(input.short() as u64));
                self.link.tick(self.now);
            }
            5 => self.link.stream_corrupt(self.now),
            6 => self.link.applied(Offset(input.short() as u64)),
            7 => self.link.hand_over(),
            8 => self.feed(&[input.until(b'\n'), b"\n"].concat()),
            _ => {
                let len = usize::from(input.byte());
                self.feed(input.take(len));
            }
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
        let used = self.link.received(self.now, bytes);
        assert!(used <= bytes.len());
        assert!(used == bytes.len() || self.link.is_streaming(), "only a stream leaves bytes to the node");
    }

    fn drain(&mut self) {
        while let Some(output) = self.link.poll() {
            match output {
                Output::Rdb(bytes) => self.handed_on += bytes.len(),
                Output::Send(bytes) => self.sent += bytes.len(),
                Output::Dial { .. } => self.dialled += 1,
                Output::Close
                | Output::Continue { .. }
                | Output::FullSync { .. }
                | Output::HandedOver { .. }
                | Output::Note(_)
                | Output::RdbAborted
                | Output::RdbEnd => {}
            }
        }
        assert!(self.handed_on <= self.received, "a snapshot has no bytes but those that came");
        let info = self.link.info(self.now).expect("it follows somebody");
        assert_eq!(info.state, self.link.state());
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    const ID: &str = "ef4794627cd69f7549b6f1b10b9bb4ab8290fe0d";
    let greet = "\x08+PONG\r\n\x08+OK\r\n\x08+OK\r\n\x08+OK\r\n\x08+OK\r\n";
    [
        format!("\x01\0{greet}\x08+FULLRESYNC {ID} 10944\r\n\x08$5\r\n\x09\x05REDIS\x02\x08*1\r\n\x04\x10\0"),
        format!("\x03\0{greet}\x08+CONTINUE {ID}\r\n\x06\0\x08\x04\x20\0\x01\x04\x20\0\0"),
        format!("\0\0{greet}\x08+FULLRESYNC {ID} 1\r\n\x08$EOF:{ID}\r\n\x09\x2d12345{ID}\x03"),
        "\0\0\x08-NOAUTH Authentication required.\r\n\x04\x7f\x7f".to_owned(),
        format!("\x02\0{greet}\x08-NOMASTERLINK no\r\n\x08-ERR unknown command\r\n\x08$0\r\n"),
        format!(
            "\x01\0{greet}\x08+FULLRESYNC {ID} 9223372036854775807\r\n\x08$1\r\n\x09\x01R\x02\x01\x04\x20\0\0{greet}"
        ),
        format!(
            "\x01\0{greet}\x08+FULLRESYNC {ID} 18446744073709551615\r\n\x08$1\r\n\x09\x01R\x02\x01\x04\x20\0\0{greet}"
        ),
        format!("\0\0{greet}\x08+FULLRESYNC {ID} 18446744073709551615\r\n\x08$18446744073709551615\r\n"),
    ]
    .map(String::into_bytes)
    .to_vec()
}
