//! The agent programs: found, asked for their version, and whether they are logged in. All at the same time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::configuration::Found;
use super::program::{self, Answer};
use super::{bounded, shown};
use crate::backend::{login, probe};
use crate::config::backend_problem;
use crate::engine::signals::Stop;
use crate::logic::health::Row;
use crate::logic::health::agent::{self, Agent, Login, Program, Root, Told, Version};
use crate::model::{BackendName, Config};
use crate::sys;
use crate::sys::which;

/// Largest file of settings that is looked into.
const SETTINGS: u64 = 1 << 20;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) rows: Vec<Row>,
    /// The version of the program that a run would use, when it is known.
    pub(super) version: Option<probe::Version>,
}

/// Looks at every agent program that could be used.
pub(super) async fn look(found: &Found, cwd: &Path, stop: &Stop) -> Seen {
    let Some(config) = &found.config else { return Seen::default() };
    let one = |name| Look { found, config, name, is_default: found.backend == Some(name), cwd, stop }.one();
    let (claude, codex, gemini, opencode, command, replay) = tokio::join!(
        one(BackendName::Claude),
        one(BackendName::Codex),
        one(BackendName::Gemini),
        one(BackendName::Opencode),
        one(BackendName::Command),
        one(BackendName::Replay),
    );
    let all = [claude, codex, gemini, opencode, command, replay];
    let version = all.iter().find_map(|seen| seen.version);
    Seen { rows: all.into_iter().flat_map(|seen| seen.rows).collect(), version }
}

/// One program, and how it is looked at.
#[derive(Clone, Copy)]
struct Look<'a> {
    found: &'a Found,
    config: &'a Config,
    name: BackendName,
    is_default: bool,
    cwd: &'a Path,
    stop: &'a Stop,
}

impl Look<'_> {
    async fn one(self) -> Seen {
        let Self { config, name, is_default, .. } = self;
        let is_own = matches!(name, BackendName::Command | BackendName::Replay);
        if is_own && !is_default && (name == BackendName::Replay || config.backend.command.argv.is_empty()) {
            return Seen::default();
        }
        let (program, version) = self.program().await;
        let mut rows = agent::agent(&Agent { name, is_default, install: probe::install(name), program });
        if is_default && name == BackendName::Claude {
            rows.extend(agent::root(root(config)));
        }
        Seen { rows, version: version.filter(|_| is_default) }
    }

    async fn program(self) -> (Program, Option<probe::Version>) {
        let Self { config, name, cwd, .. } = self;
        if let Some(why) = backend_problem(config, name) {
            return (Program::Unusable { why }, None);
        }
        let wanted = match (probe::invocation(name, config), name) {
            (Some(invocation), _) => invocation.program,
            (None, BackendName::Command) => config.backend.command.argv.first().map(OsString::from).unwrap_or_default(),
            // It is played by autodev itself.
            (None, _) => std::env::current_exe().map(OsString::from).unwrap_or_default(),
        };
        let path_var = variable(config, name, "PATH").map(OsString::from).or_else(|| sys::env::raw("PATH"));
        let Some(path) = which::find(&wanted, path_var.as_deref(), cwd) else {
            let why =
                which::resolve(&wanted, cwd).err().map_or_else(|| "not on its PATH".to_owned(), |error| error.why);
            let name = if *wanted == *name.as_str() { String::new() } else { format!("{}: ", wanted.display()) };
            return (Program::Missing { why: name + &why }, None);
        };
        let (version, known) = self.version().await;
        let login = self.login(known).await;
        (Program::Found { path: shown(&path), version, login }, known)
    }

    async fn version(self) -> (Version, Option<probe::Version>) {
        let Self { config, name, cwd, stop, .. } = self;
        let Some(invocation) = probe::invocation(name, config) else { return (Version::NotAsked, None) };
        match program::ask(invocation, cwd, probe::LIMIT, stop).await {
            Err(why) => (Version::NotStarted { why }, None),
            Ok(answer) if answer.is_cut => (Version::Silent { seconds: probe::LIMIT.as_secs() }, None),
            Ok(answer) if answer.code != 0 => (Version::Failed { code: answer.code, tail: answer.last_line() }, None),
            Ok(answer) => match probe::parse_version(&answer.out) {
                Some(known) => (Version::Known { text: known.to_string(), age: probe::age(name, known) }, Some(known)),
                None => (Version::Odd { said: said(&answer) }, None),
            },
        }
    }

    async fn login(self, version: Option<probe::Version>) -> Login {
        let Self { found, config, name, is_default, cwd, stop } = self;
        // opencode needs 2 to 7 s to say what its file and the variables say as well.
        let is_worth_it = is_default || name != BackendName::Opencode;
        let told = match login::invocation(name, config, version).filter(|_| is_worth_it) {
            Some(invocation) => match program::ask(invocation, cwd, probe::LIMIT, stop).await {
                Ok(answer) if !answer.is_cut => login::told(name, answer.code, &answer.out, &answer.err),
                Ok(_) | Err(_) => Told::Nothing,
            },
            None => Told::Nothing,
        };
        let (config, code_dir) = (config.clone(), found.code_dir.clone());
        let traces = bounded(move || traces(&config, name, &code_dir)).await.unwrap_or_default();
        Login { told, ..traces }
    }
}

