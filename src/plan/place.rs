//! Where in task.json something stands: as a path of keys (`tasks[3].verification`) and as line and column.

use std::fmt::Write as _;

use super::json::quote;

/// One step into a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Adds steps to the name of a place: `.key`, `["odd key"]` or `[index]`.
pub(super) fn name(base: &str, steps: &[Step]) -> String {
    let mut out = base.to_owned();
    for step in steps {
        match step {
            Step::Key(key) if is_plain(key) => {
                out.push_str(if out.is_empty() { "" } else { "." });
                out.push_str(key);
            }
            Step::Key(key) => {
                out.push('[');
                quote(key, &mut out);
                out.push(']');
            }
            Step::Index(index) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "[{index}]");
            }
        }
    }
    out
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// The line starts of a text, to turn offsets into lines.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// Returns line and column, both from 1, the column in characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or_default();
        (line, String::from_utf8_lossy(before).chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_as_people_write_it() {
        let steps = [Step::Key("tasks"), Step::Index(3), Step::Key("environment"), Step::Key("A B.c")];
        assert_eq!(name("", &steps), r#"tasks[3].environment["A B.c"]"#);
    }

    #[test]
    fn columns_count_characters() {
        let lines = Lines::new("ä\n\"üü\" x".as_bytes());
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(2), (1, 2));
        assert_eq!(lines.position(3), (2, 1));
        assert_eq!(lines.position(10), (2, 6));
        assert_eq!(lines.position(999), (2, 7));
    }
}
