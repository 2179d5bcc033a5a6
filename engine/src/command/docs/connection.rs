//! Documentation of the connection commands.

use super::{Doc, doc, integer, string};

pub(super) const DOCS: &[Doc] = &[
    doc("echo", "1.0.0", "Returns the given bytes.").takes(&[string("message")]),
    doc("ping", "1.0.0", "Tells that the server is alive, or returns the given bytes.")
        .takes(&[string("message").optional()]),
    doc("select", "1.0.0", "Changes the connection's database.").takes(&[integer("index")]),
];
