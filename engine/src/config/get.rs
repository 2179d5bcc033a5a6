//! CONFIG GET.

use super::{Config, ROWS, find};
use crate::glob;

impl Config {
    /// The options that match any of `patterns`, with their values.
    ///
    /// A pattern without `*`, `?` and `[` is a name: it finds hidden options too, and its answer carries it as it
    /// was written. Other patterns find names and older names alike, in the order of names. No option comes twice
    /// under one name.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for pattern in patterns {
            if pattern.iter().any(|byte| b"*?[".contains(byte)) {
                for (name, value) in self.matching(pattern) {
                    push_new(&mut found, name.as_bytes(), value);
                }
            } else if let Some(row) = find(pattern) {
                push_new(&mut found, pattern, row.value(self));
            }
        }
        found
    }

    fn matching(&self, pattern: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let visible = ROWS.iter().filter(|row| !row.flags.is_hidden());
        let names =
            visible.flat_map(|row| [Some(row.name), row.alias].into_iter().flatten().map(move |name| (name, row)));
        let mut names: Vec<_> = names.filter(|(name, _)| glob::matches(pattern, name.as_bytes(), true)).collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        names.into_iter().map(|(name, row)| (name, row.value(self))).collect()
    }
}

fn push_new(found: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &[u8], value: Vec<u8>) {
    if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
        found.push((name.to_vec(), value));
    }
}
