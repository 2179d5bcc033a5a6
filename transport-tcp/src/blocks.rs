//! Memory that is lent to connections with large replies.
//!
//! A connection keeps no more memory than small replies take. Larger ones go into a block that is the connection's only
//! from its requests to its write, and the next connection's after that: while many clients ask for much, the same few
//! blocks stay in the processor's cache, and none has to grow. What does not live here: when connections want one, which
//! their buffers tell.

use slotmesh_cluster::machine::{ConnId, Machine};

/// The blocks of one reactor.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// Those that nobody has, the last one used on top.
    free: Vec<Vec<u8>>,
    /// Connections that have one.
    lent: Vec<ConnId>,
}

impl Blocks {
    /// Lends a block to a connection that is about to reply, if it would welcome one.
    #[inline]
    pub(crate) fn lend<M: Machine>(&mut self, machine: &mut M, conn: ConnId) {
        let out = machine.out_buf(conn);
        if out.wants_block() {
            out.lend_block(self.free.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES)));
            self.lent.push(conn);
        }
    }

    /// Takes back what was lent, behind the writes of a round. What a peer has not taken yet stays where it is.
    pub(crate) fn take_back<M: Machine>(&mut self, machine: &mut M) {
        for conn in self.lent.drain(..) {
            let block = machine.out_buf(conn).take_block();
            if let Some(block) = block.filter(|block| block.capacity() <= BLOCK_BYTES_MAX)
                && self.free.len() < FREE_BLOCKS_MAX
            {
                self.free.push(block);
            }
        }
    }
}

/// Bytes of a new block: the replies to a pipeline of a few kilobytes each.
const BLOCK_BYTES: usize = 128 * 1024;

/// Bytes of a block that is worth keeping: more than that is not in a cache the next time.
const BLOCK_BYTES_MAX: usize = 512 * 1024;

/// Blocks that are kept. A batch has few connections when their replies are large (see `net`).
const FREE_BLOCKS_MAX: usize = 8;
