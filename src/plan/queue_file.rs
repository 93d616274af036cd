//! The queue as read from one file: the normalised view, and the text that a save writes.
//!
//! Reading and refusing is `load`, the changes are `edit`, writing is `writeback`; this holds the two forms together.
//! Invariant: the view is always what loading [`QueueFile::render`] would give.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::error::QueueError;
use super::json::{Json, Object};
use super::layout::{self, Content, Member};
use super::load::Stamp;
use super::{normal, scan, task_json};
use crate::model::{Digest, JournalNote, Queue, Status, TaskId};
use crate::sys;

/// How much a task and the project remember (`[reflection]` of the configuration).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Entries of `attempt_history` per task.
    pub history: usize,
    /// `learning_notes` per task.
    pub notes: usize,
    /// Entries of `learning_journal`.
    pub journal: usize,
}

/// A task.json in memory. Changes stay here until [`QueueFile::save`].
#[derive(Debug)]
pub struct QueueFile {
    pub(super) path: PathBuf,
    pub(super) caps: Caps,
    pub(super) queue: Queue,
    pub(super) members: Vec<Member>,
    pub(super) entries: Vec<Entry>,
    /// Entry of each id.
    pub(super) index: HashMap<TaskId, usize>,
    /// The file's content as last read or written, with its byte order mark.
    pub(super) on_disk: String,
    pub(super) stamp: Option<Stamp>,
    pub(super) is_changed: bool,
}

/// One entry of `tasks`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) text: String,
    /// Position in the view; `None` for an entry that is no object.
    pub(super) task: Option<usize>,
    pub(super) is_legacy: bool,
}

impl QueueFile {
    /// Brings every task into its normal form, as a queue that was made by a program is stored.
    pub fn normalise(&mut self) {
        for at in self.all_tasks() {
            let object = self.object(at);
            self.replace(at, object);
        }
    }

    /// Returns the file's path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the normalised view, with the changes made so far.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Whether there are changes that [`QueueFile::save`] has not written.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Whether the file looks as when it was last read or written (size, times, inode; one `stat`). A writer that
    /// keeps all of these within one tick of the file system's clock is only found by [`QueueFile::save`].
    pub fn is_current(&self) -> bool {
        self.stamp.is_some() && Stamp::of(&self.path).ok() == self.stamp
    }

    /// Returns the task with this id.
    pub fn task(&self, id: &TaskId) -> Option<&crate::model::Task> {
        let at = self.index.get(id).and_then(|entry| self.task_at(*entry))?;
        self.queue.tasks.get(at)
    }

    /// Makes [`QueueFile::is_current`] false until the file is read again.
    pub fn outdate(&mut self) {
        self.stamp = None;
    }

    /// Returns each task's status in file order; tasks without an id are left out.
    pub fn statuses(&self) -> Vec<(TaskId, Status)> {
        let named = self.queue.tasks.iter().filter(|task| !task.id.is_empty());
        named.map(|task| (task.id.clone(), task.status.clone())).collect()
    }

    /// Returns one task in its normal form, as `task next --json` and prompts show it. Numbers that fit neither 64
    /// bits nor a double are rounded here; in the file they keep their digits.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`].
    pub fn task_value(&self, id: &TaskId) -> Result<serde_json::Value, QueueError> {
        let object = self.object(self.position(id)?);
        Ok(serde_json::Value::from(&Json::Object(object)))
    }

    /// Returns a top-level member such as `planning_source`.
    pub fn member_value(&self, key: &str) -> Option<serde_json::Value> {
        self.member(key).as_ref().map(Into::into)
    }

    /// Returns the text that a save writes: UTF-8, two spaces per level, a line break at the end.
    pub fn render(&self) -> String {
        // Room for a few more entries of a history.
        let mut out = String::with_capacity(self.on_disk.len() + 8 * 1024);
        layout::join(&self.members, self.entries.iter().map(|entry| entry.text.as_str()), &mut out);
        out
    }

    /// Returns the digest of [`QueueFile::render`], to be noted before the write.
    pub fn digest_of_render(&self) -> Digest {
        Digest(sys::hash::bytes(self.render().as_bytes()))
    }

    /// Returns the digest of the file's content as last read or written.
    pub fn digest_on_disk(&self) -> Digest {
        Digest(sys::hash::bytes(self.on_disk.as_bytes()))
    }

    /// Returns the entry that holds a task.
    pub(super) fn position(&self, id: &TaskId) -> Result<usize, QueueError> {
        let unknown = || QueueError::UnknownTask { path: self.path.clone(), id: id.clone() };
        self.index.get(id).copied().ok_or_else(unknown)
    }

    /// Returns the position in the view of the task that an entry holds.
    pub(super) fn task_at(&self, entry: usize) -> Option<usize> {
        self.entries.get(entry).and_then(|entry| entry.task)
    }

    /// Returns the entries that hold tasks.
    pub(super) fn all_tasks(&self) -> Vec<usize> {
        (0..self.entries.len()).filter(|at| self.task_at(*at).is_some()).collect()
    }

