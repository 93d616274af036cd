//! Where in a text something stands. Numbers are from 1, and 1 when it cannot be told: a line is for people to look
//! at, nothing depends on it.

/// Returns the line of a byte.
pub(super) fn at(text: &str, offset: usize) -> u32 {
    let before = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

/// Returns the first line that holds a text.
pub(super) fn of(text: &str, needle: &str) -> u32 {
    find(text, needle).unwrap_or(1)
}

/// Returns the first line that holds a text, if any does.
pub(super) fn find(text: &str, needle: &str) -> Option<u32> {
    text.find(needle).map(|offset| at(text, offset))
}

/// Returns the line of the header `[table]` of an INI or TOML file, or of the first table below it.
pub(super) fn header(text: &str, table: &str) -> Option<u32> {
    let is_header = |line: &str| {
        let name: String = line.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
        let rest = name.trim_start_matches('[').strip_prefix(table).map(str::to_owned);
        name.starts_with('[') && rest.is_some_and(|rest| rest.starts_with([']', '.']))
    };
    text.lines().position(is_header).and_then(|index| u32::try_from(index + 1).ok())
}

/// Returns the line of a key in JSON, by its path from the root: each key is looked for behind the one before.
pub(super) fn json_key(text: &str, path: &[&str]) -> u32 {
    let mut from = 0;
    for key in path {
        let Some(offset) = key_after(text, from, key) else { break };
        from = offset;
    }
    at(text, from)
}

fn key_after(text: &str, from: usize, key: &str) -> Option<usize> {
    let quoted = format!("\"{key}\"");
    let rest = text.get(from..)?;
    let found = rest.match_indices(&quoted).find(|(offset, _)| {
        rest.get(offset + quoted.len()..).is_some_and(|behind| behind.trim_start().starts_with(':'))
    });
    found.map(|(offset, _)| from + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_1() {
        assert_eq!([at("a\nb", 0), at("a\nb", 2), at("", 9), of("a\nb\nc", "c"), of("a", "z")], [1, 2, 1, 3, 1]);
    }

    #[test]
    fn a_header_is_found_also_by_a_table_below_it() {
        let text = "a = 1\n[tool.ruff.lint]\n[ tool.\"mypy\" ]\n[[tool.x]]\n[toolbox]\n";
        assert_eq!(header(text, "tool.ruff"), Some(2));
        assert_eq!(header(text, "tool.mypy"), Some(3));
        assert_eq!(header(text, "tool.x"), Some(4));
        assert_eq!(header(text, "tool.ru"), None);
        assert_eq!(header(text, "a"), None);
    }

    #[test]
    fn a_key_of_json_is_found_below_its_parent() {
        let text = "{\"files\": [\"scripts\"],\n\"test\": 1,\n\"scripts\": {\n  \"test\" : \"x\"}}";
        assert_eq!(json_key(text, &["scripts", "test"]), 4);
        assert_eq!(json_key(text, &["scripts", "none"]), 3);
        assert_eq!(json_key(text, &["none"]), 1);
    }
}
