//! Reads task.json: all or nothing.
//!
//! Either the whole file is understood, or it is refused with every problem in it, each with its line. Nothing is
//! changed here. Invariant: no input panics, waits or needs more memory than a fixed multiple of 64 MiB.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use super::error::{Problem, QueueError};
use super::layout;
use super::place::{self, Lines, Step};
use super::queue_file::{Caps, Entry, QueueFile, journal};
use super::scan::{SyntaxError, Trail};
use super::{migrate, task_json};
use crate::model::Queue;
use crate::sys;
use crate::sys::fs::{Context as _, PathError};

/// The largest file that is read; the largest queue seen in the field has 3 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// How many problems are told. Finding the place of each means reading its task again.
const MAX_PROBLEMS: usize = 100;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What tells cheaply whether a file is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(path)?;
        if !meta.is_file() {
            // A pipe would be waited for, a device might never end.
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// Reads the file's bytes; the stamp is from before, so that a later one never goes unnoticed.
fn read(path: &Path) -> Result<(Vec<u8>, Stamp), QueueError> {
    let missing = |error: PathError| match error.source.kind() {
        ErrorKind::NotFound => QueueError::Missing { path: path.to_path_buf() },
        _ => QueueError::File(error),
    };
    let stamp = Stamp::of(path).at("read", path).map_err(missing)?;
    let bytes = sys::fs::read_capped(path, MAX_BYTES).map_err(missing)?;
    Ok((bytes, stamp))
}

/// Whether the file holds exactly these bytes; a missing file does not. Reads no further than the first difference.
pub(super) fn holds(path: &Path, bytes: &[u8]) -> Result<bool, PathError> {
    let compare = || {
        if Stamp::of(path)?.size != bytes.len() as u64 {
            return Ok(false);
        }
        let mut file = File::open(path)?;
        let mut buffer = vec![0u8; 64 * 1024];
        let mut rest = bytes;
        loop {
            let count = match file.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let piece = buffer.get(..count).unwrap_or_default();
            match rest.strip_prefix(piece) {
                Some(after) if count > 0 => rest = after,
                Some(after) => return Ok(after.is_empty()),
                None => return Ok(false),
            }
        }
    };
    match compare() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        other => other.at("read", path),
    }
}

/// A problem whose line is not counted yet.
struct Complaint {
    offset: usize,
    place: String,
    message: String,
    /// Offset of the other place that has to do with it.
    other: Option<usize>,
}

impl Complaint {
    fn at_line(self, lines: &Lines) -> Problem {
        let (line, column) = lines.position(self.offset);
        let mut message = self.message;
        if let Some((line, column)) = self.other.map(|offset| lines.position(offset)) {
            // Writing to a String cannot fail.
            let _ = write!(message, " (line {line}, column {column})");
        }
        Problem { line, column, place: self.place, message }
    }
}

/// What is wrong with a file.
#[derive(Default)]
struct Complaints {
    told: Vec<Complaint>,
    /// Those beyond [`MAX_PROBLEMS`].
    more: usize,
}

impl Complaints {
    /// Adds a problem; its place is only looked for when it will be told.
    fn add(&mut self, complaint: impl FnOnce() -> Complaint) {
        if self.told.len() < MAX_PROBLEMS {
            self.told.push(complaint());
        } else {
            self.more += 1;
        }
    }

    fn in_order(mut self) -> Vec<Complaint> {
        self.told.sort_by_key(|complaint| complaint.offset);
        if let Some(last) = self.told.last().filter(|_| self.more > 0) {
            let message = format!("and {} more problems", self.more);
            self.told.push(Complaint { offset: last.offset, place: String::new(), message, other: None });
        }
        self.told
    }
}

impl QueueFile {
    /// Reads and checks a file: UTF-8, with or without a byte order mark, at most 64 MiB.
    ///
    /// # Errors
    /// When it is missing, unreadable, or holds anything that cannot be worked with; then all of that is listed.
    pub fn load(path: &Path, caps: &Caps) -> Result<Self, QueueError> {
        let (bytes, stamp) = read(path)?;
        let mut file = Self::parse(path, bytes, caps)?;
        file.stamp = Some(stamp);
        Ok(file)
    }

