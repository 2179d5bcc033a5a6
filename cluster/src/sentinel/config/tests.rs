use slotmesh_engine::config::file::sentinel_lines;
use slotmesh_engine::config::rewrite::{Running, rewrite};
use slotmesh_engine::config::{Config, text::split_args};

use super::SentinelConfig;

const ID: &str = "096a82fadabddd48cab392e4dffc389e1356ca62";

fn read(text: &str) -> Result<SentinelConfig, String> {
    let lines = sentinel_lines(text.as_bytes(), "7.4.0").map_err(|fatal| fatal.to_string())?;
    SentinelConfig::read(&lines, |path| path == "/bin/true").map_err(|fault| fault.to_string())
}

fn full() -> String {
    format!(
        "port 26380\n\
         sentinel known-sentinel m 10.0.0.9 26379 {ID}\n\
         sentinel known-slave m 10.0.0.2 6379\n\
         sentinel down-after-milliseconds m 1000\n\
         sentinel monitor m 10.0.0.1 6379 2\n\
         sentinel monitor other db.example 6390 1\n\
         sentinel failover-timeout m 5000\n\
         sentinel parallel-syncs m 3\n\
         sentinel notification-script m /bin/true\n\
         sentinel client-reconfig-script m /bin/true\n\
         sentinel auth-user m bob\n\
         sentinel auth-pass m \"a b\\xff\"\n\
         sentinel rename-command m CONFIG \"\"\n\
         sentinel rename-command other slaveof follow\n\
         sentinel master-reboot-down-after-period m 700\n\
         sentinel config-epoch m 7\n\
         sentinel leader-epoch m 8\n\
         sentinel known-replica m ::1 6379\n\
         sentinel known-sentinel m 10.0.0.8 26379\n\
         sentinel myid {ID}\n\
         SENTINEL current-epoch 9\n\
         sentinel announce-ip 1.2.3.4\n\
         sentinel announce-port 5\n\
         sentinel deny-scripts-reconfig no\n\
         sentinel sentinel-user su\n\
         sentinel sentinel-pass sp\n\
         sentinel resolve-hostnames yes\n\
         sentinel announce-hostnames yes\n"
    )
}

#[test]
fn every_directive_is_read_in_any_order() {
    let config = read(&full()).unwrap();

    let globals = &config.globals;
    assert_eq!((globals.myid.as_deref(), globals.current_epoch, globals.announce_port), (Some(ID), 9, 5));
    assert_eq!((&*globals.announce_ip, &*globals.user, &*globals.pass), ("1.2.3.4", &b"su"[..], &b"sp"[..]));
    assert!(!globals.deny_scripts_reconfig && globals.resolve_hostnames && globals.announce_hostnames);
    let [primary, other] = &config.primaries[..] else { panic!("two masters") };
    let settings = &primary.settings;
    assert_eq!((settings.quorum, settings.down_after_ms, settings.failover_timeout_ms), (2, 1000, 5000));
    assert_eq!((settings.parallel_syncs, settings.reboot_down_after_ms), (3, 700));
    assert_eq!((&*settings.auth_user, &*settings.auth_pass), (&b"bob"[..], &b"a b\xff"[..]));
    assert_eq!(settings.renames["config"], "");
    assert_eq!((primary.config_epoch, primary.leader_epoch), (7, 8));
    assert_eq!((primary.replicas.len(), primary.sentinels.len()), (2, 1));
    assert_eq!(
        (other.address.host(), other.address.port, &*other.settings.renames["slaveof"]),
        ("db.example", 6390, "follow")
    );
}

