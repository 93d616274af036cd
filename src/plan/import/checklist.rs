//! Markdown checklists: each outermost item with a box is a task, what is nested below it are its steps.

use super::draft::{Draft, Page};
use super::item::{self, Rules};

/// Reads all items outside of criteria and the like.
pub(super) fn read(page: &Page) -> Vec<Draft> {
    item::collect(page, 0..page.outline.sections.len(), Rules::checklist(), &mut 0)
}
