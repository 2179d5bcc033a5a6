//! The configuration of a node: its options, their texts, and the file they come from.
//!
//! Lives here: [`Config`] with one typed field per option, the table of options ([`ROWS`]) from which CONFIG GET,
//! CONFIG SET, the file parser, CONFIG REWRITE and the docs derive, and the grammar of configuration text. Pure
//! functions only: files are read by a host themselves, and nothing here makes a value happen. Start
//! at [`options`].

mod checks;
pub mod choices;
mod debug;
pub mod get;
pub mod invalid;
pub mod memory;
pub mod options;
pub mod row;
pub mod set;
pub mod special;
pub mod startup;
pub mod stored;
pub mod text;

pub use invalid::Invalid;
pub use options::{Config, ROWS};
pub use row::{Effect, Row};

/// The row of an option, by its name or older name in any case.
pub fn find(name: &[u8]) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.has_name(name))
}
