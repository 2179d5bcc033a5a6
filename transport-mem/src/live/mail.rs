//! What machines on one bus send each other.
//!
//! The [`Office`] has one [`Mailbox`] per machine. Anyone posts, the driver alone empties. Mail names the run of
//! the machine it is meant for, so that nothing reaches a machine that was built again since.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use slotmesh_cluster::machine::{ConnId, Reset, Signal};
use slotmesh_engine::resp::outbuf::{OutBuf, Ticket};
use slotmesh_engine::time::Instant;
use slotmesh_replication::disk::DiskResult;

use super::driver::Waker;
use crate::place::MachineId;
use crate::take::take_visible;

/// A connection's end at another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) machine: MachineId,
    pub(super) run: u32,
    pub(super) conn: ConnId,
}

/// One message.
#[derive(Debug)]
pub(super) enum Mail {
    /// Bytes for a connection.
    Bytes(ConnId, Vec<u8>),
    /// The other end of a connection is gone.
    Closed(ConnId, Reset),
    /// A dial succeeded; the other end is there.
    Connected(ConnId, Address),
    /// A machine wants to connect.
    Dial { from: Address, remote: SocketAddr, local: SocketAddr },
    /// The disk answered.
    Disk(Ticket, DiskResult),
    /// The disk has answers to take.
    Look,
    /// The other end has read so many bytes.
    Read(ConnId, usize),
    /// A process signal.
    Signal(Signal),
}

/// All mailboxes.
#[derive(Debug)]
pub(super) struct Office {
    boxes: RwLock<Vec<Arc<Mailbox>>>,
    waker: Waker,
}

/// What waits for one machine.
#[derive(Debug)]
pub(super) struct Mailbox {
    mail: Mutex<Vec<(Option<u32>, Mail)>>,
    /// Whether the driver should look at this machine.
    calls: AtomicBool,
    /// The machine's deadline in microseconds, for the driver to plan by.
    deadline: AtomicU64,
}

impl Office {
    pub(super) fn new() -> Self {
        Self { boxes: RwLock::new(Vec::new()), waker: Waker::new() }
    }

    pub(super) fn open_box(&self) -> Arc<Mailbox> {
        let mailbox = Arc::new(Mailbox {
            mail: Mutex::new(Vec::new()),
            calls: AtomicBool::new(false),
            deadline: AtomicU64::new(Instant::MAX.micros()),
        });
        self.boxes.write().push(Arc::clone(&mailbox));
        mailbox
    }

    /// How many machines there are.
    pub(super) fn len(&self) -> usize {
        self.boxes.read().len()
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Posts to a machine; with a run, only to that run of it.
    pub(super) fn post(&self, to: MachineId, run: Option<u32>, mail: Mail) {
        let Some(mailbox) = self.boxes.read().get(to.0).cloned() else { return };
        mailbox.mail.lock().push((run, mail));
        self.call(&mailbox);
    }

    /// Posts to the other end of a connection.
    pub(super) fn post_to(&self, to: Address, mail: Mail) {
        self.post(to.machine, Some(to.run), mail);
    }

    /// Posts up to `room` visible bytes of `out`. Returns how many.
    pub(super) fn post_bytes(&self, to: Address, out: &mut OutBuf, room: usize) -> usize {
        if room == 0 || out.visible() == 0 {
            return 0;
        }
        let Some(mailbox) = self.boxes.read().get(to.machine.0).cloned() else { return 0 };
        let mut mail = mailbox.mail.lock();
        let taken = match mail.last_mut() {
            Some((Some(run), Mail::Bytes(conn, bytes))) if (*run, *conn) == (to.run, to.conn) => {
                take_visible(out, room, bytes)
            }
            Some(_) | None => {
                let mut bytes = Vec::with_capacity(room.min(out.visible()));
                let taken = take_visible(out, room, &mut bytes);
                mail.push((Some(to.run), Mail::Bytes(to.conn, bytes)));
                taken
            }
        };
        drop(mail);
        self.call(&mailbox);
        taken
    }

    /// Asks the driver to look at a machine.
    pub(super) fn call(&self, mailbox: &Mailbox) {
        if !mailbox.calls.swap(true, Ordering::SeqCst) {
            self.waker.wake_for(Instant::ZERO);
        }
    }
}

impl Mailbox {
    /// Takes all mail in the order it was posted.
    pub(super) fn take(&self, target: &mut Vec<(Option<u32>, Mail)>) {
        assert!(target.is_empty(), "mail is handled before more is taken");
        std::mem::swap(&mut *self.mail.lock(), target);
    }

    /// Whether the driver is asked to look; asking is over with it.
    pub(super) fn take_call(&self) -> bool {
        self.calls.load(Ordering::SeqCst) && self.calls.swap(false, Ordering::SeqCst)
    }

    pub(super) fn is_called(&self) -> bool {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant(self.deadline.load(Ordering::SeqCst))
    }

    pub(super) fn set_deadline(&self, deadline: Instant) {
        self.deadline.store(deadline.micros(), Ordering::SeqCst);
    }
}
