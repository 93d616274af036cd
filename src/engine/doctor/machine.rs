//! The machine: room, clocks, limits, containment.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::configuration::Found;
use super::program::{self, Answer, MARKER};
use super::{LIMIT, bounded, shown};
use crate::engine::signals::Stop;
use crate::logic::health::machine::{self as facts, Clocks, Containment, Limits, Room, Surroundings};
use crate::logic::health::{self, Group, Row};
use crate::sys::proc::Spec;
use crate::sys::{clock, env, host, which};

/// Looks at the machine. `refusal` is why there is no temporary directory, `trial` what [`trial`] found.
pub(super) async fn look(
    found: &Found,
    cwd: &Path,
    refusal: Option<&std::io::Error>,
    trial: Result<u32, String>,
    stop: &Stop,
) -> Vec<Row> {
    let (rooms, times, directories, tmux) = tokio::join!(
        rooms(found, refusal.map(ToString::to_string)),
        clocks(found, cwd),
        directories(found),
        tmux(cwd, stop),
    );
    let mut rows = rooms;
    rows.push(
        times.map_or_else(|| health::too_slow(Group::Machine, "clock", LIMIT.as_secs()), |times| facts::clock(&times)),
    );
    let limits = Limits {
        watches: host::inotify("max_user_watches"),
        instances: host::inotify("max_user_instances"),
        directories: directories.flatten(),
        open_files: host::open_files(),
        memory: host::memory(),
    };
    if directories.is_none() {
        rows.push(facts::many_directories(LIMIT.as_secs()));
    }
    rows.extend(facts::limits(&limits));
    rows.push(facts::containment(&Containment { reads_processes: host::reads_processes(), trial }));
    rows.extend(facts::surroundings(&Surroundings { container: host::container(), locale: locale(), tmux }));
    rows
}

async fn rooms(found: &Found, refusal: Option<String>) -> Vec<Row> {
    let temp = std::env::temp_dir();
    let mut rows = Vec::new();
    for (what, path, refusal) in [("project", found.code_dir.clone(), None), ("TMPDIR", temp, refusal)] {
        let asked = path.clone();
        let free = bounded(move || host::space(&asked).map_err(|error| error.to_string())).await;
        let free = free.unwrap_or_else(|| Err(format!("no answer within {} s", LIMIT.as_secs())));
        let free = free.map(|space| (space.bytes, space.inodes));
        rows.extend(facts::room(&Room { what, path: shown(&path), free, refusal }));
    }
    rows
}

async fn clocks(found: &Found, cwd: &Path) -> Option<Clocks> {
    let cwd = cwd.to_path_buf();
    let mut files = vec![found.state_dir.join("journal.db")];
    files.extend(found.config.iter().flat_map(|config| [config.source.clone(), config.files.task_json.clone()]));
    let event = found.newest_event.map(|at| at.timestamp());
    bounded(move || {
        let modified = |path: &Path| {
            let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
            Some(DateTime::<Utc>::from(modified).timestamp())
        };
        let fresh = tempfile::NamedTempFile::new_in(cwd).ok();
        Clocks {
            now: clock::real().timestamp(),
            built: std::env::current_exe().ok().and_then(|exe| modified(&exe)),
            event,
            file: files.iter().filter_map(|file| modified(file)).max(),
            fresh: fresh.and_then(|fresh| modified(fresh.path())),
        }
    })
    .await
}

/// Counts the directories that a watcher would watch; `None` when that takes too long, none inside without a project.
async fn directories(found: &Found) -> Option<Option<u64>> {
    let Some(config) = found.project.as_ref().map(|project| project.config.clone()) else { return Some(None) };
    bounded(move || {
        let is_ignored = |name: &str| config.snapshot.ignore_dirs.iter().any(|ignored| ignored == name);
        let walk = config.snapshot.watch_dirs.iter().flat_map(|dir| {
            walkdir::WalkDir::new(dir).into_iter().filter_entry(|entry| {
                entry.depth() == 0
                    || (entry.file_type().is_dir() && !entry.file_name().to_str().is_some_and(is_ignored))
            })
        });
        Some(walk.flatten().count() as u64)
    })
    .await
}

/// Lets a process leave its parent and its session, and returns how many such were found and ended. To be called while
/// no other child runs: an orphan without a marker could be anybody's.
pub(super) async fn trial(cwd: &Path, adopts: std::io::Result<()>, stop: &Stop) -> Result<u32, String> {
    adopts.map_err(|error| format!("become the parent of orphaned processes: {error}"))?;
    let leave = if which::resolve("setsid".as_ref(), cwd).is_ok() { "setsid " } else { "" };
    let mut spec = Spec::new("/bin/sh", cwd);
    let script = format!("unset {MARKER}; {leave}sleep 6173 >/dev/null 2>&1 </dev/null &");
    spec.args = ["-c".into(), script.into()].to_vec();
    let answer: Answer = program::ask_spec(spec, LIMIT, stop).await?;
    Ok(answer.strays)
}

async fn tmux(cwd: &Path, stop: &Stop) -> Option<String> {
    let mut spec = Spec::new("tmux", cwd);
    spec.args = vec!["-V".into()];
    let answer = program::ask_spec(spec, LIMIT, stop).await.ok()?;
    (answer.code == 0).then(|| answer.first_line()).filter(|line| !line.is_empty())
}

/// The variable that decides about letters.
fn locale() -> String {
    let set = |name: &&str| env::text(name).filter(|value| !value.is_empty());
    ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default()
}
