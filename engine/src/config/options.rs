//! The table of options: one row per option, from which everything else derives.
//!
//! A row gives the field of [`Config`] with its type and default, the option's name and older name, the values it
//! takes, its flags and whether it does something here. To flip an option from accepted to effective, change the
//! last word of its row. Names, bounds and defaults are those `CONFIG GET *` of Redis 7.0.15 shows, plus the
//! options 7.2 added. The file is long because it is one table.

use super::checks;
use super::choices::{
    AclPubsubDefault, Allowed, AppendFsync, DisklessLoad, EndpointType, LogLevel, MaxmemoryPolicy, OomScoreAdj,
    PropagationError, RdbVersionCheck, Sanitize, Supervised, SyslogFacility, TlsAuthClients,
};
use super::memory::MemoryShare;
use super::row::Effect::{Accepted, Effective};
use super::row::{Flags, HIDDEN, IMMUTABLE, KEEP_EMPTY, PROTECTED, Row, SENSITIVE};
use super::special::bind::Bind;
use super::special::buffer_limits::BufferLimits;
use super::special::keyspace_events::KeyspaceEvents;
use super::special::oom_scores::OomScores;
use super::special::percentiles::Percentiles;
use super::special::primary::Primary;
use super::special::save_points::SavePoints;
use super::special::shutdown_on::ShutdownOn;
use super::startup::Startup;
use super::stored::{Kind, Stored};

macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty = $default:expr, $name:literal $(/ $alias:literal)?,
        $kind:expr, [$($flag:expr),*], $effect:expr;
    )+) => {
        /// Every option of a node, typed.
        ///
        /// `Config::default()` has Redis's defaults. Fields may be changed freely before a node is built from them;
        /// afterwards CONFIG SET goes through [`Config::prepare`].
        #[derive(Clone, PartialEq)]
        pub struct Config {
            $( $(#[doc = $doc])+ pub $field: $type, )+
            /// What a configuration file says beyond options: users, renamed commands, modules.
            pub startup: Startup,
            /// Bytes from which on an element of a list has a node of its own, whatever the nodes' size; set by
            /// `DEBUG QUICKLIST-PACKED-THRESHOLD`.
            pub list_plain_bytes_min: Option<usize>,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $( $field: $default.into(), )+ startup: Startup::default(), list_plain_bytes_min: None }
            }
        }

        /// All options, grouped by topic.
        pub const ROWS: &[Row] = &[$(
            Row {
                name: $name,
                alias: alias!($($alias)?),
                kind: $kind,
                flags: Flags(0 $(| $flag)*),
                effect: $effect,
                doc: concat!($($doc),+),
                assign: |config, kind, words, origin| config.$field.assign(kind, words, origin),
                text: |config, kind| config.$field.text(kind),
                lines: |config, default, kind| config.$field.lines(kind, &default.$field),
                same: |one, other| one.$field == other.$field,
            },
        )+];
    };
}

macro_rules! alias {
    () => {
        None
    };
    ($alias:literal) => {
        Some($alias)
    };
}

