//! Finds the work tree a project is in, and clears away what a killed predecessor left in the temporary directory.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::sys::fs::Context as _;

use super::cli::{Call, Cli, IDENTITY, odd};
use super::error::GitError;
use super::place::{Place, split};
use super::{Git, index};

/// 2.25 (January 2020) is the first with `update-index --ignore-skip-worktree-entries`.
const NEEDED: (&str, u32, u32) = ("2.25", 2, 25);

impl Git {
    /// Finds the work tree that `code_dir` is in. `None` when there is none: no repository, a bare one, inside `.git`,
    /// or no git on this machine. `temp_dir` is created when it is first needed.
    ///
    /// # Errors
    /// When the repository cannot be used: git too old, another owner, damaged configuration.
    pub async fn open(code_dir: &Path, temp_dir: &Path) -> Result<Option<Self>, GitError> {
        Self::open_with(code_dir, temp_dir, Vec::new()).await
    }

    /// The same, with variables that are set for every git command.
    ///
    /// # Errors
    /// As [`Git::open`].
    pub async fn open_with(
        code_dir: &Path,
        temp_dir: &Path,
        env: Vec<(OsString, OsString)>,
    ) -> Result<Option<Self>, GitError> {
        let code_dir = fs::canonicalize(code_dir).at("open", code_dir)?;
        let cli = Cli::new(&code_dir, env.clone());
        let version = match cli.ok(Call::new("ask git for its version", &["version"])).await {
            Err(GitError::Start { source }) if source.source.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        check_version(&String::from_utf8_lossy(&version))?;

        let Some((up, git_dir)) = find(&cli).await? else { return Ok(None) };
        let Some((top, prefix)) = split(&code_dir, &up) else { return Ok(None) };
        let cli = Cli::new(&top, env);
        let (hooks_dir, lacks_identity) = tokio::join!(
            cli.ok(Call::new("look for hooks", &["rev-parse", "--git-path", "hooks"])),
            lacks_identity(&cli),
        );
        let hooks_dir = top.join(path(hooks_dir?));
        let common_dir = common_dir(&git_dir);
        let git = Self {
            cli,
            place: Place::new(top, prefix),
            dir: git_dir,
            common_dir,
            hooks_dir,
            temp_dir: temp_dir.to_path_buf(),
            lacks_identity: lacks_identity?,
        };
        index::clear_leftovers(&git.temp_dir, &git.dir.join("index"))?;
        Ok(Some(git))
    }

    /// Returns settings that give a commit an author, for what git does not know; empty when it knows enough.
    pub(super) async fn identity(&self) -> Result<Vec<String>, GitError> {
        const ACTION: &str = "ask for the author";
        // A project gets an author in the middle of a run at most once: only a lack is checked again.
        if !self.lacks_identity || !lacks_identity(&self.cli).await? {
            return Ok(Vec::new());
        }
        let mut settings = Vec::new();
        for (key, value) in [("user.name", IDENTITY.0), ("user.email", IDENTITY.1)] {
            if self.cli.run(Call::new(ACTION, &["config", "--get", key])).await?.code != 0 {
                settings.push(format!("{key}={value}"));
            }
        }
        Ok(settings)
    }
}

/// Returns the way up from the code directory and the repository's directory.
pub(super) async fn find(cli: &Cli) -> Result<Option<(Vec<u8>, PathBuf)>, GitError> {
    const ACTION: &str = "look for a git work tree";
    let args = ["rev-parse", "--is-inside-work-tree", "--show-cdup", "--absolute-git-dir"];
    let reply = cli.run(Call::new(ACTION, &args)).await?;
    if reply.code != 0 {
        // In a bare repository or inside `.git` the second question fails.
        let is_none = reply.tail.contains("not a git repository") || reply.tail.contains("must be run in a work tree");
        return if is_none { Ok(None) } else { Err(reply.failed(ACTION)) };
    }
    // The first two answers have no line break in them; a path may have.
    let mut lines = reply.out.splitn(3, |b| *b == b'\n');
    let (Some(inside), Some(up), Some(dir)) = (lines.next(), lines.next(), lines.next()) else {
        return if reply.out.starts_with(b"false") { Ok(None) } else { Err(odd(ACTION, &reply.out)) };
    };
    Ok((inside == b"true").then(|| (up.to_vec(), path(dir.to_vec()))))
}

/// Whether git would refuse to commit because it does not know by whom.
pub(super) async fn lacks_identity(cli: &Cli) -> Result<bool, GitError> {
    const ACTION: &str = "ask for the author";
    let (author, committer) = tokio::join!(
        cli.run(Call::new(ACTION, &["var", "GIT_AUTHOR_IDENT"])),
        cli.run(Call::new(ACTION, &["var", "GIT_COMMITTER_IDENT"])),
    );
    Ok(author?.code != 0 || committer?.code != 0)
}

/// The repository's shared directory, which differs in linked work trees.
fn common_dir(git_dir: &Path) -> PathBuf {
    match crate::sys::fs::read_capped(&git_dir.join("commondir"), 64 * 1024) {
        Ok(target) => git_dir.join(path(target)),
        Err(_) => git_dir.to_path_buf(),
    }
}

/// Turns one printed path into a path.
pub(super) fn path(mut printed: Vec<u8>) -> PathBuf {
    if printed.last() == Some(&b'\n') {
        printed.pop();
    }
    PathBuf::from(OsString::from_vec(printed))
}

pub(super) fn check_version(printed: &str) -> Result<(), GitError> {
    let found = printed.trim().trim_start_matches("git version ").to_owned();
    let mut numbers = found.split('.').map(|part| part.parse::<u32>().ok());
    let (needed, major, minor) = NEEDED;
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(a), Some(b)) if (a, b) >= (major, minor) => Ok(()),
        _ => Err(GitError::TooOld { found, needed }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testrepo::{Repo, git_env};
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for good in ["git version 2.47.3\n", "git version 2.25.1.windows.1", "git version 3.0", "git version 2.100"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["git version 2.9.5", "git version 1.99", "git version 2", "", "hub"] {
            assert!(check_version(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_directory_without_work_tree_has_no_git() {
        let dir = tempfile::tempdir().unwrap();
        let open = async |path: &Path| Git::open_with(path, &dir.path().join("tmp"), git_env(dir.path())).await;
        assert!(open(dir.path()).await.unwrap().is_none(), "no repository");
        let repo = Repo::new();
        repo.git(&["init", "-q", "--bare", "bare.git"]);
        assert!(open(&repo.dir.join("bare.git")).await.unwrap().is_none(), "bare");
        assert!(open(&repo.dir.join(".git")).await.unwrap().is_none(), "inside .git");
        assert!(open(&dir.path().join("missing")).await.is_err());
        let no_git = vec![("PATH".into(), "/nowhere".into())];
        assert!(Git::open_with(&repo.dir, &repo.temp, no_git).await.unwrap().is_none(), "no git program");
    }

    #[tokio::test]
    async fn a_broken_configuration_is_no_missing_repository() {
        let repo = Repo::new();
        repo.write(".git/config", "[core\n");
        let error = Git::open_with(&repo.dir, &repo.temp, repo.env()).await.unwrap_err();
        assert!(error.to_string().contains("config"), "{error}");
    }

    #[tokio::test]
    async fn head_is_found_however_it_is_stored() {
        let repo = Repo::new();
        let git = repo.open().await;
        assert_eq!(git.head().await.unwrap(), None, "a branch without commits");
        assert_eq!(git.recent_log(3).await.unwrap(), []);
        repo.commit_file("a", "1", "first");
        repo.commit_file("a", "2", "");
        let head = repo.git(&["rev-parse", "HEAD"]);
        assert_eq!(git.head().await.unwrap().as_deref(), Some(head.as_str()));
        repo.git(&["pack-refs", "--all"]);
        assert_eq!(git.head().await.unwrap().as_deref(), Some(head.as_str()), "packed");
        repo.git(&["checkout", "-q", "--detach"]);
        assert_eq!(git.head().await.unwrap().as_deref(), Some(head.as_str()), "detached");
        let log = git.recent_log(5).await.unwrap();
        assert_eq!(log.iter().map(|(_, subject)| subject.as_str()).collect::<Vec<_>>(), ["", "first"]);
        assert!(head.starts_with(&log[0].0));
        assert_eq!(git.recent_log(1).await.unwrap().len(), 1);
    }

    /// Runs itself again with the variables that a hook of another repository would hand down.
    #[tokio::test]
    async fn inherited_variables_do_not_lead_elsewhere() {
        if crate::sys::env::text("AUTODEV_TEST_INHERITED").is_some() {
            let repo = Repo::new();
            assert_eq!(repo.open().await.head().await.unwrap(), None, "the variables name a repository with a commit");
            return;
        }
        let other = Repo::new();
        other.commit_file("a", "1", "first");
        let mut spec = crate::sys::proc::Spec::new(std::env::current_exe().unwrap(), &other.dir);
        let name = "git::open::tests::inherited_variables_do_not_lead_elsewhere";
        spec.args = ["--exact", name, "--nocapture"].map(Into::into).to_vec();
        let git_dir = other.dir.join(".git");
        for (name, value) in [
            ("AUTODEV_TEST_INHERITED", other.dir.clone()),
            ("GIT_DIR", git_dir.clone()),
            ("GIT_WORK_TREE", other.dir.clone()),
            ("GIT_INDEX_FILE", git_dir.join("index")),
            ("GIT_GLOB_PATHSPECS", "1".into()),
        ] {
            spec.env.push((name.into(), value.into()));
        }
        let (_sender, stop) = tokio::sync::watch::channel(crate::sys::proc::Urgency::None);
        let ended = crate::sys::proc::run(spec, stop, &mut |_| {}).await.unwrap();
        assert_eq!(ended.code, 0, "the inner run failed");
    }
}
