//! A reply in the words of the script format: for failure messages and for the recorder.

use crate::client::Received;
use crate::reply::Reply;

/// The reply as an expectation that it would fulfil; over several lines when it is long.
pub fn show(reply: &Reply) -> String {
    let mut text = String::new();
    write(reply, &mut text, Place::Alone);
    if text.len() > LINE_WIDTH {
        text.clear();
        write_indented(reply, &mut text, 1);
    }
    text
}

/// As [`show`], for whatever a client received.
pub fn show_received(received: &Received) -> String {
    match received {
        Received::Closed => "(closed)".to_owned(),
        Received::Nothing => "(nothing)".to_owned(),
        Received::Reply(reply) => show(reply),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Alone,
    Inside,
}

fn write(reply: &Reply, out: &mut String, place: Place) {
    match reply {
        Reply::Simple(text) => line(text, '+', out, place),
        Reply::Error(text) | Reply::BulkError(text) => line(text, '-', out, place),
        Reply::Integer(number) => out.push_str(&format!(":{number}")),
        Reply::Bulk(text) => quote(text, out),
        Reply::Double(text) => out.push_str(&format!(",{}", text.escape_ascii())),
        Reply::BigNumber(text) => out.push_str(&format!("({}", text.escape_ascii())),
        Reply::Boolean(is_true) => out.push_str(if *is_true { "#t" } else { "#f" }),
        Reply::Null | Reply::NullBulk => out.push_str("_nil"),
        Reply::NullArray => out.push_str("_nilarray"),
        Reply::Verbatim(format, text) => {
            out.push_str(&format!("={} ", format.escape_ascii()));
            quote(text, out);
        }
        Reply::Array(elements) => list("[", elements, "]", out),
        Reply::Set(elements) => list("~{", elements, "}", out),
        Reply::Push(elements) => list(">[", elements, "]", out),
        Reply::Map(pairs) => map("%{", pairs, out),
        Reply::Attribute(pairs, reply) => {
            map("|{", pairs, out);
            out.push(' ');
            write(reply, out, Place::Inside);
        }
    }
}

fn line(text: &[u8], mark: char, out: &mut String, place: Place) {
    out.push(mark);
    // Quoted where a blank at the end would be lost in the file.
    if place == Place::Alone && !text.ends_with(b" ") && std::str::from_utf8(text).is_ok() {
        out.push_str(&String::from_utf8_lossy(text));
    } else if text.iter().all(u8::is_ascii_alphanumeric) {
        out.push_str(&text.escape_ascii().to_string());
    } else {
        quote(text, out);
    }
}

fn list(open: &str, elements: &[Reply], close: &str, out: &mut String) {
    out.push_str(open);
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        write(element, out, Place::Inside);
    }
    out.push_str(close);
}

fn map(open: &str, pairs: &[(Reply, Reply)], out: &mut String) {
    out.push_str(open);
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        write(name, out, Place::Inside);
        out.push_str(" => ");
        write(value, out, Place::Inside);
    }
    out.push('}');
}

/// One element a line; recursion is bounded by the depth the parser accepts.
fn write_indented(reply: &Reply, out: &mut String, level: usize) {
    let indent = "  ".repeat(level);
    let (open, elements, close) = match reply {
        Reply::Array(elements) => ("[", elements, "]"),
        Reply::Set(elements) => ("~{", elements, "}"),
        Reply::Push(elements) => (">[", elements, "]"),
        Reply::Map(pairs) => {
            out.push_str("%{\n");
            for (name, value) in pairs {
                out.push_str(&indent);
                write(name, out, Place::Inside);
                out.push_str(" => ");
                inside(value, out, level);
                out.push('\n');
            }
            out.push_str(&indent[2..]);
            out.push_str(if level == 1 { "  }" } else { "}" });
            return;
        }
        Reply::Attribute(..)
        | Reply::BigNumber(_)
        | Reply::Boolean(_)
        | Reply::Bulk(_)
        | Reply::BulkError(_)
        | Reply::Double(_)
        | Reply::Error(_)
        | Reply::Integer(_)
        | Reply::Null
        | Reply::NullArray
        | Reply::NullBulk
        | Reply::Simple(_)
        | Reply::Verbatim(..) => return write(reply, out, if level == 1 { Place::Alone } else { Place::Inside }),
    };
    out.push_str(open);
    out.push('\n');
    for element in elements {
        out.push_str(&indent);
        inside(element, out, level);
        out.push('\n');
    }
    // A continuation line starts with a blank, also the closing one of the outermost level.
    out.push_str(&indent[2..]);
    out.push_str(if level == 1 { "  " } else { "" });
    out.push_str(close);
}

fn inside(reply: &Reply, out: &mut String, level: usize) {
    let mut text = String::new();
    write(reply, &mut text, Place::Inside);
    if text.len() > LINE_WIDTH {
        text.clear();
        write_indented(reply, &mut text, level + 1);
    }
    out.push_str(&text);
}

fn quote(text: &[u8], out: &mut String) {
    out.push('"');
    for &byte in text {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
}

/// Characters after which a reply goes over several lines.
const LINE_WIDTH: usize = 110;

#[cfg(test)]
mod tests {
    use super::show;
    use crate::reply::parse;
    use crate::script::{Bindings, Expectation, Protocol, compare};

    #[test]
    fn a_shown_reply_is_an_expectation_it_fulfils() {
        let long =
            [b"*20\r\n".as_slice(), &b"*2\r\n$10\r\n\x00\"\\\r\nabcde\r\n%1\r\n+a\r\n-ERR x y\r\n".repeat(20)].concat();
        let replies: [&[u8]; 6] = [
            b"+OK fine\r\n",
            b"-ERR x\r\n",
            b"~2\r\n#t\r\n,-1.5\r\n",
            b">2\r\n(12\r\n_\r\n",
            b"=5\r\ntxt:a\r\n",
            &long,
        ];

        for bytes in replies {
            let reply = parse(bytes).unwrap().unwrap().0;
            let shown = show(&reply);
            let expectation = Expectation::parse(&shown).unwrap();
            assert!(compare(&expectation, &reply, Protocol::Resp3, &mut Bindings::new()), "{shown}");
            assert!(shown.lines().skip(1).all(|line| line.starts_with(' ')), "{shown}");
        }
    }
}
