//! INFO: one function per section, each a list of fields in the order of Redis 7.
//!
//! Fields about jemalloc (`allocator_*`), the C compiler's atomics and the progress of a forked child are left out:
//! nothing here corresponds to them. Where a host does not know the thread that a node works on, there is no
//! `used_cpu_*_main_thread`.

use std::fmt::Write as _;

use slotmesh_engine::config::special::percentiles::percentile_text;
use slotmesh_engine::keyspace::DbIndex;
use slotmesh_engine::time::Now;
use slotmesh_replication::link::LinkState;
use slotmesh_replication::persist::job::Purpose;

use super::conns::{Role, Waiting};
use super::handover::HandOver;
use super::memory::ratio;
use super::pause::PauseKind;
use super::{CpuTime, Node};

/// A section's place in the order of the full text, and whether it is in the default text.
struct Section {
    name: &'static str,
    title: &'static str,
    in_default: bool,
    write: fn(&mut Node, Now, &mut String),
}

const SECTIONS: &[Section] = &[
    Section { name: "server", title: "Server", in_default: true, write: server },
    Section { name: "clients", title: "Clients", in_default: true, write: clients },
    Section { name: "memory", title: "Memory", in_default: true, write: memory },
    Section { name: "persistence", title: "Persistence", in_default: true, write: persistence },
    Section { name: "stats", title: "Stats", in_default: true, write: stats },
    Section { name: "replication", title: "Replication", in_default: true, write: replication },
    Section { name: "cpu", title: "CPU", in_default: true, write: cpu },
    Section { name: "modules", title: "Modules", in_default: true, write: modules },
    Section { name: "commandstats", title: "Commandstats", in_default: false, write: commandstats },
    Section { name: "errorstats", title: "Errorstats", in_default: true, write: errorstats },
    Section { name: "latencystats", title: "Latencystats", in_default: false, write: latencystats },
    Section { name: "cluster", title: "Cluster", in_default: true, write: cluster },
    Section { name: "keyspace", title: "Keyspace", in_default: true, write: keyspace },
];

/// The sections a sentinel has.
const OF_SENTINEL: &[Section] = &[
    Section { name: "server", title: "Server", in_default: true, write: server },
    Section { name: "clients", title: "Clients", in_default: true, write: clients },
    Section { name: "stats", title: "Stats", in_default: true, write: stats },
    Section { name: "cpu", title: "CPU", in_default: true, write: cpu },
    Section { name: "sentinel", title: "Sentinel", in_default: true, write: sentinel },
];

impl Node {
    /// What kind of server this is, in the words of INFO and HELLO.
    pub(super) fn mode(&self) -> &'static str {
        match (&self.watching, &self.bus) {
            (Some(_), _) => "sentinel",
            (None, Some(_)) => "cluster",
            (None, None) => "standalone",
        }
    }

    /// The text of INFO for these sections; none named means the default ones.
    pub(super) fn info_text(&mut self, now: Now, wanted: &[String]) -> String {
        let named = |word: &str| wanted.iter().any(|name| name == word);
        let all = named("all") || named("everything");
        let default = wanted.is_empty() || named("default");
        let mut text = String::with_capacity(TEXT_BYTES);
        for section in if self.is_sentinel() { OF_SENTINEL } else { SECTIONS } {
            if !(all || (default && section.in_default) || named(section.name)) {
                continue;
            }
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            field(&mut text, &format!("# {}", section.title));
            (section.write)(self, now, &mut text);
        }
        text
    }
}

/// Appends one line. Writing to a String cannot fail, here and below.
fn field(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}

macro_rules! fields {
    ($text:expr, $($name:literal => $value:expr),* $(,)?) => {
        $(let _ = write!($text, concat!($name, ":{}\r\n"), $value);)*
    };
}

