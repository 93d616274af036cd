//! Codex CLI: `codex exec`.
//!
//! Measured with 0.47.0 and 0.169.0; the releases between them were not tried, so the spans start right after the
//! older one. Its flags change more than those of any other agent.

mod stream;

use super::launch::{self, Launch, Span};
use super::probe::Version;
use super::{Abilities, Backend, BackendError, Invocation, Parser, Purpose, Request, Start};
use crate::model::BackendName;

/// `--json` prints typed events; in 0.47.0 already.
const EVENTS: Span = Span::since(Version(0, 40, 0));
/// `--full-auto` is gone in 0.169.0: an error there.
const FULL_AUTO: Span = Span::before(Version(0, 48, 0));
/// `--ephemeral` is unknown to 0.47.0: an error there.
const EPHEMERAL: Span = Span::since(Version(0, 48, 0));
/// `--output-schema`: openai/codex pull request 4183 mends it in September 2025, weeks before 0.47.0. 0.169.0 sends
/// the schema with `"strict": true`, so the service refuses one that breaks the rules of [`super::Schema`].
const OUTPUT_SCHEMA: Span = Span::since(Version(0, 47, 0));

/// The backend `codex`.
pub(super) struct Codex;

impl Backend for Codex {
    fn name(&self) -> BackendName {
        BackendName::Codex
    }

    fn invocation(&self, request: &Request<'_>) -> Result<Invocation, BackendError> {
        let config = &request.config.backend.codex;
        let version = request.version;
        let mut launch = Launch::new("codex", &config.program, request.config);
        launch.arg("exec");
        launch.option("--model", &config.model);
        if request.purpose == (Purpose::Ask { read_only: true }) {
            // As `-c` and not `-s`: the latter is not accepted when a session is resumed.
            launch.args(["-c", "sandbox_mode=\"read-only\"", "-c", "approval_policy=\"never\""]);
        } else {
            permissions(&mut launch, request);
        }
        if config.ephemeral && EPHEMERAL.may_hold(version) {
            launch.arg("--ephemeral");
        }
        if EVENTS.holds(version) {
            launch.arg("--json");
            if !request.in_git {
                launch.arg("--skip-git-repo-check");
            }
        }
        // An ephemeral session was never written down.
        let session = launch::session(request).filter(|_| !config.ephemeral);
        // Resumed sessions know the flag since 0.132.0 only; an answer needs no earlier session.
        if let Some(schema) = launch::schema(request)
            && OUTPUT_SCHEMA.holds(version)
            && session.is_none()
        {
            launch.arg("--output-schema");
            launch.arg(schema.file);
            launch.needs_schema_file();
        }
        launch.extra(&config.program);
        // Options stand before `resume`: the older version knows none of them behind it.
        if let Some(session) = session {
            launch.args(["resume", session]);
        }
        if version.is_some() {
            launch.arg("-"); // The prompt comes on standard input.
        }
        Ok(launch.finish(&config.program, Some(request)))
    }

    fn parser_from(&self, start: Start) -> Box<dyn Parser> {
        Box::new(stream::Stream::new(start))
    }

    fn abilities(&self) -> Abilities {
        Abilities { typed_events: true, resume: true, read_only: true, schema: true, usage: true, cost: false }
    }
}

fn permissions(launch: &mut Launch, request: &Request<'_>) {
    let config = &request.config.backend.codex;
    let is_known = request.version.is_some();
    if config.yolo {
        launch.arg("--yolo");
        return;
    }
    let bypass = config.dangerously_bypass_approvals_and_sandbox;
    // A real program refuses both together; what allows everything includes the other.
    if config.full_auto && !(bypass && is_known) {
        if FULL_AUTO.may_hold(request.version) {
            launch.arg("--full-auto");
        } else {
            launch.args(["-c", "sandbox_mode=\"workspace-write\"", "-c", "approval_policy=\"never\""]);
        }
    }
    if bypass {
        launch.arg("--dangerously-bypass-approvals-and-sandbox");
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Wish, config};
    use super::*;
    use pretty_assertions::assert_eq;

    const OLD: Option<Version> = Some(Version(0, 47, 0));
    const NEW: Option<Version> = Some(Version(0, 169, 0));

    #[test]
    fn an_unknown_version_gets_the_references_flags() {
        let mut config = config();
        assert_eq!(Wish::new(BackendName::Codex).line(), "codex exec --yolo");
        config.backend.codex.yolo = false;
        config.backend.codex.full_auto = true;
        config.backend.codex.ephemeral = true;
        config.backend.codex.model = "m".into();
        assert_eq!(
            Wish::new(BackendName::Codex).with(config).line(),
            "codex exec --model m --full-auto --dangerously-bypass-approvals-and-sandbox --ephemeral"
        );
    }

    #[test]
    fn flags_follow_the_version() {
        let mut config = config();
        config.backend.codex.yolo = false;
        config.backend.codex.full_auto = true;
        config.backend.codex.dangerously_bypass_approvals_and_sandbox = false;
        config.backend.codex.ephemeral = true;
        let mut wish = Wish::new(BackendName::Codex).with(config.clone());
        wish.version = OLD;
        assert_eq!(wish.line(), "codex exec --full-auto --json -");
        wish.version = NEW;
        let expected =
            "codex exec -c sandbox_mode=\"workspace-write\" -c approval_policy=\"never\" --ephemeral --json -";
        assert_eq!(wish.line(), expected);
        config.backend.codex.dangerously_bypass_approvals_and_sandbox = true;
        let mut wish = Wish::new(BackendName::Codex).with(config);
        wish.version = NEW;
        wish.in_git = false;
        assert_eq!(
            wish.resume("01a1").line(),
            "codex exec --dangerously-bypass-approvals-and-sandbox --ephemeral --json --skip-git-repo-check -",
            "an ephemeral session cannot be resumed"
        );
    }

    #[test]
    fn a_session_is_resumed_behind_all_options() {
        let mut config = config();
        config.backend.codex.program.extra_args = vec!["-c".into(), "x=1".into()];
        let mut wish = Wish::new(BackendName::Codex).with(config);
        wish.version = NEW;
        assert_eq!(wish.resume("01a1").line(), "codex exec --yolo --json -c x=1 resume 01a1 -");
    }

    #[test]
    fn an_answer_is_held_to_its_form_where_the_version_can() {
        let mut wish = Wish::new(BackendName::Codex);
        wish.schema = Some("{}".into());
        wish.version = NEW;
        assert!(!wish.line().contains("schema") && !wish.invocation().needs_schema_file, "work on a task has no form");
        wish.purpose = Purpose::Ask { read_only: false };
        assert_eq!(wish.line(), "codex exec --yolo --json --output-schema /tmp/schema.json -");
        assert!(wish.invocation().needs_schema_file);
        assert!(!wish.resume("01a1").line().contains("schema"));
        wish.version = OLD;
        assert!(wish.line().contains("--output-schema"));
        wish.version = None;
        assert_eq!(wish.line(), "codex exec --yolo");
    }

    #[test]
    fn a_read_only_question_is_sandboxed() {
        let mut wish = Wish::new(BackendName::Codex);
        wish.purpose = Purpose::Ask { read_only: true };
        wish.version = NEW;
        assert_eq!(wish.line(), "codex exec -c sandbox_mode=\"read-only\" -c approval_policy=\"never\" --json -");
        wish.purpose = Purpose::Ask { read_only: false };
        assert_eq!(wish.line(), "codex exec --yolo --json -");
    }
}
