//! A digest of the node's state: equal states, equal numbers.

use slotmesh_engine::keyspace::DbIndex;
use slotmesh_engine::rdb::crc64::crc64;

use super::Node;

impl Node {
    /// The digest the simulator compares: epochs, slots and role, log position, number of keys.
    pub(super) fn hash_of_state(&self) -> u64 {
        let log = &self.replication.log;
        let keyspace = &self.engine.core().keyspace;
        let mut digest = crc64(u64::from(self.is_replica()), log.replid().to_string().as_bytes());
        digest = crc64(digest, &log.offset().0.to_le_bytes());
        for index in 0..keyspace.databases() {
            digest = crc64(digest, &(keyspace.db(DbIndex(index)).len() as u64).to_le_bytes());
        }
        if let Some(bus) = &self.bus {
            digest = crc64(digest, bus.config_text().as_bytes());
        }
        digest
    }
}
