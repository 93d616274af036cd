//! One SKILL.md: what its front matter says, and what is wrong with it. Pure.

use serde_json::{Map, Value};

use crate::logic::front_matter;

/// A skill as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skill {
    /// The name of its directory.
    pub directory: String,
    /// `name`; the directory's name without one.
    pub name: String,
    /// `description` on one line; without one the first line of the body that is neither a heading nor a rule. May be
    /// empty.
    pub description: String,
    /// `category`, or `metadata.category`.
    pub category: Option<String>,
    /// `triggers` or `metadata.triggers`: words and phrases that ask for the skill.
    pub triggers: Vec<String>,
    /// What is wrong with the file, for people; empty when nothing is.
    pub problems: Vec<String>,
}

/// Longest name, by the convention.
const NAME_LIMIT: usize = 64;
/// Longest description in characters, by the convention.
const DESCRIPTION_LIMIT: usize = 1024;

impl Skill {
    /// Reads a SKILL.md. Never fails: what cannot be read is a problem of the skill.
    pub fn read(directory: &str, content: &[u8]) -> Self {
        let mut problems = Vec::new();
        let text = String::from_utf8_lossy(content);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            problems.push("SKILL.md is not UTF-8".to_owned());
        }
        let (matter, body) = match front_matter::split(&text) {
            Ok(document) => (document.matter, document.body),
            Err(error) => {
                problems.push(format!("SKILL.md: {error}"));
                (Some(Map::new()), "")
            }
        };
        let is_readable = problems.is_empty();
        if matter.is_none() {
            problems.push("SKILL.md has no front matter, so agents do not see the skill".to_owned());
        }
        let matter = matter.unwrap_or_default();
        let metadata = matter.get("metadata").and_then(Value::as_object);
        let field = |key: &str| matter.get(key).and_then(line);
        let extra = |key: &str| matter.get(key).or_else(|| metadata.and_then(|map| map.get(key)));
        let name = field("name");
        let description = field("description");
        if is_readable && !matter.is_empty() {
            problems.extend(name_problem(name.as_deref(), directory));
            problems.extend(description_problem(description.as_deref()));
        }
        Self {
            directory: directory.to_owned(),
            name: name.unwrap_or_else(|| directory.to_owned()),
            description: description.unwrap_or_else(|| first_line(body)),
            category: extra("category").and_then(line),
            triggers: extra("triggers").map(texts).unwrap_or_default(),
            problems,
        }
    }

    /// A skill whose SKILL.md could not be read at all.
    pub fn unreadable(directory: &str, problem: String) -> Self {
        let directory = directory.to_owned();
        Self { name: directory.clone(), directory, problems: vec![problem], ..Self::default() }
    }
}

/// A plain value as text on one line; `None` when there is none.
fn line(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    };
    Some(text).filter(|text| !text.is_empty())
}

/// A list, or one text with commas.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(line).collect(),
        other => {
            let text = line(other).unwrap_or_default();
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
    }
}

fn first_line(body: &str) -> String {
    let mut lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.find(|line| !line.starts_with('#') && *line != "---").unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn name_problem(name: Option<&str>, directory: &str) -> Option<String> {
    let Some(name) = name else { return Some("SKILL.md has no name".to_owned()) };
    let is_plain = name
        .split('-')
        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    if !is_plain {
        return Some(format!("the name {name:?} is not made of a-z, 0-9 and single hyphens"));
    }
    if name.len() > NAME_LIMIT {
        return Some(format!("the name is longer than {NAME_LIMIT} characters"));
    }
    (name != directory).then(|| format!("the name {name:?} is not the directory's"))
}

fn description_problem(description: Option<&str>) -> Option<String> {
    match description.map(|text| text.chars().count()) {
        None => Some("SKILL.md has no description, so agents do not know when to read it".to_owned()),
        Some(length) if length > DESCRIPTION_LIMIT => {
            Some(format!("the description has {length} characters, at most {DESCRIPTION_LIMIT} are read"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn read(text: &str) -> Skill {
        Skill::read("demo", text.as_bytes())
    }

    #[test]
    fn fields_in_all_their_forms() {
        let folded = read(
            "---\nname: demo\ndescription: >-\n  Does a\n  thing.\ncategory: qa\ntriggers: [one, 'two words']\n---\n",
        );
        assert_eq!(folded.description, "Does a thing.");
        assert_eq!((folded.category.as_deref(), folded.triggers), (Some("qa"), vec!["one".into(), "two words".into()]));
        assert!(folded.problems.is_empty(), "{:?}", folded.problems);
        let literal = read(
            "---\nname: demo\ndescription: |\n  Does a\n  thing.\nmetadata:\n  category: ops\ntriggers:\n  - one\n  - 2\n---\n",
        );
        assert_eq!(literal.description, "Does a thing.");
        assert_eq!((literal.category.as_deref(), literal.triggers), (Some("ops"), vec!["one".into(), "2".into()]));
        let single = read("---\nname: demo\ndescription: \"a: b\"\ntriggers: only this\n---\n");
        assert_eq!((single.description.as_str(), single.triggers), ("a: b", vec!["only this".to_owned()]));
        let texts = read("---\nname: demo\ndescription: d\nmetadata: {triggers: \"a b, c\"}\n---\n");
        assert_eq!(texts.triggers, ["a b", "c"]);
    }

    #[test]
    fn without_a_description_the_first_plain_line_counts() {
        let skill = read("---\nname: demo\n---\n# Title\n\n---\n\n  What   it does.\nMore.\n");
        assert_eq!(skill.description, "What it does.");
        assert!(skill.problems[0].contains("no description"), "{:?}", skill.problems);
        let bare = read("# Title\nWhat it does.\n");
        assert_eq!((bare.name.as_str(), bare.description.as_str()), ("demo", "What it does."));
        assert!(bare.problems[0].contains("no front matter"));
        assert_eq!(read("").description, "");
    }

    #[test]
    fn what_is_wrong_is_said_and_the_rest_is_read() {
        for (text, wanted) in [
            ("---\nname: demo\ndescription: [a\n---\nbody", "SKILL.md: line"),
            ("---\nname: demo\ndescription: a\nbody", "no closing"),
            ("---\nname: other\ndescription: a\n---\n", "not the directory's"),
            ("---\nname: De_mo\ndescription: a\n---\n", "a-z"),
            ("---\nname: a--b\ndescription: a\n---\n", "a-z"),
            ("---\ndescription: a\n---\n", "no name"),
            ("---\nname: demo\ndescription:\n  - a\n---\n", "no description"),
        ] {
            let skill = read(text);
            assert!(skill.problems.iter().any(|p| p.contains(wanted)), "{text:?}: {:?}", skill.problems);
            assert!(!skill.name.is_empty());
        }
        let long = read(&format!("---\nname: demo\ndescription: {}\n---\n", "ä".repeat(1025)));
        assert!(long.problems[0].contains("1025"));
        assert!(read(&format!("---\nname: demo\ndescription: {}\n---\n", "ä".repeat(1024))).problems.is_empty());
        let binary = Skill::read("demo", b"---\nname: demo\ndescription: \xff\n---\n");
        assert!(binary.problems[0].contains("UTF-8"));
    }
}
