//! What an agent may not change in the queue goes back to what it was.
//!
//! Notes, steps, unknown members and new tasks of an agent stay: they are its to write. Its contract is not: an agent that
//! replaces the checks of a task by `true`, or takes the task out of the queue, has not done the work.

use serde_json::{Map, Value};

use super::error::QueueError;
use super::queue_file::{Entry, QueueFile};
use crate::model::{Approved, Digest, Task, TaskId};
use crate::sys;

/// The members of a task that say what will be checked.
const CONTRACT: [&str; 3] = ["verification", "completion", "execution"];

/// Something that was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutBack {
    /// The checks of a task.
    Contract(TaskId),
    /// A task that was gone.
    Task(TaskId),
}

impl QueueFile {
    /// Puts back the contracts of tasks and the tasks themselves as they are in `trusted`, but for what `approved` says
    /// that a plan has changed. Nothing is written to disk.
    ///
    /// # Errors
    /// When the result could not be read again; nothing is changed then.
    pub fn defend(&mut self, trusted: &Self, approved: &Approved) -> Result<Vec<PutBack>, QueueError> {
        let mut undone = Vec::new();
        for task in trusted.queue.tasks.iter().filter(|task| !task.id.is_empty()) {
            let Some(now) = self.view(&task.id) else { continue };
            if same_contract(task, now) {
                continue;
            }
            if let Some(contract) = approved.contracts.get(&task.id)
                && self.contract_digest(&task.id)? == *contract
            {
                continue;
            }
            let old = trusted.task_value(&task.id)?;
            let fields: Map<String, Value> =
                CONTRACT.iter().filter_map(|key| Some(((*key).to_owned(), old.get(*key)?.clone()))).collect();
            self.set_fields(&task.id, &fields)?;
            undone.push(PutBack::Contract(task.id.clone()));
        }
        let missing: Vec<TaskId> = trusted
            .queue
            .tasks
            .iter()
            .map(|task| task.id.clone())
            .filter(|id| !id.is_empty() && !approved.withdrawn.contains(id) && self.view(id).is_none())
            .collect();
        if !missing.is_empty() {
            self.put_in(trusted, &missing)?;
            undone.extend(missing.into_iter().map(PutBack::Task));
        }
        Ok(undone)
    }

    /// Returns the SHA-256 of what a task says will be checked, hexadecimal.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`].
    pub fn contract_digest(&self, id: &TaskId) -> Result<String, QueueError> {
        let task = self.task_value(id)?;
        let contract: Value = CONTRACT.iter().map(|key| task.get(key).cloned().unwrap_or_default()).collect();
        Ok(Digest(sys::hash::bytes(contract.to_string().as_bytes())).to_string())
    }

    fn view(&self, id: &TaskId) -> Option<&Task> {
        self.task(id)
    }

    /// Puts entries of another queue back, each behind the task it followed there.
    fn put_in(&mut self, trusted: &Self, ids: &[TaskId]) -> Result<(), QueueError> {
        let mut order: Vec<(Option<TaskId>, String)> = self
            .entries
            .iter()
            .map(|entry| (entry.task.and_then(|at| self.queue.tasks.get(at)).map(|t| t.id.clone()), entry.text.clone()))
            .collect();
        for id in ids {
            let from = trusted.position(id)?;
            let Some(entry) = trusted.entries.get(from) else { continue };
            let before = trusted.entries.get(..from).unwrap_or_default();
            let mut earlier = before.iter().rev().filter_map(|e| e.task.and_then(|at| trusted.queue.tasks.get(at)));
            let place = earlier
                .find_map(|task| order.iter().position(|(id, _)| id.as_ref() == Some(&task.id)))
                .map_or(0, |at| at + 1);
            order.insert(place, (Some(id.clone()), entry.text.clone()));
        }
        let entries = order.into_iter().map(|(_, text)| Entry { text, task: None, is_legacy: false }).collect();
        let old = std::mem::replace(&mut self.entries, entries);
        let text = self.render();
        match Self::parse(&self.path, text.into_bytes(), &self.caps) {
            Ok(mut fresh) => {
                fresh.on_disk = std::mem::take(&mut self.on_disk);
                fresh.stamp = self.stamp.take();
                fresh.is_changed = true;
                *self = fresh;
                Ok(())
            }
            Err(error) => {
                self.entries = old;
                Err(error)
            }
        }
    }
}