fn server(node: &mut Node, now: Now, text: &mut String) {
    let uptime = now.instant.millis_since(node.started.instant) / 1000;
    let config = &node.engine.core().config;
    fields!(text,
        "redis_version" => config.slotmesh_version,
        "redis_git_sha1" => "00000000",
        "redis_git_dirty" => 0,
        "redis_build_id" => BUILD_ID,
        "redis_mode" => node.mode(),
        "os" => node.host.os,
        "arch_bits" => usize::BITS,
        "monotonic_clock" => "POSIX clock_gettime",
        "multiplexing_api" => node.host.multiplexing,
        // What a server says that another compiler built.
        "gcc_version" => "0.0.0",
        "process_id" => node.process_id,
        "process_supervised" => if node.host.supervisor.is_empty() { "no" } else { &node.host.supervisor },
        "run_id" => String::from_utf8_lossy(&node.run_id),
        "tcp_port" => config.port,
        "server_time_usec" => now.unix.micros(),
        "uptime_in_seconds" => uptime,
        "uptime_in_days" => uptime / 86_400,
        "hz" => config.hz,
        "configured_hz" => config.hz,
        "lru_clock" => now.unix.seconds() & 0xff_ffff,
        "executable" => node.host.executable,
        "config_file" => node.host.config_file.as_deref().unwrap_or_default(),
        "io_threads_active" => 0,
        "availability_zone" => config.availability_zone,
        "slotmesh_version" => env!("CARGO_PKG_VERSION"),
    );
    listeners(config, text);
    if let Some(until) = node.shutdown_deadline() {
        fields!(text, "shutdown_in_milliseconds" => until.millis_since(now.instant));
    }
}

/// Where clients connect, a line for each kind of socket.
fn listeners(config: &slotmesh_engine::config::Config, text: &mut String) {
    let mut lines = Vec::new();
    if config.port != 0 && !config.bind.0.is_empty() {
        let addresses: String = config.bind.0.iter().map(|address| format!(",bind={address}")).collect();
        lines.push(format!("name=tcp{addresses},port={}", config.port));
    }
    if !config.unixsocket.is_empty() {
        lines.push(format!("name=unix,bind={}", config.unixsocket));
    }
    for (number, line) in lines.iter().enumerate() {
        let _ = write!(text, "listener{number}:{line}\r\n");
    }
}

fn clients(node: &mut Node, now: Now, text: &mut String) {
    let count = |role: Role| node.conns.clients().filter(|(_, client)| client.role == role).count();
    let plain = node.conns.client_count() - count(Role::Replica);
    let waits = node.conns.clients().filter(|(_, client)| client.waiting == Some(Waiting::Replicas)).count();
    let keys = &node.engine.core().blocked;
    let (blocked, limited, blocking_keys) = (waits + keys.len(), waits + keys.limited(), keys.keys());
    let input_max = node.conns.clients().map(|(_, client)| client.input.len()).max().unwrap_or(0);
    let output_max =
        node.conns.clients().map(|(_, client)| node.engine.out_ref(client.session).allocated()).max().unwrap_or(0);
    let pubsub = node.engine.sessions().filter(|session| session.is_subscribed()).count();
    let pause = node.pause.current(now.instant);
    let core = node.engine.core();
    fields!(text,
        "connected_clients" => plain,
        "cluster_connections" => node.bus.as_ref().map_or(0, |bus| bus.link_reports().len()),
        "maxclients" => core.config.maxclients,
        "client_recent_max_input_buffer" => input_max,
        "client_recent_max_output_buffer" => output_max,
        "blocked_clients" => blocked,
        "tracking_clients" => core.tracking.clients(),
        "pubsub_clients" => pubsub,
        "watching_clients" => core.watch.sessions(),
        "clients_in_timeout_table" => limited,
        "total_watched_keys" => core.watch.keys(),
        "total_blocking_keys" => blocking_keys,
        "total_blocking_keys_on_nokey" => keys.keys_minded(),
        "paused_reason" => node.pause.reason(now.instant),
        "paused_actions" => match pause.map(|pause| pause.kind) {
            None => "none",
            Some(PauseKind::All) => "all",
            Some(PauseKind::Writes) => "write",
        },
        "paused_timeout_milliseconds" => pause.map_or(0, |pause| pause.until.millis_since(now.instant)),
    );
}

