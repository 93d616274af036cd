//! Makes a task of a list item: its text, what is nested below it, and the section around it.

use super::command::{Announced, announced, implied, labelled, of_fence};
use super::draft::{Draft, Page};
use super::heading;
use super::ids::{Numbers, leading, needs};
use super::inline::{label, plain, sentences, shorten, title};
use super::markdown::{Fence, Node, Outline, Section, Tick};
use super::paths;

/// What is kept of the text around an item; the whole plan is among the task's documents.
const CONTEXT_LIMIT: usize = 1_500;
/// What is kept of an item's own text.
const TEXT_LIMIT: usize = 8_000;

/// How a format's items are read.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) numbers: Numbers,
    /// Items below headings such as `Acceptance criteria` are no tasks.
    pub(super) skips_no_work: bool,
    /// Items without a box are tasks too.
    pub(super) takes_plain: bool,
    /// Cuts marks of the format off an item behind its id.
    pub(super) clean: fn(&str) -> &str,
}

impl Rules {
    /// Those of a plain checklist.
    pub(super) fn checklist() -> Self {
        Self { numbers: Numbers::Marked, skips_no_work: true, takes_plain: false, clean: |text| text }
    }
}

/// Returns the tasks that the list items of some sections are, and counts their groups on.
pub(super) fn collect(page: &Page, sections: std::ops::Range<usize>, rules: Rules, groups: &mut usize) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for at in sections {
        let Some(section) = page.outline.sections.get(at).filter(|_| drafts.len() <= super::MAX_TASKS) else { break };
        let is_no_work = |(_, section): (usize, &Section)| heading::is_no_work(&section.title);
        if section.nodes.is_empty() || rules.skips_no_work && page.outline.ancestry(at).any(is_no_work) {
            continue;
        }
        let start = drafts.len();
        of_section(page, at, section, rules, *groups + 1, &mut drafts);
        *groups += usize::from(drafts.len() > start);
    }
    drafts
}

fn of_section(page: &Page, at: usize, section: &Section, rules: Rules, group: usize, drafts: &mut Vec<Draft>) {
    let outline = &page.outline;
    let context = context(outline, at);
    let checks = page.checks.of_section(outline, at);
    // Items without a box around the next one; they name a group.
    let mut around: Vec<&Node> = Vec::new();
    let mut next = section.nodes.start;
    while let Some(node) = outline.nodes.get(next).filter(|_| next < section.nodes.end) {
        around.truncate(node.depth);
        let is_task = node.tick != Tick::Plain || rules.takes_plain;
        if is_task && !page.checks.has_taken(next) {
            let nodes = outline.subtree(next);
            next += nodes.len().max(1);
            let Some(mut draft) = of_nodes(nodes, rules) else { continue };
            draft.group = group;
            draft.group_title = around.last().map_or_else(|| plain(&section.title), |node| title(&node.text));
            draft.context.clone_from(&context);
            draft.checks.extend(checks.iter().cloned());
            drafts.push(draft);
            // One more than allowed is enough to know that there are too many.
            if drafts.len() > super::MAX_TASKS {
                return;
            }
        } else {
            around.push(node);
            next += 1;
        }
    }
}

/// Makes a task of an item and what is nested below it; `None` when the item has no text.
fn of_nodes(nodes: &[Node], rules: Rules) -> Option<Draft> {
    let (node, below) = nodes.split_first()?;
    let (id, text) = match leading(&node.text, rules.numbers) {
        Some((id, text)) => (Some(id.to_owned()), text),
        None => (None, node.text.as_str()),
    };
    let text = (rules.clean)(text).trim();
    if plain(text).is_empty() {
        return None;
    }
    let is_left = below.iter().any(|node| node.tick == Tick::Open);
    let mut draft = Draft {
        id,
        title: title(text),
        line: node.line,
        is_done: node.tick == Tick::Done && !is_left,
        ..Draft::default()
    };
    let mut says = vec![text.to_owned()];
    draft.needs = needs(text);
    draft.implied.extend(implied(text));
    paths::collect(text, &mut draft.patterns);
    for prose in &node.prose {
        add_prose(prose, &mut draft);
        says.push(prose.clone());
    }
    add_fences(text, &node.fences, &mut draft, &mut says);
    add_below(below, &mut draft, &mut says);
    if draft.steps.is_empty() {
        draft.steps = steps_of_text(&says);
    }
    draft.description = shorten(&says.join("\n\n"), TEXT_LIMIT);
    Some(draft)
}

