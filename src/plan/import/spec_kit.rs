//! `tasks.md` of spec-kit: `- [ ] T012 [P] [US1] Create ... in src/models/user.py`, in phases, with a section that states
//! dependencies in words (`T008 blocks T009, T015`).
//!
//! The order of phases is the order of the file; `[P]` is dropped, because tasks are worked on one after the other.

use std::collections::BTreeMap;

use super::draft::{Draft, Page, Plan};
use super::finish::MAX_NEEDS;
use super::ids::{self, Numbers, mentioned};
use super::item::{self, Rules};
use super::{Document, Source};

/// Reads the items of all phases and the dependencies between them.
pub(super) fn read(page: &Page) -> Vec<Draft> {
    let rules = Rules { numbers: Numbers::Marked, skips_no_work: true, takes_plain: false, clean: without_marks };
    let mut drafts = item::collect(page, 0..page.outline.sections.len(), rules, &mut 0);
    let mut by_number: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        if let Some(no) = draft.id.as_deref().and_then(ids::task_number) {
            by_number.entry(no).or_default().push(at);
        }
    }
    let mut left = MAX_NEEDS + 1;
    for (before, after) in stated(page) {
        let one = ids::task_number(&after).map(|no| (no, no));
        let Some((first, last)) = one.or_else(|| ids::range(&after)).filter(|(first, last)| first <= last) else {
            continue;
        };
        let meant = by_number.range(first..=last).flat_map(|(_, places)| places).take(left);
        for draft in meant {
            left -= 1;
            if let Some(draft) = drafts.get_mut(*draft) {
                draft.needs.push(before.clone());
            }
        }
    }
    drafts
}

/// Adds the documents of the same feature.
pub(super) fn beside(source: &Source, document: Document, mut plan: Plan) -> Plan {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for name in ["spec.md", "plan.md"] {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if source.documents.iter().any(|document| document.path == path) {
            plan.docs.push(path);
        }
    }
    plan
}

/// Cuts `[P]` and `[US1]` off the front of an item, and the id of the template when nobody filled it in.
fn without_marks(text: &str) -> &str {
    let mut rest = text.strip_prefix("TXXX ").unwrap_or(text).trim_start();
    while let Some((mark, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_story =
            mark.strip_prefix("US").is_some_and(|no| !no.is_empty() && no.bytes().all(|b| b.is_ascii_digit()));
        if !(is_story || matches!(mark, "P" | "p" | "Story")) || after.trim().is_empty() {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

/// Returns pairs of ids or ranges, the first of which comes before the second.
fn stated(page: &Page) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let is_meant = |title: &str| title.to_lowercase().contains("dependenc");
    for (at, section) in page.outline.sections.iter().enumerate() {
        if !page.outline.ancestry(at).any(|(_, section)| is_meant(&section.title)) {
            continue;
        }
        let fences = section.fences.iter().flat_map(|fence| fence.lines.iter().map(String::as_str));
        let nodes = page.outline.items(section).iter().map(|node| node.text.as_str());
        for line in section.prose.iter().flat_map(|prose| prose.lines()).chain(nodes).chain(fences) {
            of_line(line, &mut pairs);
        }
    }
    pairs
}

/// Words between ids, and whether the ids on their left come first.
const ORDERS: [(&str, bool); 6] = [
    ("->", true),
    (" blocks ", true),
    (" before ", true),
    (" depends on ", false),
    (" requires ", false),
    (" after ", false),
];

/// Reads one line that states an order in one way; a line that mixes several is left alone.
fn of_line(line: &str, pairs: &mut Vec<(String, String)>) {
    let line = line.replace('\u{2192}', "->");
    // Offsets are the same in both: only ASCII letters change.
    let lower = line.to_ascii_lowercase();
    let mut used = ORDERS.iter().filter(|(word, _)| lower.contains(word));
    let (Some((word, is_left_first)), None) = (used.next(), used.next()) else { return };
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut start = 0;
    for (at, _) in lower.match_indices(word) {
        parts.push(mentioned(line.get(start..at).unwrap_or_default()));
        start = at + word.len();
    }
    parts.push(mentioned(line.get(start..).unwrap_or_default()));
    for pair in parts.windows(2) {
        let [left, right] = pair else { continue };
        let (before, after) = if *is_left_first { (left, right) } else { (right, left) };
        // 1 000: far more than a person states in one line.
        let all = before.iter().flat_map(|before| after.iter().map(move |after| (before.clone(), after.clone())));
        pairs.extend(all.take(1_000));
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn marks_go_and_other_brackets_stay() {
        assert_eq!(without_marks("[P] [US12] Create it"), "Create it");
        assert_eq!(without_marks("[Entity] model"), "[Entity] model");
        assert_eq!(without_marks("[P]"), "[P]");
    }

    #[test]
    fn orders_in_words_are_read() {
        let pairs = |line: &str| {
            let mut pairs = Vec::new();
            of_line(line, &mut pairs);
            pairs.into_iter().map(|(a, b)| format!("{a}<{b}")).collect::<Vec<_>>()
        };
        assert_eq!(pairs("Tests (T004-T007) before implementation (T008-T014)"), ["T004-T007<T008-T014"]);
        assert_eq!(pairs("- T008 blocks T009, T015"), ["T008<T009", "T008<T015"]);
        assert_eq!(pairs("T003 depends on T001 and T002"), ["T001<T003", "T002<T003"]);
        assert_eq!(pairs("T001 \u{2192} T002 -> T003"), ["T001<T002", "T002<T003"]);
        assert_eq!(pairs("Models before services"), [""; 0]);
        assert_eq!(pairs("T001 before T002, after T003"), [""; 0]);
    }
}
