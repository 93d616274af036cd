//! One value, wherever it was written: what it is, and whether its key accepts it.
//!
//! The file and the environment are read into the same [`Spot`], so that both obey the same rules and give the
//! same messages. Nothing is looked at deeper than the elements of an array or table. Invariant: what
//! [`accept`] returns fits the field of the same name in [`crate::model::config`].

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;

use super::record;
use super::schema::{Kind, Rule};
use super::suggest;
use crate::logic::schedule;

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Flag(bool),
    /// The digits, and the number when it fits.
    Whole(String, Option<i64>),
    /// The text, and the number.
    Real(String, f64),
    Text(String),
    List(Vec<Spot>),
    Table(Vec<(String, Spot)>),
    /// Something no key accepts, or that stands too deep for any: how to call it.
    Other(String),
}

/// A value and the bytes of the file that it came from; none for the environment.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) raw: Raw,
    pub(super) span: Option<Range<usize>>,
}

/// Why a value is not accepted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) span: Option<Range<usize>>,
}

impl Spot {
    /// Reads a value of the file the way its key wants it.
    pub(super) fn of_file(kind: Kind, value: &Spanned<DeValue<'_>>) -> Self {
        match (kind, value.get_ref()) {
            (Kind::Records(_), DeValue::Array(items)) => {
                Self { raw: Raw::List(items.iter().map(Self::record).collect()), span: Some(value.span()) }
            }
            _ => Self::of_toml(value),
        }
    }

