//! Which of the names that a project gives its own tasks mean testing, linting and building.
//!
//! `check` means two things. Where it runs the tests too it is the more complete test, and comes first; beside a
//! `test` that it does not run it is a lint.

use super::command::Kind;

const TESTS: [&str; 2] = ["test", "tests"];
const LINTS: [&str; 9] = [
    "lint",
    "typecheck",
    "type-check",
    "check-types",
    "clippy",
    "fmt-check",
    "format-check",
    "check-fmt",
    "check-format",
];
const BUILDS: [&str; 2] = ["build", "all"];

/// A task the project has defined: a target of a Makefile, a recipe of a justfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// Its name.
    pub(super) name: String,
    /// Where it is defined first, from 1.
    pub(super) line: u32,
    /// What is made before it.
    pub(super) prerequisites: Vec<String>,
    /// Its commands, as they stand.
    pub(super) body: String,
}

impl Target {
    /// Whether there is nothing to do for it, whatever the state of the project.
    pub(super) fn is_empty(&self) -> bool {
        self.body.trim().is_empty() && self.prerequisites.is_empty()
    }
}

/// What `check` means where there is no `test`.
#[derive(Clone, Copy, Debug)]
pub(super) enum CheckAlone {
    /// The tests: the convention of GNU Makefiles.
    Tests,
    /// The tests when its commands speak of tests, else a lint.
    AsItsBodySays,
}

/// Returns the targets whose names mean something, with what they mean, tests first; `build` before `all`.
pub(super) fn sort(targets: &[Target], alone: CheckAlone) -> Vec<(Kind, &Target)> {
    let named = |name: &str| targets.iter().find(|target| target.name == name);
    let tests: Vec<&Target> = TESTS.iter().filter_map(|name| named(name)).collect();
    let mut sorted: Vec<(Kind, &Target)> = tests.iter().map(|target| (Kind::Test, *target)).collect();
    if let Some(check) = named("check") {
        let is_test = match alone {
            _ if !tests.is_empty() => tests.iter().any(|test| reaches(targets, check, &test.name)),
            CheckAlone::Tests => true,
            CheckAlone::AsItsBodySays => speaks_of_tests(check),
        };
        if is_test {
            sorted.insert(0, (Kind::Test, check));
        } else {
            sorted.push((Kind::Lint, check));
        }
    }
    sorted.extend(LINTS.iter().filter_map(|name| named(name)).map(|target| (Kind::Lint, target)));
    sorted.extend(BUILDS.iter().find_map(|name| named(name)).map(|target| (Kind::Build, target)));
    sorted
}

fn speaks_of_tests(target: &Target) -> bool {
    target.prerequisites.iter().any(|name| name.contains("test")) || has_word(&target.body, "test")
}

/// Whether a target makes another one, by its prerequisites or by its commands (`just test`, `$(MAKE) test`).
fn reaches(targets: &[Target], from: &Target, name: &str) -> bool {
    let mut seen = vec![from.name.as_str()];
    let mut queue = vec![from];
    while let Some(target) = queue.pop() {
        let is_called = target.body.lines().any(|line| {
            (has_word(line, "just") || has_word(line, "make") || line.contains("(MAKE)") || line.contains("{MAKE}"))
                && has_word(line, name)
        });
        if is_called || target.prerequisites.iter().any(|prerequisite| prerequisite == name) {
            return true;
        }
        for next in targets.iter().filter(|next| target.prerequisites.contains(&next.name)) {
            if !seen.contains(&next.name.as_str()) {
                seen.push(&next.name);
                queue.push(next);
            }
        }
    }
    false
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, prerequisites: &[&str], body: &str) -> Target {
        let prerequisites = prerequisites.iter().map(|name| (*name).to_owned()).collect();
        Target { name: name.to_owned(), line: 1, prerequisites, body: body.to_owned() }
    }

    fn sorted(targets: &[Target], alone: CheckAlone) -> Vec<String> {
        sort(targets, alone).into_iter().map(|(kind, target)| format!("{kind} {}", target.name)).collect()
    }

    #[test]
    fn names_mean_tests_lints_and_builds() {
        let targets = ["all", "build", "clippy", "lint", "tests", "test", "deploy"].map(|name| target(name, &[], "x"));
        let wanted = ["test test", "test tests", "lint lint", "lint clippy", "build build"];
        assert_eq!(sorted(&targets, CheckAlone::Tests), wanted);
    }

    #[test]
    fn check_is_the_better_test_when_it_runs_the_tests() {
        let test = || target("test", &[], "cargo test");
        for check in [
            target("check", &["lint", "test"], ""),
            target("check", &["ci"], ""),
            target("check", &[], "$(MAKE) test"),
            target("check", &[], "just lint test"),
        ] {
            let targets = [test(), check, target("ci", &["check", "test"], "")];
            assert_eq!(sorted(&targets, CheckAlone::AsItsBodySays), ["test check", "test test"]);
        }
        let targets = [test(), target("check", &["fmt"], "cargo check"), target("fmt", &["check"], "")];
        assert_eq!(sorted(&targets, CheckAlone::Tests), ["test test", "lint check"]);
    }

    #[test]
    fn check_without_a_test_means_what_is_usual() {
        let compiles = [target("check", &[], "cargo check")];
        assert_eq!(sorted(&compiles, CheckAlone::Tests), ["test check"]);
        assert_eq!(sorted(&compiles, CheckAlone::AsItsBodySays), ["lint check"]);
        let tests = [target("check", &[], "cargo clippy\ncargo test --all")];
        assert_eq!(sorted(&tests, CheckAlone::AsItsBodySays), ["test check"]);
    }
}
