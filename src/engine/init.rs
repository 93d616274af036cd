//! `init`: a project is set up, or completed for one more agent program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::config::{self, FILE_NAME};
use crate::model::{BackendName, Config};
use crate::scaffold::{self, Files, Present, Skill, Texts, Tool, Wanted};
use crate::sys;
use crate::sys::fs::Context as _;
use crate::view::{self, Names};

/// In which order programs are looked for when nobody says which to use; the first one is used when there is none.
const PREFERRED: [Tool; 4] = [Tool::Codex, Tool::Claude, Tool::Gemini, Tool::Opencode];

/// What to set up.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// The project; created when it does not exist.
    pub dir: PathBuf,
    /// Its name; blank or `None`: the directory's. A name that autodev.toml has stays.
    pub name: Option<String>,
    /// Words that name agents, each possibly several separated by commas; blank ones are no words.
    pub tools: Vec<String>,
    /// The skills that it gets.
    pub skills: Vec<Skill>,
    /// The commands that check its work by default. Only a new autodev.toml gets them.
    pub validate_commands: Vec<String>,
}

/// What was set up.
#[derive(Clone, Debug)]
pub struct Report {
    /// The project. Absolute.
    pub dir: PathBuf,
    /// What was made, in order, relative.
    pub created: Vec<String>,
    /// What a person should know or do, one sentence each.
    pub remarks: Vec<String>,
    /// `[backend].default`, as far as autodev.toml can be read.
    pub backend: Option<BackendName>,
    /// Why this backend, when nobody has said which.
    pub because: Option<&'static str>,
    /// The programs that find their way now.
    pub tools: Vec<Tool>,
}

/// Sets a project up. What exists stays as it is.
///
/// # Errors
/// When a word names no agent (then nothing is written), or something cannot be written.
pub fn init(options: &InitOptions) -> Result<Report> {
    let chosen = choose(&options.tools)?;
    if options.dir.exists() && !options.dir.is_dir() {
        bail!("{} is a file; name a directory: autodev init DIRECTORY", options.dir.display());
    }
    std::fs::create_dir_all(&options.dir).at("create", &options.dir)?;
    let dir = std::fs::canonicalize(&options.dir).at("find", &options.dir)?;
    let mut remarks = Vec::new();

    let path = dir.join(FILE_NAME);
    let existing = if path.symlink_metadata().is_ok() {
        match config::load(&path, &[]) {
            Ok(loaded) => Existing::Sound(Box::new(loaded.config)),
            Err(error) => {
                remarks.push(format!("{FILE_NAME} was left alone, but it cannot be used: {error}"));
                Existing::Broken
            }
        }
    } else {
        Existing::None
    };
    if let (Existing::None, Some(above)) = (&existing, dir.parent().and_then(config::discover)) {
        remarks.push(format!("{} is another project; below {} this one counts", above.display(), dir.display()));
    }
    let (found, because) = found_on_path(&dir);
    let (backend, because) = match (&existing, chosen.backend) {
        (Existing::Sound(config), wanted) => {
            let kept = config.backend.default;
            remarks.extend(wanted.filter(|wanted| *wanted != kept).map(|wanted| kept_backend(kept, wanted)));
            (Some(kept), None)
        }
        (Existing::Broken, _) => (None, None),
        (Existing::None, Some(backend)) => (Some(backend), None),
        (Existing::None, None) => (Some(found), Some(because)),
    };
    let tools = if chosen.is_said { chosen.tools } else { Tool::of(backend.unwrap_or(found)).into_iter().collect() };
    let given = options.name.as_deref().filter(|name| !name.trim().is_empty());
    let (name, files) = (existing.name(given, &dir), existing.files(&dir));
    if given.is_some_and(|given| given != name) {
        remarks.push(format!("{FILE_NAME} keeps the name {name:?}; change [project].name there"));
    }
    let names = Names {
        task_file: files.queue.clone(),
        guide: files.guide.clone(),
        progress: files.progress.clone(),
        ..Names::default()
    };
    let wanted = Wanted {
        name: &name,
        tools: &tools,
        skills: &options.skills,
        checks: existing.checks().unwrap_or(&options.validate_commands),
        files: &files,
        texts: Texts {
            config: &config::template(&name, backend.unwrap_or(found), &options.validate_commands),
            brief: &view::task_md::idle(&names),
            progress: &view::progress::header(&name),
        },
    };
    let plan = scaffold::plan(&wanted, &Present::look(&dir, &files)).context("set the project up")?;
    let made = scaffold::make(&dir, &plan).with_context(|| format!("set up {}", dir.display()))?;
    remarks.extend(made.remarks);
    if matches!(existing, Existing::None) && backend == Some(BackendName::Command) {
        remarks.push(format!(
            "{FILE_NAME} does not say yet which program to run; add: [backend.command] argv = [\"PROGRAM\", \"ARGUMENT\"]"
        ));
    }
    Ok(Report { dir, created: made.created, remarks, backend, because, tools })
}

