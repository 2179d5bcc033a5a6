//! Whether a reply is what was expected, under either protocol version.

use super::expect::{Elements, Expectation, Pairs, Text};
use super::{Bindings, Protocol};
use crate::reply::Reply;

/// Whether `reply` is what `expectation` asks for; captures values into `bindings` on the way.
///
/// Expectations are in the terms of RESP3. Under RESP2 a map is a flat array, a set or push an array, a double or
/// verbatim text a bulk string, a boolean an integer.
pub fn compare(expectation: &Expectation, reply: &Reply, protocol: Protocol, bindings: &mut Bindings) -> bool {
    let is_resp2 = protocol == Protocol::Resp2;
    if is_foreign(reply, protocol) {
        return false;
    }
    match (expectation, reply) {
        (Expectation::Any, reply) => !reply.is_error(),
        (Expectation::Unknown, _) => false,
        (Expectation::Array(elements), Reply::Array(replies)) => ordered(elements, replies, protocol, bindings),
        (Expectation::Unordered(elements), Reply::Array(replies)) => any_order(elements, replies, protocol, bindings),
        (Expectation::Set(elements), Reply::Set(replies)) => any_order(elements, replies, protocol, bindings),
        (Expectation::Set(elements), Reply::Array(replies)) if is_resp2 => {
            any_order(elements, replies, protocol, bindings)
        }
        (Expectation::Push(elements), Reply::Push(replies)) => ordered(elements, replies, protocol, bindings),
        (Expectation::Push(elements), Reply::Array(replies)) if is_resp2 => {
            ordered(elements, replies, protocol, bindings)
        }
        (Expectation::Map(pairs), Reply::Map(replies)) => any_order_pairs(pairs, replies, protocol, bindings),
        (Expectation::Map(pairs), Reply::Array(replies)) if is_resp2 && replies.len().is_multiple_of(2) => {
            let replies: Vec<_> = replies.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            any_order_pairs(pairs, &replies, protocol, bindings)
        }
        (Expectation::Pairs(pairs), Reply::Array(replies)) => {
            let words = if is_resp2 { Some(replies.clone()) } else { flat(replies) };
            words.is_some_and(|words| ordered(&pairs.flat(), &words, protocol, bindings))
        }
        (Expectation::Attribute(pairs, inner), Reply::Attribute(replies, reply)) => {
            any_order_pairs(pairs, replies, protocol, bindings) && compare(inner, reply, protocol, bindings)
        }
        (Expectation::Variable(name), reply) => captured(name, reply, bindings),
        _ => scalar(expectation, reply, is_resp2),
    }
}

/// The elements of pairs, one after the other; nothing when one is no pair.
fn flat(pairs: &[Reply]) -> Option<Vec<Reply>> {
    let mut words = Vec::new();
    for pair in pairs {
        let Reply::Array(pair) = pair else { return None };
        let [name, value] = &pair[..] else { return None };
        words.extend([name.clone(), value.clone()]);
    }
    Some(words)
}

/// Whether the reply's type does not exist in this version of the protocol.
const fn is_foreign(reply: &Reply, protocol: Protocol) -> bool {
    match reply {
        Reply::Attribute(..)
        | Reply::BigNumber(_)
        | Reply::Boolean(_)
        | Reply::BulkError(_)
        | Reply::Double(_)
        | Reply::Map(_)
        | Reply::Null
        | Reply::Push(_)
        | Reply::Set(_)
        | Reply::Verbatim(..) => matches!(protocol, Protocol::Resp2),
        Reply::NullArray | Reply::NullBulk => matches!(protocol, Protocol::Resp3),
        Reply::Array(_) | Reply::Bulk(_) | Reply::Error(_) | Reply::Integer(_) | Reply::Simple(_) => false,
    }
}

