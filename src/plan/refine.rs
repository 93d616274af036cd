//! Writes a refined task: exactly what a reflection may change, everything else of the entry stays.
//!
//! What may change is decided by `logic::reflect`; that no check is lost is looked at here once more, because the file
//! may have changed since the task was refined.

use super::audit::{self, Origin};
use super::error::QueueError;
use super::json::{Json, Object};
use super::queue_file::QueueFile;
use super::task_json;
use crate::model::{CommandSpec, Task, Verification};

impl QueueFile {
    /// Writes the steps, documents, output, notes, further checks and the reflection's count and summary of a task
    /// that was refined from this file's own. Returns whether anything changed.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`], or [`QueueError::Refused`] when a check of the file would be lost or changed, or
    /// the task could not be read any more; then nothing is changed.
    pub fn refine(&mut self, task: &Task) -> Result<bool, QueueError> {
        let Some((at, object)) = self.refined(task)? else { return Ok(false) };
        self.replace(at, object);
        Ok(true)
    }

    /// Says whether [`QueueFile::refine`] would do, and whether the task would be as sound as before. Changes nothing.
    ///
    /// # Errors
    /// As [`QueueFile::refine`]; also when the audit finds what it does not find in the task as it is.
    pub fn try_refine(&self, task: &Task) -> Result<(), QueueError> {
        let Some((at, object)) = self.refined(task)? else { return Ok(()) };
        let before = audit::object(&self.object(at), Origin::Refinement);
        let mut after = audit::object(&object, Origin::Refinement);
        after.retain(|finding| !before.contains(finding));
        if after.is_empty() {
            return Ok(());
        }
        let reasons = after.iter().map(ToString::to_string).collect();
        Err(QueueError::Refused { what: format!("task {}", task.id), reasons })
    }

    /// Returns the entry of a refined task and its place; `None` when nothing changes.
    fn refined(&self, task: &Task) -> Result<Option<(usize, Object)>, QueueError> {
        let at = self.position(&task.id)?;
        let known = self.task_at(at).and_then(|task| self.queue.tasks.get(task));
        let old = known.map(|task| task.verification.clone()).unwrap_or_default();
        let refused = |reasons| QueueError::Refused { what: format!("task {}", task.id), reasons };
        let losses = losses(&old, &task.verification);
        if !losses.is_empty() {
            return Err(refused(losses));
        }
        let before = self.object(at);
        let mut object = before.clone();
        for (key, texts) in [
            ("steps", &task.steps),
            ("docs", &task.docs),
            ("output", &task.output),
            ("implementation_notes", &task.implementation_notes),
            ("verification_notes", &task.verification_notes),
            ("learning_notes", &task.learning_notes),
        ] {
            object.set(key, Json::texts(texts));
        }
        object.set("last_reflection_summary", Json::text(&task.last_reflection_summary));
        object.set("refinement_count", Json::integer(task.refinement_count));
        let mut checks = object.filled("verification").cloned().unwrap_or_default();
        add_checks(&mut checks, &old, &task.verification);
        object.set("verification", Json::Object(checks));
        if object == before {
            return Ok(None);
        }
        let mut found = Vec::new();
        let written = task_json::read(&object, &mut found);
        if !found.is_empty() || written.verification != task.verification {
            return Err(refused(vec!["its checks could not be read again".to_owned()]));
        }
        Ok(Some((at, object)))
    }
}

/// Says what of the old checks is missing or different, one line each.
fn losses(old: &Verification, new: &Verification) -> Vec<String> {
    let mut losses = Vec::new();
    if !new.validate_commands.starts_with(&old.validate_commands) {
        losses.push("verification.validate_commands: a command of the file would be lost or changed".to_owned());
    }
    if !old.path_patterns.is_empty() && new.path_patterns != old.path_patterns {
        losses.push("verification.path_patterns: the patterns of the file would be changed".to_owned());
    }
    if old.validate_timeout_seconds > new.validate_timeout_seconds {
        losses.push("verification.validate_timeout_seconds: it would shrink".to_owned());
    }
    if new.validate_working_directory != old.validate_working_directory {
        losses.push("verification.validate_working_directory: it would be changed".to_owned());
    }
    if new.validate_environment != old.validate_environment {
        losses.push("verification.validate_environment: it would be changed".to_owned());
    }
    losses
}

/// Adds what is new; members that say the same stay as they are written.
fn add_checks(checks: &mut Object, old: &Verification, new: &Verification) {
    if new.path_patterns != old.path_patterns {
        checks.set("path_patterns", Json::texts(&new.path_patterns));
    }
    let more = new.validate_commands.get(old.validate_commands.len()..).unwrap_or_default();
    if !more.is_empty() {
        let mut commands = checks.get("validate_commands").and_then(Json::as_array).unwrap_or_default().to_vec();
        commands.extend(more.iter().map(command));
        checks.set("validate_commands", Json::Array(commands));
    }
    if let Some(seconds) =
        new.validate_timeout_seconds.filter(|_| new.validate_timeout_seconds != old.validate_timeout_seconds)
    {
        checks.set("validate_timeout_seconds", Json::Number(seconds.to_string()));
    }
}

