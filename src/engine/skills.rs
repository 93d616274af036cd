//! Skills for the user's agent: looks whether everything is in place, and installs them the way the agent wants it.
//!
//! For codex and opencode that is links in the user's directory; claude and gemini have commands of their own, which
//! are run here with an end to each of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::project::Project;
use super::signals::Stop;
use super::spec_of;
use super::store::Store;
use crate::backend;
use crate::config;
use crate::logic::plain::plain;
use crate::model::BackendName;
use crate::skill::{self, CLAUDE_MANIFESTS, GEMINI_EXTENSION, Level, Link, Manifest, Row, Tool};
use crate::sys;
use crate::sys::proc::{Cause, Happening};
use crate::sys::redact::Redactor;
use crate::sys::tail::Tail;

/// How long one command of an agent may take: it may ask a service for the state of a marketplace.
const LIMIT: Duration = Duration::from_mins(2);

/// What was done to install skills.
#[derive(Debug)]
pub enum Installed {
    /// A link for each skill.
    Links(Vec<Link>),
    /// The agent's own commands, all of which have succeeded, as they would be typed.
    Commands(Vec<String>),
}

/// Looks at the configuration, the skills of the project and what the agent in use needs to find them. `given` is the
/// configuration that was named, `dir` where the search for it begins.
pub fn doctor(given: Option<&Path>, dir: &Path) -> Vec<Row> {
    let project = match Project::open(given, dir) {
        Ok(project) => project,
        Err(error) => {
            let row = Row::new(Level::Error, "config", format!("{error:#}")).next("mend or write autodev.toml");
            let file = given.map(|given| dir.join(given)).or_else(|| config::discover(dir));
            let beside = file.as_deref().and_then(Path::parent);
            let root = beside.or_else(|| dir.ancestors().find(|above| above.join(skill::DIRECTORY).is_dir()));
            let rest = skill::doctor_rows(&skill::Place { root: root.unwrap_or(dir), backend: None });
            return std::iter::once(row).chain(rest).collect();
        }
    };
    let backend = project.config.backend.default;
    let mut rows = vec![Row::new(Level::Ok, "config", project.config.source.display().to_string())];
    rows.extend(project.warnings.iter().map(|warning| Row::new(Level::Warn, "config", warning)));
    // A backend that cannot be used is an error of the configuration.
    rows.push(Row::new(Level::Ok, "backend.default", backend.as_str()));
    rows.extend(skill::doctor_rows(&skill::Place { root: root(&project), backend: Some(backend) }));
    rows
}

/// Makes the project's skills known to the agent in use. Links that were refused are among the rows, not an error.
///
/// # Errors
/// When the backend is no agent with skills, something of the project's skills or manifests is missing, there is no home
/// directory, or a command of the agent is missing or fails.
pub async fn install(project: &Project) -> Result<Installed> {
    let backend = project.config.backend.default;
    let Some(tool) = Tool::of(backend) else {
        bail!(
            "the {} backend has no place for skills; set [backend].default to claude, codex, gemini or opencode",
            backend.as_str()
        );
    };
    let skills = root(project).join(skill::DIRECTORY);
    if !skills.is_dir() {
        bail!("no skills to install: {} is missing; `autodev init` writes it", skills.display());
    }
    match backend {
        BackendName::Claude => Ok(Installed::Commands(claude(project).await?)),
        BackendName::Gemini => Ok(Installed::Commands(gemini(project, tool).await?)),
        BackendName::Codex | BackendName::Opencode | BackendName::Command | BackendName::Replay => {
            let user_dir = skill::user_skills(backend)
                .with_context(|| format!("find the user's directory of {}: HOME is not set", backend.as_str()))?;
            let links = skill::link_all(&skills, &user_dir)?;
            if links.is_empty() {
                bail!("no skills to install: {} holds none", skills.display());
            }
            Ok(Installed::Links(links))
        }
    }
}

async fn claude(project: &Project) -> Result<Vec<String>> {
    let root = root(project);
    let [plugin, marketplace] = &CLAUDE_MANIFESTS;
    let install = format!("{}@{}", name_in(root, plugin)?, name_in(root, marketplace)?);
    let path = |manifest: &Manifest| root.join(manifest.path).display().to_string();
    let mut agent = Agent::new(project, BackendName::Claude)?;
    agent.run(&["plugin", "validate", &path(plugin)]).await?;
    agent.run(&["plugin", "validate", &path(marketplace)]).await?;
    let directory = root.display().to_string();
    agent.run(&["plugin", "marketplace", "add", &directory, "--scope", "local"]).await?;
    agent.run(&["plugin", "install", &install, "--scope", "local"]).await?;
    Ok(agent.done)
}

