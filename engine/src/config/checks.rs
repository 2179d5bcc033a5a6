//! What makes a text a good value, for the options that are not content with any text.

use super::invalid::Invalid;

pub(super) fn any(_: &str) -> Result<(), Invalid> {
    Ok(())
}

/// A file of users that nobody reads would leave the server open to everybody.
pub(super) fn aclfile(text: &str) -> Result<(), Invalid> {
    const WHY: &str = "users other than the default one are not available in this version";
    if text.is_empty() { Ok(()) } else { Err(Invalid::NotHere(WHY)) }
}

pub(super) fn dbfilename(text: &str) -> Result<(), Invalid> {
    no_path(text, "dbfilename", "filename")
}

pub(super) fn appendfilename(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::EmptyName("appendfilename"));
    }
    no_path(text, "appendfilename", "filename")
}

pub(super) fn appenddirname(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::EmptyName("appenddirname"));
    }
    no_path(text, "appenddirname", "dirname")
}

fn no_path(text: &str, option: &'static str, expected: &'static str) -> Result<(), Invalid> {
    if text.contains(['/', '\\']) { Err(Invalid::PathInName { option, expected }) } else { Ok(()) }
}

pub(super) fn hostname(text: &str) -> Result<(), Invalid> {
    if text.len() >= NAME_BYTES_LIMIT {
        return Err(Invalid::HostnameTooLong);
    }
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if fits { Ok(()) } else { Err(Invalid::HostnameBytes) }
}

pub(super) fn node_name(text: &str) -> Result<(), Invalid> {
    if text.len() >= NAME_BYTES_LIMIT {
        return Err(Invalid::NodeNameTooLong);
    }
    // What nodes.conf could not hold, or gives a meaning to.
    let meaning = b"!\"#$%&'()*+,;<=>?@[\\]^{|}~";
    let fits = text.bytes().all(|byte| byte.is_ascii_graphic() && !meaning.contains(&byte));
    if fits { Ok(()) } else { Err(Invalid::NodeNameBytes) }
}

/// Strings compare by bytes here, which is what these three names ask for.
pub(super) fn locale(text: &str) -> Result<(), Invalid> {
    if matches!(text, "" | "C" | "POSIX") { Ok(()) } else { Err(Invalid::Locale) }
}

/// A template is text with `{variable}`s in it, and yields something.
pub(super) fn proc_title_template(text: &str) -> Result<(), Invalid> {
    const VARIABLES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let mut rest = text;
    let mut says_something = false;
    while let Some((before, variable)) = rest.split_once('{') {
        let (variable, after) = variable.split_once('}').ok_or(Invalid::ProcTitleTemplate)?;
        if !VARIABLES.contains(&variable) {
            return Err(Invalid::ProcTitleTemplate);
        }
        // Redis (7.0.15) tries the template with an empty title.
        says_something |= !before.trim().is_empty() || variable != "title";
        rest = after;
    }
    says_something |= !rest.trim().is_empty();
    if says_something { Ok(()) } else { Err(Invalid::ProcTitleTemplate) }
}

pub(super) fn version(text: &str) -> Result<(), Invalid> {
    let numbers =
        text.split('.').filter(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
    if text.split('.').count() == 3 && numbers.count() == 3 { Ok(()) } else { Err(Invalid::Version) }
}

/// Length that announced names stay below, in bytes (Redis 7.0.15 refuses 256).
const NAME_BYTES_LIMIT: usize = 256;
