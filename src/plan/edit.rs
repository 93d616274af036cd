//! Changes to a queue in memory: statuses, histories, notes.
//!
//! Nothing is written here; see `writeback`. A change that changes nothing leaves the file unchanged, so that no
//! save happens for it. `statistics` follows every change of a status.

use chrono::{DateTime, SecondsFormat, Utc};

use super::error::QueueError;
use super::json::{Json, Object};
use super::queue_file::{QueueFile, journal};
use super::verification::Found;
use super::{normal, place, task_json};
use crate::model::{HistoryEntry, JournalNote, Status, TaskId, Unsaved};

/// Members of a task that [`QueueFile::set_fields`] does not touch: its identity and what the runner alone decides.
const PROTECTED: [&str; 5] = ["id", "passes", "blocked", "block_reason", "blocked_at"];

/// The deepest value that a change may bring in: far beyond any real one, and still readable inside a task.
const MAX_DEPTH: usize = 100;

impl QueueFile {
    /// Sets a task's four status members to exactly these, also to take back what an agent wrote there. Returns
    /// whether that was a change.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`].
    pub fn set_status(&mut self, id: &TaskId, status: &Status) -> Result<bool, QueueError> {
        let at = self.position(id)?;
        if self.status(at) == Some(status) {
            return Ok(false);
        }
        let mut object = self.object(at);
        normal::write_status(&mut object, status);
        self.replace(at, object);
        self.count();
        Ok(true)
    }

    /// Marks a task as proved and done. Returns whether that was a change.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`].
    pub fn mark_passed(&mut self, id: &TaskId) -> Result<bool, QueueError> {
        self.set_status(id, &Status { passes: true, ..Status::default() })
    }

    /// Marks a task as given up; the time is written with microseconds and the offset `+00:00`.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`].
    pub fn mark_blocked(&mut self, id: &TaskId, reason: &str, at: DateTime<Utc>) -> Result<bool, QueueError> {
        let status = Status {
            passes: false,
            blocked: true,
            block_reason: reason.trim().to_owned(),
            blocked_at: at.to_rfc3339_opts(SecondsFormat::Micros, false),
        };
        self.set_status(id, &status)
    }

    /// Makes tasks pending: all, or those named; ids that no task has are passed over. Histories and notes stay.
    /// Returns the number of status members changed.
    pub fn reset(&mut self, ids: Option<&[TaskId]>) -> usize {
        let fresh = Status::default();
        let chosen = self.chosen(ids, |status| *status != fresh);
        let mut fields = 0;
        for at in &chosen {
            let Some(status) = self.status(*at) else { continue };
            fields += usize::from(status.passes) + usize::from(status.blocked);
            fields += usize::from(!status.block_reason.is_empty()) + usize::from(!status.blocked_at.is_empty());
        }
        self.make_pending(&chosen);
        fields
    }

    /// Makes blocked tasks pending: all, or those named. A task that is done stays done. Returns the number of tasks.
    pub fn retry(&mut self, ids: Option<&[TaskId]>) -> usize {
        let chosen = self.chosen(ids, |status| status.blocked && !status.passes);
        self.make_pending(&chosen);
        chosen.len()
    }

    /// Adds an entry to a task's history (its first 20 files and 10 errors) and keeps the newest entries.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`].
    pub fn append_history(&mut self, id: &TaskId, entry: &HistoryEntry) -> Result<(), QueueError> {
        let unsaved = Unsaved { history: vec![entry.clone()], ..Unsaved::default() };
        self.apply(id, &unsaved).map(drop)
    }

    /// Adds the notes that a task does not have yet and keeps the newest. Returns whether there were any.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`].
    pub fn add_learning_notes(&mut self, id: &TaskId, notes: &[String]) -> Result<bool, QueueError> {
        self.apply(id, &Unsaved { learning_notes: notes.to_vec(), ..Unsaved::default() })
    }

    /// Adds an entry to the project's `learning_journal`, unless it says nothing, and keeps the newest entries.
    /// Returns whether it was added.
    pub fn append_journal(&mut self, note: &JournalNote) -> bool {
        if note.summary.trim().is_empty() && note.learning_notes.iter().all(|text| text.trim().is_empty()) {
            return false;
        }
        let json = self.member("learning_journal");
        let mut entries: Vec<Json> = task_json::objects(json.as_ref()).cloned().map(Json::Object).collect();
        entries.push(normal::journal_note(note));
        let json = Json::Array(normal::newest(entries, self.caps.journal));
        self.queue.journal = journal(Some(&json));
        self.put_member("learning_journal", &json);
        true
    }

