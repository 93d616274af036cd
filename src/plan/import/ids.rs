//! Ids that items carry, and the ids that they say they depend on.

/// How freely numbers in front of an item are taken for its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// `1.1 Add ...` is one (formats that number their items).
    Free,
    /// Only with punctuation (`1.1: Add ...`): `1.5 GB are enough` is text.
    Marked,
}

/// Splits an item into its id and the rest, without the punctuation and the emphasis around the id.
pub(super) fn leading(text: &str, numbers: Numbers) -> Option<(&str, &str)> {
    let bare = text.trim_start_matches('*');
    let is_bold = bare.len() < text.len();
    let (bare, is_boxed) = bare.strip_prefix('[').map_or((bare, false), |bare| (bare, true));
    let end = bare.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).unwrap_or(bare.len());
    let (token, rest) = bare.split_at(end);
    let id = token.trim_end_matches('.');
    let mut is_marked = is_bold || is_boxed || id.len() < token.len();
    let mut rest = rest;
    if is_boxed {
        rest = rest.strip_prefix(']')?;
    }
    let unbold = rest.trim_start_matches('*');
    is_marked |= unbold.starts_with([':', ')']);
    // What follows an id without a blank belongs to a word.
    if !unbold.is_empty() && !unbold.starts_with([':', ')']) && !unbold.starts_with(char::is_whitespace) {
        return None;
    }
    let body = unbold.trim_start_matches([':', ')', '*']).trim_start();
    let body = body.strip_prefix("- ").or_else(|| body.strip_prefix("\u{2013} ")).unwrap_or(body).trim();
    let is_id = match shape(id)? {
        Shape::Task { digits } => is_marked || digits >= 3,
        Shape::Dotted => is_marked || numbers == Numbers::Free,
        Shape::Priority => true,
        Shape::Number => id.len() < token.len() || unbold.starts_with([':', ')']) || is_boxed,
    };
    (is_id && !body.is_empty()).then_some((id, body))
}

enum Shape {
    /// `T012`, `T012a`.
    Task { digits: usize },
    /// `1.1`, `2.3.1`.
    Dotted,
    /// `P0-1`.
    Priority,
    /// `7`.
    Number,
}

fn shape(id: &str) -> Option<Shape> {
    let is_number = |text: &str| !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = id.strip_prefix('T') {
        let digits = rest.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(rest);
        return is_number(digits).then_some(Shape::Task { digits: digits.len() });
    }
    if let Some((first, second)) = id.strip_prefix('P').and_then(|rest| rest.split_once('-')) {
        return (is_number(first) && is_number(second)).then_some(Shape::Priority);
    }
    if is_number(id) {
        return Some(Shape::Number);
    }
    let parts = || id.split('.');
    (parts().count() > 1 && parts().all(is_number)).then_some(Shape::Dotted)
}

/// Returns the number of an id such as `T012`.
pub(super) fn task_number(id: &str) -> Option<u64> {
    id.strip_prefix('T').filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// Splits `T004-T007` into its ends.
pub(super) fn range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-')?;
    let last = if last.starts_with('T') { task_number(last) } else { last.parse().ok() };
    Some((task_number(first)?, last?))
}

/// Phrases behind which ids stand that must come first.
const PHRASES: [&str; 7] =
    ["depends on", "depend on", "blocked by", "dependencies:", "dependency:", "depends:", "prerequisites:"];

/// Returns the ids behind `depends on` and the like, ranges as `T004-T007`.
pub(super) fn needs(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for phrase in PHRASES {
        for (at, _) in lower.match_indices(phrase) {
            found.extend(listed(text.get(at + phrase.len()..).unwrap_or_default()));
        }
    }
    found
}

/// Returns the ids that a text begins with: `T001, T002 and T004-T007`.
fn listed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut after_task = false;
    for word in text.split([' ', ',', '&', '+', '/', '\t', '\n']).map(clean).filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "and" | "on" | "task" | "tasks" | ":" => {
                after_task |= lower.starts_with("task");
                continue;
            }
            _ => {}
        }
        let id = word.replace('\u{2013}', "-");
        let is_id = match shape(&id) {
            Some(Shape::Number) => after_task,
            Some(Shape::Task { .. } | Shape::Dotted | Shape::Priority) => true,
            None => range(&id).is_some(),
        };
        if !is_id {
            break;
        }
        found.push(if after_task && id.bytes().all(|b| b.is_ascii_digit()) { format!("T{id}") } else { id });
    }
    found
}

fn clean(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

/// Returns every id such as `T012` of a text, ranges as `T004-T007`.
pub(super) fn mentioned(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '\u{2013}')).map(clean);
    let words = words.map(|word| word.replace('\u{2013}', "-"));
    words.filter(|word| task_number(word).is_some() || range(word).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_told_from_text() {
        for (text, id, rest) in [
            ("T001 [P] Add x", "T001", "[P] Add x"),
            ("T1: Add x", "T1", "Add x"),
            ("**T012**: Add x", "T012", "Add x"),
            ("[T012] Add x", "T012", "Add x"),
            ("**1.1** Add x", "1.1", "Add x"),
            ("1.1. Add x", "1.1", "Add x"),
            ("3) Add x", "3", "Add x"),
            ("P0-1 Add x", "P0-1", "Add x"),
            ("T014a - Add x", "T014a", "Add x"),
        ] {
            assert_eq!(leading(text, Numbers::Marked), Some((id, rest)), "{text}");
        }
        assert_eq!(leading("1.1 Add x", Numbers::Free), Some(("1.1", "Add x")));
        for text in
            ["1.5 GB are enough", "T4 machines", "2 files", "T001", "UTF-8 support", "TXXX Add", "1.1x Add", "[P] a"]
        {
            assert_eq!(leading(text, Numbers::Marked), None, "{text}");
        }
    }

    #[test]
    fn dependencies_are_read_where_they_are_stated() {
        for (text, ids) in [
            ("Add x (depends on T012, T013)", vec!["T012", "T013"]),
            ("Depends on: T001 and T004-T007.", vec!["T001", "T004-T007"]),
            ("blocked by 1.2 & 1.3", vec!["1.2", "1.3"]),
            ("depends on Task 2", vec!["T2"]),
            ("depends on 2 files", vec![]),
            ("it depends on the weather, T001 too", vec![]),
            ("**Dependencies:** T001", vec!["T001"]),
        ] {
            assert_eq!(needs(text), ids, "{text}");
        }
        assert_eq!(mentioned("Tests (T004\u{2013}T007) before T008, TXXX"), ["T004-T007", "T008"]);
    }

    proptest! {
        #[test]
        fn fuzz_no_text_is_too_odd(text in "([T0-9.:)*\\[\\] -]|depends on |and ){0,40}|\\PC{0,40}") {
            if let Some((id, rest)) = leading(&text, Numbers::Free) {
                prop_assert!(!id.is_empty() && !rest.is_empty());
            }
            needs(&text);
            mentioned(&text);
        }
    }
}
