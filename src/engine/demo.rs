//! The demo project: a small real project in a new directory, with git history, tests and two tasks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::watch;

use crate::sys;
use crate::sys::fs::{Context as _, Durability, write_atomic};
use crate::sys::proc::{self, Happening, Spec, Urgency};

/// The files of the project, as they are under examples/demo/project/.
const FILES: [(&str, &str); 5] = [
    ("README.md", include_str!("../../examples/demo/project/README.md")),
    ("autodev.toml", include_str!("../../examples/demo/project/autodev.toml")),
    ("task.json", include_str!("../../examples/demo/project/task.json")),
    ("tests/test_slug.sh", include_str!("../../examples/demo/project/tests/test_slug.sh")),
    ("tests/test_stdin.sh", include_str!("../../examples/demo/project/tests/test_stdin.sh")),
];
/// What git is not to see.
const IGNORED: &str = "/logs/\n/progress.txt\n/TASK.md\n";
/// The repository's own settings: a newcomer's machine may have no identity yet, hooks for all repositories, or a key
/// that asks for a passphrase.
const SETTINGS: [(&str, &str); 4] = [
    ("user.name", "autodev demo"),
    ("user.email", "demo@localhost"),
    ("commit.gpgsign", "false"),
    ("core.hooksPath", ".git/hooks"),
];
/// What would point git to another repository than the demo's.
const ELSEWHERE: [&str; 5] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"];

/// A demo project that is ready to run.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Where it is. Absolute.
    pub dir: PathBuf,
    /// Whether it has a history; it has none when git is not installed.
    pub has_git: bool,
}

/// Creates the project in `dir`, which must not exist or be empty. Without git on PATH the project is there all the
/// same, without history.
///
/// # Errors
/// When the directory is in use or cannot be written.
pub async fn set_up(dir: &Path) -> Result<Demo> {
    if !is_free(dir) {
        bail!("{} is in use; name another directory: autodev demo DIR", dir.display());
    }
    for (name, text) in FILES.iter().chain([&(".gitignore", IGNORED)]) {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).at("create", parent)?;
        }
        write_atomic(&path, text.as_bytes(), Durability::Cached)?;
    }
    let dir = std::fs::canonicalize(dir).at("find", dir)?;
    let has_git = sys::which::find("git".as_ref(), sys::env::raw("PATH").as_deref(), &dir).is_some();
    if has_git {
        git(&dir, &["init", "--quiet"]).await?;
        for (key, value) in SETTINGS {
            git(&dir, &["config", key, value]).await?;
        }
        git(&dir, &["add", "."]).await?;
        git(&dir, &["commit", "--quiet", "--message", "Start the slug project"]).await?;
    }
    Ok(Demo { dir, has_git })
}

/// Returns the first of `name`, `name-2`, `name-3`, ... in `parent` that is free.
pub fn free_dir(parent: &Path, name: &str) -> PathBuf {
    let mut dir = parent.join(name);
    let mut n = 1_u32;
    while !is_free(&dir) {
        n = n.saturating_add(1);
        dir = parent.join(format!("{name}-{n}"));
    }
    dir
}

/// Whether nothing is there, or an empty directory.
fn is_free(dir: &Path) -> bool {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Returns what to tell before the agent works.
pub fn prologue(demo: &Demo) -> String {
    let history = if demo.has_git { "" } else { " (git is not installed: nothing will be committed)" };
    format!(
        "A small project is in {}{history}.\n\
         A recorded agent now works on its two tasks: no account, no network, no cost\n\
         (the tokens and dollars below are recorded too).\n\
         Lines with a time are autodev's, the others are the agent's.\n\n",
        demo.dir.display()
    )
}

/// Returns what there is to see when the demo has ended with this exit code. `program` is how to call autodev.
pub fn epilogue(demo: &Demo, program: &str, code: i32) -> String {
    let dir = demo.dir.display();
    if code != 0 {
        return format!("\nThe demo did not come to its end. Go on with it: cd {dir} && {program} run\n");
    }
    let commits = if demo.has_git { "    git log --stat      # one commit for each proved task\n" } else { "" };
    format!(
        "\nThe agent said that its first attempt was done. autodev ran the tests itself, saw\n\
         them fail and sent it back with their output. Only proved work was kept.\n\n\
         Look at what is there now:\n\n\
         \x20   cd {dir}\n\
         {commits}\
         \x20   cat progress.txt    # what happened, with the output of the failed test\n\
         \x20   {program} status\n\
         \x20   {program} log       # every event, from the journal\n\n\
         For a browser: {dir}/logs/dashboard.html\n"
    )
}

async fn git(dir: &Path, args: &[&str]) -> Result<()> {
    let mut spec = Spec::new("git", dir);
    spec.args = args.iter().map(Into::into).collect();
    spec.env_remove = ELSEWHERE.iter().map(Into::into).collect();
    spec.wall = Some(Duration::from_mins(1));
    let (_keep, stop) = watch::channel(Urgency::None);
    let mut said = Vec::new();
    let mut keep = |happening: Happening<'_>| {
        if let Happening::Output(_, bytes) = happening {
            said.extend_from_slice(bytes);
        }
    };
    let ended = proc::run(spec, stop, &mut keep).await.context("set up the demo's repository")?;
    if ended.code != 0 {
        bail!("git {} in {}: {}", args.join(" "), dir.display(), String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_demo_gets_a_directory_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let name = |dir: PathBuf| dir.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(free_dir(parent.path(), "demo")), "demo");
        std::fs::create_dir(parent.path().join("demo")).unwrap();
        assert_eq!(name(free_dir(parent.path(), "demo")), "demo", "an empty directory is free");
        std::fs::create_dir(parent.path().join("demo/x")).unwrap();
        std::fs::File::create(parent.path().join("demo-2")).unwrap();
        assert_eq!(name(free_dir(parent.path(), "demo")), "demo-3", "a file is in the way too");
    }

    #[test]
    fn a_demo_that_was_stopped_claims_nothing() {
        let demo = Demo { dir: "/tmp/demo".into(), has_git: true };
        assert!(epilogue(&demo, "autodev", 0).contains("git log"));
        assert!(!epilogue(&demo, "autodev", 130).contains("proved"));
        assert!(!epilogue(&Demo { has_git: false, ..demo }, "autodev", 0).contains("git log"));
    }
}
