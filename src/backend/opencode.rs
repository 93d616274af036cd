//! OpenCode: `opencode run`.
//!
//! Measured with 1.2.27 and 1.18.33. It has no final event: the last step's reason and the absence of errors stand
//! for one. It says nothing at all while it retries, so only the time limits end a run without a service.

mod stream;

use super::launch::{self, Launch, Span};
use super::probe::Version;
use super::{Abilities, Backend, BackendError, Invocation, Parser, Purpose, Request, Start};
use crate::model::BackendName;

/// `--format json`: in 1.2.27, the oldest tried; a major version is assumed to keep it.
const EVENTS: Span = Span::since(Version(1, 0, 0));

/// Laid over the permissions of its configuration files.
const PERMISSION: &str = "OPENCODE_PERMISSION";
/// `--agent plan` alone blocks the edit tool but not the shell, and an `allow` would override it. The last rule that
/// matches wins, and a name that the user's file has keeps its place there, before a `"*": "allow"` for example; a
/// pattern that no file has comes last. Measured with 1.2.27 and 1.18.33, which then do not even offer the tools.
const READ_ONLY: &str = r#"{"edit":"deny","bash":"deny","edi*":"deny","bas*":"deny"}"#;

/// The backend `opencode`.
pub(super) struct Opencode;

impl Backend for Opencode {
    fn name(&self) -> BackendName {
        BackendName::Opencode
    }

    fn invocation(&self, request: &Request<'_>) -> Result<Invocation, BackendError> {
        let config = &request.config.backend.opencode;
        let mut launch = Launch::new("opencode", &config.program, request.config);
        launch.arg("run");
        let wants_events = EVENTS.holds(request.version);
        match config.format.as_str() {
            "" | "default" if wants_events => launch.args(["--format", "json"]),
            "" | "default" => {}
            format => launch.args(["--format", format]),
        }
        launch.option("--model", &config.model);
        let is_read_only = request.purpose == (Purpose::Ask { read_only: true });
        if is_read_only {
            launch.args(["--agent", "plan"]);
            launch.env(PERMISSION, READ_ONLY);
        } else if !config.permissions.is_empty() {
            launch.env(PERMISSION, &config.permissions);
        }
        launch.extra(&config.program);
        if let Some(session) = launch::session(request) {
            launch.args(["--session", session]);
        }
        if !config.log_level.is_empty() {
            launch.env("OPENCODE_LOG_LEVEL", &config.log_level);
        }
        // It leaves a library of 5.5 MiB there with every run.
        launch.env("TMPDIR", request.temp_dir);
        launch.make_dir(request.temp_dir.to_path_buf());
        if let Some(home) = request.home {
            let data = home.join(".local/share/opencode");
            launch.make_dir(data.join("log"));
            launch.make_dir(data.join("storage"));
        }
        let mut invocation = launch.finish(&config.program, Some(request));
        if is_read_only {
            // Also over the user's own value, which is meant for work on tasks.
            let denied = invocation.env.iter_mut().filter(|(name, _)| name == PERMISSION);
            denied.for_each(|(_, value)| *value = READ_ONLY.into());
        }
        Ok(invocation)
    }

    fn parser_from(&self, start: Start) -> Box<dyn Parser> {
        Box::new(stream::Stream::new(start))
    }

    fn abilities(&self) -> Abilities {
        Abilities { typed_events: true, resume: true, read_only: true, schema: false, usage: true, cost: true }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Wish, config};
    use super::*;
    use pretty_assertions::assert_eq;
    use std::path::PathBuf;

    fn permission(wish: &Wish) -> Option<String> {
        let env = wish.invocation().env;
        env.into_iter().find(|(n, _)| n == "OPENCODE_PERMISSION").map(|(_, v)| v.into_string().unwrap())
    }

    #[test]
    fn the_flags_are_the_references_without_the_prompt() {
        let mut config = config();
        let mut wish = Wish::new(BackendName::Opencode);
        assert_eq!(wish.line(), "opencode run");
        assert_eq!(permission(&wish).as_deref(), Some(r#"{"edit":"allow"}"#));
        wish.version = Some(Version(1, 2, 27));
        assert_eq!(wish.resume("ses_1").line(), "opencode run --format json --session ses_1");
        config.backend.opencode.format = "fancy".into();
        config.backend.opencode.model = "a/b".into();
        config.backend.opencode.log_level = "DEBUG".into();
        let wish = wish.with(config);
        assert_eq!(wish.line(), "opencode run --format fancy --model a/b");
        let invocation = wish.invocation();
        assert!(invocation.env.contains(&("OPENCODE_LOG_LEVEL".into(), "DEBUG".into())));
        assert!(invocation.env.contains(&("TMPDIR".into(), "/tmp/run-1".into())));
        let dirs = ["/tmp/run-1", "/home/me/.local/share/opencode/log", "/home/me/.local/share/opencode/storage"];
        assert_eq!(invocation.make_dirs, dirs.map(PathBuf::from));
    }

    #[test]
    fn a_read_only_question_denies_what_the_plan_agent_forgets() {
        let mut wish = Wish::new(BackendName::Opencode);
        wish.purpose = Purpose::Ask { read_only: true };
        assert_eq!(wish.line(), "opencode run --agent plan");
        assert_eq!(permission(&wish).as_deref(), Some(READ_ONLY));
        let mut config = config();
        config.backend.opencode.program.environment.insert(PERMISSION.into(), r#"{"*":"allow"}"#.into());
        wish = wish.with(config);
        assert_eq!(permission(&wish).as_deref(), Some(READ_ONLY), "the user allows work, not this question");
        wish.purpose = Purpose::Ask { read_only: false };
        assert_eq!(permission(&wish).as_deref(), Some(r#"{"*":"allow"}"#));
    }
}
