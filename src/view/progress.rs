//! progress.txt: one block for each failed attempt, each completion and each block.
//!
//! A block is made from its event alone, so that the file can be made again from the journal byte for byte.

use crate::model::{CheckResult, Event, EventKind, GateReport, RelPath, TaskId, Verdict};

use super::text::{one_line, push};

/// How many changed files a block names.
const MAX_FILES: usize = 20;
/// How many lines of a failed command's output a block holds, and how many characters of each.
const MAX_OUTPUT: (usize, usize) = (20, 400);

/// Returns the first lines of progress.txt.
pub fn header(project: &str) -> String {
    format!(
        "# {} progress\n\nOne entry for each failed attempt, each completed and each blocked task, newest last.\n\n---\n",
        one_line(project)
    )
}

/// Returns the block of an event, beginning with an empty line and ending in `---` and a line break; `None` when the
/// event has none.
pub fn entry(event: &Event) -> Option<String> {
    let block = match &event.kind {
        EventKind::AttemptFailed { task, title, summary, notes, changed, gate, .. } => {
            Block::new(event, task, title, "failed")
                .files(changed)
                .checks(gate.as_ref().filter(|_| !changed.is_empty()))
                .part("Iteration Summary", &[summary])
                .list("Learning Notes", notes)
        }
        EventKind::TaskCompleted { task, title, summary, notes, changed, gate, commit, .. } => {
            let commit = commit.as_ref().map(|sha| format!("Commit: {sha}")).unwrap_or_default();
            Block::new(event, task, title, "completed")
                .files(changed)
                .checks(gate.as_ref().filter(|_| !changed.is_empty()))
                .part("Iteration Summary", &[summary, &commit])
                .list("Learning Notes", notes)
        }
        EventKind::TaskBlocked { task, title, reason, changed, salvage } => {
            let kept = salvage.as_ref().map(|reference| {
                format!("The work is kept at {reference}; `autodev task retry --ids {task}` puts it back.")
            });
            Block::new(event, task, title, "blocked")
                .files(changed)
                .part("Block Reason", &[reason, &kept.unwrap_or_default()])
        }
        EventKind::RunStarted(_)
        | EventKind::RunLost { .. }
        | EventKind::QueueSeen { .. }
        | EventKind::QueueEditUndone { .. }
        | EventKind::QueueBroken { .. }
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
        | EventKind::BaselineStarted { .. }
        | EventKind::BaselineEnded { .. }
        | EventKind::CampaignReset { .. }
        | EventKind::Proposed { .. }
        | EventKind::CompareStarted { .. }
        | EventKind::PairMeasured { .. }
        | EventKind::CompareEnded { .. }
        | EventKind::ExperimentJudged { .. }
        | EventKind::RevertStarted { .. }
        | EventKind::Reverted { .. }
        | EventKind::ExperimentEnded { .. }
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
        | EventKind::PlanFailed { .. }
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
        | EventKind::TaskReopened { .. }
        | EventKind::StatusSet { .. }
        | EventKind::StopRequested { .. }
        | EventKind::EnvProblemFound { .. }
        | EventKind::Previewed { .. }
        | EventKind::Held { .. }
        | EventKind::HoldEnded { .. }
        | EventKind::ScheduleSeen { .. }
        | EventKind::ScheduleFiring { .. }
        | EventKind::ScheduleFired { .. }
        | EventKind::Note { .. }
        | EventKind::RunEnded { .. }
        | EventKind::Unknown => return None,
    };
    Some(block.0 + "\n---\n")
}

struct Block(String);

impl Block {
    fn new(event: &Event, task: &TaskId, title: &str, status: &str) -> Self {
        let title = if title.is_empty() { task.as_str() } else { title };
        Self(format!(
            "\n## [{}] {} - {}\n\n### Status: {status}\n",
            event.at.format("%Y-%m-%d %H:%M:%S UTC"),
            one_line(task.as_str()),
            one_line(title)
        ))
    }

    fn files(mut self, changed: &[RelPath]) -> Self {
        if changed.is_empty() {
            return self;
        }
        self.0.push_str("\n### Changed Files\n");
        for path in changed.iter().take(MAX_FILES) {
            push(&mut self.0, format_args!("- {path}\n"));
        }
        if changed.len() > MAX_FILES {
            push(&mut self.0, format_args!("- ... {} more\n", changed.len() - MAX_FILES));
        }
        self
    }

    fn checks(mut self, gate: Option<&GateReport>) -> Self {
        let checks = gate.map(|gate| gate.checks.as_slice()).unwrap_or_default();
        if checks.is_empty() {
            return self;
        }
        self.0.push_str("\n### Verification Result\n");
        for check in checks {
            let (name, details) = (one_line(&check.name), one_line(&check.details));
            push(&mut self.0, format_args!("- {name}: {} - {details}\n", verdict_word(check.verdict)));
        }
        for check in checks.iter().filter(|check| !check.verdict.is_pass()) {
            self.0.push_str(&output(check));
        }
        self
    }

    fn part(mut self, heading: &str, lines: &[&str]) -> Self {
        let mut lines = lines.iter().map(|line| one_line(line)).filter(|line| !line.is_empty()).peekable();
        if lines.peek().is_some() {
            push(&mut self.0, format_args!("\n### {heading}\n"));
            lines.for_each(|line| self.0.push_str(&(line + "\n")));
        }
        self
    }