    /// Reads a value of the file, one level deep.
    fn of_toml(value: &Spanned<DeValue<'_>>) -> Self {
        let span = Some(value.span());
        let raw = match value.get_ref() {
            DeValue::Array(items) => Raw::List(items.iter().map(Self::element).collect()),
            DeValue::Table(table) => {
                Raw::Table(table.iter().map(|(name, item)| (name.get_ref().to_string(), Self::scalar(item))).collect())
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => return Self::scalar(value),
        };
        Self { raw, span }
    }

    /// Reads an element of an array: a table of scalars, or a scalar.
    fn element(value: &Spanned<DeValue<'_>>) -> Self {
        match value.get_ref() {
            DeValue::Table(table) => {
                let members = table.iter().map(|(name, item)| (name.get_ref().to_string(), Self::scalar(item)));
                Self { raw: Raw::Table(members.collect()), span: Some(value.span()) }
            }
            _ => Self::scalar(value),
        }
    }

    /// Reads a table of an array of tables: its values may be arrays.
    fn record(value: &Spanned<DeValue<'_>>) -> Self {
        let DeValue::Table(table) = value.get_ref() else { return Self::of_toml(value) };
        let fields = table.iter().map(|(name, item)| (name.get_ref().to_string(), Self::of_toml(item)));
        Self { raw: Raw::Table(fields.collect()), span: Some(value.span()) }
    }

    /// Reads an element; arrays and tables are only named, so that depth costs nothing.
    fn scalar(value: &Spanned<DeValue<'_>>) -> Self {
        let raw = match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) => {
                Raw::Whole(number.to_string(), i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            // TOML's `inf` and `nan` are also Rust's; a float that Rust could not read is no number.
            DeValue::Float(number) => {
                Raw::Real(number.as_str().to_owned(), number.as_str().parse().unwrap_or(f64::NAN))
            }
            DeValue::Boolean(flag) => Raw::Flag(*flag),
            DeValue::Datetime(date) => Raw::Other(format!("date-time {date}")),
            DeValue::Array(_) => Raw::Other("an array".to_owned()),
            DeValue::Table(_) => Raw::Other("a table".to_owned()),
        };
        Self { raw, span: Some(value.span()) }
    }

    /// Reads the text of a variable the way its key wants it.
    pub(super) fn of_variable(kind: Kind, text: &str) -> Self {
        let trimmed = text.trim();
        let raw = match kind {
            Kind::Flag => Raw::Flag(matches!(trimmed.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")),
            Kind::Whole { .. } => match trimmed.parse::<i64>() {
                Ok(number) => Raw::Whole(trimmed.to_owned(), Some(number)),
                Err(_) if is_digits(trimmed) => Raw::Whole(trimmed.to_owned(), None),
                Err(_) => Raw::Text(text.to_owned()),
            },
            Kind::Real => match trimmed.parse::<f64>() {
                Ok(number) => Raw::Real(trimmed.to_owned(), number),
                Err(_) => Raw::Text(text.to_owned()),
            },
            Kind::Text(_) | Kind::Path(_) => Raw::Text(text.to_owned()),
            Kind::Recurrences => match serde_json::from_str::<Value>(text) {
                Ok(json @ Value::Array(_)) => Self::of_json(&json).raw,
                _ if trimmed.is_empty() => Raw::List(Vec::new()),
                _ => Raw::Text(text.to_owned()),
            },
            Kind::List(_) | Kind::Paths => match serde_json::from_str::<Value>(text) {
                Ok(json @ Value::Array(_)) => Self::of_json(&json).raw,
                // An empty variable clears the list; one empty element would match everything or nothing.
                _ if trimmed.is_empty() => Raw::List(Vec::new()),
                _ => Raw::List(vec![Self { raw: Raw::Text(text.to_owned()), span: None }]),
            },
            Kind::Table => match serde_json::from_str::<Value>(text) {
                Ok(json @ Value::Object(_)) => Self::of_json(&json).raw,
                _ if trimmed.is_empty() => Raw::Table(Vec::new()),
                _ => Raw::Text(text.to_owned()),
            },
            Kind::Records(_) => match serde_json::from_str::<Value>(text) {
                Ok(Value::Array(items)) => Raw::List(items.iter().map(Self::json_record).collect()),
                _ if trimmed.is_empty() => Raw::List(Vec::new()),
                _ => Raw::Text(text.to_owned()),
            },
        };
        Self { raw, span: None }
    }

    fn json_record(json: &Value) -> Self {
        let Value::Object(map) = json else { return Self::of_json(json) };
        let fields = map.iter().map(|(name, item)| (name.clone(), Self::of_json(item)));
        Self { raw: Raw::Table(fields.collect()), span: None }
    }

    fn of_json(json: &Value) -> Self {
        let raw = match json {
            Value::Array(items) => Raw::List(items.iter().map(Self::json_element).collect()),
            Value::Object(_) => return Self::json_element(json),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Self::json_scalar(json),
        };
        Self { raw, span: None }
    }

    fn json_element(json: &Value) -> Self {
        match json {
            Value::Object(map) => {
                let members = map.iter().map(|(name, item)| (name.clone(), Self::json_scalar(item)));
                Self { raw: Raw::Table(members.collect()), span: None }
            }
            _ => Self::json_scalar(json),
        }
    }

    fn json_scalar(json: &Value) -> Self {
        let raw = match json {
            Value::Null => Raw::Other("null".to_owned()),
            Value::Bool(flag) => Raw::Flag(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Raw::Whole(number.to_string(), Some(whole)),
                (None, real) => Raw::Real(number.to_string(), real.unwrap_or(f64::NAN)),
            },
            Value::String(text) => Raw::Text(text.clone()),
            Value::Array(_) => Raw::Other("an array".to_owned()),
            Value::Object(_) => Raw::Other("an object".to_owned()),
        };
        Self { raw, span: None }
    }

    /// Names the value in a message.
    pub(super) fn describe(&self) -> String {
        match &self.raw {
            Raw::Flag(flag) => format!("boolean {flag}"),
            Raw::Whole(digits, _) => format!("integer {digits}"),
            Raw::Real(text, _) => format!("float {text}"),
            Raw::Text(text) => format!("string {}", quoted(text)),
            Raw::List(_) => "an array".to_owned(),
            Raw::Table(_) => "a table".to_owned(),
            Raw::Other(name) => name.clone(),
        }
    }

    pub(super) fn expected(&self, what: &str) -> Complaint {
        self.complain(format!("expected {what}, found {}", self.describe()))
    }

    pub(super) fn complain(&self, message: String) -> Complaint {
        Complaint { message, span: self.span.clone() }
    }
}

/// Shows text from outside on one line, at most 60 characters of it.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

fn is_digits(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Checks a value against what its key holds.
///
/// # Errors
/// Every complaint about it; for arrays and tables at most one per element.
pub(super) fn accept(kind: Kind, spot: &Spot) -> Result<Value, Vec<Complaint>> {
    match kind {
        Kind::Flag => match spot.raw {
            Raw::Flag(flag) => Ok(Value::Bool(flag)),
            _ => Err(vec![unquote(spot, spot.expected("true or false"), |text| text.parse::<bool>().is_ok())]),
        },
        Kind::Whole { least } => accept_whole(least, spot).map_err(|complaint| vec![complaint]),
        Kind::Real => match spot.raw {
            Raw::Real(_, number) if number.is_finite() && number >= 0.0 => Ok(Value::from(number)),
            Raw::Whole(_, Some(number)) if number >= 0 => Ok(Value::from(number as f64)),
            _ => Err(vec![spot.expected("a finite number of at least 0")]),
        },
        Kind::Text(rule) | Kind::Path(rule) => {
            accept_text(rule, spot).map(Value::String).map_err(|complaint| vec![complaint])
        }
        Kind::List(rule) => accept_list(rule, spot),
        Kind::Paths => accept_list(Rule::Any, spot),
        Kind::Table => accept_table(spot),
        Kind::Recurrences => accept_recurrences(spot),
        Kind::Records(fields) => record::accept(fields, spot),
    }
}

fn accept_whole(least: u32, spot: &Spot) -> Result<Value, Complaint> {
    let wanted = format!("a whole number of at least {least}");
    match &spot.raw {
        Raw::Whole(digits, number) => match number {
            Some(number) if *number >= i64::from(least) => {
                let fits = u32::try_from(*number);
                fits.map(Value::from).map_err(|_| spot.expected(&format!("a whole number of at most {}", u32::MAX)))
            }
            None if !digits.starts_with('-') => Err(spot.expected(&format!("a whole number of at most {}", u32::MAX))),
            Some(_) | None => Err(spot.expected(&wanted)),
        },
        _ => Err(unquote(spot, spot.expected(&wanted), |text| text.parse::<u32>().is_ok())),
    }
}

/// Adds the cure when a value of the file is right but for its quotes.
fn unquote(spot: &Spot, mut complaint: Complaint, fits: fn(&str) -> bool) -> Complaint {
    if let (Raw::Text(text), Some(_)) = (&spot.raw, &spot.span)
        && fits(text)
    {
        complaint.message.push_str(" (leave out the quotes)");
    }
    complaint
}

fn accept_text(rule: Rule, spot: &Spot) -> Result<String, Complaint> {
    let Raw::Text(text) = &spot.raw else {
        return Err(match rule {
            Rule::OneOf(words) => spot.expected(&one_of(words)),
            Rule::Any | Rule::NotEmpty | Rule::Regex | Rule::Glob | Rule::Window => spot.expected("a string"),
        });
    };
    // No path, argument or variable can carry it to a program.
    if text.contains('\0') {
        return Err(spot.complain("must not contain the character NUL".to_owned()));
    }
    match rule {
        Rule::Any => {}
        Rule::NotEmpty => {
            if text.trim().is_empty() {
                return Err(spot.complain("must not be empty".to_owned()));
            }
        }
        Rule::OneOf(words) => {
            if !words.contains(&text.as_str()) {
                let mut complaint = spot.expected(&one_of(words));
                if let Some(word) = suggest::word(text, words) {
                    complaint.message = format!("{}; did you mean \"{word}\"?", complaint.message);
                }
                return Err(complaint);
            }
        }
        Rule::Regex => {
            if let Err(error) = regex::Regex::new(text) {
                return Err(spot.complain(format!("not a regular expression: {}", last_line(&error.to_string()))));
            }
        }
        Rule::Glob => {
            if text.is_empty() {
                return Err(spot.complain("must not be empty".to_owned()));
            }
            if let Err(error) = globset::Glob::new(text) {
                return Err(spot.complain(format!("not a glob: {}", last_line(&error.to_string()))));
            }
        }
        Rule::Window => {
            schedule::window(text).map_err(|message| spot.complain(message))?;
        }
    }
    Ok(text.clone())
}

fn one_of(words: &[&str]) -> String {
    format!("one of {}", words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "))
}

/// The syntax errors of `regex` are drawn over several lines; the last one says what is wrong.
fn last_line(text: &str) -> &str {
    let line = text.trim_end().lines().last().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line)
}

fn accept_list(rule: Rule, spot: &Spot) -> Result<Value, Vec<Complaint>> {
    let Raw::List(items) = &spot.raw else {
        let mut complaint = spot.expected("an array of strings");
        if let Raw::Text(text) = &spot.raw {
            complaint.message = format!("{} (write [{}])", complaint.message, quoted(text));
        }
        return Err(vec![complaint]);
    };
    let mut accepted = Vec::new();
    let mut complaints = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match accept_text(rule, item) {
            Ok(text) => accepted.push(Value::String(text)),
            Err(complaint) => complaints.push(numbered(at, complaint)),
        }
    }
    if complaints.is_empty() { Ok(Value::Array(accepted)) } else { Err(complaints) }
}

fn numbered(at: usize, complaint: Complaint) -> Complaint {
    Complaint { message: format!("element {}: {}", at + 1, complaint.message), span: complaint.span }
}

fn accept_recurrences(spot: &Spot) -> Result<Value, Vec<Complaint>> {
    const WANTED: &str =
        "an array of tables like { at = \"0 3 * * 1-5 Europe/Berlin\", plan = \"ai-docs/nightly.md\" }";
    let Raw::List(items) = &spot.raw else { return Err(vec![spot.expected(WANTED)]) };
    let mut accepted = Vec::new();
    let mut complaints = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match accept_recurrence(item, WANTED) {
            Ok(entry) => accepted.push(entry),
            Err(complaint) => complaints.push(numbered(at, complaint)),
        }
    }
    if complaints.is_empty() { Ok(Value::Array(accepted)) } else { Err(complaints) }
}

fn accept_recurrence(spot: &Spot, wanted: &str) -> Result<Value, Complaint> {
    let Raw::Table(members) = &spot.raw else { return Err(spot.expected(wanted)) };
    if let Some((name, member)) = members.iter().find(|(name, _)| name != "at" && name != "plan") {
        return Err(member.complain(format!("unknown key {}; an entry has at and plan", quoted(name))));
    }
    let member = |key: &str| {
        let found = members.iter().find(|(name, _)| name == key).map(|(_, member)| member);
        let member = found.ok_or_else(|| spot.complain(format!("has no {key}; expected {wanted}")))?;
        let text = accept_text(Rule::NotEmpty, member)
            .map_err(|complaint| Complaint { message: format!("{key}: {}", complaint.message), ..complaint })?;
        Ok((member, text))
    };
    let ((at_spot, at), (_, plan)) = (member("at")?, member("plan")?);
    schedule::recurrence(&at, &plan).map_err(|message| at_spot.complain(format!("at: {message}")))?;
    Ok(serde_json::json!({ "at": at, "plan": plan }))
}

fn accept_table(spot: &Spot) -> Result<Value, Vec<Complaint>> {
    let Raw::Table(items) = &spot.raw else {
        let wanted = if spot.span.is_some() { "a table of strings" } else { "a JSON object of strings" };
        return Err(vec![spot.expected(wanted)]);
    };
    let mut accepted = serde_json::Map::new();
    let mut complaints = Vec::new();
    for (name, item) in items {
        match table_entry(name, item) {
            Ok(text) => drop(accepted.insert(name.clone(), Value::String(text))),
            Err(complaint) => complaints.push(complaint),
        }
    }
    if complaints.is_empty() { Ok(Value::Object(accepted)) } else { Err(complaints) }
}

fn table_entry(name: &str, item: &Spot) -> Result<String, Complaint> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(item.complain(format!("{} cannot be the name of a variable", quoted(name))));
    }
    match &item.raw {
        Raw::Text(text) if text.contains('\0') => {
            Err(item.complain(format!("{}: must not contain the character NUL", quoted(name))))
        }
        Raw::Text(text) | Raw::Real(text, _) => Ok(text.clone()),
        Raw::Whole(digits, number) => Ok(number.map_or_else(|| digits.clone(), |number| number.to_string())),
        Raw::Flag(flag) => Ok(flag.to_string()),
        Raw::List(_) | Raw::Table(_) | Raw::Other(_) => {
            Err(item.complain(format!("{}: expected a string, found {}", quoted(name), item.describe())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `x = <text>` and checks it.
    fn toml(kind: Kind, text: &str) -> Result<Value, String> {
        let source = format!("x = {text}");
        let table = toml::de::DeTable::parse(&source).unwrap();
        let value = table.get_ref().get("x").unwrap();
        join(accept(kind, &Spot::of_toml(value)))
    }

    fn variable(kind: Kind, text: &str) -> Result<Value, String> {
        join(accept(kind, &Spot::of_variable(kind, text)))
    }

    fn join(answer: Result<Value, Vec<Complaint>>) -> Result<Value, String> {
        answer.map_err(|all| all.into_iter().map(|complaint| complaint.message).collect::<Vec<_>>().join(" | "))
    }

    fn error(message: &str) -> Result<Value, String> {
        Err(message.to_owned())
    }

    const ONE: Kind = Kind::Whole { least: 1 };
    const WORDS: Kind = Kind::Text(Rule::OneOf(&["text", "stream-json"]));

    #[test]
    fn whole_numbers_have_bounds_and_no_disguise() {
        assert_eq!(toml(ONE, "0x10"), Ok(Value::from(16)));
        assert_eq!(toml(ONE, "1_000"), Ok(Value::from(1000)));
        assert_eq!(toml(ONE, "0"), error("expected a whole number of at least 1, found integer 0"));
        assert_eq!(toml(ONE, "-5"), error("expected a whole number of at least 1, found integer -5"));
        assert_eq!(toml(ONE, "2.0"), error("expected a whole number of at least 1, found float 2.0"));
        assert_eq!(toml(ONE, "\"three\""), error("expected a whole number of at least 1, found string \"three\""));
        assert_eq!(
            toml(ONE, "'3'"),
            error("expected a whole number of at least 1, found string \"3\" (leave out the quotes)")
        );
        assert_eq!(
            toml(ONE, "4294967296"),
            error("expected a whole number of at most 4294967295, found integer 4294967296")
        );
        assert_eq!(toml(ONE, "4294967295"), Ok(Value::from(u32::MAX)));
        let huge = toml(ONE, "99999999999999999999999999").unwrap_err();
        assert!(huge.starts_with("expected a whole number of at most 4294967295"), "{huge}");
        let huge = toml(ONE, "-99999999999999999999999999").unwrap_err();
        assert!(huge.starts_with("expected a whole number of at least 1"), "{huge}");
        assert_eq!(toml(ONE, "1979-05-27"), error("expected a whole number of at least 1, found date-time 1979-05-27"));
        assert_eq!(toml(ONE, "[1]"), error("expected a whole number of at least 1, found an array"));
    }

    #[test]
    fn variables_are_read_as_their_key_wants() {
        assert_eq!(variable(ONE, " 7 "), Ok(Value::from(7)));
        assert_eq!(variable(ONE, "3"), Ok(Value::from(3)));
        assert_eq!(variable(ONE, ""), error("expected a whole number of at least 1, found string \"\""));
        assert_eq!(variable(ONE, "3.5"), error("expected a whole number of at least 1, found string \"3.5\""));
        assert!(variable(ONE, "99999999999999999999").unwrap_err().contains("at most 4294967295"));
        for yes in ["1", "true", "YES", "On"] {
            assert_eq!(variable(Kind::Flag, yes), Ok(Value::Bool(true)), "{yes}");
        }
        for no in ["0", "false", "2", "y", "", "enabled"] {
            assert_eq!(variable(Kind::Flag, no), Ok(Value::Bool(false)), "{no}");
        }
        assert_eq!(variable(Kind::Real, "0.5"), Ok(Value::from(0.5)));
        assert_eq!(variable(Kind::Real, "NaN"), error("expected a finite number of at least 0, found float NaN"));
        assert_eq!(variable(Kind::Text(Rule::Any), " a "), Ok(Value::from(" a ")));
    }

    #[test]
    fn a_list_from_a_variable_is_json_or_one_element() {
        let list = Kind::List(Rule::NotEmpty);
        assert_eq!(variable(list, r#"["a b", "c"]"#), Ok(serde_json::json!(["a b", "c"])));
        assert_eq!(variable(list, "pytest -q"), Ok(serde_json::json!(["pytest -q"])));
        assert_eq!(variable(list, "[ab]*.o"), Ok(serde_json::json!(["[ab]*.o"])));
        assert_eq!(variable(list, "3"), Ok(serde_json::json!(["3"])));
        assert_eq!(variable(list, ""), Ok(serde_json::json!([])));
        assert_eq!(variable(list, "[1]"), error("element 1: expected a string, found integer 1"));
        assert_eq!(variable(list, r#"["a", [1]]"#), error("element 2: expected a string, found an array"));
    }

    #[test]
    fn a_table_becomes_text() {
        let want = serde_json::json!({"A": "x", "B": "1", "C": "true", "D": "1.50"});
        assert_eq!(toml(Kind::Table, "{A = 'x', B = 1, C = true, D = 1.50}"), Ok(want.clone()));
        assert_eq!(variable(Kind::Table, r#"{"A": "x", "B": 1, "C": true, "D": "1.50"}"#), Ok(want));
        assert_eq!(toml(Kind::Table, "{A = [1]}"), error("\"A\": expected a string, found an array"));
        assert_eq!(toml(Kind::Table, "{'A=B' = 1}"), error("\"A=B\" cannot be the name of a variable"));
        assert_eq!(toml(Kind::Table, "'A'"), error("expected a table of strings, found string \"A\""));
        assert_eq!(variable(Kind::Table, "A=1"), error("expected a JSON object of strings, found string \"A=1\""));
        assert_eq!(variable(Kind::Table, r#"{"A": null}"#), error("\"A\": expected a string, found null"));
    }

    #[test]
    fn words_patterns_and_globs_are_checked() {
        assert_eq!(
            toml(WORDS, "'stream_json'"),
            error(
                "expected one of \"text\", \"stream-json\", found string \"stream_json\"; did you mean \"stream-json\"?"
            )
        );
        assert_eq!(toml(WORDS, "1"), error("expected one of \"text\", \"stream-json\", found integer 1"));
        let regex = Kind::Text(Rule::Regex);
        assert_eq!(toml(regex, "'^ok$'"), Ok(Value::from("^ok$")));
        assert_eq!(toml(regex, "''"), Ok(Value::from("")));
        assert_eq!(toml(regex, "'(a'"), error("not a regular expression: unclosed group"));
        let globs = Kind::List(Rule::Glob);
        assert_eq!(
            toml(globs, "['*.o', 'a[b-']"),
            error("element 2: not a glob: error parsing glob 'a[b-': unclosed character class; missing ']'")
        );
        assert_eq!(toml(globs, "['']"), error("element 1: must not be empty"));
        assert_eq!(toml(globs, "'*.o'"), error("expected an array of strings, found string \"*.o\" (write [\"*.o\"])"));
    }

    #[test]
    fn windows_and_recurrences_are_checked() {
        let windows = Kind::List(Rule::Window);
        assert_eq!(toml(windows, "['22:00-07:00 UTC']"), Ok(serde_json::json!(["22:00-07:00 UTC"])));
        assert_eq!(
            toml(windows, "['22:00-07:00', 'x 1:00-2:00']").unwrap_err().split(';').next(),
            Some("element 2: unknown day \"x\"")
        );
        let want = serde_json::json!([{"at": "0 3 * * 1-5 Europe/Berlin", "plan": "a.md"}]);
        assert_eq!(toml(Kind::Recurrences, "[{at = '0 3 * * 1-5 Europe/Berlin', plan = 'a.md'}]"), Ok(want.clone()));
        assert_eq!(variable(Kind::Recurrences, &want.to_string()), Ok(want));
        assert_eq!(variable(Kind::Recurrences, " "), Ok(serde_json::json!([])));
        for (text, why) in [
            ("'0 3 * * *'", "expected an array of tables like"),
            ("{at = '0 3 * * *', plan = 'a.md'}", "found a table"),
            ("['0 3 * * *']", "element 1: expected an array of tables like"),
            ("[{at = '0 3 * * *'}]", "element 1: has no plan"),
            ("[{at = '@daily', plan = 'a.md'}, {at = '0 3 * *', plan = 'a.md'}]", "element 2: at: expected"),
            ("[{at = 3, plan = 'a.md'}]", "element 1: at: expected a string, found integer 3"),
            ("[{at = '@daily', plan = ' '}]", "element 1: plan: must not be empty"),
            ("[{at = '@daily', plan = 'a.md', plans = 1}]", "element 1: unknown key \"plans\""),
        ] {
            let message = toml(Kind::Recurrences, text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn no_text_carries_a_nul_to_a_program() {
        assert_eq!(toml(Kind::Path(Rule::Any), r#""a\u0000b""#), error("must not contain the character NUL"));
        assert_eq!(toml(Kind::Table, r#"{A = "\u0000"}"#), error("\"A\": must not contain the character NUL"));
    }

    #[test]
    fn a_long_value_is_shown_in_part() {
        let message = toml(ONE, &format!("\"{}\"", r"é\u001b".repeat(500))).unwrap_err();
        assert!(message.chars().count() < 400 && message.contains('…') && !message.contains('\u{1b}'), "{message}");
    }
}
