//! The front matter of a plan, with types.
//!
//! Wrong types are errors and never guesses: a budget or a draft mark that is silently ignored would start work that
//! nobody wanted. Fields that mean nothing here are named in [`Matter::unknown`].

use serde_json::{Map, Value};

use super::{Document, ImportError};
use crate::model::BackendName;

/// What the front matter of a plan says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matter {
    /// `title`; not blank.
    pub title: Option<String>,
    /// `priority`: a number, or `critical` 0, `high` 1, `medium` 2, `low` 3.
    pub priority: Option<i64>,
    /// `status: draft` (or `draft: true`): not to be worked on.
    pub is_draft: bool,
    /// `backend`.
    pub backend: Option<BackendName>,
    /// `branch`; not blank.
    pub branch: Option<String>,
    /// `depends_on`: other plans, a list or one text.
    pub depends_on: Vec<String>,
    /// `budget`: an amount of money, finite and not negative; `$` and commas are allowed.
    pub budget: Option<f64>,
    /// The other fields, in the order of the text.
    pub unknown: Vec<String>,
}

/// Reads the fields of a document.
pub(super) fn read(document: Document, fields: &Map<String, Value>) -> Result<Matter, ImportError> {
    let mut matter = Matter::default();
    for (key, value) in fields {
        let refused = |expected: String| ImportError::Matter {
            file: document.path.to_owned(),
            line: line_of(document.text, key),
            key: key.clone(),
            expected,
            found: shown(value),
        };
        if value.is_null() {
            continue;
        }
        match key.as_str() {
            "title" => matter.title = filled(text(value).ok_or_else(|| refused("a text".to_owned()))?),
            "branch" => matter.branch = filled(text(value).ok_or_else(|| refused("a text".to_owned()))?),
            "priority" => {
                let expected = "a whole number, or critical, high, medium or low";
                matter.priority = Some(priority(value).ok_or_else(|| refused(expected.to_owned()))?);
            }
            "status" => {
                let status = text(value).ok_or_else(|| refused("a text".to_owned()))?;
                matter.is_draft |= status.eq_ignore_ascii_case("draft");
            }
            "draft" => matter.is_draft |= value.as_bool().ok_or_else(|| refused("true or false".to_owned()))?,
            "backend" => {
                let names = BackendName::ALL.map(BackendName::as_str).join(", ");
                matter.backend = Some(backend(value).ok_or_else(|| refused(format!("one of {names}")))?);
            }
            "depends_on" => {
                matter.depends_on = texts(value).ok_or_else(|| refused("a text or a list of texts".to_owned()))?;
            }
            "budget" => {
                matter.budget = Some(budget(value).ok_or_else(|| refused("an amount such as 2.50".to_owned()))?);
            }
            _ => matter.unknown.push(key.clone()),
        }
    }
    Ok(matter)
}

/// Returns a text, trimmed. Numbers are texts too: YAML makes one of `title: 42`.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let texts = match value {
        Value::Array(items) => items.iter().map(text).collect::<Option<Vec<_>>>()?,
        one => vec![text(one)?],
    };
    Some(texts.into_iter().filter_map(filled).collect())
}

fn priority(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(word) => match word.trim().to_lowercase().as_str() {
            "critical" | "urgent" => Some(0),
            "high" => Some(1),
            "medium" | "normal" => Some(2),
            "low" => Some(3),
            other => other.strip_prefix('p').unwrap_or(other).parse().ok(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn backend(value: &Value) -> Option<BackendName> {
    let word = value.as_str()?.trim();
    BackendName::ALL.into_iter().find(|name| name.as_str().eq_ignore_ascii_case(word))
}

fn budget(value: &Value) -> Option<f64> {
    let amount = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().trim_start_matches('$').replace(',', "").trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (amount.is_finite() && amount >= 0.0).then_some(amount)
}

/// Shows a value on one line, shortened.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

/// Returns the line on which a field of the front matter stands; 1 when it is not found.
fn line_of(text: &str, key: &str) -> usize {
    let is_field = |line: &str| {
        let name = line.split(':').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        line.contains(':') && name == key
    };
    let block = text.lines().enumerate().skip(1).take_while(|(_, line)| line.trim_end() != "---");
    block.into_iter().find(|(_, line)| is_field(line)).map_or(1, |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::logic::front_matter::split;

    fn matter(text: &str) -> Result<Matter, String> {
        let fields = split(text).unwrap().matter.unwrap();
        read(Document { path: "p.md", text }, &fields).map_err(|e| e.to_string())
    }

    #[test]
    fn every_field_is_read() {
        let text = "---\ntitle: Add login\npriority: high\nstatus: Draft\nbackend: codex\nbranch: feat/login\n\
                    depends_on: [base, 12]\nbudget: 2.5\ntags: [a]\nestimated_complexity: low\n---\n";
        let expected = Matter {
            title: Some("Add login".to_owned()),
            priority: Some(1),
            is_draft: true,
            backend: Some(BackendName::Codex),
            branch: Some("feat/login".to_owned()),
            depends_on: vec!["base".to_owned(), "12".to_owned()],
            budget: Some(2.5),
            unknown: vec!["tags".to_owned(), "estimated_complexity".to_owned()],
        };
        assert_eq!(matter(text), Ok(expected));
        let text = "---\ndepends_on: base\nbudget: $1,200\npriority: P0\nstatus: ready\ntitle:\n---\n";
        let read = matter(text).unwrap();
        assert_eq!((read.depends_on, read.budget, read.priority), (vec!["base".to_owned()], Some(1200.0), Some(0)));
        assert_eq!((read.is_draft, read.title), (false, None));
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_line() {
        for (field, expected) in [
            ("budget: cheap", "an amount such as 2.50, found \"cheap\""),
            ("budget: -1", "an amount such as 2.50, found -1"),
            ("priority: [1]", "a whole number, or critical, high, medium or low, found [1]"),
            ("priority: 1.5", "a whole number, or critical, high, medium or low, found 1.5"),
            ("title: [a]", "a text, found [\"a\"]"),
            ("draft: maybe", "true or false, found \"maybe\""),
            ("depends_on: {a: b}", "a text or a list of texts, found {\"a\":\"b\"}"),
            ("depends_on: [[a]]", "a text or a list of texts, found [[\"a\"]]"),
            ("backend: gpt", "one of claude, codex, gemini, opencode, command, replay, found \"gpt\""),
        ] {
            let key = field.split(':').next().unwrap();
            let message = format!("p.md:3: {key}: expected {expected}");
            assert_eq!(matter(&format!("---\nother: x\n{field}\n---\n")), Err(message));
        }
    }
}
