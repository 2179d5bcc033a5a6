//! Options as a builder collects them.
//!
//! Everything goes through the grammar and the checks of a configuration file, so that a builder accepts what
//! redis.conf accepts, and refuses it with the same words. Start at [`Settings::resolve`].

use std::fmt::Display;
use std::path::{Path, PathBuf};

use slotmesh_engine::config::special::save_points::SavePoints;
use slotmesh_engine::config::text::quote_into;
use slotmesh_engine::config::{Config, file};

use crate::conf;
use crate::error::StartError;
use crate::process;

/// A configuration in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// What to begin with instead of the defaults of an embedded server.
    pub(crate) config: Option<Config>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) options: Vec<(String, String)>,
}

impl Settings {
    pub(crate) fn option(&mut self, name: impl Into<String>, value: impl Display) {
        self.options.push((name.into(), value.to_string()));
    }

    /// The configuration, with an absolute `dir`. `own` are options of the builder itself, which the user's override.
    pub(crate) fn resolve(&self, own: &[(&str, String)]) -> Result<Config, StartError> {
        let mut config = self.config.clone().unwrap_or_else(|| self.embedded());
        let dir = match &self.data_dir {
            Some(dir) => {
                std::fs::create_dir_all(dir)
                    .map_err(StartError::system(format!("Can't make the folder {}", dir.display())))?;
                dir.clone()
            }
            None => PathBuf::from(&config.dir),
        };
        config.dir = absolute(&dir)?;
        let mut text = Vec::new();
        let own = own.iter().map(|(name, value)| (*name, value));
        for (name, value) in own.chain(self.options.iter().map(|(name, value)| (name.as_str(), value))) {
            // The name as it is: a blank or a line break in it makes a line that is refused.
            text.extend_from_slice(name.replace(['\r', '\n'], " ").as_bytes());
            text.push(b' ');
            quote_into(&mut text, value.as_bytes());
            text.push(b'\n');
        }
        let mut host = conf::files(PathBuf::from(&config.dir), process::words());
        file::load(&mut config, &text, &mut host).map_err(|fatal| StartError::Config(explain(&fatal)))?;
        Ok(config)
    }

    /// A server inside a program listens nowhere and writes no file unless it is told to.
    fn embedded(&self) -> Config {
        let mut config = Config { port: 0, ..Config::default() };
        if self.data_dir.is_none() {
            config.save = SavePoints::new(Vec::new());
        }
        config
    }
}

/// Line and reason, without the words about a file.
fn explain(fatal: &file::Fatal) -> String {
    if let file::Fatal::Line { line, reason, .. } = fatal {
        return format!("option '{}': {reason}", String::from_utf8_lossy(line));
    }
    fatal.to_string()
}

fn absolute(dir: &Path) -> Result<String, StartError> {
    let path =
        std::fs::canonicalize(dir).map_err(StartError::system(format!("Can't find the folder {}", dir.display())))?;
    path.to_str().map(str::to_owned).ok_or_else(|| StartError::Config(format!("dir {} is not UTF-8", dir.display())))
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn options_are_those_of_the_configuration_file() {
        let mut settings = Settings::default();
        settings.option("maxmemory", "1gb");
        settings.option("save", "3600 1 60 10");
        settings.option("requirepass", "a b\"c");

        let config = settings.resolve(&[("hz", "20".to_owned())]).unwrap();

        assert_eq!(config.maxmemory, 1 << 30);
        assert_eq!(config.save.points().len(), 2);
        assert_eq!(config.requirepass, b"a b\"c");
        assert_eq!((config.hz, config.port), (20, 0));
    }

    #[test]
    fn a_wrong_option_is_named_with_the_reason() {
        for (name, value, expected) in [
            ("maxmemory", "lots", "option 'maxmemory \"lots\"': argument must be a memory value"),
            ("no-such", "x", "option 'no-such \"x\"': Bad directive or wrong number of arguments"),
            ("port 1\nhz", "x", "option 'port 1 hz \"x\"': wrong number of arguments"),
        ] {
            let mut settings = Settings::default();
            settings.option(name, value);

            assert_eq!(settings.resolve(&[]).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_server_without_a_folder_saves_nothing_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let with_folder = Settings { data_dir: Some(folder.path().join("new")), ..Settings::default() };

        assert!(Settings::default().resolve(&[]).unwrap().save.points().is_empty());
        let config = with_folder.resolve(&[]).unwrap();
        assert_eq!(config.save.points().len(), 3);
        assert!(config.dir.ends_with("/new"));
    }
}
