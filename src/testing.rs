//! Servers for tests.
//!
//! [`TestServer`] has a real port, for tests of programs that bring their own client.

mod server;

pub use server::TestServer;
