//! One real question to the agent, on the way that a run takes: invocation, process, parser, classification.
//!
//! Agents with a mode that is meant to change nothing are asked where they would work, because settings of the project
//! count there; any other program is asked in the temporary directory, as nothing would keep it from working.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Local;

use super::LIMIT;
use super::agents::environment;
use super::configuration::Found;
use super::program::MARKER;
use crate::backend::{self, Backend, Patterns, Purpose, Request};
use crate::engine::signals::Stop;
use crate::engine::spec_of;
use crate::engine::store::Store;
use crate::git;
use crate::logic::classify::{self, Cause, Conclusion, Digestor, PatternResults};
use crate::logic::health::Row;
use crate::logic::health::deep::{Asked, Deep, deep};
use crate::logic::health::git::Repository;
use crate::model::{BackendName, Config};
use crate::sys;
use crate::sys::proc::{self, Happening, Spec, Stream};
use crate::sys::tail::{LineSplitter, Tail};

/// The question.
const QUESTION: &str = "Answer with the one word OK. Use no tools, read no files, change nothing.\n";
/// At most so long, whatever `[reflection].prompt_timeout_seconds` says: somebody is waiting for it.
const LONGEST: Duration = Duration::from_mins(2);
/// Longer lines are no events.
const LINE: usize = 2 << 20;
/// Lines and bytes kept for the classifier, as in a run.
const TAIL: (usize, usize) = (40, 16 << 10);

/// Asks, and returns what came of it.
pub(super) async fn ask(found: &Found, version: Option<backend::Version>, cwd: &Path, stop: &Stop) -> Vec<Row> {
    let (Some(config), Some(name)) = (&found.config, found.backend) else {
        let why = "nobody says which agent a run would use; name one with --backend".to_owned();
        return deep(BackendName::Claude, &Deep::NotAsked { why });
    };
    // It holds a whole configuration of its own.
    let asked = Box::pin(question(found, config, backend::backend(name), version, cwd, stop)).await;
    let facts = match asked {
        Ok(asked) => Deep::Asked(Box::new(asked)),
        Err(why) => Deep::NotAsked { why },
    };
    deep(name, &facts)
}

async fn question(
    found: &Found,
    config: &Config,
    backend: &'static dyn Backend,
    version: Option<backend::Version>,
    cwd: &Path,
    stop: &Stop,
) -> Result<Asked, String> {
    let name = backend.name();
    let is_safe = backend.abilities().read_only;
    let place = if is_safe { found.code_dir.clone() } else { cwd.join("question") };
    if !is_safe {
        std::fs::create_dir_all(&place).map_err(|error| format!("create {}: {error}", place.display()))?;
    }
    let before = git::examine(&place, &found.state_dir, Vec::new(), LIMIT).await;
    let spec = spec(config, backend, version, &place, cwd, matches!(before, Repository::WorkTree(_)))?;
    let limit = match config.reflection.prompt_timeout_seconds {
        0 => LONGEST,
        seconds => Duration::from_secs(seconds).min(LONGEST),
    };
    let patterns = (name == BackendName::Command).then(|| Patterns::new(&config.backend.command)).transpose();
    let mut heard = Heard::new(backend, patterns.map_err(|error| error.to_string())?);
    let ended = {
        let mut on = |happening: Happening<'_>| heard.happen(&happening);
        let spec = Spec { wall: Some(limit), ..spec };
        proc::run(spec, stop.for_child(), &mut on).await.map_err(|error| error.to_string())?
    };
    let lines = heard.end(ended.code);
    let after = git::examine(&place, &found.state_dir, Vec::new(), LIMIT).await;
    let (end, is_ok) = classify::conclude(&Conclusion {
        code: ended.code,
        cause: match ended.cause {
            proc::Cause::Itself => Cause::Itself,
            proc::Cause::Wall => Cause::Wall,
            proc::Cause::Idle => Cause::Idle,
            proc::Cause::Stopped => Cause::Stopped,
        },
        digest: &heard.digestor,
        last_lines: &lines,
        changed_files: false,
        rate_limit_patterns: &config.circuit_breaker.rate_limit_patterns,
        halt_patterns: &config.env_errors.halt_patterns,
        patterns: heard.pattern_results(),
        now: sys::clock::now().with_timezone(&Local).fixed_offset(),
    });
    let digest = &heard.digestor;
    let reply = if is_ok { digest.reply().to_owned() } else { digest.message() };
    Ok(Asked {
        end,
        is_ok,
        reply: if reply.trim().is_empty() { lines.last().cloned().unwrap_or_default() } else { reply },
        model: digest.model.clone(),
        usage: digest.usage,
        duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
        limit_seconds: limit.as_secs(),
        is_tree_changed: dirt(&before) != dirt(&after),
    })
}

