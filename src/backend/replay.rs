//! A recorded session instead of an agent: for demonstrations and tests without any model.
//!
//! The backend starts our own program with `__replay`, which calls [`perform`]; that plays one scene of the session:
//! it edits files, waits, and prints typed events as JSON lines. The format is described in docs/replay-format.md.
//! Invariant: a session cannot touch anything outside the working directory, nor `.git`.

mod edit;
mod session;
mod stage;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::event;
use super::launch::Launch;
use super::{Abilities, Backend, BackendError, Invocation, Parser, Request, Start};
use crate::model::config::ProgramConfig;
use crate::model::{AgentError, BackendName, ErrorClass, Final, Said};
use crate::sys::{env, fs};

pub use session::Session;
pub use stage::{Stage, play};

/// The hidden subcommand of our own program.
pub const SUBCOMMAND: &str = "__replay";

/// The session that is played when none is configured.
const DEMO: &str = include_str!("../../examples/demo/session.jsonl");

/// Largest session or prompt that is read, 64 MiB.
const READ_LIMIT: u64 = 64 << 20;

/// The backend `replay`.
pub(super) struct Replay;

impl Backend for Replay {
    fn name(&self) -> BackendName {
        BackendName::Replay
    }

    /// `EXE __replay --speed SPEED [SESSION]`; without SESSION the embedded one.
    fn invocation(&self, request: &Request<'_>) -> Result<Invocation, BackendError> {
        let config = &request.config.backend.replay;
        if !config.speed.is_finite() || config.speed < 0.0 {
            return Err(BackendError::Speed { speed: config.speed.to_string() });
        }
        let mut launch = Launch::of(OsString::from(request.exe));
        launch.args([SUBCOMMAND, "--speed", &config.speed.to_string()]);
        if !config.session.as_os_str().is_empty() {
            launch.arg(&config.session);
        }
        Ok(launch.finish(&ProgramConfig::default(), Some(request)))
    }

    fn parser_from(&self, _start: Start) -> Box<dyn Parser> {
        Box::new(Events { is_open: false })
    }

    fn abilities(&self) -> Abilities {
        Abilities { typed_events: true, resume: false, read_only: false, schema: false, usage: true, cost: true }
    }
}

/// Reads what [`play`] prints: one [`Said`] per line.
struct Events {
    is_open: bool,
}

impl Parser for Events {
    fn line(&mut self, line: &str) -> Vec<Said> {
        if line.trim_start().starts_with('{') {
            if let Ok(said) = serde_json::from_str::<Said>(line.trim()) {
                self.is_open = true;
                return vec![said];
            }
            let is_newer = event::object(line).is_some_and(|event| !event::text(&event, "/said").is_empty());
            if self.is_open && is_newer {
                return vec![];
            }
        }
        event::stray(line, self.is_open)
    }

    fn end(&mut self, _code: i32) -> Vec<Said> {
        vec![]
    }
}

/// Why a session cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] fs::PathError),
    /// A line is wrong.
    #[error("read the session {}, line {line}: {reason}", path.display())]
    Line {
        /// The file; `(built in)` for the embedded one.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// No scene fits.
    #[error(
        "play the session: no scene for {about}, task `{task}`, attempt {attempt} (hint: see docs/replay-format.md)"
    )]
    NoScene {
        /// What it is about: `work`, or what a question is about.
        about: String,
        /// The task id, empty when unknown.
        task: String,
        /// From 1; 0 when unknown.
        attempt: u32,
    },
    /// The events could not be printed.
    #[error("print the events of the session: {0}")]
    Print(#[source] io::Error),
}