fn scalar(expectation: &Expectation, reply: &Reply, is_resp2: bool) -> bool {
    match (expectation, reply) {
        (Expectation::BigNumber(number), Reply::BigNumber(got)) => number == got,
        (Expectation::BigNumber(number), Reply::Bulk(got)) => is_resp2 && number == got,
        (Expectation::Boolean(expected), Reply::Boolean(got)) => expected == got,
        (Expectation::Boolean(expected), Reply::Integer(got)) => is_resp2 && i64::from(*expected) == *got,
        (Expectation::Bulk(expected), Reply::Bulk(got)) => expected == got,
        (Expectation::Double(text), Reply::Double(got)) => text.matches(got),
        (Expectation::Double(text), Reply::Bulk(got)) => is_resp2 && text.matches(got),
        (Expectation::Error(text), Reply::Error(got) | Reply::BulkError(got)) => text.matches(got),
        (Expectation::Integer { min, max }, Reply::Integer(got)) => (min..=max).contains(&got),
        (Expectation::Length { min, max }, Reply::Bulk(got)) => (*min..=*max).contains(&got.len()),
        (Expectation::Null, Reply::NullBulk | Reply::Null)
        | (Expectation::NullArray, Reply::NullArray | Reply::Null) => true,
        (Expectation::Pattern(pattern), Reply::Bulk(got) | Reply::Simple(got)) => pattern.matches(got),
        (Expectation::Simple(text), Reply::Simple(got)) => text.matches(got),
        (Expectation::Verbatim(format, text), Reply::Verbatim(got_format, got)) => {
            format == got_format && text.matches(got)
        }
        (Expectation::Verbatim(_, text), Reply::Bulk(got)) => is_resp2 && text.matches(got),
        _ => false,
    }
}

/// Captures a string or integer, or compares it with what was captured before.
fn captured(name: &str, reply: &Reply, bindings: &mut Bindings) -> bool {
    let value = match (reply, reply.integer()) {
        (_, Some(number)) => number.to_string().into_bytes(),
        (Reply::Bulk(text) | Reply::Simple(text) | Reply::Verbatim(_, text), None) => text.clone(),
        _ => return false,
    };
    match bindings.get(name) {
        Some(before) => *before == value,
        None => {
            bindings.insert(name.to_owned(), value);
            true
        }
    }
}

fn ordered(elements: &Elements, replies: &[Reply], protocol: Protocol, bindings: &mut Bindings) -> bool {
    is_length_right(elements.items.len(), elements.is_open, replies.len())
        && elements.items.iter().zip(replies).all(|(item, reply)| compare(item, reply, protocol, bindings))
}

/// Each expectation takes the first reply left that fits; exact ones choose before patterns do.
fn any_order(elements: &Elements, replies: &[Reply], protocol: Protocol, bindings: &mut Bindings) -> bool {
    let mut items: Vec<_> = elements.items.iter().collect();
    items.sort_by_key(|item| is_loose(item));
    let mut left: Vec<_> = replies.iter().collect();
    let all_found = items.into_iter().all(|item| {
        let found = left.iter().position(|reply| compare(item, reply, protocol, bindings));
        found.map(|at| left.swap_remove(at)).is_some()
    });
    all_found && is_length_right(elements.items.len(), elements.is_open, replies.len())
}

fn any_order_pairs(pairs: &Pairs, replies: &[(Reply, Reply)], protocol: Protocol, bindings: &mut Bindings) -> bool {
    let mut items: Vec<_> = pairs.items.iter().collect();
    items.sort_by_key(|(name, _)| is_loose(name));
    let mut left: Vec<_> = replies.iter().collect();
    let all_found = items.into_iter().all(|(name, value)| {
        let found = left.iter().position(|(got_name, got_value)| {
            compare(name, got_name, protocol, bindings) && compare(value, got_value, protocol, bindings)
        });
        found.map(|at| left.swap_remove(at)).is_some()
    });
    all_found && is_length_right(pairs.items.len(), pairs.is_open, replies.len())
}

