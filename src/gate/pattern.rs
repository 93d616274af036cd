//! Path patterns: shell-style globs over a whole path, where `*` also crosses `/`.
//!
//! The rules are those of Python's `fnmatch` (case-sensitive): `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`; no escapes; `**`
//! is two stars; an unclosed `[` is text. A pattern that does not start with `*` is also tried with `*` in front, so
//! that `auth.py` finds `src/auth.py`. Globbing libraries differ in braces, escapes and `^`, hence a matcher of our own.
//!
//! Invariant: never fails and never takes more than pattern length times path length steps.

use crate::model::RelPath;

/// Whether a path matches a pattern. Bytes that are not UTF-8 count as U+FFFD, so `*` and `?` match them.
pub fn matches(pattern: &str, path: &RelPath) -> bool {
    let text: Vec<char> = String::from_utf8_lossy(path.as_bytes()).chars().collect();
    let mut parts = parse(pattern);
    if glob(&parts, &text) {
        return true;
    }
    if pattern.starts_with('*') {
        return false;
    }
    parts.insert(0, Part::Star);
    glob(&parts, &text)
}

enum Part {
    /// Any text, also none.
    Star,
    /// Any one character.
    Any,
    /// This character.
    Char(char),
    /// A character inside (or outside) of these ranges.
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Char(own) => *own == c,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *is_negated
            }
        }
    }
}

fn parse(pattern: &str) -> Vec<Part> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut parts = Vec::with_capacity(chars.len());
    let mut rest = chars.as_slice();
    while let Some((&c, tail)) = rest.split_first() {
        rest = tail;
        parts.push(match c {
            '*' => Part::Star,
            '?' => Part::Any,
            '[' => match class(tail) {
                Some((part, after)) => {
                    rest = after;
                    part
                }
                None => Part::Char('['),
            },
            c => Part::Char(c),
        });
    }
    parts
}

/// Reads a class after its `[`; `None` when it is not closed. A `]` in the first place is a member.
fn class(text: &[char]) -> Option<(Part, &[char])> {
    let (is_negated, text) = match text.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, text),
    };
    let end = text.iter().skip(1).position(|c| *c == ']')? + 1;
    let (mut members, rest) = (text.get(..end)?, text.get(end + 1..)?);
    let mut ranges = Vec::new();
    loop {
        match members {
            [low, '-', high, after @ ..] => {
                ranges.push((*low, *high));
                members = after;
            }
            [single, after @ ..] => {
                ranges.push((*single, *single));
                members = after;
            }
            [] => return Some((Part::Class { is_negated, ranges }, rest)),
        }
    }
}

/// Matches with one point of return: after a mismatch only the last star needs to take more.
fn glob(parts: &[Part], text: &[char]) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (parts.get(part), text.get(at)) {
            (Some(Part::Star), _) => {
                part += 1;
                retry = Some((part, at));
                continue;
            }
            (Some(own), Some(c)) if own.takes(*c) => {
                part += 1;
                at += 1;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        match retry {
            Some((after_star, from)) if from < text.len() => {
                (part, at) = (after_star, from + 1);
                retry = Some((after_star, from + 1));
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rules_of_the_description_hold() {
        for (pattern, path, expected) in [
            ("src/*", "src/a.rs", true),
            ("src/*", "src/deep/er/a.rs", true),
            ("src/*", "lib/src/a.rs", true),
            ("src/*", "src2/a.rs", false),
            ("auth.py", "src/auth.py", true),
            ("auth.py", "src/auth.pyc", false),
            ("auth.py", "src/myauth.py", true),
            ("tests/*.py", "src/tests/a.py", true),
            ("**/*.rs", "a/b.rs", true),
            ("**/*.rs", "b.rs", false),
            ("*.rs", "a/b.rs", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", true),
            ("?.c", "a.c", true),
            ("*/?.c", "a.c", false),
            ("[ab].c", "b.c", true),
            ("[!ab].c", "b.c", false),
            ("*/[!ab].c", "x/c.c", true),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[c-a]1", "b1", false),
            ("[]]x", "]x", true),
            ("[!]]x", "]x", false),
            ("[^a]x", "^x", true),
            ("*/[^a]x", "/bx", false),
            ("[a-]x", "-x", true),
            ("[ab", "[ab", true),
            ("[]", "[]", true),
            ("[!]", "[!]", true),
            ("a\\*b", "a\\xb", true),
            ("SRC/*", "src/a", false),
            ("{a,b}", "a", false),
            ("ü?.txt", "üé.txt", true),
            ("a*b*c", "a/xxbxxbxxc", true),
            ("a*b*c", "abd", false),
        ] {
            assert_eq!(matches(pattern, &RelPath::from(path)), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_matches_its_readable_parts() {
        let path = RelPath::from_bytes(&b"src/we\xffird.rs"[..]);
        assert!(matches("src/*.rs", &path));
        assert!(matches("we?ird.rs", &path));
        assert!(!matches("weird.rs", &path));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = "*a".repeat(200) + "b";
        let path = RelPath::from("a".repeat(2_000).as_str());
        assert!(!matches(&pattern, &path));
    }

    proptest! {
        #[test]
        fn any_pattern_and_path_are_fine(pattern in "[a\\[\\]!*?/-]{0,12}", path in "[a\\[\\]!*?/-]{0,12}") {
            let own = matches(&pattern, &RelPath::from(path.as_str()));
            let is_plain = !pattern.contains(['[', '*', '?']);
            if is_plain {
                prop_assert_eq!(own, path.ends_with(&pattern));
            }
        }
    }
}
