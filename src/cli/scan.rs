//! `autodev __scan`: times one snapshot, with the project's rules and its stat index, as a run takes it.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::screen;
use crate::engine::project::Project;
use crate::engine::tree::Tree;
use crate::sys::lock::{LockNote, RunLock};

/// Prints `{"files", "dirs", "read", "open_ms", "scan_ms", "ms"}`. `ms` is from a fresh process to the manifest:
/// reading the stat index (`open_ms`), then walking, reading what is not known and writing the index (`scan_ms`).
pub(super) fn main(project: &Project) -> Result<i32> {
    project.prepare()?;
    // The stat index has one writer.
    let _lock = RunLock::acquire(&project.run_lock(), &LockNote::here("scan"))?;
    let begin = Instant::now();
    let mut tree = Tree::open(project)?;
    let opened = begin.elapsed();
    let manifest = tree.scan()?;
    let all = begin.elapsed();
    let tally = tree.tally();
    screen::print_json(&json!({
        "files": manifest.len(),
        "dirs": tally.dirs,
        "read": tally.read,
        "open_ms": opened.as_secs_f64() * 1e3,
        "scan_ms": all.saturating_sub(opened).as_secs_f64() * 1e3,
        "ms": all.as_secs_f64() * 1e3,
    }));
    Ok(0)
}
