//! Claude Code: `claude -p`.
//!
//! Measured with 2.0.76 and 2.1.329. Its `result` event says `"subtype":"success"` for failed requests too, and it
//! exits with 0 when it is interrupted or was not allowed to write: only `is_error` counts.

mod stream;

use super::launch::{self, Launch, Span};
use super::probe::Version;
use super::{Abilities, Backend, BackendError, Invocation, Parser, Purpose, Request, Start};
use crate::model::BackendName;

/// Asking for events also in one-shot prompts gives their cost and typed errors. Works in 2.0.76, the oldest tried.
const EVENTS_WHEN_ASKED: Span = Span::since(Version(2, 0, 0));

/// `--json-schema`: in the help of 2.0.76, the oldest tried; works together with plan mode in 2.1.329.
const JSON_SCHEMA: Span = Span::since(Version(2, 0, 76));
/// Linux gives one argument 128 KiB; a schema beyond this is left out.
const LONGEST_SCHEMA: usize = 100 * 1024;

/// The backend `claude`.
pub(super) struct Claude;

impl Backend for Claude {
    fn name(&self) -> BackendName {
        BackendName::Claude
    }

    fn invocation(&self, request: &Request<'_>) -> Result<Invocation, BackendError> {
        let config = &request.config.backend.claude;
        let mut launch = Launch::new("claude", &config.program, request.config);
        launch.arg("-p");
        let (format, is_verbose) = match request.purpose {
            Purpose::Attempt => {
                attempt_flags(&mut launch, request);
                (config.output_format.as_str(), config.verbose)
            }
            Purpose::Ask { read_only } => {
                if read_only {
                    launch.args(["--permission-mode", "plan"]);
                }
                (if EVENTS_WHEN_ASKED.holds(request.version) { "stream-json" } else { "text" }, false)
            }
        };
        if format != "text" || request.purpose != Purpose::Attempt {
            launch.args(["--output-format", format]);
        }
        // The program refuses stream-json without it.
        if is_verbose || format == "stream-json" {
            launch.arg("--verbose");
        }
        if let Some(schema) = launch::schema(request).filter(|schema| schema.text.len() <= LONGEST_SCHEMA)
            && JSON_SCHEMA.holds(request.version)
        {
            launch.args(["--json-schema", schema.text]);
        }
        launch.option("--model", &config.model);
        launch.extra(&config.program);
        if let Some(session) = launch::session(request) {
            launch.args(["--resume", session]);
        }
        // Unattended: no update in the middle of a run, no look-ups besides the model.
        launch.env("DISABLE_AUTOUPDATER", "1");
        launch.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        // Set inside a session of the program itself; it then refuses to start another one.
        launch.env_remove("CLAUDECODE");
        launch.env_remove("CLAUDE_CODE_ENTRYPOINT");
        Ok(launch.finish(&config.program, Some(request)))
    }

    fn parser_from(&self, start: Start) -> Box<dyn Parser> {
        Box::new(stream::Stream::new(start))
    }

    fn abilities(&self) -> Abilities {
        Abilities { typed_events: true, resume: true, read_only: true, schema: true, usage: true, cost: true }
    }
}

