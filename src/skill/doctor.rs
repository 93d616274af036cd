//! Whether a project has its skills in place, and an agent finds them: rows for people, each with what to do.
//!
//! It looks and changes nothing.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::bundled::DEFAULTS;
use super::catalogue::{Catalogue, DIRECTORY};
use super::tool::{Manifest, Tool, user_skills};
pub use crate::logic::health::Level;
use crate::model::BackendName;
use crate::sys::fs::read_capped;

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// How bad.
    pub level: Level,
    /// About what.
    pub label: String,
    /// What was found.
    pub detail: String,
    /// What to do about it; `None` when nothing is to be done.
    pub next: Option<String>,
}

impl Row {
    /// A row without a next step.
    pub fn new(level: Level, label: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { level, label: label.into(), detail: detail.into(), next: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The project: where autodev.toml and `.skills` are.
    pub root: &'a Path,
    /// The agent in use; without one only the skills are looked at.
    pub backend: Option<BackendName>,
}

/// Looks at the skills of a project, at what the agent in use needs to find them, and at the user's own directory.
pub fn doctor_rows(place: &Place<'_>) -> Vec<Row> {
    let mut rows = skill_rows(place.root);
    let Some(backend) = place.backend else { return rows };
    let Some(tool) = Tool::of(backend) else {
        let name = backend.as_str();
        rows.push(Row::new(Level::Ok, name, format!("the {name} backend reads no files of its own")));
        return rows;
    };
    rows.extend(tool_rows(place.root, tool));
    rows.extend(user_rows(place.root, backend));
    rows
}

fn skill_rows(root: &Path) -> Vec<Row> {
    let dir = root.join(DIRECTORY);
    let init = "`autodev init` adds what is missing and overwrites nothing";
    let catalogue = match Catalogue::of(dir.clone()) {
        Ok(catalogue) => catalogue,
        Err(_) if !dir.exists() => {
            return vec![Row::new(Level::Error, DIRECTORY, format!("missing: {}", dir.display())).next(init)];
        }
        Err(error) => return vec![Row::new(Level::Error, DIRECTORY, error.to_string())],
    };
    let mut rows = vec![Row::new(Level::Ok, DIRECTORY, dir.display().to_string())];
    for name in DEFAULTS {
        let label = format!("skill {name}");
        rows.push(match catalogue.skills.iter().find(|skill| skill.directory == name) {
            None => Row::new(Level::Error, label, format!("missing: {}", dir.join(name).display())).next(init),
            Some(skill) if skill.problems.is_empty() => Row::new(Level::Ok, label, "present"),
            Some(skill) => Row::new(Level::Error, label, skill.problems.join("; "))
                .next(format!("remove {DIRECTORY}/{name}, then `autodev init` writes it anew")),
        });
    }
    let others = catalogue.skills.iter().filter(|skill| !DEFAULTS.contains(&skill.directory.as_str()));
    for skill in others.filter(|skill| !skill.problems.is_empty()) {
        let row = Row::new(Level::Warn, format!("skill {}", skill.directory), skill.problems.join("; "));
        rows.push(row.next(format!("mend {DIRECTORY}/{}/SKILL.md", skill.directory)));
    }
    rows
}

fn tool_rows(root: &Path, tool: &Tool) -> Vec<Row> {
    let name = tool.backend.as_str();
    let init = format!("`autodev init --use {name}` adds what is missing");
    let present = |label: &str, path: &str, is_there: bool| {
        let label = format!("{name} {label}");
        if is_there {
            Row::new(Level::Ok, label, path)
        } else {
            Row::new(Level::Error, label, format!("missing: {}", root.join(path).display())).next(init.as_str())
        }
    };
    let mut rows = vec![
        present("root", tool.root, root.join(tool.root).is_dir()),
        present("guide", tool.guide, root.join(tool.guide).is_file()),
        present("rules", tool.rules, root.join(tool.rules).is_file()),
        link_row(root, tool).unwrap_or_else(|| present("skills", tool.link, false)),
    ];
    for manifest in tool.manifests {
        rows.push(manifest_row(root, name, manifest).unwrap_or_else(|| present(manifest.label, manifest.path, false)));
    }
    rows
}

/// The agent's `skills`; `None` when there is nothing.
fn link_row(root: &Path, tool: &Tool) -> Option<Row> {
    let path = root.join(tool.link);
    let label = format!("{} skills", tool.backend.as_str());
    let metadata = fs::symlink_metadata(&path).ok()?;
    let skills = fs::canonicalize(root.join(DIRECTORY)).ok();
    let leads_to = fs::canonicalize(&path).ok();
    if leads_to.is_some() && leads_to == skills {
        return Some(Row::new(Level::Ok, label, format!("{} -> {DIRECTORY}", tool.link)));
    }
    let again = format!("remove {}, then `autodev init --use {}` links it", tool.link, tool.backend.as_str());
    let row = if metadata.is_symlink() {
        let aim = fs::read_link(&path).unwrap_or_default();
        Row::new(Level::Error, label, format!("{} leads to {}, not to {DIRECTORY}", tool.link, aim.display()))
    } else if metadata.is_dir() {
        Row::new(Level::Warn, label, format!("{} is a copy, which does not follow {DIRECTORY}", tool.link))
    } else {
        Row::new(Level::Error, label, format!("{} is a file", tool.link))
    };
    Some(row.next(again))
}

/// A manifest; `None` when there is none.
fn manifest_row(root: &Path, tool: &str, manifest: &Manifest) -> Option<Row> {
    let path = root.join(manifest.path);
    let label = format!("{tool} {}", manifest.label);
    if !path.exists() {
        return None;
    }
    let row = match read_capped(&path, 1024 * 1024).map(|bytes| serde_json::from_slice::<Value>(&bytes)) {
        Err(error) => Row::new(Level::Error, label, error.to_string()),
        Ok(Err(error)) => Row::new(Level::Error, label, format!("{}: {error}", manifest.path)),
        Ok(Ok(value)) if value.get("name").and_then(Value::as_str).is_none_or(str::is_empty) => {
            Row::new(Level::Error, label, format!("{} has no name", manifest.path))
        }
        Ok(Ok(_)) => Row::new(Level::Ok, label, manifest.path),
    };
    Some(row)
}

fn user_rows(root: &Path, backend: BackendName) -> Vec<Row> {
    let install = "`autodev install-skills` makes them known to the agent";
    let name = backend.as_str();
    match backend {
        BackendName::Claude | BackendName::Gemini => {
            let detail = format!("{name} keeps its own list, which is not looked at");
            return vec![Row::new(Level::Warn, "user level", detail).next(install)];
        }
        BackendName::Command | BackendName::Replay => return Vec::new(),
        BackendName::Codex | BackendName::Opencode => {}
    }
    let Some(user) = user_skills(backend) else {
        return vec![Row::new(Level::Warn, "user level", "there is no home directory: HOME is not set")];
    };
    let dir = root.join(DIRECTORY);
    let Ok(catalogue) = Catalogue::of(dir.clone()) else { return Vec::new() };
    let mut rows = Vec::new();
    let mut installed = 0;
    for skill in &catalogue.skills {
        let target = user.join(&skill.directory);
        let label = format!("user skill {}", skill.directory);
        let is_ours = fs::canonicalize(&target)
            .is_ok_and(|real| fs::canonicalize(dir.join(&skill.directory)).is_ok_and(|ours| ours == real));
        rows.push(match fs::symlink_metadata(&target) {
            Ok(_) if is_ours => {
                installed += 1;
                Row::new(Level::Ok, label, target.display().to_string())
            }
            Ok(metadata) if metadata.is_symlink() => {
                let aim = fs::read_link(&target).unwrap_or_default();
                Row::new(Level::Warn, label, format!("leads to {}", aim.display())).next(install)
            }
            Ok(_) => Row::new(Level::Warn, label, format!("{} is not this project's", target.display()))
                .next("move it away if this project's skill is wanted"),
            Err(_) => Row::new(Level::Warn, label, format!("not installed: {}", target.display())).next(install),
        });
    }
    let all = catalogue.skills.len();
    let level = if installed == all { Level::Ok } else { Level::Warn };
    rows.push(Row::new(level, "user level", format!("{installed} of {all} skills in {}", user.display())));
    rows
}
