//! Moving a slot from one primary to another while it is served, with the commands `redis-cli` sends.

use slotmesh_engine::slot::Slot;
use slotmesh_transport_mem::MachineId;

use super::cluster::TestCluster;
use super::reply::Reply;

impl TestCluster {
    /// Moves a slot with its keys to another primary.
    ///
    /// # Panics
    /// When nobody serves the slot, or a node refuses a step.
    pub fn move_slot(&mut self, slot: Slot, target: MachineId) {
        let Some(source) = self.owner_of_slot(slot) else { self.fail("nobody serves the slot") };
        let number = slot.number().to_string();
        let (from, to) = (self.id_of(source), self.id_of(target));
        assert_eq!(self.call(target, ["CLUSTER", "SETSLOT", &number, "IMPORTING", &from]), "OK");
        assert_eq!(self.call(source, ["CLUSTER", "SETSLOT", &number, "MIGRATING", &to]), "OK");
        loop {
            let keys = self.call(source, ["CLUSTER", "GETKEYSINSLOT", &number, KEYS_PER_STEP]);
            if keys.items().is_empty() {
                break;
            }
            keys.items().iter().for_each(|key| self.move_key(key, source, target));
        }
        assert_eq!(self.call(target, ["CLUSTER", "SETSLOT", &number, "NODE", &to]), "OK");
        assert_eq!(self.call(source, ["CLUSTER", "SETSLOT", &number, "NODE", &to]), "OK");
    }

    fn move_key(&self, key: &Reply, source: MachineId, target: MachineId) {
        let Reply::Bulk(key) = key else { self.fail("a key is a bulk string") };
        let ttl = self.call(source, [&b"PTTL"[..], key]).int().max(0).to_string();
        let Reply::Bulk(payload) = self.call(source, [&b"DUMP"[..], key]) else { return };
        assert_eq!(self.call(target, ["ASKING"]), "OK");
        assert_eq!(self.call(target, [&b"RESTORE"[..], key, ttl.as_bytes(), &payload, b"REPLACE"]), "OK");
        assert_eq!(self.call(source, [&b"DEL"[..], key]), 1);
    }
}

/// Keys asked for at once.
const KEYS_PER_STEP: &str = "100";
