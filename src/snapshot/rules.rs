//! Which paths count. Only names are looked at; the disk is asked nothing.
//!
//! 1. `ignore_dirs` hides directories, never files: a plain name hides the directory of that name at the top of a watch
//!    directory; the tool directories in [`ANYWHERE`] and `**/name` hide at any depth; `a/b` is a path in the code dir.
//! 2. `ignore_path_globs` are matched with the whole path, as seen from the code directory and from the watch directory;
//!    `*` crosses `/`. So `*.o` hides at any depth, `out-*` and `task.json` only at the top, `docs` all below `docs/`.
//! 3. `include_path_globs`, when there are any, must match as well. 4. autodev's own files and any `.git` never count.
//!
//! Matching single components at any depth is what this avoids: it made `docs/out-of-band.md`, `lib/build/main.c` and
//! `src/logs/reader.py` invisible, and work on them could never be accepted.
//! Invariant: a directory is pruned only when nothing below it can count.

use std::path::{Path, PathBuf};

use super::glob::{ByteSet, Globs, Pattern};
use super::key::Base;
use crate::model::config::SnapshotConfig;

/// Directories that belong to tools wherever they are. They still have to be listed in `ignore_dirs`.
const ANYWHERE: [&str; 7] = [".git", ".hg", ".svn", ".idea", ".vscode", "node_modules", "__pycache__"];

/// Why rules could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Keys can only be made from absolute paths.
    #[error("make snapshot rules: {} is not an absolute path", path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
}

/// Decides by name which paths count.
#[derive(Clone, Debug)]
pub struct Rules {
    base: Base,
    dirs: Vec<DirRule>,
    ignore: Globs,
    include: Globs,
    own: Vec<Own>,
    /// What the keys of `own` start with.
    own_heads: ByteSet,
}

#[derive(Clone, Debug)]
enum DirRule {
    /// Directly below a watch directory.
    Top(Pattern),
    /// At any depth; matched with every tail of the path.
    Anywhere(Pattern),
    /// The path from the code directory.
    At(Pattern),
}

/// A file or directory of autodev itself.
#[derive(Clone, Debug)]
struct Own {
    /// Key of its directory, with a closing slash unless empty.
    parent: Vec<u8>,
    name: Vec<u8>,
}

impl Rules {
    /// Compiles the `[snapshot]` section. `own` are the absolute paths of autodev's own files and directories, existing
    /// or not; each also covers what is below it, its `.bak.*` and `.broken.*` siblings and the temporary files
    /// of atomic writes beside it. Empty patterns are no rule.
    ///
    /// # Errors
    /// When `code_dir` or a path in `own` is not absolute.
    pub fn new(config: &SnapshotConfig, code_dir: &Path, own: &[PathBuf]) -> Result<Self, RuleError> {
        let relative = own.iter().map(PathBuf::as_path).chain([code_dir]).find(|path| !path.is_absolute());
        if let Some(path) = relative {
            return Err(RuleError::NotAbsolute { path: path.to_path_buf() });
        }
        let base = Base::new(code_dir);
        let dirs = config.ignore_dirs.iter().filter_map(|entry| DirRule::new(entry, &base)).collect();
        let (ignore, include) = (Globs::new(&config.ignore_path_globs), Globs::new(&config.include_path_globs));
        let mut rules = Self { base, dirs, ignore, include, own: Vec::new(), own_heads: ByteSet::default() };
        for path in own {
            rules.hide_own(path);
        }
        Ok(rules)
    }

    /// Whether a directory is left out with all below it. `top` is the length of the part of `key` that names the
    /// watch directory.
    pub(super) fn prunes(&self, key: &[u8], top: usize) -> bool {
        let below = key.get(top..).unwrap_or_default();
        if self.is_own(key) || self.dirs.iter().any(|rule| rule.hides(key, below)) {
            return true;
        }
        let slashed = [key, b"/"].concat();
        let mut views = views(&slashed, top);
        let may_include = |view| self.include.is_empty() || self.include.may_cover_below(view);
        views.clone().any(|view| self.ignore.covers_all_below(view)) || !views.any(may_include)
    }

    /// Whether a file or link counts, given that its directory is not pruned.
    pub(super) fn counts(&self, key: &[u8], top: usize) -> bool {
        let mut views = views(key, top);
        !self.is_own(key)
            && !views.clone().any(|view| self.ignore.covers(view))
            && (self.include.is_empty() || views.any(|view| self.include.covers(view)))
    }

