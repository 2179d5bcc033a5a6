//! RESP2 and RESP3: requests in, replies out.

pub mod args;
pub mod outbuf;
pub mod reply;
pub mod request;
