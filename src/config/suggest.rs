//! "Did you mean": the known name nearest to one that is not known.
//!
//! Pure. Distances are small edits (insert, delete, replace, swap of neighbours), without regard to case and to
//! `-` or `_`.

use super::schema::{KEYS, Key, Kind, SECTIONS};

/// Longest name that is compared; longer ones are no slip of the finger.
const LONGEST: usize = 64;
/// Most suggestions in one message: the four backends that share a key.
const MOST: usize = 4;

/// Returns the word nearest to `text`, if one is near enough.
pub(super) fn word<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .filter_map(|word| Some((distance(text, word)?, *word)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Returns the names nearest to `name`, as written in `section` (empty at the top of the file): keys for a plain
/// value, sections and tables for a table. A name elsewhere counts as one edit further away than one here.
/// Best first, all equally near, in the order of the documentation; empty when nothing is near.
pub(super) fn for_name(section: &str, name: &str, is_table: bool) -> Vec<String> {
    let holds_tables = |key: &Key| matches!(key.kind, Kind::Table | Kind::Recurrences | Kind::Records(_));
    let keys =
        KEYS.iter().filter(|key| is_table == holds_tables(key)).map(|key| (key.section, key.name, key.to_string()));
    let sections = SECTIONS.iter().filter(|_| is_table).map(|path| {
        let (parent, last) = path.rsplit_once('.').unwrap_or(("", path));
        (parent, last, format!("[{path}]"))
    });
    let near = keys.chain(sections).filter_map(|(parent, candidate, shown)| {
        let apart = distance(name, candidate)?;
        Some((apart + usize::from(parent != section), shown))
    });
    best(near)
}

/// Returns the variables nearest to one that names no key.
pub(super) fn for_variable(variable: &str) -> Vec<String> {
    let tail = |name: &str| name.strip_prefix("AUTODEV_").unwrap_or(name).to_owned();
    let given = tail(variable);
    best(KEYS.iter().filter_map(|key| {
        let known = key.variable();
        Some((distance(&given, &tail(&known))?, known))
    }))
}

/// Renders suggestions as the end of a message: empty, or `; did you mean A or B?`.
pub(super) fn question(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

fn best(near: impl Iterator<Item = (usize, String)>) -> Vec<String> {
    let near: Vec<(usize, String)> = near.collect();
    let least = near.iter().map(|(distance, _)| *distance).min();
    near.into_iter().filter(|(distance, _)| Some(*distance) == least).map(|(_, name)| name).take(MOST).collect()
}

/// Returns how many edits two names are apart, or `None` when that is more than a third of the known name (at
/// least one, at most three).
fn distance(given: &str, known: &str) -> Option<usize> {
    let fold = |text: &str| -> Vec<char> {
        text.chars().take(LONGEST + 1).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (given, known) = (fold(given), fold(known));
    let allowed = (known.len() / 3).clamp(1, 3);
    if given.len() > LONGEST || given.len().abs_diff(known.len()) > allowed {
        return None;
    }
    let edits = edits(&given, &known);
    // A name whose every letter was replaced is another name.
    (edits <= allowed && edits < known.len()).then_some(edits)
}

/// Optimal string alignment distance, three rows at a time.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(ca != cb);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *ca == b[j - 1] && a[i - 1] == *cb {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(section: &str, name: &str, is_table: bool) -> String {
        for_name(section, name, is_table).join(" ")
    }

    #[test]
    fn a_slip_is_recognised() {
        assert_eq!(names("run", "max_retrys", false), "[run].max_retries");
        assert_eq!(names("run", "Max-Retries", false), "[run].max_retries");
        assert_eq!(names("run", "max_rteries", false), "[run].max_retries");
        assert_eq!(names("", "bakend", true), "[backend]");
        assert_eq!(names("backend", "cladue", true), "[backend.claude]");
        assert_eq!(names("verification", "validate_enviroment", true), "[verification].validate_environment");
    }

    #[test]
    fn a_key_in_the_wrong_section_is_sent_home() {
        assert_eq!(names("backend", "max_retries", false), "[run].max_retries");
        assert_eq!(names("", "max_retries", false), "[run].max_retries");
        assert_eq!(names("", "claude", true), "[backend.claude]");
        assert_eq!(names("", "root_mode", true), "[run.root_mode]");
        assert_eq!(
            names("run", "model", false),
            "[backend.claude].model [backend.codex].model [backend.gemini].model [backend.opencode].model"
        );
    }

    #[test]
    fn a_name_here_wins_over_one_elsewhere() {
        assert_eq!(names("backend.gemini", "modle", false), "[backend.gemini].model");
    }

    #[test]
    fn nothing_is_suggested_for_a_foreign_name() {
        assert_eq!(names("run", "colour", false), "");
        assert_eq!(names("run", "x", false), "");
        assert_eq!(names("run", "", false), "");
        assert_eq!(names("run", &"m".repeat(100_000), false), "");
        assert_eq!(word("zzz", &["text", "json"]), None);
    }

    #[test]
    fn a_variable_is_recognised() {
        assert_eq!(for_variable("AUTODEV_RUN_MAX_RETRY"), ["AUTODEV_RUN_MAX_RETRIES"]);
        assert!(for_variable("AUTODEV_RUN_SOMETHING_ELSE").is_empty());
    }
}