/// Whether several different replies could fit.
const fn is_loose(expectation: &Expectation) -> bool {
    matches!(
        expectation,
        Expectation::Any
            | Expectation::Pattern(_)
            | Expectation::Variable(_)
            | Expectation::Simple(Text::Pattern(_))
            | Expectation::Error(Text::Pattern(_))
            | Expectation::Integer { .. }
            | Expectation::Length { .. }
    )
}

const fn is_length_right(expected: usize, is_open: bool, got: usize) -> bool {
    got == expected || (is_open && got > expected)
}

#[cfg(test)]
mod tests {
    use super::{Bindings, Expectation, Protocol, Reply, compare};
    use crate::reply::parse;

    fn holds(expectation: &str, reply: &[u8], protocol: Protocol) -> bool {
        let reply = parse(reply).unwrap().unwrap().0;
        compare(&Expectation::parse(expectation).unwrap(), &reply, protocol, &mut Bindings::new())
    }

    #[test]
    fn each_type_has_its_form_under_both_protocols() {
        let rows: [(&str, &[u8], &[u8]); 9] = [
            ("_nil", b"$-1\r\n", b"_\r\n"),
            ("_nilarray", b"*-1\r\n", b"_\r\n"),
            ("#t", b":1\r\n", b"#t\r\n"),
            (",1.5", b"$3\r\n1.5\r\n", b",1.5\r\n"),
            (
                "%[\"a\" => ,1 \"b\" => ,2]",
                b"*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n",
                b"*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2\r\n",
            ),
            (
                "%{\"a\" => :1 \"b\" => :2}",
                b"*4\r\n$1\r\nb\r\n:2\r\n$1\r\na\r\n:1\r\n",
                b"%2\r\n$1\r\nb\r\n:2\r\n$1\r\na\r\n:1\r\n",
            ),
            ("~{:1 :2}", b"*2\r\n:2\r\n:1\r\n", b"~2\r\n:2\r\n:1\r\n"),
            (">[:1 :2]", b"*2\r\n:1\r\n:2\r\n", b">2\r\n:1\r\n:2\r\n"),
            ("=txt \"a\"", b"$1\r\na\r\n", b"=5\r\ntxt:a\r\n"),
        ];

        for (expectation, resp2, resp3) in rows {
            assert!(holds(expectation, resp2, Protocol::Resp2), "{expectation} under RESP2");
            assert!(holds(expectation, resp3, Protocol::Resp3), "{expectation} under RESP3");
            assert!(!holds(expectation, resp2, Protocol::Resp3), "{expectation}: RESP2 bytes under RESP3");
            assert!(!holds(expectation, resp3, Protocol::Resp2), "{expectation}: RESP3 bytes under RESP2");
        }
    }

    #[test]
    fn order_matters_only_where_it_is_said_to() {
        assert!(!holds("[:1 :2]", b"*2\r\n:2\r\n:1\r\n", Protocol::Resp2));
        assert!(holds("~[:1 :2]", b"*2\r\n:2\r\n:1\r\n", Protocol::Resp2));
        assert!(!holds("~[:1 :1]", b"*2\r\n:2\r\n:1\r\n", Protocol::Resp2));
        assert!(!holds("[:1]", b"*2\r\n:1\r\n:1\r\n", Protocol::Resp2));
        assert!(holds("[:1 ...]", b"*2\r\n:1\r\n:1\r\n", Protocol::Resp2));
    }

    #[test]
    fn an_error_is_never_any_reply() {
        assert!(!holds("(any)", b"-ERR\r\n", Protocol::Resp2));
        assert!(!holds("/ERR/", b"-ERR\r\n", Protocol::Resp2));
    }

    #[test]
    fn a_captured_value_must_come_again() {
        let mut bindings = Bindings::new();
        let name = Expectation::Variable("id".to_owned());

        assert!(compare(&name, &Reply::Integer(7), Protocol::Resp2, &mut bindings));
        assert!(compare(&name, &Reply::Bulk(b"7".to_vec()), Protocol::Resp2, &mut bindings));
        assert!(!compare(&name, &Reply::Integer(8), Protocol::Resp2, &mut bindings));
    }
}
