//! A command on its way to a server, and what can be said as one.
//!
//! [`Request`] keeps the words; a wire gets them in RESP form, a server in this process as they are. [`ToArgs`] is what a call takes: tuples, arrays, slices, vectors, or a `Request` built word by word.

use std::borrow::Cow;

use bytes::Bytes;
use slotmesh_engine::resp::args::{ArgRange, Args};
use slotmesh_engine::resp::reply::write_request;

/// A command built word by word, for when the number of words is not known beforehand.
///
/// ```
/// use slotmesh::{Request, Server};
///
/// let names = vec!["ada", "grace"];
/// let mut client = Server::memory().client();
/// let reply: String = client.call(Request::new("ECHO").arg("x"))?;
/// assert_eq!(reply, "x");
/// let request = Request::new("DEL").args(&names);
/// assert_eq!(request.words().count(), 3);
/// # Ok::<(), slotmesh::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The words, one behind the other.
    buffer: Vec<u8>,
    words: Vec<ArgRange>,
}

impl Request {
    /// A command with its name and no arguments.
    pub fn new(name: impl Arg) -> Self {
        let mut request = Self::empty();
        request.push(name);
        request
    }

    /// The same command with one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Arg) -> Self {
        self.push(arg);
        self
    }

    /// The same command with more arguments.
    #[must_use]
    pub fn args<A: Arg>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().for_each(|arg| self.push(arg));
        self
    }

    /// Adds an argument.
    pub fn push(&mut self, arg: impl Arg) {
        arg.write(self);
    }

    /// The words in order, the command's name first.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.as_args().iter()
    }

    pub(crate) fn empty() -> Self {
        Self { buffer: Vec::new(), words: Vec::new() }
    }

    /// Makes this the command that `args` says; the memory is used again.
    pub(crate) fn set(&mut self, args: &impl ToArgs) {
        self.buffer.clear();
        self.words.clear();
        args.write_to(self);
    }

    /// Appends the bytes to send.
    pub(crate) fn frame(&self, target: &mut Vec<u8>) {
        write_request(target, self.words());
    }

    pub(crate) fn as_args(&self) -> Args<'_> {
        Args::new(&self.buffer, &self.words)
    }

    /// Adds a word.
    ///
    /// # Panics
    /// When the words together pass 4 GiB.
    #[inline]
    pub(crate) fn word(&mut self, word: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(word);
        assert!(self.buffer.len() <= u32::MAX as usize, "a request is smaller than 4 GiB");
        self.words.push(ArgRange { start: start as u32, len: word.len() as u32 });
    }
}

/// One word of a command: text, bytes or a number.
pub trait Arg {
    /// Adds the word to a request.
    fn write(&self, request: &mut Request);
}

/// A whole command: `("INCRBY", "visits", 5)`, `["GET", "name"]`, a `Vec<String>`, a [`Request`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    note = "a command is a tuple, an array, a slice or a `Vec` of text, bytes and numbers, or a `Request`"
)]
pub trait ToArgs {
    /// Adds all words to a request.
    fn write_to(&self, request: &mut Request);
}

impl ToArgs for Request {
    fn write_to(&self, request: &mut Request) {
        self.words().for_each(|word| request.word(word));
    }
}

impl<T: ToArgs + ?Sized> ToArgs for &T {
    fn write_to(&self, request: &mut Request) {
        (**self).write_to(request);
    }
}

impl<A: Arg> ToArgs for [A] {
    fn write_to(&self, request: &mut Request) {
        self.iter().for_each(|arg| arg.write(request));
    }
}

impl<A: Arg, const N: usize> ToArgs for [A; N] {
    fn write_to(&self, request: &mut Request) {
        self.as_slice().write_to(request);
    }
}

impl<A: Arg> ToArgs for Vec<A> {
    fn write_to(&self, request: &mut Request) {
        self.as_slice().write_to(request);
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {
        $(
            impl<$($name: Arg),*> ToArgs for ($($name,)*) {
                #[expect(non_snake_case, reason = "the macro names values like their types")]
                fn write_to(&self, request: &mut Request) {
                    let ($($name,)*) = self;
                    $($name.write(request);)*
                }
            }
        )*
    };
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
}

impl<T: Arg + ?Sized> Arg for &T {
    fn write(&self, request: &mut Request) {
        (**self).write(request);
    }
}

macro_rules! byte_args {
    ($($type:ty),*) => {
        $(impl Arg for $type {
            fn write(&self, request: &mut Request) {
                request.word(self.as_ref());
            }
        })*
    };
}

byte_args!(str, String, [u8], Vec<u8>, Bytes);

impl Arg for Cow<'_, str> {
    fn write(&self, request: &mut Request) {
        request.word(self.as_bytes());
    }
}

impl<const N: usize> Arg for [u8; N] {
    fn write(&self, request: &mut Request) {
        request.word(self);
    }
}

macro_rules! integer_args {
    ($($type:ty),*) => {
        $(impl Arg for $type {
            fn write(&self, request: &mut Request) {
                request.word(itoa::Buffer::new().format(*self).as_bytes());
            }
        })*
    };
}

// Not `u8`: an array of bytes would be taken for an array of words.
integer_args!(i16, i32, i64, isize, u16, u32, u64, usize);

impl Arg for f64 {
    fn write(&self, request: &mut Request) {
        let mut text = [0; slotmesh_engine::number::DOUBLE_BYTES_MAX];
        request.word(slotmesh_engine::number::format_double(*self, &mut text));
    }
}

#[cfg(test)]
mod tests {
    use super::{Request, ToArgs};

    fn bytes(args: impl ToArgs) -> String {
        let mut request = Request::empty();
        request.set(&args);
        String::from_utf8(framed(&request)).unwrap()
    }

    fn framed(request: &Request) -> Vec<u8> {
        let mut bytes = Vec::new();
        request.frame(&mut bytes);
        bytes
    }

    #[test]
    fn every_way_to_say_a_command_is_the_same_command() {
        let expected = "*3\r\n$6\r\nINCRBY\r\n$6\r\nvisits\r\n$1\r\n5\r\n";

        assert_eq!(bytes(("INCRBY", "visits", 5)), expected);
        assert_eq!(bytes(["INCRBY", "visits", "5"]), expected);
        assert_eq!(bytes(&["INCRBY", "visits", "5"][..]), expected);
        assert_eq!(bytes(vec!["INCRBY".to_owned(), "visits".to_owned(), "5".to_owned()]), expected);
        assert_eq!(bytes((b"INCRBY", "visits".to_owned(), 5_u64)), expected);
        assert_eq!(bytes(Request::new("INCRBY").args(["visits", "5"])), expected);
    }

    #[test]
    fn numbers_are_written_as_servers_read_them() {
        assert_eq!(bytes((1.5, -3_i64, 1e300)), "*3\r\n$3\r\n1.5\r\n$2\r\n-3\r\n$6\r\n1e+300\r\n");
    }

    #[test]
    fn a_request_can_be_used_again() {
        let mut request = Request::empty();
        request.set(&vec!["x"; 1000]);
        assert!(framed(&request).starts_with(b"*1000\r\n"));

        request.set(&["PING"]);

        assert_eq!(framed(&request), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(request.as_args().at(0), b"PING");
    }
}
