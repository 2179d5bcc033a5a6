//! `Debug` of a configuration: what differs from the defaults, without secrets.

use std::fmt;

use super::{Config, ROWS};

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Self::default();
        let mut shown = f.debug_struct("Config");
        for row in ROWS.iter().filter(|row| !row.is_same(self, &default)) {
            let value = if row.flags.is_sensitive() { b"***".to_vec() } else { row.value(self) };
            shown.field(row.name, &String::from_utf8_lossy(&value));
        }
        shown.finish_non_exhaustive()
    }
}
