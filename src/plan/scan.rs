//! Reads JSON text strictly and knows where everything stands.
//!
//! Strict JSON only: no comments, no trailing commas, no NaN. Nesting is bounded, so no input exhausts the stack.
//! Invariant: never panics, and every error carries the byte offset where reading stopped.

use super::json::{Json, Object};
use super::place::Step;

/// Levels of nesting that are read; the same bound as `serde_json` has.
const MAX_DEPTH: usize = 128;

/// Why a text is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Byte offset into the text.
    pub(super) offset: usize,
    pub(super) message: String,
}

type Result<T> = std::result::Result<T, SyntaxError>;

/// A position in a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// Parses a whole document.
pub(super) fn parse(text: &str) -> Result<Json> {
    let mut scanner = Scanner::new(text, 0);
    let value = scanner.value()?;
    scanner.end()?;
    Ok(value)
}

/// The way to the value that was looked for last, so that its neighbour is found from there.
pub(super) struct Trail<'t, 's> {
    text: &'t str,
    start: usize,
    known: Vec<(Step<'s>, usize)>,
}

impl<'t, 's> Trail<'t, 's> {
    /// Begins at the value at `start`. The text must be JSON that [`parse`] accepts.
    pub(super) fn new(text: &'t str, start: usize) -> Self {
        Self { text, start, known: Vec::new() }
    }

    /// Returns the offset of the value that `steps` leads to, or of the nearest one on the way that exists.
    pub(super) fn locate(&mut self, steps: &[Step<'s>]) -> usize {
        let shared = self.known.iter().zip(steps).take_while(|((known, _), step)| known == *step).count();
        self.known.truncate(shared);
        for step in steps.iter().skip(shared) {
            let found = self.known.last().map_or(self.start, |(_, offset)| *offset);
            let Some(next) = below(self.text, found, step) else { return found };
            self.known.push((*step, next));
        }
        self.known.last().map_or(self.start, |(_, offset)| *offset)
    }
}

/// Returns the offset of a member or item of the value at `start`.
fn below(text: &str, start: usize, step: &Step) -> Option<usize> {
    let mut scanner = Scanner::new(text, start);
    let mut next = None;
    // What ends the walk early is no error of the text.
    let _ = match step {
        Step::Key(key) => scanner.members(|scanner, name, _| {
            if name == *key {
                next = Some(scanner.at);
            }
            scanner.value().map(drop)
        }),
        Step::Index(index) => {
            let mut at = 0;
            scanner.elements(|scanner| {
                if at == *index {
                    next = Some(scanner.at);
                    return scanner.fail("found");
                }
                at += 1;
                scanner.value().map(drop)
            })
        }
    };
    next
}

impl<'a> Scanner<'a> {
    /// Starts at a byte offset; white space there is skipped.
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        let mut scanner = Self { text, at, depth: 0 };
        scanner.space();
        scanner
    }

    /// Returns the offset of the next token.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads one value, then white space.
    pub(super) fn value(&mut self) -> Result<Json> {
        let value = match self.peek() {
            Some(b'{') => {
                let mut object = Object::default();
                self.members(|scanner, key, _| {
                    object.push(key, scanner.value()?);
                    Ok(())
                })?;
                Json::Object(object)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.elements(|scanner| {
                    items.push(scanner.value()?);
                    Ok(())
                })?;
                Json::Array(items)
            }
            Some(b'"') => Json::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Json::Number(self.number()?.to_owned()),
            _ => self.word()?,
        };
        self.space();
        Ok(value)
    }

    /// Checks that nothing follows.
    pub(super) fn end(&self) -> Result<()> {
        if self.at == self.text.len() { Ok(()) } else { self.fail("expected the end of the file") }
    }

    /// Reads an object; `each` gets the key and where it began, and must read the value.
    pub(super) fn members(&mut self, mut each: impl FnMut(&mut Self, String, usize) -> Result<()>) -> Result<()> {
        self.collection(b'{', b'}', |scanner| {
            let start = scanner.at;
            if scanner.peek() != Some(b'"') {
                return scanner.fail("expected a key in double quotes");
            }
            let key = scanner.string()?;
            scanner.space();
            if !scanner.take(b':') {
                return scanner.fail("expected `:`");
            }
            scanner.space();
            each(scanner, key, start)
        })
    }

    /// Reads a list; `each` must read one value.
    pub(super) fn elements(&mut self, each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.collection(b'[', b']', each)
    }

