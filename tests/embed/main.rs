//! What a program sees that has a server or a cluster inside.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod cluster;
mod server;
mod up;
