//! A command is one row and one function.
//!
//! [`Spec`] is the row: everything about a command but its behaviour. `COMMAND`, arity errors, key extraction, ACL
//! categories, help and the compatibility page derive from it. The handler type is a parameter, so that the node's
//! own commands are rows of the same kind. Start at [`data`].

use super::keys::KeySpec;

/// One command, or one subcommand of a container.
#[derive(Debug, Clone, Copy)]
pub struct Spec<F: 'static> {
    /// The name in capitals; of a subcommand, its own word only.
    pub name: &'static str,
    /// Number of words with the name (and the container's name); negative for "at least".
    pub arity: i16,
    /// What may happen when it runs, and what must hold before.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// What runs. A container without behaviour of its own has none.
    pub handler: Option<F>,
    /// Rows of a container's subcommands.
    pub subcommands: &'static [Self],
    /// The family in the documentation.
    pub group: Group,
    /// ACL categories beyond those that flags and group imply.
    pub acl: Categories,
    /// Hints for clients and proxies (`COMMAND INFO`, field 8).
    pub tips: &'static [&'static str],
}

/// A command that works on the engine's data: name, arity, flags, keys, handler.
pub const fn data<F>(name: &'static str, arity: i16, flags: Flags, keys: &'static [KeySpec], handler: F) -> Spec<F> {
    Spec {
        name,
        arity,
        flags,
        keys,
        handler: Some(handler),
        subcommands: &[],
        group: Group::Generic,
        acl: Categories::NONE,
        tips: &[],
    }
}

/// A command that only groups subcommands.
pub const fn container<F>(name: &'static str, subcommands: &'static [Spec<F>]) -> Spec<F> {
    Spec {
        name,
        arity: -2,
        flags: Flags::NONE,
        keys: &[],
        handler: None,
        subcommands,
        group: Group::Generic,
        acl: Categories::NONE,
        tips: &[],
    }
}

impl<F: Copy> Spec<F> {
    /// The same row with hints for clients.
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    /// The same row with ACL categories beyond the implied ones.
    pub const fn acl(mut self, acl: Categories) -> Self {
        self.acl = acl;
        self
    }

    /// The same row in another family.
    pub const fn group(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    /// The same row with subcommands; the handler serves when the second word is none of them.
    pub const fn subcommands(mut self, subcommands: &'static [Self]) -> Self {
        self.subcommands = subcommands;
        self
    }
}

/// Whether a request of `words` words fits `arity`.
pub const fn arity_allows(arity: i16, words: usize) -> bool {
    if arity >= 0 { words == arity as usize } else { words >= arity.unsigned_abs() as usize }
}

/// A set of properties of a command. The names are those of `COMMAND INFO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    /// No property.
    pub const NONE: Self = Self(0);

    /// Whether all properties of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any property of `other` is among these.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The properties that are not among these.
    pub const fn missing(self) -> Self {
        Self(!self.0)
    }

    /// The properties of both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the properties that clients are shown, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        FLAG_NAMES.iter().filter(move |(flag, _)| self.has(*flag) && !INTERNAL.has(*flag)).map(|(_, name)| *name)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Flags = Flags(1 << $bit);)*

        /// Each flag with the name clients see, in the order Redis prints them.
        const FLAG_NAMES: &[(Flags, &str)] = &[$(($name, $text)),*];
    };
}

flags! {
    /// May change data.
    WRITE = 0, "write";
    /// Only reads data.
    READ = 1, "readonly";
    /// Refused when memory is at its limit.
    DENY_OOM = 2, "denyoom";
    /// Loads or unloads modules.
    MODULE = 3, "module";
    /// For operators.
    ADMIN = 4, "admin";
    /// Sends or takes pub/sub messages.
    PUBSUB = 5, "pubsub";
    /// Not allowed in scripts.
    NO_SCRIPT = 6, "noscript";
    /// May block the client.
    BLOCKING = 7, "blocking";
    /// Allowed while the dataset is being loaded.
    LOADING = 8, "loading";
    /// Allowed on a replica whose data may be old.
    STALE = 9, "stale";
    /// Not shown by MONITOR.
    SKIP_MONITOR = 10, "skip_monitor";
    /// Not kept in the slow log.
    SKIP_SLOWLOG = 11, "skip_slowlog";
    /// Runs with the rights of ASKING in cluster mode.
    ASKING = 12, "asking";
    /// Takes constant or logarithmic time.
    FAST = 13, "fast";
    /// Allowed before authentication.
    NO_AUTH = 14, "no_auth";
    /// A read command that may still be propagated.
    MAY_REPLICATE = 15, "may_replicate";
    /// Only exists in sentinel mode.
    SENTINEL = 16, "sentinel";
    /// Exists in sentinel mode and nowhere else.
    ONLY_SENTINEL = 17, "only_sentinel";
    /// Its keys may be absent.
    NO_MANDATORY_KEYS = 18, "no_mandatory_keys";
    /// Refused unless an option allows it.
    PROTECTED = 19, "protected";
    /// Not allowed while a dataset is loaded beside the old one.
    NO_ASYNC_LOADING = 20, "no_async_loading";
    /// Not allowed in a transaction.
    NO_MULTI = 21, "no_multi";
    /// Allowed while a script runs for too long.
    ALLOW_BUSY = 22, "allow_busy";
    /// Touches keys that its arguments do not name; propagated without a transaction around.
    TOUCHES_ARBITRARY_KEYS = 23, "touches_arbitrary_keys";
    /// Its keys cannot be told by first, last and step alone.
    MOVABLE_KEYS = 24, "movablekeys";
}

