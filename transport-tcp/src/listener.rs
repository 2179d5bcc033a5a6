//! Listening sockets.
//!
//! Lives here: opening what one [`Listen`] asks for, replacing it, taking listeners over that the process already
//! had, and accepting. What does not: looking names up; the caller comes with addresses. Start at
//! [`Listeners::replace`].

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;

use mio::net::{TcpListener, UnixListener};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use slotmesh_cluster::machine::{Endpoint, Listen};
use slotmesh_engine::time::Instant;

use crate::errno;
use crate::poller::{Edges, Name, Poller};
use crate::socket::Stream;

/// Every listening socket of a machine.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// By the place that names them in the poller.
    open: Vec<Option<Listener>>,
    /// Bound before the machine started; used when it asks for exactly their address.
    adopted: Vec<std::net::TcpListener>,
}

/// One listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) endpoint: Endpoint,
    /// Keep-alive of accepted connections, in seconds; 0 for none.
    pub(crate) keepalive_secs: u32,
    /// Connections may wait: an edge said so, and no accept has said otherwise since.
    pub(crate) ready: bool,
    /// Not to be tried before this moment: the system had no file or memory left.
    pub(crate) retry_at: Option<Instant>,
    socket: Accepting,
}

#[derive(Debug)]
enum Accepting {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, String),
}

/// One entry of the `bind` option with its addresses.
struct Wanted<'a> {
    /// As the user wrote it, without the mark.
    shown: &'a str,
    optional: bool,
    addresses: &'a Result<Vec<IpAddr>, String>,
}

impl Listeners {
    pub(crate) fn new(adopted: Vec<std::net::TcpListener>) -> Self {
        Self { open: Vec::new(), adopted }
    }

    /// Listens as asked instead of as before; `addresses` belong to [`names`] of the same `listen`. A socket that is
    /// wanted again stays open. On failure those of before stay, or come back as far as the system lets them.
    ///
    /// `warnings` receives what went wrong with addresses that may be unavailable.
    ///
    /// # Errors
    /// Redis's words for what could not be opened.
    pub(crate) fn replace(
        &mut self,
        poller: &Poller,
        endpoint: Endpoint,
        listen: &Listen,
        addresses: &[Result<Vec<IpAddr>, String>],
        warnings: &mut Vec<String>,
    ) -> Result<(), String> {
        let wanted: Vec<Wanted<'_>> = listen.addresses.iter().zip(addresses).map(Wanted::new).collect();
        let (mut now, old): (Vec<_>, Vec<_>) =
            self.take(endpoint).into_iter().partition(|listener| listener.socket.is_wanted(listen, &wanted));
        // Closed before the new ones are bound: one address in place of all addresses is taken otherwise.
        let gone: Vec<SocketAddr> = old.into_iter().filter_map(|listener| listener.socket.close()).collect();
        let kept = now.len();
        let result = self.open_missing(listen, &wanted, &mut now, endpoint, warnings);
        if result.is_err() {
            now.truncate(kept);
            for address in gone {
                let again = bind_tcp(address, listen.backlog).map(|socket| Accepting::Tcp(socket, address));
                now.extend(again.ok().map(|socket| Listener::new(endpoint, socket)));
            }
        }
        for mut listener in now {
            listener.keepalive_secs = listen.keepalive_secs;
            self.install(poller, listener).map_err(|error| errno::text(&error))?;
        }
        result
    }

    /// The listener named `place`, unless it was replaced.
    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut Listener> {
        self.open.get_mut(place)?.as_mut()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Listener> {
        self.open.iter_mut().flatten()
    }

    /// When a listener that met a shortage is to be tried again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.open.iter().flatten().filter_map(|listener| listener.retry_at).min()
    }

    /// Whether connections may wait that can be accepted right now.
    pub(crate) fn is_ready(&self) -> bool {
        self.open.iter().flatten().any(|listener| listener.ready && listener.retry_at.is_none())
    }

    /// Closes every listener and removes the files of Unix sockets.
    pub(crate) fn close_all(&mut self) {
        for listener in self.open.drain(..).flatten() {
            listener.socket.close();
        }
    }

    fn take(&mut self, endpoint: Endpoint) -> Vec<Listener> {
        let mut taken = Vec::new();
        for slot in &mut self.open {
            taken.extend(slot.take_if(|listener| listener.endpoint == endpoint));
        }
        taken
    }

