//! Which files are plans, and how all of them look at the moment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use crate::engine::project::Project;
use crate::logic::watch::name;

/// What the files end in that say why a plan failed.
const NOTICE: &str = ".error.md";
/// How deep plans may lie below a watched directory.
const DEPTH: usize = 20;

/// Which files are plans.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Scope {
    dirs: Vec<PathBuf>,
    code_dir: PathBuf,
    wanted: GlobSet,
    unwanted: GlobSet,
    /// Plans that come by a schedule, and not because they are there.
    recurring: Vec<PathBuf>,
    /// Names of directories that are not walked.
    closed: Vec<String>,
}

/// What tells cheaply whether a file is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// When content or name last changed, in seconds and nanoseconds since 1970; nobody can set it.
    pub(super) changed: (i64, i64),
}

/// One plan file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its path below the watched directory.
    pub(super) below: String,
    /// How it looks.
    pub(super) stamp: Stamp,
}

/// A look at all plan files.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// By key.
    pub(super) plans: BTreeMap<String, Place>,
    /// Watched directories that were read.
    pub(super) read: Vec<PathBuf>,
    /// Watched directories that are not there.
    pub(super) missing: Vec<PathBuf>,
    /// What could not be read, for people.
    pub(super) troubles: Vec<String>,
}

impl Scope {
    /// Compiles the `[watch]` section.
    ///
    /// # Errors
    /// When a glob is not one.
    pub(in crate::engine) fn new(project: &Project) -> Result<Self> {
        let config = &project.config.watch;
        let (mut wanted, mut unwanted) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for glob in &config.globs {
            let (set, text) = match glob.strip_prefix('!') {
                Some(text) => (&mut unwanted, text),
                None => (&mut wanted, glob.as_str()),
            };
            let glob = GlobBuilder::new(text).literal_separator(true).build();
            set.add(glob.with_context(|| format!("[watch].globs: {text}"))?);
        }
        let closed = project.config.snapshot.ignore_dirs.iter().filter(|name| !name.contains('/')).cloned().collect();
        Ok(Self {
            dirs: config.dirs.clone(),
            code_dir: project.config.project.code_dir.clone(),
            recurring: project.config.schedule.cron.iter().map(|cron| cron.plan.clone()).collect(),
            wanted: wanted.build()?,
            unwanted: unwanted.build()?,
            closed,
        })
    }

    /// Returns the watched directories.
    pub(super) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Whether a file with this absolute path is a plan, or says why one failed.
    pub(in crate::engine) fn owns(&self, path: &Path) -> bool {
        self.below(path).is_some_and(|below| is_notice(below) || self.is_plan(below))
    }

    /// Whether a plan with this key is one that this watches.
    pub(super) fn covers(&self, key: &str) -> bool {
        let path = self.path_of(key);
        let is_ours = name::occasion(key).is_none() && !self.recurring.contains(&path);
        is_ours && self.below(&path).is_some_and(|below| self.is_plan(below))
    }

    /// Returns the path of a plan's file.
    pub(super) fn path_of(&self, key: &str) -> PathBuf {
        self.code_dir.join(name::path(key))
    }

    /// Returns the watched directory that a plan lies in.
    pub(super) fn dir_of(&self, key: &str) -> Option<&PathBuf> {
        let path = self.path_of(key);
        self.dirs.iter().find(|dir| path.starts_with(dir))
    }

    /// Returns the key of a plan file.
    pub(super) fn key_of(&self, path: &Path, occasion: Option<&str>) -> String {
        let shown = path.strip_prefix(&self.code_dir).unwrap_or(path);
        name::key(&shown.to_string_lossy(), occasion)
    }

