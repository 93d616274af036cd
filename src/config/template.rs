//! The autodev.toml that `init` writes.

use toml_edit::{Array, DocumentMut, Item, Value};

use crate::model::BackendName;

/// The file as it is when the name is the default one and the backend is claude.
const TEMPLATE: &str = include_str!("../../templates/autodev.toml");

/// Renders a commented autodev.toml for a project, its backend and the commands that check its work by default. Texts
/// may hold anything.
pub fn template(name: &str, backend: BackendName, validate_commands: &[String]) -> String {
    // The embedded file parses; a test holds that, and without it the file is at least usable as it is.
    let Ok(mut document) = TEMPLATE.parse::<DocumentMut>() else { return TEMPLATE.to_owned() };
    set(&mut document, "project", "name", text(name));
    set(&mut document, "backend", "default", text(backend.as_str()));
    if !validate_commands.is_empty() {
        let commands: Array = validate_commands.iter().map(|command| text(command)).collect();
        set(&mut document, "verification", "validate_commands", Value::Array(commands));
    }
    document.to_string()
}

/// Replaces a value and keeps the comment behind it.
fn set(document: &mut DocumentMut, section: &str, key: &str, mut value: Value) {
    if let Some(Item::Value(old)) = document.get_mut(section).and_then(|table| table.get_mut(key)) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
    }
}

/// A string on one line whatever it holds. JSON's escapes are all TOML's too; TOML escapes one character more.
fn text(content: &str) -> Value {
    let quoted = serde_json::Value::from(content).to_string().replace('\u{7f}', "\\u007f");
    quoted.parse().unwrap_or_else(|_| Value::from(content))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::super::layer::Findings;
    use super::super::problem::Source;
    use super::super::schema::KEYS;
    use super::super::{Config, Loaded, build, file};
    use super::*;

    fn parse(text: &str) -> Loaded {
        build(&Source::new(Path::new("autodev.toml"), text), Path::new("/p/autodev.toml"), &[]).unwrap()
    }

    fn config(text: &str) -> Config {
        parse(text).config
    }

    #[test]
    fn what_init_writes_is_the_defaults_but_for_what_it_says() {
        let Loaded { config: written, warnings } = parse(&template("demo", BackendName::Codex, &[]));
        assert_eq!(warnings, []);
        let mut want = config("");
        want.project.name = "demo".into();
        want.backend.default = BackendName::Codex;
        want.snapshot.ignore_dirs.retain(|name| name != ".idea" && name != ".vscode");
        want.snapshot.ignore_path_globs.push("TASK.md".into());
        want.env_errors
            .halt_patterns
            .retain(|text| !["eacces", "authentication", "forbidden"].contains(&text.as_str()));
        assert_eq!(written, want);
    }

    #[test]
    fn what_is_not_to_be_written_is_not_and_the_rest_is() {
        let source = template("demo", BackendName::Claude, &[]);
        let mut findings = Findings::default();
        let layer = file::read(&Source::new(Path::new("x"), &source), &BTreeSet::new(), &mut findings).unwrap();
        let missing: Vec<String> = KEYS
            .iter()
            .enumerate()
            .filter(|(at, _)| !layer.contains_key(at))
            .map(|(_, key)| key.to_string())
            .filter(|key| {
                !["program", "extra_args", "environment"].iter().any(|own| key.ends_with(&format!("].{own}")))
            })
            .collect();
        assert_eq!(
            missing,
            [
                "[backend.claude].verbose",
                "[backend.opencode].log_level",
                "[backend.opencode].permissions",
                "[backend.command].argv",
                "[backend.command].success_pattern",
                "[backend.command].failure_pattern",
                "[backend.replay].session",
                "[backend.replay].speed",
                "[run].keep_attempt_logs",
                "[run].reset_tasks_on_start",
                "[verification].changed_files_preview_limit",
                "[watch].dirs",
                "[watch].globs",
                "[watch].debounce_ms",
                "[watch].on_plan",
                "[watch].mode",
                "[watch].poll_interval_ms",
                "[watch].rescan_seconds",
                "[prompt].template_file",
                "[prompt].template",
                "[prompt].dir",
                "[circuit_breaker].rate_limit_patterns",
                "[git].on_block",
                "[git].experiment_history",
                "[detach].mode",
                "[detach].tmux_session_prefix",
                "[schedule].windows",
                "[schedule].cron",
                "[schedule].catch_up_seconds",
                "[notify].dashboard_url",
                "[notify].timeout_seconds",
                "[notify].channels",
            ],
        );
        assert!(!source.contains("[prompt]") && !source.contains("[detach]"));
    }

    #[test]
    fn the_name_keeps_to_its_line() {
        let plain = template("demo", BackendName::Claude, &[]);
        for name in
            ["a\"b'c", "back\\slash", "two\nlines\r\n", "\u{7f}\u{0}\u{1b}[31m", "日本語 🦀", "'''\"\"\"", "#[x]"]
        {
            let text = template(name, BackendName::Claude, &[]);
            assert_eq!(text.lines().count(), plain.lines().count(), "{text}");
            assert!(text.contains("default = \"claude\"            # claude, codex"), "{text}");
        }
    }

    #[test]
    fn the_checks_of_a_project_are_written_on_their_line() {
        let checks = ["cargo test".to_owned(), "grep -q \"a\\tb\" \u{7f}\n".to_owned()];
        let source = template("demo", BackendName::Codex, &checks);
        assert_eq!(config(&source).verification.validate_commands, checks);
        assert!(source.contains("\nvalidate_commands = [\"cargo test\", "), "{source}");
        assert!(source.contains("   # for example"), "{source}");
    }

    proptest! {
        #[test]
        fn any_name_survives(name in any::<String>().prop_filter("NUL is refused", |name| !name.contains('\0'))) {
            let config = config(&template(&name, BackendName::Replay, &[]));
            prop_assert_eq!(&config.project.name, &name);
            prop_assert_eq!(config.backend.default, BackendName::Replay);
        }
    }
}
