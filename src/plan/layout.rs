//! The text of task.json as a frame and its parts: top-level members and the entries of `tasks`.
//!
//! Parts that already have the file's form keep their text byte for byte (also a list that a person wrote on one
//! line); a part with other indentation, line ends or needless escapes is printed anew with the same content.
//! Invariant: joining the parts of a file in its form gives the same bytes.

use super::json::{Json, next_line, quote};
use super::scan::{Scanner, SyntaxError};

/// The parts of a document.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Top-level members in file order.
    pub(super) members: Vec<Member>,
    /// The entries of the last `tasks`, when that is a list.
    pub(super) entries: Vec<Entry>,
    /// Where `tasks` stands when it is no list, and what it is instead.
    pub(super) odd_tasks: Option<(usize, &'static str)>,
    /// The member that the entries came from.
    tasks: Option<usize>,
}

/// A top-level member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq)]
pub(super) enum Content {
    /// The list that [`Layout::entries`] came from.
    Tasks,
    /// Any other value, as it is printed one level deep.
    Text(String),
}

/// An entry of `tasks`.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where its text begins in the document.
    pub(super) offset: usize,
    /// As it is printed two levels deep.
    pub(super) text: String,
    pub(super) json: Json,
}

/// Takes a document apart. Its root must be an object.
pub(super) fn split(text: &str) -> Result<Layout, SyntaxError> {
    let mut layout = Layout::default();
    let mut scanner = Scanner::new(text, 0);
    if scanner.peek() != Some(b'{') {
        let offset = scanner.at();
        // A text that is no JSON at all says so first.
        let kind = scanner.value()?.kind();
        scanner.end()?;
        return Err(SyntaxError { offset, message: format!("expected an object with `tasks`, found {kind}") });
    }
    scanner.members(|scanner, key, key_start| {
        let is_tasks = key == "tasks";
        if is_tasks {
            unname_tasks(&mut layout);
        }
        if is_tasks && scanner.peek() == Some(b'[') {
            layout.entries = entries(text, scanner)?;
            layout.tasks = Some(layout.members.len());
            layout.members.push(Member { key, content: Content::Tasks });
            return Ok(());
        }
        let start = scanner.at();
        let (json, span) = spanned(text, scanner)?;
        if is_tasks {
            layout.odd_tasks = Some((start, json.kind()));
        }
        let text = if has_form(text, key_start, span, 1) { span.to_owned() } else { printed(&json, 1) };
        layout.members.push(Member { key, content: Content::Text(text) });
        Ok(())
    })?;
    scanner.end()?;
    Ok(layout)
}

/// Turns an earlier `tasks` into an ordinary member: the last of two counts.
fn unname_tasks(layout: &mut Layout) {
    let entries = std::mem::take(&mut layout.entries);
    layout.odd_tasks = None;
    if let Some(member) = layout.tasks.take().and_then(|at| layout.members.get_mut(at)) {
        let items = Json::Array(entries.into_iter().map(|entry| entry.json).collect());
        member.content = Content::Text(printed(&items, 1));
    }
}

fn entries(text: &str, scanner: &mut Scanner) -> Result<Vec<Entry>, SyntaxError> {
    let mut entries = Vec::new();
    scanner.elements(|scanner| {
        let offset = scanner.at();
        let (json, span) = spanned(text, scanner)?;
        let text = if has_form(text, offset, span, 2) { span.to_owned() } else { printed(&json, 2) };
        entries.push(Entry { offset, text, json });
        Ok(())
    })?;
    Ok(entries)
}

/// Reads a value and returns its text too.
fn spanned<'a>(text: &'a str, scanner: &mut Scanner) -> Result<(Json, &'a str), SyntaxError> {
    let start = scanner.at();
    let json = scanner.value()?;
    let span = text.get(start..scanner.at()).unwrap_or_default();
    Ok((json, span.trim_end_matches([' ', '\n', '\r', '\t'])))
}

