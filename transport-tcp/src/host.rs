//! One machine on a thread of its own.
//!
//! The shortest way to have a machine running: [`Host::spawn`]. A binary that has nothing else to do runs its
//! [`Reactor`] on the main thread instead.

use std::io;
use std::thread::{self, JoinHandle};

use slotmesh_cluster::machine::Machine;

use crate::reactor::{Options, Outcome, Reactor};
use crate::shared::Handle;

/// A hosted machine. Stopped, as by a crash, when dropped.
#[derive(Debug)]
pub struct Host<M: Machine> {
    handle: Handle<M>,
    thread: Option<JoinHandle<io::Result<Outcome>>>,
}

impl<M: Machine + Send + 'static> Host<M> {
    /// Starts a thread named `name` that runs `machine`.
    ///
    /// # Errors
    /// When the system has no thread or no file for it.
    pub fn spawn(name: &str, machine: M, options: Options) -> io::Result<Self> {
        let reactor = Reactor::new(machine, options)?;
        let handle = reactor.handle();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || reactor.run())?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl<M: Machine> Host<M> {
    /// A way to reach the machine from any thread.
    pub fn handle(&self) -> &Handle<M> {
        &self.handle
    }

    /// Waits for the machine's end.
    ///
    /// # Errors
    /// When the reactor failed or panicked.
    pub fn join(mut self) -> io::Result<Outcome> {
        self.take_outcome()
    }

    fn take_outcome(&mut self) -> io::Result<Outcome> {
        let Some(thread) = self.thread.take() else {
            return Ok(Outcome::Stopped);
        };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the reactor thread panicked")))
    }
}

impl<M: Machine> Drop for Host<M> {
    fn drop(&mut self) {
        self.handle.stop();
        // Nobody is left to hear how it ended.
        let _ = self.take_outcome();
    }
}