    fn list(self, heading: &str, items: &[String]) -> Self {
        let items: Vec<String> = items.iter().map(|item| format!("- {item}")).collect();
        self.part(heading, &items.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Returns the end of a command's output in a fence that the output itself cannot close.
fn output(check: &CheckResult) -> String {
    let Some(evidence) = &check.evidence else { return String::new() };
    let tail = super::text::block(&evidence.tail);
    let lines: Vec<&str> = tail.lines().collect();
    let shown = &lines[lines.len().saturating_sub(MAX_OUTPUT.0)..];
    let name = one_line(&check.name);
    let log = one_line(&evidence.log);
    if tail.trim().is_empty() {
        return format!("\nNo output from {name} (log: {log})\n");
    }
    let fence = "`".repeat(longest_run(&tail, '`').max(2) + 1);
    let mut part = format!("\nEnd of the output of {name} (all of it: {log})\n\n{fence}text\n");
    for line in shown {
        part.extend(line.chars().take(MAX_OUTPUT.1));
        part.push('\n');
    }
    part + &fence + "\n"
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (longest, _) = text.chars().fold((0, 0), |(longest, run), c| {
        let run = if c == wanted { run + 1 } else { 0 };
        (longest.max(run), run)
    });
    longest
}

/// Returns the word of a verdict in progress.txt.
fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Flaky => "FLAKY",
        Verdict::Infra => "INFRA",
        Verdict::Inherited => "INHERITED",
        Verdict::NotRun => "NOT_RUN",
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::Evidence;
    use crate::view::sample;

    fn failed(changed: Vec<RelPath>, gate: Option<GateReport>) -> Event {
        sample::event(EventKind::AttemptFailed {
            task: TaskId::new("P0-1"),
            title: "Add greeting".into(),
            attempt: 1,
            code: 99,
            summary: "file name was wrong".into(),
            errors: vec![],
            notes: vec!["check names first".into()],
            changed,
            gate,
        })
    }

    #[test]
    fn a_failed_attempt_is_exactly_this() {
        let wanted = "
## [2026-11-20 11:29:10 UTC] P0-1 - Add greeting

### Status: failed

### Changed Files
- src/wrong.txt

### Verification Result
- min_changed_files: PASS - 1 files changed (minimum: 1)
- path_patterns: PASS - Patterns: ['src/*']
- validate:test -f src/P0-1.txt: FAIL - exit_code=1

### Iteration Summary
file name was wrong

### Learning Notes
- check names first

---
";
        let mut gate = sample::gate();
        gate.checks.iter_mut().for_each(|check| check.evidence = None);
        assert_eq!(entry(&failed(vec!["src/wrong.txt".into()], Some(gate))).unwrap(), wanted);
    }

    #[test]
    fn the_output_of_a_failed_command_is_shown_in_a_fence_it_cannot_close() {
        let mut gate = sample::gate();
        let tail =
            (0..30).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n````\n## fake heading\x1b[0m\n";
        gate.checks[2].evidence =
            Some(Evidence { log: "logs/checks/1.log".into(), tail, exit_code: 1, duration_ms: 5 });
        let block = entry(&failed(vec!["a".into()], Some(gate))).unwrap();
        assert!(block.contains("End of the output of validate:test -f src/P0-1.txt (all of it: logs/checks/1.log)"));
        let inside = block.split("\n`````").nth(1).unwrap();
        assert_eq!(inside.lines().count(), 21, "{block}");
        assert!(inside.starts_with("text\nline 12\n") && inside.ends_with("## fake heading\u{fffd}[0m"), "{inside:?}");
    }

    #[test]
    fn nothing_changed_means_no_files_and_no_checks() {
        let block = entry(&failed(vec![], Some(sample::gate()))).unwrap();
        assert!(!block.contains("### Changed Files") && !block.contains("### Verification Result"), "{block}");
    }

    #[test]
    fn twenty_files_are_named_and_the_rest_counted() {
        let paths = (0..23).map(|n| RelPath::from(format!("f{n:02}").as_str())).collect();
        let block = entry(&failed(paths, None)).unwrap();
        assert!(block.contains("- f19\n- ... 3 more\n\n### Iteration Summary"), "{block}");
    }

    #[test]
    fn a_completion_names_its_commit() {
        let block = entry(&sample::event(EventKind::TaskCompleted {
            task: TaskId::new("P0-1"),
            title: "Add\n## [fake] greeting".into(),
            attempt: 2,
            summary: "done".into(),
            notes: vec![],
            changed: vec![],
            gate: None,
            commit: Some("717e2f2e".into()),
        }));
        let wanted = "
## [2026-11-20 11:29:10 UTC] P0-1 - Add ## [fake] greeting

### Status: completed

### Iteration Summary
done
Commit: 717e2f2e

---
";
        assert_eq!(block.unwrap(), wanted);
    }

    #[test]
    fn a_block_says_why_and_where_the_work_is() {
        let block = entry(&sample::event(EventKind::TaskBlocked {
            task: TaskId::new("P0-1"),
            title: String::new(),
            reason: "codex failed 3 attempts".into(),
            changed: vec![RelPath::from_bytes(&b"we\xffird"[..])],
            salvage: Some("refs/autodev/salvage/P0-1".into()),
        }));
        let wanted = "
## [2026-11-20 11:29:10 UTC] P0-1 - P0-1

### Status: blocked

### Changed Files
- we\\xffird

### Block Reason
codex failed 3 attempts
The work is kept at refs/autodev/salvage/P0-1; `autodev task retry --ids P0-1` puts it back.

---
";
        assert_eq!(block.unwrap(), wanted);
    }

    #[test]
    fn only_three_kinds_have_a_block() {
        let blocks = sample::events().iter().filter(|event| entry(event).is_some()).count();
        assert_eq!(blocks, 3);
        assert!(header("De\nmo").starts_with("# De mo progress\n") && header("x").ends_with("\n---\n"));
    }
}
