//! Edits files below one directory, and nowhere else.
//!
//! Invariant: no edit goes through a symbolic link, so that none can lead outside. The paths were checked when the
//! session was read: relative, without `..`, outside of `.git`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sys::fs::{Durability, read_capped, write_atomic};

/// Largest file that is edited in part.
const LARGEST: u64 = 64 << 20;

pub(super) fn write(cwd: &Path, path: &str, text: &str) -> Result<(), String> {
    let target = confined(cwd, path)?;
    if let Some(dir) = target.parent() {
        fs::create_dir_all(dir).map_err(|error| format!("create {}: {error}", dir.display()))?;
    }
    write_atomic(&target, text.as_bytes(), Durability::Cached).map_err(|error| error.to_string())
}

pub(super) fn append(cwd: &Path, path: &str, text: &str) -> Result<(), String> {
    let target = confined(cwd, path)?;
    if !target.exists() {
        return write(cwd, path, text);
    }
    let mut content = read_capped(&target, LARGEST).map_err(|error| error.to_string())?;
    content.extend_from_slice(text.as_bytes());
    write_atomic(&target, &content, Durability::Cached).map_err(|error| error.to_string())
}

/// Replaces the first place where `old` stands.
pub(super) fn replace(cwd: &Path, path: &str, old: &str, new: &str) -> Result<(), String> {
    let target = confined(cwd, path)?;
    let content = read_capped(&target, LARGEST).map_err(|error| error.to_string())?;
    let content = String::from_utf8(content).map_err(|_| format!("{path} is not UTF-8"))?;
    if old.is_empty() || !content.contains(old) {
        return Err(format!("{path} does not contain the old text"));
    }
    let content = content.replacen(old, new, 1);
    write_atomic(&target, content.as_bytes(), Durability::Cached).map_err(|error| error.to_string())
}

pub(super) fn delete(cwd: &Path, path: &str) -> Result<(), String> {
    let target = confined(cwd, path)?;
    fs::remove_file(&target).map_err(|error| format!("delete {path}: {error}"))
}

fn confined(cwd: &Path, path: &str) -> Result<PathBuf, String> {
    let mut at = cwd.to_path_buf();
    for component in Path::new(path).components() {
        at.push(component);
        if at.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(format!("{path} leads through a symbolic link"));
        }
    }
    if at.is_dir() {
        return Err(format!("{path} is a directory"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn no_edit_leaves_the_directory_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        write(outside.path(), "secret", "kept").unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink(&secret, dir.path().join("file")).unwrap();
        for path in ["link/secret", "link/new/deep", "file"] {
            assert!(write(dir.path(), path, "x").is_err());
            assert!(append(dir.path(), path, "x").is_err());
            assert!(replace(dir.path(), path, "kept", "x").is_err());
            assert!(delete(dir.path(), path).is_err());
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "kept");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_impossible_edit_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a", "text").unwrap();
        assert_eq!(replace(dir.path(), "a", "", "x").unwrap_err(), "a does not contain the old text");
        assert!(replace(dir.path(), "missing", "a", "b").is_err());
        assert!(delete(dir.path(), "missing").is_err());
        fs::create_dir(dir.path().join("d")).unwrap();
        assert_eq!(write(dir.path(), "d", "x").unwrap_err(), "d is a directory");
        append(dir.path(), "new/file", "x").unwrap();
        append(dir.path(), "new/file", "y").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("new/file")).unwrap(), "xy");
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "text");
    }
}
