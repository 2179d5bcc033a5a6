//! Host names become addresses off the reactor's thread.
//!
//! A lookup may take seconds, and the system offers no way to ask without blocking: one thread, started with the
//! first name, asks one after the other. Literal addresses never come here. What does not live here: what the
//! addresses are for; the question travels with its answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use slotmesh_cluster::machine::{ConnId, Endpoint, Listen, Target};

use crate::errno;
use crate::news::{News, Reporter};

/// Names to look up, and why.
#[derive(Debug)]
pub(crate) struct Question {
    /// What the machine asked for.
    pub(crate) about: About,
    /// The names, in an order the asker knows.
    pub(crate) names: Vec<String>,
}

/// The effect that waits for addresses.
#[derive(Debug)]
pub(crate) enum About {
    Dial(ConnId, Target, Endpoint),
    Listen(Endpoint, Listen),
}

/// The thread that looks names up.
#[derive(Debug)]
pub(crate) struct Resolver {
    reporter: Reporter,
    /// None until the first question.
    questions: Option<Sender<Question>>,
}

impl Resolver {
    pub(crate) fn new(reporter: Reporter) -> Self {
        Self { reporter, questions: None }
    }

    /// Asks; the answer is [`News::Resolved`]. A question that cannot be asked is answered as failed.
    pub(crate) fn ask(&mut self, question: Question) {
        let refused = match self.questions() {
            Ok(questions) => match questions.try_send(question) {
                Ok(()) => return,
                Err(TrySendError::Full(question)) => (question, "Too many names are being looked up".to_owned()),
                Err(TrySendError::Disconnected(question)) => (question, "The name lookup has ended".to_owned()),
            },
            Err(error) => (question, errno::text(&error)),
        };
        let (question, text) = refused;
        let answers = question.names.iter().map(|_| Err(text.clone())).collect();
        self.reporter.report(News::Resolved(question, answers));
    }

    fn questions(&mut self) -> io::Result<&Sender<Question>> {
        if self.questions.is_none() {
            let (sender, receiver) = bounded(QUESTIONS_MAX);
            let reporter = self.reporter.clone();
            // Not joined: a lookup that hangs must not keep the process from ending. The thread ends by itself
            // when the sender is dropped.
            thread::Builder::new().name("resolver".to_owned()).spawn(move || answer_all(&receiver, &reporter))?;
            self.questions = Some(sender);
        }
        self.questions.as_ref().ok_or_else(|| io::Error::other("no resolver thread"))
    }
}

/// The address that `name` stands for without a lookup: a literal, or a wildcard of the `bind` option.
pub(crate) fn literal(name: &str) -> Option<IpAddr> {
    match name {
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "::*" => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => name.parse().ok(),
    }
}

fn answer_all(questions: &Receiver<Question>, reporter: &Reporter) {
    for question in questions {
        let answers = question.names.iter().map(|name| look_up(name)).collect();
        reporter.report(News::Resolved(question, answers));
    }
}

fn look_up(name: &str) -> Result<Vec<IpAddr>, String> {
    if let Some(address) = literal(name) {
        return Ok(vec![address]);
    }
    let found = (name, 0).to_socket_addrs().map_err(|error| {
        let text = errno::text(&error);
        text.strip_prefix(LOOKUP_PREFIX).unwrap_or(&text).to_owned()
    })?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|address| address.ip()) {
        if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("No address associated with hostname".to_owned()) } else { Ok(addresses) }
}

/// Questions that may wait; a machine dials each peer at most once at a time, and a cluster has at most 1,000
/// nodes, nearly all of which are known by address.
const QUESTIONS_MAX: usize = 1024;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// What the standard library puts in front of the system's words.
const LOOKUP_PREFIX: &str = "failed to lookup address information: ";

#[cfg(test)]
mod tests {
    use super::{literal, look_up};

    #[test]
    fn literals_and_wildcards_need_no_lookup() {
        assert_eq!(literal("127.0.0.1"), "127.0.0.1".parse().ok());
        assert_eq!(literal("::1"), "::1".parse().ok());
        assert_eq!(literal("*"), "0.0.0.0".parse().ok());
        assert_eq!(literal("::*"), "::".parse().ok());
        assert_eq!(literal("localhost"), None);
    }

    #[test]
    fn localhost_is_a_loopback_address() {
        let addresses = look_up("localhost").unwrap();

        assert!(addresses.iter().all(std::net::IpAddr::is_loopback), "{addresses:?}");
    }

    #[test]
    fn an_impossible_name_fails_in_the_systems_words() {
        let text = look_up("a..b").unwrap_err();

        assert!(!text.contains("os error") && !text.starts_with("failed to lookup"), "{text}");
    }
}
