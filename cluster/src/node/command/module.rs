//! MODULE: there are none, and none can be loaded; commands of one's own are rows.

use slotmesh_engine::command::help;
use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ADMIN, LOADING, NO_SCRIPT, STALE, Spec, container, data};
use slotmesh_engine::error::ReplyError;

use super::{Call, Node, NodeFn};

pub(super) const ROWS: &[Spec<NodeFn>] = &[container("MODULE", MODULE_ROWS)];

const MODULE_ROWS: &[Spec<NodeFn>] = &[
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, module_help as NodeFn),
    data("LIST", 2, ADMIN.and(NO_SCRIPT), NO_KEYS, list as NodeFn).tips(&["nondeterministic_output_order"]),
];

fn list(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.reply(call.session).array(0);
    Ok(())
}

fn module_help(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let forms = [("LIST", "Lists the modules that are loaded: always none.")];
    help::reply(&mut node.engine.reply(call.session), "MODULE", &forms);
    Ok(())
}