    /// Applies what the file does not hold yet about a task: status, history, notes, then the project's journal.
    /// Returns whether anything changed. Applying the same twice adds the history twice.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`]; then nothing is changed.
    pub fn apply(&mut self, id: &TaskId, unsaved: &Unsaved) -> Result<bool, QueueError> {
        let at = self.position(id)?;
        let status = unsaved.status.as_ref().filter(|status| self.status(at) != Some(*status));
        let known = self.task_at(at).and_then(|task| self.queue.tasks.get(task));
        let mut notes = known.map(|task| task.learning_notes.clone()).unwrap_or_default();
        let before = notes.len();
        for note in unsaved.learning_notes.iter().map(|note| note.trim()) {
            if !note.is_empty() && !notes.iter().any(|known| known == note) {
                notes.push(note.to_owned());
            }
        }
        let mut is_changed = false;
        if status.is_some() || notes.len() > before || !unsaved.history.is_empty() {
            is_changed = true;
            let mut object = self.object(at);
            if let Some(status) = status {
                normal::write_status(&mut object, status);
            }
            for entry in &unsaved.history {
                normal::append_history(&mut object, entry, self.caps.history);
            }
            if notes.len() > before {
                object.set("learning_notes", Json::texts(&normal::newest(notes, self.caps.notes)));
            }
            self.replace(at, object);
        }
        if status.is_some() {
            self.count();
        }
        for note in &unsaved.journal {
            is_changed |= self.append_journal(note);
        }
        Ok(is_changed)
    }

