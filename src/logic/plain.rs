//! Text that a program printed for a terminal, made fit for prompts, reports and logs of one line.
//!
//! Does not shorten by meaning and does not hide secrets. Invariant: the result holds no control characters but line
//! feeds and tabs, so nothing in it can move a cursor, change a colour or hide a part of itself.

use std::str::Chars;

/// Returns the text as a reader of the terminal would see it at the end: without escape sequences and other control
/// characters, and of a line that was drawn again and again (`\r`, progress bars) only the last drawing.
pub fn plain(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut line_start = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => {
                clean.push('\n');
                line_start = clean.len();
            }
            // What is drawn next replaces the line, unless nothing is.
            '\r' if !matches!(peek(&chars), None | Some('\n' | '\r')) => clean.truncate(line_start),
            '\t' => clean.push('\t'),
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_until(&mut chars, is_final),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// Returns the last line with something in it, plain, trimmed and cut to `limit` characters; empty when there is none.
pub fn last_line(text: &str, limit: usize) -> String {
    let clean = plain(text);
    let line = clean.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.replace('\t', " ");
    match line.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}...", line.get(..cut).unwrap_or_default()),
        None => line,
    }
}

/// Skips what follows an escape character.
pub(super) fn skip_escape(chars: &mut Chars<'_>) {
    match peek(chars) {
        // CSI: parameters, then one final character.
        Some('[') => {
            chars.next();
            skip_until(chars, is_final);
        }
        // OSC, DCS, SOS, PM, APC: a string up to BEL or ST (escape, backslash).
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = next_if(chars, |c| c != '\n') {
                if c == '\u{7}' || c == '\u{9c}' || c == '\u{1b}' && next_if(chars, |c| c == '\\').is_some() {
                    break;
                }
            }
        }
        // Two-character sequences, of which some have one more intermediate character.
        Some(c) if !c.is_control() => {
            let has_more = chars.next().is_some_and(|c| (' '..='/').contains(&c));
            if has_more {
                next_if(chars, |c| !c.is_control());
            }
        }
        _ => {}
    }
}

/// Skips up to and with the first character that ends the sequence; a control character ends it as well and stays.
fn skip_until(chars: &mut Chars<'_>, is_end: impl Fn(char) -> bool) {
    while let Some(c) = next_if(chars, |c| !c.is_control()) {
        if is_end(c) {
            return;
        }
    }
}

fn peek(chars: &Chars<'_>) -> Option<char> {
    chars.clone().next()
}

fn next_if(chars: &mut Chars<'_>, is_wanted: impl Fn(char) -> bool) -> Option<char> {
    let next = peek(chars).filter(|c| is_wanted(*c))?;
    chars.next();
    Some(next)
}

fn is_final(c: char) -> bool {
    ('@'..='~').contains(&c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_control_is_removed() {
        for (text, expected) in [
            ("\u{1b}[1;31merror\u{1b}[0m: x", "error: x"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "alink"),
            ("10%\r50%\r100%\ndone\r\n", "100%\ndone\n"),
            ("a\u{8}b\0c\td", "abc\td"),
            ("\u{1b}(Bx\u{1b}7y\u{9b}2Jz", "xyz"),
            ("cut \u{1b}[1", "cut "),
            ("never closed \u{1b}]0;a\nnext", "never closed \nnext"),
            ("grüße 漢\u{1b}", "grüße 漢"),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_last_line_is_short_and_not_blank() {
        assert_eq!(last_line("a\n  b\tc \n\n \u{1b}[0m\n", 10), "b c");
        assert_eq!(last_line("äöüß", 2), "äö...");
        assert_eq!(last_line("\n", 5), "");
    }

    proptest! {
        #[test]
        fn nothing_that_controls_a_terminal_is_left(text in "(\\PC|[\u{0}-\u{1f}\u{7f}-\u{9f}]|\u{1b}[\\[\\]P(]){0,40}") {
            let clean = plain(&text);
            prop_assert!(clean.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "{:?}", clean);
            prop_assert_eq!(plain(&clean), clean.clone());
        }
    }
}