fn memory(node: &mut Node, _: Now, text: &mut String) {
    let found = node.memory_use();
    let (used, resident, system) = (found.total(), found.resident, node.host.memory.system_bytes);
    let percent = |part: usize, whole: usize| 100.0 * ratio(part, whole);
    let config = &node.engine.core().config;
    fields!(text,
        "used_memory" => used,
        "used_memory_human" => human(used),
        "used_memory_rss" => resident,
        "used_memory_rss_human" => human(resident),
        "used_memory_peak" => found.peak,
        "used_memory_peak_human" => human(found.peak),
        "used_memory_peak_perc" => format_args!("{:.2}%", percent(used, found.peak)),
        "used_memory_overhead" => found.overhead(),
        "used_memory_startup" => 0,
        "used_memory_dataset" => found.entries,
        "used_memory_dataset_perc" => format_args!("{:.2}%", percent(found.entries, used)),
        "total_system_memory" => system,
        "total_system_memory_human" => human(system),
        // There are no scripts and no functions.
        "used_memory_lua" => 0,
        "used_memory_vm_eval" => 0,
        "used_memory_lua_human" => human(0),
        "used_memory_scripts_eval" => 0,
        "number_of_cached_scripts" => 0,
        "number_of_functions" => 0,
        "number_of_libraries" => 0,
        "used_memory_vm_functions" => 0,
        "used_memory_vm_total" => 0,
        "used_memory_vm_total_human" => human(0),
        "used_memory_functions" => 0,
        "used_memory_scripts" => 0,
        "used_memory_scripts_human" => human(0),
        "maxmemory" => config.maxmemory,
        "maxmemory_human" => human(config.maxmemory as usize),
        "maxmemory_policy" => config.maxmemory_policy.word(),
        "allocator_allocated" => used,
        "allocator_active" => resident,
        "allocator_resident" => resident,
        "allocator_muzzy" => 0,
        "allocator_frag_ratio" => format_args!("{:.2}", found.fragmentation()),
        "allocator_frag_bytes" => resident.saturating_sub(used),
        // What the allocator holds on to is not known: all that is resident counts as in use.
        "allocator_rss_ratio" => "1.00",
        "allocator_rss_bytes" => 0,
        "rss_overhead_ratio" => "1.00",
        "rss_overhead_bytes" => 0,
        "mem_fragmentation_ratio" => format_args!("{:.2}", found.fragmentation()),
        "mem_fragmentation_bytes" => resident as i64 - used as i64,
        "mem_not_counted_for_evict" => found.backlog + found.replicas,
        "mem_replication_backlog" => found.backlog,
        "mem_total_replication_buffers" => found.backlog + found.replicas,
        "mem_clients_slaves" => found.replicas,
        "mem_clients_normal" => found.clients,
        "mem_cluster_links" => found.links,
        // The file reads the backlog: it has no buffer of its own.
        "mem_aof_buffer" => 0,
        "mem_allocator" => node.host.allocator,
        "active_defrag_running" => 0,
        "lazyfree_pending_objects" => found.pending_objects,
        "lazyfreed_objects" => found.freed_objects,
    );
}

fn persistence(node: &mut Node, now: Now, text: &mut String) {
    let dirty = node.dirty(now);
    let save = node.persistence.saver.info(now);
    let aof = node.persistence.aof.as_ref().map(|aof| aof.info());
    let rewrites = &node.persistence.rewrites;
    let (saved_keys, save_keys) = node.engine.save_progress();
    // A snapshot for replicas counts, too: in Redis it is a child process of the same kind.
    let syncing =
        node.job.as_ref().is_some_and(|job| matches!(job.purpose(), Purpose::SyncFile | Purpose::SyncSockets));
    let status = |ok: bool| if ok { "ok" } else { "err" };
    fields!(text,
        "loading" => u8::from(node.engine.core().is_loading),
        "async_loading" => 0,
        // Nothing is copied on write: there is no child process.
        "current_cow_peak" => 0,
        "current_cow_size" => 0,
        "current_cow_size_age" => 0,
        "current_fork_perc" => "0.00",
        "current_save_keys_processed" => saved_keys,
        "current_save_keys_total" => save_keys,
        "rdb_changes_since_last_save" => dirty,
        "rdb_bgsave_in_progress" => u8::from(save.in_progress || syncing),
        "rdb_last_save_time" => save.last_save_secs,
        "rdb_last_bgsave_status" => status(save.last_ok),
        "rdb_last_bgsave_time_sec" => signed(save.last_duration_secs),
        "rdb_current_bgsave_time_sec" => signed(save.current_secs),
        "rdb_saves" => save.saves,
        "rdb_last_cow_size" => 0,
        "rdb_last_load_keys_expired" => node.loaded.keys_expired,
        "rdb_last_load_keys_loaded" => node.loaded.keys_loaded,
        "aof_enabled" => u8::from(aof.is_some_and(|aof| aof.enabled)),
        "aof_rewrite_in_progress" => u8::from(aof.is_some_and(|aof| aof.rewriting)),
        "aof_rewrite_scheduled" => u8::from(aof.is_some_and(|aof| aof.scheduled)),
        "aof_last_rewrite_time_sec" => signed(rewrites.last_secs),
        "aof_current_rewrite_time_sec" =>
            signed(rewrites.began.map(|began| now.instant.millis_since(began) / 1000)),
        "aof_last_bgrewrite_status" => status(aof.is_none_or(|aof| aof.last_rewrite_ok)),
        "aof_rewrites" => rewrites.begun,
        "aof_rewrites_consecutive_failures" => rewrites.failures,
        "aof_last_write_status" => status(aof.is_none_or(|aof| aof.last_write_ok)),
        "aof_last_cow_size" => 0,
        "module_fork_in_progress" => 0,
        "module_fork_last_cow_size" => 0,
    );
    if let Some(aof) = aof.filter(|aof| aof.enabled) {
        fields!(text,
            "aof_current_size" => aof.current_bytes,
            "aof_base_size" => aof.base_bytes,
            "aof_pending_rewrite" => 0,
            "aof_buffer_length" => 0,
            "aof_pending_bio_fsync" => u8::from(aof.pending_fsync),
        );
    }
}