    /// Replaces members of a task, for example those that a reflection refines. `id` and the status members are
    /// passed over. Returns whether anything changed.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`], or [`QueueError::Refused`] when the task could not be read any more; then
    /// nothing is changed.
    pub fn set_fields(
        &mut self,
        id: &TaskId,
        fields: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<bool, QueueError> {
        let at = self.position(id)?;
        let before = self.object(at);
        let mut object = before.clone();
        let refused = |reasons| QueueError::Refused { what: format!("task {id}"), reasons };
        for (key, value) in fields.iter().filter(|(key, _)| !PROTECTED.contains(&key.as_str())) {
            let json = Json::from(value);
            if json.depth() > MAX_DEPTH {
                return Err(refused(vec![format!("{key}: nested deeper than {MAX_DEPTH} levels")]));
            }
            object.set(key, json);
        }
        if object == before {
            return Ok(false);
        }
        let mut found = Vec::new();
        task_json::read(&object, &mut found);
        if !found.is_empty() {
            let reason = |found: &Found| format!("{}: {}", place::name("", &found.steps), found.message);
            return Err(refused(found.iter().map(reason).collect()));
        }
        self.replace(at, object);
        Ok(true)
    }

    /// Replaces a top-level member such as `epoch_history`, or adds it at the end. `tasks` is passed over.
    /// Returns whether that was a change.
    ///
    /// # Errors
    /// [`QueueError::Refused`] when the value is nested too deep to be read again.
    pub fn set_member(&mut self, key: &str, value: &serde_json::Value) -> Result<bool, QueueError> {
        let json = Json::from(value);
        if json.depth() > MAX_DEPTH {
            let reasons = vec![format!("nested deeper than {MAX_DEPTH} levels")];
            return Err(QueueError::Refused { what: key.to_owned(), reasons });
        }
        if key == "tasks" || self.member(key).as_ref() == Some(&json) {
            return Ok(false);
        }
        match key {
            "project" => self.queue.project = json.as_text(),
            "learning_journal" => self.queue.journal = journal(Some(&json)),
            _ => {}
        }
        self.put_member(key, &json);
        Ok(true)
    }

    fn status(&self, entry: usize) -> Option<&Status> {
        self.task_at(entry).and_then(|task| self.queue.tasks.get(task)).map(|task| &task.status)
    }

    /// Returns the entries that hold a task with such a status, all or those named, each once.
    fn chosen(&self, ids: Option<&[TaskId]>, wanted: impl Fn(&Status) -> bool) -> Vec<usize> {
        let mut entries: Vec<usize> = match ids {
            Some(ids) => ids.iter().filter_map(|id| self.position(id).ok()).collect(),
            None => self.all_tasks(),
        };
        entries.sort_unstable();
        entries.dedup();
        entries.retain(|at| self.status(*at).is_some_and(&wanted));
        entries
    }

    fn make_pending(&mut self, entries: &[usize]) {
        for at in entries {
            let mut object = self.object(*at);
            normal::write_status(&mut object, &Status::default());
            self.replace(*at, object);
        }
        if !entries.is_empty() {
            self.count();
        }
    }

    /// Brings `statistics` up to date; other members of it stay.
    fn count(&mut self) {
        let (mut completed, mut blocked) = (0i64, 0i64);
        for status in self.queue.tasks.iter().map(|task| &task.status) {
            completed += i64::from(status.passes);
            blocked += i64::from(status.blocked && !status.passes);
        }
        let old = self.member("statistics");
        let mut statistics: Object = old.as_ref().and_then(Json::as_object).cloned().unwrap_or_default();
        statistics.set("completed", Json::integer(completed));
        statistics.set("blocked", Json::integer(blocked));
        self.put_member("statistics", &Json::Object(statistics));
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::super::queue_file::tests::parse;
    use super::*;

    fn time() -> DateTime<Utc> {
        "2026-11-20T11:29:10.000120Z".parse().unwrap()
    }

    fn shown(file: &QueueFile) -> serde_json::Value {
        serde_json::from_str(&file.render()).unwrap()
    }

    fn three() -> QueueFile {
        parse(
            r#"{"tasks": [{"id": "a", "passes": true}, {"id": "b", "blocked": true, "block_reason": "r",
               "blocked_at": "t", "attempt_history": [{"attempt": 1, "mine": 1}], "learning_notes": ["n"]}, {"id": "c"}],
               "statistics": {"mine": 1}}"#,
        )
        .unwrap()
    }

    fn ids(names: &[&str]) -> Vec<TaskId> {
        names.iter().map(TaskId::new).collect()
    }

    #[test]
    fn a_block_says_why_and_when() {
        let mut file = three();
        assert!(file.mark_blocked(&TaskId::new("a"), " no luck ", time()).unwrap());
        let shown = shown(&file);
        assert_eq!(shown["tasks"][0]["passes"], false);
        assert_eq!(shown["tasks"][0]["blocked"], true);
        assert_eq!(shown["tasks"][0]["block_reason"], "no luck");
        assert_eq!(shown["tasks"][0]["blocked_at"], "2026-11-20T11:29:10.000120+00:00");
        assert_eq!(shown["statistics"], json!({"mine": 1, "completed": 0, "blocked": 2}));
    }

    #[test]
    fn a_pass_clears_the_block() {
        let mut file = three();
        assert!(file.mark_passed(&TaskId::new("b")).unwrap());
        assert!(!file.mark_passed(&TaskId::new("b")).unwrap(), "no change the second time");
        let task = &shown(&file)["tasks"][1];
        assert_eq!((&task["passes"], &task["blocked"]), (&json!(true), &json!(false)));
        assert_eq!((&task["block_reason"], &task["blocked_at"]), (&json!(""), &json!("")));
        assert_eq!(shown(&file)["statistics"], json!({"mine": 1, "completed": 2, "blocked": 0}));
        assert!(file.mark_passed(&TaskId::new("c")).unwrap());
        assert_eq!(shown(&file)["tasks"][2].get("blocked_at"), None, "it comes into being with a block");
    }

    #[test]
    fn a_status_that_an_agent_wrote_can_be_taken_back() {
        let mut file = three();
        let before = file.statuses();
        file.mark_passed(&TaskId::new("b")).unwrap();
        let (id, status) = &before[1];
        assert!(file.set_status(id, status).unwrap());
        assert_eq!(file.statuses(), before);
    }

    #[test]
    fn reset_counts_members_and_retry_counts_tasks() {
        let mut file = three();
        assert_eq!(file.reset(Some(&ids(&["a", "b", "b", "gone"]))), 4);
        assert_eq!(shown(&file)["statistics"], json!({"mine": 1, "completed": 0, "blocked": 0}));
        assert_eq!(shown(&file)["tasks"][1]["attempt_history"], json!([{"attempt": 1, "mine": 1}]));
        assert_eq!(file.reset(None), 0);
        let mut file = three();
        assert_eq!(file.reset(None), 4);
        let mut file = three();
        assert_eq!(file.retry(Some(&ids(&["a", "c", "gone"]))), 0);
        assert!(!file.is_changed());
        assert_eq!(file.retry(None), 1);
        assert!(file.queue().tasks[0].status.passes);
    }

    #[test]
    fn histories_notes_and_journal_keep_the_newest() {
        let mut file = three();
        let b = TaskId::new("b");
        let many: Vec<String> = (0..30).map(|n| format!("f{n}")).collect();
        for attempt in 2..=4 {
            let entry = HistoryEntry {
                attempt,
                status: "failed".into(),
                backend_exit_code: 99,
                summary: "s".into(),
                changed_files: many.clone(),
                verification_errors: many.clone(),
            };
            file.append_history(&b, &entry).unwrap();
        }
        let history = &shown(&file)["tasks"][1]["attempt_history"];
        assert_eq!(history.as_array().unwrap().iter().map(|e| e["attempt"].clone()).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(history[0]["changed_files"].as_array().unwrap().len(), 20);
        assert_eq!(history[0]["verification_errors"].as_array().unwrap().len(), 10);
        let keys: Vec<&String> = history[0].as_object().unwrap().keys().collect();
        let wanted = ["attempt", "status", "backend_exit_code", "summary", "changed_files", "verification_errors"];
        assert_eq!(keys, wanted);

        let notes = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(!file.add_learning_notes(&b, &notes(&["n", " n ", " "])).unwrap());
        assert!(file.add_learning_notes(&b, &notes(&["x", "y", "x", "z"])).unwrap());
        assert_eq!(file.queue().tasks[1].learning_notes, ["x", "y", "z"]);

        assert!(!file.append_journal(&JournalNote { task_id: "b".into(), ..JournalNote::default() }));
        for n in 0..4 {
            assert!(file.append_journal(&JournalNote { summary: format!("s{n}"), ..JournalNote::default() }));
        }
        assert_eq!(file.queue().journal.iter().map(|n| n.summary.as_str()).collect::<Vec<_>>(), ["s1", "s2", "s3"]);
        assert_eq!(parse(&file.render()).unwrap().queue(), file.queue());
    }

    #[test]
    fn what_is_unsaved_is_applied_at_once_or_not_at_all() {
        let unsaved = Unsaved {
            status: Some(Status { passes: true, ..Status::default() }),
            history: vec![HistoryEntry { attempt: 1, status: "completed".into(), ..HistoryEntry::default() }],
            learning_notes: vec!["note".into()],
            journal: vec![JournalNote { summary: "s".into(), ..JournalNote::default() }],
            refinement: None,
        };
        let mut file = three();
        assert!(file.apply(&TaskId::new("c"), &unsaved).unwrap());
        let task = &file.queue().tasks[2];
        assert!(task.status.passes && task.attempt_history.len() == 1 && task.learning_notes == ["note"]);
        assert_eq!(file.queue().journal.len(), 1);
        assert_eq!(shown(&file)["statistics"]["completed"], 2);
        let mut file = three();
        assert!(matches!(file.apply(&TaskId::new("gone"), &unsaved), Err(QueueError::UnknownTask { .. })));
        assert!(!file.apply(&TaskId::new("c"), &Unsaved::default()).unwrap());
        assert!(!file.is_changed());
    }

    #[test]
    fn a_refinement_changes_the_plan_but_never_the_status() {
        let mut file = three();
        let c = TaskId::new("c");
        let fields = json!({"steps": ["s"], "passes": true, "id": "x", "refinement_count": 1});
        assert!(file.set_fields(&c, fields.as_object().unwrap()).unwrap());
        let task = &file.queue().tasks[2];
        assert_eq!((task.steps.len(), task.refinement_count, task.status.passes), (1, 1, false));
        let before = file.render();
        let fields = json!({"verification": {"validate_commands": "x"}});
        let error = file.set_fields(&c, fields.as_object().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "change task c: verification.validate_commands: expected a list, found a string");
        let mut deep = json!(1);
        for _ in 0..120 {
            deep = json!([deep]);
        }
        let fields = json!({"mine": deep});
        let error = file.set_fields(&c, fields.as_object().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "change task c: mine: nested deeper than 100 levels");
        assert!(file.set_member("x", &deep).is_err());
        assert_eq!(file.render(), before);
    }

    #[test]
    fn top_level_members_can_be_replaced() {
        let mut file = parse("{}").unwrap();
        assert!(file.set_member("epoch_history", &json!([{"epoch": 1}])).unwrap());
        assert!(!file.set_member("epoch_history", &json!([{"epoch": 1}])).unwrap());
        assert!(file.set_member("project", &json!("p")).unwrap());
        assert!(!file.set_member("tasks", &json!([])).unwrap());
        assert_eq!(file.queue().project, "p");
        assert_eq!(shown(&file), json!({"epoch_history": [{"epoch": 1}], "project": "p"}));
    }
}
