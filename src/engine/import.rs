//! Plans that need no model: reads the file or folder and hands its text to `plan::import`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;
use walkdir::WalkDir;

use super::project::Project;
use crate::detect::Detected;
use crate::plan::import::{self, Defaults, Document, Format, Gap};
use crate::plan::proposal::{self, Proposal};
use crate::plan::source::Source;
use crate::sys::fs::read_capped;

/// Of one file of a folder; a plan is far smaller.
const FILE_LIMIT: u64 = 4 << 20;
/// Files of a folder that are looked at, and how deep. An OpenSpec change has some dozen in three levels.
const FILES: usize = 500;
const DEPTH: usize = 5;

/// What a file or folder came to.
pub(super) enum Imported {
    /// Tasks that can be worked on as they are.
    Plan {
        format: Format,
        proposal: Proposal,
        /// Remarks for people.
        notes: Vec<String>,
    },
    /// A plan that lacks something: it is for planning. Why, for people.
    Lacking(Vec<String>),
    /// No plan, just text.
    No,
}

/// Returns what a plan gets that it does not say itself: the configured checks, else those found in the project.
pub(super) fn defaults(project: &Project, checks: &Detected) -> Defaults {
    let configured = &project.config.verification.validate_commands;
    let validate_commands = if configured.is_empty() { checks.defaults() } else { configured.clone() };
    Defaults { validate_commands, ..Defaults::default() }
}

/// Reads a plan. `source` is the text of the file, already read.
///
/// # Errors
/// When a folder cannot be read, or the plan is broken or done.
pub(super) fn read(project: &Project, path: &Path, source: &Source, defaults: &Defaults) -> Result<Imported> {
    let absolute = path.canonicalize().with_context(|| format!("read {}", path.display()))?;
    let shown = project.shown(&absolute).replace('\\', "/");
    let shown = if shown.starts_with('/') { source.label.clone() } else { shown };
    let found = if absolute.is_dir() {
        let files = files(&absolute, &shown)?;
        let folder = import::Source::folder(
            files.iter().map(|(path, text)| Document { path: path.as_str(), text: text.as_str() }),
        );
        import::detect_folder(&folder).map(|format| import::read(format, &folder, defaults))
    } else {
        import::detect(&shown, &source.text)
            .map(|format| import::read(format, &import::Source::file(&shown, &source.text), defaults))
    };
    let Some(found) = found else { return Ok(Imported::No) };
    let plan = found?;
    if let Some(Gap::AllDone { .. }) = plan.gaps.first() {
        bail!("{shown}: {}; nothing is left to plan", plan.gaps.first().map(ToString::to_string).unwrap_or_default());
    }
    if plan.gaps.contains(&Gap::NoItem) {
        return Ok(Imported::No);
    }
    let because = |reason: String| format!("{shown}: {reason}; it goes through planning");
    if !plan.is_complete() {
        return Ok(Imported::Lacking(plan.gaps.iter().take(3).map(|gap| because(gap.to_string())).collect()));
    }
    match proposal::read(&json!({"project": "", "tasks": plan.tasks})) {
        Ok(proposal) => Ok(Imported::Plan { format: plan.format, proposal, notes: plan.notes }),
        Err(findings) => {
            Ok(Imported::Lacking(findings.iter().take(3).map(|finding| because(finding.to_string())).collect()))
        }
    }
}

fn files(dir: &Path, shown: &str) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(dir).max_depth(DEPTH).sort_by_file_name().into_iter().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy();
        let is_wanted = name.ends_with(".md") || name == "tasks.json";
        if !entry.file_type().is_file() || !is_wanted {
            continue;
        }
        if files.len() == FILES {
            bail!("{}: more than {FILES} files; name the plan itself", dir.display());
        }
        let below = entry.path().strip_prefix(dir).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
        let text = String::from_utf8_lossy(&read_capped(entry.path(), FILE_LIMIT)?).into_owned();
        files.push((format!("{}/{below}", shown.trim_end_matches('/')), text));
    }
    Ok(files)
}
