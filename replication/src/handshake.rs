//! The replica's first words to its primary, up to PSYNC.
//!
//! A pure conversation: reply lines in, commands and log lines out. The link feeds it and carries the bytes.

use std::collections::VecDeque;

use crate::feed::command::printable;
use crate::note::Note;

/// How this node presents itself to its primary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// `masteruser`, when set.
    pub user: Option<String>,
    /// `masterauth`, when set; bytes, because a password may be any.
    pub password: Option<Vec<u8>>,
    /// The port to announce: `replica-announce-port`, else the port we listen on.
    pub port: u16,
    /// `replica-announce-ip`, when set.
    pub ip: Option<String>,
}

/// The conversation.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// Replies still to come, in order.
    awaited: VecDeque<Step>,
    identity: Identity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Ping,
    Auth,
    Port,
    Ip,
    Capa,
    Version,
}

/// What a reply line led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More replies must come.
    Wait,
    /// Log this and go on.
    Note(Note),
    /// Send these bytes; maybe log a line.
    Send(Vec<u8>, Note),
    /// The conversation is over: PSYNC is next. There may be a last line to log.
    Done(Option<Note>),
    /// The primary will not have us.
    Failed(Note),
}

impl Handshake {
    /// Begins; the bytes open the conversation.
    pub(crate) fn begin(identity: Identity) -> (Self, Vec<u8>) {
        let mut ping = Vec::new();
        put_command(&mut ping, &[b"PING"]);
        (Self { awaited: VecDeque::from([Step::Ping]), identity }, ping)
    }

    /// Takes one reply line, without its line end.
    pub(crate) fn line(&mut self, line: &[u8]) -> Progress {
        let Some(step) = self.awaited.pop_front() else {
            return Progress::Failed(Note::warning("Master sent a reply to no command during SYNC handshake"));
        };
        let refused = line.first() == Some(&b'-');
        match step {
            Step::Ping if refused && !is_mere_auth_error(line) => {
                Progress::Failed(Note::warning(format!("Error reply to PING from master: '{}'", printable(line))))
            }
            Step::Ping => {
                Progress::Send(self.introduce(), Note::notice("Master replied to PING, replication can continue..."))
            }
            Step::Auth if refused => {
                Progress::Failed(Note::warning(format!("Unable to AUTH to MASTER: {}", printable(line))))
            }
            Step::Auth | Step::Port | Step::Ip | Step::Capa | Step::Version => {
                let what = match step {
                    Step::Port => "listening-port",
                    Step::Ip => "ip-address",
                    Step::Version => "version",
                    Step::Ping | Step::Auth | Step::Capa => "capa",
                };
                let note = refused.then(|| {
                    let line = printable(line);
                    Note::notice(format!("(Non critical) Master does not understand REPLCONF {what}: {line}"))
                });
                match (self.awaited.is_empty(), note) {
                    (true, note) => Progress::Done(note),
                    (false, Some(note)) => Progress::Note(note),
                    (false, None) => Progress::Wait,
                }
            }
        }
    }

    /// Everything after PING, written at once; the replies come in this order.
    fn introduce(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(password) = &self.identity.password {
            match &self.identity.user {
                Some(user) => put_command(&mut out, &[b"AUTH", user.as_bytes(), password]),
                None => put_command(&mut out, &[b"AUTH", password]),
            }
            self.awaited.push_back(Step::Auth);
        }
        let port = self.identity.port.to_string();
        put_command(&mut out, &[b"REPLCONF", b"listening-port", port.as_bytes()]);
        self.awaited.push_back(Step::Port);
        if let Some(ip) = &self.identity.ip {
            put_command(&mut out, &[b"REPLCONF", b"ip-address", ip.as_bytes()]);
            self.awaited.push_back(Step::Ip);
        }
        put_command(&mut out, &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
        self.awaited.push_back(Step::Capa);
        put_command(&mut out, &[b"REPLCONF", b"version", VERSION.as_bytes()]);
        self.awaited.push_back(Step::Version);
        out
    }
}

/// The version we claim, for Valkey: it sends a full copy in its own format, which has the expiries of fields, only to
/// replicas of its version 9 or later, and nothing at all to others when it holds such fields.
const VERSION: &str = "9.0.0";

/// Errors to PING that only ask for AUTH, which is the next step.
fn is_mere_auth_error(line: &[u8]) -> bool {
    [&b"-NOAUTH"[..], b"-NOPERM", b"-ERR operation not permitted"].iter().any(|start| line.starts_with(start))
}

/// Appends a command as an array of bulk strings.
pub(crate) fn put_command(out: &mut Vec<u8>, args: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::{Handshake, Identity, Progress};

    fn identity() -> Identity {
        Identity { user: None, password: Some(b"pw".to_vec()), port: 17301, ip: Some("127.0.0.1".to_owned()) }
    }

    #[test]
    fn the_words_are_those_of_a_real_replica() {
        let (mut handshake, ping) = Handshake::begin(identity());
        assert_eq!(ping, b"*1\r\n$4\r\nPING\r\n");

        let Progress::Send(bytes, note) = handshake.line(b"-NOAUTH Authentication required.") else {
            panic!("NOAUTH is answered with AUTH")
        };
        let expected = "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n\
            *3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$5\r\n17301\r\n\
            *3\r\n$8\r\nREPLCONF\r\n$10\r\nip-address\r\n$9\r\n127.0.0.1\r\n\
            *5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n\
            *3\r\n$8\r\nREPLCONF\r\n$7\r\nversion\r\n$5\r\n9.0.0\r\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        assert_eq!(note.text, "Master replied to PING, replication can continue...");
        for _ in 0..4 {
            assert_eq!(handshake.line(b"+OK"), Progress::Wait);
        }
        assert_eq!(handshake.line(b"+OK"), Progress::Done(None));
    }

    #[test]
    fn a_refused_ping_or_password_ends_it() {
        let (mut handshake, _) = Handshake::begin(identity());
        let Progress::Failed(note) = handshake.line(b"-LOADING wait") else { panic!("LOADING is final") };
        assert_eq!(note.text, "Error reply to PING from master: '-LOADING wait'");

        let (mut handshake, _) = Handshake::begin(identity());
        handshake.line(b"+PONG");
        let Progress::Failed(note) = handshake.line(b"-WRONGPASS no") else { panic!("WRONGPASS is final") };
        assert_eq!(note.text, "Unable to AUTH to MASTER: -WRONGPASS no");
    }

    #[test]
    fn a_primary_without_replconf_is_put_up_with() {
        let (mut handshake, _) = Handshake::begin(Identity { password: None, ..identity() });
        handshake.line(b"+PONG");

        let Progress::Note(note) = handshake.line(b"-ERR unknown") else { panic!("goes on") };
        assert_eq!(note.text, "(Non critical) Master does not understand REPLCONF listening-port: -ERR unknown");
        assert_eq!(handshake.line(b"+OK"), Progress::Wait);
        assert_eq!(handshake.line(b"+OK"), Progress::Wait);
        assert!(matches!(handshake.line(b"-ERR unknown"), Progress::Done(Some(_))));
    }
}
