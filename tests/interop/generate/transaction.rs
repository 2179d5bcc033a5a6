//! Transactions.

pub(super) const FORMS: &[&str] =
    &["MULTI", "EXEC", "EXEC", "DISCARD", "WATCH <keys>", "UNWATCH", "PING", "ECHO <value>"];
