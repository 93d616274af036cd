//! Finds the commands that a plan states as checks, and writes them as task.json has them.
//!
//! Nothing is run here. A command is taken when the plan says that it is one: in a section of checks, behind a label
//! such as `Verify:`, or as `run ...` in a step when it is known to only test. A command that a shell has to read is
//! written as one, because its author wrote it for a shell.

use serde_json::{Value, json};

use super::inline::{CodeSpan, code_spans, fold, label};
use super::markdown::Fence;

/// Programs whose name alone makes a text without backticks a command.
const PROGRAMS: &[&str] = &[
    "actionlint",
    "ant",
    "bash",
    "bats",
    "bazel",
    "black",
    "buck2",
    "bun",
    "bundle",
    "cabal",
    "cargo",
    "cmake",
    "composer",
    "ctest",
    "dart",
    "deno",
    "diff",
    "docker",
    "dotnet",
    "eslint",
    "flake8",
    "flutter",
    "git",
    "go",
    "golangci-lint",
    "gradle",
    "grep",
    "jest",
    "just",
    "lein",
    "make",
    "meson",
    "mix",
    "mvn",
    "mypy",
    "ninja",
    "node",
    "nox",
    "npm",
    "npx",
    "nx",
    "php",
    "phpunit",
    "pnpm",
    "poetry",
    "pre-commit",
    "prettier",
    "pyright",
    "pytest",
    "python",
    "python3",
    "rake",
    "rspec",
    "rubocop",
    "ruff",
    "sbt",
    "sh",
    "shellcheck",
    "stack",
    "staticcheck",
    "swift",
    "task",
    "terraform",
    "test",
    "tox",
    "tsc",
    "turbo",
    "uv",
    "vitest",
    "xcodebuild",
    "yarn",
    "zig",
];

/// Words of a command that only looks at the work.
const CHECK_WORDS: &[&str] = &[
    "bats",
    "build",
    "check",
    "clippy",
    "compile",
    "ctest",
    "eslint",
    "flake8",
    "fmt",
    "format",
    "jest",
    "lint",
    "mypy",
    "phpunit",
    "pyright",
    "pytest",
    "rspec",
    "rubocop",
    "ruff",
    "shellcheck",
    "spec",
    "staticcheck",
    "test",
    "tests",
    "tox",
    "tsc",
    "typecheck",
    "types",
    "unit",
    "validate",
    "verify",
    "vet",
    "vitest",
];

/// Words of a command that never ends or that changes something outside.
const OTHER_WORDS: &[&str] = &[
    "deploy", "dev", "install", "login", "migrate", "publish", "push", "release", "rm", "serve", "start", "up", "watch",
];

/// Whether a heading announces checks, and how sure that makes what stands below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// `Validation Commands`: everything below it is a command.
    Commands,
    /// `Verify`: shell fences and code spans are.
    Checks,
}

/// Reads a heading.
pub(super) fn announced(heading: &str) -> Option<Announced> {
    let words: String = heading.chars().map(|c| if c.is_alphabetic() { c } else { ' ' }).collect();
    match fold(&words).as_str() {
        "validation commands"
        | "validation command"
        | "verification commands"
        | "verify commands"
        | "test commands"
        | "check commands"
        | "testing commands" => Some(Announced::Commands),
        "verify" | "verification" | "validation" | "validate" | "checks" | "how to verify" | "quality gates"
        | "quality checks" | "validation steps" | "verification steps" => Some(Announced::Checks),
        _ => None,
    }
}

/// Returns the commands of a fence.
pub(super) fn of_fence(fence: &Fence, announced: Announced) -> Vec<Value> {
    let is_shell = match fence.language.as_str() {
        "sh" | "bash" | "shell" | "zsh" | "console" | "shell-session" => true,
        "" => announced == Announced::Commands,
        _ => false,
    };
    if is_shell { script(&fence.lines) } else { Vec::new() }
}

/// Returns the command that an item of a section of checks is.
pub(super) fn of_item(text: &str, announced: Announced) -> Option<Value> {
    let spans = code_spans(text);
    if let Some(span) = leading_span(text, &spans) {
        return is_command(span.text).then(|| stated(span.text)).flatten();
    }
    let is_bare = spans.is_empty() && announced == Announced::Commands && starts_with_program(text);
    is_bare.then(|| stated(text)).flatten()
}

/// Returns the command of a line such as ``Verify: `make test` ``.
pub(super) fn labelled(text: &str) -> Option<Value> {
    let (label, rest) = label(text)?;
    let is_check = matches!(
        label.as_str(),
        "verify"
            | "verification"
            | "validate"
            | "validation"
            | "check"
            | "checks"
            | "test"
            | "tests"
            | "run"
            | "test plan"
            | "test command"
            | "verify with"
            | "verified by"
            | "run test"
            | "run tests"
    );
    let spans = code_spans(rest);
    let span = leading_span(rest, &spans).filter(|_| is_check)?;
    is_command(span.text).then(|| stated(span.text)).flatten()
}