    /// Adds one more file of autodev itself.
    pub(super) fn hide_own(&mut self, path: &Path) {
        let key = self.base.key(path);
        let name_at = key.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        let (parent, name) = key.split_at(name_at);
        // The code directory itself, or one around it, cannot be hidden: nothing would be left.
        if !name.is_empty() && name != b".." {
            self.own_heads.add(key.first());
            if parent.is_empty() {
                self.own_heads.add(Some(&b'.'));
            }
            self.own.push(Own { parent: parent.to_vec(), name: name.to_vec() });
        }
    }

    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    fn is_own(&self, key: &[u8]) -> bool {
        self.own_heads.has(key.first()) && self.own.iter().any(|own| own.covers(key))
    }
}

/// Returns a key as seen from the code directory and from the watch directory, once when that is the same.
fn views(key: &[u8], top: usize) -> impl Iterator<Item = &[u8]> + Clone {
    [Some(key), key.get(top..).filter(|_| top > 0)].into_iter().flatten()
}

impl DirRule {
    fn new(entry: &str, base: &Base) -> Option<Self> {
        let entry = entry.trim_end_matches("/**").trim_end_matches('/');
        if let Some(tail) = entry.strip_prefix("**/") {
            return (!tail.is_empty()).then(|| Self::Anywhere(Pattern::new(tail)));
        }
        if !entry.contains('/') {
            return match entry {
                "" | "." | ".." => None,
                name if ANYWHERE.contains(&name) => Some(Self::Anywhere(Pattern::new(name))),
                name => Some(Self::Top(Pattern::new(name))),
            };
        }
        // Joining keeps an absolute entry as it is.
        let key = base.key(&base.dir().join(entry));
        (!key.is_empty()).then(|| Self::At(Pattern::new(&String::from_utf8_lossy(&key))))
    }

    fn hides(&self, key: &[u8], below: &[u8]) -> bool {
        match self {
            Self::Top(pattern) => !below.contains(&b'/') && pattern.matches(below),
            Self::At(pattern) => pattern.matches(key),
            Self::Anywhere(pattern) => {
                let slashes = key.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at + 1);
                slashes.chain([0]).any(|start| key.get(start..).is_some_and(|tail| pattern.matches(tail)))
            }
        }
    }
}

