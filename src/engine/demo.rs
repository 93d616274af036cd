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

/// Creates the project in `dir`, which must not exist or be empty. Returns its absolute path. Without git on PATH the
/// project is there all the same, without history.
///
/// # Errors
/// When the directory is in use or cannot be written.
pub async fn set_up(dir: &Path) -> Result<PathBuf> {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty; name another directory: autodev demo DIR", dir.display());
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
        for args in
            [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--message", "Start the slug project"]]
        {
            git(&dir, args).await?;
        }
    }
    Ok(dir)
}

/// Returns what there is to see when the demo has ended.
pub fn epilogue(dir: &Path) -> String {
    let shown = dir.display();
    format!(
        "\nThe first attempt claimed success; the runner's own check said otherwise, and the second attempt mended it.\n\n\
         Look at what is there now:\n\n\
         \x20   cd {shown}\n\
         \x20   git log --stat        # one commit per proved task\n\
         \x20   cat progress.txt      # what happened, with the failed check\n\
         \x20   autodev status        # the queue, the cost\n\
         \x20   autodev log           # every decision with its reason\n\n\
         Dashboard: {shown}/logs/dashboard.html\n"
    )
}

async fn git(dir: &Path, args: &[&str]) -> Result<()> {
    let mut spec = Spec::new("git", dir);
    // A newcomer's machine may have no identity yet; the demo's own commits are not theirs anyway.
    let identity = ["-c", "user.name=autodev demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"];
    spec.args = identity.iter().chain(args).map(Into::into).collect();
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
