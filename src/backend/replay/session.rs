//! The format of a recorded session: JSON Lines, one step a line. See docs/replay-format.md.
//!
//! Reads and chooses; plays nothing. Invariant: every path in a session is relative and stays below its directory.

use std::path::{Component, Path};

use serde::Deserialize;

use super::ReplayError;
use crate::model::ErrorClass;

/// A recorded session: scenes in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    scenes: Vec<Scene>,
}

/// When a scene fits, and what happens in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scene {
    pub(super) when: When,
    pub(super) steps: Vec<Step>,
}

/// Conditions; absent ones always hold.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    /// What a question is about (`AUTODEV_INQUIRY`): `spec`, `plan`, `reflect`, `replan`.
    pub(super) about: Option<String>,
    /// The task's id.
    pub(super) task: Option<String>,
    /// The number of the attempt, from 1.
    pub(super) attempt: Option<u32>,
    /// Text that the prompt must contain.
    pub(super) contains: Option<String>,
}

/// What a scene is wanted for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'a> {
    /// What the question is about; `None` for work on a task.
    pub(super) about: Option<&'a str>,
    /// The task, when it is known apart from the prompt.
    pub(super) task: Option<&'a str>,
    /// The number of the attempt, when it is known apart from the prompt.
    pub(super) attempt: Option<u32>,
    /// The prompt.
    pub(super) prompt: &'a str,
}

enum Line {
    /// The first line: the version of the format.
    Replay(u32),
    /// A new scene begins.
    Scene(When),
    /// Something happens in the scene.
    Step(Step),
}

/// One thing that happens.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    Say(String),
    Think(String),
    WaitMs(u64),
    Run(Run),
    Write(Content),
    Append(Content),
    Replace(Replace),
    Delete(Target),
    Usage(Tokens),
    Error(Trouble),
    Final(LastWord),
    Exit(i32),
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    pub(super) command: String,
    #[serde(default)]
    pub(super) output: String,
    #[serde(default = "yes")]
    pub(super) is_ok: bool,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    pub(super) path: String,
    pub(super) text: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Replace {
    pub(super) path: String,
    pub(super) old: String,
    pub(super) new: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) path: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) cached_input: u64,
    pub(super) cache_write: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
    pub(super) cost_usd: Option<f64>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Trouble {
    pub(super) class: ErrorClass,
    pub(super) message: String,
    pub(super) retry_after_seconds: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct LastWord {
    #[serde(default = "yes")]
    pub(super) is_ok: bool,
    #[serde(default)]
    pub(super) message: String,
}

fn yes() -> bool {
    true
}

impl Session {
    /// Reads a session. Empty lines and lines that start with `#` are skipped; steps before the first `scene` belong
    /// to a scene that always fits.
    ///
    /// # Errors
    /// With `path` and the number of the first line that is wrong.
    pub fn parse(path: &Path, content: &[u8]) -> Result<Self, ReplayError> {
        let wrong = |line, reason: String| ReplayError::Line { path: path.to_path_buf(), line, reason };
        let mut scenes: Vec<Scene> = Vec::new();
        let mut is_first = true;
        for (number, line) in content.split(|byte| *byte == b'\n').enumerate().map(|(n, line)| (n + 1, line)) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let parsed = parse_line(line).map_err(|reason| wrong(number, reason))?;
            match (parsed, is_first) {
                (Line::Replay(1), true) => {}
                (Line::Replay(version), true) => {
                    return Err(wrong(number, format!("version {version} is unknown, only 1 is")));
                }
                (_, true) => return Err(wrong(number, "the first line must be {\"replay\":1}".into())),
                (Line::Replay(_), false) => return Err(wrong(number, "`replay` only on the first line".into())),
                (Line::Scene(when), false) => scenes.push(Scene { when, steps: vec![] }),
                (Line::Step(step), false) => {
                    check(&step).map_err(|reason| wrong(number, reason))?;
                    match scenes.last_mut() {
                        Some(scene) => scene.steps.push(step),
                        None => scenes.push(Scene { when: When::default(), steps: vec![step] }),
                    }
                }
            }
            is_first = false;
        }
        if is_first {
            return Err(wrong(1, "the session is empty".into()));
        }
        Ok(Self { scenes })
    }

    /// Returns the scene that fits best. A question is answered by a scene that is `about` it, or by one for a text that
    /// names no task; work on a task by all others. Of those whose task and text fit, the one for this very attempt, else one for
    /// any attempt, else the one for the latest earlier attempt. Scenes with a task beat those without; then the first
    /// in the file wins.
    pub(super) fn scene(&self, asked: &Asked<'_>) -> Option<&Scene> {
        let prompt = asked.prompt;
        let attempt = asked.attempt.unwrap_or_else(|| attempt_in(prompt).unwrap_or(1));
        let named = asked.task.map(ToOwned::to_owned).or_else(|| self.task_in(prompt));
        let fits = |scene: &&Scene| {
            let when = &scene.when;
            let is_about = match (&when.about, asked.about) {
                (Some(about), Some(asked)) => about == asked,
                (Some(_), None) => false,
                (None, Some(_)) => when.contains.is_some() && when.task.is_none(),
                (None, None) => true,
            };
            is_about
                && when.task.as_ref().is_none_or(|task| Some(task) == named.as_ref())
                && when.contains.as_ref().is_none_or(|text| prompt.contains(text))
                && when.attempt.is_none_or(|number| number <= attempt)
        };
        let rank = |scene: &Scene| {
            let nearness = match scene.when.attempt {
                Some(number) if number == attempt => (2, 0),
                None => (1, 0),
                Some(number) => (0, number),
            };
            (scene.when.about.is_some(), scene.when.task.is_some(), scene.when.contains.is_some(), nearness)
        };
        // `max_by_key` takes the last of equals; reversed that is the first in the file.
        self.scenes.iter().filter(fits).rev().max_by_key(|scene| rank(scene))
    }

    /// Returns the first task of the session whose id occurs in the prompt as a word of its own.
    pub(super) fn task_in(&self, prompt: &str) -> Option<String> {
        let tasks = self.scenes.iter().filter_map(|scene| scene.when.task.as_ref());
        tasks.filter(|task| !task.is_empty()).find(|task| is_word_in(task, prompt)).cloned()
    }
}

