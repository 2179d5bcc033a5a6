//! One file's bytes, volatile and durable.

use slotmesh_engine::rng::Rng;

/// The contents of a file.
///
/// Files only grow at the end and are cut, so the durable state is a beginning that both states share and, after a
/// cut that is not synced, the durable bytes behind it. No operation copies more than it changes.
#[derive(Debug, Default)]
pub(super) struct File {
    bytes: Vec<u8>,
    /// How many bytes from the beginning are the same in both states.
    shared: usize,
    /// The durable bytes after the shared ones.
    cut: Vec<u8>,
}

/// What of the unsynced bytes a crash leaves.
pub(super) enum Survival<'a> {
    /// A random part.
    Part(&'a mut Rng),
    /// Nothing.
    Synced,
}

impl File {
    pub(super) fn installed(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), shared: bytes.len(), cut: Vec::new() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn durable(&self) -> Vec<u8> {
        [&self.bytes[..self.shared], &self.cut].concat()
    }

    pub(super) fn append(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    /// Cuts the file, or fills it with zeros, to `len` bytes.
    pub(super) fn truncate(&mut self, len: u64) {
        let len = usize::try_from(len).expect("the caller bounds how far a file grows");
        if len < self.shared {
            self.cut.splice(0..0, self.bytes[len..self.shared].iter().copied());
            self.shared = len;
        }
        self.bytes.resize(len, 0);
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> &[u8] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let end = start.saturating_add(len).min(self.bytes.len());
        &self.bytes[start..end]
    }

    pub(super) fn sync(&mut self) {
        self.shared = self.bytes.len();
        self.cut = Vec::new();
    }

    /// Ends in one state: what is left is durable.
    pub(super) fn crash(&mut self, survival: Survival<'_>) {
        let cut = std::mem::take(&mut self.cut);
        let appended = self.bytes.len() - self.shared;
        // A cut that reached the disk takes the bytes behind it along; then appended bytes may follow.
        let kept = match survival {
            Survival::Part(rng) => (cut.is_empty() || rng.chance(50)).then(|| rng.index(appended + 1)),
            Survival::Synced => None,
        };
        self.bytes.truncate(self.shared + kept.unwrap_or(0));
        if kept.is_none() {
            self.bytes.extend_from_slice(&cut);
        }
        self.shared = self.bytes.len();
    }
}
