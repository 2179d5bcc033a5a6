//! How large the nodes of a list get.

/// What decides the form of a list and the size of its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRules {
    /// `list-max-listpack-size`: elements of a node, or below zero the size of a node: -1 is 4 KiB and each step down
    /// doubles that, to 64 KiB.
    pub fill: i32,
    /// Elements from that many bytes on get a node of their own (`DEBUG QUICKLIST-PACKED-THRESHOLD`); by default
    /// those that are longer than a node.
    pub plain_bytes_min: Option<usize>,
}

impl ListRules {
    /// Whether a node of that many bytes and elements is too large.
    pub(super) const fn is_too_large(self, bytes: usize, elements: usize) -> bool {
        match self.node_bytes_max() {
            Some(bytes_max) => bytes > bytes_max,
            None => bytes > COUNTED_NODE_BYTES_MAX || elements > self.elements_max(),
        }
    }

    /// Whether a node is so small that a list of this node alone goes back to its compact form.
    ///
    /// Half of what makes it leave that form (`listTypeTryConvertQuicklist`, `t_list.c` of 7.2), so that a list
    /// that grows and shrinks by a few elements stays what it is.
    pub(super) const fn is_compact(self, bytes: usize, elements: usize) -> bool {
        match self.node_bytes_max() {
            Some(bytes_max) => bytes <= bytes_max / 2,
            None => elements <= self.elements_max() / 2,
        }
    }

    /// As [`ListRules::is_compact`], for a list that was not larger before.
    pub(super) const fn is_loaded_compact(self, bytes: usize, elements: usize) -> bool {
        match self.node_bytes_max() {
            Some(bytes_max) => bytes <= bytes_max,
            None => elements <= self.elements_max(),
        }
    }

    /// Whether an element gets a node of its own.
    pub(super) const fn is_plain(self, element_bytes: usize) -> bool {
        match (self.plain_bytes_min, self.node_bytes_max()) {
            (Some(bytes_min), _) => element_bytes >= bytes_min,
            (None, Some(bytes_max)) => element_bytes > bytes_max,
            (None, None) => element_bytes > COUNTED_NODE_BYTES_MAX,
        }
    }

    const fn node_bytes_max(self) -> Option<usize> {
        match self.fill {
            0.. => None,
            -1 => Some(4 << 10),
            -2 => Some(8 << 10),
            -3 => Some(16 << 10),
            -4 => Some(32 << 10),
            _ => Some(64 << 10),
        }
    }

    const fn elements_max(self) -> usize {
        if self.fill > 0 { self.fill as usize } else { 1 }
    }
}

impl Default for ListRules {
    /// The defaults of the configuration.
    fn default() -> Self {
        Self { fill: -2, plain_bytes_min: None }
    }
}

/// Largest node, in bytes, where elements are counted (`SIZE_SAFETY_LIMIT`, `quicklist.c` of 7.0).
const COUNTED_NODE_BYTES_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use super::ListRules;

    #[test]
    fn every_fill_has_a_limit() {
        let fits = |fill, bytes, elements| !ListRules { fill, plain_bytes_min: None }.is_too_large(bytes, elements);

        assert!(fits(-1, 4096, 99_999) && !fits(-1, 4097, 1));
        assert!(fits(-2, 8192, 99_999) && !fits(-2, 8193, 1));
        assert!(fits(-5, 65_536, 99_999) && !fits(-5, 65_537, 1));
        assert!(fits(-99, 65_536, 1) && !fits(i32::MIN, 65_537, 1));
        assert!(fits(3, 8192, 3) && !fits(3, 10, 4) && !fits(3, 8193, 3));
        assert!(fits(0, 10, 1) && !fits(0, 10, 2));
    }
}
