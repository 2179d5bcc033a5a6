//! One MIGRATE on its way: what is sent, what has been answered, what its client will hear.
//!
//! Knows no connection and no keyspace: bytes to send come out, replies go in.

use bytes::Bytes;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::keyspace::DbIndex;
use slotmesh_engine::parcel::Parcel;
use slotmesh_engine::resp::reply::write_request;
use slotmesh_engine::resp::value::Reply;

use crate::machine::ConnId;

/// What MIGRATE asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) struct Order {
    pub(in crate::node) address: Address,
    /// The database at the target, as the client put it.
    pub(in crate::node) db: i64,
    /// How long the target may be silent.
    pub(in crate::node) timeout_ms: u64,
    /// The keys stay here, too.
    pub(in crate::node) copy: bool,
    /// Keys that the target has are replaced.
    pub(in crate::node) replace: bool,
    /// The words behind AUTH, if the target asks for a password.
    pub(in crate::node) login: Vec<Vec<u8>>,
}

/// Where keys go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) struct Address {
    pub(in crate::node) host: String,
    pub(in crate::node) port: u16,
}

/// Who waits, and whose keys they are.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct Sender {
    pub(in crate::node) client: ConnId,
    /// The database the keys are in.
    pub(in crate::node) db: DbIndex,
    /// Whether the node is one of a cluster.
    pub(in crate::node) is_clustered: bool,
}

/// A MIGRATE that waits for its target.
#[derive(Debug)]
pub(in crate::node) struct Errand {
    pub(in crate::node) order: Order,
    pub(in crate::node) sender: Sender,
    items: Vec<Item>,
    /// The requests for all keys.
    requests: Bytes,
    /// Replies expected ahead of those for keys.
    preface: Vec<Preface>,
    /// Replies that have come.
    heard: usize,
    /// The first error the target replied with.
    refusal: Option<String>,
    /// Login or database were refused: what the target says of the keys does not count.
    is_void: bool,
}

/// A key on its way.
#[derive(Debug)]
struct Item {
    key: Box<[u8]>,
    has_arrived: bool,
}

/// What is sent ahead of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preface {
    Auth,
    Select,
}

/// How a connection let an errand down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Failure {
    /// It did not come about.
    Connecting,
    /// What was to be said did not leave.
    Writing,
    /// The target did not answer, or nothing sensible.
    Reading,
}

impl Errand {
    /// An errand with these keys.
    pub(in crate::node) fn new(order: Order, sender: Sender, parcels: Vec<(Box<[u8]>, Parcel)>) -> Self {
        let verb: &[u8] = if sender.is_clustered { b"RESTORE-ASKING" } else { b"RESTORE" };
        let mut requests = Vec::new();
        for (key, parcel) in &parcels {
            let ttl_ms = parcel.ttl_ms.to_string();
            let mut words: Vec<&[u8]> = vec![verb, key, ttl_ms.as_bytes(), &parcel.payload];
            if order.replace {
                words.push(b"REPLACE");
            }
            write_request(&mut requests, words.into_iter());
        }
        Self {
            order,
            sender,
            items: parcels.into_iter().map(|(key, _)| Item { key, has_arrived: false }).collect(),
            requests: Bytes::from(requests),
            preface: Vec::new(),
            heard: 0,
            refusal: None,
            is_void: false,
        }
    }

    /// What to send on a connection that stands at this database, if that is known.
    pub(in crate::node) fn say(&mut self, stands_at: Option<i64>) -> (Vec<u8>, Bytes) {
        let mut ahead = Vec::new();
        self.preface.clear();
        if !self.order.login.is_empty() {
            let words: Vec<&[u8]> =
                std::iter::once(&b"AUTH"[..]).chain(self.order.login.iter().map(Vec::as_slice)).collect();
            write_request(&mut ahead, words.into_iter());
            self.preface.push(Preface::Auth);
        }
        if stands_at != Some(self.order.db) {
            write_request(&mut ahead, [&b"SELECT"[..], self.order.db.to_string().as_bytes()].into_iter());
            self.preface.push(Preface::Select);
        }
        (ahead, self.requests.clone())
    }

    /// Takes the target's next reply.
    ///
    /// # Errors
    /// When it is none that these requests have.
    pub(in crate::node) fn hear(&mut self, reply: &Reply) -> Result<(), Failure> {
        let is_refused = matches!(reply, Reply::Error(_));
        if let Reply::Error(error) = &reply {
            self.refusal.get_or_insert_with(|| error.line().to_owned());
        } else if !matches!(reply, Reply::Simple(_)) {
            return Err(Failure::Reading);
        }
        // Nothing is sent twice once something was answered.
        self.requests = Bytes::new();
        match self.heard.checked_sub(self.preface.len()) {
            None => self.is_void |= is_refused,
            Some(at) => {
                let item = self.items.get_mut(at).ok_or(Failure::Reading)?;
                item.has_arrived = !is_refused && !self.is_void;
            }
        }
        self.heard += 1;
        Ok(())
    }

    /// Whether the target has answered anything.
    pub(in crate::node) fn has_heard(&self) -> bool {
        self.heard > 0
    }

    /// Whether every reply has come.
    pub(in crate::node) fn is_complete(&self) -> bool {
        self.heard == self.preface.len() + self.items.len()
    }

