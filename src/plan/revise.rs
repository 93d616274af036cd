//! Many changes of the queue at once: tasks that come in at their place, get another text, or go.
//!
//! For plans, of which thousands may come at the same moment: the cost is that of the queue plus that of the changes,
//! not their product. What goes where is decided by `logic::watch`; nothing is written to disk here.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::audit;
use super::error::QueueError;
use super::json::{Json, Object};
use super::layout::printed;
use super::queue_file::{Entry, QueueFile};
use super::{normal, task_json};
use crate::logic::watch::order::{self, Slot};
use crate::model::{Task, TaskId};

/// What changes.
#[derive(Clone, Debug, Default)]
pub struct Revision {
    /// Tasks that come in, in this order among those of the same priority. Each has an id that no other task has.
    pub added: Vec<Map<String, Value>>,
    /// Members of tasks that get another value; `null` takes the member away.
    pub updated: Vec<(TaskId, Map<String, Value>)>,
    /// Tasks that go.
    pub removed: HashSet<TaskId>,
}

impl Revision {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.updated.is_empty() && self.removed.is_empty()
    }
}

/// The ids and titles of a queue, and those that were given out since.
#[derive(Debug)]
pub struct Naming {
    ids: HashSet<String>,
    /// Folded titles, with the id of the task that has each.
    titles: HashMap<String, String>,
    /// The number to try next for a name that was taken.
    next: HashMap<String, u64>,
}

impl Naming {
    /// Begins with the names of a queue.
    pub fn of(file: &QueueFile) -> Self {
        let tasks = &file.queue.tasks;
        Self {
            ids: tasks.iter().map(|task| task.id.to_string()).filter(|id| !id.is_empty()).collect(),
            titles: tasks.iter().map(|task| (audit::folded(&task.title), task.id.to_string())).collect(),
            next: HashMap::new(),
        }
    }

    /// Returns this id, or with the first free number behind it, and keeps it for the caller.
    pub fn id(&mut self, wanted: &str) -> TaskId {
        let ids = &self.ids;
        let id = free(&mut self.next, wanted, |n| format!("{wanted}-{n}"), |id| !ids.contains(id));
        self.ids.insert(id.clone());
        TaskId::new(id)
    }

    /// Returns this title for a task, or with the first free number behind it, and keeps it.
    pub fn title(&mut self, wanted: &str, task: &TaskId) -> String {
        let titles = &self.titles;
        let is_free = |title: &str| titles.get(&audit::folded(title)).is_none_or(|other| other == task.as_str());
        let key = format!("title {}", audit::folded(wanted));
        let title = if is_free(wanted) {
            wanted.to_owned()
        } else {
            numbered(&mut self.next, &key, |n| format!("{wanted} ({n})"), is_free)
        };
        self.titles.insert(audit::folded(&title), task.to_string());
        title
    }
}

fn free(
    next: &mut HashMap<String, u64>,
    wanted: &str,
    name: impl Fn(u64) -> String,
    is_free: impl Fn(&str) -> bool,
) -> String {
    if is_free(wanted) { wanted.to_owned() } else { numbered(next, wanted, name, is_free) }
}

/// Numbers that were taken once are not tried again: a thousand plans may want the same name.
fn numbered(
    next: &mut HashMap<String, u64>,
    key: &str,
    name: impl Fn(u64) -> String,
    is_free: impl Fn(&str) -> bool,
) -> String {
    let number = next.entry(key.to_owned()).or_insert(2);
    loop {
        let name = name(*number);
        *number += 1;
        // Ends: there are not as many tasks as numbers.
        if is_free(&name) {
            return name;
        }
    }
}