#[test]
fn wrong_lines_fail_with_the_texts_of_a_real_sentinel() {
    let unrecognized = "Unrecognized sentinel configuration statement.";
    let resolve = "Can't resolve instance hostname.";
    let long = "z".repeat(39);
    let cases = [
        ("monitor m2 127.0.0.1 1 0", "Quorum must be 1 or greater."),
        ("monitor m2 127.0.0.1 1 x", "Quorum must be 1 or greater."),
        ("monitor m 127.0.0.1 1 1", "Duplicate master name."),
        ("monitor m2 foo 1 1", resolve),
        ("monitor m2 127.0.0.1 1", unrecognized),
        ("monitor m2 127.0.0.1 99999 1", "Invalid port number."),
        ("monitor m2 127.0.0.1 6379x 1", "Invalid port number."),
        ("monitor m2 127.0.0.1 1 2x", "Quorum must be 1 or greater."),
        ("down-after-milliseconds nope 5", "No such master with specified name."),
        ("down-after-milliseconds m 0", "negative or zero time parameter."),
        ("down-after-milliseconds m 3000000000", "negative or zero time parameter."),
        ("failover-timeout m -1", "negative or zero time parameter."),
        ("parallel-syncs m many", "Invalid number of replicas."),
        ("master-reboot-down-after-period m soon", "negative time parameter."),
        ("announce-port x", "Invalid port number."),
        ("notification-script m /nope", "Notification script seems non existing or non executable."),
        ("client-reconfig-script m /nope", "Client reconfiguration script seems non existing or non executable."),
        ("master-reboot-down-after-period m -1", "negative time parameter."),
        ("known-replica m nohost 1", resolve),
        ("known-sentinel m nohost 1 abc", resolve),
        ("myid abc", "Malformed Sentinel id in myid option."),
        (&*format!("myid {long}\u{e9}"), "Malformed Sentinel id in myid option."),
        ("deny-scripts-reconfig maybe", "Please specify yes or no for the deny-scripts-reconfig options."),
        ("resolve-hostnames maybe", "Please specify yes or no for the resolve-hostnames option."),
        ("announce-hostnames maybe", "Please specify yes or no for the announce-hostnames option."),
        ("foo", unrecognized),
        ("foo bar", unrecognized),
        ("auth-pass m", unrecognized),
        ("auth-pass nope x", "No such master with specified name."),
        ("sentinel-user", unrecognized),
        ("announce-ip", unrecognized),
        ("loglevel foo", unrecognized),
    ];
    for (line, reason) in cases {
        let text = format!("port 1\nsentinel monitor m 127.0.0.1 6379 2\nsentinel {line}\n");
        let expected = format!("Reading the configuration file, at line 3\n>>> 'sentinel {line}'\n{reason}");
        assert_eq!(read(&text).unwrap_err(), expected);
    }
    for (line, reason) in [
        ("known-replica m 127.0.0.1 1".to_owned(), "Duplicate hostname and port for replica."),
        (format!("known-sentinel m 127.0.0.1 1 {ID}"), "Duplicate runid for sentinel."),
        ("rename-command m a b".to_owned(), "Same command renamed multiple times with rename-command."),
    ] {
        let text = format!("sentinel monitor m 127.0.0.1 6379 2\nsentinel {line}\nsentinel {line}\n");
        assert!(read(&text).unwrap_err().ends_with(&format!("at line 3\n>>> 'sentinel {line}'\n{reason}")), "{line}");
    }
}

#[test]
fn what_is_written_reads_back_as_itself() {
    let config = read(&full()).unwrap();

    for old in [String::new(), full()] {
        let lines = config.lines();
        let running = Running { sentinel: &lines, ..Running::default() };
        let text = String::from_utf8(rewrite(old.as_bytes(), &Config::default(), &running)).unwrap();
        assert_eq!(read(&text).unwrap(), config, "{text}");
    }
}

#[test]
fn lines_are_replaced_in_place_as_a_real_sentinel_does() {
    let old = format!(
        "port 7\n# a remark\nsentinel monitor m 127.0.0.1 6379 2\nsentinel parallel-syncs m 1\n\
         sentinel failover-timeout m 10000\n\n# Generated by CONFIG REWRITE\nsentinel myid {ID}\n\
         sentinel config-epoch m 0\nsentinel leader-epoch m 0\nsentinel current-epoch 0"
    );
    let mut config = read(&old).unwrap();
    config.primaries[0].address.port = 6380;
    config.primaries[0].config_epoch = 3;
    config.globals.current_epoch = 4;
    let lines = config.lines();
    let options = Config { port: 7, ..Config::default() };
    let running = Running { sentinel: &lines, ..Running::default() };

    let text = String::from_utf8(rewrite(old.as_bytes(), &options, &running)).unwrap();

    let expected = format!(
        "port 7\n# a remark\nsentinel monitor m 127.0.0.1 6380 2\n\nsentinel failover-timeout m 10000\n\n\
         # Generated by CONFIG REWRITE\nsentinel myid {ID}\nsentinel config-epoch m 3\nsentinel leader-epoch m 0\n\
         sentinel current-epoch 4\n"
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn no_epoch_is_behind_that_of_a_configuration() {
    let config = read("sentinel monitor m 127.0.0.1 6379 2\nsentinel config-epoch m 5\nsentinel current-epoch 3\n");

    assert_eq!(config.unwrap().globals.current_epoch, 5);
}

#[test]
fn what_is_said_with_yes_or_no_stays_in_a_file_that_has_it() {
    let old = "sentinel monitor m 127.0.0.1 6379 2\nsentinel resolve-hostnames no\nsentinel deny-scripts-reconfig YES\n\
               sentinel announce-ip foo\n";
    let lines = read(old).unwrap().lines();
    let running = Running { sentinel: &lines, ..Running::default() };

    let text = String::from_utf8(rewrite(old.as_bytes(), &Config::default(), &running)).unwrap();

    let expected = "sentinel monitor m 127.0.0.1 6379 2\nsentinel resolve-hostnames no\n\
                    sentinel deny-scripts-reconfig yes\nsentinel announce-ip \"foo\"\n";
    assert!(text.starts_with(expected) && !text.contains("announce-hostnames"), "{text}");
}

#[test]
fn a_file_cut_at_any_byte_is_read_or_refused() {
    let text = full();
    let mut refused = 0;

    for end in 0..text.len() {
        match read(&text[..end]) {
            Ok(config) => assert!(config.primaries.len() <= 2),
            Err(reason) => {
                assert!(reason.contains("at line"), "{reason}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
    assert!(split_args(text.lines().next().unwrap().as_bytes()).is_ok());
}
