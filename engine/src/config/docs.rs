//! The options as a page for people, made from the table.

use super::options::{Config, ROWS};
use super::row::{Effect, Row};
use super::stored::Kind;

/// All options as a Markdown table: name, values, default, whether CONFIG SET takes it, and what it does here.
///
/// Hidden options are left out, as `CONFIG GET *` leaves them out.
pub fn markdown() -> String {
    let mut page = String::from("| option | values | default | CONFIG SET | here |\n|---|---|---|---|---|\n");
    for row in ROWS.iter().filter(|row| !row.flags.is_hidden()) {
        page.push_str(&line(row));
    }
    page
}

fn line(row: &Row) -> String {
    let alias = row.alias.map_or_else(String::new, |alias| format!(" (`{alias}`)"));
    let default = String::from_utf8_lossy(&row.value(&Config::default())).into_owned();
    let default = if default.is_empty() { "(empty)".to_owned() } else { format!("`{default}`") };
    let set = match (row.flags.is_immutable(), row.flags.is_protected()) {
        (true, _) => "no",
        (false, true) => "protected",
        (false, false) => "yes",
    };
    let here = match row.effect {
        Effect::Accepted(reason) => format!("{} Accepted without effect: {reason}.", row.doc.trim()),
        Effect::Effective => row.doc.trim().to_owned(),
    };
    format!("| `{}`{alias} | {} | {default} | {set} | {here} |\n", row.name, values(&row.kind))
}

/// The values a kind of option takes, in words.
fn values(kind: &Kind) -> String {
    match kind {
        Kind::Flag => "yes, no".to_owned(),
        Kind::Off(_) => "no, 0".to_owned(),
        Kind::Integer { min, max } => format!("{min} to {max}"),
        Kind::Octal { min, max } => format!("{min:o} to {max:o} (octal)"),
        Kind::Memory { min, max } => format!("{min} to {max} bytes, or with a unit"),
        Kind::MemoryOrPercent => "bytes, or percent".to_owned(),
        Kind::Choice(words) => words.join(", "),
        Kind::Text(_) | Kind::Bytes => "text".to_owned(),
        Kind::Word(grammar) | Kind::Words(grammar) => (*grammar).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn the_page_has_a_line_for_each_visible_option() {
        let page = markdown();

        assert!(page.contains(
            "| `replica-priority` (`slave-priority`) | 0 to 2147483647 | `100` | yes | \
             Rank for promotion by sentinel, lowest first; 0: never. |\n"
        ));
        assert!(page.contains("| `activedefrag` | no, 0 | `no` | yes | "), "{page}");
        assert!(page.contains("Accepted without effect: the allocator is not jemalloc. |"));
        assert!(!page.contains("slotmesh-version"));
        assert!(page.lines().all(|line| line.matches(" | ").count() == 4 || line.starts_with("|---")));
    }
}