fn said(answer: &Answer) -> String {
    let line = answer.first_line();
    if line.is_empty() { "nothing".to_owned() } else { format!("\"{line}\"") }
}

/// What the environment and the disk say about a login.
fn traces(config: &Config, name: BackendName, code_dir: &Path) -> Login {
    let known = login::traces(name);
    let variable = |wanted: &str| variable(config, name, wanted);
    let set = |names: &[&str]| -> Vec<String> {
        names.iter().filter(|name| variable(name).is_some()).map(|name| (*name).to_owned()).collect()
    };
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    let mut variables = set(known.variables);
    if let Some(file) = login::variable_files(name, code_dir, &home).into_iter().find(|file| file.is_file()) {
        let found = login::variables_in(name, &text(&file));
        variables.extend(found.into_iter().map(|variable| format!("{variable} in {}", file.display())));
    }
    let files = login::files(name, &home, &variable).into_iter();
    let settings = login::settings_files(name, code_dir, &home, &variable)
        .iter()
        .map(|file| text(file) + "\n")
        .collect::<String>();
    Login {
        told: Told::Nothing,
        variables,
        unread: set(known.unread),
        // An empty file, or an empty object, is what is left after a logout.
        files: files
            .filter(|file| std::fs::metadata(file).is_ok_and(|file| file.len() > 4))
            .map(|file| shown(&file))
            .collect(),
        has_own_service: login::has_own_service(name, config, &settings, &variable),
        is_optional: known.is_optional,
        command: known.command.to_owned(),
    }
}

fn text(file: &Path) -> String {
    let bytes = sys::fs::read_capped(file, SETTINGS).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A variable as the program would see it; an empty one is not set.
fn variable(config: &Config, name: BackendName, wanted: &str) -> Option<String> {
    let own = environment(config, name).get(wanted).cloned();
    own.or_else(|| sys::env::text(wanted)).filter(|value| !value.is_empty())
}

/// Returns what is set for a program by autodev.toml.
pub(super) fn environment(config: &Config, name: BackendName) -> BTreeMap<String, String> {
    let backend = &config.backend;
    match name {
        BackendName::Claude => backend.claude.program.environment.clone(),
        BackendName::Codex => backend.codex.program.environment.clone(),
        BackendName::Gemini => backend.gemini.program.environment.clone(),
        BackendName::Opencode => backend.opencode.program.environment.clone(),
        BackendName::Command => backend.command.environment.clone(),
        BackendName::Replay => BTreeMap::new(),
    }
}

fn root(config: &Config) -> Root<'_> {
    let mode = &config.run.root_mode;
    Root {
        is_root: nix::unistd::geteuid().is_root(),
        skips_permissions: config.backend.claude.skip_permissions,
        drops_flag: mode.disable_skip_permissions,
        mode: &mode.fallback_permission_mode,
        is_sandbox: variable(config, BackendName::Claude, "IS_SANDBOX").is_some(),
    }
}
