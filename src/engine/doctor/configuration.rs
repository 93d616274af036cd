//! autodev.toml, the directories it names, the journal and the run.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Wish, notices, shown};
use crate::config::{self, ConfigError};
use crate::engine::project::Project;
use crate::engine::{outbox, store};
use crate::journal::{Journal, JournalError};
use crate::logic::health::Row;
use crate::logic::health::project::{self as facts, Directory, Run, Settings};
use crate::model::{BackendName, Config, RunStatus, State};
use crate::sys::lock::{self, Holder};
use crate::sys::{clock, host};

/// What the other groups go by.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The project; `None` when its configuration cannot be used.
    pub(super) project: Option<Project>,
    /// The project's configuration, else the built-in one; `None` only if that one were wrong.
    pub(super) config: Option<Config>,
    /// The backend that a run would use; `None` when nobody says.
    pub(super) backend: Option<BackendName>,
    /// Where agents work, or would.
    pub(super) code_dir: PathBuf,
    /// `.autodev/`, which may not exist.
    pub(super) state_dir: PathBuf,
    /// The time of the journal's newest event.
    pub(super) newest_event: Option<chrono::DateTime<chrono::Utc>>,
    /// How many notices of each channel wait for the next run.
    pub(super) waiting: BTreeMap<String, usize>,
}

impl Found {
    /// What there is to go by when the project cannot be opened: the built-in settings, in a directory.
    pub(super) fn without_project(wish: &Wish, dir: PathBuf) -> Self {
        Self {
            project: None,
            config: config::builtin(&dir).ok(),
            backend: wish.backend,
            state_dir: dir.join(".autodev"),
            code_dir: dir,
            newest_event: None,
            waiting: BTreeMap::new(),
        }
    }
}

/// Looks; `scratch` is for a copy of the journal.
pub(super) fn look(wish: &Wish, scratch: &Path) -> (Found, Vec<Row>) {
    let (settings, project, base) = open(wish);
    let mut rows = facts::settings(&settings);
    let Some(mut project) = project else { return (Found::without_project(wish, base), rows) };
    if let Some(backend) = wish.backend {
        project.config.backend.default = backend;
    }
    rows.push(facts::code_dir(&directory(&project.config.project.code_dir)));
    let state_dir = project.home().to_path_buf();
    rows.extend(match directory(&state_dir) {
        dir if dir.exists => facts::state_dir(&dir, false),
        _ => facts::state_dir(&directory(&project.config.project.config_dir), true),
    });
    let holder = lock::holder(&project.run_lock());
    let (journal, state, waiting) = read_journal(&project, !matches!(holder, Ok(Holder::Nobody)), scratch);
    rows.push(facts::journal(&journal));
    rows.push(facts::run(&run(&holder, &state)));
    let found = Found {
        backend: Some(project.config.backend.default),
        code_dir: project.config.project.code_dir.clone(),
        config: Some(project.config.clone()),
        state_dir,
        newest_event: state.run.updated_at,
        waiting,
        project: Some(project),
    };
    (found, rows)
}

/// Opens the project; without a usable configuration, says why and where it would be.
fn open(wish: &Wish) -> (Settings, Option<Project>, PathBuf) {
    let named = wish.config.as_ref().map(|path| wish.dir.join(path));
    let Some(path) = named.or_else(|| config::discover(&wish.dir)) else {
        return (Settings::Missing { start: shown(&wish.dir) }, None, wish.dir.clone());
    };
    let base = path.parent().filter(|dir| dir.is_dir()).unwrap_or(&wish.dir).to_path_buf();
    match Project::open(Some(&path), &wish.dir) {
        Ok(project) => {
            (Settings::Valid { path: shown(&path), warnings: project.warnings.clone() }, Some(project), base)
        }
        Err(error) => (refusal(&path, &error), None, base),
    }
}

fn refusal(path: &Path, error: &anyhow::Error) -> Settings {
    let lines = |problems: &[config::Problem]| -> Vec<String> {
        let bare = |problem: &config::Problem| config::Problem { excerpt: None, ..problem.clone() }.to_string();
        problems.iter().map(bare).collect()
    };
    match error.chain().find_map(|cause| cause.downcast_ref::<ConfigError>()) {
        Some(ConfigError::Invalid { problems, warnings }) => {
            Settings::Broken { path: shown(path), problems: lines(problems), warnings: lines(warnings) }
        }
        Some(other) => Settings::Unreadable { message: other.to_string(), hint: other.hint() },
        None => Settings::Unreadable { message: format!("{error:#}"), hint: None },
    }
}

fn directory(path: &Path) -> Directory {
    let metadata = std::fs::metadata(path);
    // What may not be looked at is there.
    let exists = !matches!(&metadata, Err(error) if error.kind() == io::ErrorKind::NotFound);
    let refusal = host::may_write_in(path).err().map(|error| error.to_string());
    Directory {
        path: shown(path),
        exists,
        is_dir: metadata.as_ref().map_or(exists, std::fs::Metadata::is_dir),
        refusal: refusal.filter(|_| exists),
        file_system: host::file_system(path),
    }
}

fn read_journal(project: &Project, is_held: bool, scratch: &Path) -> (facts::Journal, State, BTreeMap<String, usize>) {
    let (mut state, mut waiting) = (State::default(), BTreeMap::new());
    let mut read = || -> Result<facts::Journal, JournalError> {
        let Some(journal) = Journal::open_untouched(&project.journal(), is_held, scratch)? else {
            return Ok(facts::Journal::None);
        };
        let format = journal.format()?;
        let damage = journal.quick_check()?;
        if damage.is_empty() {
            let mut raised = Vec::new();
            journal.read_after(0, &mut |event| raised.extend(outbox::step(&mut state, &event)))?;
            for channel in &project.config.notify.channels {
                let position = journal.projected(&outbox::marks(&channel.name).0)?;
                waiting.insert(channel.name.clone(), notices::waiting(channel, position, &raised));
            }
        }
        Ok(facts::Journal::Read { format, events: state.seq, damage })
    };
    let journal = read().unwrap_or_else(|error| facts::Journal::Failed { message: error.to_string() });
    (journal, state, waiting)
}

fn run(holder: &Result<Holder, lock::LockError>, state: &State) -> Run {
    match holder {
        Err(error) => Run::Unknown { message: error.to_string() },
        Ok(Holder::Unknown) => Run::UnderWay { who: "by a process that cannot be told".to_owned() },
        Ok(Holder::Known(note)) => {
            let since = clock::local(note.started_at);
            Run::UnderWay { who: format!("`{}`, process {} on {}, since {since}", note.command, note.pid, note.host) }
        }
        Ok(Holder::Nobody) => {
            let mut seen = state.clone();
            store::mark_dead(&mut seen);
            // Nobody has closed it and nobody holds the lock.
            if state.run.exit_code.is_none() && seen.run.status == RunStatus::Interrupted {
                Run::Lost {
                    id: state.run.id.to_string(),
                    last: state.run.updated_at.map(clock::local).unwrap_or_default(),
                    task: state.active.as_ref().map(|active| active.task.to_string()).unwrap_or_default(),
                }
            } else {
                Run::None
            }
        }
    }
}