fn stats(node: &mut Node, now: Now, text: &mut String) {
    use slotmesh_engine::pubsub::Kind;
    let rates = node.rates_now(now);
    let counters = &node.counters;
    let syncs = node.replication.feeds.counts();
    let core = node.engine.core();
    let stats = &core.stats;
    fields!(text,
        "total_connections_received" => counters.connections_received,
        "total_commands_processed" => stats.commands,
        "instantaneous_ops_per_sec" => rates.commands as u64,
        "total_net_input_bytes" => counters.net_input_bytes,
        "total_net_output_bytes" => counters.net_output_bytes,
        "total_net_repl_input_bytes" => counters.replication_input_bytes,
        "total_net_repl_output_bytes" => counters.replication_output_bytes,
        "instantaneous_input_kbps" => format_args!("{:.2}", rates.input_bytes / 1024.0),
        "instantaneous_output_kbps" => format_args!("{:.2}", rates.output_bytes / 1024.0),
        "instantaneous_input_repl_kbps" => format_args!("{:.2}", rates.replication_input_bytes / 1024.0),
        "instantaneous_output_repl_kbps" => format_args!("{:.2}", rates.replication_output_bytes / 1024.0),
        "rejected_connections" => counters.rejected_connections,
        "sync_full" => syncs.full,
        "sync_partial_ok" => syncs.partial,
        "sync_partial_err" => syncs.refused,
        "expired_keys" => stats.expired_keys,
        "expired_fields" => stats.expired_fields,
        // A key is removed when it is due, not when a sample meets it.
        "expired_stale_perc" => "0.00",
        "expired_time_cap_reached_count" => 0,
        "evicted_keys" => stats.evicted_keys,
        "evicted_clients" => 0,
        "total_eviction_exceeded_time" => 0,
        "current_eviction_exceeded_time" => 0,
        "keyspace_hits" => stats.keyspace_hits,
        "keyspace_misses" => stats.keyspace_misses,
        "pubsub_channels" => core.pubsub.names(Kind::Channel),
        "pubsub_patterns" => core.pubsub.names(Kind::Pattern),
        "pubsubshard_channels" => core.pubsub.names(Kind::Shard),
        "latest_fork_usec" => 0,
        "total_forks" => 0,
        "migrate_cached_sockets" => node.courier.connections(),
        "slave_expires_tracked_keys" => 0,
        "active_defrag_hits" => 0,
        "active_defrag_misses" => 0,
        "active_defrag_key_hits" => 0,
        "active_defrag_key_misses" => 0,
        "total_active_defrag_time" => 0,
        "current_active_defrag_time" => 0,
        "tracking_total_keys" => core.tracking.keys(),
        "tracking_total_items" => core.tracking.items(),
        "tracking_total_prefixes" => core.tracking.prefixes(),
        "unexpected_error_replies" => 0,
        "total_error_replies" => stats.error_replies,
        "dump_payload_sanitizations" => 0,
        "total_reads_processed" => counters.reads,
        "total_writes_processed" => counters.writes,
        "io_threaded_reads_processed" => 0,
        "io_threaded_writes_processed" => 0,
        "client_query_buffer_limit_disconnections" => counters.query_limit_disconnections,
        "client_output_buffer_limit_disconnections" => counters.output_limit_disconnections,
        "reply_buffer_shrinks" => 0,
        "reply_buffer_expands" => 0,
    );
}

