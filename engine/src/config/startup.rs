//! What a configuration file says beyond options: lines that add up and that CONFIG GET does not know.

/// Users, renamed commands and modules, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Startup {
    /// `user <name> [rule ...]` lines.
    pub users: Vec<UserLine>,
    /// `rename-command` lines.
    pub renames: Vec<Rename>,
    /// `loadmodule <path> [argument ...]` lines, without the directive.
    pub modules: Vec<Vec<Vec<u8>>>,
    /// `<module>.<option> <value ...>` lines. No module can be loaded: a node does not start with them.
    pub module_options: Vec<Vec<Vec<u8>>>,
    /// `sentinel <directive> ...` lines, which the sentinel itself reads.
    pub sentinel: Vec<SentinelLine>,
}

/// One line of a sentinel's configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelLine {
    /// Its number in its file, from 1.
    pub number: usize,
    /// The whole line, for error messages.
    pub line: Vec<u8>,
    /// Its words behind `sentinel`; at least one.
    pub words: Vec<Vec<u8>>,
}

/// One ACL user of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLine {
    /// The user.
    pub name: Vec<u8>,
    /// The rules, as ACL SETUSER takes them.
    pub rules: Vec<Vec<u8>>,
}

/// One command that has another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The name it had.
    pub from: Vec<u8>,
    /// The name it gets; empty removes the command.
    pub to: Vec<u8>,
}
