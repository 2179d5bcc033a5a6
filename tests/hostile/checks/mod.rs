//! What must hold for arbitrary bytes from outside, one check per reader of such bytes.
//!
//! Each check takes any bytes at all and panics when an invariant breaks. The stable tests beside this folder run
//! them on seeds and mutations of seeds; the fuzz targets in `fuzz/` run the same functions under a fuzzer. Start at
//! [`ALL`].

mod aof;
mod bus;
mod command;
mod glob;
mod input;
mod link;
mod lzf;
mod node;
mod nodes_conf;
mod rdb;
mod redis_conf;
mod resp;
mod sentinel;

/// One reader of bytes from outside.
pub(crate) struct Check {
    /// The name of its fuzz target.
    pub(crate) name: &'static str,
    /// Runs it on any bytes; panics when an invariant breaks.
    pub(crate) run: fn(&[u8]),
    /// Inputs that reach far, to mutate from.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// All checks.
pub(crate) const ALL: &[Check] = &[
    Check { name: "aof", run: aof::check, seeds: aof::seeds },
    Check { name: "bus_packet", run: bus::check, seeds: bus::seeds },
    Check { name: "glob", run: glob::check, seeds: glob::seeds },
    Check { name: "lzf", run: lzf::check, seeds: lzf::seeds },
    Check { name: "node_client", run: node::check, seeds: node::seeds },
    Check { name: "nodes_conf", run: nodes_conf::check, seeds: nodes_conf::seeds },
    Check { name: "rdb", run: rdb::check, seeds: rdb::seeds },
    Check { name: "redis_conf", run: redis_conf::check, seeds: redis_conf::seeds },
    Check { name: "replication_link", run: link::check, seeds: link::seeds },
    Check { name: "resp_reply", run: resp::check_reply, seeds: resp::reply_seeds },
    Check { name: "resp_request", run: resp::check_request, seeds: resp::request_seeds },
    Check { name: "sentinel_conf", run: sentinel::check_conf, seeds: sentinel::conf_seeds },
    Check { name: "sentinel_instances", run: sentinel::check_instances, seeds: sentinel::instance_seeds },
];

/// The check of this name.
pub(crate) fn find(name: &str) -> &'static Check {
    ALL.iter().find(|check| check.name == name).expect("every target has a check")
}
