//! Gemini CLI: `gemini`, the prompt on standard input.
//!
//! Measured with 0.34.0 and 0.61.0. It exits with 0 when it is stopped by a signal, when the answer is empty and when
//! the stream breaks: its `result` event tells. In text format there are no events and the exit code is all there is.

mod stream;

use super::launch::{self, Launch, Span};
use super::probe::Version;
use super::{Abilities, Backend, BackendError, Invocation, Parser, Purpose, Request, Start};
use crate::model::BackendName;

/// `stream-json` and `--approval-mode plan`: seen in 0.34.0, the oldest tried.
const EVENTS: Span = Span::since(Version(0, 34, 0));
/// `--all-files` was removed by google-gemini/gemini-cli pull request 11228, October 2025; an error since.
const ALL_FILES: Span = Span::before(Version(0, 11, 0));

/// The backend `gemini`.
pub(super) struct Gemini;

impl Backend for Gemini {
    fn name(&self) -> BackendName {
        BackendName::Gemini
    }

    fn invocation(&self, request: &Request<'_>) -> Result<Invocation, BackendError> {
        let config = &request.config.backend.gemini;
        let mut launch = Launch::new("gemini", &config.program, request.config);
        launch.option("--model", &config.model);
        match request.purpose {
            Purpose::Attempt => attempt_flags(&mut launch, request),
            Purpose::Ask { read_only } => {
                if EVENTS.holds(request.version) {
                    if read_only {
                        launch.args(["--approval-mode", "plan"]);
                    }
                    launch.args(["--output-format", "stream-json"]);
                }
            }
        }
        launch.extra(&config.program);
        if let Some(session) = launch::session(request) {
            launch.args(["--resume", session]);
        }
        // Without it a second process does the work, and a signal to the first does nothing for 15 s.
        launch.env("GEMINI_CLI_NO_RELAUNCH", "true");
        // It asks about the directory otherwise, and nobody answers.
        launch.env("GEMINI_CLI_TRUST_WORKSPACE", "true");
        Ok(launch.finish(&config.program, Some(request)))
    }

    fn parser_from(&self, start: Start) -> Box<dyn Parser> {
        Box::new(stream::Stream::new(start))
    }

    fn abilities(&self) -> Abilities {
        Abilities { typed_events: true, resume: true, read_only: true, schema: false, usage: true, cost: false }
    }
}

fn attempt_flags(launch: &mut Launch, request: &Request<'_>) {
    let config = &request.config.backend.gemini;
    if config.yolo {
        launch.arg("--yolo");
    } else {
        launch.option("--approval-mode", &config.approval_mode);
    }
    // `text` is the default, not a wish: typed events are worth more than prettier text.
    match config.output_format.as_str() {
        "text" if EVENTS.holds(request.version) => launch.args(["--output-format", "stream-json"]),
        "text" => {}
        format => launch.option("--output-format", format),
    }
    if config.all_files && ALL_FILES.may_hold(request.version) {
        launch.arg("--all-files");
    }
    launch.option("--include-directories", &config.include_directories);
    if config.debug {
        launch.arg("--debug");
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Wish, config};
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_flags_are_the_references_without_the_prompt() {
        let mut config = config();
        assert_eq!(Wish::new(BackendName::Gemini).line(), "gemini --yolo");
        config.backend.gemini.yolo = false;
        config.backend.gemini.approval_mode = "auto_edit".into();
        config.backend.gemini.output_format = "json".into();
        config.backend.gemini.all_files = true;
        config.backend.gemini.include_directories = "../a,../b".into();
        config.backend.gemini.debug = true;
        config.backend.gemini.model = "m".into();
        let mut wish = Wish::new(BackendName::Gemini).with(config);
        assert_eq!(
            wish.line(),
            "gemini --model m --approval-mode auto_edit --output-format json --all-files --include-directories ../a,../b --debug"
        );
        wish.version = Some(Version(0, 61, 0));
        assert!(!wish.line().contains("--all-files"), "an error since it was removed");
    }

    #[test]
    fn events_are_asked_for_when_the_version_is_known() {
        let mut wish = Wish::new(BackendName::Gemini);
        wish.version = Some(Version(0, 34, 0));
        assert_eq!(wish.resume("a-1").line(), "gemini --yolo --output-format stream-json --resume a-1");
        wish.purpose = Purpose::Ask { read_only: true };
        assert_eq!(wish.line(), "gemini --approval-mode plan --output-format stream-json");
        wish.version = Some(Version(0, 20, 0));
        assert_eq!(wish.line(), "gemini");
        let env = wish.invocation().env;
        assert_eq!(env.len(), 2, "{env:?}");
    }
}
