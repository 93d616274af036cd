//! A change of OpenSpec: `tasks.md` with `## 1. Group` and `- [ ] 1.1 ...`; the proposal, the design and the changed
//! specifications beside it are documents to read.

use super::detect::is_markdown;
use super::draft::{Draft, Page, Plan};
use super::ids::Numbers;
use super::item::{self, Rules};
use super::markdown::Outline;
use super::{Document, Source};

/// Reads the items of all groups.
pub(super) fn read(page: &Page) -> Vec<Draft> {
    let rules = Rules { numbers: Numbers::Free, skips_no_work: false, takes_plain: false, clean: |text| text };
    item::collect(page, 0..page.outline.sections.len(), rules, &mut 0)
}

/// Adds the other documents of the change, and its name when `tasks.md` has no title of its own.
pub(super) fn beside(source: &Source, document: Document, mut plan: Plan) -> Plan {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let below = |path: &str| match folder {
        "" => Some(path.to_owned()),
        folder => path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned),
    };
    let mut docs: Vec<(u8, &str)> = Vec::new();
    for other in &source.documents {
        let Some(name) = below(other.path) else { continue };
        let rank = match name.as_str() {
            "proposal.md" => 0,
            "design.md" => 1,
            name if name.starts_with("specs/") && is_markdown(name) => 2,
            _ => continue,
        };
        docs.push((rank, other.path));
    }
    docs.sort_unstable();
    plan.docs.extend(docs.iter().map(|(_, path)| (*path).to_owned()));
    let proposal = docs.first().filter(|(rank, _)| *rank == 0).map(|(_, path)| *path);
    let proposal = source.documents.iter().find(|document| Some(document.path) == proposal);
    let of_proposal = proposal.and_then(|document| first_title(document.text));
    let of_folder = folder.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned);
    if let Some(title) = first_title(document.text).or(of_proposal).or(of_folder) {
        plan.title = plan.matter.as_ref().and_then(|matter| matter.title.clone()).unwrap_or(title);
    }
    plan
}

/// Returns the heading of level 1; the others are sections of the template.
fn first_title(text: &str) -> Option<String> {
    let outline = Outline::read(text, 1);
    outline.sections.into_iter().find(|section| section.level == 1 && !section.title.is_empty()).map(|s| s.title)
}
