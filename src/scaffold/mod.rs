//! What `init` puts into a project: rules for agents, entry points of the agent programs, skills, places for logs.
//!
//! [`plan()`] decides, purely, which entries a project gets; [`make()`] makes those that are not there. Renders its texts
//! from `templates/init/`, but not autodev.toml, TASK.md and progress.txt: their rooms write them, the caller passes them
//! in. Does not choose the agent and does not read autodev.toml.
//!
//! Invariant: nothing that exists is ever changed, whatever it is; only a link of ours that leads nowhere is made
//! anew. Nothing is written through a directory that is a link. Making the same plan twice makes nothing the second time.

mod layout;
mod make;
mod present;
mod text;
mod tool;

#[cfg(test)]
mod tests;

pub use layout::{Entry, Kind, Plan, plan};
pub use make::{Made, make};
pub use present::Present;
pub use tool::Tool;

use crate::sys::fs::PathError;

/// Where the skills are. Relative to the project.
pub const SKILLS: &str = ".skills";

/// A directory of instructions that an agent reads when it needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// Name of its directory.
    pub name: String,
    /// Its files, `SKILL.md` among them.
    pub files: Vec<SkillFile>,
}

/// One file of a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillFile {
    /// Relative to the skill, `/`-separated.
    pub path: String,
    /// Any bytes.
    pub content: Vec<u8>,
    /// Whether it is a program.
    pub is_executable: bool,
}

/// What a project is to get.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Display name; may hold anything.
    pub name: &'a str,
    /// The agent programs that are to find their way; may be empty.
    pub tools: &'a [Tool],
    /// The skills.
    pub skills: &'a [Skill],
    /// The commands that check work by default, for agents to read.
    pub checks: &'a [String],
    /// Where the runner's files are.
    pub files: &'a Files,
    /// Texts from other rooms.
    pub texts: Texts<'a>,
}

/// Texts that other rooms have written.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// autodev.toml.
    pub config: &'a str,
    /// The idle TASK.md.
    pub brief: &'a str,
    /// The head of progress.txt.
    pub progress: &'a str,
}

/// Where the runner's files are: relative to the project, or absolute when outside of it; those are not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The queue.
    pub queue: String,
    /// The rules for agents.
    pub guide: String,
    /// The active task.
    pub brief: String,
    /// The progress log.
    pub progress: String,
    /// The directory of logs.
    pub logs: String,
    /// The directory of attempt logs.
    pub attempts: String,
    /// The runner's own directory.
    pub home: String,
}

impl Default for Files {
    /// The default names.
    fn default() -> Self {
        Self {
            queue: "task.json".to_owned(),
            guide: "AGENT.md".to_owned(),
            brief: "TASK.md".to_owned(),
            progress: "progress.txt".to_owned(),
            logs: "logs".to_owned(),
            attempts: "logs/attempts".to_owned(),
            home: ".autodev".to_owned(),
        }
    }
}

/// Why a project could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// A skill's name or one of its paths leads out of the skills.
    #[error("skill {skill}: {path:?} is no path inside of it")]
    SkillPath {
        /// The skill.
        skill: String,
        /// What is wrong with it.
        path: String,
    },
    /// A built-in template does not fit its values: a defect of autodev.
    #[error("render {name}")]
    Template {
        /// The template.
        name: &'static str,
        /// What the engine said.
        source: minijinja::Error,
    },
    /// Something could not be written; what was made before is there and stays.
    #[error("stopped after {made} new entries; `autodev init` goes on there when it is run again")]
    Write {
        /// Where, and what the operating system said.
        source: PathError,
        /// How many entries had been made.
        made: usize,
    },
}