    /// The database a connection stands at behind this errand, if that is sure.
    pub(in crate::node) fn leaves_at(&self) -> Option<i64> {
        self.refusal.is_none().then_some(self.order.db)
    }

    /// The keys on their way.
    pub(in crate::node) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().map(|item| &*item.key)
    }

    /// The keys to be removed here.
    pub(in crate::node) fn removed(&self) -> Vec<&[u8]> {
        let moved = self.items.iter().filter(|item| item.has_arrived && !self.order.copy);
        moved.map(|item| &*item.key).collect()
    }

    /// What the client hears.
    ///
    /// # Errors
    /// The target's refusal, or else how the connection failed.
    pub(in crate::node) fn outcome(&self, failure: Option<Failure>) -> Result<(), ReplyError> {
        if let Some(line) = &self.refusal {
            return Err(ReplyError::text(format!("ERR Target instance replied with error: {line}")));
        }
        let Some(failure) = failure else { return Ok(()) };
        Err(ReplyError::Fixed(match failure {
            Failure::Connecting => "IOERR error or timeout connecting to the client",
            Failure::Writing => "IOERR error or timeout writing to target instance",
            Failure::Reading => "IOERR error or timeout reading to target instance",
        }))
    }
}

#[cfg(test)]
mod tests {
    use slotmesh_engine::keyspace::DbIndex;
    use slotmesh_engine::parcel::Parcel;
    use slotmesh_engine::resp::value::{Reply, ServerError};

    use super::{Address, Errand, Failure, Order, Sender};
    use crate::machine::ConnId;

    fn errand(keys: &[&str], login: &[&str]) -> Errand {
        let order = Order {
            address: Address { host: "10.0.0.2".to_owned(), port: 6379 },
            db: 3,
            timeout_ms: 1000,
            copy: false,
            replace: true,
            login: login.iter().map(|word| word.as_bytes().to_vec()).collect(),
        };
        let sender = Sender { client: ConnId { index: 0, generation: 0 }, db: DbIndex(0), is_clustered: true };
        let parcel = Parcel { ttl_ms: 7, payload: b"x".to_vec() };
        Errand::new(order, sender, keys.iter().map(|key| (key.as_bytes().into(), parcel.clone())).collect())
    }

    fn hear(errand: &mut Errand, replies: &[&str]) {
        for reply in replies {
            let reply = match reply.strip_prefix('-') {
                Some(line) => Reply::Error(ServerError::new(line)),
                None => Reply::Simple((*reply).to_owned()),
            };
            errand.hear(&reply).unwrap();
        }
    }

    fn said(errand: &mut Errand, stands_at: Option<i64>) -> String {
        let (ahead, requests) = errand.say(stands_at);
        String::from_utf8([ahead, requests.to_vec()].concat()).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn login_and_database_come_first_where_they_are_needed() {
        let keys = "*5|$14|RESTORE-ASKING|$1|a|$1|7|$1|x|$7|REPLACE|";

        assert_eq!(said(&mut errand(&["a"], &[]), Some(3)), keys);
        assert_eq!(said(&mut errand(&["a"], &[]), Some(0)), format!("*2|$6|SELECT|$1|3|{keys}"));
        assert_eq!(
            said(&mut errand(&["a"], &["u", "p"]), None),
            format!("*3|$4|AUTH|$1|u|$1|p|*2|$6|SELECT|$1|3|{keys}")
        );
    }

    #[test]
    fn keys_are_removed_one_by_one_as_the_target_takes_them() {
        let mut errand = errand(&["a", "b", "c"], &[]);
        errand.say(Some(3));
        hear(&mut errand, &["OK", "-BUSYKEY Target key name already exists.", "OK"]);

        assert!(errand.is_complete());
        assert_eq!(errand.removed(), [b"a", b"c"]);
        assert_eq!(errand.leaves_at(), None);
        let error = errand.outcome(None).unwrap_err();
        assert_eq!(error.line(), b"ERR Target instance replied with error: BUSYKEY Target key name already exists.");
        assert_eq!(errand.hear(&Reply::Simple("OK".to_owned())), Err(Failure::Reading));
    }

    #[test]
    fn without_login_or_database_nothing_counts_as_arrived() {
        let mut errand = errand(&["a"], &["p"]);
        errand.say(None);
        hear(&mut errand, &["OK", "-ERR DB index is out of range", "OK"]);

        assert!(errand.is_complete());
        assert!(errand.removed().is_empty());
    }

    #[test]
    fn what_arrived_before_the_connection_broke_is_removed() {
        let mut errand = errand(&["a", "b"], &[]);
        errand.say(None);
        hear(&mut errand, &["OK", "OK"]);

        assert!(!errand.is_complete() && errand.has_heard());
        assert_eq!(errand.removed(), [b"a"]);
        let error = errand.outcome(Some(Failure::Reading)).unwrap_err();
        assert_eq!(error.line(), b"IOERR error or timeout reading to target instance");
    }

    #[test]
    fn a_reply_of_another_kind_is_none() {
        assert_eq!(errand(&["a"], &[]).hear(&Reply::Int(1)), Err(Failure::Reading));
    }
}
