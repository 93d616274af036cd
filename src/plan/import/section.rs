//! Makes a task of a heading with what stands below it: boxes are its steps, paragraphs its description.

use std::ops::Range;

use super::command::announced;
use super::draft::{Draft, Page};
use super::heading::{TaskHeading, is_no_work};
use super::inline::{plain, shorten};
use super::item::{add_below, add_fences, add_prose, context, steps_of_text};
use super::markdown::{Node, Tick};
use super::paths;

/// What is kept of a task's own text.
const TEXT_LIMIT: usize = 12_000;

/// Steps that only keep a plan's own books.
const BOOKKEEPING: [&str; 3] = ["mark completed", "mark complete", "mark as completed"];

/// Makes a task of the first of some sections and all others of them.
pub(super) fn task(page: &Page, sections: Range<usize>, head: TaskHeading) -> Option<Draft> {
    let outline = &page.outline;
    let own = outline.sections.get(sections.start)?;
    let mut draft = Draft { id: Some(head.id), title: plain(&head.title), line: own.line, ..Draft::default() };
    let parts = outline.sections.get(sections.clone()).unwrap_or_default();
    let is_step_list = |title: &str| announced(title).is_none() && !is_no_work(title);
    let steps = parts.iter().filter(|part| is_step_list(&part.title));
    let boxes = || steps.clone().flat_map(|part| outline.items(part)).filter(|node| node.tick != Tick::Plain);
    let has_boxes = boxes().next().is_some();
    draft.is_done = has_boxes && boxes().all(|node| node.tick == Tick::Done);
    let mut says: Vec<String> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let is_checks = announced(&part.title).is_some();
        if at > 0 && !is_checks {
            says.push(plain(&part.title));
        }
        for prose in &part.prose {
            add_prose(prose, &mut draft);
            says.push(prose.clone());
        }
        if is_checks {
            continue;
        }
        add_fences(part.prose.last().map(String::as_str).unwrap_or_default(), &part.fences, &mut draft, &mut says);
        let (nodes, remarks): (Vec<Node>, Vec<Node>) =
            outline.items(part).iter().cloned().partition(|node| !has_boxes || node.tick != Tick::Plain);
        for remark in &remarks {
            paths::collect(&remark.text, &mut draft.patterns);
            add_prose(&remark.text, &mut draft);
            says.push(format!("- {}", plain(&remark.text)));
        }
        if is_step_list(&part.title) {
            let steps: Vec<Node> = nodes.into_iter().filter(|node| !is_bookkeeping(&node.text)).collect();
            add_below(&steps, &mut draft, &mut says);
        } else {
            says.extend(nodes.iter().map(|node| format!("- {}", plain(&node.text))));
        }
    }
    draft.checks.extend(page.checks.of_section(outline, sections.start));
    if says.iter().all(|text| text.trim().is_empty()) {
        says = vec![plain(&head.title)];
    }
    if draft.steps.is_empty() {
        draft.steps = steps_of_text(&says);
    }
    draft.description = shorten(&says.join("\n\n"), TEXT_LIMIT);
    let around = own.parent.filter(|at| outline.sections.get(*at).is_some_and(|parent| parent.level > 0));
    draft.context = around.map(|at| context(outline, at)).unwrap_or_default();
    draft.group_title = around.and_then(|at| outline.sections.get(at)).map(|s| plain(&s.title)).unwrap_or_default();
    Some(draft)
}

fn is_bookkeeping(text: &str) -> bool {
    BOOKKEEPING.contains(&plain(text).to_lowercase().trim_end_matches('.'))
}