    /// Reads a queue from memory as if it were the content of the file at `path`, which is not touched.
    ///
    /// # Errors
    /// [`QueueError::Invalid`] as for [`QueueFile::load`].
    pub fn parse(path: &Path, bytes: Vec<u8>, caps: &Caps) -> Result<Self, QueueError> {
        let body = bytes.strip_prefix(BOM).unwrap_or(&bytes);
        let invalid = |complaints: Vec<Complaint>| {
            let lines = Lines::new(body);
            let problems = complaints.into_iter().map(|complaint| complaint.at_line(&lines)).collect();
            QueueError::Invalid { path: path.to_path_buf(), problems }
        };
        let whole = |offset, message| vec![Complaint { offset, place: String::new(), message, other: None }];
        let text =
            std::str::from_utf8(body).map_err(|error| invalid(whole(error.valid_up_to(), "not UTF-8".to_owned())))?;
        let layout = layout::split(text).map_err(|SyntaxError { offset, message }| invalid(whole(offset, message)))?;
        let mut complaints = Complaints::default();
        if let Some((offset, kind)) = layout.odd_tasks {
            let message = format!("expected a list, found {kind}");
            complaints.add(|| Complaint { offset, place: "tasks".to_owned(), message, other: None });
        }
        let mut file = Self {
            path: path.to_path_buf(),
            caps: *caps,
            queue: Queue::default(),
            members: layout.members,
            entries: Vec::with_capacity(layout.entries.len()),
            index: HashMap::with_capacity(layout.entries.len()),
            on_disk: String::new(),
            stamp: None,
            is_changed: false,
        };
        let offsets: Vec<usize> = layout.entries.iter().map(|entry| entry.offset).collect();
        for entry in layout.entries {
            file.add(text, &offsets, entry, &mut complaints);
        }
        if !complaints.told.is_empty() {
            return Err(invalid(complaints.in_order()));
        }
        file.queue.project = file.member("project").map(|json| json.as_text()).unwrap_or_default();
        file.queue.journal = journal(file.member("learning_journal").as_ref());
        // It was checked above, with or without its byte order mark.
        file.on_disk = String::from_utf8(bytes).unwrap_or_default();
        Ok(file)
    }

    fn add(&mut self, text: &str, offsets: &[usize], entry: layout::Entry, complaints: &mut Complaints) {
        let at = self.entries.len();
        let Some(object) = entry.json.as_object() else {
            self.entries.push(Entry { text: entry.text, task: None, is_legacy: false });
            return;
        };
        let mut found = Vec::new();
        let task = task_json::read(object, &mut found);
        let place = format!("tasks[{at}]");
        let mut trail = Trail::new(text, entry.offset);
        for found in found {
            complaints.add(|| Complaint {
                offset: trail.locate(&found.steps),
                place: place::name(&place, &found.steps),
                message: found.message,
                other: None,
            });
        }
        let first = self.index.get(&task.id).copied();
        if let Some(first) = first {
            let id_of = |entry: usize| Trail::new(text, entry).locate(&[Step::Key("id")]);
            complaints.add(|| Complaint {
                offset: id_of(entry.offset),
                place: format!("{place}.id"),
                message: format!("\"{}\" is already the id of tasks[{first}]", task.id),
                other: offsets.get(first).copied().map(id_of),
            });
        } else if !task.id.is_empty() {
            self.index.insert(task.id.clone(), at);
        }
        let is_legacy = migrate::is_legacy(object);
        self.entries.push(Entry { text: entry.text, task: Some(self.queue.tasks.len()), is_legacy });
        self.queue.tasks.push(task);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::queue_file::tests::{CAPS, HAND_WRITTEN};
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        QueueFile::parse(Path::new("task.json"), bytes.to_vec(), &CAPS).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_queue_is_refused_with_its_place() {
        for (bytes, message) in [
            (
                &b"{\n  \"tasks\": [\n    {\"id\": \"a\",}\n  ]\n}"[..],
                "task.json:3:15: a comma before `}` is not allowed",
            ),
            (b"{\"tasks\": [}", "task.json:1:12: expected a value"),
            (b"", "task.json:1:1: the text ends too early"),
            (b"{\n\"a\": \"\xff\"}", "task.json:2:7: not UTF-8"),
            (b"[]", "task.json:1:1: expected an object with `tasks`, found a list"),
            (b"\xef\xbb\xbfnull", "task.json:1:1: expected an object with `tasks`, found null"),
            (b"{\"tasks\": {}}", "task.json:1:11: tasks: expected a list, found an object"),
            (b"{\"tasks\": null}", "task.json:1:11: tasks: expected a list, found null"),
            (
                "{\"tasks\": [\n  {\"ü\": 1, \"id\": \"\"}\n]}".as_bytes(),
                "task.json:2:18: tasks[0].id: a task that is neither done nor blocked needs an id",
            ),
            (
                b"{\"tasks\": [\n  {\"title\": \"t\"}\n]}",
                "task.json:2:3: tasks[0].id: a task that is neither done nor blocked needs an id",
            ),
        ] {
            assert_eq!(refusal(bytes), message);
        }
    }

    #[test]
    fn every_problem_of_a_file_is_listed() {
        let text = r#"{"tasks": [
  {"id": "a", "verification": {"validate_timeout_seconds": "soon", "validate_commands": "true"}},
  {"id": " a "},
  {"id": "c", "completion": 1, "execution": "fast"},
  7
]}"#;
        insta::assert_snapshot!(refusal(text.as_bytes()), @r#"
        read task.json: 5 problems
          task.json:2:60: tasks[0].verification.validate_timeout_seconds: expected a whole number of seconds above 0, found "soon"
          task.json:2:89: tasks[0].verification.validate_commands: expected a list, found a string
          task.json:3:10: tasks[1].id: "a" is already the id of tasks[0] (line 2, column 10)
          task.json:4:29: tasks[2].completion: expected an object, found a number
          task.json:4:45: tasks[2].execution: expected an object, found a string
        "#);
    }