    fn open_missing(
        &mut self,
        listen: &Listen,
        wanted: &[Wanted<'_>],
        open: &mut Vec<Listener>,
        endpoint: Endpoint,
        warnings: &mut Vec<String>,
    ) -> Result<(), String> {
        let mut refused = None;
        for entry in wanted {
            let addresses = entry.addresses.as_ref().map_err(|text| entry.refusal(listen.port, text))?;
            for address in addresses.iter().map(|&address| SocketAddr::new(address, listen.port)) {
                if open.iter().any(|listener| listener.socket.is_at(address)) {
                    continue;
                }
                match self.open_tcp(address, listen.backlog) {
                    Ok(socket) => open.push(Listener::new(endpoint, Accepting::Tcp(socket, address))),
                    Err((step, error)) => {
                        let text = entry.refusal(listen.port, &format!("{step}: {}", errno::text(&error)));
                        if !entry.forgives(&error) {
                            return Err(text);
                        }
                        warnings.push(text.clone());
                        refused = Some(text);
                    }
                }
            }
        }
        if let (Some(text), true) = (refused, open.is_empty()) {
            return Err(text);
        }
        let Some((path, mode)) = &listen.unix else {
            return Ok(());
        };
        if !open.iter().any(|listener| listener.socket.is_path(path)) {
            let socket = bind_unix(path, *mode, listen.backlog)
                .map_err(|(step, error)| format!("Failed opening Unix socket: {step}: {}", errno::text(&error)))?;
            open.push(Listener::new(endpoint, Accepting::Unix(socket, path.clone())));
        }
        Ok(())
    }

    fn open_tcp(&mut self, address: SocketAddr, backlog: u32) -> Result<TcpListener, (&'static str, io::Error)> {
        let place = self.adopted.iter().position(|listener| listener.local_addr().is_ok_and(|own| own == address));
        let Some(place) = place else {
            return bind_tcp(address, backlog);
        };
        let adopted = self.adopted.swap_remove(place);
        adopted.set_nonblocking(true).map_err(|error| ("listen", error))?;
        SockRef::from(&adopted).listen(backlog_of(backlog)).map_err(|error| ("listen", error))?;
        Ok(TcpListener::from_std(adopted))
    }

    fn install(&mut self, poller: &Poller, mut listener: Listener) -> io::Result<()> {
        let place = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        let name = Name::Listener(place);
        match &mut listener.socket {
            Accepting::Tcp(socket, _) => watch(poller, socket, name)?,
            Accepting::Unix(socket, _) => watch(poller, socket, name)?,
        }
        if place == self.open.len() {
            self.open.push(None);
        }
        self.open[place] = Some(listener);
        Ok(())
    }
}

/// The names of `listen` whose addresses [`Listeners::replace`] wants, in order.
pub(crate) fn names(listen: &Listen) -> impl Iterator<Item = &str> {
    let count = if listen.port == 0 { 0 } else { listen.addresses.len() };
    listen.addresses[..count].iter().map(|entry| split_mark(entry).0)
}

impl Listener {
    fn new(endpoint: Endpoint, socket: Accepting) -> Self {
        // Ready at first: what came before it was watched shows no edge.
        Self { endpoint, keepalive_secs: 0, ready: true, retry_at: None, socket }
    }

    /// Takes one waiting connection.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Accepting::Tcp(listener, _) => Ok(Stream::Tcp(listener.accept()?.0)),
            Accepting::Unix(listener, _) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

impl Accepting {
    fn is_at(&self, address: SocketAddr) -> bool {
        matches!(self, Self::Tcp(_, own) if *own == address)
    }

    fn is_path(&self, path: &str) -> bool {
        matches!(self, Self::Unix(_, own) if own == path)
    }

    fn is_wanted(&self, listen: &Listen, wanted: &[Wanted<'_>]) -> bool {
        match self {
            Self::Tcp(_, own) => {
                let mut addresses = wanted.iter().filter_map(|entry| entry.addresses.as_ref().ok()).flatten();
                addresses.any(|&address| SocketAddr::new(address, listen.port) == *own)
            }
            Self::Unix(_, own) => listen.unix.as_ref().is_some_and(|(path, _)| path == own),
        }
    }

    /// Closes the socket; the address it had, if it was a TCP one.
    fn close(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, address) => Some(address),
            Self::Unix(_, path) => {
                // Somebody may have removed it before; a file that stays is replaced by the next start.
                let _ = fs::remove_file(path);
                None
            }
        }
    }
}

impl<'a> Wanted<'a> {
    fn new((entry, addresses): (&'a String, &'a Result<Vec<IpAddr>, String>)) -> Self {
        let (shown, optional) = split_mark(entry);
        Self { shown, optional, addresses }
    }

    fn refusal(&self, port: u16, cause: &str) -> String {
        format!("Warning: Could not create server TCP listening socket {}:{port}: {cause}", self.shown)
    }

