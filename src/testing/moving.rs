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
            self.move_keys(keys.items(), source, target);
        }
        assert_eq!(self.call(target, ["CLUSTER", "SETSLOT", &number, "NODE", &to]), "OK");
        assert_eq!(self.call(source, ["CLUSTER", "SETSLOT", &number, "NODE", &to]), "OK");
    }

    fn move_keys(&self, keys: &[Reply], source: MachineId, target: MachineId) {
        let address = self.address_of(target);
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut words: Vec<&[u8]> = vec![b"MIGRATE", host.as_bytes(), port.as_bytes(), b"", b"0", b"1000", b"KEYS"];
        for key in keys {
            let Reply::Bulk(key) = key else { self.fail("a key is a bulk string") };
            words.push(key);
        }
        // A key that has expired meanwhile is gone as well.
        let reply = self.call(source, words);
        assert!(reply == "OK" || reply == "NOKEY", "{reply:?}");
    }
}

/// Keys asked for at once.
const KEYS_PER_STEP: &str = "100";
