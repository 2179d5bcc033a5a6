//! One connection: requests out, replies in, in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::convert::FromReply;
use super::error::Error;
use super::link::Link;
use super::request::Request;
use slotmesh_engine::resp::decode::Decoder;
use slotmesh_engine::resp::value::Reply;

/// A link with the replies that arrive on it.
pub(crate) struct Connection {
    link: Box<dyn Link>,
    decoder: Decoder,
    /// Memory for requests in the form of the wire.
    frame: Vec<u8>,
    /// Messages that came ahead of replies.
    pushes: VecDeque<Reply>,
    /// How long one reply may take; none for as long as it takes.
    pub(crate) timeout: Option<Duration>,
    /// Why it is not used any more.
    broken: Option<Error>,
}

impl Connection {
    pub(crate) fn new(link: Box<dyn Link>) -> Self {
        Self {
            link,
            decoder: Decoder::default(),
            frame: Vec::new(),
            pushes: VecDeque::new(),
            timeout: None,
            broken: None,
        }
    }

    /// Sends one request and waits for its reply.
    pub(crate) fn call(&mut self, request: &Request) -> Result<Reply, Error> {
        self.request(request)?;
        self.reply()
    }

    /// As [`Connection::call`], for a caller who knows what the reply shall be.
    #[inline]
    pub(crate) fn call_for<T: FromReply>(&mut self, request: &Request) -> Result<T, Error> {
        self.request(request)?;
        if let Some(result) = self.decoder.next_text(T::from_text) {
            return result;
        }
        let reply = self.reply()?;
        if let Reply::Error(error) = reply { Err(error.into()) } else { T::from_reply(reply) }
    }

    #[inline]
    fn request(&mut self, request: &Request) -> Result<(), Error> {
        self.check()?;
        let sent = self.link.request(request, &mut self.frame, self.decoder.received());
        sent.map_err(|error| self.fail(error))
    }

    /// Sends requests, whose replies are waited for one by one.
    pub(crate) fn send_all<'r>(&mut self, requests: impl Iterator<Item = &'r Request>) -> Result<(), Error> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        requests.for_each(|request| request.frame(&mut frame));
        let sent = self.send(&frame);
        frame.shrink_to(FRAME_KEEP_BYTES_MAX);
        self.frame = frame;
        sent
    }

    /// Sends one or more requests.
    pub(crate) fn send(&mut self, requests: &[u8]) -> Result<(), Error> {
        self.check()?;
        let sent = self.link.send(requests, self.decoder.received());
        sent.map_err(|error| self.fail(error))
    }

    fn check(&self) -> Result<(), Error> {
        match &self.broken {
            Some(error) => Err(Error::unsent(error.to_string())),
            None => Ok(()),
        }
    }

    /// Waits for the next reply; messages before it are kept for [`Connection::message`].
    pub(crate) fn reply(&mut self) -> Result<Reply, Error> {
        loop {
            match self.next(self.timeout)? {
                Some(Reply::Push(message)) => self.keep(message),
                Some(reply) => return Ok(reply),
                None => return Err(self.fail(Error::TimedOut(self.timeout.unwrap_or_default()))),
            }
        }
    }

    /// Takes or waits for the next message or reply; nothing when none came in time.
    pub(crate) fn message(&mut self, timeout: Option<Duration>) -> Result<Option<Reply>, Error> {
        match self.pushes.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.next(timeout),
        }
    }

    #[inline]
    fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Reply>, Error> {
        match self.decoder.next() {
            Ok(Some(reply)) => Ok(Some(reply)),
            Ok(None) => self.next_to_come(timeout),
            Err(malformed) => Err(self.fail(Error::Malformed(malformed))),
        }
    }

    fn next_to_come(&mut self, timeout: Option<Duration>) -> Result<Option<Reply>, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let came = self.link.wait(left, self.decoder.received()).map_err(|error| self.fail(error))?;
            if !came {
                return Ok(None);
            }
            match self.decoder.next() {
                Ok(Some(reply)) => return Ok(Some(reply)),
                Ok(None) => {}
                Err(malformed) => return Err(self.fail(Error::Malformed(malformed))),
            }
        }
    }

    fn keep(&mut self, message: Vec<Reply>) {
        if self.pushes.len() >= PUSHES_MAX {
            self.pushes.pop_front();
        }
        self.pushes.push_back(Reply::Push(message));
    }

    fn fail(&mut self, error: Error) -> Error {
        self.broken = Some(error.clone());
        error
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("broken", &self.broken).finish_non_exhaustive()
    }
}

/// Memory kept for requests, once several have been sent together.
const FRAME_KEEP_BYTES_MAX: usize = 64 * 1024;

/// Messages kept that nobody has asked for; past it the oldest is forgotten.
const PUSHES_MAX: usize = 16_384;
