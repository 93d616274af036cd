//! autodev.toml: found, read, checked, completed from the defaults and the environment.
//!
//! The result is a [`Config`] whose every path is absolute, or all that is wrong at once, each with its place. This
//! room reads one file and nothing else: no environment (it is passed in), no other path is looked at, no directory is
//! created, and command-line options are laid over the result by others. Invariant: what [`load`] returns obeys the
//! schema; nobody downstream checks a type or a range again.
//!
//! Reading order: [`schema`] (what may stand there), `value` (is it that?), `file` and `environment` (the two
//! sources), `layer` (which wins), `resolve` (what follows), `problem` (how it is told), `template` (what `init` writes), `channel`
//! (what a channel of `[notify]` needs).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::config::Config;
use crate::sys::fs::{Context, PathError, read_capped};

mod channel;
mod environment;
mod file;
mod layer;
mod problem;
mod record;
mod resolve;
pub mod schema;
mod suggest;
mod template;
mod value;

pub use problem::{ConfigError, Place, Problem};
pub use resolve::backend_problem;
pub use template::template;

use layer::{Findings, Layer};
use problem::Source;

/// The name of the file.
pub const FILE_NAME: &str = "autodev.toml";

/// Every key with its default and an explanation, as TOML.
pub const DEFAULTS: &str = include_str!("../../templates/defaults.toml");

/// Largest autodev.toml that is read: far beyond any real one, small enough to parse at once.
const MOST_BYTES: u64 = 1 << 20;

/// A configuration and what is odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Complete and checked.
    pub config: Config,
    /// Unknown sections, keys and variables; sorted by place.
    pub warnings: Vec<Problem>,
}

/// Returns the absolute path of the first autodev.toml in `start` or a directory above it. One that cannot be read, or
/// is a dangling link, is found too: passing over it would run another project. Directories of that name are not.
pub fn discover(start: &Path) -> Option<PathBuf> {
    let start = resolve::absolute(&std::path::absolute(start).ok()?, Path::new(""));
    start.ancestors().map(|dir| dir.join(FILE_NAME)).find(|path| path.symlink_metadata().is_ok() && !path.is_dir())
}

/// Loads a configuration. `path` is shown in messages as it is given; `env` holds all `AUTODEV_*` variables with
/// their values, others are ignored.
///
/// # Errors
/// When the file is missing, unreadable, larger than 1 MiB, not UTF-8 or not TOML, or when values are wrong; then with
/// every one of them.
pub fn load(path: &Path, env: &[(String, String)]) -> Result<Loaded, ConfigError> {
    let bytes = read_capped(path, MOST_BYTES).map_err(|error| missing_or(error, path))?;
    let source = std::path::absolute(path).at("find", path)?;
    let source = resolve::absolute(&source, Path::new(""));
    let text = std::str::from_utf8(&bytes).map_err(|error| not_text(path, &bytes, error.valid_up_to()))?;
    build(&Source::new(path, text), &source, env)
}

/// Returns the configuration of a project in `dir` that sets nothing.
///
/// # Errors
/// Never, as long as the built-in defaults obey the schema.
pub fn builtin(dir: &Path) -> Result<Config, ConfigError> {
    let source = resolve::absolute(dir, Path::new(FILE_NAME));
    Ok(build(&Source::new(&source, ""), &source, &[])?.config)
}

fn missing_or(error: PathError, path: &Path) -> ConfigError {
    if error.source.kind() == io::ErrorKind::NotFound {
        ConfigError::Missing { path: path.to_path_buf() }
    } else {
        ConfigError::Read(error)
    }
}

fn not_text(path: &Path, bytes: &[u8], offset: usize) -> ConfigError {
    let (valid, rest) = bytes.split_at_checked(offset).unwrap_or((bytes, &[]));
    let valid = String::from_utf8_lossy(valid);
    let byte = rest.first().copied().unwrap_or_default();
    let message = format!("not UTF-8: byte 0x{byte:02x} at offset {offset}; save the file as UTF-8");
    let place = Source::new(path, &valid).place(offset);
    let problem = Problem { place, key: String::new(), message, excerpt: None };
    ConfigError::Invalid { problems: vec![problem], warnings: Vec::new() }
}

/// The whole way from text to configuration, without a disk.
fn build(source: &Source<'_>, absolute: &Path, env: &[(String, String)]) -> Result<Loaded, ConfigError> {
    let mut findings = Findings::default();
    let defaults = defaults(&mut findings)?;
    let (environment, overridden) = environment::read(env, &mut findings);
    let written = match file::read(source, &overridden, &mut findings) {
        Ok(layer) => layer,
        Err(problems) => {
            findings.errors.extend(problems);
            return Err(invalid(findings));
        }
    };
    let layer = layer::stack([defaults, written, environment]);
    let mut config: Config = match serde_json::from_value(layer::nested(&layer)) {
        Ok(config) => config,
        // Unreachable while the schema and the model agree, which a test holds.
        Err(error) => {
            findings.errors.push(source.syntax_error(None, &format!("cannot be used: {error}")));
            return Err(invalid(findings));
        }
    };
    resolve::resolve(&mut config, absolute);
    resolve::resolve_programs(&mut config, &layer, &mut findings);
    resolve::check(&config, &layer, &mut findings);
    channel::complete(&mut config, &layer, &mut findings);
    if !findings.errors.is_empty() {
        return Err(invalid(findings));
    }
    Ok(Loaded { config, warnings: in_order(findings.warnings) })
}

/// Reads the built-in file by the same way as any other.
fn defaults(findings: &mut Findings) -> Result<Layer, ConfigError> {
    let source = Source::new(Path::new("defaults.toml"), DEFAULTS);
    let mut layer = file::read(&source, &BTreeSet::new(), findings)
        .map_err(|problems| ConfigError::Invalid { problems, warnings: Vec::new() })?;
    for found in layer.values_mut() {
        found.place = None;
    }
    Ok(layer)
}

fn invalid(findings: Findings) -> ConfigError {
    ConfigError::Invalid { problems: in_order(findings.errors), warnings: in_order(findings.warnings) }
}

fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems
}

#[cfg(test)]
mod tests;
