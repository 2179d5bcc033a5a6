//! The folder of a cluster that was here before.

use std::path::Path;

use slotmesh_cluster::bus::NodeFlags;
use slotmesh_cluster::bus::config_file;

use super::form::Place;
use crate::error::StartError;

/// Whether the cluster in this folder is as large, and at the same ports, as the one that is asked for. Its nodes find
/// one another by their ports, so another one would never come up.
///
/// A file that cannot be read is left to its node, which refuses it with the reason.
pub(super) fn check(folder: &Path, places: &[Place]) -> Result<(), StartError> {
    let Ok(text) = std::fs::read(folder.join("node-1").join("nodes.conf")) else { return Ok(()) };
    let Ok(file) = config_file::parse(&text) else { return Ok(()) };
    let mine = file.nodes.iter().find(|node| node.flags.has(NodeFlags::MYSELF));
    let (Some(mine), Some(place)) = (mine, places.first()) else { return Ok(()) };
    let shown = folder.display();
    if mine.port != place.port {
        return Err(StartError::Config(format!(
            "the cluster in {shown} begins at port {}, not {}: use that port, or another folder",
            mine.port, place.port
        )));
    }
    if file.nodes.len() > places.len() {
        return Err(StartError::Config(format!(
            "the cluster in {shown} has {} nodes, not {}: ask for as many, or use another folder",
            file.nodes.len(),
            places.len()
        )));
    }
    Ok(())
}
