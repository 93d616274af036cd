//! Writes the queue: only over the content it was read from, under a lock, as a whole.
//!
//! The lock keeps autodev's own processes apart; the comparison protects the edits of everybody else. Invariant: a
//! content that this process has not read is never replaced, except a broken one that has been copied aside first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::backup::{backup, keep_broken};
use super::error::QueueError;
use super::load::{Stamp, holds};
use super::queue_file::{Caps, QueueFile};
use crate::sys::fs::{Context as _, Durability, write_atomic};
use crate::sys::lock::{FileLock, LockError};

/// How long the lock is waited for. Its holder reads and writes one file, which takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(20);

/// How often a change is repeated because somebody without the lock wrote the file in between.
const TRIES: u32 = 20;

/// What a save did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The file holds the changes.
    Written,
    /// There was nothing to write.
    Unchanged,
}

/// What [`QueueFile::rescue`] found in place of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rescue {
    /// A broken file, kept aside under this name.
    Kept(PathBuf),
    /// Nothing.
    WasMissing,
}

impl QueueFile {
    /// Writes the changes, if the file still holds exactly what was read. `lock` is created when it is missing,
    /// with its directory.
    ///
    /// # Errors
    /// [`QueueError::Changed`] when the file holds something else or is gone: load it again and repeat the change.
    /// After any error the file is as it was, and the changes are still here.
    pub fn save(&mut self, lock: &Path, durability: Durability) -> Result<Saved, QueueError> {
        if !self.is_changed {
            return Ok(Saved::Unchanged);
        }
        let _held = hold(lock)?;
        self.save_locked(durability)
    }

    fn save_locked(&mut self, durability: Durability) -> Result<Saved, QueueError> {
        if !self.is_changed {
            return Ok(Saved::Unchanged);
        }
        if !holds(&self.path, self.on_disk.as_bytes())? {
            return Err(QueueError::Changed { path: self.path.clone() });
        }
        self.write(durability)?;
        Ok(Saved::Written)
    }

    /// Puts this queue where nothing readable is: a broken file is copied aside first, then replaced.
    ///
    /// # Errors
    /// [`QueueError::Changed`] when the file is a queue: load that instead. After any error the file is as it was.
    pub fn rescue(&mut self, lock: &Path, now: DateTime<Utc>, durability: Durability) -> Result<Rescue, QueueError> {
        let _held = hold(lock)?;
        let rescue = match Self::load(&self.path, &self.caps) {
            Ok(_) => return Err(QueueError::Changed { path: self.path.clone() }),
            Err(QueueError::Missing { .. }) => Rescue::WasMissing,
            Err(QueueError::Invalid { .. }) => Rescue::Kept(keep_broken(&self.path, now)?),
            Err(QueueError::File(error)) if error.source.kind() == std::io::ErrorKind::FileTooLarge => {
                Rescue::Kept(keep_broken(&self.path, now)?)
            }
            Err(error) => return Err(error),
        };
        self.write(durability)?;
        Ok(rescue)
    }