    /// Whether the others may do without this address: it is marked and not there, or the system does not know its
    /// family at all (`listenToPort` of Redis 7.0 makes the same distinction).
    fn forgives(&self, error: &io::Error) -> bool {
        let Some(code) = error.raw_os_error() else {
            return false;
        };
        let family =
            [Errno::AFNOSUPPORT, Errno::NOPROTOOPT, Errno::PFNOSUPPORT, Errno::PROTONOSUPPORT, Errno::SOCKTNOSUPPORT];
        (self.optional && code == Errno::ADDRNOTAVAIL.raw_os_error())
            || family.iter().any(|errno| errno.raw_os_error() == code)
    }
}

fn split_mark(entry: &str) -> (&str, bool) {
    entry.strip_prefix('-').map_or((entry, false), |rest| (rest, true))
}

/// A listening socket, or the step that failed and why.
fn bind_tcp(address: SocketAddr, backlog: u32) -> Result<TcpListener, (&'static str, io::Error)> {
    let at = |step| move |error| (step, error);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(at("socket"))?;
    if address.is_ipv6() {
        // `*` and `::*` may both be asked for: the second must not take the first's addresses.
        socket.set_only_v6(true).map_err(at("setsockopt"))?;
    }
    socket.set_reuse_address(true).map_err(at("setsockopt SO_REUSEADDR"))?;
    socket.set_nonblocking(true).map_err(at("socket"))?;
    socket.bind(&address.into()).map_err(at("bind"))?;
    socket.listen(backlog_of(backlog)).map_err(at("listen"))?;
    Ok(TcpListener::from_std(socket.into()))
}

fn bind_unix(path: &str, mode: u32, backlog: u32) -> Result<UnixListener, (&'static str, io::Error)> {
    let at = |step| move |error| (step, error);
    // The file of a process that ended without cleaning up; that there is none is the normal case.
    let _ = fs::remove_file(path);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(at("socket"))?;
    socket.set_nonblocking(true).map_err(at("socket"))?;
    let address = SockAddr::unix(path).map_err(at("bind"))?;
    socket.bind(&address).map_err(at("bind"))?;
    socket.listen(backlog_of(backlog)).map_err(at("listen"))?;
    if mode != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at("chmod"))?;
    }
    Ok(UnixListener::from_std(std::os::unix::net::UnixListener::from(socket)))
}

fn backlog_of(backlog: u32) -> i32 {
    i32::try_from(backlog).unwrap_or(i32::MAX)
}

/// Watches a socket that is new, or was watched under another name.
fn watch(poller: &Poller, source: &mut impl mio::event::Source, name: Name) -> io::Result<()> {
    match poller.watch(source, name, Edges::Read) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => poller.rewatch(source, name, Edges::Read),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::{Listeners, names};
    use crate::poller::Poller;
    use slotmesh_cluster::machine::{Endpoint, Listen};

    fn listen(addresses: &[&str], port: u16) -> Listen {
        let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
        Listen { addresses, port, backlog: 16, ..Listen::default() }
    }

    fn replace(listeners: &mut Listeners, poller: &Poller, listen: &Listen) -> (Result<(), String>, Vec<String>) {
        let addresses: Vec<_> = names(listen).map(|name| Ok(vec![name.parse().unwrap()])).collect();
        let mut warnings = Vec::new();
        let result = listeners.replace(poller, Endpoint::Client, listen, &addresses, &mut warnings);
        (result, warnings)
    }

    /// A port that was free a moment ago, held so that nobody else gets it.
    fn taken_port() -> (std::net::TcpListener, u16) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[test]
    fn a_taken_port_is_refused_in_redis_words() {
        let (_held, port) = taken_port();
        let poller = Poller::new().unwrap();

        let (result, _) = replace(&mut Listeners::default(), &poller, &listen(&["127.0.0.1"], port));

        let text = format!(
            "Warning: Could not create server TCP listening socket 127.0.0.1:{port}: bind: Address already in use"
        );
        assert_eq!(result, Err(text));
    }

    #[test]
    fn an_optional_address_may_be_missing() {
        let (held, port) = taken_port();
        let poller = Poller::new().unwrap();
        let mut listeners = Listeners::new(vec![held]);

        // 203.0.113.0/24 is for documentation; no interface has it.
        let (result, warnings) = replace(&mut listeners, &poller, &listen(&["127.0.0.1", "-203.0.113.5"], port));

        assert_eq!(result, Ok(()));
        let text = format!(
            "Warning: Could not create server TCP listening socket 203.0.113.5:{port}: bind: Cannot assign requested address"
        );
        assert_eq!(warnings, [text]);
    }

    #[test]
    fn a_failed_change_keeps_the_old_listener() {
        let (held, port) = taken_port();
        let poller = Poller::new().unwrap();
        let mut listeners = Listeners::new(vec![held]);
        replace(&mut listeners, &poller, &listen(&["127.0.0.1"], port)).0.unwrap();

        let (result, _) = replace(&mut listeners, &poller, &listen(&["203.0.113.5"], port));

        assert!(result.is_err());
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn port_zero_means_no_listener() {
        let poller = Poller::new().unwrap();
        let mut listeners = Listeners::default();

        assert_eq!(names(&listen(&["*"], 0)).count(), 0);
        assert_eq!(replace(&mut listeners, &poller, &listen(&["*"], 0)).0, Ok(()));
        assert_eq!(listeners.iter_mut().count(), 0);
    }
}
