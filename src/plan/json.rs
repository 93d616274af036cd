//! JSON that loses nothing: numbers keep their digits, keys keep their order, also when one comes twice.
//!
//! Not a general JSON library: it holds what task.json needs, and prints it in the one form the file has
//! (two spaces, non-ASCII as it is). Invariant: what was parsed prints to an equal document.

use std::fmt::Write as _;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Object),
}

/// Members in file order. A key that comes twice counts with its last value; both are printed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object(Vec<(String, Json)>);

impl Json {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        Self::Array(texts.into_iter().map(Self::text).collect())
    }

    pub(super) fn integer(value: impl Into<i64>) -> Self {
        Self::Number(value.into().to_string())
    }

    /// Prints a finite number the shortest way that reads back equal, always with a fraction or exponent.
    pub(super) fn float(value: f64) -> Self {
        Self::Number(format!("{value:?}"))
    }

    pub(super) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Json]> {
        match self {
            Self::Array(items) => Some(items),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => None,
        }
    }

    /// Returns the finite number that a number or a text holds.
    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Number(text) | Self::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            Self::Null | Self::Bool(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Returns the integer that a number (cut towards zero) or a text of digits holds; far ones saturate.
    pub(super) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Number(text) => text.parse().ok().or_else(|| self.as_float().map(|n| n as i64)),
            Self::String(text) => text.trim().parse().ok(),
            Self::Null | Self::Bool(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Returns the truth of a flag: yes and no in the usual words, `otherwise` for null and other words, and
    /// whether there is anything for the other types.
    pub(super) fn as_flag(&self, otherwise: bool) -> bool {
        match self {
            Self::Null => otherwise,
            Self::Bool(flag) => *flag,
            Self::Number(_) => self.as_float() != Some(0.0),
            Self::String(word) => match word.trim().to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "y" | "on" => true,
                "0" | "false" | "no" | "n" | "off" => false,
                _ => otherwise,
            },
            Self::Array(items) => !items.is_empty(),
            Self::Object(object) => !object.is_empty(),
        }
    }

    /// Returns the value as text, trimmed: nothing for null, JSON on one line for lists and objects.
    pub(super) fn as_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::String(text) => text.trim().to_owned(),
            Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => {
                let mut out = String::new();
                self.print_line(&mut out);
                out
            }
        }
    }

    /// Returns what a person calls this type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Returns how many collections are nested in each other.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => 0,
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or_default(),
            Self::Object(object) => 1 + object.iter().map(|(_, value)| value.depth()).max().unwrap_or_default(),
        }
    }

    /// Prints the value as it stands `depth` levels deep in the file; the first line is not indented.
    pub(super) fn print(&self, depth: usize, out: &mut String) {
        match self {
            Self::Array(items) if !items.is_empty() => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    next_line(at > 0, depth + 1, out);
                    item.print(depth + 1, out);
                }
                next_line(false, depth, out);
                out.push(']');
            }
            Self::Object(object) => object.print(depth, out),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => self.print_line(out),
        }
    }

    fn print_line(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => quote(text, out),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    item.print_line(out);
                }
                out.push(']');
            }
            Self::Object(Object(members)) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    quote(key, out);
                    out.push_str(": ");
                    value.print_line(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::text(text),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Object(Object(map.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect()))
            }
        }
    }
}

impl From<&Json> for serde_json::Value {
    /// Rounds numbers that fit neither 64 bits nor a double; one beyond the range of doubles becomes its text.
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| Self::String(text.clone())),
            Json::String(text) => Self::String(text.clone()),
            Json::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Json::Object(object) => {
                Self::Object(object.iter().map(|(key, value)| (key.to_owned(), Self::from(value))).collect())
            }
        }
    }
}

impl Object {
    /// Adds a member at the end, also when there is one of that name.
    pub(super) fn push(&mut self, key: String, value: Json) {
        self.0.push((key, value));
    }

    pub(super) fn get(&self, key: &str) -> Option<&Json> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Returns the member unless it is absent or null.
    pub(super) fn given(&self, key: &str) -> Option<&Json> {
        self.get(key).filter(|value| **value != Json::Null)
    }

