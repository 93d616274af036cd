//! The texts of `templates/init/` with their values put in, each escaped as its format wants it.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Output, UndefinedBehavior, Value};
use serde::Serialize;

use super::{Files, ScaffoldError, Tool, Wanted};
use crate::logic::contract;

/// A template and the name that its format is told by.
pub(super) type Template = (&'static str, &'static str);

macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("../../templates/init/", $name)))
    };
}

pub(super) const QUEUE: Template = template!("task.json");
pub(super) const RULES: Template = template!("AGENT.md");
pub(super) const SHARED: Template = template!("AGENTS.md");
pub(super) const CORE: Template = template!("core.md");
pub(super) const GUIDE: Template = template!("guide.md");
pub(super) const INSTALL: Template = template!("INSTALL.md");
pub(super) const PLUGIN: Template = template!("plugin.json");
pub(super) const MARKETPLACE: Template = template!("marketplace.json");
pub(super) const EXTENSION_GUIDE: Template = template!("gemini-extension.md");

// These hold no values and are not rendered: braces in them belong to their readers.
pub(super) const CLAUDE: &str = include_str!("../../templates/init/CLAUDE.md");
pub(super) const CLAUDE_SPEC_DEV: &str = include_str!("../../templates/init/claude-spec-dev.md");
pub(super) const CLAUDE_COCA_SPEC: &str = include_str!("../../templates/init/claude-coca-spec.md");
pub(super) const GEMINI_SPEC_DEV: &str = include_str!("../../templates/init/gemini-spec-dev.toml");
pub(super) const GEMINI_COCA_SPEC: &str = include_str!("../../templates/init/gemini-coca-spec.toml");
pub(super) const GEMINI_SETTINGS: &str = include_str!("../../templates/init/gemini-settings.json");
pub(super) const GEMINI_EXTENSION: &str = include_str!("../../templates/init/gemini-extension.json");
/// What opencode writes there itself when there is none, without the line that hides it from git: an attempt that did
/// nothing else would have changed a file.
pub(super) const OPENCODE_IGNORED: &str = include_str!("../../templates/init/opencode-gitignore");

/// What the templates may name.
#[derive(Debug, Serialize)]
pub(super) struct Values<'a> {
    name: &'a str,
    /// For one line of plain text.
    title: String,
    description: String,
    checks: &'a [String],
    files: BTreeMap<&'static str, String>,
    /// The same files as seen from one and two directories below.
    up1: BTreeMap<&'static str, String>,
    up2: BTreeMap<&'static str, String>,
    has_own_claude: bool,
    tool: &'static str,
    label: &'static str,
    root: &'static str,
    guide: &'static str,
    reads: &'static str,
}

impl<'a> Values<'a> {
    /// Returns the values that are the same for every tool.
    pub(super) fn new(wanted: &Wanted<'a>, has_own_claude: bool) -> Self {
        Self {
            name: wanted.name,
            title: format!("autodev skills of {}", wanted.name),
            description: format!("Skills that the agents of {} share", wanted.name),
            checks: wanted.checks,
            files: files(wanted.files, ""),
            up1: files(wanted.files, "../"),
            up2: files(wanted.files, "../../"),
            has_own_claude,
            tool: "",
            label: "",
            root: "",
            guide: "",
            reads: "",
        }
    }

    /// Adds what is different for a tool.
    pub(super) fn tool(self, tool: Tool) -> Self {
        Self {
            tool: tool.as_str(),
            label: tool.label(),
            root: tool.root(),
            guide: tool.guide(),
            reads: tool.reads(),
            ..self
        }
    }
}

fn files(files: &Files, up: &str) -> BTreeMap<&'static str, String> {
    let seen = |path: &String| if path.starts_with('/') { path.clone() } else { format!("{up}{path}") };
    BTreeMap::from([
        ("queue", seen(&files.queue)),
        ("guide", seen(&files.guide)),
        ("brief", seen(&files.brief)),
        ("progress", seen(&files.progress)),
    ])
}

/// Renders a template. Values become JSON strings in `.json` and code spans in `.md`: there no text is an import, a
/// heading or a tag.
pub(super) fn render(template: Template, values: &Values<'_>) -> Result<Vec<u8>, ScaffoldError> {
    let (name, text) = template;
    let fail = |source| ScaffoldError::Template { name, source };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(fail)?);
    let is_json = Path::new(name).extension().is_some_and(|extension| extension == "json");
    environment.set_formatter(move |out, _, value| escaped(out, is_json, value));
    environment.render_named_str(name, text, Serde(values)).map(String::into_bytes).map_err(fail)
}

fn escaped(out: &mut Output<'_>, is_json: bool, value: &Value) -> Result<(), Error> {
    let Some(text) = value.as_str() else {
        return Err(Error::new(ErrorKind::InvalidOperation, "only text can be put in"));
    };
    let text = match (value.is_safe(), is_json) {
        (true, _) => text.to_owned(),
        (false, true) => serde_json::Value::from(text).to_string(),
        (false, false) => contract::code(text),
    };
    out.write_str(&text).map_err(Error::from)
}
