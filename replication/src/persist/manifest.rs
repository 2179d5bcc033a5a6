//! The manifest: which files an append only file consists of.
//!
//! One line per file. What cannot be understood is an error that names the line, because a manifest read wrongly
//! would lose data silently.

use std::fmt;

/// The files of an append only file, in the order they are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// The base, when there is one.
    pub base: Option<AofFile>,
    /// Files that newer ones have replaced and that wait for their removal.
    pub history: Vec<AofFile>,
    /// Incremental files in ascending order.
    pub increments: Vec<AofFile>,
    /// Sequence number of the newest base there ever was.
    pub base_seq: u64,
    /// Sequence number of the newest incremental file there ever was.
    pub increment_seq: u64,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AofFile {
    /// Its name, without folder.
    pub name: String,
    /// Its sequence number.
    pub seq: u64,
}

/// Why a manifest is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// What is wrong.
    pub cause: ManifestFault,
    /// Number of the line, from 1; 0 for a fault of the whole file.
    pub line_number: usize,
    /// The line.
    pub line: String,
}

/// What can be wrong with a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestFault {
    /// A second base.
    DuplicateBase,
    /// No line at all.
    Empty,
    /// A line that is not `file <name> seq <n> type <t>`.
    Format,
    /// A line of more than 1024 bytes, or one without its end.
    LongLine,
    /// Incremental files out of order.
    NotMonotonic,
    /// A name with a folder in it.
    PathName,
    /// A type that is none of `b`, `h`, `i`.
    UnknownType,
}

impl fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuplicateBase => "Found duplicate base file information",
            Self::Empty => "Found an empty AOF manifest",
            Self::Format => "Invalid AOF manifest file format",
            Self::LongLine => "The AOF manifest file contains too long line",
            Self::NotMonotonic => "Found a non-monotonic sequence number",
            Self::PathName => "File can't be a path, just a filename",
            Self::UnknownType => "Unknown AOF file type",
        })
    }
}

impl ManifestError {
    /// The lines Redis logs before it ends.
    pub fn log_lines(&self) -> Vec<String> {
        let mut lines = vec!["*** FATAL AOF MANIFEST FILE ERROR ***".to_owned()];
        if self.line_number > 0 {
            lines.push(format!("Reading the manifest file, at line {}", self.line_number));
            lines.push(format!(">>> '{}'", self.line));
        }
        lines.push(self.cause.to_string());
        lines
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] for the first line that is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        if text.is_empty() {
            return Err(ManifestError { cause: ManifestFault::Empty, line_number: 0, line: String::new() });
        }
        for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
            manifest.take_line(line).map_err(|cause| {
                let shown = &line[..line.len().min(LINE_BYTES_MAX)];
                let line = String::from_utf8_lossy(shown).trim().to_owned();
                ManifestError { cause, line_number: index + 1, line }
            })?;
        }
        Ok(manifest)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), ManifestFault> {
        if line.first() == Some(&b'#') {
            return Ok(());
        }
        if line.len() > LINE_BYTES_MAX || line.last() != Some(&b'\n') {
            return Err(ManifestFault::LongLine);
        }
        let words = split_words(line.trim_ascii()).ok_or(ManifestFault::Format)?;
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err(ManifestFault::Format);
        }
        let (mut name, mut seq, mut kind) = (None, 0, None);
        for pair in words.chunks_exact(2) {
            match pair[0].to_ascii_lowercase().as_slice() {
                b"file" => name = Some(file_name(&pair[1])?),
                b"seq" => seq = decimal(&pair[1]).unwrap_or(0),
                b"type" => kind = pair[1].first().copied(),
                // Fields of later versions are passed over, as Redis does.
                _ => {}
            }
        }
        let (Some(name), Some(kind)) = (name, kind) else { return Err(ManifestFault::Format) };
        if seq == 0 {
            return Err(ManifestFault::Format);
        }
        self.add(AofFile { name, seq }, kind)
    }

    fn add(&mut self, file: AofFile, kind: u8) -> Result<(), ManifestFault> {
        match kind {
            b'b' if self.base.is_some() => return Err(ManifestFault::DuplicateBase),
            b'b' => {
                self.base_seq = file.seq;
                self.base = Some(file);
            }
            b'h' => self.history.push(file),
            b'i' if file.seq <= self.increment_seq => return Err(ManifestFault::NotMonotonic),
            b'i' => {
                self.increment_seq = file.seq;
                self.increments.push(file);
            }
            _ => return Err(ManifestFault::UnknownType),
        }
        Ok(())
    }

    /// Writes the manifest.
    pub fn format(&self) -> String {
        let mut out = String::new();
        let base = self.base.iter().map(|file| (file, 'b'));
        let history = self.history.iter().map(|file| (file, 'h'));
        let increments = self.increments.iter().map(|file| (file, 'i'));
        for (file, kind) in base.chain(history).chain(increments) {
            out.push_str(&format!("file {} seq {} type {kind}\n", quoted(&file.name), file.seq));
        }
        out
    }

    /// Whether it names no file that could be loaded.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// Files to load, in order.
    pub fn to_load(&self) -> impl Iterator<Item = &AofFile> {
        self.base.iter().chain(&self.increments)
    }

    /// Adds the next incremental file; returns its name. `stem` is `appendfilename`.
    pub fn add_increment(&mut self, stem: &str) -> String {
        self.increment_seq += 1;
        let name = format!("{stem}.{}.incr.aof", self.increment_seq);
        self.increments.push(AofFile { name: name.clone(), seq: self.increment_seq });
        name
    }

    /// Puts the next base in the place of the base and of all incremental files but the last; returns its name.
    pub fn replace_base(&mut self, stem: &str, form: BaseForm) -> String {
        self.history.extend(self.base.take());
        let last = self.increments.pop();
        self.history.append(&mut self.increments);
        self.increments.extend(last);
        self.base_seq += 1;
        let name = base_name(stem, self.base_seq, form);
        self.base = Some(AofFile { name: name.clone(), seq: self.base_seq });
        name
    }
}