/// What can be seen of a change without reading every file.
fn dirt(found: &Repository) -> Option<(usize, usize)> {
    match found {
        Repository::WorkTree(tree) => Some((tree.changed, tree.untracked)),
        Repository::NoProgram
        | Repository::TooOld { .. }
        | Repository::Failed { .. }
        | Repository::NoWorkTree { .. } => None,
    }
}

fn spec(
    config: &Config,
    backend: &dyn Backend,
    version: Option<backend::Version>,
    place: &Path,
    cwd: &Path,
    in_git: bool,
) -> Result<Spec, String> {
    let exe = std::env::current_exe().map_err(|error| format!("find autodev's own program: {error}"))?;
    let home = environment(config, backend.name()).get("HOME").map(PathBuf::from);
    let home = home.or_else(|| sys::env::raw("HOME").map(PathBuf::from));
    let prompt_file = cwd.join("question.md");
    let temp_dir = cwd.join("tmp");
    let request = Request {
        purpose: Purpose::Ask { read_only: true },
        prompt: QUESTION,
        config,
        is_root: nix::unistd::geteuid().is_root(),
        in_git,
        version,
        resume: None,
        prompt_file: &prompt_file,
        exe: &exe,
        temp_dir: &temp_dir,
        home: home.as_deref(),
        schema: None,
    };
    let invocation = backend.invocation(&request).map_err(|error| error.to_string())?;
    if invocation.needs_prompt_file {
        sys::fs::write_atomic(&prompt_file, QUESTION.as_bytes(), sys::fs::Durability::Cached)
            .map_err(|error| error.to_string())?;
    }
    let mut spec = spec_of(invocation, place)?;
    // The marker by which processes that leave their session are found.
    spec.env.push((MARKER.into(), Store::new_run_id().to_string().into()));
    Ok(spec)
}

/// What the program says, on its way through the parser.
struct Heard {
    parser: Box<dyn backend::Parser>,
    patterns: Option<Patterns>,
    lines: LineSplitter,
    digestor: Digestor,
    tail: Tail,
}

impl Heard {
    fn new(backend: &dyn Backend, patterns: Option<Patterns>) -> Self {
        Self {
            parser: backend.parser(),
            patterns,
            lines: LineSplitter::new(LINE),
            digestor: Digestor::default(),
            tail: Tail::new(TAIL.0, TAIL.1),
        }
    }

    fn happen(&mut self, happening: &Happening<'_>) {
        let Happening::Output(stream, bytes) = happening else { return };
        self.tail.push(bytes);
        if *stream == Stream::Out {
            let mut found = Vec::new();
            self.lines.push(bytes, &mut |line, is_cut| found.push((line.to_vec(), is_cut)));
            self.take(found);
        }
    }

    fn take(&mut self, lines: Vec<(Vec<u8>, bool)>) {
        for (line, is_cut) in lines {
            let line = String::from_utf8_lossy(&line);
            if let Some(patterns) = &mut self.patterns {
                patterns.line(&line);
            }
            if !is_cut {
                self.parser.line(&line).iter().for_each(|said| self.digestor.add(said));
            }
        }
    }

    /// Takes the end and returns the last lines.
    fn end(&mut self, code: i32) -> Vec<String> {
        let mut rest = Vec::new();
        self.lines.finish(&mut |line, is_cut| rest.push((line.to_vec(), is_cut)));
        self.take(rest);
        self.parser.end(code).iter().for_each(|said| self.digestor.add(said));
        self.tail.text().lines().map(str::to_owned).collect()
    }

    fn pattern_results(&self) -> PatternResults {
        self.patterns.as_ref().map(Patterns::results).unwrap_or_default()
    }
}
