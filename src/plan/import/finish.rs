//! Settles what all formats share: ids, order, titles, checks, and the shape of task.json.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::command::stated;
use super::draft::{Draft, Plan};
use super::inline::{fold, shorten};
use super::paths::only_looks;
use super::{Defaults, Document, Format, Gap, Import, ImportError, MAX_TASKS, detect, ids, order};

/// More dependencies than this are a mistake, and would take all memory.
pub(super) const MAX_NEEDS: usize = 1_000_000;
/// More commands than this are no check of one task.
pub(super) const MAX_CHECKS: usize = 100;

/// Makes the import of what a reader found.
pub(super) fn finish(
    format: Format,
    document: Document,
    mut plan: Plan,
    defaults: &Defaults,
) -> Result<Import, ImportError> {
    let file = document.path;
    let too_many = |limit, what| ImportError::TooMany { file: file.to_owned(), limit, what };
    if plan.drafts.len() > MAX_TASKS {
        return Err(too_many(MAX_TASKS, "tasks"));
    }
    if plan.drafts.iter().any(|draft| draft.checks.len() + draft.implied.len() > MAX_CHECKS) {
        return Err(too_many(MAX_CHECKS, "checks for one task"));
    }
    let ids = give_ids(&plan.drafts, &mut plan.notes);
    let done = plan.drafts.iter().filter(|draft| draft.is_done).count();
    let is_task = |draft: &Draft| defaults.with_done || !draft.is_done;
    let mut gaps = Vec::new();
    let needs = resolve(&plan.drafts, &ids, is_task, &mut gaps);
    let needs = needs.ok_or_else(|| too_many(MAX_NEEDS, "dependencies"))?;
    let sorted = order::order(&needs).map_err(|circle| ImportError::Cycle {
        file: file.to_owned(),
        line: circle.first().and_then(|at| plan.drafts.get(*at)).map_or(1, |draft| draft.line),
        ids: circle.iter().filter_map(|at| ids.get(*at).cloned()).collect(),
    })?;
    let titles = give_titles(&plan.drafts, &ids, is_task);
    let docs: Vec<&str> = std::iter::once(file).chain(plan.docs.iter().map(String::as_str)).collect();
    let plain: Vec<Value> = defaults.validate_commands.iter().filter_map(|command| stated_default(command)).collect();
    let mut tasks = Vec::new();
    for at in sorted {
        let (Some(draft), Some(id), Some(title)) = (plan.drafts.get(at), ids.get(at), titles.get(at)) else { continue };
        if !is_task(draft) {
            continue;
        }
        let commands = commands(draft, &plain);
        if commands.is_empty() && draft.patterns.is_empty() {
            gaps.push(Gap::NoCheck { id: id.clone(), line: draft.line });
        }
        if draft.patterns.is_empty() && only_looks(&draft.title) && draft.steps.iter().all(|step| only_looks(step)) {
            plan.notes
                .push(format!("line {}: task {id} only looks at the work and may have no file to change", draft.line));
        }
        let first: Vec<&String> = needs.get(at).into_iter().flatten().filter_map(|need| ids.get(*need)).collect();
        tasks.push(task(draft, id, title, &docs, &commands, &first, file));
    }
    if tasks.is_empty() {
        gaps.push(if done > 0 { Gap::AllDone { done } } else { Gap::NoItem });
    }
    let title = if plan.title.trim().is_empty() { stem(file) } else { super::inline::plain(&plan.title) };
    Ok(Import { format, title, matter: plan.matter, tasks, done, gaps, notes: plan.notes })
}

/// Returns an id per draft: its own, else `P<group>-<n>`, which stays the same when items are ticked. Unique.
fn give_ids(drafts: &[Draft], notes: &mut Vec<String>) -> Vec<String> {
    let mut used: HashSet<String> = HashSet::new();
    let mut ids: Vec<Option<String>> = Vec::with_capacity(drafts.len());
    let mut copies: HashMap<String, usize> = HashMap::new();
    let own: HashSet<&str> = drafts.iter().filter_map(|draft| draft.id.as_deref()).collect();
    for draft in drafts {
        let Some(id) = &draft.id else {
            ids.push(None);
            continue;
        };
        let mut given = id.clone();
        while used.contains(&given) || given != *id && own.contains(given.as_str()) {
            let copy = copies.entry(id.clone()).or_insert(1);
            *copy += 1;
            given = format!("{id}-{copy}");
        }
        used.insert(given.clone());
        if given != *id {
            notes.push(format!("line {}: there already is a task {id}; this one is {given}", draft.line));
        }
        ids.push(Some(given));
    }
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let mut given = Vec::with_capacity(ids.len());
    for (draft, id) in drafts.iter().zip(ids) {
        let count = counts.entry(draft.group).or_insert(0);
        *count += 1;
        let id = id.unwrap_or_else(|| {
            let mut id = format!("P{}-{count}", draft.group);
            while !used.insert(id.clone()) {
                id.push('a');
            }
            id
        });
        given.push(id);
    }
    given
}