    /// Puts this queue in the place of whatever file is there, after a backup of that. Returns the backup.
    ///
    /// # Errors
    /// When the backup or the file cannot be written; the file is as it was.
    pub fn supersede(
        &mut self,
        lock: &Path,
        now: DateTime<Utc>,
        durability: Durability,
    ) -> Result<Option<PathBuf>, QueueError> {
        let _held = hold(lock)?;
        let copy = match backup(&self.path, now) {
            Ok(copy) => Some(copy),
            Err(QueueError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        self.write(durability)?;
        Ok(copy)
    }

    fn write(&mut self, durability: Durability) -> Result<(), QueueError> {
        let text = self.render();
        write_atomic(&self.path, text.as_bytes(), durability)?;
        self.stamp = Stamp::of(&self.path).ok().filter(|stamp| stamp.size == text.len() as u64);
        self.on_disk = text;
        self.is_changed = false;
        Ok(())
    }
}

/// Loads a queue, lets `edit` change it and saves it, all under the lock; repeats that when somebody without the lock
/// has written meanwhile. `edit` returns whether its changes are wanted; else nothing is written. Returns the queue.
///
/// # Errors
/// Those of loading, editing and saving; the file is as it was.
pub fn update<E: From<QueueError>>(
    path: &Path,
    lock: &Path,
    caps: &Caps,
    durability: Durability,
    mut edit: impl FnMut(&mut QueueFile) -> Result<bool, E>,
) -> Result<QueueFile, E> {
    let _held = hold(lock)?;
    let mut tries = 0;
    loop {
        let mut file = QueueFile::load(path, caps)?;
        if !edit(&mut file)? {
            return Ok(file);
        }
        tries += 1;
        match file.save_locked(durability) {
            Err(QueueError::Changed { .. }) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
            Ok(Saved::Written | Saved::Unchanged) => return Ok(file),
        }
    }
}

/// Takes the lock; dropping the file lets it go, and so does the end of the process.
fn hold(lock: &Path) -> Result<FileLock, QueueError> {
    if let Some(dir) = lock.parent() {
        std::fs::create_dir_all(dir).at("create", dir)?;
    }
    FileLock::wait(lock, LOCK_WAIT).map_err(|error| match error {
        LockError::File(error) => QueueError::File(error),
        LockError::Held { .. } | LockError::Busy { .. } => {
            QueueError::Locked { path: lock.to_path_buf(), seconds: LOCK_WAIT.as_secs() }
        }
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files and start themselves as other processes")]
mod tests {
    use std::fs;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use super::super::queue_file::tests::CAPS;
    use super::*;
    use crate::model::TaskId;
    use crate::sys;

    struct Project {
        dir: tempfile::TempDir,
    }

    impl Project {
        fn new(tasks: usize) -> Self {
            let project = Self { dir: tempfile::tempdir().unwrap() };
            let tasks: Vec<_> = (0..tasks).map(|n| serde_json::json!({"id": format!("t{n}"), "title": "x"})).collect();
            project.put(&serde_json::to_string_pretty(&serde_json::json!({"tasks": tasks})).unwrap());
            project
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("task.json")
        }

        fn lock(&self) -> PathBuf {
            self.dir.path().join("state/queue.lock")
        }

        fn put(&self, text: &str) {
            fs::write(self.path(), text).unwrap();
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path()).unwrap()
        }

        fn load(&self) -> QueueFile {
            QueueFile::load(&self.path(), &CAPS).unwrap()
        }

        /// Starts this test program as another process that runs one of the `#[ignore]`d tests below.
        fn child(&self, wrapper: &[&str], name: &str, id: &str) -> Child {
            let this = std::env::current_exe().unwrap();
            let mut argv: Vec<std::ffi::OsString> = wrapper.iter().map(Into::into).collect();
            argv.push(this.into());
            Command::new(&argv[0])
                .args(&argv[1..])
                .args(["--exact", &format!("plan::writeback::tests::{name}"), "--ignored", "--nocapture"])
                .env("AUTODEV_TEST_DIR", self.dir.path())
                .env("AUTODEV_TEST_ID", id)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        }
    }

    fn time() -> DateTime<Utc> {
        "2026-11-20T11:29:10Z".parse().unwrap()
    }

    fn block(path: &Path, lock: &Path, id: &str) -> Result<QueueFile, QueueError> {
        update(path, lock, &CAPS, Durability::Cached, |file| file.mark_blocked(&TaskId::new(id), "child", time()))
    }

    #[test]
    #[ignore = "the other process of the tests below"]
    fn child_blocks_a_task() {
        let Some(dir) = sys::env::raw("AUTODEV_TEST_DIR").map(PathBuf::from) else { return };
        let id = sys::env::text("AUTODEV_TEST_ID").unwrap();
        if let Err(error) = block(&dir.join("task.json"), &dir.join("state/queue.lock"), &id) {
            println!("error: {error}");
            panic!("{error}");
        }
    }

    #[test]
    #[ignore = "the other process of the tests below"]
    fn child_writes_for_ever() {
        let Some(dir) = sys::env::raw("AUTODEV_TEST_DIR").map(PathBuf::from) else { return };
        for n in 0u64.. {
            let lock = dir.join("state/queue.lock");
            update::<QueueError>(&dir.join("task.json"), &lock, &CAPS, Durability::Cached, |file| {
                file.mark_blocked(&TaskId::new("t0"), &format!("{n}"), time())
            })
            .unwrap();
        }
    }

    #[test]
    fn a_save_writes_what_was_rendered() {
        let project = Project::new(2);
        let mut file = project.load();
        assert_eq!(file.save(&project.lock(), Durability::Synced).unwrap(), Saved::Unchanged);
        assert!(!project.lock().exists(), "nothing to write, nothing to lock");
        file.mark_passed(&TaskId::new("t1")).unwrap();
        let digest = file.digest_of_render();
        assert_ne!(digest, file.digest_on_disk());
        assert_eq!(file.save(&project.lock(), Durability::Synced).unwrap(), Saved::Written);
        assert_eq!(project.text(), file.render());
        assert_eq!((file.digest_on_disk(), file.is_current(), file.is_changed()), (digest, true, false));
        file.mark_passed(&TaskId::new("t0")).unwrap();
        assert_eq!(file.save(&project.lock(), Durability::Cached).unwrap(), Saved::Written, "again without loading");
    }

    #[test]
    fn an_edit_made_meanwhile_is_never_overwritten() {
        let project = Project::new(1);
        let mut file = project.load();
        file.mark_passed(&TaskId::new("t0")).unwrap();
        let edited = project.text().replace("\"x\"", "\"y\"");
        project.put(&edited);
        let error = file.save(&project.lock(), Durability::Cached).unwrap_err();
        assert!(matches!(error, QueueError::Changed { .. }), "{error}");
        assert_eq!(project.text(), edited);
        assert!(file.is_changed(), "the change is still here");
        for other in [format!("{edited} "), edited.replace('}', " "), String::new()] {
            project.put(&other);
            assert!(matches!(file.save(&project.lock(), Durability::Cached), Err(QueueError::Changed { .. })));
            assert_eq!(project.text(), other);
        }
        fs::remove_file(project.path()).unwrap();
        assert!(matches!(file.save(&project.lock(), Durability::Cached), Err(QueueError::Changed { .. })));
        assert!(!project.path().exists());
    }

    #[test]
    fn an_update_is_repeated_on_top_of_the_other_edit() {
        let project = Project::new(2);
        let mut times = 0;
        let file = update::<QueueError>(&project.path(), &project.lock(), &CAPS, Durability::Cached, |file| {
            times += 1;
            if times == 1 {
                project.put(&project.text().replace("\"x\"", "\"y\""));
            }
            file.mark_passed(&TaskId::new("t1"))
        })
        .unwrap();
        assert_eq!(times, 2);
        assert_eq!(file.queue().tasks[0].title, "y");
        assert!(project.load().queue().tasks[1].status.passes);
    }

    #[test]
    fn an_update_that_never_gets_through_ends() {
        let project = Project::new(1);
        let mut times = 0;
        let result = update::<QueueError>(&project.path(), &project.lock(), &CAPS, Durability::Cached, |file| {
            times += 1;
            project.put(&format!("{}\n", project.text()));
            file.mark_passed(&TaskId::new("t0"))
        });
        assert!(matches!(result, Err(QueueError::Changed { .. })));
        assert_eq!(times, TRIES);
    }

    #[test]
    fn an_update_that_is_not_wanted_writes_nothing() {
        let project = Project::new(1);
        let before = project.text();
        update::<QueueError>(&project.path(), &project.lock(), &CAPS, Durability::Cached, |file| {
            file.mark_passed(&TaskId::new("t0"))?;
            Ok(false)
        })
        .unwrap();
        assert_eq!(project.text(), before);
        assert!(matches!(block(&project.path(), &project.lock(), "gone"), Err(QueueError::UnknownTask { .. })));
        assert_eq!(project.text(), before);
    }

    #[test]
    fn edits_of_twelve_processes_all_survive() {
        let project = Project::new(12);
        let children: Vec<Child> =
            (0..12).map(|n| project.child(&[], "child_blocks_a_task", &format!("t{n}"))).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        let file = project.load();
        assert!(file.queue().tasks.iter().all(|task| task.status.blocked && task.status.block_reason == "child"));
        assert_eq!(file.member_value("statistics").unwrap(), serde_json::json!({"completed": 0, "blocked": 12}));
    }

    #[test]
    fn edits_of_many_threads_all_survive() {
        let project = Project::new(24);
        std::thread::scope(|scope| {
            for n in 0..24 {
                let (path, lock) = (project.path(), project.lock());
                scope.spawn(move || block(&path, &lock, &format!("t{n}")).unwrap());
            }
        });
        assert!(project.load().queue().tasks.iter().all(|task| task.status.blocked));
    }

    #[test]
    fn readers_and_a_kill_find_a_whole_file() {
        let project = Project::new(300);
        let mut child = project.child(&[], "child_writes_for_ever", "");
        let mut seen = std::collections::BTreeSet::new();
        let start = Instant::now();
        while seen.len() < 30 && start.elapsed() < Duration::from_mins(1) {
            let file = project.load();
            assert_eq!(file.queue().tasks.len(), 300);
            seen.insert(file.queue().tasks[0].status.block_reason.clone());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.len() >= 30, "the other process writes");
        assert_eq!(project.load().queue().tasks.len(), 300);
        block(&project.path(), &project.lock(), "t1").expect("a killed process leaves no lock");
    }

    #[test]
    fn a_write_that_fails_half_way_leaves_the_file() {
        let project = Project::new(300);
        let before = project.text();
        assert!(before.len() > 8 * 1024);
        // A file size limit stands in for a full disk: the write ends after the first 4 or 8 KiB.
        let refused = ["sh", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""];
        let output = project.child(&refused, "child_blocks_a_task", "t0").wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && said.contains("error: write "), "{said}");
        assert_eq!(project.text(), before);
        assert_eq!(fs::read_dir(project.dir.path()).unwrap().count(), 2, "task.json and the lock's directory");

        let killed = ["sh", "-c", "ulimit -c 0; ulimit -f 8; exec \"$0\" \"$@\""];
        let output = project.child(&killed, "child_blocks_a_task", "t0").wait_with_output().unwrap();
        assert!(!output.status.success());
        assert_eq!(project.text(), before);
    }

    #[test]
    fn a_write_into_a_missing_directory_is_an_error() {
        let project = Project::new(1);
        let mut file = project.load();
        file.mark_passed(&TaskId::new("t0")).unwrap();
        file.path = project.dir.path().join("gone/task.json");
        let error = file.write(Durability::Cached).unwrap_err().to_string();
        assert!(error.starts_with("write ") && error.contains("gone/task.json"), "{error}");
        assert!(file.is_changed());
    }

    #[test]
    fn a_broken_file_is_kept_before_it_is_replaced() {
        let project = Project::new(1);
        let mut file = project.load();
        let good = project.text();
        assert!(matches!(file.rescue(&project.lock(), time(), Durability::Cached), Err(QueueError::Changed { .. })));
        project.put("{\"tasks\": [ my precious edit");
        let kept = match file.rescue(&project.lock(), time(), Durability::Cached).unwrap() {
            Rescue::Kept(path) => path,
            Rescue::WasMissing => panic!("it was there"),
        };
        assert!(kept.ends_with("task.json.broken.20261120T112910Z"));
        assert_eq!(fs::read_to_string(kept).unwrap(), "{\"tasks\": [ my precious edit");
        assert_eq!(project.load().queue(), file.queue());
        assert_eq!(project.text().trim(), good.trim());
        fs::remove_file(project.path()).unwrap();
        assert_eq!(file.rescue(&project.lock(), time(), Durability::Cached).unwrap(), Rescue::WasMissing);
        assert!(project.path().exists() && file.is_current());
    }

    #[test]
    fn a_new_queue_supersedes_the_old_one_after_a_backup() {
        let project = Project::new(1);
        let old = project.text();
        let mut file = QueueFile::parse(&project.path(), b"{\"tasks\": []}".to_vec(), &CAPS).unwrap();
        let copy = file.supersede(&project.lock(), time(), Durability::Cached).unwrap().unwrap();
        assert_eq!(fs::read_to_string(copy).unwrap(), old);
        assert_eq!(project.text(), "{\n  \"tasks\": []\n}\n");
        fs::remove_file(project.path()).unwrap();
        assert_eq!(file.supersede(&project.lock(), time(), Durability::Cached).unwrap(), None);
    }

    /// `cargo test --release --lib plan::writeback::tests::timing -- --ignored --nocapture`
    #[test]
    #[ignore = "prints how long things take"]
    fn timing() {
        let project = Project::new(0);
        let steps: Vec<String> = (0..4).map(|n| format!("step {n} with some words about what to do")).collect();
        let tasks: Vec<_> = (0..5000)
            .map(|n| {
                serde_json::json!({"id": format!("P0-{n}"), "title": format!("Task {n}"), "description": "words ".repeat(12),
                    "steps": steps, "passes": false, "verification": {"path_patterns": ["src/*"],
                    "validate_commands": ["cargo test"]}})
            })
            .collect();
        project.put(&(serde_json::to_string_pretty(&serde_json::json!({"tasks": tasks})).unwrap() + "\n"));
        // Nanoseconds of processor time, which other work on the machine does not change; Linux only.
        let busy = || -> f64 {
            let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
            text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(f64::NAN)
        };
        let took = |what: &str, rounds: u32, act: &mut dyn FnMut()| {
            let (start, before) = (Instant::now(), busy());
            (0..rounds).for_each(|_| act());
            let wall = start.elapsed().as_secs_f64() * 1000.0 / f64::from(rounds);
            println!("{what}: {wall:.3} ms, processor {:.3} ms", (busy() - before) / 1e6 / f64::from(rounds));
        };
        println!("{} bytes", project.text().len());
        took("load", 10, &mut || drop(project.load()));
        let mut file = project.load();
        took("render", 10, &mut || drop(file.render()));
        took("digest of render", 10, &mut || _ = file.digest_of_render());
        took("is_current", 1000, &mut || assert!(file.is_current()));
        let mut n = 0;
        took("edit one task", 100, &mut || {
            n += 1;
            file.mark_passed(&TaskId::new(format!("P0-{n}"))).unwrap();
        });
        for (what, durability) in [("cached", Durability::Cached), ("synced", Durability::Synced)] {
            took(&format!("edit and save, {what}"), 50, &mut || {
                n += 1;
                file.mark_passed(&TaskId::new(format!("P0-{n}"))).unwrap();
                file.save(&project.lock(), durability).unwrap();
            });
        }
    }
}