/// Properties that only the server itself looks at.
const INTERNAL: Flags = MAY_REPLICATE.and(PROTECTED).and(SENTINEL).and(ONLY_SENTINEL).and(TOUCHES_ARBITRARY_KEYS);

/// A set of ACL categories beyond those that follow from flags and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Categories(u32);

macro_rules! categories {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        impl Categories {
            /// No category.
            pub const NONE: Self = Self(0);
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// Every category with its name, in the order `ACL CAT` prints them.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text)),*];
        }
    };
}

categories! {
    /// Keys as such.
    KEYSPACE = 0, "keyspace";
    /// Reads data.
    READ = 1, "read";
    /// Changes data.
    WRITE = 2, "write";
    /// Sets.
    SET = 3, "set";
    /// Sorted sets.
    SORTED_SET = 4, "sortedset";
    /// Lists.
    LIST = 5, "list";
    /// Hashes.
    HASH = 6, "hash";
    /// Strings.
    STRING = 7, "string";
    /// Bitmaps.
    BITMAP = 8, "bitmap";
    /// HyperLogLogs.
    HYPERLOGLOG = 9, "hyperloglog";
    /// Geographic indexes.
    GEO = 10, "geo";
    /// Streams.
    STREAM = 11, "stream";
    /// Pub/sub.
    PUBSUB = 12, "pubsub";
    /// For operators.
    ADMIN = 13, "admin";
    /// Constant or logarithmic time.
    FAST = 14, "fast";
    /// Everything that is not fast.
    SLOW = 15, "slow";
    /// May block.
    BLOCKING = 16, "blocking";
    /// May hurt when used without care.
    DANGEROUS = 17, "dangerous";
    /// The connection itself.
    CONNECTION = 18, "connection";
    /// Transactions.
    TRANSACTION = 19, "transaction";
    /// Scripts.
    SCRIPTING = 20, "scripting";
}

impl Categories {
    /// The categories of both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any category of `other` is among these.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The names, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::ALL.iter().filter(move |(category, _)| self.any(*category)).map(|(_, name)| *name)
    }

    /// All categories of a command: the explicit ones and those that flags and group imply.
    pub fn of(flags: Flags, group: Group, explicit: Self) -> Self {
        // A command that names the types it works on, as SORT does, is not about keys as such.
        let is_of_types = explicit.any(Self::LIST.and(Self::SET).and(Self::SORTED_SET));
        let mut all = if is_of_types { explicit } else { explicit.and(group.category()) };
        let implied = [
            (WRITE, Self::WRITE),
            (ADMIN, Self::ADMIN.and(Self::DANGEROUS)),
            (PUBSUB, Self::PUBSUB),
            (BLOCKING, Self::BLOCKING),
            (FAST, Self::FAST),
        ];
        for (flag, category) in implied {
            if flags.has(flag) {
                all = all.and(category);
            }
        }
        // Scripts read what they read through the commands they call.
        if flags.has(READ) && group != Group::Scripting {
            all = all.and(Self::READ);
        }
        if flags.has(FAST) { all } else { all.and(Self::SLOW) }
    }
}

/// The family of a command in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants are the families' names")]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Sentinel,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    /// The name in `COMMAND DOCS`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bitmap => "bitmap",
            Self::Cluster => "cluster",
            Self::Connection => "connection",
            Self::Generic => "generic",
            Self::Geo => "geo",
            Self::Hash => "hash",
            Self::HyperLogLog => "hyperloglog",
            Self::List => "list",
            Self::PubSub => "pubsub",
            Self::Scripting => "scripting",
            Self::Sentinel => "sentinel",
            Self::Server => "server",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Stream => "stream",
            Self::String => "string",
            Self::Transactions => "transactions",
        }
    }

    /// The ACL category every command of the family is in.
    const fn category(self) -> Categories {
        match self {
            Self::Bitmap => Categories::BITMAP,
            Self::Connection => Categories::CONNECTION,
            Self::Generic => Categories::KEYSPACE,
            Self::Geo => Categories::GEO,
            Self::Hash => Categories::HASH,
            Self::HyperLogLog => Categories::HYPERLOGLOG,
            Self::List => Categories::LIST,
            Self::Scripting => Categories::SCRIPTING,
            Self::Set => Categories::SET,
            Self::SortedSet => Categories::SORTED_SET,
            Self::Stream => Categories::STREAM,
            Self::String => Categories::STRING,
            Self::Transactions => Categories::TRANSACTION,
            Self::Cluster | Self::PubSub | Self::Sentinel | Self::Server => Categories::NONE,
        }
    }
}
