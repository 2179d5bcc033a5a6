//! A link that can be cut: a TCP relay between two servers.
//!
//! Killing a server also ends its memory; a relay ends only the connection, so that what a partial
//! resynchronisation needs is still there. Start at [`Proxy`].

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A relay to one address; ends with its connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_cut: bool,
    is_ended: bool,
    streams: Vec<TcpStream>,
}

impl Proxy {
    /// Starts a relay to `target`.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let state = Arc::clone(&shared);
        thread::spawn(move || accept_all(&listener, target, &state));
        Ok(Self { port, shared })
    }

    /// The port to dial.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection and refuses new ones until [`Proxy::heal`].
    pub fn cut(&self) {
        let mut shared = lock(&self.shared);
        shared.is_cut = true;
        shared.end_streams();
    }

    /// Accepts connections again.
    pub fn heal(&self) {
        lock(&self.shared).is_cut = false;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.is_ended = true;
        shared.end_streams();
        drop(shared);
        // Wakes the thread that accepts; it may have ended already.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

impl Shared {
    fn end_streams(&mut self) {
        for stream in self.streams.drain(..) {
            // A stream that has ended by itself cannot be shut down; nothing is left to do for it.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn accept_all(listener: &TcpListener, target: SocketAddr, shared: &Arc<Mutex<Shared>>) {
    while let Ok((near, _)) = listener.accept() {
        let mut state = lock(shared);
        if state.is_ended {
            return;
        }
        if state.is_cut {
            continue;
        }
        if let Err(error) = relay(near, target, &mut state) {
            eprintln!("the relay to {target} has no connection: {error}");
        }
    }
}

fn relay(near: TcpStream, target: SocketAddr, state: &mut Shared) -> io::Result<()> {
    let far = TcpStream::connect(target)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    state.streams.extend([near.try_clone()?, far.try_clone()?]);
    for (source, target) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
        thread::spawn(move || copy(source, target));
    }
    Ok(())
}

/// Passes bytes on until either side ends, then ends both.
fn copy(mut source: TcpStream, mut target: TcpStream) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = source.read(&mut buffer) {
        if target.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    for stream in [source, target] {
        // Already ended by the other side or by a cut.
        drop(stream.shutdown(Shutdown::Both));
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes passed on at once.
const BUFFER_BYTES: usize = 64 * 1024;