/// Plays the scene that fits `AUTODEV_INQUIRY`, `AUTODEV_TASK_ID`, `AUTODEV_ATTEMPT` and the prompt, which is read from `input` to its
/// end. Returns the exit code. What is wrong with the session itself is printed as a typed environment error, so that
/// the run stops with the reason instead of trying again; the exit code is 1 then.
///
/// # Errors
/// When nothing can be printed any more.
pub fn perform(
    path: Option<&Path>,
    speed: f64,
    cwd: &Path,
    input: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<i32, ReplayError> {
    let mut prompt = Vec::new();
    // A prompt that cannot be read may still be told by the environment; no scene fits otherwise.
    let _ = input.take(READ_LIMIT).read_to_end(&mut prompt);
    let prompt = String::from_utf8_lossy(&prompt);
    let about = env::text("AUTODEV_INQUIRY");
    let task = env::text("AUTODEV_TASK_ID");
    let attempt = env::text("AUTODEV_ATTEMPT").and_then(|text| text.trim().parse().ok());
    let stage = Stage {
        cwd,
        about: about.as_deref(),
        task: task.as_deref(),
        attempt,
        prompt: &prompt,
        speed,
        sleep: &|time: Duration| std::thread::sleep(time),
    };
    let played = read(path).and_then(|session| play(&session, &stage, out));
    match played {
        Ok(code) => Ok(code),
        Err(error @ ReplayError::Print(_)) => Err(error),
        Err(error) => {
            let message = error.to_string();
            let error = AgentError { class: ErrorClass::Environment, message: message.clone(), until: None };
            stage::print(out, &Said::Final(Final { is_ok: false, message, error: Some(error) }))?;
            Ok(1)
        }
    }
}

fn read(path: Option<&Path>) -> Result<Session, ReplayError> {
    let Some(path) = path else { return Session::parse(Path::new("(built in)"), DEMO.as_bytes()) };
    Session::parse(path, &fs::read_capped(path, READ_LIMIT)?)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Wish, config};
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn our_own_program_plays_the_session() {
        let mut config = config();
        let wish = Wish::new(BackendName::Replay);
        assert_eq!(wish.line(), "/usr/bin/autodev __replay --speed 1");
        config.backend.replay.session = "/project/demo session.jsonl".into();
        config.backend.replay.speed = 0.0;
        assert_eq!(
            Wish::new(BackendName::Replay).with(config.clone()).line(),
            "/usr/bin/autodev __replay --speed 0 /project/demo session.jsonl"
        );
        for speed in [f64::NAN, -1.0, f64::INFINITY] {
            config.backend.replay.speed = speed;
            assert!(Wish::new(BackendName::Replay).with(config.clone()).try_invocation().is_err());
        }
    }

    #[test]
    fn the_embedded_session_is_understood_and_played() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        let code = perform(None, 0.0, dir.path(), &mut "Work on task P0-1.".as_bytes(), &mut out).unwrap();
        assert_eq!(code, 0);
        let mut parser = Replay.parser();
        let text = String::from_utf8(out).unwrap();
        let said: Vec<Said> = text.lines().flat_map(|line| parser.line(line)).collect();
        assert!(said.iter().any(|said| matches!(said, Said::Final(last) if last.is_ok)), "{said:?}");
        assert!(!said.iter().any(|said| matches!(said, Said::Text { text, .. } if text.starts_with('{'))));
    }

    #[test]
    fn a_broken_session_is_an_environment_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing.jsonl");
        let mut out = Vec::new();
        assert_eq!(perform(Some(&path), 0.0, dir.path(), &mut io::empty(), &mut out).unwrap(), 1);
        let said: Said = serde_json::from_slice(&out).unwrap();
        let Said::Final(Final { is_ok: false, error: Some(error), .. }) = said else { panic!("{said:?}") };
        assert_eq!(error.class, ErrorClass::Environment);
        assert!(error.message.contains("missing.jsonl"), "{}", error.message);
    }

    #[test]
    fn events_of_a_newer_program_are_skipped() {
        let mut parser = Replay.parser();
        assert_eq!(parser.line(r#"{"said":"future"}"#).len(), 1, "before the first event it is plain text");
        assert_eq!(parser.line(r#"{"said":"text","text":"a","partial":false}"#).len(), 1);
        assert_eq!(parser.line(r#"{"said":"future"}"#), []);
    }
}
