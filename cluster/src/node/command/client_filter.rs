//! Which clients CLIENT LIST shows and CLIENT KILL closes: properties that must all hold, as in Valkey 9.
//!
//! A property that is named twice counts as it was named last. Start at [`Filter::parse`].

use slotmesh_engine::error::ReplyError;
use slotmesh_engine::number::parse_i64;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::session::SessionState;

use super::client::{client_kind, yes_or_no};
use super::{Call, Node};
use crate::machine::ConnId;
use crate::node::client_info::ClientKind;

/// What a client must be like.
#[derive(Debug, Default)]
pub(super) struct Filter<'a> {
    conditions: Vec<Condition<'a>>,
    /// `SKIPME`, where it was said.
    pub(super) skips_me: Option<bool>,
}

#[derive(Debug)]
struct Condition<'a> {
    /// `NOT-`: the property must not hold.
    is_negated: bool,
    property: Property<'a>,
}

#[derive(Debug)]
enum Property<'a> {
    /// The text of a property that is compared as a whole.
    Text(Text, &'a [u8]),
    /// Letters of capabilities.
    Capa(&'a [u8]),
    Db(u32),
    /// Letters, all of which CLIENT LIST shows.
    Flags(&'a [u8]),
    Ids(Vec<u64>),
    /// Seconds at the least.
    Idle(u64),
    Kind(ClientKind),
    /// Seconds at the least.
    MaxAge(u64),
}

/// Properties that are texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Addr,
    Ip,
    Laddr,
    LibName,
    LibVer,
    Name,
    User,
}

impl<'a> Filter<'a> {
    /// The clients of one address, in the older form of CLIENT KILL.
    pub(super) fn of_address(address: &'a [u8]) -> Self {
        let property = Property::Text(Text::Addr, address);
        Self { conditions: vec![Condition { is_negated: false, property }], skips_me: None }
    }

    /// The words of a command from the third on.
    ///
    /// # Errors
    /// When a property is unknown, or its value is none that it can have.
    pub(super) fn parse(args: Args<'a>, databases: u32) -> Result<Self, ReplyError> {
        let (mut filter, mut at) = (Self::default(), 2);
        while at < args.len() {
            let value = args.get(at + 1).ok_or(ReplyError::Syntax)?;
            if args.is(at, "SKIPME") {
                filter.skips_me = Some(yes_or_no(args, at + 1)?);
                at += 2;
                continue;
            }
            let name = args.at(at);
            let is_negated = name.len() > NOT.len() && name[..NOT.len()].eq_ignore_ascii_case(NOT);
            let name = if is_negated { &name[NOT.len()..] } else { name };
            if name.eq_ignore_ascii_case(b"ID") {
                let ids = ids(args, at + 1)?;
                at += 1 + ids.len();
                filter.put(is_negated, Property::Ids(ids));
                continue;
            }
            filter.put(is_negated, property(name, value, is_negated, databases)?);
            at += 2;
        }
        Ok(filter)
    }

    fn put(&mut self, is_negated: bool, property: Property<'a>) {
        self.conditions.retain(|other| other.is_negated != is_negated || !other.property.is_like(&property));
        self.conditions.push(Condition { is_negated, property });
    }
}

impl Property<'_> {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(own, _), Self::Text(other, _)) => own == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

fn property<'a>(name: &[u8], value: &'a [u8], is_negated: bool, databases: u32) -> Result<Property<'a>, ReplyError> {
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    let texts = [
        ("ADDR", Text::Addr),
        ("IP", Text::Ip),
        ("LADDR", Text::Laddr),
        ("LIB-NAME", Text::LibName),
        ("LIB-VER", Text::LibVer),
        ("NAME", Text::Name),
        ("USER", Text::User),
    ];
    if let Some((_, text)) = texts.into_iter().find(|(word, _)| is(word)) {
        if text == Text::User && value != b"default" {
            return Err(ReplyError::naming("ERR No such user '", value, "'"));
        }
        return Ok(Property::Text(text, value));
    }
    let known = |what: &str, known: &[u8]| {
        let filter =
            if is_negated { format!("the NOT-{} filter", what.to_uppercase()) } else { "the provided filter".into() };
        match value.iter().all(|letter| known.contains(letter)) {
            true => Ok(value),
            false => Err(ReplyError::naming(&format!("ERR Unknown {what} found in {filter}: "), value, "")),
        }
    };
    match () {
        () if is("TYPE") => client_kind(value).map(Property::Kind),
        () if is("FLAGS") => known("flags", FLAGS).map(Property::Flags),
        () if is("CAPA") => known("capa", b"r").map(Property::Capa),
        () if is("DB") => database(value, databases).map(Property::Db),
        () if is("MAXAGE") && !is_negated => seconds(value, "maxage").map(Property::MaxAge),
        () if is("IDLE") && !is_negated => seconds(value, "idle").map(Property::Idle),
        () => Err(ReplyError::Syntax),
    }
}

