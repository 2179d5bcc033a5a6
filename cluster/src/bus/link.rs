//! The connections of the bus, as the bus sees them.
//!
//! A pair of nodes has two connections: each sends its own messages on the one it dialled and answers on the one it
//! accepted. Lives here: `Links`, their names and the pings under way on them. Start at `Link`.

use std::collections::VecDeque;
use std::net::IpAddr;

use slab::Slab;
use slotmesh_engine::time::{Instant, Now};

use super::codec::Framer;
use super::output::LinkId;
use crate::slots::NodeKey;

/// Most connections the bus accepts from nodes it does not know, at a time.
///
/// A joining node is unknown for a moment; more than these are strangers.
pub const STRANGER_LINKS_MAX: usize = 1024;

/// Most pings whose send times are told apart on one connection; later ones share the last time, which errs to the
/// safe side.
const PINGS_MAX: usize = 16;

/// Which side opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The peer did.
    Inbound,
    /// This node did.
    Outbound,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) side: Side,
    /// The node at the other end; for an inbound link only after its first message.
    pub(super) node: Option<NodeKey>,
    pub(super) connected: bool,
    pub(super) created: Now,
    pub(super) peer_ip: Option<IpAddr>,
    pub(super) local_ip: Option<IpAddr>,
    pub(super) framer: Framer,
    pings: VecDeque<(Instant, u32)>,
}

impl Link {
    pub(super) fn outbound(now: Now, node: NodeKey) -> Self {
        Self::new(now, Side::Outbound, Some(node))
    }

    pub(super) fn inbound(now: Now, peer_ip: IpAddr, local_ip: IpAddr) -> Self {
        let mut link = Self::new(now, Side::Inbound, None);
        link.connected = true;
        link.peer_ip = Some(peer_ip);
        link.local_ip = Some(local_ip);
        link
    }

    fn new(now: Now, side: Side, node: Option<NodeKey>) -> Self {
        Self {
            side,
            node,
            connected: false,
            created: now,
            peer_ip: None,
            local_ip: None,
            framer: Framer::new(),
            pings: VecDeque::new(),
        }
    }

    /// Notes that a PING or MEET leaves on this outbound link.
    pub(super) fn ping_leaves(&mut self, now: Instant) {
        if self.pings.len() < PINGS_MAX {
            self.pings.push_back((now, 1));
        } else if let Some((_, count)) = self.pings.back_mut() {
            *count = count.saturating_add(1);
        }
    }

    /// Notes that a PONG arrived and returns when the ping it answers had left.
    ///
    /// Answers come in the order of the pings. Should a peer leave one unanswered, later answers are matched with
    /// earlier pings: contact looks older than it is, never younger.
    pub(super) fn pong_arrives(&mut self) -> Option<Instant> {
        let (sent, count) = self.pings.front_mut()?;
        let sent = *sent;
        *count -= 1;
        if *count == 0 {
            self.pings.pop_front();
        }
        Some(sent)
    }
}

/// All connections by name.
#[derive(Debug, Default)]
pub(super) struct Links {
    slab: Slab<Link>,
    generations: Vec<u32>,
}

impl Links {
    pub(super) fn add(&mut self, link: Link) -> LinkId {
        let index = self.slab.insert(link);
        if index == self.generations.len() {
            self.generations.push(0);
        }
        LinkId { index: index as u32, generation: self.generations[index] }
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.is_current(id).then(|| self.slab.get(id.index as usize)).flatten()
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.is_current(id).then(|| self.slab.get_mut(id.index as usize)).flatten()
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        if !self.is_current(id) {
            return None;
        }
        let link = self.slab.try_remove(id.index as usize)?;
        let generation = &mut self.generations[id.index as usize];
        *generation = generation.wrapping_add(1);
        Some(link)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.slab
            .iter()
            .map(|(index, link)| (LinkId { index: index as u32, generation: self.generations[index] }, link))
    }

    /// Number of inbound links whose peer is not known.
    pub(super) fn strangers(&self) -> usize {
        self.slab.iter().filter(|(_, link)| link.side == Side::Inbound && link.node.is_none()).count()
    }

    fn is_current(&self, id: LinkId) -> bool {
        self.generations.get(id.index as usize) == Some(&id.generation)
    }
}

#[cfg(test)]
mod tests {
    use slotmesh_engine::time::{Instant, Now};

    use super::{Link, Links, PINGS_MAX};
    use crate::slots::NodeKey;

    #[test]
    fn answers_match_pings_in_order_and_never_later_ones() {
        let mut link = Link::outbound(Now::default(), NodeKey(0));
        let count = PINGS_MAX as u64 + 3;
        for at in 1..=count {
            link.ping_leaves(Instant(at));
        }

        let matched: Vec<u64> = std::iter::from_fn(|| link.pong_arrives()).map(Instant::micros).collect();

        assert_eq!(matched.len() as u64, count);
        assert!(matched.iter().zip(1..).all(|(&matched, sent)| matched <= sent));
        assert_eq!(matched[..3], [1, 2, 3]);
    }

    #[test]
    fn a_late_event_never_reaches_the_successor_of_a_link() {
        let mut links = Links::default();
        let first = links.add(Link::outbound(Now::default(), NodeKey(0)));
        links.remove(first);

        let second = links.add(Link::outbound(Now::default(), NodeKey(1)));

        assert_eq!(first.index, second.index);
        assert!(links.get(first).is_none());
        assert!(links.get(second).is_some());
    }
}
