//! Sockets, clock and files.
