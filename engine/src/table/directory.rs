//! From a position to the family of groups that holds it.
//!
//! Lives here: a tree of cell arrays, indexed by the upper bits of the position first. An array doubles until it
//! has [`NODE_BITS_MAX`] bits; below that a cell becomes an array of its own, so no step copies more than one full
//! array (128 KiB). What does not: the groups. Start at [`Directory::locate`].

/// Which family answers for a stretch of positions, and how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The family's number, or the child array's when `parts` is 0.
    pub(crate) index: u32,
    /// Number of upper position bits that all keys of the family share.
    pub(crate) depth: u8,
    /// In how many groups the family's stretch is cut: 1 to 3.
    pub(crate) parts: u8,
}

/// The tree of cells; empty until the first key.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    root: Node,
    children: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Number of position bits the nodes above have used.
    depth: u8,
    bits: u8,
    cells: Vec<Cell>,
}

impl Directory {
    /// A directory with one family that holds everything.
    pub(crate) fn whole() -> Self {
        Self {
            root: Node { depth: 0, bits: 0, cells: vec![Cell { index: 0, depth: 0, parts: 1 }] },
            children: Vec::new(),
        }
    }

    /// Whether there is no cell at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.cells.is_empty()
    }

    /// The cell of a position. The directory must not be empty.
    #[inline]
    pub(crate) fn locate(&self, position: u64) -> Cell {
        let mut cell = self.root.cells[self.root.index(position)];
        while cell.parts == 0 {
            let node = &self.children[cell.index as usize];
            cell = node.cells[node.index(position)];
        }
        cell
    }

    /// Gives all positions that share `cell.depth` upper bits with `position` to one family.
    ///
    /// The stretch must lie inside that of the family it belonged to.
    pub(crate) fn assign(&mut self, position: u64, cell: Cell) {
        let mut at = None;
        loop {
            let children = self.children.len();
            let node = match at {
                None => &mut self.root,
                Some(child) => &mut self.children[child as usize],
            };
            let relative = cell.depth - node.depth;
            if relative <= NODE_BITS_MAX {
                node.widen(relative);
                node.fill(position, relative, cell);
                return;
            }
            node.widen(NODE_BITS_MAX);
            let index = node.index(position);
            let held = node.cells[index];
            if held.parts == 0 {
                at = Some(held.index);
                continue;
            }
            let child = u32::try_from(children).expect("a child array for every few thousand keys");
            node.cells[index] = Cell { index: child, depth: 0, parts: 0 };
            let depth = node.depth + NODE_BITS_MAX;
            self.children.push(Node { depth, bits: 0, cells: vec![held] });
            at = Some(child);
        }
    }

    /// Number of cells in all arrays.
    pub(crate) fn cells(&self) -> usize {
        self.root.cells.len() + self.children.iter().map(|node| node.cells.len()).sum::<usize>()
    }

    /// Bytes of memory the arrays hold on to.
    pub(crate) fn bytes(&self) -> usize {
        let cells = self.root.cells.capacity() + self.children.iter().map(|node| node.cells.capacity()).sum::<usize>();
        cells * size_of::<Cell>() + self.children.capacity() * size_of::<Node>()
    }
}

impl Node {
    #[inline]
    fn index(&self, position: u64) -> usize {
        // Two shifts, because one by 64 places is no shift at all.
        ((position << self.depth >> 1) >> (63 - self.bits)) as usize
    }

    fn widen(&mut self, bits: u8) {
        while self.bits < bits {
            let mut wider = Vec::with_capacity(self.cells.len() * 2);
            for &cell in &self.cells {
                wider.push(cell);
                wider.push(cell);
            }
            self.cells = wider;
            self.bits += 1;
        }
    }

    fn fill(&mut self, position: u64, relative: u8, cell: Cell) {
        let width = 1 << (self.bits - relative);
        let first = self.index(position) & !(width - 1);
        self.cells[first..first + width].fill(cell);
    }
}

/// Bits of one array's index. The upper 14 position bits are the slot in cluster mode.
const NODE_BITS_MAX: u8 = 14;
