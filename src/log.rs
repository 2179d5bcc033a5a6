//! Where log lines of embedded nodes go.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use slotmesh_cluster::machine::{LogLevel, LogLine};

/// Takes a node's number and one of its lines.
type Write = dyn FnMut(usize, &LogLine) + Send;

/// A place for the log lines of one or more nodes; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Sink(Option<Arc<Mutex<Box<Write>>>>);

impl Sink {
    pub(crate) fn new(write: impl FnMut(usize, &LogLine) + Send + 'static) -> Self {
        Self(Some(Arc::new(Mutex::new(Box::new(write)))))
    }
}

/// One node's log: passes lines on and remembers the last warnings.
#[derive(Debug, Clone)]
pub(crate) struct NodeLog {
    node: usize,
    sink: Sink,
    warnings: Arc<Mutex<VecDeque<String>>>,
}

impl NodeLog {
    pub(crate) fn new(node: usize, sink: Sink) -> Self {
        Self { node, sink, warnings: Arc::default() }
    }

    pub(crate) fn write(&self, line: &LogLine) {
        if line.level == LogLevel::Warning {
            let mut warnings = self.warnings.lock();
            if warnings.len() >= WARNINGS_MAX {
                warnings.pop_front();
            }
            warnings.push_back(line.text.clone());
        }
        if let Some(write) = &self.sink.0 {
            write.lock()(self.node, line);
        }
    }

    /// The last warnings, oldest first.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().iter().cloned().collect()
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("is_set", &self.0.is_some()).finish()
    }
}

/// Warnings kept for the message of a failed start.
const WARNINGS_MAX: usize = 8;
