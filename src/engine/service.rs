//! `autodev service`: puts a service file where the user's service manager looks, and asks the manager to take it.
//!
//! A file that autodev did not write is never touched, nor one of another project. Installing twice is installing once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::doctor::program::{Answer, ask_spec};
use super::project::Project;
use super::signals::Stop;
use crate::model::Digest;
use crate::sys;
use crate::sys::fs::{Context as _, Durability, read_capped, write_atomic};
use crate::sys::proc::Spec;
use crate::view::service::{self, Service};

/// What the service does: this command of autodev.
pub const COMMAND: &str = "run";
/// How long a service manager may take for one answer.
const LIMIT: Duration = Duration::from_mins(1);
/// A service file has some 2 KB.
const FILE_LIMIT: u64 = 256 << 10;

/// The service managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// systemd's manager of the user.
    Systemd,
    /// launchd, as agents of the user.
    Launchd,
}

impl Kind {
    /// Returns the one of this machine.
    pub fn here() -> Self {
        if cfg!(target_os = "macos") { Self::Launchd } else { Self::Systemd }
    }

    /// Returns the word used in options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
        }
    }

    fn manager(self) -> &'static str {
        match self {
            Self::Systemd => "systemctl",
            Self::Launchd => "launchctl",
        }
    }
}

/// The service of a project.
#[derive(Clone, Debug)]
pub struct ServiceFile {
    kind: Kind,
    /// By which the manager knows it: `autodev-demo.service`, `dev.autodev.demo`.
    pub label: String,
    /// Where the file is, or will be.
    pub path: PathBuf,
    /// What it holds when it is up to date.
    pub text: String,
    mark: String,
    logs: Option<PathBuf>,
}

/// What is at the place of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Our file, as it would be written now.
    Current,
    /// Our file, written for another program, path or version.
    Outdated,
    /// Our file of another project.
    OtherProject,
    /// Something autodev did not write.
    Foreign,
}

/// What was done, and what is left to do by hand.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Whether the file was written or removed.
    pub has_changed: bool,
    /// The manager's commands that were carried out.
    pub done: Vec<String>,
    /// Commands to call by hand, each with its reason.
    pub left: Vec<(String, String)>,
    /// Remarks.
    pub notes: Vec<String>,
}

/// How the service stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What is at the place of the file.
    pub found: Found,
    /// What the manager says about it (`active`, `inactive`, `failed`, ...); `None` when it cannot be asked.
    pub state: Option<String>,
    /// Whether it starts with the user's session; `None` when the manager cannot be asked.
    pub is_enabled: Option<bool>,
    /// Whether it goes on when the user logs out; `None` when that cannot be asked or is no question.
    pub lingers: Option<bool>,
}

