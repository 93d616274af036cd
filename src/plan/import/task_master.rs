//! `tasks.json` of claude-task-master: `{"master": {"tasks": [...]}}`, one member per tag, or the older
//! `{"tasks": [...]}`.
//!
//! A task's subtasks are its steps; the dependencies of a subtask are those of its task. `testStrategy` is prose: only
//! its lines that are a command become checks.

use super::command::of_lines;
use super::draft::{Draft, Plan};
use super::inline::{plain, sentences, shorten, title};
use super::{Defaults, Document, ImportError, MAX_TASKS, paths};
use crate::plan::json::{Json, Object};
use crate::plan::place::{Lines, Step, name};
use crate::plan::scan::{self, Scanner};

/// What is kept of a task's own text.
const TEXT_LIMIT: usize = 12_000;
/// What is kept of a subtask's text.
const STEP_LIMIT: usize = 600;

/// Whether a JSON text is such a list. A queue of autodev's own is none.
pub(super) fn is_list(text: &str) -> bool {
    let Ok(root) = scan::parse(text) else { return false };
    let Some(root) = root.as_object() else { return false };
    if let Some(tasks) = root.get("tasks") {
        let tasks = || tasks.as_array().into_iter().flatten().filter_map(Json::as_object);
        let has = |key: &'static str| tasks().any(|task| task.get(key).is_some());
        let is_own = has("passes") || has("verification") || has("completion") || has("steps");
        return !is_own
            && has("title")
            && (has("status") || has("details") || has("dependencies") || has("testStrategy"));
    }
    tags(root).next().is_some()
}

fn tags(root: &Object) -> impl Iterator<Item = &str> {
    root.iter().filter(|(_, value)| tasks_of(value).is_some()).map(|(key, _)| key)
}

fn tasks_of(tag: &Json) -> Option<&[Json]> {
    tag.as_object()?.get("tasks")?.as_array()
}

/// Reads the tasks of one tag.
pub(super) fn read(document: Document, defaults: &Defaults) -> Result<Plan, ImportError> {
    let text = document.text.strip_prefix('\u{feff}').unwrap_or(document.text);
    let lines = Lines::new(text.as_bytes());
    let root = scan::parse(text).map_err(|e| {
        let (line, column) = lines.position(e.offset);
        ImportError::Syntax { file: document.path.to_owned(), line, column, message: e.message }
    })?;
    let reader = Reader { file: document.path, text, lines };
    let root_object = root.as_object().ok_or_else(|| reader.shape(&[], "an object", &root))?;
    let (tag, notes) = reader.tag(root_object, defaults)?;
    let way: Vec<Step> = tag.iter().map(|tag| Step::Key(tag)).chain([Step::Key("tasks")]).collect();
    let list = match tag {
        Some(tag) => root_object.get(tag).and_then(Json::as_object).and_then(|tag| tag.get("tasks")),
        None => root_object.get("tasks"),
    };
    let tasks =
        list.and_then(Json::as_array).ok_or_else(|| reader.shape(&way, "a list", list.unwrap_or(&Json::Null)))?;
    if tasks.len() > MAX_TASKS {
        return Err(ImportError::TooMany { file: document.path.to_owned(), limit: MAX_TASKS, what: "tasks" });
    }
    let mut plan = Plan { notes, ..Plan::default() };
    for (at, (task, line)) in tasks.iter().zip(reader.lines_of(&way)).enumerate() {
        let here: Vec<Step> = way.iter().copied().chain([Step::Index(at)]).collect();
        let object = task.as_object().ok_or_else(|| reader.shape(&here, "an object", task))?;
        match status(object) {
            Standing::Dropped(status) => {
                let title = object.get("title").map(Json::as_text).unwrap_or_default();
                plan.notes.push(format!("line {line}: {} is {status} and was left out", shorten(&title, 80)));
            }
            Standing::Open | Standing::Done => plan.drafts.push(reader.task(object, &here, line)?),
        }
    }
    tag.filter(|tag| *tag != "master").unwrap_or_default().clone_into(&mut plan.title);
    Ok(plan)
}

/// Whether there is work left.
enum Standing {
    Open,
    Done,
    /// Nobody wants it, for now or at all.
    Dropped(String),
}

