//! The options whose value is one of several words, each as an enum.
//!
//! The order of the words is that in which Redis lists them in its error texts.

use super::invalid::Invalid;
use super::stored::{Kind, Origin, Stored};

macro_rules! choices {
    ($( $(#[doc = $doc:literal])+ $name:ident { $( $(#[doc = $word_doc:literal])+ $word:ident = $text:literal, )+ } )+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $word_doc])+ $word, )+
        }

        impl $name {
            /// The words of the configuration file, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($text),+];
            const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The word of the configuration file.
            pub const fn word(self) -> &'static str {
                Self::WORDS[self as usize]
            }
        }

        impl Stored for $name {
            fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
                let [word] = words else { return Err(Invalid::ArgumentCount) };
                let at = Self::WORDS.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(word));
                *self = Self::ALL[at.ok_or(Invalid::NotAChoice(Self::WORDS))?];
                Ok(())
            }

            fn text(&self, _: &Kind) -> Vec<u8> {
                self.word().as_bytes().to_vec()
            }
        }
    )+};
}

choices! {
    /// What channels a new ACL user may use (`acl-pubsub-default`).
    AclPubsubDefault {
        /// All of them.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }
    /// When the append only file is synced (`appendfsync`).
    AppendFsync {
        /// Once a second.
        EverySec = "everysec",
        /// Before the reply to each write.
        Always = "always",
        /// When the operating system likes.
        No = "no",
    }
    /// What a redirection names (`cluster-preferred-endpoint-type`).
    EndpointType {
        /// The node's IP address.
        Ip = "ip",
        /// The node's announced host name.
        Hostname = "hostname",
        /// Nothing: the client keeps the host it is connected to.
        UnknownEndpoint = "unknown-endpoint",
    }
    /// Who may use a dangerous command (`enable-debug-command` and its kin).
    Allowed {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
    /// The least important lines that are logged (`loglevel`).
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// Much that is rarely useful.
        Verbose = "verbose",
        /// What an operator wants to know.
        Notice = "notice",
        /// What an operator must know.
        Warning = "warning",
    }
    /// Which keys make room when memory is short (`maxmemory-policy`).
    MaxmemoryPolicy {
        /// Keys with an expiry, longest unused first.
        VolatileLru = "volatile-lru",
        /// Keys with an expiry, least often used first.
        VolatileLfu = "volatile-lfu",
        /// Keys with an expiry, any.
        VolatileRandom = "volatile-random",
        /// Keys with an expiry, soonest first.
        VolatileTtl = "volatile-ttl",
        /// All keys, longest unused first.
        AllkeysLru = "allkeys-lru",
        /// All keys, least often used first.
        AllkeysLfu = "allkeys-lfu",
        /// All keys, any.
        AllkeysRandom = "allkeys-random",
        /// None: commands that need memory are refused.
        NoEviction = "noeviction",
    }
    /// How the kernel's out-of-memory score is set (`oom-score-adj`).
    OomScoreAdj {
        /// Not at all.
        No = "no",
        /// As `relative`.
        Yes = "yes",
        /// Relative to the score at start.
        Relative = "relative",
        /// As given.
        Absolute = "absolute",
    }
    /// What a replica does about a command that fails when replayed (`propagation-error-behavior`).
    PropagationError {
        /// Goes on.
        Ignore = "ignore",
        /// Ends.
        Panic = "panic",
        /// Ends, on a replica.
        PanicOnReplicas = "panic-on-replicas",
    }
    /// How a replica loads a full sync (`repl-diskless-load`).
    DisklessLoad {
        /// From a file.
        Disabled = "disabled",
        /// From the socket when it holds no data.
        OnEmptyDb = "on-empty-db",
        /// From the socket beside the old data.
        SwapDb = "swapdb",
    }
    /// What is made of snapshots of newer versions.
    RdbVersionCheck {
        /// They are refused.
        Strict = "strict",
        /// They are loaded as far as they can be read.
        Relaxed = "relaxed",
    }
    /// Which payloads are checked in full before use (`sanitize-dump-payload`).
    Sanitize {
        /// None.
        No = "no",
        /// All.
        Yes = "yes",
        /// Those that clients send.
        Clients = "clients",
    }
    /// Which supervisor is told of readiness (`supervised`).
    Supervised {
        /// Upstart.
        Upstart = "upstart",
        /// systemd.
        Systemd = "systemd",
        /// The one whose environment variables are set.
        Auto = "auto",
        /// None.
        No = "no",
    }
    /// The syslog facility (`syslog-facility`).
    SyslogFacility {
        /// LOG_USER.
        User = "user",
        /// LOG_LOCAL0.
        Local0 = "local0",
        /// LOG_LOCAL1.
        Local1 = "local1",
        /// LOG_LOCAL2.
        Local2 = "local2",
        /// LOG_LOCAL3.
        Local3 = "local3",
        /// LOG_LOCAL4.
        Local4 = "local4",
        /// LOG_LOCAL5.
        Local5 = "local5",
        /// LOG_LOCAL6.
        Local6 = "local6",
        /// LOG_LOCAL7.
        Local7 = "local7",
    }
    /// Whether TLS clients must show a certificate (`tls-auth-clients`).
    TlsAuthClients {
        /// No.
        No = "no",
        /// Yes.
        Yes = "yes",
        /// They may.
        Optional = "optional",
    }
}
