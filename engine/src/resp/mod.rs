//! RESP2 and RESP3: requests in, replies out.

pub mod args;
mod bulk;
pub mod decode;
pub mod outbuf;
pub mod reply;
pub mod request;
pub mod value;