impl Own {
    fn covers(&self, key: &[u8]) -> bool {
        let Some(rest) = key.strip_prefix(self.parent.as_slice()) else { return false };
        if let Some(after) = rest.strip_prefix(self.name.as_slice()) {
            let sibling = after.starts_with(b".bak.") || after.starts_with(b".broken.");
            return after.is_empty() || after.first() == Some(&b'/') || sibling;
        }
        // The names `sys::fs::write_atomic` gives its temporary files.
        rest.starts_with(b".autodev-") && rest.ends_with(b".tmp") && !rest.contains(&b'/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The built-in defaults, and TASK.md as `init` writes it.
    const DIRS: [&str; 8] = [".git", ".idea", ".vscode", "build", "venv", "__pycache__", "node_modules", "logs"];
    const GLOBS: &str = "build-* cmake-build-* out-* *.dir/* *.o *.obj *.so *.a *.dylib *.dll *.pdb *.exp *.lib *.ptx \
                         *.cubin *.fatbin task.json progress.txt TASK.md";

    fn rules(dirs: &[&str], ignore: &[&str], include: &[&str], own: &[&str]) -> Rules {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let config = SnapshotConfig {
            watch_dirs: vec!["/code".into()],
            ignore_dirs: texts(dirs),
            ignore_path_globs: texts(ignore),
            include_path_globs: texts(include),
        };
        let own: Vec<PathBuf> = own.iter().map(PathBuf::from).collect();
        Rules::new(&config, Path::new("/code"), &own).unwrap()
    }

    fn defaults() -> Rules {
        rules(&DIRS, &GLOBS.split_whitespace().collect::<Vec<_>>(), &[], &[])
    }

    /// What the walk does: every directory on the way, then the file.
    fn is_visible(rules: &Rules, path: &str, top: usize) -> bool {
        let mut dirs = path.match_indices('/').map(|(at, _)| at).filter(|&at| at >= top);
        dirs.all(|at| !rules.prunes(&path.as_bytes()[..at], top)) && rules.counts(path.as_bytes(), top)
    }

    fn check(rules: &Rules, hidden: &[&str], visible: &[&str]) {
        for path in hidden {
            assert!(!is_visible(rules, path, 0), "{path} must be hidden");
        }
        for path in visible {
            assert!(is_visible(rules, path, 0), "{path} must be visible");
        }
    }

    #[test]
    fn every_default_directory_is_hidden_where_it_belongs() {
        let rules = defaults();
        check(&rules, &["build/main.o.d", "venv/lib/a.py", "logs/a.log", "logs/deep/a"], &[]);
        check(&rules, &["node_modules/x/i.js", "a/b/node_modules/x", "p/__pycache__/m.pyc", "__pycache__/m"], &[]);
        check(&rules, &[".idea/w.xml", "sub/.idea/w.xml", ".vscode/s.json", "sub/.vscode/s", ".git/HEAD"], &[]);
        check(&rules, &[], &["lib/build/main.c", "src/logs/reader.py", "tools/venv/make.py", "src/build/mod.rs"]);
        check(&rules, &[], &["build", "logs", "venv", "src/build", "node_modules", "buildings/a", "logs.py"]);
    }

    #[test]
    fn every_default_glob_is_hidden_where_it_belongs() {
        let rules = defaults();
        let hidden =
            ["build-debug/a.c", "build-x", "cmake-build-debug/CMakeCache.txt", "out-x64/deep/a.c", "out-a.txt"];
        check(&rules, &hidden, &[]);
        check(&rules, &["x/foo.dir/a", "CMakeFiles/app.dir/src/b.d", "foo.dir/a"], &["foo.dir", "x/foo.dirs/a"]);
        for end in GLOBS.split_whitespace().filter_map(|glob| glob.strip_prefix("*.")).filter(|end| *end != "dir/*") {
            let (top, deep) = (format!("a.{end}"), format!("src/deep/a.{end}"));
            check(&rules, &[&top, &deep], &[&format!("src/{end}"), &format!("src/a.{end}x"), &format!("a.{end}/b.c")]);
        }
        check(
            &rules,
            &["task.json", "progress.txt", "TASK.md"],
            &["src/task.json", "docs/progress.txt", "docs/TASK.md"],
        );
        check(&rules, &[], &["docs/out-of-band.md", "src/build-tools/a.py", "docs/cmake-build-notes.md", "task.json5"]);
    }

    #[test]
    fn a_directory_can_be_named_by_path_or_at_any_depth() {
        let rules = rules(&["docs/gen", "./dist/", "**/target", "/code/abs/dir", "a/*/tmp", "x*"], &[], &[], &[]);
        check(&rules, &["docs/gen/a", "dist/a", "target/a", "sub/target/a", "abs/dir/a", "a/b/tmp/c", "xy/a"], &[]);
        check(&rules, &[], &["a/docs/gen/a", "sub/dist/a", "docs/gen2/a", "docs/gen", "sub/abs/dir/a", "a/xy/b"]);
    }

    #[test]
    fn the_top_is_that_of_the_watch_directory() {
        let rules = defaults();
        assert!(!is_visible(&rules, "../lib/build/a", "../lib/".len()));
        assert!(!is_visible(&rules, "../lib/out-x/a", "../lib/".len()));
        assert!(is_visible(&rules, "../lib/src/build/a", "../lib/".len()));
    }

    #[test]
    fn only_what_is_included_counts() {
        let rules = rules(&[], &["*.min.js"], &["src/**/*.rs", "web", "*.js"], &[]);
        check(
            &rules,
            &["README.md", "src/a.py", "web/x.min.js", "lib/a.rs"],
            &["src/a.rs", "src/a/b.rs", "web/a/b", "x.js"],
        );
        let narrow = self::rules(&[], &[], &["src/*.rs", "docs"], &[]);
        assert!(narrow.prunes(b"vendor", 0), "nothing below can be included");
        assert!(!narrow.prunes(b"src", 0) && !narrow.prunes(b"src/deep", 0) && !narrow.prunes(b"docs", 0));
    }

    #[test]
    fn own_files_never_count() {
        let own = ["/code/ai/queue.json", "/code/.autodev", "/code/logs", "/code", "/"];
        let rules = rules(&[], &[], &[], &own);
        check(
            &rules,
            &["ai/queue.json", "ai/queue.json.bak.20261120", "ai/queue.json.broken.1", "ai/.autodev-x1.tmp"],
            &[],
        );
        check(&rules, &[".autodev/journal.db", "logs/attempts/a.log", "logs"], &[]);
        check(
            &rules,
            &[],
            &["ai/queue.json5", "ai/queue.json.bak", "src/logs/a", "src/.autodev-x1.tmp", "src/main.rs"],
        );
    }

    #[test]
    fn no_rules_hide_nothing_and_empty_ones_are_no_rules() {
        check(&rules(&["", ".", "..", "./", "/"], &["", "./"], &[""], &[]), &[], &["a", ".env", "build/a", "logs/x"]);
        let config = SnapshotConfig {
            watch_dirs: vec![],
            ignore_dirs: vec![],
            ignore_path_globs: vec![],
            include_path_globs: vec![],
        };
        let error = Rules::new(&config, Path::new("code"), &[]).unwrap_err();
        assert!(error.to_string().contains("code is not an absolute path"), "{error}");
    }
}
