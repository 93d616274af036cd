//! Which entries a project gets, in the order in which they are made.

use std::path::{Component, Path};

use super::text::{self, Template, Values};
use super::{Present, SKILLS, ScaffoldError, Tool, Wanted};

/// Ignores all below it, itself too.
const IGNORE_ALL: &[u8] = b"*\n";

/// What is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub entries: Vec<Entry>,
    /// What a person has to do, one sentence each.
    pub remarks: Vec<String>,
}

/// One file, directory or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the project, `/`-separated, without `..`.
    pub path: String,
    /// What is reported when it is made; several entries may share it.
    pub shown: String,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File {
        /// Any bytes.
        content: Vec<u8>,
        /// Whether it is a program.
        is_executable: bool,
    },
    /// A directory, also an empty one.
    Directory,
    /// A link to the skills; a copy of them where links cannot be made.
    SkillsLink,
}

/// Decides what a project gets.
///
/// # Errors
/// When a skill has a path that leads out of it, or by a defect of a built-in template.
pub fn plan(wanted: &Wanted<'_>, present: &Present) -> Result<Plan, ScaffoldError> {
    let mut list = List { entries: Vec::new(), wanted, has_own_claude: present.has_own_claude() };
    let files = wanted.files;
    list.text("autodev.toml", wanted.texts.config);
    list.rendered(&files.queue, text::QUEUE, None)?;
    list.rendered(&files.guide, text::RULES, None)?;
    list.text(&files.brief, wanted.texts.brief);
    list.text(&files.progress, wanted.texts.progress);
    list.skills()?;
    list.logs(present.has_foreign_logs);
    let makes_claude = wanted.tools.contains(&Tool::Claude) && present.wants_claude();
    if makes_claude || wanted.tools.iter().any(|tool| tool.reads_agents()) {
        list.rendered("AGENTS.md", text::SHARED, None)?;
    }
    if makes_claude {
        list.text("CLAUDE.md", text::CLAUDE);
    }
    if wanted.tools.iter().any(|tool| tool.shares_skills()) {
        list.link(".agents/skills");
    }
    for &tool in wanted.tools {
        list.tool(tool)?;
    }
    Ok(Plan { entries: list.entries, remarks: present.remarks(wanted.tools, files) })
}

struct List<'a> {
    entries: Vec<Entry>,
    wanted: &'a Wanted<'a>,
    has_own_claude: bool,
}

impl List<'_> {
    /// Adds an entry. One that is there already or lies outside of the project is left out.
    fn add(&mut self, path: &str, shown: &str, kind: Kind) {
        let is_new = self.entries.iter().all(|entry| entry.path != path);
        if is_new && is_inside(path) {
            self.entries.push(Entry { path: path.to_owned(), shown: shown.to_owned(), kind });
        }
    }

    fn text(&mut self, path: &str, content: &str) {
        self.add(path, path, file(content.as_bytes().to_vec()));
    }

    fn rendered(&mut self, path: &str, template: Template, tool: Option<Tool>) -> Result<(), ScaffoldError> {
        let values = Values::new(self.wanted, self.has_own_claude);
        let values = if let Some(tool) = tool { values.tool(tool) } else { values };
        self.add(path, path, file(text::render(template, &values)?));
        Ok(())
    }

    fn link(&mut self, path: &str) {
        self.add(path, path, Kind::SkillsLink);
    }

    fn skills(&mut self) -> Result<(), ScaffoldError> {
        self.add(SKILLS, SKILLS, Kind::Directory);
        for skill in self.wanted.skills {
            let wrong = |path: &str| ScaffoldError::SkillPath { skill: skill.name.clone(), path: path.to_owned() };
            if skill.name.contains('/') || !is_inside(&skill.name) {
                return Err(wrong(&skill.name));
            }
            let dir = format!("{SKILLS}/{}", skill.name);
            for part in &skill.files {
                if !is_inside(&part.path) {
                    return Err(wrong(&part.path));
                }
                let kind = Kind::File { content: part.content.clone(), is_executable: part.is_executable };
                self.add(&format!("{dir}/{}", part.path), &format!("{dir}/"), kind);
            }
        }
        Ok(())
    }

    /// Logs and the runner's own directory ignore themselves in git, so that the user's .gitignore is left alone. A
    /// directory of logs that holds other things as well is not ours to ignore.
    fn logs(&mut self, has_foreign_logs: bool) {
        let files = self.wanted.files;
        let logs = format!("{}/", files.logs);
        self.add(&files.attempts, &logs, Kind::Directory);
        if !has_foreign_logs {
            self.add(&format!("{logs}.gitignore"), &logs, file(IGNORE_ALL.to_vec()));
        }
        let home = format!("{}/", files.home);
        self.add(&format!("{home}.gitignore"), &home, file(IGNORE_ALL.to_vec()));
    }

    fn tool(&mut self, tool: Tool) -> Result<(), ScaffoldError> {
        let root = tool.root();
        match tool {
            Tool::Claude => {
                self.rendered(".claude-plugin/plugin.json", text::PLUGIN, None)?;
                self.rendered(".claude-plugin/marketplace.json", text::MARKETPLACE, None)?;
            }
            Tool::Codex | Tool::Gemini | Tool::Opencode => {
                self.rendered(&format!("{root}/INSTALL.md"), text::INSTALL, Some(tool))?;
            }
        }
        self.rendered(&format!("{root}/{}", tool.guide()), text::GUIDE, Some(tool))?;
        self.rendered(&format!("{root}/rules/core.md"), text::CORE, None)?;
        match tool {
            Tool::Claude => {
                self.text(".claude/commands/spec-dev.md", text::CLAUDE_SPEC_DEV);
                self.text(".claude/commands/coca-spec.md", text::CLAUDE_COCA_SPEC);
            }
            Tool::Gemini => {
                self.gemini_commands(".gemini");
                self.text(".gemini/settings.json", text::GEMINI_SETTINGS);
                let extension = ".gemini/extensions/autodev-local";
                self.text(&format!("{extension}/gemini-extension.json"), text::GEMINI_EXTENSION);
                self.rendered(&format!("{extension}/GEMINI.md"), text::EXTENSION_GUIDE, None)?;
                self.gemini_commands(extension);
            }
            Tool::Opencode => self.text(".opencode/.gitignore", text::OPENCODE_IGNORED),
            Tool::Codex => {}
        }
        self.link(&format!("{root}/skills"));
        Ok(())
    }

    fn gemini_commands(&mut self, root: &str) {
        self.text(&format!("{root}/commands/autodev/spec-dev.toml"), text::GEMINI_SPEC_DEV);
        self.text(&format!("{root}/commands/autodev/coca-spec.toml"), text::GEMINI_COCA_SPEC);
    }
}

fn file(content: Vec<u8>) -> Kind {
    Kind::File { content, is_executable: false }
}

/// Whether a path names something below where it starts from.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}
