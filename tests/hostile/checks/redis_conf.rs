//! redis.conf: a file is refused with a reason, or what CONFIG REWRITE makes of it loads to the same options.

use slotmesh_engine::config::file::{Host, Unreadable, UserFault, load};
use slotmesh_engine::config::rewrite::{Running, rewrite};
use slotmesh_engine::config::startup::UserLine;
use slotmesh_engine::config::text::quote;
use slotmesh_engine::config::{Config, ROWS};

pub(crate) fn check(data: &[u8]) {
    let mut config = Config::default();
    if let Err(fatal) = load(&mut config, data, &mut Files) {
        assert!(!fatal.to_string().is_empty());
        return;
    }
    let lines: Vec<Vec<u8>> = config.startup.users.iter().map(user_line).collect();
    let running = Running { primary: config.replicaof.clone(), users: Some(&lines), sentinel: &[] };
    let written = rewrite(data, &config, &running);
    let mut again = Config::default();
    if let Err(fatal) = load(&mut again, &written, &mut Files) {
        panic!("{fatal}\nin what was written:\n{}", written.escape_ascii());
    }
    for row in ROWS {
        assert!(row.is_same(&config, &again), "{}\n{}", row.name, written.escape_ascii());
    }
    // Options of modules are commented out: no module can be loaded, and a host refuses them.
    let kept = |config: &Config| (config.startup.users.clone(), config.startup.renames.clone());
    assert_eq!(kept(&again), kept(&config), "{}", written.escape_ascii());
    let twice = rewrite(&written, &again, &running);
    // A line end at the end of the old file is an empty line of the new one, once.
    assert_eq!(twice.trim_ascii_end(), written.trim_ascii_end(), "a rewritten file is rewritten to itself");
}

/// A user as the node tells of it: name and rules.
fn user_line(user: &UserLine) -> Vec<u8> {
    let words = std::iter::once(&user.name).chain(&user.rules);
    words.map(|word| quote(word)).collect::<Vec<_>>().join(&b' ')
}

/// Two files that include each other.
struct Files;

impl Host for Files {
    fn read(&mut self, path: &[u8]) -> Result<Vec<u8>, Unreadable> {
        match path {
            b"a" => Ok(b"timeout 5\nhz 20\n".to_vec()),
            b"b" => Ok(b"include a\ninclude b\n".to_vec()),
            _ => {
                let path = String::from_utf8_lossy(path).into_owned();
                Err(Unreadable { path, error: "No such file or directory".to_owned() })
            }
        }
    }

    fn expand(&mut self, _: &[u8]) -> Vec<Vec<u8>> {
        vec![b"a".to_vec(), b"b".to_vec()]
    }

    fn enter_dir(&mut self, path: &str) -> Result<String, String> {
        Ok(path.to_owned())
    }

    fn is_command(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(b"get") || name.eq_ignore_ascii_case(b"set")
    }

    fn check_user(&self, user: &UserLine) -> Result<(), UserFault> {
        match user.rules.iter().position(|rule| rule == b"bad") {
            Some(rule) => Err(UserFault { rule, why: "Syntax error".to_owned() }),
            None => Ok(()),
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "# a comment\nport 7000\nbind 127.0.0.1 -::1\nsave 3600 1 300 100\nsave 60 10000\ndir /data\n",
        "include a\nappendonly yes\nappendfsync always\nslaveof 10.0.0.1 6379\n\n\nmaxmemory 100mb\n",
        "include b\n",
        "include *\n",
        "client-output-buffer-limit normal 0 0 0\nclient-output-buffer-limit pubsub 32mb 8mb 60\n",
        "notify-keyspace-events \"KEA\"\nrequirepass \"a\\x00b\\\"c\"\nuser bob on +@all ~*\nrename-command get \"\"\n",
        "cluster-enabled yes\ncluster-config-file n.conf\noom-score-adj-values 0 200 800\nsave \"\"\n",
        "loadmodule /m.so 1 2\nmod.option 5\nset-max-intset-entries 9\nhash-max-ziplist-entries 7\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let config = Config::default();
    let all =
        |row: &'static slotmesh_engine::config::Row| [row.name.as_bytes(), b" ", &row.value(&config), b"\n"].concat();
    seeds.push(ROWS.iter().filter(|row| !row.value(&config).is_empty()).flat_map(all).collect());
    seeds
}
