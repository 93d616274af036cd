//! Puts a plan into the queue: in the place of the old tasks, or behind them.
//!
//! Nothing is written here: the result is for [`QueueFile::supersede`], which makes a backup first, or for
//! [`QueueFile::save`]. Invariant: the result has every task of the plan once, under an id and a title that no other
//! task has, and tasks that stay keep their text.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::audit::{self, Finding, finding};
use super::error::QueueError;
use super::json::{Json, Object};
use super::layout::{Content, Member, printed};
use super::proposal::Proposal;
use super::queue_file::{Caps, Entry, QueueFile};
use super::{normal, task_json};

/// The queue as it is.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Where the file is, or will be. Not touched.
    pub path: &'a Path,
    /// What the file holds; `None` when there is none.
    pub content: Option<&'a [u8]>,
    /// How much is remembered.
    pub caps: &'a Caps,
}

/// What comes into the queue together with a plan.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The project's name; when empty that of the plan is taken.
    pub project: &'a str,
    /// Where the plan comes from, for the member `planning_source`. `None`: the member that is there stays when tasks are
    /// added, and goes when they are replaced.
    pub planning_source: Option<&'a Map<String, Value>>,
    /// A document to put in front of the `docs` of each task of the plan that does not name it; empty for none.
    pub doc: &'a str,
}

/// What becomes of `learning_journal` when tasks are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// The same project goes on.
    Kept,
    /// A new beginning.
    Dropped,
}

/// What becomes of a task of the plan whose id or title is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is a finding.
    Refused,
    /// The id gets `-2` (or the next free number) at its end, the title ` (2)`. Texts that mention the id stay as they
    /// are.
    Renumbered,
}