/// Turns the ids that drafts need into indices. What is finished or no task needs nothing and is no need. `None` when
/// there are too many.
fn resolve(
    drafts: &[Draft],
    ids: &[String],
    is_task: impl Fn(&Draft) -> bool,
    gaps: &mut Vec<Gap>,
) -> Option<Vec<Vec<usize>>> {
    // The first of several with the same id of its own is the one that is meant.
    let mut by_id: HashMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    for (at, draft) in drafts.iter().enumerate().rev() {
        by_id.extend(draft.id.as_deref().map(|id| (id, at)));
    }
    let by_number: BTreeMap<u64, usize> =
        by_id.iter().filter_map(|(id, at)| Some((ids::task_number(id)?, *at))).collect();
    let has_ids = drafts.iter().any(|draft| draft.id.is_some());
    let mut total = 0;
    let mut needs: Vec<Vec<usize>> = Vec::with_capacity(drafts.len());
    for ((at, draft), id) in drafts.iter().enumerate().zip(ids) {
        let mut own: Vec<usize> = Vec::new();
        for need in draft.needs.iter().filter(|_| is_task(draft)) {
            let before = own.len();
            if let Some(other) = by_id.get(need.as_str()) {
                own.push(*other);
            } else if let Some((first, last)) = ids::range(need).filter(|(first, last)| first <= last) {
                // A task that a range of needs includes does not wait for itself.
                own.extend(by_number.range(first..=last).map(|(_, other)| *other).filter(|other| *other != at));
            }
            if own.len() == before && has_ids && ids::range(need).is_none() {
                gaps.push(Gap::UnknownDependency { id: id.clone(), needs: need.clone(), line: draft.line });
            }
            total += own.len() - before;
            if total > MAX_NEEDS {
                return None;
            }
        }
        own.retain(|need| drafts.get(*need).is_some_and(&is_task));
        own.sort_unstable();
        own.dedup();
        needs.push(own);
    }
    Some(needs)
}

/// Returns a title per draft. Those of tasks are unique: doubled ones get their group, then their id.
fn give_titles(drafts: &[Draft], ids: &[String], is_task: impl Fn(&Draft) -> bool) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for draft in drafts.iter().filter(|draft| is_task(draft)) {
        *counts.entry(fold(&draft.title)).or_default() += 1;
    }
    // A title that comes once keeps itself, so no other may become it.
    let mut used: HashSet<String> =
        counts.iter().filter(|(_, count)| **count == 1).map(|(title, _)| title.clone()).collect();
    let mut titles = Vec::with_capacity(drafts.len());
    for (draft, id) in drafts.iter().zip(ids) {
        let is_double = counts.get(&fold(&draft.title)).is_some_and(|count| *count > 1);
        if !is_task(draft) || !is_double {
            titles.push(draft.title.clone());
            continue;
        }
        let group = draft.group_title.trim();
        let by_group = (!group.is_empty()).then(|| format!("{} ({})", draft.title, shorten(group, 60)));
        let mut title = by_group.unwrap_or_else(|| format!("{} ({id})", draft.title));
        let mut copy = 1;
        while !used.insert(fold(&title)) {
            let mark = if copy == 1 { id.clone() } else { format!("{id}, {copy}") };
            title = format!("{} ({mark})", draft.title);
            copy += 1;
        }
        titles.push(title);
    }
    titles
}

/// Returns a task's commands: those stated for it, else the project's; what its steps run in passing comes on top.
fn commands(draft: &Draft, defaults: &[Value]) -> Vec<Value> {
    let stated = if draft.checks.is_empty() { defaults } else { draft.checks.as_slice() };
    let mut commands: Vec<Value> = Vec::new();
    for command in draft.implied.iter().chain(stated) {
        if !commands.contains(command) {
            commands.push(command.clone());
        }
    }
    commands
}

/// A configured command is the user's own and stays as it is.
fn stated_default(command: &str) -> Option<Value> {
    stated(command).map(|_| Value::String(command.trim().to_owned()))
}

fn task(
    draft: &Draft,
    id: &str,
    title: &str,
    docs: &[&str],
    commands: &[Value],
    needs: &[&String],
    file: &str,
) -> Map<String, Value> {
    let mut description = draft.description.trim().to_owned();
    if !draft.context.is_empty() {
        description.push_str("\n\n");
        description.push_str(&draft.context);
    }
    let mut task = Map::new();
    task.insert("id".to_owned(), json!(id));
    task.insert("title".to_owned(), json!(title));
    task.insert("description".to_owned(), json!(description));
    task.insert("steps".to_owned(), json!(draft.steps));
    task.insert("docs".to_owned(), json!(docs));
    task.insert("passes".to_owned(), json!(false));
    task.insert("blocked".to_owned(), json!(false));
    task.insert("block_reason".to_owned(), json!(""));
    let checks = json!({"path_patterns": draft.patterns, "validate_commands": commands});
    task.insert("verification".to_owned(), checks);
    let completion = json!({"kind": "boolean", "source": "gate", "success_when": "all_checks_pass"});
    task.insert("completion".to_owned(), completion);
    task.insert("execution".to_owned(), json!({"strategy": "single_pass"}));
    task.insert("output".to_owned(), json!([]));
    if !needs.is_empty() {
        task.insert("depends_on".to_owned(), json!(needs));
    }
    task.insert("source".to_owned(), json!({"file": file, "line": draft.line}));
    task
}

/// Returns a file's name without its ending, or its folder's for a name that says nothing.
fn stem(path: &str) -> String {
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let name = stem(detect::file_name(path));
    let mut folders = path.rsplit(['/', '\\']).skip(1);
    let folder = folders.find(|part| !matches!(*part, "" | "." | ".." | ".taskmaster" | "tasks"));
    match folder {
        Some(folder) if matches!(name.as_str(), "tasks" | "plan" | "todo") => folder.to_owned(),
        _ if name.is_empty() => "plan".to_owned(),
        _ => name,
    }
}
