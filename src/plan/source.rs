//! What a plan is made from: the text a person gave, and what is kept about it in task.json.
//!
//! Reads no file; texts and paths come from the caller.

use serde_json::{Map, Value, json};

/// The headings by which a text is recognised as a COCA specification.
const HEADINGS: [&str; 4] = ["Context", "Outcome", "Constraints", "Assertions"];

/// Where a text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A sentence on the command line.
    Intent,
    /// A file.
    File,
    /// Standard input.
    Stdin,
}

/// A text to plan from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where from.
    pub kind: SourceKind,
    /// For people: `inline intent`, `positional intent`, `stdin`, or the file's name.
    pub label: String,
    /// For the name of the specification: `intent`, `stdin`, or the file's stem.
    pub name: String,
    /// The text, trimmed.
    pub text: String,
    /// The file's absolute path; empty when there is none.
    pub doc: String,
}

impl SourceKind {
    /// Returns the word of `source_kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::File => "file",
            Self::Stdin => "stdin",
        }
    }
}

impl Source {
    /// Whether the text is a COCA specification already: it has the four headings, in any order and case.
    pub fn is_specification(&self) -> bool {
        is_specification(&self.text)
    }

    /// Returns the file name of a specification made from this: `<slug>-coca-spec.md`.
    pub fn specification_name(&self) -> String {
        format!("{}-coca-spec.md", slug(&self.name))
    }

    /// Returns `planning_source` of task.json (section 7.4 of the reference's description): `text` is what was planned
    /// from, `doc` its path, `specification` the path of a specification that was made for it.
    pub fn planning_source(&self, text: &str, doc: &str, specification: &str) -> Map<String, Value> {
        let object = json!({
            "source_kind": self.kind.as_str(),
            "source_label": self.label,
            "source_name": self.name,
            "input_text": self.text,
            "planning_text": text,
            "source_doc": self.doc,
            "planning_source_doc": doc,
            "generated_spec_path": specification,
        });
        match object {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }
}

/// Whether a text has the four headings of a COCA specification.
pub fn is_specification(text: &str) -> bool {
    missing_headings(text).is_empty()
}

/// Returns the headings of a COCA specification that a text lacks, in any case.
pub fn missing_headings(text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    HEADINGS.into_iter().filter(|heading| !text.contains(&format!("## {}", heading.to_lowercase()))).collect()
}

/// Lower case, every run of other characters than a-z and 0-9 a single `-`, none at the ends; `intent` when nothing is
/// left.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    // File systems allow 255 bytes; nobody reads more than 60.
    let slug = slug.get(..60).unwrap_or(slug).trim_end_matches('-');
    if slug.is_empty() { "intent".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { kind: SourceKind::File, label: "l".into(), name: name.into(), text: text.into(), doc: String::new() }
    }

    #[test]
    fn a_specification_has_four_headings() {
        assert!(source("x", "## CONTEXT\n## Outcome\na\n## Assertions\n## Constraints").is_specification());
        assert!(!source("x", "## Context\n## Outcome\n## Assertions").is_specification());
    }

    #[test]
    fn a_specification_is_named_after_its_source() {
        let name = |name: &str| source(name, "").specification_name();
        assert_eq!(name("My  Feature (v2)"), "my-feature-v2-coca-spec.md");
        assert_eq!(name("--"), "intent-coca-spec.md");
        assert_eq!(name("日本"), "intent-coca-spec.md");
        assert_eq!(name(&"x".repeat(300)).len(), 60 + "-coca-spec.md".len());
    }

    #[test]
    fn the_source_is_kept_with_all_its_keys() {
        let kept = source("n", "t").planning_source("spec", "docs/specs/n.md", "docs/specs/n.md");
        let keys: Vec<&String> = kept.keys().collect();
        let wanted = [
            "source_kind",
            "source_label",
            "source_name",
            "input_text",
            "planning_text",
            "source_doc",
            "planning_source_doc",
            "generated_spec_path",
        ];
        assert_eq!(keys, wanted);
        assert_eq!((&kept["source_kind"], &kept["input_text"]), (&json!("file"), &json!("t")));
    }
}
