//! The system's words for an error.
//!
//! Logs and error replies quote `strerror` ("No space left on device"); Rust adds a number behind it. Here the two
//! are taken apart. What does not live here: deciding by an error; callers look at its kind.

use std::io;

/// What `strerror` says of `error`.
pub(crate) fn text(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(code) = error.raw_os_error() {
        let number = format!(" (os error {code})");
        if text.ends_with(&number) {
            text.truncate(text.len() - number.len());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    #[test]
    fn the_number_is_cut_off() {
        let error = io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error());

        assert_eq!(super::text(&error), "No space left on device");
    }

    #[test]
    fn own_words_stay() {
        assert_eq!(super::text(&io::Error::other("no thread")), "no thread");
    }
}
