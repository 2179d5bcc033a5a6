//! Events: what a sentinel tells its log, its subscribers and the operator's script.

use slotmesh_engine::time::Now;

use super::Sentinel;
use super::instance::{Primary, Who};
use super::output::Output;
use crate::machine::LogLevel;

impl Sentinel {
    /// Tells of an instance; `extra` follows its description as it is.
    pub(super) fn tell(
        &mut self,
        now: Now,
        level: LogLevel,
        event: &str,
        (primary, who): (&Primary, &Who),
        extra: &str,
    ) {
        let text = format!("{}{extra}", primary.subject(who, self.announces_names()));
        self.tell_text(now, level, event, Some(primary), text);
    }

    /// Tells of a primary something that anybody must know who looks at the log.
    pub(super) fn warn(&mut self, now: Now, event: &str, primary: &Primary) {
        self.tell(now, LogLevel::Warning, event, (primary, &Who::Primary), "");
    }

    /// Tells of something; the script of `primary` hears of it when it is important.
    pub(super) fn tell_text(
        &mut self,
        now: Now,
        level: LogLevel,
        event: &str,
        primary: Option<&Primary>,
        text: String,
    ) {
        self.log(level, format!("{event} {text}"));
        if level == LogLevel::Debug {
            return;
        }
        if level == LogLevel::Warning
            && let Some(script) = primary.and_then(|primary| primary.settings.notification_script.clone())
        {
            self.scripts.push(now, vec![script, event.to_owned(), text.clone()]);
        }
        self.outputs.push_back(Output::Publish { channel: event.to_owned(), message: text });
    }

    pub(super) fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        self.outputs.push_back(Output::Log(level, text.into()));
    }
}
