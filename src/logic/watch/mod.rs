//! What a plan file that is seen means: new, edited, renamed, a copy, unchanged, gone.
//!
//! Everything here is a function of what the journal knows ([`PlanRecord`]) and of what was seen; nobody reads a file
//! here. Reading order: [`settle`] says when a file is no longer being written, this file what its content is to us,
//! [`diff`] what an edited plan changes in the queue, [`order`] where new tasks go, `fold` what events make of it.
//!
//! Invariant: a content for which the journal has a [`PlanStanding::Taken`] is never taken again.

pub mod contract;
pub mod diff;
pub(in crate::logic) mod fold;
pub mod name;
pub mod needs;
pub mod order;
pub mod settle;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::model::{PlanRecord, PlanStanding};

/// What a plan file's content is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// It has been dealt with.
    Unchanged,
    /// Nobody has seen this plan.
    New,
    /// A plan that is known has another content now.
    Edited,
    /// A plan that was gone is back as it was, or it is worth to try again.
    Again,
    /// Another file that is still there has this content and was taken.
    TwinOf(&'a str),
    /// Another file that is no longer there had this content.
    MovedFrom(&'a str),
}

/// One plan file as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The key of the plan; see [`PlanRecord`].
    pub plan: &'a str,
    /// SHA-256 of its content, hexadecimal.
    pub digest: &'a str,
    /// Whether the file that says why it failed is beside it.
    pub has_notice: bool,
}

/// The plans by their content, for many questions about it.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    plans: BTreeMap<String, Vec<String>>,
}

impl Contents {
    /// Sorts the plans that were taken once by their content.
    pub fn of(plans: &BTreeMap<String, PlanRecord>) -> Self {
        let mut contents = Self::default();
        for (plan, record) in plans {
            // Occasions repeat a content on purpose, and a failure says nothing about another file.
            let counts = matches!(record.standing, PlanStanding::Taken | PlanStanding::Withdrawn);
            if counts && name::occasion(plan).is_none() {
                contents.plans.entry(record.digest.clone()).or_default().push(plan.clone());
            }
        }
        contents
    }
}

/// Says what a plan file means. `known` are the contents of these plans; `is_there` says whether a plan's file exists now.
pub fn meaning<'a>(
    plans: &'a BTreeMap<String, PlanRecord>,
    known: &'a Contents,
    seen: Seen<'_>,
    is_there: impl Fn(&str) -> bool,
    now: DateTime<Utc>,
) -> Meaning<'a> {
    let others =
        || known.plans.get(seen.digest).into_iter().flatten().map(String::as_str).filter(|other| *other != seen.plan);
    let taken = |other: &&str| plans.get(*other).is_some_and(|record| record.standing == PlanStanding::Taken);
    let twin = || others().find(|other| taken(other) && is_there(other));
    let record = plans.get(seen.plan);
    if let Some(record) = record.filter(|record| record.digest == seen.digest) {
        return match record.standing {
            PlanStanding::Taken | PlanStanding::Draft => Meaning::Unchanged,
            PlanStanding::Withdrawn => Meaning::Again,
            PlanStanding::Twin if twin().is_some() => Meaning::Unchanged,
            PlanStanding::Twin => moved(others(), &is_there).unwrap_or(Meaning::Again),
            PlanStanding::Failed => {
                let is_due = record.retry_at.is_some_and(|at| at <= now);
                let is_known = |name: &String| resolves(plans, name, seen.plan);
                let is_met = !record.waits_for.is_empty() && record.waits_for.iter().any(is_known);
                if is_due || is_met || !seen.has_notice { Meaning::Again } else { Meaning::Unchanged }
            }
        };
    }
    if let Some(other) = twin() {
        return Meaning::TwinOf(other);
    }
    match record {
        Some(_) => Meaning::Edited,
        None => moved(others(), &is_there).unwrap_or(Meaning::New),
    }
}

fn moved<'a>(mut others: impl Iterator<Item = &'a str>, is_there: &impl Fn(&str) -> bool) -> Option<Meaning<'a>> {
    others.find(|other| !is_there(other)).map(Meaning::MovedFrom)
}

/// Whether a plan's file that is not there any more still counts as it did. Its tasks that have not begun then go.
pub fn is_left(record: &PlanRecord) -> bool {
    record.standing != PlanStanding::Withdrawn
}

