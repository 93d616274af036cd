//! Makes a project's skills known to a user's agent by links.
//!
//! Invariant: only symbolic links are made and replaced; a directory or file that is in the way stays as it is.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::catalogue::{Catalogue, DIRECTORY, SkillError};
use crate::sys::fs::{Context as _, PathError};

/// One skill and its link.
#[derive(Debug)]
pub struct Link {
    /// The skill.
    pub name: String,
    /// Where the link is.
    pub target: PathBuf,
    /// What was done.
    pub outcome: LinkOutcome,
}

/// What became of a link.
#[derive(Debug, PartialEq, Eq)]
pub enum LinkOutcome {
    /// It was made.
    Linked,
    /// It led elsewhere, and leads here.
    Replaced {
        /// Where it led.
        was: PathBuf,
    },
    /// It was there already.
    Existing,
    /// Something that is no link is in the way, or the file system refused.
    Refused {
        /// What, and what to do.
        reason: String,
    },
}

impl LinkOutcome {
    /// The word for people and programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Replaced { .. } => "replaced",
            Self::Existing => "existing",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Links every skill of a `.skills` directory into a user's directory, which is made when needed. One that is refused
/// does not keep the others from being linked.
///
/// # Errors
/// When the skills cannot be listed, or the user's directory cannot be made or is another project's.
pub fn link_all(skills: &Path, user_dir: &Path) -> Result<Vec<Link>, SkillError> {
    let skills = fs::canonicalize(skills).at("read", skills)?;
    let catalogue = Catalogue::of(skills.clone())?;
    fs::create_dir_all(user_dir).at("create", user_dir)?;
    let real = fs::canonicalize(user_dir).at("read", user_dir)?;
    if real != skills && real.file_name().is_some_and(|name| name == DIRECTORY) {
        return Err(SkillError::Foreign { dir: user_dir.to_path_buf(), real });
    }
    let links = catalogue.skills.into_iter().map(|skill| {
        let target = user_dir.join(&skill.directory);
        let outcome = link(&skills.join(&skill.directory), &target)
            .unwrap_or_else(|error| LinkOutcome::Refused { reason: error.to_string() });
        Link { name: skill.directory, target, outcome }
    });
    Ok(links.collect())
}

fn link(skill: &Path, target: &Path) -> Result<LinkOutcome, PathError> {
    // Through the link, and also through a user's directory that is a link to `.skills` itself.
    if fs::canonicalize(target).is_ok_and(|real| fs::canonicalize(skill).is_ok_and(|skill| skill == real)) {
        return Ok(LinkOutcome::Existing);
    }
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_symlink() => {
            let was = fs::read_link(target).at("read", target)?;
            let dir = target.parent().unwrap_or(Path::new("."));
            // Made aside and moved over the old one in one step.
            let made = tempfile::Builder::new().prefix(".autodev-").make_in(dir, |path| symlink(skill, path));
            made.and_then(|made| made.into_temp_path().persist(target).map_err(|e| e.error)).at("replace", target)?;
            Ok(LinkOutcome::Replaced { was })
        }
        Ok(metadata) => {
            let kind = if metadata.is_dir() { "a directory" } else { "a file" };
            let reason = format!("{kind} of its own is there; move it away to have the project's skill");
            Ok(LinkOutcome::Refused { reason })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            symlink(skill, target).at("link", target)?;
            Ok(LinkOutcome::Linked)
        }
        Err(error) => Err(error).at("read", target),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::sys::fs::{Durability, write_atomic};

    fn project(root: &Path, names: &[&str]) -> PathBuf {
        let skills = root.join(DIRECTORY);
        for name in names {
            fs::create_dir_all(skills.join(name)).unwrap();
            let text = format!("---\nname: {name}\ndescription: d\n---\n");
            write_atomic(&skills.join(name).join("SKILL.md"), text.as_bytes(), Durability::Cached).unwrap();
        }
        fs::canonicalize(skills).unwrap()
    }

    fn words(links: &[Link]) -> Vec<&'static str> {
        links.iter().map(|link| link.outcome.as_str()).collect()
    }

    #[test]
    fn links_are_made_once_and_follow_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (project(&dir.path().join("one"), &["a", "b"]), project(&dir.path().join("two"), &["a"]));
        let user = dir.path().join("home/.agents/skills");
        assert_eq!(words(&link_all(&one, &user).unwrap()), ["linked", "linked"]);
        assert_eq!(words(&link_all(&one, &user).unwrap()), ["existing", "existing"]);
        let links = link_all(&two, &user).unwrap();
        assert_eq!(links[0].outcome, LinkOutcome::Replaced { was: one.join("a") });
        assert_eq!(fs::read_link(user.join("a")).unwrap(), two.join("a"));
        assert_eq!(fs::read_link(user.join("b")).unwrap(), one.join("b"));
        assert_eq!(fs::read_dir(&user).unwrap().count(), 2, "nothing is left beside");
        fs::remove_dir_all(dir.path().join("two")).unwrap();
        assert_eq!(words(&link_all(&one, &user).unwrap()), ["replaced", "existing"], "also a dangling one");
    }

    #[test]
    fn what_is_no_link_is_refused_and_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let skills = project(dir.path(), &["a", "b", "c"]);
        let user = dir.path().join("user");
        fs::create_dir_all(user.join("a")).unwrap();
        write_atomic(&user.join("a/mine"), b"x", Durability::Cached).unwrap();
        write_atomic(&user.join("b"), b"y", Durability::Cached).unwrap();
        let links = link_all(&skills, &user).unwrap();
        assert_eq!(words(&links), ["refused", "refused", "linked"]);
        assert_eq!(
            (fs::read(user.join("a/mine")).unwrap(), fs::read(user.join("b")).unwrap()),
            (b"x".into(), b"y".into())
        );
    }

    #[test]
    fn a_users_directory_that_leads_to_a_project_is_ours_or_nobodys() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (project(&dir.path().join("one"), &["a"]), project(&dir.path().join("two"), &["a", "b"]));
        let user = dir.path().join("user");
        symlink(&one, &user).unwrap();
        assert_eq!(words(&link_all(&one, &user).unwrap()), ["existing"]);
        let error = link_all(&two, &user).unwrap_err().to_string();
        assert!(error.contains("another project"), "{error}");
        assert_eq!(fs::read_dir(&one).unwrap().count(), 1);
    }
}
