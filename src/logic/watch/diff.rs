//! What an edited plan changes in the queue.
//!
//! A task of the plan is recognised by its title; by its id where the plan states one; by its place among the others only
//! for a task that has not begun, because places shift when something is put in above. What has begun is never touched:
//! its base, its attempts and its contract belong together.
//!
//! A ticked item is no reason to take its task away: an agent can tick it, and only the runner decides that a task is done.

use std::collections::{BTreeMap, BTreeSet};

use super::name::folded;
use crate::model::PlanTask;

/// Where a task of an earlier version of the plan stands in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is pending and nobody has worked on it.
    Waiting,
    /// It was worked on, is done, or is blocked.
    Begun,
    /// It is not in the queue: a person took it out, or its epoch is over.
    Absent,
}

/// A task as the plan has it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its id in the plan.
    pub own: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Digest of what the plan says about it.
    pub digest: &'a str,
    /// Whether the plan calls it finished.
    pub is_done: bool,
}

/// What happens to a task that the plan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It comes into the queue.
    Add,
    /// The old task with this index gets its text and checks.
    Update(usize),
    /// The old task with this index stays as it is.
    Keep(usize),
    /// Nothing: it is finished and was never in the queue.
    Pass,
}

/// What an edited plan changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// For each wanted task, in their order.
    pub steps: Vec<Step>,
    /// Indices of old tasks that leave the queue, ascending.
    pub withdrawn: Vec<usize>,
    /// Indices of old tasks that have begun and that the plan no longer has or has otherwise, ascending.
    pub left: Vec<usize>,
    /// Those of `left` that the plan no longer has.
    pub orphans: Vec<usize>,
}

/// Compares the tasks that a plan put into the queue with those that it has now. `fates` are those of `old`, in order.
pub fn diff(old: &[PlanTask], fates: &[Fate], wanted: &[Wanted<'_>]) -> Diff {
    let fate = |at: usize| fates.get(at).copied().unwrap_or(Fate::Absent);
    let mut free: BTreeSet<usize> = (0..old.len()).collect();
    let mut found: Vec<Option<usize>> = vec![None; wanted.len()];
    let mut by_title: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut by_own: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, task) in old.iter().enumerate() {
        by_title.entry(folded(&task.title)).or_default().push(at);
        by_own.entry(&task.own).or_default().push(at);
    }
    for (slot, task) in found.iter_mut().zip(wanted) {
        *slot = take(&mut free, by_title.get(&folded(task.title)), |_| true);
    }
    for (slot, task) in found.iter_mut().zip(wanted).filter(|(slot, _)| slot.is_none()) {
        let is_stated = !is_place(task.own);
        *slot = take(&mut free, by_own.get(task.own), |at| is_stated || fate(at) == Fate::Waiting);
    }
    let mut diff = Diff::default();
    for (slot, task) in found.iter().zip(wanted) {
        let Some(at) = *slot else {
            diff.steps.push(if task.is_done { Step::Pass } else { Step::Add });
            continue;
        };
        let is_same = task.is_done || old.get(at).is_some_and(|old| old.digest == task.digest);
        match fate(at) {
            Fate::Waiting if !is_same => diff.steps.push(Step::Update(at)),
            Fate::Begun if !is_same => {
                diff.left.push(at);
                diff.steps.push(Step::Keep(at));
            }
            Fate::Waiting | Fate::Begun | Fate::Absent => diff.steps.push(Step::Keep(at)),
        }
    }
    for at in free {
        match fate(at) {
            Fate::Waiting => diff.withdrawn.push(at),
            Fate::Begun => {
                diff.left.push(at);
                diff.orphans.push(at);
            }
            Fate::Absent => {}
        }
    }
    diff.left.sort_unstable();
    diff
}

fn take(free: &mut BTreeSet<usize>, among: Option<&Vec<usize>>, is_right: impl Fn(usize) -> bool) -> Option<usize> {
    let at = among?.iter().copied().find(|at| free.contains(at) && is_right(*at))?;
    free.remove(&at);
    Some(at)
}

