//! The configuration of a node: its options, their texts, and the file they come from.
//!
//! Lives here: [`Config`] with one typed field per option, the table of options ([`ROWS`]) from which CONFIG GET,
//! CONFIG SET, the file parser, CONFIG REWRITE and the docs derive, and the grammar of configuration text. Pure
//! functions only: files are read by a host through [`file::Host`], and nothing here makes a value happen. Start
//! at [`options`].

mod checks;
pub mod choices;
mod debug;
pub mod docs;
pub mod file;
pub mod get;
pub mod invalid;
pub mod memory;
pub mod options;
pub mod rewrite;
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

#[cfg(test)]
mod tests {
    use super::stored::{Kind, Origin};
    use super::{Config, Effect, ROWS, find};

    #[test]
    fn no_two_rows_share_a_name() {
        let mut names: Vec<_> = ROWS.iter().flat_map(|row| [Some(row.name), row.alias]).flatten().collect();
        let count = names.len();

        names.sort_unstable();
        names.dedup();

        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_default_can_be_written_down_and_read_again() {
        for row in ROWS.iter().filter(|row| row.name != "replicaof") {
            let mut config = Config::default();
            let text = row.value(&config);
            let words: Vec<&[u8]> = if row.is_multi() && !text.is_empty() {
                text.split(|&byte| byte == b' ').collect()
            } else {
                vec![&text]
            };

            row.assign(&mut config, &words, Origin::Set).unwrap_or_else(|cause| panic!("{}: {cause}", row.name));

            assert!(row.is_same(&config, &Config::default()), "{}", row.name);
        }
    }

    #[test]
    fn the_bounds_of_every_number_fit_its_field() {
        for row in ROWS {
            let bounds = if let Kind::Integer { min, max } = row.kind {
                vec![min.to_string(), max.to_string()]
            } else if let Kind::Octal { min, max } = row.kind {
                vec![format!("{min:o}"), format!("{max:o}")]
            } else if let Kind::Memory { min, max } = row.kind {
                vec![min.to_string(), max.to_string()]
            } else {
                Vec::new()
            };
            for bound in bounds {
                let mut config = Config::default();
                row.assign(&mut config, &[bound.as_bytes()], Origin::Set).unwrap();
                assert_eq!(row.value(&config), bound.as_bytes(), "{}", row.name);
            }
        }
    }

    #[test]
    fn an_option_without_effect_says_why() {
        for row in ROWS {
            assert!(!row.doc.trim().is_empty(), "{}", row.name);
            assert_ne!(row.effect, Effect::Accepted(""), "{}", row.name);
        }
    }

    #[test]
    fn debug_output_keeps_secrets() {
        let config = Config { requirepass: b"hunter2".to_vec(), port: 7000, ..Config::default() };

        let shown = format!("{config:?}");

        assert!(shown.contains("7000") && shown.contains("***"), "{shown}");
        assert!(!shown.contains("hunter2"));
    }

    #[test]
    fn an_older_name_finds_the_same_row() {
        assert_eq!(find(b"SLAVEOF").unwrap().name, "replicaof");
        assert!(find(b"include").is_none());
    }
}