fn attempt_flags(launch: &mut Launch, request: &Request<'_>) {
    let config = &request.config.backend.claude;
    let root = &request.config.run.root_mode;
    let drops_flag = request.is_root && root.disable_skip_permissions;
    if config.skip_permissions && !drops_flag {
        launch.arg("--dangerously-skip-permissions");
    }
    let replaced = request.is_root && matches!(config.permission_mode.as_str(), "default" | "bypassPermissions");
    let mode = if replaced { &root.fallback_permission_mode } else { &config.permission_mode };
    // Recent versions no longer list `default` among the choices; leaving the flag out means the same.
    if !(mode == "default" && request.version.is_some()) {
        launch.option("--permission-mode", mode);
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Wish, config, line};
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_flags_are_the_references_without_the_prompt() {
        let wish = Wish::new(BackendName::Claude);
        assert_eq!(
            wish.line(),
            "claude -p --dangerously-skip-permissions --permission-mode bypassPermissions --output-format stream-json --verbose"
        );
        let mut config = config();
        config.backend.claude.output_format = "text".into();
        config.backend.claude.verbose = false;
        config.backend.claude.model = "opus".into();
        config.backend.claude.skip_permissions = false;
        config.backend.claude.program.extra_args = vec!["--max-turns".into(), "9".into()];
        let wish = wish.with(config);
        assert_eq!(wish.line(), "claude -p --permission-mode bypassPermissions --model opus --max-turns 9");
        assert_eq!(wish.resume("s-1").line().rsplit_once(" --max-turns 9 ").unwrap().1, "--resume s-1");
        assert!(!wish.resume("--evil").line().contains("evil"));
    }

    #[test]
    fn root_loses_the_flag_that_the_program_would_refuse() {
        let mut wish = Wish::new(BackendName::Claude);
        wish.is_root = true;
        assert_eq!(wish.line(), "claude -p --permission-mode default --output-format stream-json --verbose");
        wish.version = Some(Version(2, 1, 329));
        assert_eq!(wish.line(), "claude -p --output-format stream-json --verbose");
        let mut config = config();
        config.run.root_mode.disable_skip_permissions = false;
        config.run.root_mode.fallback_permission_mode = "dontAsk".into();
        let wish = wish.with(config);
        let expected =
            "claude -p --dangerously-skip-permissions --permission-mode dontAsk --output-format stream-json --verbose";
        assert_eq!(wish.line(), expected);
    }

    #[test]
    fn a_question_is_asked_without_permissions() {
        let mut wish = Wish::new(BackendName::Claude);
        wish.purpose = Purpose::Ask { read_only: false };
        assert_eq!(wish.line(), "claude -p --output-format text");
        wish.purpose = Purpose::Ask { read_only: true };
        wish.version = Some(Version(2, 0, 76));
        assert_eq!(wish.line(), "claude -p --permission-mode plan --output-format stream-json --verbose");
    }

    #[test]
    fn an_answer_is_held_to_its_form_where_the_version_can() {
        let mut wish = Wish::new(BackendName::Claude);
        wish.schema = Some("{}".into());
        wish.version = Some(Version(2, 0, 76));
        assert!(!wish.line().contains("--json-schema"), "work on a task has no form");
        wish.purpose = Purpose::Ask { read_only: true };
        assert_eq!(
            wish.line(),
            "claude -p --permission-mode plan --output-format stream-json --verbose --json-schema {}"
        );
        assert!(!wish.invocation().needs_schema_file);
        for version in [None, Some(Version(2, 0, 75))] {
            wish.version = version;
            assert!(!wish.line().contains("--json-schema"), "{version:?}");
        }
        wish.version = Some(Version(2, 1, 329));
        wish.schema = Some("x".repeat(LONGEST_SCHEMA + 1));
        assert!(!wish.line().contains("--json-schema"), "no argument may be that long");
    }

    #[test]
    fn the_users_program_and_environment_win() {
        let mut config = config();
        config.backend.claude.program.program = "bin/my claude".into();
        config.backend.claude.program.environment.insert("DISABLE_AUTOUPDATER".into(), "0".into());
        config.backend.claude.program.environment.insert("CLAUDECODE".into(), "1".into());
        let invocation = Wish::new(BackendName::Claude).with(config).invocation();
        assert!(line(&invocation).starts_with("/project/bin/my claude -p"));
        let set: Vec<_> = invocation.env.iter().filter(|(name, _)| name == "DISABLE_AUTOUPDATER").collect();
        assert_eq!(set, [&("DISABLE_AUTOUPDATER".into(), "0".into())]);
        assert_eq!(invocation.env_remove, ["CLAUDE_CODE_ENTRYPOINT"]);
        assert_eq!(invocation.stdin.as_deref(), Some("do it".as_bytes()));
    }
}