impl ServiceFile {
    /// Describes the service of a project. `name` replaces the one that is made from the project's.
    ///
    /// # Errors
    /// When the home of the user is not known, or a path cannot stand in such a file.
    pub fn of(project: &Project, kind: Kind, name: Option<&str>) -> Result<Self> {
        let config = &project.config;
        let name = service::name(name.unwrap_or(&config.project.name));
        let source = text(&config.source)?;
        let dir = text(config.source.parent().unwrap_or(Path::new("/")))?;
        let program = std::env::current_exe().context("find autodev's own program")?;
        let log = config.files.log_dir.join("service.log");
        let path = sys::env::text("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let mark: String = Digest(sys::hash::bytes(source.as_bytes())).to_string().chars().take(12).collect();
        let home = sys::env::raw("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let home = home.context("HOME is not set, so there is no place for a user's services")?;
        let (label, place) = match kind {
            Kind::Systemd => {
                let config = sys::env::raw("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
                let label = format!("autodev-{name}");
                let place =
                    config.unwrap_or(home.join(".config")).join("systemd/user").join(format!("{label}.service"));
                (label, place)
            }
            Kind::Launchd => {
                let label = format!("dev.autodev.{name}");
                let place = home.join("Library/LaunchAgents").join(format!("{label}.plist"));
                (label, place)
            }
        };
        let facts = Service {
            name: &label,
            mark: &mark,
            title: &config.project.name,
            program: text(&program)?,
            arguments: &["-c", source, COMMAND],
            dir,
            path: &path,
            log: text(&log)?,
        };
        let content = match kind {
            Kind::Systemd => service::systemd(&facts),
            Kind::Launchd => service::launchd(&facts),
        };
        let content = content.map_err(|error| anyhow!(error))?;
        let label = if kind == Kind::Systemd { format!("{label}.service") } else { label };
        Ok(Self { kind, label, path: place, text: content, mark, logs: log.parent().map(Path::to_path_buf) })
    }

    /// Says what is at the place of the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn found(&self) -> Result<Found> {
        if self.path.symlink_metadata().is_err() {
            return Ok(Found::Nothing);
        }
        // A link (that of `systemctl mask`, for example) is somebody's decision.
        if !self.path.is_file() || self.path.is_symlink() {
            return Ok(Found::Foreign);
        }
        let text = String::from_utf8_lossy(&read_capped(&self.path, FILE_LIMIT)?).into_owned();
        Ok(match service::owner(&text) {
            None => Found::Foreign,
            Some(mark) if mark != self.mark => Found::OtherProject,
            Some(_) if text == self.text => Found::Current,
            Some(_) => Found::Outdated,
        })
    }

    /// Writes the file, unless it is there already, and unless `starts` is false has it taken over and started.
    ///
    /// # Errors
    /// When the place is taken by something else, or the file cannot be written.
    pub async fn install(&self, starts: bool) -> Result<Report> {
        let mut report = Report::default();
        let found = self.found()?;
        match found {
            Found::Current => {}
            Found::Nothing | Found::Outdated => {
                // launchd makes no directory for what the service prints.
                let logs = self.logs.as_deref().filter(|_| self.kind == Kind::Launchd);
                for dir in self.path.parent().into_iter().chain(logs) {
                    std::fs::create_dir_all(dir).at("create", dir)?;
                }
                write_atomic(&self.path, self.text.as_bytes(), Durability::Synced)?;
                report.has_changed = true;
            }
            Found::OtherProject | Found::Foreign => bail!("{}", self.taken(found)),
        }
        let steps = match self.kind {
            Kind::Systemd => vec![vec!["--user", "daemon-reload"], vec!["--user", "enable", "--now", &self.label]],
            Kind::Launchd => vec![vec!["load", "-w", self.path.to_str().unwrap_or_default()]],
        };
        let was_taken = self.carry_out(&steps, starts, &mut report).await?;
        if found == Found::Outdated {
            let again = match self.kind {
                Kind::Systemd => format!("systemctl --user restart {}", self.label),
                Kind::Launchd => format!("launchctl kickstart -k gui/{}/{}", nix::unistd::getuid(), self.label),
            };
            report.left.push((again, "when it may be interrupted: it still runs as it was before".to_owned()));
        }
        if self.kind == Kind::Systemd && self.lingers().await? == Some(false) {
            let why = "it ends when you log out, unless your services linger".to_owned();
            report.left.push(("loginctl enable-linger".to_owned(), why));
        }
        if was_taken {
            let logs = match self.kind {
                Kind::Systemd => format!("what it prints: journalctl --user -u {}", self.label),
                Kind::Launchd => "what it prints: logs/service.log".to_owned(),
            };
            report.notes.push(logs);
        }
        report.notes.push(
            "of your environment it has PATH only; for keys of agents see environment.d(5), or `systemctl --user edit`"
                .to_owned(),
        );
        Ok(report)
    }

    /// Stops the service, has it forgotten and removes the file. Nothing is done when there is none.
    ///
    /// # Errors
    /// When the file is not ours, or cannot be removed.
    pub async fn uninstall(&self) -> Result<Report> {
        let mut report = Report::default();
        let found = self.found()?;
        match found {
            Found::Nothing => return Ok(report),
            Found::Current | Found::Outdated => {}
            Found::OtherProject | Found::Foreign => bail!("{}", self.taken(found)),
        }
        let stop = match self.kind {
            Kind::Systemd => vec![vec!["--user", "disable", "--now", self.label.as_str()]],
            Kind::Launchd => vec![vec!["unload", "-w", self.path.to_str().unwrap_or_default()]],
        };
        self.carry_out(&stop, true, &mut report).await?;
        std::fs::remove_file(&self.path).at("remove", &self.path)?;
        report.has_changed = true;
        if self.kind == Kind::Systemd {
            self.carry_out(&[vec!["--user", "daemon-reload"]], true, &mut report).await?;
        }
        Ok(report)
    }

    /// Says how the service stands. Changes nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn standing(&self) -> Result<Standing> {
        let found = self.found()?;
        let (state, is_enabled) = match self.kind {
            Kind::Systemd => {
                let active = ask("systemctl", &["--user", "is-active", &self.label]).await?;
                let enabled = ask("systemctl", &["--user", "is-enabled", &self.label]).await?;
                // Without a manager to talk to, it complains and prints nothing.
                let word = |answer: Option<Answer>| Some(answer?.first_line()).filter(|word| !word.is_empty());
                (word(active), word(enabled).map(|word| word == "enabled"))
            }
            Kind::Launchd => {
                let listed = ask("launchctl", &["list", &self.label]).await?;
                let state = listed.map(|answer| if answer.code == 0 { "loaded" } else { "not loaded" }.to_owned());
                (state, None)
            }
        };
        let lingers = if self.kind == Kind::Systemd { self.lingers().await? } else { None };
        Ok(Standing { found, state, is_enabled, lingers })
    }

    /// Lets the manager carry out commands until one fails. What is not carried out is left to the person, with the
    /// reason. Returns whether all were.
    async fn carry_out(&self, steps: &[Vec<&str>], starts: bool, report: &mut Report) -> Result<bool> {
        let manager = self.kind.manager();
        let mut reason = (!starts).then(|| "not started, as asked for".to_owned());
        for step in steps {
            let command =
                format!("{manager} {}", shlex::try_join(step.iter().copied()).unwrap_or_else(|_| step.join(" ")));
            if reason.is_none() {
                match ask(manager, step).await? {
                    None => {
                        reason =
                            Some(format!("this machine has no {manager}, so that nothing starts the service here"));
                    }
                    Some(answer) if answer.code == 0 => report.done.push(command.clone()),
                    Some(answer) => reason = Some(format!("it failed: {}", answer.last_line())),
                }
            }
            if let Some(reason) = &reason {
                report.left.push((command, reason.clone()));
            }
        }
        Ok(reason.is_none())
    }

    /// Whether the user's services go on without the user.
    async fn lingers(&self) -> Result<Option<bool>> {
        let user = nix::unistd::getuid().to_string();
        let answer = ask("loginctl", &["show-user", &user, "--property=Linger", "--value"]).await?;
        Ok(answer.and_then(|answer| match answer.first_line().as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }))
    }

    fn taken(&self, found: Found) -> String {
        let path = self.path.display();
        match found {
            Found::OtherProject => format!("{path} is the service of another project; choose another name with --name"),
            Found::Nothing | Found::Current | Found::Outdated | Found::Foreign => {
                format!(
                    "{path} was not written by autodev and is left alone; move it, or choose another name with --name"
                )
            }
        }
    }
}

/// Asks a program of this machine; `None` when it is not there.
async fn ask(program: &str, arguments: &[&str]) -> Result<Option<Answer>> {
    let path = sys::env::raw("PATH");
    if sys::which::find(program.as_ref(), path.as_deref(), Path::new("/")).is_none() {
        return Ok(None);
    }
    let mut spec = Spec::new(program, "/");
    spec.args = arguments.iter().map(Into::into).collect();
    let stop = Stop::listen()?;
    let answer = ask_spec(spec, LIMIT, &stop).await.map_err(|error| anyhow!(error))?;
    Ok(Some(answer))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8, which service files must be", path.display()))
}