fn replication(node: &mut Node, now: Now, text: &mut String) {
    if node.is_replica() {
        replica(node, now, text);
    } else {
        field(text, "role:master");
    }
    let infos: Vec<_> = node.replication.feeds.infos(now).map(|(_, info)| info).collect();
    fields!(text, "connected_slaves" => infos.len());
    let config = &node.engine.core().config;
    if config.min_replicas_to_write > 0 && config.min_replicas_max_lag_secs > 0 {
        let good = node.replication.feeds.good(now, u64::from(config.min_replicas_max_lag_secs));
        fields!(text, "min_slaves_good_slaves" => good);
    }
    for (index, info) in infos.iter().enumerate() {
        let _ = write!(
            text,
            "slave{index}:ip={},port={},state={},offset={},lag={}\r\n",
            info.ip, info.port, info.state, info.offset, info.lag_secs
        );
    }
    let log = &node.replication.log;
    let backlog = log.info();
    fields!(text,
        "master_failover_state" => node.handover.as_ref().map_or("no-failover", HandOver::word),
        "master_replid" => log.replid(),
        "master_replid2" => log.replid2(),
        "master_repl_offset" => log.offset(),
        "second_repl_offset" => signed(log.second_offset()),
        "repl_backlog_active" => u8::from(backlog.active),
        "repl_backlog_size" => backlog.size,
        "repl_backlog_first_byte_offset" => backlog.first_byte_offset,
        "repl_backlog_histlen" => backlog.histlen,
    );
}

fn replica(node: &Node, now: Now, text: &mut String) {
    field(text, "role:slave");
    let Some(info) = node.replication.link.as_ref().and_then(|link| link.info(now)) else { return };
    let config = &node.engine.core().config;
    let offset = node.replication.log.offset();
    let up = info.state == LinkState::Connected;
    fields!(text,
        "master_host" => info.target.0,
        "master_port" => info.target.1,
        "master_link_status" => if up { "up" } else { "down" },
        "master_last_io_seconds_ago" => signed(info.last_io_secs),
        "master_sync_in_progress" => u8::from(info.sync.is_some()),
        "slave_read_repl_offset" => offset,
        "slave_repl_offset" => offset,
    );
    if let Some(sync) = info.sync {
        let left = sync.total_bytes.saturating_sub(sync.read_bytes);
        let percent = if sync.total_bytes > 0 { sync.read_bytes as f64 * 100.0 / sync.total_bytes as f64 } else { 0.0 };
        fields!(text,
            "master_sync_total_bytes" => sync.total_bytes,
            "master_sync_read_bytes" => sync.read_bytes,
            "master_sync_left_bytes" => left,
            "master_sync_perc" => format_args!("{percent:.2}"),
            "master_sync_last_io_seconds_ago" => sync.last_io_secs,
        );
    }
    if !up {
        fields!(text, "master_link_down_since_seconds" => signed(info.down_since_secs));
    }
    fields!(text,
        "slave_priority" => config.replica_priority,
        "slave_read_only" => u8::from(config.replica_read_only),
        "replica_announced" => u8::from(config.replica_announced),
    );
}

fn cpu(node: &mut Node, _: Now, text: &mut String) {
    let mut times = |kind: &str, usage: CpuTime| {
        for (name, micros) in [("used_cpu_sys", usage.system_micros), ("used_cpu_user", usage.user_micros)] {
            field(text, &format!("{name}{kind}:{}.{:06}", micros / 1_000_000, micros % 1_000_000));
        }
    };
    times("", node.host.cpu);
    // No child saves anything.
    times("_children", CpuTime::default());
    node.host.cpu_of_main_thread.into_iter().for_each(|usage| times("_main_thread", usage));
}

