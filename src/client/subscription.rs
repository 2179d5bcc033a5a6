//! Listening to channels.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::error::Error;
use super::request::{Arg, Request};
use slotmesh_engine::resp::value::Reply;

/// A message that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The channel it was published to.
    pub channel: Vec<u8>,
    /// What was published.
    pub payload: Vec<u8>,
    /// The pattern it was received for, if it was one.
    pub pattern: Option<Vec<u8>>,
}

/// A connection that listens to channels. Ends with the value.
///
/// Iterating waits for ever for each message, and ends with the connection.
#[derive(Debug)]
pub struct Subscription {
    connection: Connection,
    /// Messages that came while a confirmation was waited for.
    early: VecDeque<Message>,
    ended: bool,
}

impl Subscription {
    /// Listens to the channels that the command names.
    pub(super) fn begin<A: Arg>(
        connection: Connection,
        command: &str,
        channels: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error> {
        let mut subscription = Self { connection, early: VecDeque::new(), ended: false };
        subscription.change(command, channels)?;
        Ok(subscription)
    }

    /// Listens to more channels, and waits until the server confirms each.
    ///
    /// # Errors
    /// When the connection ends or the server refuses.
    pub fn subscribe<A: Arg>(&mut self, channels: impl IntoIterator<Item = A>) -> Result<(), Error> {
        self.change("SUBSCRIBE", channels)
    }

    /// Listens to all channels whose names fit more patterns.
    ///
    /// # Errors
    /// As [`Subscription::subscribe`].
    pub fn psubscribe<A: Arg>(&mut self, patterns: impl IntoIterator<Item = A>) -> Result<(), Error> {
        self.change("PSUBSCRIBE", patterns)
    }

    /// Listens to these channels no longer.
    ///
    /// # Errors
    /// As [`Subscription::subscribe`].
    pub fn unsubscribe<A: Arg>(&mut self, channels: impl IntoIterator<Item = A>) -> Result<(), Error> {
        self.change("UNSUBSCRIBE", channels)
    }

    /// Waits for the next message; nothing when none came in time. Without a timeout it waits for ever.
    ///
    /// # Errors
    /// When the connection ended.
    pub fn next_message(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Option<Message>, Error> {
        if let Some(message) = self.early.pop_front() {
            return Ok(Some(message));
        }
        let until = timeout.into().and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let Some(reply) = self.connection.message(left)? else { return Ok(None) };
            if let Event::Message(message) = event(reply)? {
                return Ok(Some(message));
            }
        }
    }

    fn change<A: Arg>(&mut self, command: &str, channels: impl IntoIterator<Item = A>) -> Result<(), Error> {
        let mut request = Request::empty();
        request.set(&Request::new(command).args(channels));
        let confirmations = request.words().len() - 1;
        self.connection.send_all(std::iter::once(&request))?;
        let mut confirmed = 0;
        while confirmed < confirmations {
            let Some(reply) = self.connection.message(None)? else { continue };
            match event(reply)? {
                Event::Confirmed => confirmed += 1,
                Event::Message(message) => {
                    if self.early.len() >= EARLY_MESSAGES_MAX {
                        self.early.pop_front();
                    }
                    self.early.push_back(message);
                }
            }
        }
        Ok(())
    }
}

impl Iterator for Subscription {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let message = self.next_message(None).transpose();
        self.ended = !matches!(message, Some(Ok(_)));
        message
    }
}

enum Event {
    Confirmed,
    Message(Message),
}

fn event(reply: Reply) -> Result<Event, Error> {
    if let Reply::Error(error) = reply {
        return Err(error.into());
    }
    let elements = if let Reply::Array(elements) | Reply::Push(elements) = &reply { elements.as_slice() } else { &[] };
    let texts: Vec<Vec<u8>> = elements.iter().map(|element| element.as_bytes().unwrap_or_default().to_vec()).collect();
    let mut texts = texts.into_iter();
    let kind = texts.next().unwrap_or_default();
    match (kind.as_slice(), texts.next(), texts.next(), texts.next()) {
        (b"message" | b"smessage", Some(channel), Some(payload), None) => {
            Ok(Event::Message(Message { channel, payload, pattern: None }))
        }
        (b"pmessage", pattern @ Some(_), Some(channel), Some(payload)) => {
            Ok(Event::Message(Message { channel, payload, pattern }))
        }
        (_, Some(_), Some(_), None) => Ok(Event::Confirmed),
        _ => Err(Error::Unexpected { expected: "a message", found: Box::new(reply) }),
    }
}

/// Messages kept while a confirmation is waited for; past it the oldest is forgotten, as pub/sub promises no more.
const EARLY_MESSAGES_MAX: usize = 16_384;
