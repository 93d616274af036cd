//! Plays one scene: edits, waits, and prints what an agent would have said.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;

use super::session::{Asked, LastWord, Step, Tokens, Trouble, attempt_in};
use super::{ReplayError, Session, edit};
use crate::backend::event::one_line;
use crate::model::{AgentError, Final, Said, Usage};
use crate::sys::clock;

/// No single wait is longer, whatever the session says: 10 minutes.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Where and for whom a session is played.
pub struct Stage<'a> {
    /// The directory whose files are edited.
    pub cwd: &'a Path,
    /// What the question is about; `None` for work on a task.
    pub about: Option<&'a str>,
    /// The task, when it is known apart from the prompt.
    pub task: Option<&'a str>,
    /// The number of the attempt from 1, when it is known apart from the prompt.
    pub attempt: Option<u32>,
    /// The prompt; task and attempt are searched in it when they are not known.
    pub prompt: &'a str,
    /// 2.0 waits half as long, 0 not at all. Negative numbers and NaN count as 0.
    pub speed: f64,
    /// Waits.
    pub sleep: &'a dyn Fn(Duration),
}

/// Plays the scene that fits best and returns its exit code: 0 unless the scene says otherwise. An edit that is not
/// possible (the old text is not there, the path leads outside) is a tool call that failed; the scene goes on.
///
/// # Errors
/// When no scene fits, or nothing can be printed any more.
pub fn play(session: &Session, stage: &Stage<'_>, out: &mut dyn Write) -> Result<i32, ReplayError> {
    let asked = Asked { about: stage.about, task: stage.task, attempt: stage.attempt, prompt: stage.prompt };
    let scene = session.scene(&asked).ok_or_else(|| ReplayError::NoScene {
        about: stage.about.unwrap_or("work").to_owned(),
        task: stage.task.map(ToOwned::to_owned).or_else(|| session.task_in(stage.prompt)).unwrap_or_default(),
        attempt: stage.attempt.or_else(|| attempt_in(stage.prompt)).unwrap_or(0),
    })?;
    print(out, &Said::Session { id: "replay".into(), model: String::new() })?;
    let mut last_error = None;
    for (number, step) in scene.steps.iter().enumerate() {
        let tool = |name: &str, summary: &str, done: Result<String, String>| {
            let id = format!("step-{number}");
            let (is_ok, result) = match done {
                Ok(result) => (true, result),
                Err(result) => (false, result),
            };
            [
                Said::ToolStarted { id: id.clone(), name: name.into(), summary: one_line(summary) },
                Said::ToolEnded { id, is_ok, summary: one_line(&result) },
            ]
        };
        let quiet = |done: Result<(), String>| done.map(|()| String::new());
        match step {
            Step::WaitMs(ms) => wait(*ms, stage),
            Step::Exit(code) => return Ok(*code),
            Step::Say(text) => print(out, &Said::Text { text: text.clone(), partial: false })?,
            Step::Think(text) => print(out, &Said::Thinking { text: text.clone() })?,
            Step::Run(run) => {
                let output = run.output.clone();
                print_all(out, &tool("shell", &run.command, if run.is_ok { Ok(output) } else { Err(output) }))?;
            }
            Step::Write(file) => {
                let done = edit::write(stage.cwd, &file.path, &file.text);
                print_all(out, &tool("write_file", &file.path, quiet(done)))?;
            }
            Step::Append(file) => {
                let done = edit::append(stage.cwd, &file.path, &file.text);
                print_all(out, &tool("write_file", &file.path, quiet(done)))?;
            }
            Step::Replace(file) => {
                let done = edit::replace(stage.cwd, &file.path, &file.old, &file.new);
                print_all(out, &tool("edit", &file.path, quiet(done)))?;
            }
            Step::Delete(file) => {
                let done = edit::delete(stage.cwd, &file.path);
                print_all(out, &tool("delete", &file.path, quiet(done)))?;
            }
            Step::Usage(tokens) => print(out, &Said::Usage { usage: usage(*tokens), is_total: false })?,
            Step::Error(trouble) => {
                let error = error(trouble);
                print(out, &Said::Error(error.clone()))?;
                last_error = Some(error);
            }
            Step::Final(last) => print(out, &Said::Final(last_word(last, last_error.as_ref())))?,
        }
    }
    Ok(0)
}

