//! The node as one state machine.

pub mod bus;
pub mod machine;
pub mod node;
pub mod redirect;
pub mod sentinel;
pub mod slots;
