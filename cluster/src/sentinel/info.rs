//! The fields of INFO that a sentinel reads. The text is a stranger's: what is not as it should be is left out.

use super::instance::Role;

/// What an INFO text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fields {
    pub(super) run_id: Option<String>,
    pub(super) role: Option<Role>,
    /// Replicas of a primary: host and port.
    pub(super) replicas: Vec<(String, i64)>,
    pub(super) primary_host: Option<String>,
    pub(super) primary_port: Option<i64>,
    pub(super) is_link_up: Option<bool>,
    /// How long a replica's link has been down, in seconds.
    pub(super) link_down_secs: u64,
    pub(super) priority: Option<u64>,
    pub(super) offset: Option<u64>,
    pub(super) is_announced: Option<bool>,
    pub(super) knows_failover: bool,
}

/// Reads an INFO text.
pub(super) fn parse(text: &[u8]) -> Fields {
    let mut fields = Fields::default();
    for line in text.split(|&byte| byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) else { continue };
        if let Some((name, value)) = line.split_once(':') {
            fields.take(name, value);
        }
    }
    fields
}

impl Fields {
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "run_id" if value.len() == RUN_ID_BYTES => self.run_id = Some(value.to_owned()),
            "role" => {
                self.role = match value {
                    "master" => Some(Role::Primary),
                    "slave" => Some(Role::Replica),
                    _ => None,
                }
            }
            "master_host" => self.primary_host = Some(value.to_owned()),
            "master_port" => self.primary_port = value.parse().ok(),
            "master_link_status" => self.is_link_up = Some(value == "up"),
            // -1 says that it never was up.
            "master_link_down_since_seconds" => self.link_down_secs = value.parse().unwrap_or(0),
            "slave_priority" => self.priority = value.parse().ok(),
            "slave_repl_offset" => self.offset = value.parse().ok(),
            "master_failover_state" => self.knows_failover = true,
            "replica_announced" => self.is_announced = Some(value != "0"),
            name => {
                if let Some(number) = name.strip_prefix("slave")
                    && !number.is_empty()
                    && number.bytes().all(|byte| byte.is_ascii_digit())
                    && self.replicas.len() < REPLICAS_MAX
                {
                    self.replicas.extend(replica(value));
                }
            }
        }
    }
}

/// `ip=10.0.0.1,port=6379,state=online,...`, or before 2.8 `10.0.0.1,6379,online`.
fn replica(value: &str) -> Option<(String, i64)> {
    let mut parts = value.split(',');
    if !value.contains('=') {
        return Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?));
    }
    let find = |wanted: &str| value.split(',').find_map(|part| part.strip_prefix(wanted));
    Some((find("ip=")?.to_owned(), find("port=")?.parse().ok()?))
}

/// Characters of a run id.
const RUN_ID_BYTES: usize = 40;

/// Replicas of one primary that are looked at: a server that names more is not one anybody runs.
pub(super) const REPLICAS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::{Fields, Role, parse};

    #[test]
    fn the_fields_of_a_replica_are_read() {
        let text = b"# Replication\r\nrole:slave\r\nmaster_host:::1\r\nmaster_port:6379\r\nmaster_link_status:down\r\n\
                     master_link_down_since_seconds:7\r\nslave_repl_offset:828\r\nslave_priority:50\r\n\
                     replica_announced:0\r\nrun_id:096a82fadabddd48cab392e4dffc389e1356ca62\r\n";

        let expected = Fields {
            run_id: Some("096a82fadabddd48cab392e4dffc389e1356ca62".to_owned()),
            role: Some(Role::Replica),
            primary_host: Some("::1".to_owned()),
            primary_port: Some(6379),
            is_link_up: Some(false),
            link_down_secs: 7,
            priority: Some(50),
            offset: Some(828),
            is_announced: Some(false),
            ..Fields::default()
        };
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn the_replicas_of_a_primary_are_read_in_both_forms() {
        let text = b"role:master\nconnected_slaves:2\nslave0:ip=10.0.0.1,port=6380,state=online,offset=1,lag=0\n\
                     slave1:10.0.0.2,6381,online\nslave_priority:1\nslaves:x\nslave2:nonsense\nslave3:ip=a,port=x\n";

        assert_eq!(parse(text).replicas, [("10.0.0.1".to_owned(), 6380), ("10.0.0.2".to_owned(), 6381)]);
    }

    #[test]
    fn nonsense_says_nothing() {
        let text = b"role:king\r\nmaster_port:x\r\nslave_priority:-5\r\n\xff\xfe:1\r\nrun_id:short\r\nmaster_link_down_since_seconds:-1";

        assert_eq!(parse(text), Fields::default());
        let many: String = (0..5000).map(|index| format!("slave{index}:ip=10.0.0.1,port={index}\n")).collect();
        assert_eq!(parse(many.as_bytes()).replicas.len(), super::REPLICAS_MAX);
    }
}
