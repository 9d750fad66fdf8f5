//! Escaping of outside text for one line of a terminal or of a log.
//!
//! Messages repeat records, headers and names. None of that may end the line or drive the terminal
//! that shows it (colours, a window's title, a cleared screen, text that runs the other way), so it
//! is shown escaped, as Rust writes it: `\u{1b}`, `\n`.

use std::borrow::Cow;
use std::fmt;

/// Escapes every character of `text` that acts on the terminal instead of being shown.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    // Writing to a string cannot fail.
    let _ = fmt::Write::write_str(&mut Escaped(&mut shown), text);
    Cow::Owned(shown)
}

/// A writer that escapes its text as [`escaped`] does.
pub struct Escaped<W>(pub W);

impl<W: fmt::Write> fmt::Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(acts) {
            self.0.write_str(&rest[..at])?;
            let mut behind = rest[at..].chars();
            for c in behind.next().into_iter().flat_map(char::escape_default) {
                self.0.write_char(c)?;
            }
            rest = behind.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Whether `c` acts: control characters, Unicode line ends, and marks that turn the direction of
/// text.
fn acts(c: char) -> bool {
    let turns = ['\u{200e}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61c}')
        || turns.iter().any(|some| some.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_the_rest_is_as_it_was() {
        for plain in ["", "to be", "été 日本 🦀", "back\\slash \"quoted\" 'text'", "\u{fffd}\u{a0}"]
        {
            assert!(matches!(escaped(plain), Cow::Borrowed(same) if same == plain), "{plain}");
        }
        for (text, shown) in [
            ("\u{1b}]0;owned\u{7}\u{1b}[31mred", "\\u{1b}]0;owned\\u{7}\\u{1b}[31mred"),
            ("two\nlines\r\n", "two\\nlines\\r\\n"),
            ("a\tb\0c\u{7f}", "a\\tb\\u{0}c\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}gpj.exe\u{2069}", "\\u{202e}gpj.exe\\u{2069}"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(escaped(text), shown);
            assert_eq!(escaped(shown), shown, "once is enough");
        }
    }
}