/// The numbers from a word on, up to the next that is none.
fn ids(args: Args<'_>, first: usize) -> Result<Vec<u64>, ReplyError> {
    let numbers: Vec<i64> = args.from(first).iter().map_while(parse_i64).collect();
    if numbers.is_empty() {
        return Err(ReplyError::Syntax);
    }
    let positive = |id| u64::try_from(id).ok().filter(|&id| id > 0).ok_or(ID_TOO_SMALL);
    numbers.into_iter().map(positive).collect()
}

fn database(value: &[u8], databases: u32) -> Result<u32, ReplyError> {
    let number = parse_i64(value).ok_or(ReplyError::Fixed("ERR DB is not an integer or out of range"))?;
    u32::try_from(number)
        .ok()
        .filter(|&number| number < databases)
        .ok_or_else(|| ReplyError::text(format!("ERR DB number should be between 0 and {}", databases - 1)))
}

fn seconds(value: &[u8], what: &str) -> Result<u64, ReplyError> {
    let number = parse_i64(value);
    let number = number.ok_or_else(|| ReplyError::text(format!("ERR {what} is not an integer or out of range")))?;
    let positive = u64::try_from(number).ok().filter(|&number| number > 0);
    positive.ok_or_else(|| ReplyError::text(format!("ERR {what} should be greater than 0")))
}

impl Node {
    /// Whether a client is what a filter asks for; `SKIPME` is the caller's business.
    pub(super) fn matches(&self, call: &Call<'_>, conn: ConnId, filter: &Filter<'_>) -> bool {
        filter.conditions.iter().all(|condition| self.has(call, conn, &condition.property) != condition.is_negated)
    }

    fn has(&self, call: &Call<'_>, conn: ConnId, property: &Property<'_>) -> bool {
        let Some(session) = self.client_session(conn) else { return false };
        let state = self.engine.session(session);
        match property {
            Property::Text(text, wanted) => self.has_text(conn, state, *text, wanted),
            Property::Capa(wanted) => wanted.is_empty() || state.follows_redirects,
            Property::Db(db) => state.db.0 == *db,
            Property::Flags(wanted) => {
                let flags = self.client_flags(conn);
                wanted.iter().all(|letter| flags.as_bytes().contains(letter))
            }
            Property::Ids(ids) => ids.contains(&session.client_id()),
            Property::Idle(seconds) => self.client_idle_secs(call.now, conn) >= *seconds,
            Property::Kind(kind) => self.client_kind(conn) == Some(*kind),
            Property::MaxAge(seconds) => {
                let opened = self.client_opened(conn);
                opened.is_some_and(|opened| call.now.instant.millis_since(opened) / 1000 >= *seconds)
            }
        }
    }

    fn has_text(&self, conn: ConnId, session: &SessionState, text: Text, wanted: &[u8]) -> bool {
        // What was never said equals nothing, not even the empty text.
        let equals = |text: &[u8]| !text.is_empty() && text == wanted;
        let (addr, laddr) = self.client_addresses(conn);
        match text {
            Text::Addr => equals(addr.as_bytes()),
            Text::Ip => equals(addr.rsplit_once(':').map_or("", |(ip, _)| ip).trim_matches(['[', ']']).as_bytes()),
            Text::Laddr => equals(laddr.as_bytes()),
            Text::LibName => equals(&session.lib_name),
            Text::LibVer => equals(&session.lib_version),
            Text::Name => equals(&session.name),
            // The primary's stream has no user.
            Text::User => wanted == b"default" && self.conns.client(conn).is_some(),
        }
    }
}

/// What turns a property round.
const NOT: &[u8] = b"NOT-";

/// Letters that CLIENT LIST has for what a client is and waits for.
const FLAGS: &[u8] = b"ABEIMNOPRSTUbcdeirtux";

/// No client has such an id.
const ID_TOO_SMALL: ReplyError = ReplyError::Fixed("ERR client-id should be greater than 0");
