//! Finds the files that an item of a plan says it will change.
//!
//! A path here becomes part of a check ("one changed path matches"), so a doubtful one is worse than none: paths that
//! are only referred to, examples, placeholders and build output are left out.

use super::inline::code_spans;

/// Endings that make a word a path.
const ENDINGS: &[&str] = &[
    "astro", "bash", "c", "cc", "cfg", "cjs", "clj", "cpp", "cs", "css", "dart", "ex", "exs", "gradle", "go",
    "graphql", "h", "hpp", "hs", "html", "ini", "java", "jl", "js", "json", "jsx", "kt", "kts", "lock", "lua", "md",
    "mdx", "mjs", "ml", "php", "prisma", "proto", "ps1", "py", "pyi", "r", "rb", "rs", "scala", "scss", "sh", "sql",
    "svelte", "swift", "tf", "toml", "ts", "tsx", "txt", "vue", "xml", "yaml", "yml", "zig",
];

/// Words in front of a path that is only read.
const REFERRING: &[&str] = &[
    "against",
    "cf",
    "execute",
    "exercise",
    "follow",
    "following",
    "follows",
    "from",
    "invoke",
    "like",
    "per",
    "read",
    "run",
    "see",
    "using",
    "via",
];

/// Words that turn "in `x`" into a reference.
const DESCRIBED: &[&str] = &[
    "according",
    "based",
    "defined",
    "described",
    "documented",
    "explained",
    "found",
    "listed",
    "mentioned",
    "modeled",
    "modelled",
    "outlined",
    "shown",
    "similar",
    "specified",
];

/// First words of items that change nothing.
const LOOKING: &[&str] = &[
    "analyse",
    "analyze",
    "benchmark",
    "check",
    "confirm",
    "ensure",
    "inspect",
    "manually",
    "review",
    "run",
    "validate",
    "verify",
];

/// Names of products that look like files.
const PRODUCTS: &[&str] = &["d3.js", "express.js", "next.js", "node.js", "nuxt.js", "three.js", "vue.js"];

/// Where built things are, and what autodev writes itself: never the work.
const ARTIFACTS: &[&str] = &[
    ".git",
    "attempts",
    "autodev.log",
    "build",
    "dashboard.html",
    "dist",
    "logs",
    "node_modules",
    "out",
    "progress.txt",
    "runtime-status.json",
    "target",
    "task.json",
];

/// More patterns than this say nothing.
const LIMIT: usize = 20;

/// Whether a text begins as one that changes nothing: `Run the tests`.
pub(super) fn only_looks(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    let first = Word { text: first, is_code: false }.bare();
    LOOKING.contains(&first.as_str())
}

/// Adds the patterns of a text to a list without doubling any.
pub(super) fn collect(text: &str, patterns: &mut Vec<String>) {
    if only_looks(text) {
        return;
    }
    let words = words(text);
    for (at, word) in words.iter().enumerate() {
        let before =
            |back: usize| at.checked_sub(back).and_then(|at| words.get(at)).map(Word::bare).unwrap_or_default();
        let is_read = REFERRING.contains(&before(1).as_str()) || DESCRIBED.contains(&before(2).as_str());
        if is_read || patterns.len() >= LIMIT {
            continue;
        }
        let pattern = pattern(word).filter(|pattern| !patterns.contains(pattern));
        patterns.extend(pattern);
    }
}

struct Word<'a> {
    text: &'a str,
    is_code: bool,
}

impl Word<'_> {
    /// Lower case, letters only at its ends.
    fn bare(&self) -> String {
        self.text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut at = 0;
    let plain = |from: usize, to: usize| text.get(from..to).unwrap_or_default().split_whitespace();
    for span in code_spans(text) {
        words.extend(plain(at, span.start).map(|text| Word { text, is_code: false }));
        words.push(Word { text: span.text, is_code: true });
        at = span.end;
    }
    words.extend(plain(at, text.len()).map(|text| Word { text, is_code: false }));
    words
}