/// Why a plan does not get into the queue.
#[derive(Debug, thiserror::Error)]
pub enum RefillError {
    /// Tasks of the plan have the ids or titles of other tasks.
    #[error("add the tasks of the plan: {}", listing(findings))]
    Taken {
        /// At least one.
        findings: Vec<Finding>,
    },
    /// The queue as it is cannot be read, or the result could not be.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

fn listing(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Returns a queue of the plan's tasks. Other members of the old file stay (`epoch_history`, unknown ones), but for
/// `statistics` and `planning_source`, which spoke of the old tasks. An old file that cannot be read leaves nothing.
///
/// # Errors
/// When the planning source is nested too deep, or tasks of a hand-made proposal have the same id or title.
pub fn replace(
    proposal: &Proposal,
    wish: &Wish<'_>,
    target: &Target<'_>,
    journal: Journal,
) -> Result<QueueFile, RefillError> {
    let old = target.content.and_then(|bytes| QueueFile::parse(target.path, bytes.to_vec(), target.caps).ok());
    let mut file = match old {
        Some(old) => old,
        None => QueueFile::parse(target.path, b"{}".to_vec(), target.caps)?,
    };
    file.mark_changed();
    file.entries.clear();
    file.index.clear();
    file.queue.tasks.clear();
    file.drop_member("statistics");
    file.drop_member("planning_source");
    if journal == Journal::Dropped {
        file.drop_member("learning_journal");
        file.queue.journal.clear();
    }
    let project = if wish.project.is_empty() { &proposal.project } else { wish.project };
    if !project.is_empty() {
        file.set_member("project", &Value::from(project))?;
    }
    fill(file, proposal, wish, Taken::Refused)
}

/// Returns the queue with the plan's tasks behind those that it has.
///
/// # Errors
/// When the queue cannot be read, the planning source is nested too deep, or ids or titles are taken and that is refused.
pub fn append(
    proposal: &Proposal,
    wish: &Wish<'_>,
    target: &Target<'_>,
    taken: Taken,
) -> Result<QueueFile, RefillError> {
    let mut file = QueueFile::parse(target.path, target.content.unwrap_or(b"{}").to_vec(), target.caps)?;
    file.mark_changed();
    let project = if wish.project.is_empty() { &proposal.project } else { wish.project };
    if file.queue.project.is_empty() && !project.is_empty() {
        file.set_member("project", &Value::from(project))?;
    }
    fill(file, proposal, wish, taken)
}

fn fill(mut file: QueueFile, proposal: &Proposal, wish: &Wish<'_>, taken: Taken) -> Result<QueueFile, RefillError> {
    file.ensure_tasks();
    let mut names = Names::of(&file, proposal);
    let mut findings = Vec::new();
    let mut renamed = HashMap::new();
    let mut tasks = Vec::with_capacity(proposal.tasks.len());
    for task in &proposal.tasks {
        let Json::Object(mut task) = Json::from(&Value::Object(task.clone())) else { continue };
        let before = task.text("id");
        names.settle(&mut task, taken, &mut findings);
        let after = task.text("id");
        if after != before {
            renamed.insert(before, after);
        }
        put_doc(&mut task, wish.doc.trim());
        tasks.push(task);
    }
    if !findings.is_empty() {
        return Err(RefillError::Taken { findings });
    }
    for mut task in tasks {
        follow(&mut task, &renamed);
        file.push_task(task);
    }
    if let Some(source) = wish.planning_source {
        file.set_member("planning_source", &Value::Object(source.clone()))?;
    }
    Ok(file)
}

/// A task depends on the task that was meant, also when that one got another id.
fn follow(task: &mut Object, renamed: &HashMap<String, String>) {
    let needs = task_json::read(task, &mut Vec::new()).depends_on;
    if needs.iter().any(|need| renamed.contains_key(need)) {
        let needs: Vec<String> = needs.into_iter().map(|need| renamed.get(&need).cloned().unwrap_or(need)).collect();
        task.set("depends_on", Json::texts(&needs));
    }
}

fn put_doc(task: &mut Object, doc: &str) {
    let docs = task_json::read(task, &mut Vec::new()).docs;
    if !doc.is_empty() && !docs.iter().any(|known| known == doc) {
        let docs: Vec<String> = std::iter::once(doc.to_owned()).chain(docs).collect();
        task.set("docs", Json::texts(&docs));
    }
}

/// The ids and titles that are taken.
struct Names {
    ids: HashSet<String>,
    /// Folded, with the id of the task that has it.
    titles: HashMap<String, String>,
    /// Ids and folded titles of the plan, which a new number must not hit.
    planned: HashSet<String>,
}

impl Names {
    fn of(file: &QueueFile, proposal: &Proposal) -> Self {
        let tasks = &file.queue.tasks;
        let text = |task: &Map<String, Value>, key: &str| {
            task.get(key)
                .and_then(Value::as_str)
                .map(|text| if key == "id" { text.trim().into() } else { audit::folded(text) })
        };
        Self {
            ids: tasks.iter().map(|task| task.id.to_string()).filter(|id| !id.is_empty()).collect(),
            titles: tasks.iter().map(|task| (audit::folded(&task.title), task.id.to_string())).collect(),
            planned: proposal.tasks.iter().flat_map(|task| [text(task, "id"), text(task, "title")]).flatten().collect(),
        }
    }

    /// Gives a task an id and a title of its own, or says what is in the way.
    fn settle(&mut self, object: &mut Object, taken: Taken, findings: &mut Vec<Finding>) {
        let task = task_json::read(object, &mut Vec::new());
        let (mut id, mut title) = (task.id.to_string(), task.title);
        if self.ids.contains(&id) {
            if taken == Taken::Refused {
                findings.push(finding(&id, "id", "another task of the queue has it"));
            } else {
                id = numbered(|n| format!("{id}-{n}"), |new| self.ids.contains(new) || self.planned.contains(new));
                object.set("id", Json::text(&id));
            }
        }
        if let Some(other) = self.titles.get(&audit::folded(&title)).filter(|_| !title.is_empty()) {
            if taken == Taken::Refused {
                findings.push(finding(&id, "title", format!("task {other} of the queue has it")));
            } else {
                let is_taken = |new: &str| {
                    let new = audit::folded(new);
                    self.titles.contains_key(&new) || self.planned.contains(&new)
                };
                title = numbered(|n| format!("{title} ({n})"), is_taken);
                object.set("title", Json::text(&title));
            }
        }
        self.titles.insert(audit::folded(&title), id.clone());
        self.ids.insert(id);
    }
}

/// Returns the first name with a number from 2 that is not taken.
fn numbered(name: impl Fn(u64) -> String, is_taken: impl Fn(&str) -> bool) -> String {
    let mut number = 2;
    loop {
        let name = name(number);
        if !is_taken(&name) {
            return name;
        }
        // Ends: there are not as many tasks as numbers.
        number += 1;
    }
}

impl QueueFile {
    /// Adds a task at the end, in its normal form.
    fn push_task(&mut self, mut object: Object) {
        normal::normalise(&mut object);
        let task = task_json::read(&object, &mut Vec::new());
        self.index.insert(task.id.clone(), self.entries.len());
        let text = printed(&Json::Object(object), 2);
        self.entries.push(Entry { text, task: Some(self.queue.tasks.len()), is_legacy: false });
        self.queue.tasks.push(task);
    }

    pub(super) fn ensure_tasks(&mut self) {
        if !self.members.iter().any(|member| member.content == Content::Tasks) {
            self.members.push(Member { key: "tasks".to_owned(), content: Content::Tasks });
        }
    }

    fn drop_member(&mut self, key: &str) {
        self.members.retain(|member| member.key != key);
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::super::proposal;
    use super::super::queue_file::tests::{CAPS, HAND_WRITTEN, parse};
    use super::*;
    use crate::model::TaskId;

    fn planned(id: &str, title: &str) -> Value {
        json!({"id": id, "title": title, "description": "d", "steps": ["s"], "docs": ["a.md"],
            "verification": {"validate_commands": ["make"]}, "depends_on": []})
    }

    fn proposal(tasks: &[Value]) -> Proposal {
        proposal::read(&json!({"project": "theirs", "tasks": tasks})).unwrap()
    }

    fn target(content: &str) -> Target<'_> {
        Target { path: Path::new("task.json"), content: Some(content.as_bytes()), caps: &CAPS }
    }

    const BARE: Wish<'_> = Wish { project: "", planning_source: None, doc: "" };

    fn shown(file: &QueueFile) -> Value {
        let again = parse(&file.render()).unwrap();
        assert_eq!(again.queue(), file.queue(), "the view is what the file says");
        assert_eq!(again.index, file.index);
        assert!(file.is_changed());
        serde_json::from_str(&file.render()).unwrap()
    }

    #[test]
    fn a_plan_makes_a_queue_where_there_was_none() {
        let source = json!({"source_kind": "intent", "input_text": "do \u{1}it"});
        let wish = Wish { project: "ours", planning_source: source.as_object(), doc: " docs/specs/x.md " };
        let none = Target { content: None, ..target("") };
        let plan = proposal(&[planned("a", "A"), planned("b", "B")]);
        let file = replace(&plan, &wish, &none, Journal::Kept).unwrap();
        let value = shown(&file);
        assert_eq!(value["project"], "ours");
        assert_eq!(value["planning_source"], source);
        assert_eq!(value["tasks"][1]["docs"], json!(["docs/specs/x.md", "a.md"]));
        assert_eq!(value["tasks"][1]["depends_on"], json!([]));
        let bare = replace(&plan, &BARE, &none, Journal::Kept).unwrap();
        assert_eq!(shown(&bare)["project"], "theirs");
        assert_eq!(shown(&bare)["tasks"][0]["docs"], json!(["a.md"]));
        let appended = append(&plan, &wish, &none, Taken::Refused).unwrap();
        assert_eq!(shown(&appended), value);
        let doc = Wish { doc: "a.md", ..BARE };
        assert_eq!(shown(&replace(&plan, &doc, &none, Journal::Kept).unwrap())["tasks"][0]["docs"], json!(["a.md"]));
    }

    const OLD: &str = r#"{"project": "p", "mine": 1.50, "tasks": [{"id": "a", "title": "A"}, 5], "epoch_history": [{"epoch": 1}],
        "statistics": {"completed": 1}, "planning_source": {"source_kind": "file"}, "learning_journal": [{"summary": "s"}]}"#;

    #[test]
    fn replacing_keeps_what_does_not_speak_of_the_old_tasks() {
        let plan = proposal(&[planned("a", "A"), planned("b", "B")]);
        let file = replace(&plan, &BARE, &target(OLD), Journal::Kept).unwrap();
        assert!(file.render().contains("\"mine\": 1.50"));
        let value = shown(&file);
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["project", "mine", "tasks", "epoch_history", "learning_journal"]);
        assert_eq!(value["tasks"].as_array().unwrap().len(), 2);
        assert_eq!(file.queue().journal.len(), 1);
        let file = replace(&plan, &BARE, &target(OLD), Journal::Dropped).unwrap();
        assert_eq!(shown(&file).get("learning_journal"), None);
        let broken = replace(&plan, &BARE, &target("{\"tasks\": {"), Journal::Kept).unwrap();
        assert_eq!(shown(&broken)["tasks"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn appending_leaves_the_old_tasks_as_they_are() {
        let plan = proposal(&[planned("c", "C")]);
        let wish = Wish { project: "other", ..BARE };
        let file = append(&plan, &wish, &target(HAND_WRITTEN), Taken::Refused).unwrap();
        let (before, after) = (HAND_WRITTEN, file.render());
        let tasks = before.find("\n  ],\n  \"zeta\"").unwrap();
        assert!(after.starts_with(&before[..tasks]), "{after}");
        assert!(after.ends_with(&before[tasks..]), "{after}");
        assert_eq!(shown(&file)["project"], "Größe", "the queue has a name");
        let mut file = append(&plan, &BARE, &target(OLD), Taken::Refused).unwrap();
        assert_eq!(shown(&file)["planning_source"], json!({"source_kind": "file"}));
        assert!(file.mark_passed(&TaskId::new("c")).unwrap());
        assert_eq!(shown(&file)["tasks"][2]["passes"], true);
        let error = append(&plan, &BARE, &target("{\"tasks\": {}}"), Taken::Refused).unwrap_err();
        assert_eq!(error.to_string(), "task.json:1:11: tasks: expected a list, found an object");
    }

    #[test]
    fn taken_names_are_refused_or_get_a_number() {
        let old = r#"{"tasks": [{"id": "a", "title": "Do  it"}, {"id": "a-2", "title": "x"}, {"id": "", "title": "", "passes": true}]}"#;
        let mut last = planned("b", "B");
        last["depends_on"] = json!(["a"]);
        let plan = proposal(&[planned("a", "do IT"), planned("a-3", "do it (2)"), last]);
        let error = append(&plan, &BARE, &target(old), Taken::Refused).unwrap_err();
        assert_eq!(
            error.to_string(),
            "add the tasks of the plan: a: id: another task of the queue has it; a: title: task a of the queue has it"
        );
        let file = append(&plan, &BARE, &target(old), Taken::Renumbered).unwrap();
        shown(&file);
        assert_eq!(file.queue().tasks[5].depends_on, ["a-4"], "the task of the plan, not that of the queue");
        let names: Vec<_> = file.queue().tasks.iter().map(|t| (t.id.as_str(), t.title.as_str())).collect();
        assert_eq!(names[3..], [("a-4", "do IT (3)"), ("a-3", "do it (2)"), ("b", "B")]);
        let twice = Proposal { project: String::new(), tasks: [plan.tasks.clone(), plan.tasks.clone()].concat() };
        assert!(matches!(replace(&twice, &BARE, &target(old), Journal::Kept), Err(RefillError::Taken { .. })));
    }
}
