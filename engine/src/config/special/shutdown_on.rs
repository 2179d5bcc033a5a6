//! `shutdown-on-sigint` and `shutdown-on-sigterm`: how a signal ends the node.

use crate::config::invalid::Invalid;
use crate::config::stored::{Kind, Origin, Stored};

/// The options a signal's shutdown has; none of them is the default behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShutdownOn {
    /// Save although no save points are configured.
    pub save: bool,
    /// Do not save although save points are configured.
    pub nosave: bool,
    /// Do not wait for replicas that lag.
    pub now: bool,
    /// End although saving failed.
    pub force: bool,
}

impl ShutdownOn {
    /// The words of the option.
    pub const WORDS: &'static [&'static str] = &["default", "save", "nosave", "now", "force"];
}

impl Stored for ShutdownOn {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        let mut shutdown = Self::default();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => shutdown.save = true,
                b"nosave" => shutdown.nosave = true,
                b"now" => shutdown.now = true,
                b"force" => shutdown.force = true,
                _ => return Err(Invalid::NotAChoice(Self::WORDS)),
            }
        }
        if words.is_empty() {
            return Err(Invalid::NotAChoice(Self::WORDS));
        }
        if shutdown.save && shutdown.nosave {
            return Err(Invalid::SaveAndNosave);
        }
        *self = shutdown;
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        let flags = [self.save, self.nosave, self.now, self.force];
        let words = Self::WORDS[1..].iter().zip(flags).filter(|(_, set)| *set);
        let text = words.map(|(word, _)| *word).collect::<Vec<_>>().join(" ");
        if text.is_empty() { b"default".to_vec() } else { text.into_bytes() }
    }
}