    /// Returns the normal form of an entry that holds a task.
    pub(super) fn object(&self, entry: usize) -> Object {
        let text = self.entries.get(entry).map(|entry| entry.text.as_str()).unwrap_or_default();
        let mut object = match parsed(text) {
            Json::Object(object) => object,
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Object::default(),
        };
        normal::normalise(&mut object);
        object
    }

    /// Replaces an entry that holds a task by the normal form of `object`. Ids do not change.
    pub(super) fn replace(&mut self, at: usize, mut object: Object) {
        self.mark_changed();
        self.put(at, &mut object);
    }

    fn put(&mut self, at: usize, object: &mut Object) {
        normal::normalise(object);
        let Some(entry) = self.entries.get_mut(at) else { return };
        entry.text.clear();
        object.print(2, &mut entry.text);
        entry.is_legacy = false;
        if let Some(slot) = entry.task.and_then(|task| self.queue.tasks.get_mut(task)) {
            *slot = task_json::read(object, &mut Vec::new());
        }
    }

    /// Notes that a save has something to write; the first change brings older tasks up to date as well.
    pub(super) fn mark_changed(&mut self) {
        if self.is_changed {
            return;
        }
        self.is_changed = true;
        for at in 0..self.entries.len() {
            if self.entries.get(at).is_some_and(|entry| entry.is_legacy) {
                let mut object = self.object(at);
                self.put(at, &mut object);
            }
        }
    }

    /// Returns a top-level member; the last when there are several of that name.
    pub(super) fn member(&self, key: &str) -> Option<Json> {
        let member = self.members.iter().rev().find(|member| member.key == key)?;
        match &member.content {
            Content::Text(text) => Some(parsed(text)),
            Content::Tasks => Some(Json::Array(self.entries.iter().map(|entry| parsed(&entry.text)).collect())),
        }
    }

    /// Replaces a top-level member other than `tasks`, or adds it at the end.
    pub(super) fn put_member(&mut self, key: &str, json: &Json) {
        self.mark_changed();
        let content = Content::Text(layout::printed(json, 1));
        match self.members.iter_mut().rev().find(|member| member.key == key) {
            Some(member) => member.content = content,
            None => self.members.push(Member { key: key.to_owned(), content }),
        }
    }
}

/// Parses text that was printed here or has been parsed before.
fn parsed(text: &str) -> Json {
    scan::parse(text).expect("parts of a queue are parsed when it is read")
}