/// Prints a command: a text when there is no more to it than what it runs.
fn command(spec: &CommandSpec) -> Json {
    let plain = CommandSpec { run: spec.run.clone(), ..CommandSpec::default() };
    if *spec == plain {
        return Json::text(&spec.run);
    }
    let mut object = Object::from([("run", Json::text(&spec.run))]);
    if spec.shell {
        object.set("shell", Json::Bool(true));
    }
    if let Some(name) = &spec.name {
        object.set("name", Json::text(name));
    }
    if let Some(seconds) = spec.timeout_seconds {
        object.set("timeout_seconds", Json::Number(seconds.to_string()));
    }
    if let Some(directory) = &spec.working_directory {
        object.set("working_directory", Json::text(directory));
    }
    if !spec.environment.is_empty() {
        let mut variables = Object::default();
        for (name, value) in &spec.environment {
            variables.set(name, Json::text(value));
        }
        object.set("environment", Json::Object(variables));
    }
    Json::Object(object)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::super::queue_file::tests::parse;
    use super::*;
    use crate::model::TaskId;

    const TEXT: &str = r#"{"tasks": [
    {"id": "a", "mine": 1.50, "verification": {"also": [1e3], "min_changed_files": 2, "path_patterns": ["src/*"],
      "validate_commands": [" make ", "", {"run": "x | y", "shell": true, "timeout_seconds": 5.0}],
      "validate_timeout_seconds": "60"}},
    {"id": "b"}
  ]}"#;

    fn own(file: &QueueFile, at: usize) -> Task {
        file.queue().tasks[at].clone()
    }

    fn spec(run: &str) -> CommandSpec {
        CommandSpec { run: run.to_owned(), ..CommandSpec::default() }
    }

    fn entry(file: &QueueFile, at: usize) -> Value {
        let shown: Value = serde_json::from_str(&file.render()).unwrap();
        shown["tasks"][at].clone()
    }

    #[test]
    fn a_refined_task_keeps_what_it_was() {
        let mut file = parse(TEXT).unwrap();
        let mut task = own(&file, 0);
        task.steps = vec!["s".to_owned()];
        task.refinement_count = 1;
        task.last_reflection_summary = "why".to_owned();
        task.title = "not written".to_owned();
        task.status.passes = true;
        task.verification.validate_timeout_seconds = Some(120);
        task.verification.validate_commands.extend([
            spec("new"),
            CommandSpec {
                working_directory: Some("web".to_owned()),
                timeout_seconds: Some(9),
                environment: [("A".to_owned(), "1".to_owned())].into(),
                name: Some("n".to_owned()),
                ..spec("npm test")
            },
        ]);
        assert!(file.refine(&task).unwrap());
        assert!(file.render().contains("\"mine\": 1.50") && file.render().contains("1e3"), "digits stay");
        let shown = entry(&file, 0);
        assert_eq!(shown.get("title"), None);
        assert_eq!(
            (&shown["passes"], &shown["steps"], &shown["refinement_count"]),
            (&json!(false), &json!(["s"]), &json!(1))
        );
        assert_eq!(
            shown["verification"],
            json!({"also": [1e3], "min_changed_files": 2, "path_patterns": ["src/*"],
                "validate_commands": [" make ", "", {"run": "x | y", "shell": true, "timeout_seconds": 5.0}, "new",
                    {"run": "npm test", "name": "n", "timeout_seconds": 9, "working_directory": "web",
                        "environment": {"A": "1"}}],
                "validate_timeout_seconds": 120})
        );
        assert_eq!(parse(&file.render()).unwrap().queue(), file.queue());
        assert!(file.render().contains("{\"id\": \"b\"}"), "other tasks keep their text");
        let again = own(&file, 0);
        assert!(!file.refine(&again).unwrap(), "no change the second time");
    }

    #[test]
    fn a_task_without_checks_gets_them() {
        let mut file = parse(TEXT).unwrap();
        let mut task = own(&file, 1);
        task.verification.path_patterns = vec!["src/*".to_owned()];
        task.verification.validate_commands = vec![spec("make check"), spec("new")];
        assert!(file.refine(&task).unwrap());
        let wanted = json!({"path_patterns": ["src/*"], "validate_commands": ["make check", "new"]});
        assert_eq!(entry(&file, 1)["verification"], wanted);
    }

    #[test]
    fn a_refinement_of_an_older_state_is_refused() {
        type Change = fn(&mut Verification);
        let changes: [(&str, Change); 6] = [
            ("validate_commands: a command", |v| drop(v.validate_commands.remove(0))),
            ("validate_commands: a command", |v| v.validate_commands.insert(0, spec("first"))),
            ("path_patterns: the patterns", |v| v.path_patterns.push("*".to_owned())),
            ("validate_timeout_seconds: it would shrink", |v| v.validate_timeout_seconds = None),
            ("validate_working_directory: it", |v| v.validate_working_directory = Some("x".to_owned())),
            ("validate_environment: it", |v| drop(v.validate_environment.insert("A".to_owned(), String::new()))),
        ];
        for (reason, change) in changes {
            let mut file = parse(TEXT).unwrap();
            let mut task = own(&file, 0);
            task.steps = vec!["s".to_owned()];
            change(&mut task.verification);
            let error = file.refine(&task).unwrap_err().to_string();
            assert!(error.starts_with(&format!("change task a: verification.{reason}")), "{error}");
            assert!(!file.is_changed());
        }
        let mut file = parse(TEXT).unwrap();
        let stranger = Task { id: TaskId::new("c"), ..Task::default() };
        assert!(matches!(file.refine(&stranger), Err(QueueError::UnknownTask { .. })));
        let mut task = own(&file, 0);
        task.verification.validate_commands.push(spec(" "));
        assert!(matches!(file.refine(&task), Err(QueueError::Refused { .. })), "nobody could read it");
    }
}