fn status(object: &Object) -> Standing {
    let status = object.get("status").map(Json::as_text).unwrap_or_default().to_lowercase();
    match status.as_str() {
        "done" | "completed" | "complete" => Standing::Done,
        "cancelled" | "canceled" | "deferred" => Standing::Dropped(status),
        _ => Standing::Open,
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    lines: Lines<'a>,
}

impl Reader<'_> {
    fn shape(&self, way: &[Step], expected: &'static str, found: &Json) -> ImportError {
        let (line, _) = self.lines.position(scan::Trail::new(self.text, 0).locate(way));
        let place = if way.is_empty() { "the file".to_owned() } else { name("", way) };
        ImportError::Shape { file: self.file.to_owned(), line, place, expected, found: found.kind() }
    }

    /// Chooses the tag; `None` for a list without tags.
    fn tag<'r>(&self, root: &'r Object, defaults: &Defaults) -> Result<(Option<&'r str>, Vec<String>), ImportError> {
        let all: Vec<&str> = tags(root).collect();
        if let Some(wanted) = &defaults.tag {
            let found = all.iter().find(|tag| *tag == wanted).copied();
            let unknown = || ImportError::UnknownTag {
                file: self.file.to_owned(),
                tag: wanted.clone(),
                tags: all.iter().map(|tag| (*tag).to_owned()).collect(),
            };
            return Ok((Some(found.ok_or_else(unknown)?), Vec::new()));
        }
        if root.get("tasks").is_some_and(|tasks| tasks.as_array().is_some()) || all.is_empty() {
            return Ok((None, Vec::new()));
        }
        let chosen = all.iter().find(|tag| **tag == "master").or(all.first()).copied();
        let others: Vec<&str> = all.into_iter().filter(|tag| Some(*tag) != chosen).collect();
        let note =
            format!("only the tag {} was read; there are also {}", chosen.unwrap_or_default(), others.join(", "));
        Ok((chosen, if others.is_empty() { Vec::new() } else { vec![note] }))
    }

    /// Returns the line of each element of a list.
    fn lines_of(&self, way: &[Step]) -> Vec<usize> {
        let mut lines = Vec::new();
        let start = scan::Trail::new(self.text, 0).locate(way);
        let (mut counted, mut line) = (start, self.lines.position(start).0);
        let mut scanner = Scanner::new(self.text, start);
        let walked = scanner.elements(|scanner| {
            // Counting on from the last one keeps a list on a single line linear.
            let between = self.text.get(counted..scanner.at()).unwrap_or_default();
            line += between.matches('\n').count();
            counted = scanner.at();
            lines.push(line);
            scanner.value().map(drop)
        });
        debug_assert!(walked.is_ok(), "the text was parsed before");
        lines
    }

    fn task(&self, object: &Object, here: &[Step], line: usize) -> Result<Draft, ImportError> {
        let text = |key| object.get(key).map(Json::as_text).unwrap_or_default();
        let (description, details, strategy) = (text("description"), text("details"), text("testStrategy"));
        let own_title = text("title");
        let title = if own_title.is_empty() { title(&description) } else { shorten(&plain(&own_title), 200) };
        if title.is_empty() {
            return Err(self.shape(&below(here, "title"), "a text", object.get("title").unwrap_or(&Json::Null)));
        }
        let mut draft = Draft {
            id: Some(text("id")).filter(|id| !id.is_empty()),
            group: 1,
            line,
            is_done: matches!(status(object), Standing::Done),
            ..Draft::default()
        };
        draft.needs = self.dependencies(object, here)?;
        draft.checks = of_lines(&strategy);
        for text in [own_title.as_str(), &description] {
            paths::collect(text, &mut draft.patterns);
        }
        let details_lines = || details.lines().map(without_bullet).filter(|line| !line.is_empty());
        details_lines().for_each(|line| paths::collect(line, &mut draft.patterns));
        self.subtasks(object, here, &mut draft)?;
        if draft.steps.is_empty() {
            let lines = details_lines().flat_map(sentences).map(|text| plain(&text));
            draft.steps = lines.filter(|step| step.chars().any(char::is_alphanumeric)).take(40).collect();
        }
        if draft.steps.is_empty() {
            draft.steps =
                sentences(&description).iter().map(|text| plain(text)).filter(|step| !step.is_empty()).collect();
        }
        if draft.steps.is_empty() {
            draft.steps.push(title.clone());
        }
        let strategy = if strategy.is_empty() { strategy } else { format!("How to test it: {strategy}") };
        let says: Vec<String> = [description, details, strategy].into_iter().filter(|text| !text.is_empty()).collect();
        draft.description = if says.is_empty() { title.clone() } else { shorten(&says.join("\n\n"), TEXT_LIMIT) };
        draft.title = title;
        Ok(draft)
    }

    fn subtasks(&self, object: &Object, here: &[Step], draft: &mut Draft) -> Result<(), ImportError> {
        let Some(list) = object.given("subtasks") else { return Ok(()) };
        let place = below(here, "subtasks");
        let list = list.as_array().ok_or_else(|| self.shape(&place, "a list", list))?;
        for (at, value) in list.iter().enumerate() {
            let place: Vec<Step> = place.iter().copied().chain([Step::Index(at)]).collect();
            let subtask = value.as_object().ok_or_else(|| self.shape(&place, "an object", value))?;
            let is_left = matches!(status(subtask), Standing::Open);
            if !(is_left || draft.is_done) {
                continue;
            }
            let text = |key| subtask.get(key).map(|value| plain(&value.as_text())).unwrap_or_default();
            let parts = [text("title"), text("description")];
            let step = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(": ");
            draft.steps.extend(Some(shorten(&step, STEP_LIMIT)).filter(|step| !step.is_empty()));
            draft.checks.extend(of_lines(&subtask.get("testStrategy").map(Json::as_text).unwrap_or_default()));
            // `4.2` is a subtask of another task; a bare number is a sibling.
            let others = self.dependencies(subtask, &place)?.into_iter();
            let others = others.filter_map(|id| id.split_once('.').map(|(task, _)| task.to_owned()));
            draft.needs.extend(others.filter(|id| Some(id) != draft.id.as_ref()));
        }
        Ok(())
    }

    fn dependencies(&self, object: &Object, here: &[Step]) -> Result<Vec<String>, ImportError> {
        let Some(list) = object.given("dependencies") else { return Ok(Vec::new()) };
        let place = below(here, "dependencies");
        let items = list.as_array().ok_or_else(|| self.shape(&place, "a list", list))?;
        Ok(items.iter().map(Json::as_text).filter(|id| !id.is_empty()).collect())
    }
}

fn below<'a>(here: &[Step<'a>], key: &'a str) -> Vec<Step<'a>> {
    here.iter().copied().chain([Step::Key(key)]).collect()
}

fn without_bullet(line: &str) -> &str {
    let line = line.trim();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = if rest.len() < line.len() { rest.strip_prefix(['.', ')']).unwrap_or(line) } else { line };
    rest.trim_start_matches(['-', '*', '+', '\u{2022}', ' '])
}