    #[test]
    fn a_missing_file_comes_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("task.json");
        let error = QueueFile::load(&path, &CAPS).unwrap_err();
        assert_eq!(error.to_string(), format!("read {}: no such file", path.display()));
        assert!(error.hint().unwrap().contains("autodev init"));
        let error = QueueFile::load(dir.path(), &CAPS).unwrap_err();
        assert_eq!(error.to_string(), format!("read {}: not a regular file", dir.path().display()));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the edits of other programs")]
    fn a_change_of_the_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("task.json");
        std::fs::write(&path, HAND_WRITTEN).unwrap();
        let file = QueueFile::load(&path, &CAPS).unwrap();
        assert!(file.is_current());
        std::fs::write(&path, format!("{HAND_WRITTEN} ")).unwrap();
        assert!(!file.is_current());
        let file = QueueFile::load(&path, &CAPS).unwrap();
        let other = dir.path().join("other");
        std::fs::write(&other, format!("{HAND_WRITTEN} ")).unwrap();
        std::fs::rename(other, &path).unwrap();
        assert!(!file.is_current(), "another inode");
        std::fs::remove_file(&path).unwrap();
        assert!(!file.is_current());
    }

    #[test]
    fn of_very_many_problems_the_first_are_told() {
        let text = format!(
            r#"{{"tasks": [{{"id": "a", "verification": {{"validate_commands": [1{}]}}}}]}}"#,
            ", 1".repeat(99_999)
        );
        let refusal = refusal(text.as_bytes());
        assert_eq!(refusal.lines().count(), 102, "{} bytes", refusal.len());
        assert!(refusal.ends_with("and 99900 more problems"), "{}", &refusal[refusal.len() - 100..]);
    }

    #[test]
    fn very_many_task_lists_are_read_in_one_go() {
        // Ends in no sensible time when each list looks at all before it.
        let text = format!("{{{}\"tasks\": [{{\"id\": \"a\"}}]}}", "\"tasks\": [], ".repeat(300_000));
        let file = QueueFile::parse(Path::new("task.json"), text.into_bytes(), &CAPS).unwrap();
        assert_eq!(file.queue().tasks.len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = QueueFile::parse(Path::new("task.json"), bytes, &CAPS);
        }
    }
}