/// What a base file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseForm {
    /// Commands (`aof-use-rdb-preamble no`).
    Commands,
    /// An RDB file.
    Rdb,
}

pub(super) fn base_name(stem: &str, seq: u64, form: BaseForm) -> String {
    match form {
        BaseForm::Commands => format!("{stem}.{seq}.base.aof"),
        BaseForm::Rdb => format!("{stem}.{seq}.base.rdb"),
    }
}

fn file_name(word: &[u8]) -> Result<String, ManifestFault> {
    if word.contains(&b'/') || word.contains(&b'\\') {
        return Err(ManifestFault::PathName);
    }
    let name = String::from_utf8(word.to_vec()).map_err(|_| ManifestFault::Format)?;
    if name.is_empty() || name == "." || name == ".." { Err(ManifestFault::Format) } else { Ok(name) }
}

fn decimal(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Splits a line as configuration lines are split: at spaces, with quotes.
fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while let Some(&first) = rest.first() {
        let (word, after) = match first {
            b'"' | b'\'' => quoted_word(first, &rest[1..])?,
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        if after.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return None;
        }
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Some(words)
}

fn quoted_word(quote: u8, line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte == quote {
            return Some((word, rest));
        }
        if byte != b'\\' {
            word.push(byte);
            continue;
        }
        let (&escaped, after) = rest.split_first()?;
        if quote == b'\'' {
            // Only the quote itself can be escaped between single quotes.
            if escaped == b'\'' {
                word.push(escaped);
                rest = after;
            } else {
                word.push(byte);
            }
            continue;
        }
        rest = after;
        if escaped == b'x'
            && let Some((digits, after)) = rest.split_at_checked(2)
            && let Some(code) = std::str::from_utf8(digits).ok().and_then(|text| u8::from_str_radix(text, 16).ok())
        {
            word.push(code);
            rest = after;
            continue;
        }
        word.push(match escaped {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'a' => 7,
            other => other,
        });
    }
}

fn quoted(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if name.bytes().all(plain) {
        return name.to_owned();
    }
    let mut out = String::from("\"");
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            byte if plain(byte) || byte == b' ' || byte == b'\'' => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Longest line, in bytes (Redis's limit).
const LINE_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::{BaseForm, Manifest, ManifestFault};

    const REAL: &str = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";

    #[test]
    fn a_real_manifest_comes_back_byte_for_byte() {
        let manifest = Manifest::parse(REAL.as_bytes()).unwrap();

        assert_eq!((manifest.base_seq, manifest.increment_seq), (1, 1));
        assert_eq!(manifest.format(), REAL);
    }

    #[test]
    fn names_that_need_quotes_survive() {
        let mut manifest = Manifest::default();
        manifest.add_increment("a \"b\" 'c' \n é");
        let text = manifest.format();

        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest, "{text}");
    }

    #[test]
    fn comments_and_single_quotes_are_understood() {
        let text = b"# note\nfile 'a b' seq 2 type i future x\n";

        assert_eq!(Manifest::parse(text).unwrap().increments[0].name, "a b");
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let long = format!("file {} seq 1 type b\n", "x".repeat(1100));
        let cases: [(&str, ManifestFault, usize); 12] = [
            ("", ManifestFault::Empty, 0),
            (&long, ManifestFault::LongLine, 1),
            ("file a seq 1 type b", ManifestFault::LongLine, 1),
            ("\n", ManifestFault::Format, 1),
            ("file a seq 1\n", ManifestFault::Format, 1),
            ("file a seq 1 type b x\n", ManifestFault::Format, 1),
            ("file a seq 0 type b\n", ManifestFault::Format, 1),
            ("file a seq 1 name b\n", ManifestFault::Format, 1),
            ("file d/a seq 1 type b\n", ManifestFault::PathName, 1),
            ("file a seq 1 type b\nfile b seq 2 type b\n", ManifestFault::DuplicateBase, 2),
            ("file a seq 2 type i\nfile b seq 2 type i\n", ManifestFault::NotMonotonic, 2),
            ("file a seq 1 type x\n", ManifestFault::UnknownType, 1),
        ];

        for (text, cause, line_number) in cases {
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert_eq!((error.cause, error.line_number), (cause, line_number), "{text}");
        }
        let lines = Manifest::parse(b"file a seq 1 type x\n").unwrap_err().log_lines();
        let expected = [
            "*** FATAL AOF MANIFEST FILE ERROR ***",
            "Reading the manifest file, at line 1",
            ">>> 'file a seq 1 type x'",
            "Unknown AOF file type",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_new_base_replaces_all_but_the_last_increment() {
        let mut manifest = Manifest::parse(REAL.as_bytes()).unwrap();
        assert_eq!(manifest.add_increment("appendonly.aof"), "appendonly.aof.2.incr.aof");
        assert_eq!(manifest.replace_base("appendonly.aof", BaseForm::Rdb), "appendonly.aof.2.base.rdb");

        let expected = "file appendonly.aof.2.base.rdb seq 2 type b\n\
            file appendonly.aof.1.base.rdb seq 1 type h\n\
            file appendonly.aof.1.incr.aof seq 1 type h\n\
            file appendonly.aof.2.incr.aof seq 2 type i\n";
        assert_eq!(manifest.format(), expected);
    }
}
