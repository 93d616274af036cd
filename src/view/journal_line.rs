//! `autodev log [TASK]`: every event of the journal as one line.
//!
//! Many events belong to a task without naming it (the end of an attempt, a commit). [`Lines`] therefore has to see
//! all events in order, and remembers which task is open.

use super::row::Turn;
use super::text::{fit, one_line, pad, width};
use super::{Style, phrase};
use crate::model::{Event, EventKind, Firing, Step, TaskId};

/// Turns events into lines, in journal order.
#[derive(Clone, Debug)]
pub struct Lines {
    style: Style,
    open: Option<TaskId>,
    turn: Turn,
}

/// One event for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// The task it belongs to, if any.
    pub task: Option<TaskId>,
    /// Time, task, kind and words on one line, without line break.
    pub text: String,
}

impl Lines {
    /// Begins before the first event.
    pub fn new(style: Style) -> Self {
        Self { style, open: None, turn: Turn::default() }
    }

    /// Returns the line of the next event. On a terminal it is cut at the edge.
    pub fn line(&mut self, event: &Event) -> JournalLine {
        let task = self.task(event);
        let kind = phrase::kind(&event.kind);
        let id = task.as_ref().map_or_else(|| "-".to_owned(), |task| one_line(task.as_str()));
        let mut text = format!(
            "{}  {}  {}  ",
            self.style.time(event.at),
            pad(&fit(&id, 16), 10),
            pad(&kind.replace('_', " "), 17)
        );
        self.turn = self.turn.after(&event.kind);
        let words = phrase::of(event, self.turn, &self.style);
        text += &match self.style.columns {
            Some(columns) => fit(&words, columns.saturating_sub(width(&text)).max(20)),
            None => words,
        };
        let text = match colour(&event.kind) {
            Some(status) => self.style.paint(super::style::colour(status), &text),
            None => text,
        };
        JournalLine { task, text }
    }

    /// Finds the task of an event and follows which one is open.
    fn task(&mut self, event: &Event) -> Option<TaskId> {
        match &event.kind {
            EventKind::TaskOpened { task, .. } => {
                self.open = Some(task.clone());
                self.open.clone()
            }
            EventKind::AttemptStarted { task, .. } => {
                self.open = Some(task.id.clone());
                self.open.clone()
            }
            EventKind::TaskCompleted { task, .. }
            | EventKind::TaskBlocked { task, .. }
            | EventKind::TaskDropped { task, .. } => {
                self.open = None;
                Some(task.clone())
            }
            EventKind::AttemptFailed { task, .. }
            | EventKind::Reflected { task, .. }
            | EventKind::QueueEditUndone { task, .. }
            | EventKind::TaskReopened { task, .. }
            | EventKind::StatusSet { task, .. }
            | EventKind::CampaignReset { task, .. }
            | EventKind::Proposed { task, .. }
            | EventKind::ExperimentJudged { task, .. }
            | EventKind::ExperimentEnded { task, .. }
            | EventKind::Previewed { task, .. } => Some(task.clone()),
            EventKind::AskStarted { .. }
            | EventKind::AskEnded { .. }
            | EventKind::AgentSpawned { .. }
            | EventKind::AgentSaid { .. }
            | EventKind::Heartbeat { .. }
            | EventKind::AttemptEnded { .. }
            | EventKind::GateStarted { .. }
            | EventKind::GateEnded { .. }
            | EventKind::GateCancelled { .. }
            | EventKind::Paused { .. }
            | EventKind::PauseEnded
            | EventKind::CommitStarted { .. }
            | EventKind::Committed { .. }
            | EventKind::CommitSkipped { .. }
            | EventKind::CommitRefused { .. }
            | EventKind::BlockDecided { .. }
            | EventKind::SalvageStarted { .. }
            | EventKind::Salvaged { .. }
            | EventKind::BaselineStarted { .. }
            | EventKind::BaselineEnded { .. }
            | EventKind::CompareStarted { .. }
            | EventKind::PairMeasured { .. }
            | EventKind::CompareEnded { .. }
            | EventKind::RevertStarted { .. }
            | EventKind::Reverted { .. } => self.open.clone(),
            EventKind::RunStarted(_)
            | EventKind::RunLost { .. }
            | EventKind::QueueSeen { .. }
            | EventKind::QueueBroken { .. }
            | EventKind::QueueSaving { .. }
            | EventKind::QueueSaved
            | EventKind::EpochEnded { .. }
            | EventKind::ReplanStarted { .. }
            | EventKind::Replanned { .. }
            | EventKind::Planned { .. }
            | EventKind::WatchStarted { .. }
            | EventKind::PlansTaking { .. }
            | EventKind::PlanTaken { .. }
            | EventKind::PlanWithdrawn { .. }
            | EventKind::PlanFailed { .. }
            | EventKind::StopRequested { .. }
            | EventKind::EnvProblemFound { .. }
            | EventKind::Held { .. }
            | EventKind::HoldEnded { .. }
            | EventKind::ScheduleSeen { .. }
            | EventKind::ScheduleFiring { .. }
            | EventKind::ScheduleFired { .. }
            | EventKind::Note { .. }
            | EventKind::RunEnded { .. }
            | EventKind::Unknown => None,
        }
    }
}

