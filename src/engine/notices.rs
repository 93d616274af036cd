//! `autodev notify test`: one notice to each channel, now, whatever their events are.
//!
//! Leaves no trace in the journal and takes no part in what a run has to send.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::outbox::deliver::{Outcome, deliver};
use super::outbox::{message, open};
use super::project::Project;
use super::store::Store;
use crate::journal::Journal;
use crate::logic;
use crate::model::State;
use crate::sys;

/// What came of one channel's test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The channel.
    pub name: String,
    /// Its kind's word.
    pub kind: &'static str,
    /// Where it leads; empty when it cannot be used.
    pub place: String,
    /// `delivered`, `refused`, `not_delivered`, `unanswered` or `unusable`.
    pub outcome: &'static str,
    /// What was said; empty when it was delivered.
    pub detail: String,
    /// How long it took.
    pub milliseconds: u64,
}

impl Tested {
    /// Whether the notice arrived.
    pub fn is_delivered(&self) -> bool {
        self.outcome == "delivered"
    }
}

/// Sends a test notice to every channel, or to the one of this name; all at the same time, once each. In the order of the
/// configuration.
///
/// # Errors
/// When there is no channel, or none of this name, or the journal cannot be read.
pub async fn test(project: &Project, only: Option<&str>) -> Result<Vec<Tested>> {
    let mut project = project.clone();
    let channels = &mut project.config.notify.channels;
    let names: Vec<String> = channels.iter().map(|channel| channel.name.clone()).collect();
    if names.is_empty() {
        bail!(
            "no channels in {}; add a [[notify.channels]] table (docs/notifications.md)",
            project.config.source.display()
        );
    }
    if let Some(only) = only {
        channels.retain(|channel| channel.name == only);
        if channels.is_empty() {
            bail!("no channel {only:?}; there are {}", names.join(", "));
        }
    }
    sys::proc::become_subreaper()?;
    tokio::task::LocalSet::new().run_until(send(&project)).await
}

async fn send(project: &Project) -> Result<Vec<Tested>> {
    let mut state = State::default();
    if let Some(journal) = Journal::open_existing(&project.journal())? {
        journal.read_after(0, &mut |event| logic::apply(&mut state, &event))?;
    }
    let id = format!("test-{}", Store::new_run_id());
    let notice = logic::notify::test(&state.project, &state, id, sys::clock::now());
    let redactor = project.redactor();
    let message = Rc::new(message(&notice, project, &redactor, sys::clock::zone()));
    let (usable, unusable) = open(project);
    let under_way: Vec<_> = usable
        .into_iter()
        .map(|channel| {
            let message = Rc::clone(&message);
            tokio::task::spawn_local(async move {
                let begun = Instant::now();
                let outcome = deliver(&channel, &message, 1, &std::env::temp_dir()).await;
                (channel, outcome, begun.elapsed())
            })
        })
        .collect();
    let mut arrived = Vec::new();
    for one in under_way {
        arrived.push(one.await?);
    }
    let tested = |config: &crate::model::ChannelConfig| {
        let found = arrived.iter().find(|(channel, ..)| channel.name == config.name);
        let why = unusable.iter().find(|(name, _)| *name == config.name).map(|(_, why)| why.clone());
        let (place, (outcome, detail), took) = match found {
            Some((channel, outcome, took)) => (channel.place(), told(outcome), *took),
            None => (String::new(), ("unusable", why.unwrap_or_default()), Duration::ZERO),
        };
        Tested {
            name: config.name.clone(),
            kind: config.kind.as_str(),
            place: redactor.redact(&place).into_owned(),
            outcome,
            detail: redactor.redact(&detail).into_owned(),
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    };
    Ok(project.config.notify.channels.iter().map(tested).collect())
}

fn told(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Delivered => ("delivered", String::new()),
        Outcome::Refused { why } => ("refused", why.clone()),
        Outcome::Later { why, .. } => ("not_delivered", why.clone()),
        Outcome::Unanswered { why } => ("unanswered", why.clone()),
    }
}
