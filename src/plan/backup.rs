//! Copies of task.json beside it: before commands that change many tasks, and of broken ones.
//!
//! Copies are never pruned and never overwritten. Invariant: a copy has its name only once it is complete and on disk.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::error::QueueError;
use super::load::Stamp;
use crate::sys::fs::{Context as _, PathError, sync_dir};

/// Copies the file to `<name>.bak.<YYYYMMDDTHHMMSSZ>`; further copies of the same second get `-2`, `-3` and so on, also
/// when several processes make them at once. Returns the copy.
///
/// # Errors
/// When the file is missing or the copy cannot be written; no part of a copy is left.
pub fn backup(path: &Path, now: DateTime<Utc>) -> Result<PathBuf, QueueError> {
    copy_aside(path, "bak", now)
}

/// Copies a file that cannot be read as a queue to `<name>.broken.<YYYYMMDDTHHMMSSZ>`, likewise.
///
/// # Errors
/// As for [`backup`].
pub fn keep_broken(path: &Path, now: DateTime<Utc>) -> Result<PathBuf, QueueError> {
    copy_aside(path, "broken", now)
}

fn copy_aside(path: &Path, kind: &str, now: DateTime<Utc>) -> Result<PathBuf, QueueError> {
    // Only a regular file is opened: a pipe would be waited for.
    let opened = Stamp::of(path).and_then(|_| File::open(path)).at("read", path);
    let mut source = opened.map_err(|error| match error.source.kind() {
        io::ErrorKind::NotFound => QueueError::Missing { path: path.to_path_buf() },
        _ => QueueError::File(error),
    })?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let stamp = now.format("%Y%m%dT%H%M%SZ");
    let first = suffixed(name, &format!(".{kind}.{stamp}"));
    let target = dir.join(&first);
    let builder = || tempfile::Builder::new().prefix(".autodev-").suffix(".tmp").tempfile_in(dir);
    let mut temp = builder().at("write", &target)?;
    io::copy(&mut source, temp.as_file_mut()).at("write", &target)?;
    let permissions = source.metadata().at("read", path)?.permissions();
    temp.as_file().set_permissions(permissions).at("write", &target)?;
    temp.as_file().sync_all().at("sync", &target)?;
    let mut number = 1u32;
    loop {
        let file_name = if number == 1 { first.clone() } else { suffixed(&first, &format!("-{number}")) };
        let target = dir.join(file_name);
        match temp.persist_noclobber(&target) {
            Ok(_) => {
                sync_dir(dir)?;
                return Ok(target);
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => {
                temp = error.file;
                number += 1;
            }
            Err(error) => {
                return Err(QueueError::File(PathError { action: "write", path: target, source: error.error }));
            }
        }
    }
}

fn suffixed(name: &std::ffi::OsStr, suffix: &str) -> OsString {
    let mut name = name.to_os_string();
    name.push(suffix);
    name
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    fn time() -> DateTime<Utc> {
        "2026-11-20T11:29:10Z".parse().unwrap()
    }

    #[test]
    fn copies_of_one_second_get_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("task.json");
        fs::write(&path, b"\xff not even text").unwrap();
        let names: Vec<String> = (0..3)
            .map(|_| backup(&path, time()).unwrap().file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let first = "task.json.bak.20261120T112910Z";
        assert_eq!(names, [first.to_owned(), format!("{first}-2"), format!("{first}-3")]);
        let broken = keep_broken(&path, time()).unwrap();
        assert!(broken.ends_with("task.json.broken.20261120T112910Z"));
        assert_eq!(fs::read(broken).unwrap(), b"\xff not even text");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5, "no temporary file is left");
    }

    #[test]
    fn copies_made_at_once_never_collide() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("task.json");
        fs::write(&path, "x").unwrap();
        let names: BTreeSet<PathBuf> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| backup(&path, time()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 16);
    }

    #[test]
    fn a_copy_of_nothing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = backup(&dir.path().join("task.json"), time()).unwrap_err();
        assert!(matches!(error, QueueError::Missing { .. }));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
