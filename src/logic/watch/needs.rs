//! Which plans come before which: the names in `depends_on` of front matter, and circles among them.

use std::collections::{BTreeMap, BTreeSet};

use super::name;
use crate::model::{PlanRecord, PlanStanding};

/// A plan that is about to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Its key.
    pub plan: &'a str,
    /// Its title.
    pub title: &'a str,
    /// What it says it depends on.
    pub names: &'a [String],
}

/// What a plan depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Keys of plans.
    pub plans: Vec<String>,
    /// Ids of tasks.
    pub tasks: Vec<String>,
}

/// Why a plan cannot be taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// For people.
    pub reason: String,
    /// The names that nobody knows, or those that make the circle.
    pub waits_for: Vec<String>,
}

/// What can be taken, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// What can be taken, each behind what it depends on, otherwise in the order given.
    pub order: Vec<(String, Needs)>,
    /// The others.
    pub failures: BTreeMap<String, Unmet>,
}

/// Finds out what is meant by the names. A plan depends on plans that were taken, on others of the same lot, and on tasks
/// of the queue.
pub fn resolve(
    plans: &BTreeMap<String, PlanRecord>,
    asking: &[Asking<'_>],
    is_task: impl Fn(&str) -> bool,
) -> Resolved {
    let mut failures: BTreeMap<String, Unmet> = BTreeMap::new();
    let mut needs: BTreeMap<&str, Needs> = BTreeMap::new();
    loop {
        let before = failures.len();
        for plan in asking.iter().filter(|plan| !failures.contains_key(plan.plan)).collect::<Vec<_>>() {
            let found = find(plans, asking, &failures, plan, &is_task);
            match found {
                Ok(found) => drop(needs.insert(plan.plan, found)),
                Err(unmet) => drop(failures.insert(plan.plan.to_owned(), unmet)),
            }
        }
        for plan in asking {
            if !failures.contains_key(plan.plan)
                && let Some(circle) = circle(plans, &needs, plan.plan)
            {
                let reason = format!(
                    "plans depend on each other in a circle: {} -> {}; remove one of these from `depends_on`",
                    circle.join(" -> "),
                    plan.plan
                );
                failures.insert(plan.plan.to_owned(), Unmet { reason, waits_for: plan.names.to_vec() });
            }
        }
        needs.retain(|plan, _| !failures.contains_key(*plan));
        if failures.len() == before {
            break;
        }
    }
    Resolved { order: in_order(asking, &mut needs), failures }
}

fn find(
    plans: &BTreeMap<String, PlanRecord>,
    asking: &[Asking<'_>],
    failures: &BTreeMap<String, Unmet>,
    own: &Asking<'_>,
    is_task: &impl Fn(&str) -> bool,
) -> Result<Needs, Unmet> {
    let mut needs = Needs::default();
    let mut unknown = Vec::new();
    for wanted in own.names {
        // The plan itself too: that is the shortest circle.
        let here = asking.iter().filter(|plan| !failures.contains_key(plan.plan));
        let here = here.filter(|plan| name::is_meant(wanted, plan.plan, plan.title)).map(|plan| plan.plan);
        let known = plans.iter().filter(|(plan, record)| {
            record.standing == PlanStanding::Taken && name::is_meant(wanted, plan, &record.title)
        });
        let mut found: BTreeSet<&str> = here.collect();
        found.extend(known.map(|(plan, _)| plan.as_str()).filter(|plan| !failures.contains_key(*plan)));
        if !found.is_empty() {
            needs.plans.extend(found.into_iter().map(str::to_owned));
        } else if is_task(wanted) {
            needs.tasks.push(wanted.clone());
        } else {
            unknown.push(wanted.clone());
        }
    }
    if unknown.is_empty() {
        return Ok(needs);
    }
    let names: Vec<String> = unknown.iter().map(|name| format!("`{name}`")).collect();
    let reason = format!(
        "depends_on names {}, which is no plan whose tasks are in the queue, and no task of it; this plan is taken as soon \
         as there is one",
        names.join(", ")
    );
    Err(Unmet { reason, waits_for: unknown })
}

/// Returns the way from a plan back to itself.
fn circle<'a>(
    plans: &'a BTreeMap<String, PlanRecord>,
    needs: &'a BTreeMap<&str, Needs>,
    start: &'a str,
) -> Option<Vec<&'a str>> {
    let next = |plan: &str| -> &'a [String] {
        match needs.get(plan) {
            Some(needs) => &needs.plans,
            None => plans.get(plan).map(|record| record.needs.as_slice()).unwrap_or_default(),
        }
    };
    let mut seen = BTreeSet::new();
    let mut way: Vec<(&str, std::slice::Iter<'a, String>)> = vec![(start, next(start).iter())];
    while let Some((_, rest)) = way.last_mut() {
        let Some(plan) = rest.next() else {
            way.pop();
            continue;
        };
        if plan == start {
            return Some(way.iter().map(|(plan, _)| *plan).collect());
        }
        if seen.insert(plan.as_str()) {
            way.push((plan, next(plan).iter()));
        }
    }
    None
}