/// The status word whose colour makes an event stand out in a long list.
fn colour(kind: &EventKind) -> Option<&'static str> {
    match kind {
        EventKind::TaskCompleted { .. } => Some("completed"),
        EventKind::TaskBlocked { .. } => Some("blocked"),
        EventKind::AttemptFailed { .. } => Some("retry"),
        EventKind::EnvProblemFound { .. } | EventKind::QueueBroken { .. } => Some("env_error"),
        EventKind::RunLost { .. }
        | EventKind::StopRequested { .. }
        | EventKind::QueueEditUndone { .. }
        | EventKind::PlanFailed { .. }
        | EventKind::CampaignReset { .. }
        | EventKind::ScheduleFired { outcome: Firing::Failed { .. }, .. } => Some("warning"),
        EventKind::Note { level, .. } if level == "warning" => Some("warning"),
        EventKind::ExperimentEnded { record, .. } => match record.step {
            Step::Keep => Some("completed"),
            Step::Revert | Step::Leave => Some("retry"),
            Step::Nothing => None,
        },
        EventKind::Held { .. } => Some("waiting"),
        EventKind::Note { .. }
        | EventKind::RunStarted(_)
        | EventKind::QueueSeen { .. }
        | EventKind::QueueSaving { .. }
        | EventKind::QueueSaved
        | EventKind::TaskOpened { .. }
        | EventKind::AttemptStarted { .. }
        | EventKind::AgentSpawned { .. }
        | EventKind::AgentSaid { .. }
        | EventKind::Heartbeat { .. }
        | EventKind::AttemptEnded { .. }
        | EventKind::GateStarted { .. }
        | EventKind::GateEnded { .. }
        | EventKind::GateCancelled { .. }
        | EventKind::AskStarted { .. }
        | EventKind::AskEnded { .. }
        | EventKind::Reflected { .. }
        | EventKind::EpochEnded { .. }
        | EventKind::ReplanStarted { .. }
        | EventKind::Replanned { .. }
        | EventKind::Planned { .. }
        | EventKind::WatchStarted { .. }
        | EventKind::PlansTaking { .. }
        | EventKind::PlanTaken { .. }
        | EventKind::PlanWithdrawn { .. }
        | EventKind::Paused { .. }
        | EventKind::PauseEnded
        | EventKind::CommitStarted { .. }
        | EventKind::Committed { .. }
        | EventKind::CommitSkipped { .. }
        | EventKind::CommitRefused { .. }
        | EventKind::BlockDecided { .. }
        | EventKind::SalvageStarted { .. }
        | EventKind::Salvaged { .. }
        | EventKind::TaskDropped { .. }
        | EventKind::BaselineStarted { .. }
        | EventKind::BaselineEnded { .. }
        | EventKind::Proposed { .. }
        | EventKind::CompareStarted { .. }
        | EventKind::PairMeasured { .. }
        | EventKind::CompareEnded { .. }
        | EventKind::ExperimentJudged { .. }
        | EventKind::RevertStarted { .. }
        | EventKind::Reverted { .. }
        | EventKind::TaskReopened { .. }
        | EventKind::StatusSet { .. }
        | EventKind::Previewed { .. }
        | EventKind::HoldEnded { .. }
        | EventKind::ScheduleSeen { .. }
        | EventKind::ScheduleFiring { .. }
        | EventKind::ScheduleFired { .. }
        | EventKind::RunEnded { .. }
        | EventKind::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::view::sample;

    #[test]
    fn events_without_a_name_belong_to_the_open_task() {
        let mut lines = Lines::new(Style::plain());
        for event in sample::events() {
            let line = lines.line(&event);
            match phrase::kind(&event.kind) {
                "gate_ended" | "committed" | "attempt_ended" | "salvaged" | "paused" => {
                    assert_eq!(line.task.as_ref().map(TaskId::as_str), Some("P0-1"), "{line:?}");
                }
                "run_started" | "run_ended" | "queue_saved" => assert_eq!(line.task, None, "{line:?}"),
                _ => {}
            }
        }
    }

    #[test]
    fn a_closed_task_gets_no_more_events() {
        let mut lines = Lines::new(Style::plain());
        let dropped = EventKind::TaskDropped { task: TaskId::new("A"), reason: "task block".into() };
        assert!(lines.line(&sample::event(dropped)).task.is_some());
        assert_eq!(lines.line(&sample::event(EventKind::PauseEnded)).task, None);
    }

    #[test]
    fn a_line_has_time_task_kind_and_words() {
        let dropped = EventKind::TaskDropped { task: TaskId::new("P0-1"), reason: "task block".into() };
        let line = Lines::new(Style::plain()).line(&sample::event(dropped));
        let wanted = "2026-11-20 11:29:10  P0-1        task dropped       \
                      P0-1: no longer worked on: task block; its work stays in the tree";
        assert_eq!(line.text, wanted);
    }

    #[test]
    fn a_terminal_line_is_cut_at_the_edge() {
        let style = Style { columns: Some(80), ..Style::plain() };
        let note = EventKind::Note { level: "info".into(), text: "long ".repeat(100) };
        assert_eq!(width(&Lines::new(style).line(&sample::event(note)).text), 80);
    }
}