    fn below<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        self.dirs.iter().find_map(|dir| path.strip_prefix(dir).ok())
    }

    fn is_plan(&self, below: &Path) -> bool {
        let is_hidden = below.components().any(|part| is_hidden(part.as_os_str()));
        !is_hidden && !is_notice(below) && self.wanted.is_match(below) && !self.unwanted.is_match(below)
    }

    /// Looks at every plan file.
    pub(super) fn look(&self) -> Look {
        let mut look = Look::default();
        for dir in &self.dirs {
            match fs::metadata(dir) {
                Ok(meta) if meta.is_dir() => self.look_into(dir, &mut look),
                Ok(_) => look.troubles.push(format!("{} is no directory", dir.display())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => look.missing.push(dir.clone()),
                Err(error) => look.troubles.push(format!("read {}: {error}", dir.display())),
            }
        }
        look
    }

    fn look_into(&self, dir: &Path, look: &mut Look) {
        let is_open = |entry: &walkdir::DirEntry| {
            entry.depth() == 0
                || !entry.file_type().is_dir()
                || !is_hidden(entry.file_name()) && !self.closed.iter().any(|name| entry.file_name() == name.as_str())
        };
        let mut is_whole = true;
        for entry in WalkDir::new(dir).max_depth(DEPTH).into_iter().filter_entry(is_open) {
            let entry = match entry {
                Ok(entry) => entry,
                // A file or directory that went while we looked is gone, and no trouble.
                Err(error) if error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => continue,
                Err(error) => {
                    look.troubles.push(error.to_string());
                    is_whole = false;
                    continue;
                }
            };
            let below = entry.path().strip_prefix(dir).unwrap_or(entry.path());
            let is_recurring = self.recurring.iter().any(|plan| plan == entry.path());
            if entry.file_type().is_dir() || is_recurring || !self.is_plan(below) {
                continue;
            }
            // Links to plans are followed. A pipe would be waited for, and a dangling link leads nowhere.
            let Ok(meta) = fs::metadata(entry.path()) else { continue };
            if meta.is_file() {
                let below = below.to_string_lossy().into_owned();
                let place = Place { path: entry.path().to_path_buf(), below, stamp: Stamp::of(&meta) };
                look.plans.insert(self.key_of(entry.path(), None), place);
            }
        }
        if is_whole {
            look.read.push(dir.to_path_buf());
        }
    }
}

impl Stamp {
    /// Returns the size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn of(meta: &fs::Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Returns the path of the file that says why a plan failed.
pub(super) fn notice_path(plan: &Path) -> PathBuf {
    let file = plan.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = file.strip_suffix(".md").filter(|stem| !stem.is_empty()).unwrap_or(&file);
    plan.with_file_name(format!("{stem}{NOTICE}"))
}

fn is_notice(path: &Path) -> bool {
    path.file_name().is_some_and(|file| file.to_string_lossy().ends_with(NOTICE))
}

/// Hidden files, and those that editors and file managers make beside the one that is edited.
fn is_hidden(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(['.', '#', '~']) || name.ends_with('~')
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as users do")]
mod tests {
    use super::*;

    fn scope(dir: &Path, toml: &str) -> Scope {
        fs::write(dir.join("autodev.toml"), toml).unwrap();
        Scope::new(&Project::open(None, dir).unwrap()).unwrap()
    }

    #[test]
    fn only_plans_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let docs = dir.path().join("ai-docs");
        fs::create_dir_all(docs.join("sub/.git")).unwrap();
        fs::create_dir_all(docs.join("node_modules")).unwrap();
        fs::create_dir_all(docs.join("dir.md")).unwrap();
        for name in [
            "a.md",
            "sub/b.md",
            "README.md",
            "sub/README.md",
            "a.error.md",
            ".a.md",
            "#a.md",
            "a.md~",
            "a.txt",
            ".a.md.swp",
            "sub/.git/c.md",
            "node_modules/d.md",
        ] {
            fs::write(docs.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(docs.join("a.txt"), docs.join("link.md")).unwrap();
        std::os::unix::fs::symlink("nowhere", docs.join("dangling.md")).unwrap();
        let scope = scope(dir.path(), "");
        let look = scope.look();
        let seen: Vec<&str> = look.plans.keys().map(String::as_str).collect();
        assert_eq!(seen, ["ai-docs/a.md", "ai-docs/link.md", "ai-docs/sub/b.md"]);
        assert_eq!(look.plans["ai-docs/sub/b.md"].below, "sub/b.md");
        assert!(look.troubles.is_empty() && look.missing.is_empty() && look.read == [docs.clone()]);
        assert!(scope.owns(&docs.join("a.error.md")) && scope.owns(&docs.join("sub/b.md")));
        assert!(!scope.owns(&docs.join("a.txt")) && !scope.owns(&dir.path().join("a.md")));
        assert!(
            scope.covers("ai-docs/gone.md") && !scope.covers("other/gone.md") && !scope.covers("ai-docs/a.md#night")
        );
    }

    #[test]
    fn a_directory_that_is_missing_or_none_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        let look = scope(dir.path(), "[watch]\ndirs = [\"gone\", \"file\"]\n").look();
        assert_eq!((look.missing.len(), look.troubles.len(), look.read.len()), (1, 1, 0));
    }

    #[test]
    fn a_notice_lies_beside_its_plan() {
        let told = |path: &str| notice_path(Path::new(path)).display().to_string();
        assert_eq!(told("/p/login.md"), "/p/login.error.md");
        assert_eq!(told("/p/tasks.json"), "/p/tasks.json.error.md");
        assert_eq!(told("/p/a.b.md"), "/p/a.b.error.md");
    }
}