fn is_word_in(word: &str, text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// `attempt 2`, `Attempt: 2`, `attempt #2`.
pub(super) fn attempt_in(prompt: &str) -> Option<u32> {
    let lower = prompt.to_lowercase();
    lower.match_indices("attempt").find_map(|(at, word)| {
        let rest = lower.get(at + word.len()..)?.trim_start_matches([' ', ':', '#', '=', '*']);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..digits)?.parse().ok()
    })
}

/// Two steps, tag and then body: the error then names the field instead of "no variant matched".
fn parse_line(line: &[u8]) -> Result<Line, String> {
    let tell = |error: serde_json::Error| {
        let text = error.to_string();
        text.split_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
    };
    let value: serde_json::Value = serde_json::from_slice(line).map_err(tell)?;
    let (tag, body) = match value.as_object().map(|object| (object.len(), object.iter().next())) {
        Some((1, Some((tag, body)))) => (tag.as_str(), body.clone()),
        _ => return Err("a step is an object with one key, such as {\"say\":\"hello\"}".into()),
    };
    match tag {
        "replay" => serde_json::from_value(body).map(Line::Replay).map_err(tell),
        "scene" => serde_json::from_value(body).map(Line::Scene).map_err(tell),
        _ => serde_json::from_value(value).map(Line::Step).map_err(tell),
    }
}

