//! What a format's reader finds, before ids, titles and order are settled.

use serde_json::Value;

use super::check::Checks;
use super::markdown::Outline;
use super::matter::{self, Matter};
use super::{Document, ImportError};
use crate::logic::front_matter;

/// A task as the text has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Draft {
    /// As written; made up when absent.
    pub(super) id: Option<String>,
    /// The ordinal of its group, from 1.
    pub(super) group: usize,
    /// What the group is called; may be empty.
    pub(super) group_title: String,
    /// Not blank.
    pub(super) title: String,
    /// What the item itself says. Not blank.
    pub(super) description: String,
    /// What the text says around it; may be empty.
    pub(super) context: String,
    /// Never empty.
    pub(super) steps: Vec<String>,
    /// Commands stated for it, or for all around it.
    pub(super) checks: Vec<Value>,
    /// Commands that its steps name in passing.
    pub(super) implied: Vec<Value>,
    pub(super) patterns: Vec<String>,
    /// Ids, or ranges such as `T004-T007`.
    pub(super) needs: Vec<String>,
    pub(super) line: usize,
    pub(super) is_done: bool,
}

/// Everything that a reader finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Empty when the text has none.
    pub(super) title: String,
    pub(super) matter: Option<Matter>,
    /// In file order.
    pub(super) drafts: Vec<Draft>,
    /// Further files to read.
    pub(super) docs: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// A markdown text, read as far as all formats share it.
pub(super) struct Page {
    pub(super) outline: Outline,
    pub(super) checks: Checks,
}

impl Page {
    pub(super) fn new(outline: Outline) -> Self {
        Self { checks: Checks::read(&outline), outline }
    }
}

/// Reads a markdown document: its front matter, then its tasks with `drafts`.
pub(super) fn markdown(document: Document, drafts: impl FnOnce(&Page) -> Vec<Draft>) -> Result<Plan, ImportError> {
    let file = document.path;
    let split = front_matter::split(document.text).map_err(|e| ImportError::FrontMatter {
        file: file.to_owned(),
        line: e.line,
        reason: e.reason,
    })?;
    let matter = split.matter.as_ref().map(|fields| matter::read(document, fields)).transpose()?;
    let page = Page::new(Outline::read(split.body, split.body_line));
    let title = matter.as_ref().and_then(|matter| matter.title.clone());
    let title = title.or_else(|| page.outline.title().map(str::to_owned)).unwrap_or_default();
    Ok(Plan { title, matter, drafts: drafts(&page), docs: Vec::new(), notes: Vec::new() })
}
