//! Finds programs the way the system would start them, without starting them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::sys::env;

/// Where the C library looks when there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program that is not there.
#[derive(Debug, thiserror::Error)]
#[error("find program {program}: {why}")]
pub struct NotFound {
    /// As asked for.
    pub program: String,
    /// Where it was looked for.
    pub why: String,
}

/// Returns the file that would be started for a program: as given (relative to `cwd`) when the name has a `/`, else the
/// first on `path_var`, whose empty and relative entries count from `cwd`. Directories and files that may not be executed
/// are passed over.
pub fn find(program: &OsStr, path_var: Option<&OsStr>, cwd: &Path) -> Option<PathBuf> {
    if program.is_empty() {
        return None;
    }
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(cwd.join(program)).filter(|file| is_executable(file));
    }
    std::env::split_paths(path_var.unwrap_or(OsStr::new(DEFAULT_PATH)))
        .map(|dir| cwd.join(dir).join(program))
        .find(|file| is_executable(file))
}

/// Like [`find`] on our own `PATH`, with an error that says what was tried.
///
/// # Errors
/// When there is no such program.
pub fn resolve(program: &OsStr, cwd: &Path) -> Result<PathBuf, NotFound> {
    let path_var = env::raw("PATH");
    find(program, path_var.as_deref(), cwd).ok_or_else(|| {
        let file = cwd.join(program);
        let why = if program.is_empty() {
            "the name is empty".to_owned()
        } else if !program.as_encoded_bytes().contains(&b'/') {
            "not on PATH".to_owned()
        } else if file.is_dir() {
            format!("{} is a directory", file.display())
        } else if file.exists() {
            format!("{} is not executable", file.display())
        } else {
            format!("{} does not exist", file.display())
        };
        NotFound { program: program.to_string_lossy().into_owned(), why }
    })
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file()) && access(file, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(dir: &Path, name: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_first_executable_file_on_the_path_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir_all(dir.join("a/tool")).unwrap();
        file(dir, "b/tool", 0o644);
        let third = file(dir, "c/tool", 0o755);
        file(dir, "d/tool", 0o755);
        let path_var = std::env::join_paths(["a", "b", "c", "d"].map(|name| dir.join(name))).unwrap();
        assert_eq!(find("tool".as_ref(), Some(&path_var), dir), Some(third));
        assert_eq!(find("other".as_ref(), Some(&path_var), dir), None);
        assert_eq!(find("".as_ref(), Some(&path_var), dir), None);
    }

    #[test]
    fn names_with_a_slash_and_relative_entries_count_from_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let tool = file(dir, "bin/tool", 0o755);
        assert_eq!(find("bin/tool".as_ref(), Some("/nowhere".as_ref()), dir), Some(tool.clone()));
        assert_eq!(find(tool.as_os_str(), None, Path::new("/")), Some(tool.clone()));
        assert_eq!(find("tool".as_ref(), Some("bin".as_ref()), dir), Some(tool.clone()));
        assert_eq!(find("tool".as_ref(), Some(":/nowhere".as_ref()), &dir.join("bin")), Some(tool));
        assert_eq!(find("tool".as_ref(), Some("/nowhere".as_ref()), dir), None);
    }

    #[test]
    fn without_a_path_variable_the_system_directories_are_searched() {
        assert!(find("sh".as_ref(), None, Path::new("/")).is_some());
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        file(dir, "plain", 0o644);
        let text = |name: &str| resolve(name.as_ref(), dir).unwrap_err().to_string();
        assert!(text("./plain").ends_with("is not executable"), "{}", text("./plain"));
        assert!(text("./none").ends_with("does not exist"), "{}", text("./none"));
        assert!(text("../").ends_with("is a directory"), "{}", text("../"));
        assert_eq!(text("surely-no-such-program"), "find program surely-no-such-program: not on PATH");
        resolve("sh".as_ref(), dir).unwrap();
    }
}