async fn gemini(project: &Project, tool: &Tool) -> Result<Vec<String>> {
    let root = root(project);
    let manifest = tool.manifests.first().context("the extension has no manifest")?;
    let name = name_in(root, manifest)?;
    let extension = root.join(GEMINI_EXTENSION).display().to_string();
    let mut agent = Agent::new(project, BackendName::Gemini)?;
    agent.run(&["extensions", "validate", &extension]).await?;
    let link = ["extensions", "link", &extension, "--consent"];
    match agent.run(&link).await {
        // Another project's, or ours from before: gemini does not replace a link by itself.
        Err(error) if error.to_string().contains("already installed") => {
            agent.run(&["extensions", "uninstall", &name]).await?;
            agent.run(&link).await?;
        }
        other => other?,
    }
    Ok(agent.done)
}

/// The directory of autodev.toml, where `.skills` and the agents' directories are.
fn root(project: &Project) -> &Path {
    project.config.source.parent().unwrap_or(&project.config.project.config_dir)
}

/// The name in a manifest, which becomes an argument: only a plain word is one.
fn name_in(root: &Path, manifest: &Manifest) -> Result<String> {
    let path = root.join(manifest.path);
    if !path.is_file() {
        bail!("{} is missing: {}; `autodev init` writes it", manifest.label, path.display());
    }
    let bytes = sys::fs::read_capped(&path, 1024 * 1024)?;
    let value: Value = serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?;
    let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !is_plain {
        bail!("{}: the name {name:?} is not made of letters, digits, `-`, `_` and `.`", path.display());
    }
    Ok(name.to_owned())
}

/// An agent's program, and what it was told to do so far.
struct Agent<'a> {
    project: &'a Project,
    backend: BackendName,
    stop: Stop,
    redactor: Redactor,
    done: Vec<String>,
}

impl<'a> Agent<'a> {
    fn new(project: &'a Project, backend: BackendName) -> Result<Self> {
        let stop = Stop::listen()?;
        sys::proc::become_subreaper().context("become the parent of orphaned processes")?;
        let redactor = Redactor::from_env(&sys::env::with_prefix(""));
        Ok(Self { project, backend, stop, redactor, done: Vec::new() })
    }

    /// Runs the program with these arguments; anything but exit code 0 is an error with the end of what it printed.
    async fn run(&mut self, args: &[&str]) -> Result<()> {
        let name = self.backend.as_str();
        let invocation = backend::probe::invocation(self.backend, &self.project.config)
            .with_context(|| format!("{name} has no program"))?;
        let mut spec = spec_of(invocation, root(self.project)).map_err(anyhow::Error::msg)?;
        spec.args = args.iter().map(Into::into).collect();
        // The marker by which processes that leave their session are found.
        spec.env.push(("AUTODEV_RUN_ID".into(), Store::new_run_id().to_string().into()));
        spec.wall = Some(LIMIT);
        let program = PathBuf::from(&spec.program);
        let typed = format!("{} {}", program.display(), args.join(" "));
        let path = sys::env::raw("PATH");
        if sys::which::find(&spec.program, path.as_deref(), &spec.cwd).is_none() {
            bail!("the program {} is not on PATH; install it, or set [backend.{name}].program", program.display());
        }
        let mut tail = Tail::new(30, 8 * 1024);
        let mut keep = |happening: Happening<'_>| {
            if let Happening::Output(_, bytes) = happening {
                tail.push(bytes);
            }
        };
        let ended = sys::proc::run(spec, self.stop.for_child(), &mut keep).await?;
        let why = match ended.cause {
            Cause::Stopped => bail!("stopped by {}", self.stop.signal().unwrap_or("a signal")),
            Cause::Wall | Cause::Idle => format!("did not end within {} s", LIMIT.as_secs()),
            Cause::Itself if ended.code == 0 => {
                self.done.push(typed);
                return Ok(());
            }
            Cause::Itself => format!("ended with exit code {}", ended.code),
        };
        let said = self.redactor.redact(plain(&tail.text()).trim()).into_owned();
        let said = if said.is_empty() { "it printed nothing".to_owned() } else { format!("it printed:\n{said}") };
        bail!("`{typed}` {why}; {said}")
    }
}
