//! JSON as files show it: two-space indent or one line, nothing but ASCII.
//!
//! What is not ASCII becomes `\uXXXX`, above the basic plane a surrogate pair, so that every reader, whatever
//! encoding it believes in, reads the same text. Invariant: parsing the result gives the value back.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Returns the value as ASCII-only JSON with two-space indent and a final line break.
///
/// Only for values that are always JSON (no maps with other keys than strings); a value that is not is a mistake
/// of the caller and yields `null`.
pub fn pretty_ascii(value: &impl Serialize) -> String {
    let mut bytes = Vec::with_capacity(4096);
    let mut serializer = Serializer::with_formatter(&mut bytes, Ascii(PrettyFormatter::new()));
    if value.serialize(&mut serializer).is_err() {
        bytes = b"null".to_vec();
    }
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the value as ASCII-only JSON on one line with a final line break: `{"a": 1, "b": [2, 3]}`.
///
/// As [`pretty_ascii`], only for values that are always JSON.
pub fn line_ascii(value: &impl Serialize) -> String {
    let mut bytes = Vec::with_capacity(512);
    if value.serialize(&mut Serializer::with_formatter(&mut bytes, Line)).is_err() {
        bytes = b"null".to_vec();
    }
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

fn write_fragment<W: ?Sized + io::Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    if fragment.is_ascii() {
        return writer.write_all(fragment.as_bytes());
    }
    let mut pair = [0; 2];
    for c in fragment.chars() {
        if c.is_ascii() {
            writer.write_all(&[c as u8])?;
        } else {
            for unit in c.encode_utf16(&mut pair) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}

/// One line, with a space after each comma and colon and every character beyond ASCII escaped.
struct Line;

impl Formatter for Line {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_fragment(writer, fragment)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// Pretty printing, with every character beyond ASCII escaped.
struct Ascii<'a>(PrettyFormatter<'a>);

impl Formatter for Ascii<'_> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_fragment(writer, fragment)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn beyond_ascii_is_escaped_and_high_characters_become_a_pair() {
        let text = pretty_ascii(&json!({"a": ["ü", "🚀", "\u{7}\"\\\n"], "b": [], "c": {}}));
        let wanted = r#"{
  "a": [
    "\u00fc",
    "\ud83d\ude80",
    "\u0007\"\\\n"
  ],
  "b": [],
  "c": {}
}
"#;
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_line_has_a_space_after_each_comma_and_colon() {
        let text = line_ascii(&json!({"a": [1.5, null, "ü\n"], "b": {}, "c": {"d": [[], [2.0, 3]]}}));
        assert_eq!(text, "{\"a\": [1.5, null, \"\\u00fc\\n\"], \"b\": {}, \"c\": {\"d\": [[], [2.0, 3]]}}\n");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>(), key in any::<String>()) {
            let value = json!({key: [text]});
            for bytes in [pretty_ascii(&value), line_ascii(&value)] {
                prop_assert!(bytes.is_ascii());
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&bytes).unwrap(), value.clone());
            }
        }
    }
}