/// Reads what is nested: steps, commands behind `Verify:`, files, dependencies.
pub(super) fn add_below(below: &[Node], draft: &mut Draft, says: &mut Vec<String>) {
    // Below `Acceptance criteria:` stands no step; this is the depth of such an item.
    let mut aside: Option<usize> = None;
    for node in below {
        let text = plain(&node.text);
        aside = aside.filter(|depth| node.depth > *depth);
        if aside.is_some() {
            says.push(format!("- {text}"));
        } else if let Some(command) = labelled(&node.text) {
            draft.checks.push(command);
        } else if is_remark(&node.text) {
            draft.needs.extend(needs(&node.text));
            paths::collect(&node.text, &mut draft.patterns);
            says.push(text);
        } else if text.ends_with(':') {
            // It only announces what is nested below it.
            aside = heading::is_no_work(&text).then_some(node.depth);
            says.push(text);
        } else if !text.is_empty() && (draft.is_done || node.tick != Tick::Done) {
            draft.implied.extend(implied(&node.text));
            draft.needs.extend(needs(&node.text));
            paths::collect(&node.text, &mut draft.patterns);
            draft.steps.push(text);
        }
        for prose in &node.prose {
            add_prose(prose, draft);
            says.push(prose.clone());
        }
        add_fences(&node.text, &node.fences, draft, says);
    }
}

/// Reads a paragraph: `Verify:` and `Files:` lines count, everything else is only text.
pub(super) fn add_prose(prose: &str, draft: &mut Draft) {
    for line in prose.lines() {
        draft.needs.extend(needs(line));
        draft.checks.extend(labelled(line));
        if label(line)
            .is_some_and(|(label, _)| matches!(label.as_str(), "files" | "file" | "create" | "modify" | "path"))
        {
            paths::collect(line, &mut draft.patterns);
        }
    }
}

/// Reads fences: below `Verify:` they are commands, elsewhere text.
pub(super) fn add_fences(before: &str, fences: &[Fence], draft: &mut Draft, says: &mut Vec<String>) {
    let last = before.lines().last().unwrap_or_default();
    let is_check = last.trim_end().ends_with(':') && announced(last).is_some();
    for fence in fences {
        if is_check {
            draft.checks.extend(of_fence(fence, Announced::Checks));
        }
        says.push(format!("```{}\n{}\n```", fence.language, fence.lines.join("\n")));
    }
}

/// Whether a nested item says something about the task and is no step of it.
fn is_remark(text: &str) -> bool {
    let Some((label, _)) = label(text) else { return false };
    matches!(
        label.trim_matches('_'),
        "files"
            | "file"
            | "refs"
            | "ref"
            | "requirements"
            | "requirement"
            | "status"
            | "depends on"
            | "dependencies"
            | "blocked by"
            | "priority"
            | "estimate"
            | "effort"
            | "size"
            | "owner"
            | "rules"
            | "notes"
            | "note"
            | "goal"
            | "why"
            | "test plan"
    )
}

/// Returns the sentences of the running text as steps. Never empty when there is any text.
pub(super) fn steps_of_text(says: &[String]) -> Vec<String> {
    let texts = says.iter().filter(|text| !text.starts_with("```"));
    let steps: Vec<String> = texts.flat_map(|text| sentences(text)).map(|text| plain(&text)).collect();
    let steps: Vec<String> = steps.into_iter().filter(|step| step.chars().any(char::is_alphanumeric)).collect();
    if steps.is_empty() { says.iter().take(1).map(|text| plain(text)).collect() } else { steps }
}

/// Returns the way of headings to a section and its prose, shortened.
pub(super) fn context(outline: &Outline, section: usize) -> String {
    let mut titles: Vec<String> = outline.ancestry(section).map(|(_, section)| plain(&section.title)).collect();
    titles.retain(|title| !title.is_empty());
    titles.reverse();
    let prose = outline.sections.get(section).map(|section| section.prose.join("\n\n")).unwrap_or_default();
    let way = if titles.is_empty() { String::new() } else { format!("Part of: {}", titles.join(" > ")) };
    let parts: Vec<String> = [way, prose].into_iter().filter(|part| !part.is_empty()).collect();
    shorten(&parts.join("\n\n"), CONTEXT_LIMIT)
}