fn check(step: &Step) -> Result<(), String> {
    let path = match step {
        Step::Write(Content { path, .. })
        | Step::Append(Content { path, .. })
        | Step::Replace(Replace { path, .. })
        | Step::Delete(Target { path }) => path,
        Step::Usage(Tokens { cost_usd: Some(cost), .. }) if !cost.is_finite() || *cost < 0.0 => {
            return Err("`cost_usd` must be a number from 0 up".into());
        }
        Step::Say(_)
        | Step::Think(_)
        | Step::WaitMs(_)
        | Step::Run(_)
        | Step::Usage(_)
        | Step::Error(_)
        | Step::Final(_)
        | Step::Exit(_) => return Ok(()),
    };
    let mut components = Path::new(path).components().peekable();
    if components.peek().is_none() || path.contains('\0') {
        return Err(format!("`{path}` is no path of a file"));
    }
    if components.any(|c| !matches!(c, Component::Normal(name) if !name.eq_ignore_ascii_case(".git"))) {
        return Err(format!("`{path}` must be relative and stay inside the project, outside of .git"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    fn parse(lines: &[&str]) -> Result<Session, String> {
        Session::parse(Path::new("s.jsonl"), lines.join("\n").as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_wrong() {
        let head = r#"{"replay":1}"#;
        let table: [(&[&str], &str); 12] = [
            (&[], "line 1: the session is empty"),
            (&[r#"{"say":"x"}"#], r#"line 1: the first line must be {"replay":1}"#),
            (&[r#"{"replay":2}"#], "line 1: version 2 is unknown, only 1 is"),
            (&[head, "", "{"], "line 3: EOF while parsing an object"),
            (&[head, "[]"], r#"line 2: a step is an object with one key, such as {"say":"hello"}"#),
            (&[head, r#"{"write":{"path":"a"}}"#], "line 2: missing field `text`"),
            (
                &[head, r#"{"write":{"path":"a","text":"b","mode":1}}"#],
                "line 2: unknown field `mode`, expected `path` or `text`",
            ),
            (
                &[head, r#"{"write":{"path":"../a","text":""}}"#],
                "line 2: `../a` must be relative and stay inside the project, outside of .git",
            ),
            (
                &[head, r#"{"delete":{"path":"/etc/passwd"}}"#],
                "line 2: `/etc/passwd` must be relative and stay inside the project, outside of .git",
            ),
            (
                &[head, r#"{"append":{"path":"x/.GIT/config","text":""}}"#],
                "line 2: `x/.GIT/config` must be relative and stay inside the project, outside of .git",
            ),
            (&[head, r#"{"delete":{"path":""}}"#], "line 2: `` is no path of a file"),
            (&[head, r#"{"wait_ms":-1}"#], "line 2: invalid value: integer `-1`, expected u64"),
        ];
        for (lines, expected) in table {
            let error = parse(lines).unwrap_err();
            assert_eq!(error.strip_prefix("read the session s.jsonl, "), Some(expected));
        }
        let unknown = parse(&[head, r#"{"dance":1}"#]).unwrap_err();
        assert!(unknown.contains("unknown variant `dance`"), "{unknown}");
        assert!(Session::parse(Path::new("s"), b"{\"replay\":1}\n{\"say\":\"\xff\"}").is_err());
    }

    #[test]
    fn the_nearest_scene_is_chosen() {
        let session = parse(&[
            r#"{"replay":1}"#,
            "# a comment",
            r#"{"scene":{}}"#,
            r#"{"say":"any"}"#,
            r#"{"scene":{"task":"T-1","attempt":1}}"#,
            r#"{"say":"first"}"#,
            r#"{"scene":{"task":"T-1","attempt":2}}"#,
            r#"{"say":"second"}"#,
            r#"{"scene":{"contains":"Make a plan"}}"#,
            r#"{"say":"plan"}"#,
        ])
        .unwrap();
        let said =
            |task, attempt, prompt| match &session.scene(&Asked { about: None, task, attempt, prompt }).unwrap().steps
                [0]
            {
                Step::Say(text) => text.clone(),
                other => panic!("{other:?}"),
            };
        assert_eq!(said(Some("T-1"), Some(1), ""), "first");
        assert_eq!(said(Some("T-1"), Some(2), ""), "second");
        assert_eq!(said(Some("T-1"), Some(9), ""), "second", "the latest earlier attempt");
        assert_eq!(said(Some("T-2"), Some(1), ""), "any");
        assert_eq!(said(None, None, "Task: T-1, attempt 2 of 3"), "second");
        assert_eq!(said(None, None, "Task T-10 and xT-1"), "any", "an id is a whole word");
        assert_eq!(said(None, None, "Make a plan for it"), "plan");
        let strict = parse(&[r#"{"replay":1}"#, r#"{"scene":{"task":"T-1"}}"#]).unwrap();
        let other = Asked { task: Some("T-2"), prompt: "T-1", ..Asked::default() };
        assert!(strict.scene(&other).is_none());
    }

    #[test]
    fn a_question_is_answered_by_a_scene_about_it() {
        let session = parse(&[
            r#"{"replay":1}"#,
            r#"{"scene":{"task":"T-1"}}"#,
            r#"{"say":"work"}"#,
            r#"{"scene":{"about":"replan"}}"#,
            r#"{"say":"replan"}"#,
            r#"{"scene":{"about":"replan","contains":"epoch 2"}}"#,
            r#"{"say":"second"}"#,
        ])
        .unwrap();
        let said = |about, prompt| {
            session.scene(&Asked { about, prompt, ..Asked::default() }).map(|scene| match &scene.steps[0] {
                Step::Say(text) => text.clone(),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(said(Some("replan"), "T-1 is done").as_deref(), Some("replan"));
        assert_eq!(said(Some("replan"), "T-1, epoch 2").as_deref(), Some("second"));
        assert_eq!(said(Some("reflect"), "T-1"), None, "the work on a task is no answer");
        assert_eq!(said(None, "T-1").as_deref(), Some("work"));
    }

    #[test]
    fn the_attempt_is_found_in_a_prompt() {
        for (prompt, expected) in [
            ("Attempt: 3", Some(3)),
            ("**Attempt** 3", Some(3)),
            ("no attempts; attempt #12 now", Some(12)),
            ("attempt one", None),
            ("attempt 99999999999", None),
        ] {
            assert_eq!(attempt_in(prompt), expected, "{prompt}");
        }
    }
}