/// Returns the checks of a step such as ``run `cargo test` - must pass``.
pub(super) fn implied(text: &str) -> Option<Value> {
    let first = text.split_whitespace().next().unwrap_or_default().to_lowercase();
    let runs =
        matches!(first.as_str(), "run" | "run:" | "rerun" | "execute" | "verify" | "verify:" | "verify," | "check:");
    let spans = code_spans(text);
    let span = spans.first().filter(|_| runs)?;
    (starts_with_program(span.text) && only_tests(span.text)).then(|| stated(span.text)).flatten()
}

/// Returns the commands of lines that are nothing but a command in backticks (`testStrategy` of a task list).
pub(super) fn of_lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches(['-', '*', '+', '$']).trim());
    lines
        .filter_map(|line| of_item(line, Announced::Checks).or_else(|| labelled(line)).or_else(|| implied(line)))
        .collect()
}

/// Returns the span that a text begins with, if need be behind a label or the word "run".
fn leading_span<'s, 't>(text: &str, spans: &'s [CodeSpan<'t>]) -> Option<&'s CodeSpan<'t>> {
    let span = spans.first()?;
    let before = text.get(..span.start)?.trim().trim_matches('*').trim().to_lowercase();
    let is_label = before.ends_with(':') && before.chars().count() <= 40;
    (before.is_empty() || is_label || matches!(before.as_str(), "run" | "execute")).then_some(span)
}

/// Whether a text can be a command: a program and arguments, or a program that is known or has a path.
fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let Some(program) = words.next() else { return false };
    let is_name = program.chars().all(|c| c.is_ascii_alphanumeric() || "_./+-=\"'(!".contains(c));
    if !is_name || has_placeholder(text) {
        return false;
    }
    words.next().is_some() || PROGRAMS.contains(&program) || program.starts_with("./")
}

/// Whether a text has something to fill in, such as `<name>`.
fn has_placeholder(text: &str) -> bool {
    text.contains('\u{2026}')
        || text.split('<').skip(1).any(|rest| {
            rest.split_once('>').is_some_and(|(name, _)| {
                !name.is_empty()
                    && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' '))
                    && !name.starts_with(' ')
            })
        })
}

fn starts_with_program(text: &str) -> bool {
    let program = text.split_whitespace().next().unwrap_or_default();
    PROGRAMS.contains(&program) || program.starts_with("./") && program.len() > 2
}

fn only_tests(command: &str) -> bool {
    let mut words = command.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.clone().any(|word| CHECK_WORDS.contains(&word)) && words.all(|word| !OTHER_WORDS.contains(&word))
}

/// Returns the commands of a shell script: one per line, or the whole when its lines depend on each other.
fn script(lines: &[String]) -> Vec<Value> {
    let has_prompts = lines.iter().any(|line| line.trim_start().starts_with("$ "));
    let mut commands: Vec<String> = Vec::new();
    let mut is_continued = false;
    for line in lines {
        let mut text = line.trim();
        if has_prompts && !is_continued {
            let Some(command) = text.strip_prefix("$ ") else { continue };
            text = command.trim();
        }
        if !is_continued && (text.is_empty() || text.starts_with('#')) {
            continue;
        }
        let (text, goes_on) = text.strip_suffix('\\').map_or((text, false), |text| (text.trim_end(), true));
        match commands.last_mut() {
            Some(last) if is_continued => {
                last.push(' ');
                last.push_str(text);
            }
            _ => commands.push(text.to_owned()),
        }
        is_continued = goes_on;
    }
    for command in &mut commands {
        command.truncate(command.trim_end().len());
    }
    commands.retain(|command| !command.is_empty() && !command.contains('\0'));
    if commands.iter().any(|command| has_placeholder(command)) {
        return Vec::new();
    }
    let Some((last, before)) = commands.split_last() else { return Vec::new() };
    if before.iter().any(|line| is_setting(line)) || commands.iter().any(|line| is_part(line)) {
        return vec![json!({"run": format!("set -e\n{}", commands.join("\n")), "shell": true})];
    }
    let is_nothing = is_setting(last) && !last.contains("&&") && !last.contains(';');
    let lines = before.iter().chain(Some(last).filter(|_| !is_nothing));
    lines.filter_map(|command| stated(without_remark(command))).collect()
}

/// Whether a line of a script changes what the next ones mean.
fn is_setting(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let settings = ["cd", "export", "source", ".", "set", "pushd", "unset", "alias", "trap", "ulimit", "umask"];
    settings.contains(&first) || first.contains('=') && words.next().is_none()
}

/// Whether a line of a script is only a part of a command.
fn is_part(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    let parts = [
        "if", "for", "while", "until", "case", "function", "{", "}", "(", ")", "then", "do", "fi", "done", "esac",
        "else",
    ];
    parts.contains(&first) || line.contains("<<") || line.ends_with(['|', '(', '{']) || line.ends_with("&&")
}