/// Returns the pattern for a word that is surely a path of the project.
fn pattern(word: &Word) -> Option<String> {
    let trimmed = if word.is_code {
        word.text
    } else {
        word.text
            .trim_start_matches(['(', '"', '\'', '*'])
            .trim_end_matches(['.', ',', ';', ':', ')', '"', '\'', '!', '?', '*'])
    };
    let path = without_line(trimmed.strip_prefix("./").unwrap_or(trimmed));
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c) || c == '*' && word.is_code;
    if path.is_empty() || path.len() > 200 || path.starts_with(['/', '-', '@', '+']) || !path.chars().all(is_plain) {
        return None;
    }
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let (first, last) = (*parts.first()?, *parts.last()?);
    let is_odd = parts.iter().any(|part| part.is_empty() || matches!(*part, "." | "..") || is_artifact(part));
    if is_odd || parts.iter().all(|part| part.chars().all(|c| "*.".contains(c))) {
        return None;
    }
    let is_folder = path.ends_with('/');
    let is_domain = parts.len() > 1 && !first.starts_with('.') && first.contains('.');
    let is_file =
        last.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()));
    let is_sure = match (parts.len() > 1, word.is_code) {
        (_, _) if is_domain => false,
        (true, true) => is_file || is_folder || last.contains('*') || first == "src",
        (true, false) => is_file || is_folder || first == "src",
        (false, true) => (is_file && !PRODUCTS.contains(&path.to_ascii_lowercase().as_str())) || is_folder,
        (false, false) => is_folder && matches!(first, "src" | "tests" | "docs"),
    };
    let tail = if is_folder {
        "*"
    } else if is_file || last.contains('*') {
        ""
    } else {
        // A folder or a module: `src/model` is also `src/model.rs`.
        "*"
    };
    is_sure.then(|| format!("{path}{tail}"))
}

/// Drops `:12`, `:12-30` and `#L12` behind a path.
fn without_line(path: &str) -> &str {
    let is_line =
        |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | 'L'));
    match path.split_once(['#', ':']) {
        Some((head, rest)) if is_line(rest) => head,
        _ => path,
    }
}

fn is_artifact(part: &str) -> bool {
    let ending = part.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    ARTIFACTS.contains(&part)
        || part.starts_with("cmake-build")
        || matches!(ending, "o" | "obj" | "so" | "a" | "dll" | "dylib" | "pdb" | "exe")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn patterns(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        collect(text, &mut found);
        found
    }

    #[test]
    fn the_files_that_an_item_changes_are_found() {
        for (text, expected) in [
            ("Create the User model in src/models/user.py", vec!["src/models/user.py"]),
            ("Read tabs in src/a.rs", vec!["src/a.rs"]),
            ("Update `README.md`, and `src/core/*`.", vec!["README.md", "src/core/*"]),
            ("Documentation updates in docs/", vec!["docs/*"]),
            ("- Modify: `pkg/plan/parse.go:46`", vec!["pkg/plan/parse.go"]),
            ("Move it to ./src/model", vec!["src/model*"]),
            ("Fix tests/a_test.ts (see docs/notes.md)", vec!["tests/a_test.ts"]),
        ] {
            assert_eq!(patterns(text), expected, "{text}");
        }
    }

    #[test]
    fn doubtful_paths_are_left_out() {
        for text in [
            "Support read/write and and/or",
            "Call `app.get` of node.js and `next.js`",
            "See docs/a.md",
            "As described in docs/a.md, add a field",
            "Add [Entity] in src/models/[entity].py",
            "Look at https://example.com/a.html and example.com/a.html",
            "Write build/app.js and src/dist/x.js, task.json and /etc/hosts.txt",
            "Take ../other/src/a.rs or ~/a.rs",
            "Run the tests in tests/a.py",
            "Use `*` or `**/*`",
            "client/server v1.0/v2.0 e.g./i.e.",
        ] {
            assert_eq!(patterns(text), [""; 0], "{text}");
        }
    }

    proptest! {
        #[test]
        fn fuzz_no_pattern_leaves_the_project(text in "([`./*:a-z ]|src/|\\.rs|\\.\\./){0,60}|\\PC{0,40}") {
            for pattern in patterns(&text) {
                prop_assert!(!pattern.starts_with('/') && pattern.split('/').all(|part| part != ".."), "{}", pattern);
                prop_assert!(!pattern.trim().is_empty());
            }
        }
    }
}
