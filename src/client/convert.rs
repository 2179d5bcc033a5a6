//! From replies to Rust types.
//!
//! A type takes the reply that means it in either protocol version: a map comes as a map or as a flat array, a double
//! as a double or as text. What does not fit is [`Error::Unexpected`] with the reply that came.
#![expect(clippy::wildcard_enum_match_arm, reason = "a type takes few kinds of replies and refuses all others alike")]

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use bytes::Bytes;

use super::error::{Error, ServerError};
use slotmesh_engine::resp::value::Reply;

/// A type that a reply can be turned into.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a reply",
    note = "use a number, `bool`, `String`, `Vec<u8>`, `Option`, `Vec`, a map, a tuple, `()` or `Reply`"
)]
pub trait FromReply: Sized {
    /// Turns a reply into the type.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the reply means something else, [`Error::Server`] when it is an error.
    fn from_reply(reply: Reply) -> Result<Self, Error>;

    /// Turns a string into the type, as [`FromReply::from_reply`] does with [`Reply::Bulk`]. Types that keep the bytes in
    /// another form have less to copy here.
    ///
    /// # Errors
    /// As [`FromReply::from_reply`].
    fn from_text(text: &[u8]) -> Result<Self, Error> {
        Self::from_reply(Reply::Bulk(text.to_vec()))
    }
}

impl FromReply for Reply {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        Ok(reply)
    }
}

/// Any reply but an error.
impl FromReply for () {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        if let Reply::Error(error) = reply { Err(error.into()) } else { Ok(()) }
    }
}

/// An error of the server as a value: for commands of a pipeline or transaction that may fail alone.
impl<T: FromReply> FromReply for Result<T, ServerError> {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        if let Reply::Error(error) = reply { Ok(Err(error)) } else { T::from_reply(reply).map(Ok) }
    }
}

/// Null is `None`.
impl<T: FromReply> FromReply for Option<T> {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        if reply == Reply::Null { Ok(None) } else { T::from_reply(reply).map(Some) }
    }

    #[inline]
    fn from_text(text: &[u8]) -> Result<Self, Error> {
        T::from_text(text).map(Some)
    }
}

/// 1 and `OK` are true; 0 and null (`SET ... NX` that did nothing) are false.
impl FromReply for bool {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Bool(value) => Ok(value),
            Reply::Int(0) | Reply::Null => Ok(false),
            Reply::Int(1) => Ok(true),
            Reply::Simple(text) if text == "OK" => Ok(true),
            other => unexpected("a boolean", other),
        }
    }
}

macro_rules! integers {
    ($($type:ty, $name:literal;)*) => {
        $(impl FromReply for $type {
            fn from_reply(reply: Reply) -> Result<Self, Error> {
                let value = match &reply {
                    Reply::Int(value) => Self::try_from(*value).ok(),
                    other => other.as_bytes().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()),
                };
                value.map_or_else(|| unexpected($name, reply), Ok)
            }
        })*
    };
}

integers! {
    i64, "an integer";
    i32, "an integer of 32 bits";
    u64, "an integer that is not negative";
    u32, "an integer of 32 bits that is not negative";
    u16, "an integer of 16 bits that is not negative";
    usize, "an integer that is not negative";
}

impl FromReply for f64 {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        let value = match &reply {
            Reply::Double(value) => Some(*value),
            #[expect(clippy::cast_precision_loss, reason = "who asks for a double takes its precision")]
            Reply::Int(value) => Some(*value as Self),
            other => other.as_bytes().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()),
        };
        value.map_or_else(|| unexpected("a double", reply), Ok)
    }
}

impl FromReply for Vec<u8> {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Bulk(bytes) | Reply::Verbatim { text: bytes, .. } => Ok(bytes),
            Reply::Simple(text) | Reply::BigNumber(text) => Ok(text.into_bytes()),
            Reply::Int(value) => Ok(value.to_string().into_bytes()),
            Reply::Double(value) => Ok(value.to_string().into_bytes()),
            other => unexpected("a string", other),
        }
    }

    #[inline]
    fn from_text(text: &[u8]) -> Result<Self, Error> {
        Ok(text.to_vec())
    }
}

impl FromReply for Bytes {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        Vec::from_reply(reply).map(Self::from)
    }
}

impl FromReply for String {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        let bytes = Vec::from_reply(reply)?;
        Self::from_utf8(bytes).or_else(|error| unexpected("text in UTF-8", Reply::Bulk(error.into_bytes())))
    }
}

impl<T: FromReply> FromReply for Vec<T> {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Array(elements) | Reply::Push(elements) | Reply::Set(elements) => {
                elements.into_iter().map(T::from_reply).collect()
            }
            Reply::Map(pairs) => {
                pairs.into_iter().map(|(key, value)| T::from_reply(Reply::Array(vec![key, value]))).collect()
            }
            other => unexpected("an array", other),
        }
    }
}

impl<K: FromReply + Ord, V: FromReply> FromReply for BTreeMap<K, V> {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        pairs(reply)?.into_iter().map(|(key, value)| Ok((K::from_reply(key)?, V::from_reply(value)?))).collect()
    }
}

impl<K: FromReply + Eq + Hash, V: FromReply, S: BuildHasher + Default> FromReply for HashMap<K, V, S> {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        pairs(reply)?.into_iter().map(|(key, value)| Ok((K::from_reply(key)?, V::from_reply(value)?))).collect()
    }
}

