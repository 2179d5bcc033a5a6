//! How two answers are compared: under the rules that [`differences`](crate::differences) gives.

use slotmesh_test_support::Reply;

use crate::differences::{OTHER_FORMS, Rule};

/// Whether two answers agree under a rule.
pub(crate) fn agree(rule: Rule, ours: &Reply, theirs: &Reply) -> bool {
    if ours == theirs {
        return true;
    }
    match (rule, ours, theirs) {
        (Rule::Within(distance), Reply::Integer(ours), Reply::Integer(theirs)) => {
            // The codes for "no key" and "no time to live" are no times.
            *ours >= 0 && *theirs >= 0 && ours.abs_diff(*theirs) <= distance.unsigned_abs()
        }
        (Rule::Within(_), Reply::Array(ours), Reply::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agree(rule, ours, theirs))
        }
        (Rule::Other, ..) => true,
        (Rule::OtherErrors, ours, _) => ours.is_error(),
        (Rule::Free, ours, theirs) => ours.is_error() == theirs.is_error(),
        (Rule::Shape, ours, theirs) => has_shape_of(ours, theirs),
        (Rule::Geo, ours, theirs) if ours.is_error() && theirs.is_error() => true,
        (Rule::Form, Reply::Bulk(ours), Reply::Bulk(theirs)) => {
            OTHER_FORMS.contains(&(ours.as_slice(), theirs.as_slice()))
        }
        (Rule::StreamTimes, ours, theirs) => timeless(ours) == timeless(theirs),
        (Rule::AnyOrder, ours, theirs) => in_order(ours, &as_written) == in_order(theirs, &as_written),
        (Rule::AnyOrderNumbers | Rule::Geo, ours, theirs) => in_order(ours, &as_number) == in_order(theirs, &as_number),
        (Rule::Numbers, ours, theirs) => as_number(ours) == as_number(theirs),
        (Rule::OlderPayload, Reply::Bulk(ours), Reply::Bulk(_)) if is_sorted_set(ours) => true,
        (Rule::OlderPayload | Rule::Payload, Reply::Bulk(ours), Reply::Bulk(theirs)) => {
            same_payload(unsealed(ours), unsealed(theirs))
        }
        _ => false,
    }
}

/// Whether two replies are of one kind with as many elements, each of which is like its neighbour's.
fn has_shape_of(ours: &Reply, theirs: &Reply) -> bool {
    match (ours.elements(), theirs.elements()) {
        (Some(own), Some(their)) => {
            own.len() == their.len() && own.iter().zip(their).all(|(own, their)| has_shape_of(own, their))
        }
        (None, None) if ours.is_error() => ours == theirs,
        (None, None) => std::mem::discriminant(ours) == std::mem::discriminant(theirs),
        _ => false,
    }
}

/// A reply with its elements in one order, those of inner arrays too (a SCAN is a cursor and an array), each as `shape`
/// writes it.
fn in_order(reply: &Reply, shape: &dyn Fn(&Reply) -> String) -> String {
    let mut texts: Vec<String> = if let Reply::Map(pairs) = reply {
        pairs.iter().map(|(name, value)| format!("{} => {}", shape(name), shape(value))).collect()
    } else if let Some(elements) = reply.elements() {
        elements.iter().map(|element| in_order(element, shape)).collect()
    } else {
        return shape(reply);
    };
    texts.sort();
    format!("{} {texts:?}", if matches!(reply, Reply::Set(_)) { "set" } else { "array" })
}

fn as_written(reply: &Reply) -> String {
    format!("{reply:?}")
}

/// A reply in which strings that are doubles stand for their number.
fn as_number(reply: &Reply) -> String {
    if let Some(elements) = reply.elements() {
        return format!("{:?}", elements.iter().map(as_number).collect::<Vec<_>>());
    }
    let is_number = matches!(reply, Reply::Bulk(_) | Reply::Double(_));
    let text = reply.text().filter(|_| is_number).and_then(|text| std::str::from_utf8(text).ok());
    match text.and_then(|text| text.parse::<f64>().ok()) {
        // Redis 7.0 keeps the sign of zero where Valkey does not, and the other way round.
        Some(number) => format!("{:?} {}", number + 0.0, matches!(reply, Reply::Double(_))),
        None => as_written(reply),
    }
}

/// A reply without points in time.
fn timeless(reply: &Reply) -> String {
    if let Reply::Map(pairs) = reply {
        return format!(
            "{:?}",
            pairs.iter().map(|(name, value)| (timeless(name), timeless(value))).collect::<Vec<_>>()
        );
    }
    match (reply, reply.elements()) {
        (Reply::Integer(LONG_PAST_MILLIS..), _) => as_written(&Reply::Integer(0)),
        (_, Some(elements)) => format!("{:?}", elements.iter().map(timeless).collect::<Vec<_>>()),
        (reply, None) => as_written(reply),
    }
}

/// Payloads without their seals. Newer servers write streams as another type than the one Redis 7.0 reads.
fn same_payload(ours: &[u8], theirs: &[u8]) -> bool {
    ours == theirs || ours.first() != theirs.first() || is_unordered(ours)
}

/// A payload without version and checksum: newer servers have other versions.
fn unsealed(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().saturating_sub(10)]
}

/// Whether a payload is a row of fields or members, which has no order.
fn is_unordered(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(2 | 4 | 22))
}

/// Whether a payload is a sorted set: packed, which holds its scores as they are written, or not.
fn is_sorted_set(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(5 | 17))
}

/// A point that is no count: in the year 2001.
const LONG_PAST_MILLIS: i64 = 1_000_000_000_000;
