//! Makes the entries of a plan that are not there.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{Entry, Kind, Plan, SKILLS, ScaffoldError};
use crate::sys::fs::{Context as _, PathError, write_new};

/// What was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// What was made, in order: relative paths, each once. Directories end in `/`.
    pub created: Vec<String>,
    /// What was left alone though it is in the way, one sentence each.
    pub remarks: Vec<String>,
}

/// How links are made: target text, path.
type Link = fn(&Path, &Path) -> io::Result<()>;

/// Makes what is missing in `dir`, which is created with its parents.
///
/// # Errors
/// When something cannot be written. What was made before stays, and a second call goes on.
pub fn make(dir: &Path, plan: &Plan) -> Result<Made, ScaffoldError> {
    make_with(dir, plan, |target, path| std::os::unix::fs::symlink(target, path))
}

/// [`make`] with another way to make links.
pub(super) fn make_with(dir: &Path, plan: &Plan, link: Link) -> Result<Made, ScaffoldError> {
    let mut maker = Maker { dir, link, made: Made::default(), obstacles: BTreeSet::new() };
    let mut result = std::fs::create_dir_all(dir).at("create", dir);
    for entry in &plan.entries {
        result = result.and_then(|()| maker.entry(entry));
    }
    let made = maker.made.created.len();
    result.map_err(|source| ScaffoldError::Write { source, made })?;
    let mut remarks = plan.remarks.clone();
    remarks.append(&mut maker.made.remarks);
    Ok(Made { remarks, ..maker.made })
}

struct Maker<'a> {
    dir: &'a Path,
    link: Link,
    made: Made,
    /// Directories that are not ours to write into, told already.
    obstacles: BTreeSet<PathBuf>,
}

/// What stands where an entry is to be.
enum Found {
    Nothing,
    File,
    Directory,
    Link(PathBuf),
}

impl Maker<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<(), PathError> {
        let path = self.dir.join(&entry.path);
        if !self.is_open(&path) {
            return Ok(());
        }
        let found = found(&path)?;
        match (&entry.kind, found) {
            (Kind::File { content, is_executable }, Found::Nothing) => {
                self.parent(&path)?;
                if write_new(&path, content, *is_executable)? {
                    self.tell(&entry.shown);
                }
            }
            (Kind::Directory, Found::Nothing) => {
                std::fs::create_dir_all(&path).at("create", &path)?;
                // The directory of skills is told by what is in it.
                if entry.path != SKILLS {
                    self.tell(&entry.shown);
                }
            }
            (Kind::SkillsLink, Found::Nothing) => {
                self.parent(&path)?;
                self.make_link(entry, &path)?;
            }
            (Kind::SkillsLink, Found::Link(target)) => self.look_at_link(entry, &path, &target)?,
            (Kind::SkillsLink, Found::Directory) => {
                if !has_all(&path, &self.dir.join(SKILLS)) {
                    self.remark(
                        &entry.path,
                        &format!("is a directory and was left alone: it lacks skills of {SKILLS}/"),
                    );
                }
            }
            (Kind::File { .. } | Kind::Directory, Found::Link(target)) => {
                if !path.exists() {
                    self.remark(&entry.path, &format!("is a link to {}, which is not there", target.display()));
                }
            }
            (Kind::File { .. }, Found::Directory) => self.remark(&entry.path, "is a directory and was left alone"),
            (Kind::Directory | Kind::SkillsLink, Found::File) => {
                self.remark(&entry.path, "is a file and was left alone");
            }
            (Kind::File { .. }, Found::File) | (Kind::Directory, Found::Directory) => {}
        }
        Ok(())
    }

    /// Whether every directory on the way is ours to write into. A link could lead anywhere, also out of the project.
    fn is_open(&mut self, path: &Path) -> bool {
        let below = path.parent().and_then(|parent| parent.strip_prefix(self.dir).ok()).unwrap_or(Path::new(""));
        let mut at = self.dir.to_path_buf();
        for part in below.components().filter(|part| matches!(part, Component::Normal(_))) {
            at.push(part);
            let Ok(metadata) = at.symlink_metadata() else { return true };
            if metadata.is_dir() {
                continue;
            }
            if self.obstacles.insert(at.clone()) {
                let what = if metadata.is_symlink() { "a link" } else { "a file" };
                let shown = at.strip_prefix(self.dir).unwrap_or(&at).display().to_string();
                self.remark(&shown, &format!("is {what}: nothing was written below it"));
            }
            return false;
        }
        true
    }

    fn parent(&self, path: &Path) -> Result<(), PathError> {
        let parent = path.parent().unwrap_or(self.dir);
        std::fs::create_dir_all(parent).at("create", parent)
    }

    fn make_link(&mut self, entry: &Entry, path: &Path) -> Result<(), PathError> {
        match (self.link)(Path::new(&target(&entry.path)), path) {
            Ok(()) => self.tell(&entry.path),
            // File systems without links say one of these.
            Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
                copy(&self.dir.join(SKILLS), path)?;
                self.tell(&entry.path);
                self.remark(&entry.path, &format!("is a copy of {SKILLS}/: no link could be made here ({error})"));
            }
            Err(error) => return Err(error).at("link", path),
        }
        Ok(())
    }

    fn look_at_link(&mut self, entry: &Entry, path: &Path, to: &Path) -> Result<(), PathError> {
        let leads = path.parent().map(|parent| parent.join(to)).and_then(|end| std::fs::canonicalize(end).ok());
        if leads.is_some() && leads == std::fs::canonicalize(self.dir.join(SKILLS)).ok() {
            return Ok(());
        }
        let to_shown = to.display();
        match leads {
            Some(_) => self.remark(&entry.path, &format!("is a link to {to_shown} and was left alone")),
            // Only our links end in this name: the project was moved, or what holds the link.
            None if to.file_name().is_some_and(|name| name == SKILLS) => {
                std::fs::remove_file(path).at("replace", path)?;
                self.make_link(entry, path)?;
            }
            None => {
                self.remark(&entry.path, &format!("is a link to {to_shown}, which is not there; it was left alone"));
            }
        }
        Ok(())
    }

    fn tell(&mut self, shown: &str) {
        if !self.made.created.iter().any(|told| told == shown) {
            self.made.created.push(shown.to_owned());
        }
    }

    fn remark(&mut self, path: &str, text: &str) {
        self.made.remarks.push(format!("{path} {text}"));
    }
}

fn found(path: &Path) -> Result<Found, PathError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => Ok(Found::Link(std::fs::read_link(path).at("read", path)?)),
        Ok(metadata) if metadata.is_dir() => Ok(Found::Directory),
        Ok(_) => Ok(Found::File),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error).at("look at", path),
    }
}

/// Returns the text of a link at `path` to the skills.
fn target(path: &str) -> String {
    "../".repeat(path.matches('/').count()) + SKILLS
}

/// Whether a directory has every skill of another, which has some: then it may well be a copy.
fn has_all(dir: &Path, skills: &Path) -> bool {
    let mut entries = std::fs::read_dir(skills).into_iter().flatten().flatten().peekable();
    entries.peek().is_some() && entries.all(|entry| dir.join(entry.file_name()).exists())
}

/// Copies a tree without overwriting anything.
fn copy(from: &Path, to: &Path) -> Result<(), PathError> {
    std::fs::create_dir_all(to).at("create", to)?;
    for entry in std::fs::read_dir(from).at("list", from)? {
        let entry = entry.at("list", from)?;
        let (source, copied) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &copied)?;
        } else if copied.symlink_metadata().is_err() {
            std::fs::copy(&source, &copied).at("copy", &source)?;
        }
    }
    Ok(())
}
