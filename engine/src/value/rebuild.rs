//! The commands that make a value anew, for an append only file of commands (`aof-use-rdb-preamble no`).
//!
//! Start at [`Rebuild::items`].

use crate::resp::reply::write_request;

/// Takes the commands that rebuild one key and appends them to a file's bytes.
#[derive(Debug)]
pub struct Rebuild<'a> {
    key: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl<'a> Rebuild<'a> {
    /// Commands for `key`, appended to `out`.
    pub const fn new(key: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        Self { key, out }
    }

    /// The key.
    pub const fn key(&self) -> &'a [u8] {
        self.key
    }

    /// One command; the key is not added by itself.
    pub fn command(&mut self, words: &[&[u8]]) {
        write_request(self.out, words.iter().copied());
    }

    /// Several commands `<verb> <key> <item>...` with at most [`ITEMS_PER_COMMAND_MAX`] items each. An item is `N`
    /// words: the member, or field and value.
    pub fn items<const N: usize, W: AsRef<[u8]>>(&mut self, verb: &str, items: impl IntoIterator<Item = [W; N]>) {
        let mut batch: Vec<[W; N]> = Vec::with_capacity(ITEMS_PER_COMMAND_MAX);
        for item in items {
            batch.push(item);
            if batch.len() == ITEMS_PER_COMMAND_MAX {
                self.flush(verb, &mut batch);
            }
        }
        self.flush(verb, &mut batch);
    }

    fn flush<const N: usize, W: AsRef<[u8]>>(&mut self, verb: &str, batch: &mut Vec<[W; N]>) {
        if batch.is_empty() {
            return;
        }
        let mut words = vec![verb.as_bytes(), self.key];
        words.extend(batch.iter().flatten().map(AsRef::as_ref));
        write_request(self.out, words.into_iter());
        batch.clear();
    }
}

/// Elements one command carries (`AOF_REWRITE_ITEMS_PER_CMD`, `server.h` of Redis).
pub const ITEMS_PER_COMMAND_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::Rebuild;

    #[test]
    fn a_command_carries_64_items_at_most() {
        let mut out = Vec::new();
        let items = (0..130).map(|number: i32| [number.to_string().into_bytes()]);

        Rebuild::new(b"k", &mut out).items("SADD", items);

        let text = String::from_utf8(out).unwrap();
        let heads: Vec<&str> = text.lines().filter(|line| line.starts_with('*')).collect();
        assert_eq!(heads, ["*66", "*66", "*4"]);
        assert!(text.ends_with("$4\r\nSADD\r\n$1\r\nk\r\n$3\r\n128\r\n$3\r\n129\r\n"));
    }
}
