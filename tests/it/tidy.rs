//! The house rules that a compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may import. A room that is not named may import nothing of ours.
pub const FLOORS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("model", &[]),
    ("logic", &["model"]),
    ("config", &["model", "sys", "logic"]),
    ("detect", &["model", "sys", "logic"]),
    ("plan", &["model", "sys", "logic"]),
    ("prompt", &["model", "sys", "logic"]),
    ("scaffold", &["model", "sys", "logic"]),
    ("skill", &["model", "sys", "logic"]),
    ("snapshot", &["model", "sys", "logic"]),
    ("backend", &["model", "sys", "logic"]),
    ("gate", &["model", "sys", "logic"]),
    ("git", &["model", "sys", "logic"]),
    ("journal", &["model", "sys", "logic"]),
    ("notify", &["model", "sys", "logic"]),
    ("view", &["model", "logic"]),
    (
        "engine",
        &[
            "model", "sys", "logic", "config", "detect", "plan", "prompt", "scaffold", "skill", "snapshot", "backend",
            "gate", "git", "journal", "notify", "view",
        ],
    ),
    (
        "cli",
        &[
            "model", "sys", "logic", "config", "detect", "plan", "prompt", "scaffold", "skill", "snapshot", "backend",
            "gate", "git", "journal", "notify", "view", "engine",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The room a source file belongs to: the first component below `src`.
fn room(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file without comments and without its tests.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_room_imports_a_room_above_or_beside_it() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 50, "only {} sources found", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let here = room(&path);
        if here == "lib" || here == "main" {
            continue;
        }
        let allowed = FLOORS.iter().find(|(name, _)| *name == here);
        let Some((_, allowed)) = allowed else { panic!("{} is in no room of FLOORS", path.display()) };
        let text = code(&fs::read_to_string(&path).unwrap());
        for at in text.match_indices("crate::").map(|(at, _)| at) {
            let there: String = text[at + 7..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if there != here && !there.is_empty() && !allowed.contains(&there.as_str()) {
                wrong.push(format!("{}: {here} may not import {there}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn logic_and_model_touch_nothing_outside() {
    let mut files = Vec::new();
    sources(&root().join("src/logic"), &mut files);
    sources(&root().join("src/model"), &mut files);
    for path in files {
        let text = code(&fs::read_to_string(&path).unwrap());
        for banned in ["std::fs", "std::process", "std::time::Instant", "tokio", "fastrand", "async fn", "std::env"] {
            assert!(!text.contains(banned), "{} uses {banned}", path.display());
        }
    }
}

#[test]
fn no_file_has_outgrown_its_subject() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for path in files {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 700, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_changelog_speaks_of_this_version() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(text.contains("## Unreleased") || text.contains(concat!("## ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn every_test_that_the_lists_of_mended_defects_name_exists() {
    let mut names = 0;
    for list in ["docs/defects.md", "docs/defects-execution.md", "docs/defects-planning.md"] {
        let text = fs::read_to_string(root().join(list)).unwrap();
        // The introductions say how a test is named: `file::test`.
        let named = text.split('`').filter_map(|word| word.split_once("::")).filter(|name| *name != ("file", "test"));
        for (room, test) in named {
            let path = root().join(format!("tests/it/{room}.rs"));
            let code = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{list}: {room}::{test}: {e}"));
            assert!(code.contains(&format!("fn {test}()")), "{list}: there is no test {room}::{test}");
            names += 1;
        }
    }
    assert!(names > 80, "only {names} tests are named");
}