/// What words name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chosen {
    /// The first agent that is named by its own name.
    backend: Option<BackendName>,
    tools: Vec<Tool>,
    /// Whether there is any word.
    is_said: bool,
}

fn choose(words: &[String]) -> Result<Chosen> {
    let mut chosen = Chosen::default();
    for word in words.iter().flat_map(|words| words.split(',')) {
        let word = word.trim().to_lowercase();
        if word.is_empty() {
            continue;
        }
        chosen.is_said = true;
        let backend = BackendName::ALL.into_iter().find(|name| name.as_str() == word);
        let tools = match backend {
            Some(backend) => Tool::of(backend).into_iter().collect(),
            None if word == "all" => Tool::ALL.to_vec(),
            None => {
                let names = BackendName::ALL.map(BackendName::as_str).join(", ");
                bail!("--use: {word:?} is no agent; use {names}, several separated by commas, or all");
            }
        };
        chosen.backend = chosen.backend.or(backend);
        for tool in tools {
            if !chosen.tools.contains(&tool) {
                chosen.tools.push(tool);
            }
        }
    }
    Ok(chosen)
}

/// Returns the backend to use when nobody says which, and why.
fn found_on_path(dir: &Path) -> (BackendName, &'static str) {
    let path = sys::env::raw("PATH");
    let is_there = |tool: &Tool| sys::which::find(OsStr::new(tool.as_str()), path.as_deref(), dir).is_some();
    match PREFERRED.into_iter().find(is_there) {
        Some(tool) => (tool.backend(), "found on PATH"),
        None => (PREFERRED[0].backend(), "no agent is on PATH yet"),
    }
}

fn kept_backend(kept: BackendName, wanted: BackendName) -> String {
    let (kept, wanted) = (kept.as_str(), wanted.as_str());
    format!(
        "{FILE_NAME} keeps {kept} as the agent; for {wanted} write default = \"{wanted}\" below [backend] there, or run \
         `autodev run --backend {wanted}`"
    )
}

/// The autodev.toml that is there.
enum Existing {
    None,
    /// It cannot be used.
    Broken,
    Sound(Box<Config>),
}

impl Existing {
    fn config(&self) -> Option<&Config> {
        match self {
            Self::Sound(config) => Some(config),
            Self::None | Self::Broken => None,
        }
    }

    /// Returns the name of the project: the one that is written down, else the given one, else the directory's.
    fn name(&self, given: Option<&str>, dir: &Path) -> String {
        self.config()
            .map(|config| config.project.name.clone())
            .or_else(|| given.map(str::to_owned))
            .or_else(|| dir.file_name().map(|name| name.to_string_lossy().into_owned()))
            .unwrap_or_else(|| "project".to_owned())
    }

    fn checks(&self) -> Option<&Vec<String>> {
        self.config().map(|config| &config.verification.validate_commands)
    }

    /// Returns where the runner's files are: the default names unless autodev.toml says otherwise.
    fn files(&self, dir: &Path) -> Files {
        let Some(config) = self.config() else { return Files::default() };
        let seen = |path: &Path| path.strip_prefix(dir).unwrap_or(path).to_string_lossy().into_owned();
        Files {
            queue: seen(&config.files.task_json),
            guide: seen(&config.files.execution_guide),
            brief: seen(&config.files.task_brief),
            progress: seen(&config.files.progress),
            logs: seen(&config.files.log_dir),
            attempts: seen(&config.files.attempt_log_subdir),
            home: seen(&config.project.config_dir.join(".autodev")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn words_are_trimmed_lowered_split_and_named_once() {
        let chosen = choose(&words(&[" Claude,codex", "", ",CODEX ,gemini,"])).unwrap();
        assert_eq!(chosen.backend, Some(BackendName::Claude));
        assert_eq!(chosen.tools, [Tool::Claude, Tool::Codex, Tool::Gemini]);
        assert_eq!(choose(&words(&["", " , "])).unwrap(), Chosen::default());
    }

    #[test]
    fn all_are_four_and_no_choice_of_one() {
        let chosen = choose(&words(&["all"])).unwrap();
        assert_eq!((chosen.backend, chosen.tools.len(), chosen.is_said), (None, 4, true));
        let chosen = choose(&words(&["gemini,ALL"])).unwrap();
        assert_eq!((chosen.backend, chosen.tools[0], chosen.tools.len()), (Some(BackendName::Gemini), Tool::Gemini, 4));
    }

    #[test]
    fn backends_without_files_are_chosen_alike() {
        let chosen = choose(&words(&["command"])).unwrap();
        assert_eq!((chosen.backend, chosen.tools.len(), chosen.is_said), (Some(BackendName::Command), 0, true));
    }

    #[test]
    fn an_unknown_word_lists_the_choices() {
        for word in ["detected", "clyde", "codex claude", "codex,clyde"] {
            let error = choose(&words(&[word])).unwrap_err().to_string();
            assert!(
                error.contains("claude, codex, gemini, opencode, command, replay") && error.contains("all"),
                "{error}"
            );
        }
    }
}