fn resolves(plans: &BTreeMap<String, PlanRecord>, name: &str, own: &str) -> bool {
    let taken = plans.iter().filter(|(plan, record)| *plan != own && record.standing == PlanStanding::Taken);
    taken.into_iter().any(|(plan, record)| name::is_meant(name, plan, &record.title))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(digest: &str, standing: PlanStanding) -> PlanRecord {
        PlanRecord { digest: digest.into(), standing, ..PlanRecord::default() }
    }

    fn plans(list: &[(&str, &str, PlanStanding)]) -> BTreeMap<String, PlanRecord> {
        list.iter().map(|(plan, digest, standing)| ((*plan).to_owned(), record(digest, *standing))).collect()
    }

    fn told(plans: &BTreeMap<String, PlanRecord>, plan: &str, digest: &str, there: &[&str]) -> String {
        let seen = Seen { plan, digest, has_notice: true };
        format!(
            "{:?}",
            meaning(plans, &Contents::of(plans), seen, |other| there.contains(&other), DateTime::UNIX_EPOCH)
        )
    }

    #[test]
    fn a_content_is_new_edited_unchanged_or_back() {
        use PlanStanding::{Draft, Taken, Withdrawn};
        let known = plans(&[("a.md", "1", Taken), ("d.md", "2", Draft), ("w.md", "3", Withdrawn)]);
        assert_eq!(told(&known, "a.md", "1", &["a.md"]), "Unchanged");
        assert_eq!(told(&known, "a.md", "9", &["a.md"]), "Edited");
        assert_eq!(told(&known, "b.md", "9", &["a.md"]), "New");
        assert_eq!(told(&known, "d.md", "2", &[]), "Unchanged");
        assert_eq!(told(&known, "w.md", "3", &[]), "Again");
        assert_eq!(told(&known, "b.md", "2", &[]), "New", "a draft was never taken");
    }

    #[test]
    fn a_copy_is_no_second_plan_and_a_rename_no_new_one() {
        use PlanStanding::{Taken, Twin, Withdrawn};
        let known = plans(&[("a.md", "1", Taken), ("t.md", "1", Twin), ("w.md", "3", Withdrawn)]);
        assert_eq!(told(&known, "b.md", "1", &["a.md"]), "TwinOf(\"a.md\")");
        assert_eq!(told(&known, "b.md", "1", &[]), "MovedFrom(\"a.md\")");
        assert_eq!(told(&known, "t.md", "1", &["a.md"]), "Unchanged");
        assert_eq!(told(&known, "t.md", "1", &[]), "MovedFrom(\"a.md\")");
        assert_eq!(told(&known, "b.md", "3", &["w.md"]), "New");
        assert_eq!(told(&known, "b.md", "3", &[]), "MovedFrom(\"w.md\")");
        let known = plans(&[("a.md", "1", Taken), ("b.md", "2", Taken)]);
        assert_eq!(told(&known, "b.md", "1", &["a.md", "b.md"]), "TwinOf(\"a.md\")");
        assert_eq!(told(&known, "b.md", "1", &["b.md"]), "Edited", "it stays the plan it was");
        let known = plans(&[("a.md#night", "1", Taken)]);
        assert_eq!(told(&known, "b.md", "1", &["a.md"]), "New", "an occasion repeats a plan on purpose");
    }

    #[test]
    fn a_failure_is_tried_again_for_a_reason_only() {
        let mut known = plans(&[("a.md", "1", PlanStanding::Failed), ("base.md", "2", PlanStanding::Taken)]);
        let again = |known: &BTreeMap<String, PlanRecord>, has_notice, now: &str| {
            let seen = Seen { plan: "a.md", digest: "1", has_notice };
            meaning(known, &Contents::of(known), seen, |_| true, now.parse().unwrap()) == Meaning::Again
        };
        assert!(!again(&known, true, "2026-01-01T00:00:00Z"));
        assert!(again(&known, false, "2026-01-01T00:00:00Z"), "somebody has deleted the notice");
        known.get_mut("a.md").unwrap().retry_at = Some("2026-01-01T08:00:00Z".parse().unwrap());
        assert!(!again(&known, true, "2026-01-01T07:59:59Z"));
        assert!(again(&known, true, "2026-01-01T08:00:00Z"));
        let record = known.get_mut("a.md").unwrap();
        (record.retry_at, record.waits_for) = (None, vec!["other".into()]);
        assert!(!again(&known, true, "2026-01-01T00:00:00Z"));
        known.get_mut("a.md").unwrap().waits_for.push("base".into());
        assert!(again(&known, true, "2026-01-01T00:00:00Z"));
    }
}