    fn collection(&mut self, open: u8, close: u8, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth == MAX_DEPTH {
            return self.fail(&format!("nested deeper than {MAX_DEPTH} levels"));
        }
        if !self.take(open) {
            return self.fail(&format!("expected `{}`", char::from(open)));
        }
        self.depth += 1;
        self.space();
        if !self.take(close) {
            loop {
                each(self)?;
                self.space();
                if self.take(close) {
                    break;
                }
                let comma = self.at;
                if !self.take(b',') {
                    return self.fail(&format!("expected `,` or `{}`", char::from(close)));
                }
                self.space();
                if self.peek() == Some(close) {
                    self.at = comma;
                    return self.fail(&format!("a comma before `{}` is not allowed", char::from(close)));
                }
            }
        }
        self.depth -= 1;
        self.space();
        Ok(())
    }

    fn string(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 1;
        let mut is_plain = true;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_plain = false;
                    self.at += 2;
                }
                Some(0..0x20) => return self.fail("a line break or control character inside a string"),
                Some(_) => self.at += 1,
                None => {
                    self.at = start;
                    return self.fail("a string without an end");
                }
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        if is_plain {
            return Ok(self.text.get(start + 1..self.at - 1).unwrap_or_default().to_owned());
        }
        serde_json::from_str(quoted).map_err(|error| {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            SyntaxError {
                offset: start + error.column().saturating_sub(1),
                message: format!("{message} inside a string"),
            }
        })
    }

    fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') && !self.digits() {
            return self.fail("expected a digit");
        }
        if self.take(b'.') && !self.digits() {
            return self.fail("expected a digit after the decimal point");
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            if !self.digits() {
                return self.fail("expected a digit in the exponent");
            }
        }
        if matches!(self.peek(), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_')) {
            return self.fail("not a number");
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn word(&mut self) -> Result<Json> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let value = match &rest[..length] {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            "" if rest.is_empty() => return self.fail("the text ends too early"),
            "" => return self.fail("expected a value"),
            word => return self.fail(&format!("`{word}` is not a JSON value")),
        };
        self.at += length;
        Ok(value)
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > start
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, message: &str) -> Result<T> {
        Err(SyntaxError { offset: self.at.min(self.text.len()), message: message.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_broken_text_is_refused_where_it_breaks() {
        for (text, offset, message) in [
            ("", 0, "the text ends too early"),
            ("{\"a\": }", 6, "expected a value"),
            ("{\"a\" 1}", 5, "expected `:`"),
            ("{a: 1}", 1, "expected a key in double quotes"),
            ("[1 2]", 3, "expected `,` or `]`"),
            ("[1, ]", 2, "a comma before `]` is not allowed"),
            ("{\"a\": 1,\n}", 7, "a comma before `}` is not allowed"),
            ("[1] x", 4, "expected the end of the file"),
            ("NaN", 0, "`NaN` is not a JSON value"),
            ("01", 1, "not a number"),
            ("-", 1, "expected a digit"),
            ("1.", 2, "expected a digit after the decimal point"),
            ("\"a\nb\"", 2, "a line break or control character inside a string"),
            ("[\"a", 1, "a string without an end"),
            ("[\"a\\", 1, "a string without an end"),
            ("// no\n{}", 0, "expected a value"),
        ] {
            assert_eq!(parse(text).unwrap_err(), SyntaxError { offset, message: message.to_owned() }, "{text}");
        }
        let lone = parse(r#""\ud800""#).unwrap_err();
        assert!(lone.message.ends_with("inside a string"), "{lone:?}");
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        assert!(parse(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_ok());
        assert_eq!(parse(&"[".repeat(1_000_000)).unwrap_err().message, "nested deeper than 128 levels");
    }

    #[test]
    fn a_place_is_found_or_its_nearest_parent() {
        let text = r#"{"a": 1, "a": {"b": [10, 20]}, "c": 3}"#;
        let mut trail = Trail::new(text, 0);
        let mut at = |steps: &[Step<'static>]| &text[trail.locate(steps)..];
        let (a, b, gone) = (Step::Key("a"), Step::Key("b"), Step::Key("gone"));
        assert!(at(&[a, b, Step::Index(1)]).starts_with("20]"));
        assert!(at(&[a, gone]).starts_with("{\"b\""));
        assert!(at(&[a, b, Step::Index(9)]).starts_with("[10"));
        assert!(at(&[a, b, gone]).starts_with("[10"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}|[\\[\\]{}\",:0-9eE.tn\\\\u-]{0,40}") {
            let ours = parse(&text);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // Numbers beyond f64 are kept here and refused there.
            if !text.contains(['e', 'E']) {
                prop_assert_eq!(ours.is_ok(), theirs.is_ok());
            }
            if let Ok(value) = ours {
                let mut out = String::new();
                value.print(0, &mut out);
                prop_assert_eq!(parse(&out).unwrap(), value);
            }
        }
    }
}
