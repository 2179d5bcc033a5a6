//! The reply of every `... HELP` subcommand.

use crate::resp::reply::Reply;

/// Writes the help of a container: a head line, then each form with its meaning, in Redis's layout.
pub fn reply(reply: &mut Reply<'_>, container: &str, forms: &[(&str, &str)]) {
    reply.array(1 + 2 * forms.len() + 2);
    reply.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for (form, meaning) in forms.iter().chain(&[("HELP", "Prints this help.")]) {
        reply.simple(form);
        reply.simple(&format!("    {meaning}"));
    }
}