fn same_contract(a: &Task, b: &Task) -> bool {
    a.verification == b.verification && a.completion == b.completion && a.execution == b.execution
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::Caps;

    fn queue(tasks: &str) -> QueueFile {
        let caps = Caps { history: 12, notes: 20, journal: 50 };
        let text = format!("{{\"project\": \"p\", \"tasks\": [{tasks}]}}");
        QueueFile::parse(Path::new("task.json"), text.into_bytes(), &caps).unwrap()
    }

    const A: &str = r#"{"id": "A", "title": "a", "verification": {"validate_commands": ["make test"]}}"#;
    const B: &str = r#"{"id": "B", "title": "b", "x": 1, "verification": {"path_patterns": ["src/*"]}}"#;
    const C: &str = r#"{"id": "C", "title": "c"}"#;

    #[test]
    fn weakened_checks_go_back_and_notes_stay() {
        let trusted = queue(&format!("{A},{B}"));
        let mut file = queue(&format!(
            "{},{B}",
            r#"{"id": "A", "title": "a", "learning_notes": ["n"], "verification": {"validate_commands": ["true"]}}"#
        ));
        assert_eq!(file.defend(&trusted, &Approved::default()).unwrap(), [PutBack::Contract(TaskId::new("A"))]);
        let task = &file.queue().tasks[0];
        assert_eq!(task.verification, trusted.queue().tasks[0].verification);
        assert_eq!(task.learning_notes, ["n"]);
        assert!(file.is_changed());
    }

    #[test]
    fn removed_tasks_come_back_where_they_were_and_new_ones_stay() {
        let trusted = queue(&format!("{A},{B},{C}"));
        let mut file = queue(&format!("{A},{{\"id\": \"N\", \"title\": \"new\"}}"));
        let undone = file.defend(&trusted, &Approved::default()).unwrap();
        assert_eq!(undone, [PutBack::Task(TaskId::new("B")), PutBack::Task(TaskId::new("C"))]);
        let ids: Vec<&str> = file.queue().tasks.iter().map(|t| t.id.as_str()).collect();
        assert_eq!(ids, ["A", "B", "C", "N"]);
        assert_eq!(file.task_value(&TaskId::new("B")).unwrap()["x"], 1);
    }

    #[test]
    fn what_a_plan_has_changed_is_no_agents_doing() {
        let trusted = queue(&format!("{A},{B},{C}"));
        let loose = r#"{"id": "A", "title": "a", "verification": {"validate_commands": ["true"]}}"#;
        let mut file = queue(&format!("{loose},{C}"));
        let contract = file.contract_digest(&TaskId::new("A")).unwrap();
        let approved = Approved {
            withdrawn: [TaskId::new("B")].into(),
            contracts: [(TaskId::new("A"), contract), (TaskId::new("C"), "other".to_owned())].into(),
        };
        assert_eq!(file.defend(&trusted, &approved).unwrap(), []);
        let mut file = queue(&format!(
            "{A},{B},{}",
            C.replace("\"c\"}", "\"c\", \"verification\": {\"path_patterns\": [\"*\"]}}")
        ));
        assert_eq!(file.defend(&trusted, &approved).unwrap(), [PutBack::Contract(TaskId::new("C"))], "not as approved");
    }

    #[test]
    fn an_honest_agent_changes_nothing() {
        let trusted = queue(&format!("{A},{B}"));
        let mut file = queue(&format!("{A},{B}"));
        assert_eq!(file.defend(&trusted, &Approved::default()).unwrap(), []);
        assert!(!file.is_changed());
    }
}
