//! What follows from the settings once they are all there: derived values, absolute paths, and what must fit together.

use std::path::{Component, Path, PathBuf};

use super::layer::{Findings, Found, Layer};
use super::problem::Problem;
use super::schema;
use crate::model::config::{BackendName, Config};

/// Makes every path of the configuration absolute and normal, and derives what depends on other keys. `source` is the
/// absolute path of autodev.toml.
pub(super) fn resolve(config: &mut Config, source: &Path) {
    let base = source.parent().unwrap_or(Path::new("/"));
    config.source = source.to_path_buf();
    config.backend.claude.verbose |= config.backend.claude.output_format == "stream-json";

    let files = &mut config.files;
    let under_base = [
        &mut config.project.code_dir,
        &mut config.project.config_dir,
        &mut files.task_json,
        &mut files.progress,
        &mut files.execution_guide,
        &mut files.task_brief,
        &mut files.log_dir,
    ];
    for path in under_base {
        *path = absolute(base, path);
    }
    files.attempt_log_subdir = absolute(&files.log_dir, &files.attempt_log_subdir);
    for path in [&mut config.prompt.template_file, &mut config.prompt.dir, &mut config.backend.replay.session] {
        if !path.as_os_str().is_empty() {
            *path = absolute(base, path);
        }
    }
    for path in &mut config.watch.dirs {
        *path = absolute(base, path);
    }
    for entry in &mut config.schedule.cron {
        entry.plan = absolute(base, &entry.plan);
    }
    for path in &mut config.snapshot.watch_dirs {
        *path = absolute(&config.project.code_dir, path);
    }
}

/// Joins and normalises `.` and `..` by their letters alone; links are not looked at.
pub(super) fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(component),
        }
    }
    normal
}

/// Makes programs that are given as paths absolute. A bare name is looked up in `PATH` later.
pub(super) fn resolve_programs(config: &mut Config, layer: &Layer, findings: &mut Findings) {
    let base = config.source.parent().unwrap_or(Path::new("/")).to_path_buf();
    let backend = &mut config.backend;
    let programs = [
        ("backend.claude", "program", Some(&mut backend.claude.program.program)),
        ("backend.codex", "program", Some(&mut backend.codex.program.program)),
        ("backend.gemini", "program", Some(&mut backend.gemini.program.program)),
        ("backend.opencode", "program", Some(&mut backend.opencode.program.program)),
        ("backend.command", "argv", backend.command.argv.first_mut()),
    ];
    for (section, name, program) in programs {
        let Some(program) = program.filter(|program| program.contains('/')) else { continue };
        match absolute(&base, Path::new(program)).into_os_string().into_string() {
            Ok(path) => *program = path,
            Err(path) => findings.errors.extend(problem(
                layer,
                (section, name),
                format!("{} is not UTF-8; give an absolute path that is", path.display()),
            )),
        }
    }
}

/// Says why a backend cannot be used with these settings, if so. For `backend.default`, [`super::load`] has asked;
/// ask again for a backend that was chosen on the command line.
pub fn backend_problem(config: &Config, backend: BackendName) -> Option<String> {
    match backend {
        BackendName::Command => match config.backend.command.argv.first() {
            Some(program) if !program.trim().is_empty() => None,
            Some(_) => Some("[backend.command].argv: the program, its first element, must not be empty".to_owned()),
            None => Some("[backend.command].argv: must name a program to use the backend \"command\"".to_owned()),
        },
        BackendName::Claude
        | BackendName::Codex
        | BackendName::Gemini
        | BackendName::Opencode
        | BackendName::Replay => None,
    }
}

/// Looks for settings that are fine one by one but not together.
pub(super) fn check(config: &Config, layer: &Layer, findings: &mut Findings) {
    let argv = "[backend.command].argv";
    if let Some(message) = backend_problem(config, config.backend.default)
        && !findings.errors.iter().any(|problem| problem.key == argv)
        && let Some(place) = [("backend.command", "argv"), ("backend", "default")]
            .into_iter()
            .find_map(|key| find(layer, key)?.place.clone())
    {
        // The message names its key, as the command line shows it without a place.
        findings.errors.push(Problem { place, key: String::new(), message, excerpt: None });
    }
    check_files(config, layer, findings);
    let permissions = &config.backend.opencode.permissions;
    if !permissions.is_empty()
        && let Err(error) = serde_json::from_str::<serde_json::Value>(permissions)
    {
        let message = format!("not JSON, opencode will refuse it: {error}");
        findings.warnings.extend(problem(layer, ("backend.opencode", "permissions"), message));
    }
}

/// A file that autodev writes must be no other file that it reads or writes.
fn check_files(config: &Config, layer: &Layer, findings: &mut Findings) {
    let files = &config.files;
    let all = [
        (("files", "task_json"), &files.task_json, true),
        (("files", "progress"), &files.progress, true),
        (("files", "task_brief"), &files.task_brief, true),
        (("files", "execution_guide"), &files.execution_guide, false),
        (("prompt", "template_file"), &config.prompt.template_file, false),
    ];
    for (at, (key, path, is_written)) in all.iter().enumerate() {
        if *is_written && **path == config.source {
            findings.errors.extend(problem(layer, *key, "is autodev.toml itself, and would be overwritten".to_owned()));
        }
        for (other, other_path, other_is_written) in all.iter().skip(at + 1) {
            if path == other_path && (*is_written || *other_is_written) {
                let message = |other: &(&str, &str)| {
                    format!("is the same file as [{}].{}, and would be overwritten", other.0, other.1)
                };
                let told = problem(layer, *other, message(key)).or_else(|| problem(layer, *key, message(other)));
                findings.errors.extend(told);
            }
        }
    }
}

fn find<'a>(layer: &'a Layer, (section, name): (&str, &str)) -> Option<&'a Found> {
    layer.get(&schema::position(section, name)?)
}

/// Returns a problem at the place of a key; `None` when the key has its default, which is never the culprit.
pub(super) fn problem(layer: &Layer, key: (&str, &str), message: String) -> Option<Problem> {
    let found = find(layer, key)?;
    Some(Problem { place: found.place.clone()?, key: found.shown.clone(), message, excerpt: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normal_and_absolute_ones_stay() {
        let table = [
            (".", "/p"),
            ("", "/p"),
            ("a/./b/../c", "/p/a/c"),
            ("../x", "/x"),
            ("../../../x", "/x"),
            ("/abs/../y", "/y"),
            ("a//b/", "/p/a/b"),
        ];
        for (given, want) in table {
            assert_eq!(absolute(Path::new("/p"), Path::new(given)), Path::new(want), "{given}");
        }
    }
}
