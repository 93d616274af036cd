//! A directory that is only read, within bounds, and never left.
//!
//! Invariant: a path that leads out of the directory, by `..` or by a link, counts as not there.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::sys::fs::{Context as _, PathError, read_capped};
use crate::sys::which;

/// Manifests are a few KiB; what is larger is generated.
const LARGEST: u64 = 1 << 20;

/// Entries of a directory that are looked at, and subdirectories that are looked into.
const ENTRIES: usize = 2_000;
const SUBDIRECTORIES: usize = 64;

/// Directories that hold other people's code, examples, or what tools have made.
const PASSED_OVER: [&str; 20] = [
    "node_modules",
    "bower_components",
    "vendor",
    "third_party",
    "target",
    "build",
    "dist",
    "out",
    "bin",
    "obj",
    "venv",
    "env",
    "__pycache__",
    "logs",
    "example",
    "examples",
    "fixtures",
    "samples",
    "testdata",
    "templates",
];

/// The directory.
pub(super) struct Tree {
    /// Canonical.
    root: PathBuf,
    path_variable: Option<OsString>,
}

/// What reading a file came to.
pub(super) enum Text {
    /// Its content, without a byte order mark.
    Here(String),
    /// There is no such file.
    Absent,
    /// It is there and cannot be used; why, without the path.
    Unusable(String),
}

impl Tree {
    /// Opens a directory.
    ///
    /// # Errors
    /// When it does not exist or is no directory.
    pub(super) fn open(dir: &Path, path_variable: Option<&OsStr>) -> Result<Self, PathError> {
        let root = fs::canonicalize(dir).at("look at", dir)?;
        fs::read_dir(&root).at("look at", dir)?;
        Ok(Self { root, path_variable: path_variable.map(OsStr::to_owned) })
    }

    /// Reads a regular file, by its path from the root.
    pub(super) fn read(&self, path: &str) -> Text {
        let whole = self.root.join(path);
        if fs::symlink_metadata(&whole).is_err() {
            return Text::Absent;
        }
        let Some(inside) = self.inside(path) else {
            return Text::Unusable("a link that leads nowhere or out of the project; not read".to_owned());
        };
        // Opening a pipe would wait for its writer.
        if !inside.is_file() {
            return Text::Absent;
        }
        match read_capped(&inside, LARGEST).map(String::from_utf8) {
            Ok(Ok(text)) => Text::Here(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
            Ok(Err(_)) => Text::Unusable("not UTF-8; not read".to_owned()),
            Err(PathError { source, .. }) => Text::Unusable(format!("{source}; not read")),
        }
    }

    /// Whether there is such a file.
    pub(super) fn has_file(&self, path: &str) -> bool {
        self.inside(path).is_some_and(|inside| inside.is_file())
    }

    /// Whether there is such a directory.
    pub(super) fn has_dir(&self, path: &str) -> bool {
        self.inside(path).is_some_and(|inside| inside.is_dir())
    }

    /// The names in a directory, sorted; empty when there is no such directory. Names that are not UTF-8 are left out.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = self.inside(path).and_then(|inside| fs::read_dir(inside).ok());
        let names = entries.into_iter().flatten().take(ENTRIES).flatten();
        let mut names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The direct subdirectories that may be a part of the project, sorted, and whether these are all.
    pub(super) fn subdirectories(&self) -> (Vec<String>, bool) {
        let is_part =
            |name: &String| !name.starts_with('.') && !PASSED_OVER.contains(&name.as_str()) && self.has_dir(name);
        let mut names: Vec<String> = self.names(".").into_iter().filter(is_part).collect();
        let is_complete = names.len() <= SUBDIRECTORIES;
        names.truncate(SUBDIRECTORIES);
        (names, is_complete)
    }

    /// Whether a program is there, for a command that runs in `directory`.
    pub(super) fn has_program(&self, program: &str, directory: &str) -> bool {
        which::find(program.as_ref(), self.path_variable.as_deref(), &self.root.join(directory)).is_some()
    }

    /// The real path of something inside the root.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let is_plain = Path::new(path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        let real = fs::canonicalize(self.root.join(path)).ok().filter(|_| is_plain)?;
        real.starts_with(&self.root).then_some(real)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn text(tree: &Tree, path: &str) -> String {
        match tree.read(path) {
            Text::Here(text) => text,
            Text::Absent => "absent".to_owned(),
            Text::Unusable(why) => why,
        }
    }

    fn put(path: &Path, content: &[u8]) {
        crate::sys::fs::append(path, content).unwrap();
    }

    #[test]
    fn nothing_outside_is_read() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("secret"), b"secret");
        put(&dir.path().join("in/file"), b"\xef\xbb\xbfplain");
        let root = dir.path().join("in");
        symlink("../secret", root.join("link")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("nowhere", root.join("broken")).unwrap();
        symlink("file", root.join("alias")).unwrap();
        let tree = Tree::open(&root, None).unwrap();
        assert_eq!(text(&tree, "file"), "plain", "the mark at its start is no content");
        assert_eq!(text(&tree, "alias"), "plain");
        for path in ["link", "up/secret", "broken", "../secret"] {
            assert!(text(&tree, path).contains("out of the project"), "{path}");
            assert!(!tree.has_file(path), "{path}");
        }
        assert_eq!(text(&tree, "none"), "absent");
        assert!(tree.names("up").is_empty() && !tree.has_dir("up"));
        assert_eq!(tree.subdirectories(), (vec![], true));
    }

    #[test]
    fn what_is_too_large_or_no_text_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("large"), &vec![b'x'; (1 << 20) + 1]);
        put(&dir.path().join("full"), &vec![b'x'; 1 << 20]);
        put(&dir.path().join("binary"), b"\xff\xfe");
        nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let tree = Tree::open(dir.path(), None).unwrap();
        assert!(text(&tree, "large").contains("larger than 1048576 bytes"));
        assert_eq!(text(&tree, "full").len(), 1 << 20);
        assert!(text(&tree, "binary").contains("not UTF-8"));
        assert_eq!(text(&tree, "pipe"), "absent");
        assert!(Tree::open(&dir.path().join("none"), None).is_err());
        assert!(Tree::open(&dir.path().join("full"), None).is_err());
    }

    #[test]
    fn other_peoples_code_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["web", "api", "node_modules", ".git", "examples", "target"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let tree = Tree::open(dir.path(), None).unwrap();
        assert_eq!(tree.subdirectories(), (vec!["api".to_owned(), "web".to_owned()], true));
    }
}