fn wait(ms: u64, stage: &Stage<'_>) {
    let seconds = ms as f64 / 1000.0 / stage.speed;
    if seconds.is_nan() || seconds <= 0.0 || stage.speed <= 0.0 {
        return;
    }
    (stage.sleep)(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
}

fn usage(tokens: Tokens) -> Usage {
    Usage {
        input: tokens.input,
        cached_input: tokens.cached_input,
        cache_write: tokens.cache_write,
        output: tokens.output,
        reasoning: tokens.reasoning,
        cost_usd: tokens.cost_usd,
    }
}

fn error(trouble: &Trouble) -> AgentError {
    let after = trouble.retry_after_seconds.map(|seconds| clock::now() + TimeDelta::seconds(i64::from(seconds)));
    AgentError { class: trouble.class, message: trouble.message.clone(), until: after }
}

fn last_word(last: &LastWord, error: Option<&AgentError>) -> Final {
    let error = error.filter(|_| !last.is_ok).cloned();
    let reason = error.as_ref().map(|error| error.message.clone()).filter(|_| last.message.is_empty());
    Final { is_ok: last.is_ok, message: reason.unwrap_or_else(|| last.message.clone()), error }
}

fn print_all(out: &mut dyn Write, all: &[Said]) -> Result<(), ReplayError> {
    all.iter().try_for_each(|said| print(out, said))
}

/// Prints one event and flushes, so that the reader sees it at once.
pub(super) fn print(out: &mut dyn Write, said: &Said) -> Result<(), ReplayError> {
    let mut line = serde_json::to_vec(said).map_err(|error| ReplayError::Print(error.into()))?;
    line.push(b'\n');
    out.write_all(&line).and_then(|()| out.flush()).map_err(ReplayError::Print)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{BackendName, backend};
    use crate::logic::classify::{Cause, Conclusion, Digestor, PatternResults, conclude};
    use crate::model::{ErrorClass, ProcessEnd};
    use pretty_assertions::assert_eq;
    use std::cell::RefCell;

    fn run(steps: &str, cwd: &Path, speed: f64) -> (i32, Vec<Said>, Vec<Duration>) {
        let text = format!("{{\"replay\":1}}\n{steps}");
        let session = Session::parse(Path::new("s"), text.as_bytes()).unwrap();
        let waits = RefCell::new(Vec::new());
        let sleep = |time| waits.borrow_mut().push(time);
        let stage = Stage { cwd, about: None, task: None, attempt: None, prompt: "", speed, sleep: &sleep };
        let mut out = Vec::new();
        let code = play(&session, &stage, &mut out).unwrap();
        let mut parser = backend(BackendName::Replay).parser();
        let said = String::from_utf8(out).unwrap().lines().flat_map(|line| parser.line(line)).collect();
        (code, said, waits.into_inner())
    }

    #[test]
    fn a_scene_edits_files_and_tells_what_it_did() {
        let dir = tempfile::tempdir().unwrap();
        let steps = r#"
{"say":"I start."}
{"think":"Hm."}
{"write":{"path":"src/a.txt","text":"one two"}}
{"append":{"path":"src/a.txt","text":" three"}}
{"replace":{"path":"src/a.txt","old":"two","new":"2"}}
{"replace":{"path":"src/a.txt","old":"absent","new":"2"}}
{"write":{"path":"b.txt","text":""}}
{"delete":{"path":"b.txt"}}
{"run":{"command":"make\ntest","output":"1 failed\n","is_ok":false}}
{"usage":{"input":10,"output":5,"cost_usd":0.25}}
{"usage":{"input":1}}
{"final":{"message":"Done."}}
"#;
        let (code, said, _) = run(steps, dir.path(), 1.0);
        assert_eq!(std::fs::read_to_string(dir.path().join("src/a.txt")).unwrap(), "one 2 three");
        assert!(!dir.path().join("b.txt").exists());
        let mut digest = Digestor::default();
        for said in &said {
            digest.add(said);
        }
        assert_eq!((digest.usage.input, digest.usage.output, digest.usage.cost_usd), (11, 5, Some(0.25)));
        assert_eq!((code, digest.message().as_str(), digest.session.as_str()), (0, "Done.", "replay"));
        let ends: Vec<bool> = said
            .iter()
            .filter_map(|s| if let Said::ToolEnded { is_ok, .. } = s { Some(*is_ok) } else { None })
            .collect();
        assert_eq!(ends, [true, true, true, false, true, true, false]);
        assert!(said.iter().any(|s| matches!(s, Said::ToolStarted { summary, .. } if summary == "make")));
    }

    #[test]
    fn waits_follow_the_speed_and_have_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let steps = "{\"wait_ms\":1000}\n{\"wait_ms\":18446744073709551615}";
        assert_eq!(run(steps, dir.path(), 2.0).2, [Duration::from_millis(500), LONGEST_WAIT]);
        for speed in [0.0, -1.0, f64::NAN] {
            assert_eq!(run(steps, dir.path(), speed).2, []);
        }
    }

    #[test]
    fn a_scene_can_end_badly_in_every_way() {
        let dir = tempfile::tempdir().unwrap();
        let end = |steps: &str| {
            let (code, said, _) = run(steps, dir.path(), 0.0);
            let mut digest = Digestor::default();
            for said in &said {
                digest.add(said);
            }
            conclude(&Conclusion {
                code,
                cause: Cause::Itself,
                digest: &digest,
                last_lines: &[],
                changed_files: false,
                rate_limit_patterns: &[],
                halt_patterns: &[],
                patterns: PatternResults::default(),
                now: clock::now().fixed_offset(),
            })
        };
        let (limited, _) = end(
            "{\"error\":{\"class\":\"rate_limit\",\"message\":\"slow\",\"retry_after_seconds\":60}}\n{\"final\":{\"is_ok\":false}}\n{\"exit\":1}",
        );
        let ProcessEnd::Limited(limit) = limited else { panic!("{limited:?}") };
        assert!(limit.until.unwrap() > clock::now() && limit.reason == "slow" && limit.code == 1);
        assert_eq!(end("{\"say\":\"x\"}"), (ProcessEnd::Exited { code: 0 }, false), "no final event");
        assert_eq!(end("{\"final\":{}}\n{\"exit\":3}\n{\"say\":\"never\"}"), (ProcessEnd::Exited { code: 3 }, false));
        assert_eq!(end("{\"final\":{}}"), (ProcessEnd::Exited { code: 0 }, true));
        assert_eq!(ErrorClass::RateLimit, serde_json::from_str("\"rate_limit\"").unwrap());
    }
}