/// Whether an id only says the place of an item (`P1-3`), as ids do that the plan does not state itself.
fn is_place(own: &str) -> bool {
    let Some((group, item)) = own.strip_prefix('P').and_then(|rest| rest.split_once('-')) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(group) && is_number(item.trim_end_matches('a'))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;
    use crate::model::TaskId;

    /// Each `own:title:digest`.
    fn old(list: &[&str]) -> Vec<PlanTask> {
        let task = |text: &&str| {
            let mut parts = text.split(':');
            let mut part = || parts.next().unwrap().to_owned();
            PlanTask { own: part(), title: part(), digest: part(), id: TaskId::new(text) }
        };
        list.iter().map(task).collect()
    }

    /// Each `own:title:digest`, with `x` behind it when ticked.
    fn told(before: &[(&str, Fate)], now: &[&str]) -> String {
        let olds = old(&before.iter().map(|(text, _)| *text).collect::<Vec<_>>());
        let fates: Vec<Fate> = before.iter().map(|(_, fate)| *fate).collect();
        let news = old(&now.iter().map(|text| text.trim_end_matches('x')).collect::<Vec<_>>());
        let wanted: Vec<Wanted> = news
            .iter()
            .zip(now)
            .map(|(task, text)| Wanted {
                own: &task.own,
                title: &task.title,
                digest: &task.digest,
                is_done: text.ends_with('x'),
            })
            .collect();
        let diff = diff(&olds, &fates, &wanted);
        format!("{:?} -{:?} ={:?}", diff.steps, diff.withdrawn, diff.left)
    }

    use Fate::{Absent, Begun, Waiting};

    #[test]
    fn only_what_has_not_begun_is_updated_and_withdrawn() {
        let before = [("P1-1:a:1", Waiting), ("P1-2:b:1", Begun), ("P1-3:c:1", Waiting), ("P1-4:d:1", Begun)];
        assert_eq!(told(&before, &["P1-1:a:2", "P1-2:b:2", "P1-3:e:2"]), "[Update(0), Keep(1), Update(2)] -[] =[1, 3]");
        assert_eq!(told(&before, &["P1-1:a:1", "P1-2:b:1"]), "[Keep(0), Keep(1)] -[2] =[3]");
        assert_eq!(told(&before, &[]), "[] -[0, 2] =[1, 3]");
    }

    #[test]
    fn an_item_put_in_above_shifts_nothing() {
        let before = [("P1-1:a:1", Begun), ("P1-2:b:1", Waiting)];
        assert_eq!(told(&before, &["P1-1:new:1", "P1-2:a:1", "P1-3:b:1"]), "[Add, Keep(0), Keep(1)] -[] =[]");
        assert_eq!(told(&before, &["P1-1:new:1", "P1-2:b:1"]), "[Add, Keep(1)] -[] =[0]");
    }

    #[test]
    fn a_stated_id_names_its_task_whatever_the_title() {
        let before = [("T1:a:1", Begun), ("T2:b:1", Waiting)];
        assert_eq!(told(&before, &["T1:other:2", "T2:third:2"]), "[Keep(0), Update(1)] -[] =[0]");
    }

    #[test]
    fn a_ticked_item_keeps_its_task() {
        let before = [("P1-1:a:1", Waiting), ("P1-2:b:1", Begun)];
        assert_eq!(told(&before, &["P1-1:a:9x", "P1-2:b:9x", "P1-3:c:1x"]), "[Keep(0), Keep(1), Pass] -[] =[]");
    }

    #[test]
    fn what_a_person_took_out_stays_out() {
        assert_eq!(told(&[("P1-1:a:1", Absent), ("P1-2:b:1", Absent)], &["P1-1:a:2"]), "[Keep(0)] -[] =[]");
    }

    #[test]
    fn only_made_up_ids_are_places() {
        for (own, is) in
            [("P1-1", true), ("P12-34aa", true), ("T1", false), ("P1", false), ("P-1", false), ("P1-", false)]
        {
            assert_eq!(is_place(own), is, "{own}");
        }
    }

    proptest! {
        #[test]
        fn every_old_task_is_accounted_for_once(
            before in prop::collection::vec((0..4u8, 0..4u8, 0..2u8, 0..3usize), 0..8),
            now in prop::collection::vec((0..4u8, 0..4u8, 0..2u8, any::<bool>()), 0..8),
        ) {
            let name = |own: u8, title: u8, digest: u8| format!("{}{own}:t{title}:{digest}", if own < 2 { "P1-" } else { "T" });
            let texts: Vec<String> = before.iter().map(|(o, t, d, _)| name(*o, *t, *d)).collect();
            let olds = old(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let fates: Vec<Fate> = before.iter().map(|(.., fate)| [Waiting, Begun, Absent][*fate]).collect();
            let texts: Vec<String> = now.iter().map(|(o, t, d, _)| name(*o, *t, *d)).collect();
            let news = old(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let wanted: Vec<Wanted> = news.iter().zip(&now)
                .map(|(n, (.., is_done))| Wanted { own: &n.own, title: &n.title, digest: &n.digest, is_done: *is_done }).collect();
            let diff = diff(&olds, &fates, &wanted);
            prop_assert_eq!(diff.steps.len(), wanted.len());
            let mut kept: Vec<usize> = diff.steps.iter().filter_map(|step| match step {
                Step::Update(at) | Step::Keep(at) => Some(*at),
                Step::Add | Step::Pass => None,
            }).collect();
            kept.extend(&diff.withdrawn);
            kept.extend(&diff.orphans);
            kept.sort_unstable();
            let count = kept.len();
            kept.dedup();
            prop_assert_eq!(kept.len(), count, "no old task twice");
            for (at, fate) in fates.iter().enumerate() {
                prop_assert!(kept.contains(&at) || *fate == Absent);
            }
            prop_assert!(diff.withdrawn.iter().all(|at| fates[*at] == Waiting));
            for step in &diff.steps {
                if let Step::Update(at) = step {
                    prop_assert_eq!(fates[*at], Waiting);
                }
            }
        }
    }
}