pub(super) fn journal(json: Option<&Json>) -> Vec<JournalNote> {
    task_json::objects(json).map(task_json::journal_note).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) const CAPS: Caps = Caps { history: 3, notes: 3, journal: 3 };

    pub(in super::super) fn parse(text: &str) -> Result<QueueFile, QueueError> {
        QueueFile::parse(Path::new("task.json"), text.as_bytes().to_vec(), &CAPS)
    }

    pub(in super::super) const HAND_WRITTEN: &str = r#"{
  "project": "Größe",
  "x-version": 1.0,
  "tasks": [
    {"id": "a", "title": "A", "verification": {"path_patterns": ["src/*"]}, "big": 123456789012345678901234567890},
    "a note",
    {
      "id": " b ",
      "steps": ["one", "two"],
      "ratio": 1.10
    }
  ],
  "zeta": {"k": [1, 2]}
}
"#;

    #[test]
    fn a_file_keeps_every_byte_when_nothing_changes() {
        let file = parse(HAND_WRITTEN).unwrap();
        assert_eq!(file.render(), HAND_WRITTEN);
        assert_eq!(file.queue().project, "Größe");
        assert_eq!(file.statuses().iter().map(|(id, _)| id.as_str().to_owned()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(!file.is_changed());
        let with_bom = format!("\u{feff}{HAND_WRITTEN}");
        assert_eq!(parse(&with_bom).unwrap().render(), HAND_WRITTEN);
        assert_eq!(parse(&HAND_WRITTEN.replace('\n', "\r\n")).unwrap().queue(), file.queue());
    }

    #[test]
    fn only_the_changed_task_is_written_anew() {
        let mut file = parse(HAND_WRITTEN).unwrap();
        assert!(file.mark_passed(&TaskId::new("b")).unwrap());
        insta::assert_snapshot!(file.render(), @r#"
        {
          "project": "Größe",
          "x-version": 1.0,
          "tasks": [
            {"id": "a", "title": "A", "verification": {"path_patterns": ["src/*"]}, "big": 123456789012345678901234567890},
            "a note",
            {
              "id": " b ",
              "steps": [
                "one",
                "two"
              ],
              "ratio": 1.10,
              "description": "",
              "docs": [],
              "output": [],
              "implementation_notes": [],
              "verification_notes": [],
              "learning_notes": [],
              "passes": true,
              "blocked": false,
              "block_reason": "",
              "verification": {},
              "completion": {
                "kind": "boolean",
                "source": "gate",
                "success_when": "all_checks_pass"
              },
              "execution": {
                "strategy": "single_pass"
              },
              "execution_mode": "delivery",
              "attempt_history": [],
              "last_reflection_summary": "",
              "refinement_count": 0
            }
          ],
          "zeta": {"k": [1, 2]},
          "statistics": {
            "completed": 1,
            "blocked": 0
          }
        }
        "#);
        assert_eq!(parse(&file.render()).unwrap().queue(), file.queue());
    }

    #[test]
    fn older_tasks_are_brought_up_to_date_by_the_first_change() {
        let text = r#"{"tasks": [{"id": "a"}, {"id": "old", "gate": {"evidence_keys": [], "path_patterns": ["x"]}}]}"#;
        let mut file = parse(text).unwrap();
        assert!(file.render().contains("evidence_keys"));
        file.mark_passed(&TaskId::new("a")).unwrap();
        let text = file.render();
        assert!(!text.contains("evidence_keys") && !text.contains("gate\": {"), "{text}");
        assert!(text.contains("\"verification\": {\n        \"path_patterns\""), "{text}");
    }

    #[test]
    fn a_task_is_shown_in_its_normal_form() {
        let file = parse(HAND_WRITTEN).unwrap();
        let value = file.task_value(&TaskId::new("a")).unwrap();
        assert_eq!(value["completion"]["success_when"], "all_checks_pass");
        assert_eq!(value["attempt_history"], serde_json::json!([]));
        assert_eq!(file.member_value("zeta").unwrap(), serde_json::json!({"k": [1, 2]}));
        assert_eq!(
            file.task_value(&TaskId::new("nope")).unwrap_err().to_string(),
            "find task nope: no such task in task.json"
        );
        let file = parse(r#"{"tasks": [{"id": "a", "huge": 1e999}]}"#).unwrap();
        assert_eq!(file.task_value(&TaskId::new("a")).unwrap()["huge"], "1e999");
    }

    #[test]
    fn a_queue_made_by_a_program_is_stored_in_its_normal_form() {
        let mut file = parse(r#"{"tasks": [{"id": "a"}, {"id": "b"}]}"#).unwrap();
        file.normalise();
        assert_eq!(file.render().matches("\"execution_mode\": \"delivery\"").count(), 2);
        assert_eq!(parse(&file.render()).unwrap().queue(), file.queue());
    }

    pub(in super::super) fn any_queue() -> impl Strategy<Value = String> {
        let task = (0..30u32, any::<bool>(), any::<bool>(), "[a-zäß\"\\\\\n\u{1}😀]{0,6}", prop::bool::ANY);
        let odd = prop::sample::select(vec!["null", "5", "1.0", "[]", "\"x\"", "[{\"id\": 1}]"]);
        let entry = prop_oneof![
            5 => task.prop_map(|(id, passes, blocked, text, is_legacy)| {
                let text = serde_json::Value::from(text).to_string();
                let extra = if is_legacy { ", \"execution_mode\": \"experiment\"" } else { "" };
                format!(
                    "{{\"id\": \"t{id}\", \"title\": {text}, \"passes\": {passes}, \"blocked\": {blocked}, \"n\": 1.50{extra}}}"
                )
            }),
            1 => odd.prop_map(str::to_owned),
        ];
        (prop::collection::vec(entry, 0..8), prop::bool::ANY, prop::bool::ANY).prop_map(|(entries, lines, journal)| {
            let journal = if journal { "\"learning_journal\": [{\"summary\": \"s\"}, 3], " } else { "" };
            let separator = if lines { "\n    " } else { " " };
            let entries = entries.join(&format!(",{separator}"));
            format!("{{{journal}\"tasks\": [{separator}{entries}\n], \"end\": 1e5}}")
        })
    }

    proptest! {
        #[test]
        fn any_json_is_read_or_refused_and_survives(text in any_queue()) {
            let Ok(file) = parse(&text) else { return Ok(()) };
            let rendered = file.render();
            let again = parse(&rendered).unwrap();
            prop_assert_eq!(again.queue(), file.queue());
            prop_assert_eq!(again.render(), rendered);
            let before: serde_json::Value = serde_json::from_str(&text).unwrap();
            let after: serde_json::Value = serde_json::from_str(&file.render()).unwrap();
            prop_assert_eq!(before, after);
        }

        #[test]
        fn untouched_tasks_keep_their_text(text in any_queue(), pick in any::<prop::sample::Index>()) {
            let Ok(mut file) = parse(&text) else { return Ok(()) };
            let named = file.statuses();
            if named.is_empty() {
                return Ok(());
            }
            let (id, _) = pick.get(&named);
            let before: Vec<(String, bool)> = file.entries.iter().map(|e| (e.text.clone(), e.is_legacy)).collect();
            file.mark_blocked(id, "why", chrono::DateTime::UNIX_EPOCH).unwrap();
            let touched = file.position(id).unwrap();
            for (at, (text, is_legacy)) in before.iter().enumerate() {
                if at != touched && !is_legacy {
                    prop_assert_eq!(&file.entries[at].text, text);
                }
            }
            let again = parse(&file.render()).unwrap();
            prop_assert_eq!(again.queue(), file.queue());
        }
    }
}