impl QueueFile {
    /// Makes the changes. `is_waiting` says whether a task is pending and nobody has worked on it.
    ///
    /// # Errors
    /// [`QueueError::UnknownTask`] and [`QueueError::Refused`] as [`QueueFile::set_fields`], before anything is added or
    /// removed.
    pub fn revise(&mut self, revision: &Revision, is_waiting: impl Fn(&Task) -> bool) -> Result<(), QueueError> {
        if revision.is_empty() {
            return Ok(());
        }
        for (id, fields) in &revision.updated {
            self.set_fields(id, fields)?;
            let gone: Vec<&String> = fields.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key).collect();
            if !gone.is_empty() {
                self.drop_fields(id, &gone)?;
            }
        }
        self.mark_changed();
        let mut pool: Vec<Option<(Entry, Option<Task>)>> = self.taken_apart(&revision.removed);
        let slot = |part: &Option<(Entry, Option<Task>)>| match part {
            Some((_, Some(task))) => Slot { is_waiting: is_waiting(task), priority: task.priority },
            // What is no task is in nobody's way.
            Some((_, None)) | None => Slot { is_waiting: true, priority: Some(i64::MAX) },
        };
        let mut slots: Vec<Slot> = pool.iter().map(slot).collect();
        let mut places: Vec<usize> = (0..pool.len()).collect();
        for task in &revision.added {
            let Json::Object(mut object) = Json::from(&Value::Object(task.clone())) else { continue };
            normal::normalise(&mut object);
            let task = task_json::read(&object, &mut Vec::new());
            let at = order::place(&slots, task.priority);
            slots.insert(at, Slot { is_waiting: true, priority: task.priority });
            places.insert(at, pool.len());
            let text = printed(&Json::Object(object), 2);
            pool.push(Some((Entry { text, task: None, is_legacy: false }, Some(task))));
        }
        for place in places {
            if let Some((entry, task)) = pool.get_mut(place).and_then(Option::take) {
                self.put_back(entry, task);
            }
        }
        self.ensure_tasks();
        Ok(())
    }

    /// Takes the entries and their tasks out, without those that go.
    fn taken_apart(&mut self, removed: &HashSet<TaskId>) -> Vec<Option<(Entry, Option<Task>)>> {
        let mut tasks: Vec<Option<Task>> = std::mem::take(&mut self.queue.tasks).into_iter().map(Some).collect();
        self.index.clear();
        let entries = std::mem::take(&mut self.entries);
        let parts = entries.into_iter().map(|entry| {
            let task = entry.task.and_then(|at| tasks.get_mut(at)).and_then(Option::take);
            (entry, task)
        });
        parts.filter(|(_, task)| task.as_ref().is_none_or(|task| !removed.contains(&task.id))).map(Some).collect()
    }

    fn put_back(&mut self, entry: Entry, task: Option<Task>) {
        let place = task.as_ref().map(|_| self.queue.tasks.len());
        if let Some(task) = task {
            if !task.id.is_empty() {
                self.index.insert(task.id.clone(), self.entries.len());
            }
            self.queue.tasks.push(task);
        }
        self.entries.push(Entry { task: place, ..entry });
    }

    fn drop_fields(&mut self, id: &TaskId, keys: &[&String]) -> Result<(), QueueError> {
        let at = self.position(id)?;
        let mut object: Object = self.object(at);
        for key in keys {
            object.remove(key);
        }
        self.replace(at, object);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::super::queue_file::tests::{HAND_WRITTEN, parse};
    use super::*;

    fn task(id: &str, priority: Option<i64>) -> Map<String, Value> {
        let mut task = json!({"id": id, "title": format!("title of {id}"), "mine": 1.5});
        if let Some(priority) = priority {
            task["priority"] = json!(priority);
        }
        match task {
            Value::Object(task) => task,
            _ => unreachable!(),
        }
    }

    fn ids(file: &QueueFile) -> Vec<&str> {
        file.queue().tasks.iter().map(|task| task.id.as_str()).collect()
    }

    fn is_waiting(task: &Task) -> bool {
        !task.status.passes && !task.status.blocked
    }

    #[test]
    fn tasks_come_in_at_their_place_and_the_rest_keeps_its_text() {
        let mut file = parse(HAND_WRITTEN).unwrap();
        let revision = Revision {
            added: vec![task("c", None), task("u", Some(0)), task("v", Some(0)), task("l", Some(3)), task("d", None)],
            ..Revision::default()
        };
        file.revise(&revision, is_waiting).unwrap();
        assert_eq!(ids(&file), ["u", "v", "a", "b", "c", "d", "l"]);
        let text = file.render();
        assert!(text.contains("{\"id\": \"a\", \"title\": \"A\", \"verification\": {\"path_patterns\": [\"src/*\"]}, \"big\": 123456789012345678901234567890}"));
        assert!(text.contains("\"a note\"") && text.contains("\"mine\": 1.5"), "{text}");
        let again = parse(&text).unwrap();
        assert_eq!((again.queue(), &again.index), (file.queue(), &file.index));
        assert!(file.mark_passed(&TaskId::new("u")).unwrap());
        assert_eq!(file.queue().tasks[0].status.passes, true);
        file.revise(&Revision { added: vec![task("w", Some(-1))], ..Revision::default() }, is_waiting).unwrap();
        assert_eq!(ids(&file), ["u", "w", "v", "a", "b", "c", "d", "l"], "behind what is done");
    }

    #[test]
    fn tasks_go_and_get_other_texts() {
        let mut file = parse(r#"{"tasks": [{"id": "a", "backend": "codex"}, {"id": "b"}, 7, {"id": "c"}]}"#).unwrap();
        let fields = json!({"title": "new", "backend": null});
        let revision = Revision {
            updated: vec![(TaskId::new("a"), fields.as_object().unwrap().clone())],
            removed: HashSet::from([TaskId::new("b")]),
            ..Revision::default()
        };
        file.revise(&revision, is_waiting).unwrap();
        assert_eq!(ids(&file), ["a", "c"]);
        assert_eq!(file.queue().tasks[0].title, "new");
        let value: Value = serde_json::from_str(&file.render()).unwrap();
        assert_eq!((value["tasks"][0].get("backend"), &value["tasks"][1]), (None, &json!(7)));
        assert_eq!(parse(&file.render()).unwrap().queue(), file.queue());
        let before = file.render();
        let unknown = Revision { updated: vec![(TaskId::new("x"), Map::new())], ..Revision::default() };
        assert!(file.revise(&unknown, is_waiting).is_err());
        assert_eq!(file.render(), before);
        file.revise(&Revision::default(), is_waiting).unwrap();
        let mut empty = parse("{}").unwrap();
        empty.revise(&Revision { added: vec![task("a", None)], ..Revision::default() }, is_waiting).unwrap();
        assert_eq!(ids(&parse(&empty.render()).unwrap()), ["a"]);
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let file = parse(r#"{"tasks": [{"id": "a", "title": "Do  it"}, {"id": "a-2", "title": "x"}]}"#).unwrap();
        let mut naming = Naming::of(&file);
        let ids: Vec<String> = (0..3).map(|_| naming.id("a").to_string()).collect();
        assert_eq!(ids, ["a-3", "a-4", "a-5"]);
        assert_eq!(naming.id("b").as_str(), "b");
        let (a, b) = (TaskId::new("a"), TaskId::new("b"));
        assert_eq!(naming.title("do IT", &a), "do IT", "its own");
        assert_eq!(naming.title("do IT", &b), "do IT (2)");
        assert_eq!(naming.title("do it", &TaskId::new("c")), "do it (3)");
    }
}