options! {
    // The server.
    /// Version of Redis reported to clients and peers.
    slotmesh_version: String = "7.4.0", "slotmesh-version", Kind::Text(checks::version), [IMMUTABLE, HIDDEN], Effective;
    /// Run in the background.
    daemonize: bool = false, "daemonize", Kind::Flag, [IMMUTABLE], Effective;
    /// File the process id is written to; empty: none, or `/var/run/redis.pid` when in the background.
    pidfile: String = "", "pidfile", ANY_TEXT, [IMMUTABLE], Effective;
    /// Supervisor that is told of readiness.
    supervised: Supervised = Supervised::No, "supervised",
        Kind::Choice(Supervised::WORDS), [IMMUTABLE], Effective;
    /// Number of databases.
    databases: u32 = 16_u32, "databases", int(1, I32_MAX), [IMMUTABLE], Effective;
    /// Folder of all data files; a host replaces the default by its absolute path.
    dir: String = ".", "dir", ANY_TEXT, [PROTECTED], Effective;
    /// Least important lines that are logged.
    loglevel: LogLevel = LogLevel::Notice, "loglevel", Kind::Choice(LogLevel::WORDS), [], Effective;
    /// File the log goes to; empty: standard output.
    logfile: String = "", "logfile", ANY_TEXT, [IMMUTABLE, KEEP_EMPTY], Effective;
    /// Log to syslog as well.
    syslog_enabled: bool = false, "syslog-enabled",
        Kind::Flag, [IMMUTABLE], Accepted("the log goes to standard output or to a file");
    /// Name in syslog lines.
    syslog_ident: String = "redis", "syslog-ident",
        ANY_TEXT, [IMMUTABLE, KEEP_EMPTY], Accepted("the log goes to standard output or to a file");
    /// Facility of syslog lines.
    syslog_facility: SyslogFacility = SyslogFacility::Local0, "syslog-facility",
        Kind::Choice(SyslogFacility::WORDS), [IMMUTABLE], Accepted("the log goes to standard output or to a file");
    /// Print the logo even when the log is no terminal.
    always_show_logo: bool = false, "always-show-logo", Kind::Flag, [IMMUTABLE], Accepted("there is no logo");
    /// Change the process title.
    set_proc_title: bool = true, "set-proc-title",
        Kind::Flag, [IMMUTABLE], Accepted("the process title stays the command line: changing it needs unsafe code");
    /// Process title, with variables in braces.
    proc_title_template: String = "{title} {listen-addr} {server-mode}", "proc-title-template",
        Kind::Text(checks::proc_title_template), [],
        Accepted("the process title stays the command line: changing it needs unsafe code");
    /// Write a report to the log on a crash.
    crash_log_enabled: bool = true, "crash-log-enabled",
        Kind::Flag, [], Accepted("a panic's message and place go to standard error, there is no crash report");
    /// Check memory on a crash.
    crash_memcheck_enabled: bool = true, "crash-memcheck-enabled", Kind::Flag, [], Accepted("there is no crash report");
    /// Exit instead of aborting on a failed assertion.
    use_exit_on_panic: bool = false, "use-exit-on-panic",
        Kind::Flag, [HIDDEN], Accepted("a panic never dumps core here");
    /// Milliseconds after which a stuck server logs where; 0: off.
    watchdog_period_ms: u32 = 0_u32, "watchdog-period",
        int(0, I32_MAX), [HIDDEN], Accepted("the server has no signal handler that could look at itself");
    /// Start in spite of this system check.
    ignore_warnings: String = "", "ignore-warnings",
        ANY_TEXT, [KEEP_EMPTY], Accepted("the system checks with these names do not exist here");
    /// Turn transparent huge pages off for the process.
    disable_thp: bool = true, "disable-thp",
        Kind::Flag, [IMMUTABLE], Accepted("the process leaves the kernel's huge page setting alone");
    /// How the kernel's out-of-memory score is set.
    oom_score_adj: OomScoreAdj = OomScoreAdj::No, "oom-score-adj",
        Kind::Choice(OomScoreAdj::WORDS), [], Accepted("the process leaves its kernel score alone");
    /// Out-of-memory scores of a primary, a replica and a child.
    oom_score_adj_values: OomScores = OomScores::default(), "oom-score-adj-values",
        Kind::Words("primary replica child"), [], Accepted("the process leaves its kernel score alone");
    /// Place of the server in a cloud.
    availability_zone: String = "", "availability-zone", ANY_TEXT, [], Effective;
    /// Answer as Redis where Valkey would name itself.
    extended_redis_compatibility: bool = false, "extended-redis-compatibility",
        Kind::Flag, [], Accepted("the server never names itself Valkey");
    /// Seed of the hash tables; empty: a random one.
    hash_seed: String = "", "hash-seed",
        ANY_TEXT, [IMMUTABLE], Accepted("tables are seeded at random at each start");
    /// Keep keys and values out of the log.
    hide_user_data_from_log: bool = true, "hide-user-data-from-log",
        Kind::Flag, [], Accepted("the log has no keys and values");
    /// Keep expired keys for clients that import.
    import_mode: bool = false, "import-mode", Kind::Flag, [], Accepted("there are no importing clients yet");
    /// Connections accepted at a time.
    max_new_connections_per_cycle: u32 = 10_u32, "max-new-connections-per-cycle",
        int(1, 1000), [], Accepted("connections are accepted as they come");
    /// Requests whose keys are fetched ahead.
    prefetch_batch_max_size: u32 = 16_u32, "prefetch-batch-max-size",
        int(0, 128), [], Accepted("the number of requests fetched ahead is fixed");
    /// Processors of the main thread.
    server_cpulist: String = "", "server_cpulist" / "server-cpulist",
        ANY_TEXT, [IMMUTABLE], Accepted("threads are not pinned to processors");
    /// Processors of background threads.
    bio_cpulist: String = "", "bio_cpulist" / "bio-cpulist",
        ANY_TEXT, [IMMUTABLE], Accepted("threads are not pinned to processors");
    /// Processors of the AOF rewrite child.
    aof_rewrite_cpulist: String = "", "aof_rewrite_cpulist" / "aof-rewrite-cpulist",
        ANY_TEXT, [IMMUTABLE], Accepted("there is no child process");
    /// Processors of the snapshot child.
    bgsave_cpulist: String = "", "bgsave_cpulist", ANY_TEXT, [IMMUTABLE], Accepted("there is no child process");
    /// Threads that move bytes.
    io_threads: u32 = 1_u32, "io-threads",
        int(1, 128), [IMMUTABLE], Accepted("a node runs on one thread; start more nodes to use more processors");
    /// Let these threads read as well.
    io_threads_do_reads: bool = false, "io-threads-do-reads",
        Kind::Flag, [IMMUTABLE], Accepted("a node runs on one thread");
    /// Ticks of background work per second, brought into 1 to 500.
    hz: u32 = 10_u32, "hz", int(0, I32_MAX), [], Accepted("work is due at deadlines, not at ticks");
    /// Raise `hz` with the number of clients.
    dynamic_hz: bool = true, "dynamic-hz", Kind::Flag, [], Accepted("work is due at deadlines, not at ticks");
    /// Seconds a shutdown waits for replicas that lag.
    shutdown_timeout_secs: u32 = 10_u32, "shutdown-timeout", int(0, I32_MAX), [], Effective;
    /// How SIGINT ends the node.
    shutdown_on_sigint: ShutdownOn = ShutdownOn::default(), "shutdown-on-sigint",
        Kind::Words("default, save, nosave, now, force"), [], Effective;
    /// How SIGTERM ends the node.
    shutdown_on_sigterm: ShutdownOn = ShutdownOn::default(), "shutdown-on-sigterm",
        Kind::Words("default, save, nosave, now, force"), [], Effective;
    /// Who may CONFIG SET the protected options `dir` and `dbfilename`.
    enable_protected_configs: Allowed = Allowed::No, "enable-protected-configs",
        Kind::Choice(Allowed::WORDS), [IMMUTABLE], Effective;
    /// Who may use DEBUG.
    enable_debug_command: Allowed = Allowed::No, "enable-debug-command",
        Kind::Choice(Allowed::WORDS), [IMMUTABLE], Effective;
    /// Who may use MODULE.
    enable_module_command: Allowed = Allowed::No, "enable-module-command",
        Kind::Choice(Allowed::WORDS), [IMMUTABLE], Accepted("modules of Redis cannot be loaded, whoever asks");
    /// Order of text in SORT ALPHA and Lua; only that of bytes is known: empty, `C` or `POSIX`.
    locale_collate: String = "", "locale-collate", Kind::Text(checks::locale), [KEEP_EMPTY], Accepted("SORT and scripts compare bytes, as in the C locale");

    // The network.
    /// TCP port for clients; 0: none.
    port: u16 = 6379_u16, "port", PORT, [], Effective;
    /// Addresses to listen on.
    bind: Bind = Bind::default(), "bind", Kind::Words("addresses"), [], Effective;
    /// Local address of outgoing connections; empty: the system's choice.
    bind_source_addr: String = "", "bind-source-addr", ANY_TEXT, [], Effective;
    /// Path of a Unix socket to listen on; empty: none.
    unixsocket: String = "", "unixsocket", ANY_TEXT, [IMMUTABLE], Effective;
    /// Permission bits of the Unix socket; 0: the process's default.
    unixsocketperm: u32 = 0_u32, "unixsocketperm", Kind::Octal { min: 0, max: 0o777 }, [IMMUTABLE], Effective;
    /// Length of the kernel's queue of connections not yet accepted.
    tcp_backlog: u32 = 511_u32, "tcp-backlog", int(0, I32_MAX), [IMMUTABLE], Effective;
    /// Seconds of silence before TCP asks whether a client is still there; 0: never.
    tcp_keepalive_secs: u32 = 300_u32, "tcp-keepalive", int(0, I32_MAX), [], Effective;
    /// Seconds of silence before a client is closed; 0: never.
    timeout_secs: u32 = 0_u32, "timeout", int(0, I32_MAX), [], Effective;
    /// Clients at the same time.
    maxclients: u32 = 10_000_u32, "maxclients", int(1, U32_MAX), [], Effective;
    /// Refuse clients of other machines while the default user has no password.
    protected_mode: bool = true, "protected-mode", Kind::Flag, [], Effective;
    /// Mark that packet filters see on sockets.
    socket_mark_id: u32 = 0_u32, "socket-mark-id",
        int(0, U32_MAX), [IMMUTABLE], Accepted("sockets carry no mark: setting one needs privileges");
    /// Bytes of one unfinished request that close its client.
    client_query_buffer_limit: u64 = 1_u64 << 30, "client-query-buffer-limit",
        Kind::Memory { min: 1 << 20, max: I63_MAX }, [], Effective;
    /// Unsent bytes that close a client, for each class.
    client_output_buffer_limit: BufferLimits = BufferLimits::default(), "client-output-buffer-limit",
        Kind::Words("class hard soft seconds ..."), [], Effective;
    /// Bytes one argument, and so one string, may have.
    proto_max_bulk_len: u64 = 512_u64 << 20, "proto-max-bulk-len",
        Kind::Memory { min: 1 << 20, max: I63_MAX }, [], Effective;
    /// TCP port for clients with TLS; 0: none.
    tls_port: u16 = 0_u16, "tls-port", Kind::Off(NO_TLS), [], Accepted("TLS is not built in yet; a port is refused");
    /// Use TLS on the cluster bus.
    tls_cluster: bool = false, "tls-cluster", Kind::Off(NO_TLS), [], Accepted("TLS is not built in yet; `yes` is refused");
    /// Use TLS to the primary.
    tls_replication: bool = false, "tls-replication", Kind::Off(NO_TLS), [], Accepted("TLS is not built in yet; `yes` is refused");
    /// Whether TLS clients must show a certificate.
    tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes, "tls-auth-clients",
        Kind::Choice(TlsAuthClients::WORDS), [], Accepted("TLS is not built in yet");
    /// Let the server choose the cipher.
    tls_prefer_server_ciphers: bool = false, "tls-prefer-server-ciphers",
        Kind::Flag, [], Accepted("TLS is not built in yet");
    /// Let clients resume sessions.
    tls_session_caching: bool = true, "tls-session-caching", Kind::Flag, [], Accepted("TLS is not built in yet");
    /// Sessions that are kept.
    tls_session_cache_size: u32 = 20_480_u32, "tls-session-cache-size",
        int(0, I32_MAX), [], Accepted("TLS is not built in yet");
    /// Seconds a session is kept.
    tls_session_cache_timeout_secs: u32 = 300_u32, "tls-session-cache-timeout",
        int(0, I32_MAX), [], Accepted("TLS is not built in yet");
    /// Certificate.
    tls_cert_file: String = "", "tls-cert-file", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Private key of the certificate.
    tls_key_file: String = "", "tls-key-file", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Password of the private key.
    tls_key_file_pass: Vec<u8> = b"", "tls-key-file-pass",
        Kind::Bytes, [SENSITIVE], Accepted("TLS is not built in yet");
    /// Certificate shown as a client.
    tls_client_cert_file: String = "", "tls-client-cert-file", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Private key of the client certificate.
    tls_client_key_file: String = "", "tls-client-key-file", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Password of the client's private key.
    tls_client_key_file_pass: Vec<u8> = b"", "tls-client-key-file-pass",
        Kind::Bytes, [SENSITIVE], Accepted("TLS is not built in yet");
    /// Diffie-Hellman parameters.
    tls_dh_params_file: String = "", "tls-dh-params-file", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Certificates of trusted authorities, in one file.
    tls_ca_cert_file: String = "", "tls-ca-cert-file", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Certificates of trusted authorities, in a folder.
    tls_ca_cert_dir: String = "", "tls-ca-cert-dir", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Versions of TLS to offer.
    tls_protocols: String = "", "tls-protocols", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Ciphers of TLS 1.2 to offer.
    tls_ciphers: String = "", "tls-ciphers", ANY_TEXT, [], Accepted("TLS is not built in yet");
    /// Ciphers of TLS 1.3 to offer.
    tls_ciphersuites: String = "", "tls-ciphersuites", ANY_TEXT, [], Accepted("TLS is not built in yet");

    // Access.
    /// Password of the default user; empty: none is asked for.
    requirepass: Vec<u8> = b"", "requirepass", Kind::Bytes, [SENSITIVE], Effective;
    /// File of the ACL users; empty: they are in the configuration file.
    aclfile: String = "", "aclfile", Kind::Text(checks::aclfile), [IMMUTABLE, KEEP_EMPTY], Accepted("there are no ACL users yet; a file is refused");
    /// Channels a new ACL user may use.
    acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::ResetChannels, "acl-pubsub-default",
        Kind::Choice(AclPubsubDefault::WORDS), [], Accepted("there are no ACL users yet");
    /// Entries the ACL log keeps.
    acllog_max_len: u64 = 128_u64, "acllog-max-len", COUNT, [], Accepted("there is no ACL log yet");

    // Memory and keys.
    /// Bytes of memory above which keys make room; 0: no limit.
    maxmemory: u64 = 0_u64, "maxmemory", ANY_MEMORY, [], Effective;
    /// Which keys make room.
    maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::NoEviction, "maxmemory-policy",
        Kind::Choice(MaxmemoryPolicy::WORDS), [], Effective;
    /// Keys that are compared to find one that makes room.
    maxmemory_samples: u32 = 5_u32, "maxmemory-samples", int(1, I32_MAX), [], Effective;
    /// How long one go at making room may take: 0 shortest, 100 without end.
    maxmemory_eviction_tenacity: u32 = 10_u32, "maxmemory-eviction-tenacity", int(0, 100), [], Effective;
    /// Bytes of all client buffers together, or percent of `maxmemory`, above which clients are closed; 0: no limit.
    maxmemory_clients: MemoryShare = MemoryShare::Bytes(0), "maxmemory-clients", Kind::MemoryOrPercent, [], Accepted("clients are closed by their own limits only");
    /// How slowly the use counter of a key grows.
    lfu_log_factor: u32 = 10_u32, "lfu-log-factor", int(0, I32_MAX), [], Effective;
    /// Minutes in which the use counter of a key loses one; 0: it never does.
    lfu_decay_time_minutes: u32 = 1_u32, "lfu-decay-time", int(0, I32_MAX), [], Effective;
    /// How hard expired keys are searched for.
    active_expire_effort: u32 = 1_u32, "active-expire-effort", int(1, 10), [], Accepted("slices go on while enough of what they visit has expired");
    /// Free evicted values in the background.
    lazyfree_lazy_eviction: bool = false, "lazyfree-lazy-eviction",
        Kind::Flag, [], Accepted("there is no second thread that could free values");
    /// Free expired values in the background.
    lazyfree_lazy_expire: bool = false, "lazyfree-lazy-expire",
        Kind::Flag, [], Accepted("there is no second thread that could free values");
    /// Free overwritten values in the background.
    lazyfree_lazy_server_del: bool = false, "lazyfree-lazy-server-del",
        Kind::Flag, [], Accepted("there is no second thread that could free values");
    /// Let DEL be UNLINK.
    lazyfree_lazy_user_del: bool = false, "lazyfree-lazy-user-del",
        Kind::Flag, [], Accepted("there is no second thread that could free values");
    /// Let FLUSHALL and FLUSHDB be ASYNC.
    lazyfree_lazy_user_flush: bool = false, "lazyfree-lazy-user-flush",
        Kind::Flag, [], Accepted("there is no second thread that could free values");
    /// Rehash tables in the background.
    activerehashing: bool = true, "activerehashing",
        Kind::Flag, [], Accepted("tables are split in small groups: nothing is rehashed later");
    /// Move values to give memory back.
    activedefrag: bool = false, "activedefrag",
        Kind::Off(NO_DEFRAG), [], Accepted("the allocator cannot move values; `yes` is refused");
    /// Wasted bytes below which values stay.
    active_defrag_ignore_bytes: u64 = 100_u64 << 20, "active-defrag-ignore-bytes",
        Kind::Memory { min: 1, max: I63_MAX }, [], Accepted("the allocator cannot move values");
    /// Wasted percent below which values stay.
    active_defrag_threshold_lower_percent: u32 = 10_u32, "active-defrag-threshold-lower",
        int(0, 1000), [], Accepted("the allocator cannot move values");
    /// Wasted percent above which most effort is made.
    active_defrag_threshold_upper_percent: u32 = 100_u32, "active-defrag-threshold-upper",
        int(0, 1000), [], Accepted("the allocator cannot move values");
    /// Least percent of processor time.
    active_defrag_cycle_min_percent: u32 = 1_u32, "active-defrag-cycle-min",
        int(1, 99), [], Accepted("the allocator cannot move values");
    /// Most percent of processor time.
    active_defrag_cycle_max_percent: u32 = 25_u32, "active-defrag-cycle-max",
        int(1, 99), [], Accepted("the allocator cannot move values");
    /// Elements of a value above which it is moved in steps.
    active_defrag_max_scan_fields: u64 = 1000_u64, "active-defrag-max-scan-fields",
        int(1, i64::MAX), [], Accepted("the allocator cannot move values");
    /// Let jemalloc clean up in the background.
    jemalloc_bg_thread: bool = true, "jemalloc-bg-thread", Kind::Flag, [], Accepted("the allocator is not jemalloc");
    /// Which events on keys are published.
    notify_keyspace_events: KeyspaceEvents = KeyspaceEvents::NONE, "notify-keyspace-events",
        Kind::Word("letters of Ag$lshzxeKEtmdn"), [], Effective;
    /// Keys that client side caching remembers; 0: no limit.
    tracking_table_max_keys: u64 = 1_000_000_u64, "tracking-table-max-keys", COUNT, [], Effective;

    // Encodings.
    /// Fields up to which a hash is compact.
    hash_max_listpack_entries: u64 = 512_u64, "hash-max-listpack-entries" / "hash-max-ziplist-entries",
        COUNT, [], Effective;
    /// Bytes of a field or value up to which a hash is compact.
    hash_max_listpack_value: u64 = 64_u64, "hash-max-listpack-value" / "hash-max-ziplist-value",
        LONG_MEMORY, [], Effective;
    /// Size of one node of a list: elements, or from -1 to -5 for 4 to 64 kilobytes.
    list_max_listpack_size: i32 = -2_i32, "list-max-listpack-size" / "list-max-ziplist-size",
        int(I32_MIN, I32_MAX), [], Effective;
    /// Nodes at each end of a list that are not compressed; 0: none is.
    list_compress_depth: u32 = 0_u32, "list-compress-depth",
        int(0, I32_MAX), [], Accepted("lists are not compressed in memory");
    /// Members up to which a set of integers is compact.
    set_max_intset_entries: u64 = 512_u64, "set-max-intset-entries", COUNT, [], Effective;
    /// Members up to which a set is compact.
    set_max_listpack_entries: u64 = 128_u64, "set-max-listpack-entries", COUNT, [], Effective;
    /// Bytes of a member up to which a set is compact.
    set_max_listpack_value: u64 = 64_u64, "set-max-listpack-value", LONG_MEMORY, [], Effective;
    /// Members up to which a sorted set is compact.
    zset_max_listpack_entries: u64 = 128_u64, "zset-max-listpack-entries" / "zset-max-ziplist-entries",
        COUNT, [], Effective;
    /// Bytes of a member up to which a sorted set is compact.
    zset_max_listpack_value: u64 = 64_u64, "zset-max-listpack-value" / "zset-max-ziplist-value",
        LONG_MEMORY, [], Effective;
    /// Bytes up to which a HyperLogLog is sparse.
    hll_sparse_max_bytes: u64 = 3000_u64, "hll-sparse-max-bytes", LONG_MEMORY, [], Effective;
    /// Bytes of one node of a stream; 0: no limit.
    stream_node_max_bytes: u64 = 4096_u64, "stream-node-max-bytes", LONG_MEMORY, [], Effective;
    /// Entries of one node of a stream; 0: no limit.
    stream_node_max_entries: u64 = 100_u64, "stream-node-max-entries", COUNT, [], Effective;

    // Slow commands and latency.
    /// Microseconds from which a command is slow; 0: all are, -1: none is.
    slowlog_log_slower_than_micros: i64 = 10_000_i64, "slowlog-log-slower-than" / "commandlog-execution-slower-than",
        int(-1, i64::MAX), [], Effective;
    /// Entries the slow log keeps.
    slowlog_max_len: u64 = 128_u64, "slowlog-max-len" / "commandlog-slow-execution-max-len", COUNT, [], Effective;
    /// Bytes from which a request is large; 0: all are, -1: none is.
    commandlog_request_larger_than_bytes: i64 = 1_048_576_i64, "commandlog-request-larger-than",
        int(-1, i64::MAX), [], Effective;
    /// Entries the log of large requests keeps.
    commandlog_large_request_max_len: u64 = 128_u64, "commandlog-large-request-max-len", COUNT, [], Effective;
    /// Bytes from which a reply is large; 0: all are, -1: none is.
    commandlog_reply_larger_than_bytes: i64 = 1_048_576_i64, "commandlog-reply-larger-than",
        int(-1, i64::MAX), [], Effective;
    /// Entries the log of large replies keeps.
    commandlog_large_reply_max_len: u64 = 128_u64, "commandlog-large-reply-max-len", COUNT, [], Effective;
    /// Milliseconds from which an event is recorded for LATENCY; 0: none is.
    latency_monitor_threshold_ms: u64 = 0_u64, "latency-monitor-threshold", COUNT, [], Effective;
    /// Keep latency histograms of commands.
    latency_tracking: bool = true, "latency-tracking", Kind::Flag, [], Effective;
    /// Percentiles of the histograms that INFO shows.
    latency_tracking_info_percentiles: Percentiles = Percentiles::default(), "latency-tracking-info-percentiles",
        Kind::Words("numbers from 0 to 100"), [], Effective;
    /// Milliseconds from which other clients hear BUSY about a script.
    busy_reply_threshold_ms: u64 = 5000_u64, "busy-reply-threshold" / "lua-time-limit",
        COUNT, [], Accepted("nothing runs long enough: scripting is not built in yet");

    // Snapshots.
    /// When a snapshot is due.
    save: SavePoints = SavePoints::default(), "save", Kind::Words("seconds changes ..."), [], Effective;
    /// File name of the snapshot, within `dir`.
    dbfilename: String = "dump.rdb", "dbfilename", Kind::Text(checks::dbfilename), [PROTECTED, KEEP_EMPTY], Effective;
    /// Compress strings in snapshots.
    rdbcompression: bool = true, "rdbcompression", Kind::Flag, [], Effective;
    /// End snapshots with a checksum, and check it.
    rdbchecksum: bool = true, "rdbchecksum", Kind::Flag, [IMMUTABLE], Effective;
    /// Sync a snapshot piece by piece.
    rdb_save_incremental_fsync: bool = true, "rdb-save-incremental-fsync",
        Kind::Flag, [], Accepted("the disk thread writes snapshots: nobody waits for a sync");
    /// Remove snapshots made for replicas.
    rdb_del_sync_files: bool = false, "rdb-del-sync-files", Kind::Flag, [], Effective;
    /// Microseconds to wait after each key saved.
    rdb_key_save_delay_micros: i32 = 0_i32, "rdb-key-save-delay",
        int(I32_MIN, I32_MAX), [HIDDEN], Effective;
    /// Microseconds to wait after each key loaded.
    key_load_delay_micros: i32 = 0_i32, "key-load-delay",
        int(I32_MIN, I32_MAX), [HIDDEN], Effective;
    /// Bytes loaded at start before clients are looked at.
    loading_process_events_interval_bytes: u32 = 2_u32 << 20, "loading-process-events-interval-bytes",
        int(1024, I32_MAX), [HIDDEN], Effective;
    /// Refuse writes while snapshots fail.
    stop_writes_on_bgsave_error: bool = true, "stop-writes-on-bgsave-error", Kind::Flag, [], Effective;
    /// Whether files of newer versions are loaded as far as they can be read.
    rdb_version_check: RdbVersionCheck = RdbVersionCheck::Strict, "rdb-version-check",
        Kind::Choice(RdbVersionCheck::WORDS), [], Accepted("files of newer versions are refused");
    /// Which payloads are checked in full.
    sanitize_dump_payload: Sanitize = Sanitize::No, "sanitize-dump-payload",
        Kind::Choice(Sanitize::WORDS), [], Accepted("every payload is checked in full");

    // The append only file.
    /// Keep a log of writes.
    appendonly: bool = false, "appendonly", Kind::Flag, [], Effective;
    /// Beginning of the log's file names.
    appendfilename: String = "appendonly.aof", "appendfilename",
        Kind::Text(checks::appendfilename), [IMMUTABLE], Effective;
    /// Folder of the log's files, within `dir`.
    appenddirname: String = "appendonlydir", "appenddirname", Kind::Text(checks::appenddirname), [IMMUTABLE], Effective;
    /// When the log is synced.
    appendfsync: AppendFsync = AppendFsync::EverySec, "appendfsync", Kind::Choice(AppendFsync::WORDS), [], Effective;
    /// Do not sync the log while a snapshot or a rewrite is written.
    no_appendfsync_on_rewrite: bool = false, "no-appendfsync-on-rewrite", Kind::Flag, [], Effective;
    /// Growth in percent since the last rewrite that starts another; 0: never.
    auto_aof_rewrite_percentage: u32 = 100_u32, "auto-aof-rewrite-percentage", int(0, I32_MAX), [], Effective;
    /// Bytes below which growth starts no rewrite.
    auto_aof_rewrite_min_size: u64 = 64_u64 << 20, "auto-aof-rewrite-min-size", LONG_MEMORY, [], Effective;
    /// Load a log whose last command is cut off.
    aof_load_truncated: bool = true, "aof-load-truncated", Kind::Flag, [], Effective;
    /// Write the base of a rewritten log as a snapshot.
    aof_use_rdb_preamble: bool = true, "aof-use-rdb-preamble", Kind::Flag, [], Effective;
    /// Write times into the log.
    aof_timestamp_enabled: bool = false, "aof-timestamp-enabled", Kind::Flag, [], Effective;
    /// Sync a rewrite piece by piece.
    aof_rewrite_incremental_fsync: bool = true, "aof-rewrite-incremental-fsync",
        Kind::Flag, [], Accepted("the disk thread writes rewrites: nobody waits for a sync");
    /// Keep the files of the log that are no longer needed.
    aof_disable_auto_gc: bool = false, "aof-disable-auto-gc", Kind::Flag, [], Effective;

    // Replication.
    /// Primary to follow from the start.
    replicaof: Option<Primary> = None, "replicaof" / "slaveof", Kind::Words("host port"), [IMMUTABLE], Effective;
    /// Password for the primary; empty: none is sent.
    masterauth: Vec<u8> = b"", "masterauth" / "primaryauth", Kind::Bytes, [SENSITIVE], Effective;
    /// User for the primary; empty: the default user.
    masteruser: Vec<u8> = b"", "masteruser" / "primaryuser", Kind::Bytes, [SENSITIVE], Effective;
    /// Send the snapshot and the writes since on two connections.
    dual_channel_replication_enabled: bool = false, "dual-channel-replication-enabled",
        Kind::Flag, [], Accepted("a replica's snapshot and the writes since share one connection");
    /// Answer while the primary is away.
    replica_serve_stale_data: bool = true, "replica-serve-stale-data" / "slave-serve-stale-data",
        Kind::Flag, [], Effective;
    /// Refuse writes on a replica.
    replica_read_only: bool = true, "replica-read-only" / "slave-read-only", Kind::Flag, [], Effective;
    /// Rank for promotion by sentinel, lowest first; 0: never.
    replica_priority: u32 = 100_u32, "replica-priority" / "slave-priority", int(0, I32_MAX), [], Effective;
    /// Let sentinels report this replica.
    replica_announced: bool = true, "replica-announced", Kind::Flag, [], Effective;
    /// Address a replica tells its primary; empty: that of its connection.
    replica_announce_ip: String = "", "replica-announce-ip" / "slave-announce-ip", ANY_TEXT, [], Effective;
    /// Port a replica tells its primary; 0: `port`.
    replica_announce_port: u16 = 0_u16, "replica-announce-port" / "slave-announce-port", PORT, [], Effective;
    /// Leave eviction to the primary.
    replica_ignore_maxmemory: bool = true, "replica-ignore-maxmemory" / "slave-ignore-maxmemory",
        Kind::Flag, [], Effective;
    /// Free old data in the background before a full sync.
    replica_lazy_flush: bool = false, "replica-lazy-flush" / "slave-lazy-flush",
        Kind::Flag, [], Accepted("there is no second thread that could free values");
    /// Let a replica go on after a disk error.
    replica_ignore_disk_write_errors: bool = false, "replica-ignore-disk-write-errors",
        Kind::Flag, [], Accepted("a replica goes on after a disk error");
    /// Seconds between two pings to replicas.
    repl_ping_replica_period_secs: u32 = 10_u32, "repl-ping-replica-period" / "repl-ping-slave-period",
        int(1, I32_MAX), [], Effective;
    /// Seconds of silence that end a replication link.
    repl_timeout_secs: u32 = 60_u32, "repl-timeout", int(1, I32_MAX), [], Effective;
    /// Let TCP hold back small packets to replicas.
    repl_disable_tcp_nodelay: bool = false, "repl-disable-tcp-nodelay",
        Kind::Flag, [], Accepted("small packets are never held back");
    /// Bytes of the log that are kept for replicas that come back.
    repl_backlog_size: u64 = 1_u64 << 20, "repl-backlog-size", Kind::Memory { min: 1, max: I63_MAX }, [], Effective;
    /// Seconds without replicas after which the backlog is given up; 0: never.
    repl_backlog_ttl_secs: u64 = 3600_u64, "repl-backlog-ttl", COUNT, [], Effective;
    /// Full syncs without a file.
    repl_diskless_sync: bool = true, "repl-diskless-sync", Kind::Flag, [], Effective;
    /// Seconds a full sync waits for more replicas.
    repl_diskless_sync_delay_secs: u32 = 5_u32, "repl-diskless-sync-delay", int(0, I32_MAX), [], Effective;
    /// Replicas that end this wait; 0: no number does.
    repl_diskless_sync_max_replicas: u32 = 0_u32, "repl-diskless-sync-max-replicas", int(0, I32_MAX), [], Effective;
    /// How a replica loads a full sync.
    repl_diskless_load: DisklessLoad = DisklessLoad::Disabled, "repl-diskless-load",
        Kind::Choice(DisklessLoad::WORDS), [], Accepted("a replica always loads from the socket");
    /// Good replicas without which writes are refused; 0: none is needed.
    min_replicas_to_write: u32 = 0_u32, "min-replicas-to-write" / "min-slaves-to-write", int(0, I32_MAX), [], Effective;
    /// Seconds since its last word within which a replica is good; 0: the check is off.
    min_replicas_max_lag_secs: u32 = 10_u32, "min-replicas-max-lag" / "min-slaves-max-lag",
        int(0, I32_MAX), [], Effective;
    /// What a replica does about a command that fails when replayed.
    propagation_error_behavior: PropagationError = PropagationError::Ignore, "propagation-error-behavior",
        Kind::Choice(PropagationError::WORDS), [],
        Accepted("an error in the stream of the primary is logged, never fatal");

    // The cluster.
    /// Be a cluster node.
    cluster_enabled: bool = false, "cluster-enabled", Kind::Flag, [IMMUTABLE], Effective;
    /// Number of databases of a cluster node.
    cluster_databases: u32 = 1_u32, "cluster-databases", int(1, I32_MAX), [IMMUTABLE], Effective;
    /// File the node keeps the cluster's state in, within `dir`.
    cluster_config_file: String = "nodes.conf", "cluster-config-file", ANY_TEXT, [IMMUTABLE, KEEP_EMPTY], Effective;
    /// Port of the cluster bus; 0: `port` + 10000.
    cluster_port: u16 = 0_u16, "cluster-port", PORT, [IMMUTABLE], Effective;
    /// Milliseconds of silence after which a node may have failed.
    cluster_node_timeout_ms: u64 = 15_000_u64, "cluster-node-timeout", COUNT, [], Effective;
    /// Milliseconds between two pings to a random node.
    cluster_ping_interval_ms: u32 = 1000_u32, "cluster-ping-interval", int(0, I32_MAX), [HIDDEN], Accepted("a random node is pinged once a second");
    /// Node timeouts without its primary after which a replica's data is too old to take over; 0: it never is.
    cluster_replica_validity_factor: u32 = 10_u32, "cluster-replica-validity-factor" / "cluster-slave-validity-factor",
        int(0, I32_MAX), [], Effective;
    /// Replicas a primary keeps when one moves to a primary without.
    cluster_migration_barrier: u32 = 1_u32, "cluster-migration-barrier", int(0, I32_MAX), [], Effective;
    /// Let replicas move to primaries without.
    cluster_allow_replica_migration: bool = true, "cluster-allow-replica-migration", Kind::Flag, [], Effective;
    /// Never take over unasked.
    cluster_replica_no_failover: bool = false, "cluster-replica-no-failover" / "cluster-slave-no-failover",
        Kind::Flag, [], Effective;
    /// Refuse commands while a slot is served by nobody.
    cluster_require_full_coverage: bool = true, "cluster-require-full-coverage", Kind::Flag, [], Effective;
    /// Answer reads while the cluster is down.
    cluster_allow_reads_when_down: bool = false, "cluster-allow-reads-when-down", Kind::Flag, [], Effective;
    /// Allow shard channels while the cluster is down.
    cluster_allow_pubsubshard_when_down: bool = true, "cluster-allow-pubsubshard-when-down", Kind::Flag, [], Effective;
    /// Unsent bytes that close a bus link; 0: no limit.
    cluster_link_sendbuf_limit: u64 = 0_u64, "cluster-link-sendbuf-limit", ANY_MEMORY, [], Effective;
    /// Address told to other nodes; empty: the one they see.
    cluster_announce_ip: String = "", "cluster-announce-ip", ANY_TEXT, [], Effective;
    /// Host name told to other nodes; empty: none.
    cluster_announce_hostname: String = "", "cluster-announce-hostname", Kind::Text(checks::hostname), [], Effective;
    /// Name for logs told to other nodes; empty: none.
    cluster_announce_human_nodename: String = "", "cluster-announce-human-nodename",
        Kind::Text(checks::node_name), [], Effective;
    /// Seconds for which a forgotten node stays forgotten.
    cluster_blacklist_ttl_secs: u32 = 60_u32, "cluster-blacklist-ttl", int(0, I32_MAX), [], Effective;
    /// Milliseconds after which a manual failover is given up.
    cluster_manual_failover_timeout_ms: u32 = 5000_u32, "cluster-manual-failover-timeout",
        int(1, I32_MAX), [], Effective;
    /// Client port told to other nodes; 0: `port`.
    cluster_announce_port: u16 = 0_u16, "cluster-announce-port", PORT, [], Effective;
    /// TLS port told to other nodes; 0: `tls-port`.
    cluster_announce_tls_port: u16 = 0_u16, "cluster-announce-tls-port", PORT, [], Accepted("TLS is not built in yet");
    /// Bus port told to other nodes; 0: that in use.
    cluster_announce_bus_port: u16 = 0_u16, "cluster-announce-bus-port", PORT, [], Effective;
    /// What a redirection names.
    cluster_preferred_endpoint_type: EndpointType = EndpointType::Ip, "cluster-preferred-endpoint-type",
        Kind::Choice(EndpointType::WORDS), [], Effective;
}

const fn int(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

const NO_DEFRAG: &str = "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified \
                         Jemalloc like the one shipped by default with the Redis source distribution";
const NO_TLS: &str = "TLS is not available in this version";

const ANY_TEXT: Kind = Kind::Text(checks::any);
const ANY_MEMORY: Kind = Kind::Memory { min: 0, max: u64::MAX };
const LONG_MEMORY: Kind = Kind::Memory { min: 0, max: I63_MAX };
const COUNT: Kind = int(0, i64::MAX);
const PORT: Kind = int(0, 65535);

// Redis keeps these values in C's int, unsigned int and long long, whose ends are the bounds it names in errors.
const I32_MIN: i64 = -(1 << 31);
const I32_MAX: i64 = (1 << 31) - 1;
const U32_MAX: i64 = (1 << 32) - 1;
const I63_MAX: u64 = (1 << 63) - 1;
