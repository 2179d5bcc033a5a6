//! The node as one state machine.

pub mod machine;
