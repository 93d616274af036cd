//! Any other plan in markdown. Below a heading such as `Tasks` stand sub-sections or lists; without one, checklists
//! anywhere are the tasks.

use super::draft::{Draft, Page};
use super::heading::{self, TaskHeading};
use super::ids::{Numbers, leading};
use super::item::{self, Rules};
use super::markdown::{Section, Tick};
use super::{checklist, command, section};

/// Reads the lists of tasks.
pub(super) fn read(page: &Page) -> Vec<Draft> {
    let sections = &page.outline.sections;
    let mut drafts = Vec::new();
    let mut groups = 0;
    let mut at = 0;
    while let Some(own) = sections.get(at).filter(|_| drafts.len() <= super::MAX_TASKS) {
        let end = page.outline.section_end(at);
        let inside = sections.get(at + 1..end).unwrap_or_default();
        let is_title = own.level == 1 && !inside.is_empty();
        let is_list =
            heading::is_task_list(&own.title) && !inside.iter().any(|part| heading::is_task_list(&part.title));
        if is_title || !is_list {
            at += 1;
            continue;
        }
        below(page, at, end, &mut groups, &mut drafts);
        at = end;
    }
    if drafts.is_empty() { checklist::read(page) } else { drafts }
}

/// Reads one list of tasks: the items of the section itself, then its sub-sections.
fn below(page: &Page, list: usize, end: usize, groups: &mut usize, drafts: &mut Vec<Draft>) {
    let outline = &page.outline;
    let has_boxes = |from: usize, to: usize| {
        let sections = outline.sections.get(from..to).unwrap_or_default();
        sections.iter().flat_map(|section| outline.items(section)).any(|node| node.tick != Tick::Plain)
    };
    let is_boxed = has_boxes(list, end);
    let takes_plain = end == list + 1 && !is_boxed;
    drafts.extend(item::collect(page, list..list + 1, Rules { takes_plain, ..Rules::checklist() }, groups));
    let mut at = list + 1;
    let mut in_order = None;
    while let Some(own) = outline.sections.get(at).filter(|_| at < end && drafts.len() <= super::MAX_TASKS) {
        let next = outline.section_end(at).min(end);
        let is_work = !heading::is_no_work(&own.title) && command::announced(&own.title).is_none();
        let numbered = heading::task(&own.title);
        if let Some(head) = numbered.or_else(|| named(own).filter(|_| is_work && !is_boxed)) {
            // Tasks that are sub-sections of one list are one group.
            let group = *in_order.get_or_insert_with(|| {
                *groups += 1;
                *groups
            });
            let draft = section::task(page, at..next, head);
            drafts.extend(draft.map(|draft| Draft { group, id: draft.id.filter(|id| !id.is_empty()), ..draft }));
        } else if is_work {
            drafts.extend(item::collect(page, at..next, Rules::checklist(), groups));
        }
        at = next;
    }
}

/// Returns the task that a sub-section without boxes is. Its id is empty when the heading has none.
fn named(section: &Section) -> Option<TaskHeading> {
    let (id, title) = leading(&section.title, Numbers::Marked).unwrap_or(("", section.title.as_str()));
    (!title.trim().is_empty()).then(|| TaskHeading { id: id.to_owned(), title: title.to_owned() })
}
