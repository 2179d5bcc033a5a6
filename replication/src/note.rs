//! Lines for the log, as the machines of this crate give them out.

/// A line for the log. The text is Redis's where supervisors and people look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How important it is.
    pub level: Level,
    /// The text, without line end.
    pub text: String,
}

impl Note {
    /// A line at level notice (`*`).
    pub fn notice(text: impl Into<String>) -> Self {
        Self { level: Level::Notice, text: text.into() }
    }

    /// A line at level warning (`#`).
    pub fn warning(text: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into() }
    }
}

/// Redis's four levels, least important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Marked `.`.
    Debug,
    /// Marked `-`.
    Verbose,
    /// Marked `*`.
    Notice,
    /// Marked `#`.
    Warning,
}
