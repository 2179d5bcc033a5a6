//! Why a value does not fit an option: one variant per cause, with Redis's words for it.

use std::fmt;

/// Why a value was refused. The text is that of Redis 7.0.15, byte for byte, where Redis has the check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// A number of words the option does not take.
    ArgumentCount,
    /// Neither `yes` nor `no`.
    NotBool,
    /// What the value asks for is not here; the text says so.
    NotHere(&'static str),
    /// Not a whole number in canonical form.
    NotInteger,
    /// Not a number of octal digits.
    NotOctal,
    /// Not digits with an optional unit.
    NotMemory,
    /// Neither a memory value nor a percentage.
    NotMemoryOrPercent,
    /// A percentage above 100.
    PercentAbove100,
    /// A number outside the option's bounds.
    OutOfRange {
        /// Smallest accepted value.
        min: i128,
        /// Largest accepted value.
        max: i128,
    },
    /// A permission value outside the option's bounds (shown in octal).
    OutOfOctalRange {
        /// Smallest accepted value.
        min: i64,
        /// Largest accepted value.
        max: i64,
    },
    /// A word that is none of the option's choices.
    NotAChoice(&'static [&'static str]),
    /// Text that is not UTF-8 for an option that names a file, a host or the like.
    NotUtf8,
    /// A file name that is empty.
    EmptyName(&'static str),
    /// A file name with a path in it.
    PathInName {
        /// The option.
        option: &'static str,
        /// What the option takes instead: `filename` or `dirname`.
        expected: &'static str,
    },
    /// A host name with a byte that host names do not have.
    HostnameBytes,
    /// A host name of 256 bytes or more.
    HostnameTooLong,
    /// A human readable node name with a byte that is not printable or means something in nodes.conf.
    NodeNameBytes,
    /// A human readable node name of 256 bytes or more.
    NodeNameTooLong,
    /// A collation other than that of bytes.
    Locale,
    /// A template for the process title that does not parse.
    ProcTitleTemplate,
    /// `slotmesh-version` is not `<major>.<minor>.<patch>`.
    Version,
    /// Save points are pairs of seconds (at least 1) and changes (at least 0).
    SaveParameters,
    /// More than 16 bind addresses.
    BindTooMany,
    /// Not `class hard soft seconds` in fours.
    BufferLimitCount,
    /// A class other than `normal`, `replica` and `pubsub`.
    BufferLimitClass,
    /// A limit that is no memory value, or seconds that are no number.
    BufferLimitValue,
    /// Values outside -2000 to 2000.
    OomScoreRange,
    /// A percentile that is no number.
    PercentileSyntax,
    /// A percentile outside 0 to 100.
    PercentileRange,
    /// A letter that is no class of keyspace event.
    EventClass,
    /// A primary's port that is no port.
    PrimaryPort,
    /// `save` and `nosave` together.
    SaveAndNosave,
    /// The system's words for what went wrong when the value was put to use.
    System(String),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fixed = match self {
            Self::OutOfRange { min, max } => return write!(f, "argument must be between {min} and {max} inclusive"),
            Self::OutOfOctalRange { min, max } => {
                return write!(f, "argument must be between {min:o} and {max:o} inclusive");
            }
            Self::NotAChoice(choices) => {
                return write!(f, "argument(s) must be one of the following: {}", choices.join(", "));
            }
            Self::EmptyName(option) => return write!(f, "{option} can't be empty"),
            Self::PathInName { option, expected } => return write!(f, "{option} can't be a path, just a {expected}"),
            Self::System(text) => text,
            Self::ArgumentCount => "wrong number of arguments",
            Self::NotBool => "argument must be 'yes' or 'no'",
            Self::NotHere(text) => text,
            Self::NotInteger => "argument couldn't be parsed into an integer",
            Self::NotOctal => "argument couldn't be parsed as an octal number",
            Self::NotMemory => "argument must be a memory value",
            Self::NotMemoryOrPercent => "argument must be a memory or percent value",
            Self::PercentAbove100 => "percentage argument must be less or equal to 100",
            Self::NotUtf8 => "argument must be valid UTF-8",
            Self::HostnameBytes => "Hostnames may only contain alphanumeric characters, hyphens or dots",
            Self::HostnameTooLong => "Hostnames must be less than 256 characters",
            Self::NodeNameBytes => "Announced human node name contained invalid character",
            Self::NodeNameTooLong => "Announced human node name must be less than 256 characters",
            Self::Locale => "Invalid locale name",
            Self::ProcTitleTemplate => "template format is invalid or contains unknown variables",
            Self::Version => "argument must be a version of three numbers, like 7.4.0",
            Self::SaveParameters => "Invalid save parameters",
            Self::BindTooMany => "Too many bind addresses specified.",
            Self::BufferLimitCount => "Wrong number of arguments in buffer limit configuration.",
            Self::BufferLimitClass => "Invalid client class specified in buffer limit configuration.",
            Self::BufferLimitValue => "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            Self::OomScoreRange => "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
            Self::PercentileSyntax => "Invalid latency-tracking-info-percentiles parameters",
            Self::PercentileRange => "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
            Self::EventClass => "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
            Self::PrimaryPort => "Invalid master port",
            Self::SaveAndNosave => "shutdown options SAVE and NOSAVE can't be used simultaneously",
        };
        f.write_str(fixed)
    }
}

impl std::error::Error for Invalid {}