/// The pairs of a map, of a flat array, or of an array of arrays of two.
fn pairs(reply: Reply) -> Result<Vec<(Reply, Reply)>, Error> {
    let elements = match reply {
        Reply::Map(pairs) => return Ok(pairs),
        Reply::Array(elements) => elements,
        other => return unexpected("a map", other),
    };
    let is_nested = |element: &Reply| matches!(element, Reply::Array(pair) if pair.len() == 2);
    if elements.iter().all(is_nested) {
        let pair = |element: Reply| {
            let mut pair = element.into_elements()?.into_iter();
            Some((pair.next()?, pair.next()?))
        };
        return Ok(elements.into_iter().filter_map(pair).collect());
    }
    if elements.len() % 2 != 0 {
        return unexpected("a map", Reply::Array(elements));
    }
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
        pairs.push((key, value));
    }
    Ok(pairs)
}

macro_rules! tuples {
    ($($count:literal $name:literal ($($type:ident)*);)*) => {
        $(
            /// An array of exactly as many elements.
            impl<$($type: FromReply),*> FromReply for ($($type,)*) {
                fn from_reply(reply: Reply) -> Result<Self, Error> {
                    let elements = match reply {
                        Reply::Array(elements) if elements.len() == $count => elements,
                        other => return unexpected($name, other),
                    };
                    let mut elements = elements.into_iter();
                    Ok(($($type::from_reply(elements.next().unwrap_or(Reply::Null))?,)*))
                }
            }
        )*
    };
}

tuples! {
    1 "an array of 1" (A);
    2 "an array of 2" (A B);
    3 "an array of 3" (A B C);
    4 "an array of 4" (A B C D);
    5 "an array of 5" (A B C D E);
    6 "an array of 6" (A B C D E F);
    7 "an array of 7" (A B C D E F G);
    8 "an array of 8" (A B C D E F G H);
}

fn unexpected<T>(expected: &'static str, found: Reply) -> Result<T, Error> {
    match found {
        Reply::Error(error) => Err(error.into()),
        found => Err(Error::Unexpected { expected, found: Box::new(found) }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::FromReply;
    use crate::client::{Error, Reply, ServerError};

    fn to<T: FromReply>(reply: Reply) -> Result<T, Error> {
        T::from_reply(reply)
    }

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn scalars_come_from_either_protocol() {
        assert_eq!(to::<i64>(Reply::Int(-1)), Ok(-1));
        assert_eq!(to::<u64>(bulk("7")), Ok(7));
        assert_eq!(to::<f64>(bulk("1.5")), Ok(1.5));
        assert_eq!(to::<f64>(Reply::Double(1.5)), Ok(1.5));
        assert_eq!(to::<bool>(Reply::Simple("OK".into())), Ok(true));
        assert_eq!(to::<bool>(Reply::Null), Ok(false));
        assert_eq!(to::<String>(Reply::Int(5)), Ok("5".to_owned()));
        assert_eq!(to::<Option<String>>(Reply::Null), Ok(None));
        assert_eq!(to::<Option<String>>(bulk("x")), Ok(Some("x".to_owned())));
    }

    #[test]
    fn aggregates_come_from_either_protocol() {
        let flat = Reply::Array(vec![bulk("a"), Reply::Int(1), bulk("b"), Reply::Int(2)]);
        let map = Reply::Map(vec![(bulk("a"), Reply::Int(1)), (bulk("b"), Reply::Int(2))]);
        let expected = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);

        assert_eq!(to::<BTreeMap<String, i64>>(flat.clone()), Ok(expected.clone()));
        assert_eq!(to::<BTreeMap<String, i64>>(map.clone()), Ok(expected));
        assert_eq!(to::<HashMap<String, i64>>(flat.clone()).unwrap().len(), 2);
        assert_eq!(to::<Vec<(String, i64)>>(map), Ok(vec![("a".to_owned(), 1), ("b".to_owned(), 2)]));
        assert_eq!(to::<(String, i64, String, i64)>(flat), Ok(("a".to_owned(), 1, "b".to_owned(), 2)));
    }

    #[test]
    fn what_does_not_fit_says_what_came() {
        let error = to::<i64>(bulk("x")).unwrap_err();
        assert_eq!(error, Error::Unexpected { expected: "an integer", found: Box::new(bulk("x")) });
        assert_eq!(error.to_string(), "expected an integer, got Bulk([120])");

        assert!(to::<u32>(Reply::Int(-1)).is_err());
        assert!(to::<(i64, i64)>(Reply::Array(vec![Reply::Int(1)])).is_err());
        assert!(to::<BTreeMap<String, i64>>(Reply::Array(vec![bulk("a")])).is_err());
    }

    #[test]
    fn an_error_inside_an_array_can_be_a_value() {
        let failed = || Reply::Error(ServerError::new("WRONGTYPE no"));
        let array = || Reply::Array(vec![Reply::Int(1), failed()]);

        let (one, other): (i64, Result<i64, ServerError>) = to(array()).unwrap();

        assert_eq!((one, other.unwrap_err().code()), (1, "WRONGTYPE"));
        assert_eq!(to::<Vec<i64>>(array()).unwrap_err().code(), "WRONGTYPE");
    }
}
