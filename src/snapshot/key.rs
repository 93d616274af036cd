//! From absolute paths to keys: where a path lies as seen from the code directory.
//!
//! Keys have no leading `./`; a path outside the code directory starts with `../`. Nothing here decides what counts.
//! Invariant: two different absolute paths never get the same key.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The code directory as the user names it and as it really is.
#[derive(Clone, Debug)]
pub(super) struct Base {
    lexical: PathBuf,
    real: PathBuf,
}

impl Base {
    /// Takes an absolute path; it need not exist.
    pub(super) fn new(code_dir: &Path) -> Self {
        Self { lexical: tidy(code_dir), real: real(code_dir) }
    }

    /// Returns the code directory as the user names it.
    pub(super) fn dir(&self) -> &Path {
        &self.lexical
    }

    /// Returns the key of an absolute path; empty for the code directory itself. Links count as the place where they
    /// are as long as that is inside the code directory, and as the place they lead to otherwise.
    pub(super) fn key(&self, path: &Path) -> Vec<u8> {
        if let Ok(inside) = tidy(path).strip_prefix(&self.lexical) {
            return inside.as_os_str().as_bytes().to_vec();
        }
        let real = real(path);
        let shared = self.real.components().zip(real.components()).take_while(|(a, b)| a == b).count();
        let up = self.real.components().skip(shared).map(|_| Component::ParentDir);
        let key: PathBuf = up.chain(real.components().skip(shared)).collect();
        key.as_os_str().as_bytes().to_vec()
    }

    /// Returns where a key leads. `..` is left to the kernel, which takes it from the real code directory.
    pub(super) fn path(&self, key: &[u8]) -> PathBuf {
        self.lexical.join(OsStr::from_bytes(key))
    }
}

/// Removes `.` and `..` by name only.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => tidy.push(component),
        }
    }
    tidy
}

/// Resolves links as far as the path exists; the rest is kept by name.
fn real(path: &Path) -> PathBuf {
    let path = tidy(path);
    let found = path.ancestors().find_map(|known| Some((known, known.canonicalize().ok()?)));
    let Some((known, real)) = found else { return path };
    match path.strip_prefix(known) {
        Ok(rest) if rest.as_os_str().is_empty() => real,
        Ok(rest) => real.join(rest),
        Err(_) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(base: &Base, path: &Path) -> String {
        String::from_utf8(base.key(path)).unwrap()
    }

    #[test]
    fn a_key_leads_from_the_code_directory() {
        let base = Base::new(Path::new("/no/such/code/./x/.."));
        for (path, expected) in [
            ("/no/such/code", ""),
            ("/no/such/code/", ""),
            ("/no/such/code/src/a", "src/a"),
            ("/no/such/code/../lib/a", "../lib/a"),
            ("/no/such", ".."),
            ("/other", "../../../other"),
        ] {
            assert_eq!(key(&base, Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn links_are_seen_through_only_outside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("code/src")).unwrap();
        std::fs::create_dir_all(root.join("other")).unwrap();
        std::os::unix::fs::symlink(root.join("code"), root.join("alias")).unwrap();
        std::os::unix::fs::symlink(root.join("other"), root.join("code/linked")).unwrap();
        let base = Base::new(&root.join("alias"));
        assert_eq!(key(&base, &root.join("code/src")), "src");
        assert_eq!(key(&base, &root.join("alias/linked/x")), "linked/x");
        assert_eq!(key(&base, &root.join("other/new")), "../other/new");
        assert_eq!(base.path(b"../other").canonicalize().unwrap(), root.join("other"));
    }
}