/// Cuts a comment off the end of a command.
fn without_remark(command: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in command.char_indices() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return command.get(..at).unwrap_or(command).trim_end(),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        before = c;
    }
    command
}

/// Returns a command as task.json has it: text, or an object when only a shell understands it. `None` for what no shell
/// would accept.
pub(super) fn stated(command: &str) -> Option<Value> {
    let command = command.trim();
    if command.is_empty() || command.contains('\0') {
        return None;
    }
    if needs_shell(command)? {
        return Some(json!({"run": command, "shell": true}));
    }
    Some(Value::String(command.to_owned()))
}

/// Whether a command has anything beyond words and quotes; `None` when a quote is not closed.
fn needs_shell(command: &str) -> Option<bool> {
    let first = command.split_whitespace().next().unwrap_or_default();
    let mut needs = first.contains('=');
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                needs = true;
                chars.next()?;
            }
            (Some(_), c) => needs |= matches!(c, '$' | '`'),
            (None, c) => needs |= "|&;<>()$`*?[]{}~#!\n".contains(c) || c.is_whitespace() && c != ' ' && c != '\t',
        }
    }
    quote.is_none().then_some(needs)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn fence(language: &str, text: &str) -> Vec<Value> {
        let fence = Fence { language: language.to_owned(), lines: text.lines().map(str::to_owned).collect() };
        of_fence(&fence, Announced::Checks)
    }

    #[test]
    fn a_fence_gives_one_command_per_line() {
        let text = "# all of it\ncargo test \\\n  --lib  # quick\n\nls *.rs && true\n";
        assert_eq!(fence("bash", text), [json!("cargo test --lib"), json!({"run": "ls *.rs && true", "shell": true})]);
        assert_eq!(fence("console", "$ make\nok\n$ make test\n"), [json!("make"), json!("make test")]);
        assert_eq!(fence("rust", "fn main() {}"), [Value::Null; 0]);
        assert_eq!(fence("sh", "tool <name>"), [Value::Null; 0]);
    }

    #[test]
    fn lines_that_need_each_other_stay_together() {
        assert_eq!(fence("sh", "cd web\nnpm test\n"), [json!({"run": "set -e\ncd web\nnpm test", "shell": true})]);
        assert_eq!(fence("sh", "cd web && npm test"), [json!({"run": "cd web && npm test", "shell": true})]);
    }

    #[test]
    fn items_below_a_heading_of_checks_are_commands_when_they_read_so() {
        for (item, expected) in [
            ("`go test ./...`", json!("go test ./...")),
            ("`npm run build` - build the bundle", json!("npm run build")),
            ("Backend: `cargo fmt -- --check`", json!("cargo fmt -- --check")),
            ("**Backend**: `cargo fmt -- --check`", json!("cargo fmt -- --check")),
            ("pnpm lint", json!("pnpm lint")),
            ("`cd app && npx tsc`", json!({"run": "cd app && npx tsc", "shell": true})),
            ("`X=1 make`", json!({"run": "X=1 make", "shell": true})),
        ] {
            assert_eq!(of_item(item, Announced::Commands), Some(expected), "{item}");
        }
        for item in
            ["Open `app/index.html` in a browser", "`README.md`", "All tests pass", "`tool <name>`", "`echo 'a`"]
        {
            assert_eq!(of_item(item, Announced::Commands), None, "{item}");
        }
        assert_eq!(of_item("pnpm lint", Announced::Checks), None);
    }

    #[test]
    fn a_step_that_runs_tests_is_a_check_and_one_that_starts_a_server_is_none() {
        assert_eq!(implied("run `go test ./pkg/...` - must pass"), Some(json!("go test ./pkg/...")));
        assert_eq!(implied("Run full test suite (`pnpm test`)"), Some(json!("pnpm test")));
        for step in ["run `npm run dev` and look", "add `cargo test` to CI", "run `npm test --watch`", "run `git push`"]
        {
            assert_eq!(implied(step), None, "{step}");
        }
        assert_eq!(labelled("**Verify**: `make e2e`"), Some(json!("make e2e")));
        assert_eq!(labelled("Note: `make e2e`"), None);
    }

    #[test]
    fn a_test_strategy_gives_its_lines_that_are_commands() {
        let text = "Unit tests for all of it.\n- `pytest -q tests/a.py`\nRun `npm test` and look at `out.txt`.";
        assert_eq!(of_lines(text), [json!("pytest -q tests/a.py"), json!("npm test")]);
    }

    proptest! {
        #[test]
        fn fuzz_a_plain_command_is_one_that_needs_no_shell(text in "[a-z.\"'\\\\=$&|*~#(){}! \t]{1,30}|\\PC{0,30}") {
            if let Some(Value::String(command)) = stated(&text) {
                prop_assert!(crate::logic::words::split(&command).is_ok(), "{}", command);
            }
            for announced in [Announced::Commands, Announced::Checks] {
                of_item(&text, announced);
                of_fence(&Fence { language: "sh".to_owned(), lines: vec![text.clone()] }, announced);
            }
            of_lines(&text);
        }
    }
}