    /// Returns the member as an object, when it is one with something in it.
    pub(super) fn filled(&self, key: &str) -> Option<&Object> {
        self.get(key).and_then(Json::as_object).filter(|object| !object.is_empty())
    }

    /// Returns the member as trimmed text; empty when absent.
    pub(super) fn text(&self, key: &str) -> String {
        self.get(key).map(Json::as_text).unwrap_or_default()
    }

    /// Replaces the member in its place, or adds it at the end.
    pub(super) fn set(&mut self, key: &str, value: Json) {
        match self.0.iter_mut().rev().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.push(key.to_owned(), value),
        }
    }

    /// Removes every member of that name.
    pub(super) fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| name != key);
    }

    /// Gives the last member of a name another one in its place; earlier ones of the old name go.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some((name, _)) = self.0.iter_mut().rev().find(|(name, _)| name == from) {
            to.clone_into(name);
        }
        self.remove(from);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Prints the object as it stands `depth` levels deep; the first line is not indented.
    pub(super) fn print(&self, depth: usize, out: &mut String) {
        if self.is_empty() {
            out.push_str("{}");
            return;
        }
        out.push('{');
        for (at, (key, value)) in self.iter().enumerate() {
            next_line(at > 0, depth + 1, out);
            quote(key, out);
            out.push_str(": ");
            value.print(depth + 1, out);
        }
        next_line(false, depth, out);
        out.push('}');
    }
}

impl<const N: usize> From<[(&str, Json); N]> for Object {
    fn from(members: [(&str, Json); N]) -> Self {
        Self(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

/// Ends the line, after a comma when one is wanted, and indents the next.
pub(super) fn next_line(comma: bool, depth: usize, out: &mut String) {
    out.push_str(if comma { ",\n" } else { "\n" });
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// Prints a string: quotes, backslashes and control characters escaped, everything else as it is.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::scan::parse;
    use super::*;

    fn printed(text: &str) -> String {
        let mut out = String::new();
        parse(text).unwrap().print(0, &mut out);
        out
    }

    #[test]
    fn numbers_keep_their_digits() {
        for number in ["1.0", "-0", "1e5", "12345678901234567890123", "0.10", "1E+2"] {
            assert_eq!(printed(number), number);
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_kept_and_the_last_counts() {
        let text = "{\n  \"a\": 1,\n  \"a\": 2\n}";
        assert_eq!(printed(text), text);
        let value = parse(text).unwrap();
        assert_eq!(value.as_object().unwrap().get("a"), Some(&Json::integer(2)));
    }

    #[test]
    fn strings_escape_only_what_they_must() {
        assert_eq!(printed(r#""\u00fc\/\ud83d\ude00\u001f\u007f\n\"\\""#), "\"ü/😀\\u001f\u{7f}\\n\\\"\\\\\"");
    }

    #[test]
    fn empty_collections_stay_on_one_line() {
        assert_eq!(
            printed("{\"a\":[],\"b\":{},\"c\":[1]}"),
            "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1\n  ]\n}"
        );
    }

    #[test]
    fn flags_are_read_from_words_and_by_truth() {
        for (text, flag) in [
            ("true", true),
            ("\" Yes \"", true),
            ("\"off\"", false),
            ("\"maybe\"", false),
            ("1", true),
            ("0.0", false),
            ("[]", false),
            ("[0]", true),
            ("null", false),
        ] {
            assert_eq!(parse(text).unwrap().as_flag(false), flag, "{text}");
        }
        assert!(parse("\"maybe\"").unwrap().as_flag(true));
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        for text in ["\"NaN\"", "\"inf\"", "1e999", "true", "[]", "\"soon\""] {
            assert_eq!(parse(text).unwrap().as_float(), None, "{text}");
        }
        assert_eq!(parse("3.9").unwrap().as_integer(), Some(3));
        assert_eq!(parse("\" 7 \"").unwrap().as_integer(), Some(7));
        assert_eq!(parse("1e30").unwrap().as_integer(), Some(i64::MAX));
    }
}