fn modules(_: &mut Node, _: Now, _: &mut String) {}

fn commandstats(node: &mut Node, _: Now, text: &mut String) {
    let core = node.engine.core();
    for (id, command) in core.registry.iter() {
        let Some(stats) = core.stats.commands_by_id.get(id.index()) else { continue };
        if stats.calls + stats.rejected + stats.failed == 0 {
            continue;
        }
        let micros = stats.nanos / 1000;
        let per_call = if stats.calls > 0 { micros as f64 / stats.calls as f64 } else { 0.0 };
        let _ = write!(
            text,
            "cmdstat_{}:calls={},usec={},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}\r\n",
            command.full_name, stats.calls, micros, stats.rejected, stats.failed
        );
    }
}

fn errorstats(node: &mut Node, _: Now, text: &mut String) {
    for (code, count) in &node.engine.core().stats.errors {
        let _ = write!(text, "errorstat_{}:count={count}\r\n", String::from_utf8_lossy(code));
    }
}

fn latencystats(node: &mut Node, _: Now, text: &mut String) {
    let core = node.engine.core();
    let percentiles = &core.config.latency_tracking_info_percentiles.0;
    if !core.config.latency_tracking || percentiles.is_empty() {
        return;
    }
    for (id, command) in core.registry.iter() {
        let Some(histogram) = node.timing.histogram(id) else { continue };
        let value = |percent: f64| histogram.percentile(percent) as f64 / 1000.0;
        let list = percentiles.iter().map(|&percent| format!("p{}={:.3}", percentile_text(percent), value(percent)));
        let list = list.collect::<Vec<_>>().join(",");
        field(text, &format!("latency_percentiles_usec_{}:{list}", command.full_name));
    }
}

fn cluster(node: &mut Node, _: Now, text: &mut String) {
    fields!(text, "cluster_enabled" => u8::from(node.bus.is_some()));
}

fn keyspace(node: &mut Node, now: Now, text: &mut String) {
    let keyspace = &node.engine.core().keyspace;
    for index in 0..keyspace.databases() {
        let db = keyspace.db(DbIndex(index));
        if !db.is_empty() {
            let (keys, expires, of_fields) = (db.len(), db.volatile_len(), db.volatile_hashes_len());
            let ttl = db.average_ttl(now.unix.into());
            let _ = write!(
                text,
                "db{index}:keys={keys},expires={expires},avg_ttl={ttl},keys_with_volatile_items={of_fields}\r\n"
            );
        }
    }
}

fn sentinel(node: &mut Node, now: Now, text: &mut String) {
    let Some(sentinel) = node.as_sentinel() else { return };
    let (tilt_secs, tilts) = sentinel.tilt(now);
    let (queued, running) = sentinel.script_counts();
    let summaries = sentinel.summaries();
    fields!(text,
        "sentinel_masters" => summaries.len(),
        "sentinel_tilt" => u8::from(tilt_secs.is_some()),
        "sentinel_tilt_since_seconds" => signed(tilt_secs),
        "sentinel_total_tilt" => tilts,
        "sentinel_running_scripts" => running,
        "sentinel_scripts_queue_length" => queued,
        "sentinel_simulate_failure_flags" => sentinel.simulated_bits(),
    );
    for (index, master) in summaries.iter().enumerate() {
        let _ = write!(
            text,
            "master{index}:name={},status={},address={},slaves={},sentinels={}\r\n",
            master.name, master.status, master.address, master.replicas, master.sentinels
        );
    }
}

/// A number, or -1 for "not known".
fn signed(value: Option<u64>) -> i64 {
    value.map_or(-1, |value| i64::try_from(value).unwrap_or(i64::MAX))
}

/// Bytes as people read them: `1.50M`.
fn human(bytes: usize) -> String {
    let units = [(1_u64 << 40, 'T'), (1 << 30, 'G'), (1 << 20, 'M'), (1 << 10, 'K')];
    match units.iter().find(|(unit, _)| bytes as u64 >= *unit) {
        Some((unit, letter)) => format!("{:.2}{letter}", bytes as f64 / *unit as f64),
        None => format!("{bytes}B"),
    }
}

/// Names this build where Redis shows a checksum of its own.
const BUILD_ID: &str = "0";

/// Bytes the full text usually needs.
const TEXT_BYTES: usize = 8 * 1024;
