//! The skills at hand: those of the nearest `.skills` directory, else the bundled ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bundled::bundled;
use super::document::Skill;
use crate::sys::fs::{Context as _, PathError, read_capped};

/// Where a project keeps its skills.
pub const DIRECTORY: &str = ".skills";
/// A larger SKILL.md is not read; the convention is some hundred lines.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Where skills come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A directory.
    Directory(PathBuf),
    /// The program itself.
    Bundled,
}

/// Skills and where they come from.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// Where from.
    pub source: Source,
    /// The skills, by directory.
    pub skills: Vec<Skill>,
}

/// Skills cannot be read or linked.
#[derive(Debug, thiserror::Error)]
pub enum SkillError {
    /// A directory or link cannot be worked with.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The user's directory belongs to another project.
    #[error("{} leads to {}, the skills of another project; remove that link first", dir.display(), real.display())]
    Foreign {
        /// As it is named.
        dir: PathBuf,
        /// Where it leads.
        real: PathBuf,
    },
}

impl Catalogue {
    /// Returns the skills of the first `.skills` directory in `start` or above; the bundled ones when there is none.
    ///
    /// # Errors
    /// When that directory cannot be listed.
    pub fn nearest(start: &Path) -> Result<Self, SkillError> {
        match start.ancestors().map(|dir| dir.join(DIRECTORY)).find(|dir| dir.is_dir()) {
            Some(dir) => Self::of(dir),
            None => Ok(Self::bundled()),
        }
    }

    /// Returns the skills of a directory: its directories, and links to directories, that hold a SKILL.md.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn of(dir: PathBuf) -> Result<Self, SkillError> {
        let mut skills = Vec::new();
        for entry in fs::read_dir(&dir).at("read", &dir)? {
            let entry = entry.at("read", &dir)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || !entry.path().is_dir() {
                continue;
            }
            match read_capped(&entry.path().join("SKILL.md"), FILE_LIMIT) {
                Ok(content) => skills.push(Skill::read(&name, &content)),
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => skills.push(Skill::unreadable(&name, error.to_string())),
            }
        }
        skills.sort_by(|a, b| a.directory.cmp(&b.directory));
        Ok(Self { source: Source::Directory(dir), skills })
    }

    /// Returns the skills inside the program.
    pub fn bundled() -> Self {
        let skill_md = |name: &str| bundled().iter().find(|one| one.name == name).and_then(|one| one.files.first());
        let mut skills: Vec<Skill> =
            bundled().iter().filter_map(|one| Some(Skill::read(one.name, skill_md(one.name)?.content))).collect();
        skills.sort_by(|a, b| a.directory.cmp(&b.directory));
        Self { source: Source::Bundled, skills }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::sys::fs::{Durability, write_atomic};

    fn skill(dir: &Path, name: &str, text: &str) {
        fs::create_dir_all(dir.join(name)).unwrap();
        write_atomic(&dir.join(name).join("SKILL.md"), text.as_bytes(), Durability::Cached).unwrap();
    }

    #[test]
    fn the_nearest_directory_upwards_counts_and_a_broken_skill_is_no_obstacle() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let skills = root.path().join(DIRECTORY);
        skill(&skills, "zeta", "---\nname: zeta\ndescription: last\n---\n");
        skill(&skills, "broken", "---\nname: [\n---\n");
        skill(&skills, "folder", "");
        fs::create_dir_all(skills.join("nothing/SKILL.md")).unwrap();
        fs::create_dir_all(skills.join("empty")).unwrap();
        skill(&skills, ".hidden", "---\nname: hidden\n---\n");
        write_atomic(&skills.join("README.md"), b"x", Durability::Cached).unwrap();
        symlink(skills.join("zeta"), skills.join("alias")).unwrap();
        symlink(skills.join("gone"), skills.join("dangling")).unwrap();
        let catalogue = Catalogue::nearest(&deep).unwrap();
        assert_eq!(catalogue.source, Source::Directory(skills.clone()));
        let found: Vec<&str> = catalogue.skills.iter().map(|skill| skill.directory.as_str()).collect();
        assert_eq!(found, ["alias", "broken", "folder", "nothing", "zeta"]);
        assert!(!catalogue.skills[1].problems.is_empty() && !catalogue.skills[3].problems.is_empty());
        assert_eq!(catalogue.skills[4].description, "last");
    }

    #[test]
    fn without_a_directory_the_bundled_skills_are_at_hand() {
        let catalogue = Catalogue::bundled();
        assert_eq!(catalogue.skills.len(), bundled().len());
        assert!(catalogue.skills.is_sorted_by(|a, b| a.directory < b.directory));
    }
}
