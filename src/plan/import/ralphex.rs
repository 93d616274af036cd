//! Plans of ralphex: `### Task 1: Title` (or `### Iteration 1: ...`) with checkboxes, and `## Validation Commands`.
//!
//! Boxes outside of such sections are no work, as there. A task ends at the next one or at a higher heading; other
//! headings of its level are part of it.

use super::draft::{Draft, Page};
use super::heading::{self, TaskHeading};
use super::markdown::Section;
use super::section;

/// Returns the task that a section is.
pub(super) fn head(section: &Section) -> Option<TaskHeading> {
    heading::task(&section.title).filter(|_| (2..=4).contains(&section.level))
}

/// Reads the sections that are tasks.
pub(super) fn read(page: &Page) -> Vec<Draft> {
    let sections = &page.outline.sections;
    let mut drafts: Vec<Draft> = Vec::new();
    let mut at = 0;
    while let Some(own) = sections.get(at).filter(|_| drafts.len() <= super::MAX_TASKS) {
        let Some(head) = head(own) else {
            at += 1;
            continue;
        };
        let is_part = |section: &&Section| section.level >= own.level && self::head(section).is_none();
        let end = at + 1 + sections.iter().skip(at + 1).take_while(is_part).count();
        drafts.extend(section::task(page, at..end, head).map(|draft| Draft { group: 1, ..draft }));
        at = end;
    }
    drafts
}