/// Puts each plan behind those of the lot that it depends on.
fn in_order(asking: &[Asking<'_>], needs: &mut BTreeMap<&str, Needs>) -> Vec<(String, Needs)> {
    let lot: BTreeSet<&str> = needs.keys().copied().collect();
    let mut order = Vec::with_capacity(lot.len());
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = order.len();
        for plan in asking {
            let is_ready = needs.get(plan.plan).is_some_and(|needs| {
                needs.plans.iter().all(|need| done.contains(need.as_str()) || !lot.contains(need.as_str()))
            });
            if is_ready && let Some(found) = needs.remove(plan.plan) {
                done.insert(plan.plan);
                order.push((plan.plan.to_owned(), found));
            }
        }
        if order.len() == before {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// Each `plan>name,name`.
    fn told(known: &[(&str, &[&str])], asking: &[&str]) -> (Vec<String>, Vec<String>) {
        let record = |needs: &[&str]| PlanRecord {
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            ..PlanRecord::default()
        };
        let plans = known.iter().map(|(plan, needs)| ((*plan).to_owned(), record(needs))).collect();
        let parts: Vec<(&str, Vec<String>)> = asking
            .iter()
            .map(|text| {
                let (plan, names) = text.split_once('>').unwrap_or((text, ""));
                (plan, names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
            })
            .collect();
        let asking: Vec<Asking> = parts.iter().map(|(plan, names)| Asking { plan, title: "", names }).collect();
        let resolved = resolve(&plans, &asking, |name| name == "T1");
        let order = resolved
            .order
            .into_iter()
            .map(|(plan, needs)| format!("{plan}>{}", [needs.plans, needs.tasks].concat().join(",")));
        (
            order.collect(),
            resolved.failures.into_iter().map(|(plan, unmet)| format!("{plan}: {}", unmet.reason)).collect(),
        )
    }

    #[test]
    fn plans_come_behind_what_they_depend_on() {
        let (order, failures) = told(&[("d/old.md", &[])], &["d/a.md>b", "d/b.md>c.md,old,T1", "d/c.md", "d/e.md"]);
        assert_eq!(order, ["d/c.md>", "d/e.md>", "d/b.md>d/c.md,d/old.md,T1", "d/a.md>d/b.md"]);
        assert!(failures.is_empty());
    }

    #[test]
    fn what_nobody_knows_holds_its_dependants_too() {
        let (order, failures) = told(&[], &["a.md>b", "b.md>gone", "c.md"]);
        assert_eq!(order, ["c.md>"]);
        assert_eq!(failures.len(), 2);
        assert!(
            failures[0].starts_with("a.md: depends_on names `b`") && failures[1].contains("`gone`"),
            "{failures:?}"
        );
    }

    #[test]
    fn circles_are_told_also_through_plans_that_were_taken() {
        let (order, failures) = told(&[], &["a.md>b", "b.md>a", "c.md>c"]);
        assert!(order.is_empty());
        assert!(
            failures[0].contains("a.md: plans depend on each other in a circle: a.md -> b.md -> a.md"),
            "{failures:?}"
        );
        assert!(failures[2].contains("c.md -> c.md"), "{failures:?}");
        let (order, failures) = told(&[("old.md", &["a.md"])], &["a.md>old"]);
        assert!(order.is_empty() && failures[0].contains("a.md -> old.md -> a.md"), "{failures:?}");
    }
}
