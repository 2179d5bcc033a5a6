//! What a program sees that has a server or a cluster inside.

mod cluster;
mod server;
mod up;
