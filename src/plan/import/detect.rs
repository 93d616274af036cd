//! Says how a plan is written, and which file of a folder holds the tasks.

use super::ids::{Numbers, leading, task_number};
use super::markdown::{Outline, Tick};
use super::{Document, Format, ImportError, Source, heading, ralphex, task_master};
use crate::logic::front_matter;

/// Says how a file is written; `None` when it is no plan that could be read here.
pub fn detect(path: &str, text: &str) -> Option<Format> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let ending = file_name(path).rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    if ending == "json" || text.trim_start().starts_with('{') {
        return task_master::is_list(text).then_some(Format::TaskMaster);
    }
    if !matches!(ending.as_str(), "" | "md" | "markdown" | "mdown" | "mdx" | "txt") || text.trim().is_empty() {
        return None;
    }
    // Broken front matter is front matter: reading says what is wrong with it.
    let Ok(split) = front_matter::split(text) else { return Some(Format::Plan) };
    let outline = Outline::read(split.body, 1);
    let has_matter = split.matter.is_some_and(|fields| !fields.is_empty());
    of_outline(path, &outline).or_else(|| {
        let has_headings = outline.sections.len() > 1;
        (has_matter || has_headings).then_some(Format::Plan)
    })
}

fn of_outline(path: &str, outline: &Outline) -> Option<Format> {
    let boxes = || outline.nodes.iter().filter(|node| node.tick != Tick::Plain);
    let ids = || boxes().filter_map(|node| leading(&node.text, Numbers::Free)).map(|(id, _)| id);
    let is_change = file_name(path) == "tasks.md" && path.split('/').any(|part| part == "openspec");
    if is_change && boxes().next().is_some() {
        return Some(Format::OpenSpec);
    }
    if ids().any(|id| task_number(id).is_some() && id.len() >= 4) {
        return Some(Format::SpecKit);
    }
    if outline.sections.iter().any(|section| ralphex::head(section).is_some()) {
        return Some(Format::Ralphex);
    }
    if has_numbered_groups(outline) {
        return Some(Format::OpenSpec);
    }
    let is_list = |title: &str| heading::is_task_list(title);
    if outline.sections.iter().any(|section| section.level > 1 && is_list(&section.title)) {
        return Some(Format::Plan);
    }
    boxes().next().map(|_| Format::Checklist)
}

/// Whether boxes below `## 2. Group` are numbered `2.1`.
fn has_numbered_groups(outline: &Outline) -> bool {
    outline.sections.iter().any(|section| {
        let Some((group, _)) = leading(&section.title, Numbers::Marked) else { return false };
        let items = outline.items(section).iter().filter(|node| node.tick != Tick::Plain);
        let mut ids = items.filter_map(|node| leading(&node.text, Numbers::Free)).map(|(id, _)| id);
        ids.any(|id| id.split_once('.').is_some_and(|(first, _)| first == group))
    })
}

/// Says how the plan in a folder is written; `None` when there is none.
pub fn detect_folder(source: &Source) -> Option<Format> {
    let of = |document: &&Document| detect(document.path, document.text);
    let list = source.documents.iter().find(|document| file_name(document.path) == "tasks.json");
    if let Some(format) = list.and_then(|document| of(&document)) {
        return Some(format);
    }
    if let Some(tasks) = named(source, "tasks.md").first() {
        let proposal = sibling(tasks.path, "proposal.md");
        let is_change = source.documents.iter().any(|document| document.path == proposal);
        return of(tasks).map(|format| if is_change { Format::OpenSpec } else { format });
    }
    plans(source).first().and_then(of)
}

/// Returns the file with the tasks.
pub(super) fn main_document<'a>(format: Format, source: &Source<'a>) -> Result<Document<'a>, ImportError> {
    if let [only] = source.documents.as_slice() {
        return Ok(*only);
    }
    let (found, wanted) = match format {
        Format::TaskMaster => (named(source, "tasks.json"), "tasks.json"),
        Format::SpecKit | Format::OpenSpec => (named(source, "tasks.md"), "tasks.md"),
        Format::Checklist | Format::Ralphex | Format::Plan => {
            let lists = named(source, "tasks.md");
            (if lists.is_empty() { plans(source) } else { lists }, "plan.md")
        }
    };
    match found.as_slice() {
        [] => Err(ImportError::Missing { format, wanted }),
        [only] => Ok(**only),
        several => {
            let files = several.iter().map(|document| document.path.to_owned()).collect();
            Err(ImportError::Ambiguous { format, files })
        }
    }
}

/// Returns the files of this name that are not in an archive.
fn named<'s, 'a>(source: &'s Source<'a>, name: &str) -> Vec<&'s Document<'a>> {
    let is_old = |path: &str| path.split('/').any(|part| part == "archive");
    source.documents.iter().filter(|document| file_name(document.path) == name && !is_old(document.path)).collect()
}

/// Returns `plan.md`, else all markdown files.
fn plans<'s, 'a>(source: &'s Source<'a>) -> Vec<&'s Document<'a>> {
    let plans = named(source, "plan.md");
    if !plans.is_empty() {
        return plans;
    }
    source.documents.iter().filter(|document| is_markdown(document.path)).collect()
}

fn sibling(path: &str, name: &str) -> String {
    path.rsplit_once('/').map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
}

/// Whether a file's name says that it is markdown.
pub(super) fn is_markdown(path: &str) -> bool {
    file_name(path).rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("md"))
}

/// Returns the last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