/// Whether a part that begins its line at `start` is written as this file is written: on a line of its own with two
/// spaces per level, ended likewise, without carriage returns, tabs or escapes of printable characters.
fn has_form(text: &str, start: usize, span: &str, depth: usize) -> bool {
    let indent = "  ".repeat(depth);
    let before = text.get(..start).unwrap_or_default();
    let begins = before.strip_suffix(&indent).is_some_and(|rest| rest.ends_with('\n'));
    let ends = span
        .rsplit_once('\n')
        .is_none_or(|(_, last)| last.strip_prefix(&indent).is_some_and(|rest| matches!(rest, "}" | "]")));
    let has_escapes = span.match_indices("\\u").any(|(at, _)| {
        let digits = span.get(at + 2..at + 6).unwrap_or_default();
        u32::from_str_radix(digits, 16).is_ok_and(|code| code >= 0x20)
    });
    begins && ends && !has_escapes && !span.contains(['\r', '\t'])
}

/// Prints a value as it stands `depth` levels deep.
pub(super) fn printed(json: &Json, depth: usize) -> String {
    let mut out = String::new();
    json.print(depth, &mut out);
    out
}

/// Appends the document that the parts make, with a line break at its end.
pub(super) fn join<'a>(members: &[Member], entries: impl Iterator<Item = &'a str>, out: &mut String) {
    let mut entries = Some(entries);
    out.push('{');
    for (at, member) in members.iter().enumerate() {
        next_line(at > 0, 1, out);
        quote(&member.key, out);
        out.push_str(": ");
        match &member.content {
            Content::Text(text) => out.push_str(text),
            Content::Tasks => {
                out.push('[');
                let mut is_empty = true;
                for text in entries.take().into_iter().flatten() {
                    next_line(!is_empty, 2, out);
                    out.push_str(text);
                    is_empty = false;
                }
                if !is_empty {
                    next_line(false, 1, out);
                }
                out.push(']');
            }
        }
    }
    out.push_str(if members.is_empty() { "}\n" } else { "\n}\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        let layout = split(text).unwrap();
        let mut out = String::new();
        join(&layout.members, layout.entries.iter().map(|entry| entry.text.as_str()), &mut out);
        out
    }

    #[test]
    fn a_file_in_its_form_keeps_its_bytes() {
        for text in [
            "{}\n",
            "{\n  \"tasks\": []\n}\n",
            "{\n  \"project\": \"ü\",\n  \"tasks\": [\n    {\n      \"id\": \"a\",\n      \"steps\": [\"x\", \"y\"]\n    },\n    \
             {\"id\": \"b\"},\n    5\n  ],\n  \"odd\": {\"n\": 1.0},\n  \"statistics\": {\n    \"completed\": 0\n  }\n}\n",
        ] {
            assert_eq!(joined(text), text);
        }
    }

    #[test]
    fn other_forms_are_printed_anew_with_the_same_content() {
        let form = "{\n  \"project\": \"ü\",\n  \"tasks\": [\n    {\n      \"id\": \"a\",\n      \"n\": [\n        1.0\n      ]\n    }\n  ]\n}\n";
        for text in [
            r#"{"project":"ü","tasks":[{"id":"a","n":[1.0]}]}"#.to_owned(),
            "{\"project\": \"\\u00fc\", \"tasks\": [\n    {\"id\": \"\\u0061\", \"n\": [1.0]}\n]}".to_owned(),
            form.replace("  ", "    "),
            form.replace("  ", "\t"),
            form.replace('\n', "\r\n"),
        ] {
            assert_eq!(joined(&text), form, "{text}");
        }
    }

    #[test]
    fn the_last_of_two_task_lists_counts_and_both_stay() {
        let text = "{\n  \"tasks\": [\n    1\n  ],\n  \"tasks\": [\n    2\n  ]\n}\n";
        assert_eq!(joined(text), text);
        assert_eq!(split(text).unwrap().entries.len(), 1);
    }

    #[test]
    fn tasks_of_another_type_are_noticed() {
        assert_eq!(split(r#"{"tasks": {}}"#).unwrap().odd_tasks, Some((10, "an object")));
        assert_eq!(split(r#"{"tasks": null, "tasks": []}"#).unwrap().odd_tasks, None);
        assert_eq!(split("[1]").unwrap_err().message, "expected an object with `tasks`, found a list");
    }
}
