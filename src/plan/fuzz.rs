//! Queues and plans with faults in them.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::audit::{self, Origin};
use super::proposal;
use super::queue_file::tests::{CAPS, any_queue};
use super::refill::{self, Journal, Taken, Target, Wish};
use super::{QueueError, QueueFile};
use crate::logic::mutate::{damaged, faults, size, spoil, wrongs};
use crate::model::TaskId;

/// A queue as the runner keeps it, and one as people write them.
const SAMPLES: [&str; 3] = [
    r#"{
  "project": "p",
  "tasks": [
    {
      "id": "P0-1",
      "title": "T",
      "description": "d",
      "steps": ["s"],
      "passes": true,
      "blocked": false,
      "verification": {"path_patterns": ["src/*"], "validate_commands": ["cargo test", {"run": "a | b", "shell": true, "timeout_seconds": 5}],
        "validate_timeout_seconds": 60, "validate_working_directory": "sub", "validate_environment": {"A": "1", "B": 2}},
      "completion": {"kind": "numeric", "source": "json_stdout", "name": "ms", "direction": "lower_is_better", "json_path": "$.ms", "target": 5.50},
      "execution": {"strategy": "iterative", "max_iterations": 3},
      "attempt_history": [{"attempt": 1, "status": "failed", "backend_exit_code": 99, "summary": "s"}]
    },
    {"id": "P0-2", "blocked": true, "block_reason": "r", "blocked_at": "2026-11-20T11:29:10.000120+00:00"}
  ],
  "learning_journal": [{"task_id": "P0-1", "status": "failed", "summary": "s", "learning_notes": ["n"]}],
  "statistics": {"completed": 1, "blocked": 1}
}
"#,
    "\u{feff}{\"tasks\":[{\"id\":7,\"name\":\"ä\\u00e4\\n\",\"gate\":{\"evidence_keys\":[],\"path_patterns\":[\"x\"]},\"execution_mode\":\"experiment\",\"experiment\":{\"goal_metric\":{\"name\":\"n\"},\"max_iterations\":2}},5,null],\"epoch_history\":[]}",
    "{\r\n\t\"tasks\": [\r\n\t\t{\"id\": \"a\", \"steps\": [\" x \", 1, null], \"passes\": \"yes\"},\r\n\t\t{\"id\": \"a\"}\r\n\t],\r\n\t\"tasks\": [{\"id\": \"b\"}]\r\n}",
];

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut file = match QueueFile::parse(Path::new("task.json"), bytes.to_vec(), &CAPS) {
        Ok(file) => file,
        Err(QueueError::Invalid { problems, .. }) => {
            prop_assert!((1..=101).contains(&problems.len()));
            for problem in problems {
                prop_assert!(problem.line >= 1 && problem.column >= 1);
                prop_assert!(problem.to_string().len() <= 400 + 6 * bytes.len());
            }
            return Ok(());
        }
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
    };
    let text = file.render();
    // Indentation by two spaces per level, 128 levels deep at most.
    prop_assert!(text.len() <= 64 + 300 * bytes.len());
    let again = QueueFile::parse(Path::new("task.json"), text.clone().into_bytes(), &CAPS).unwrap();
    prop_assert_eq!(again.queue(), file.queue());
    prop_assert_eq!(again.render(), text);
    let first = file.statuses().first().map(|(id, _)| id.clone());
    if let Some(id) = first {
        file.mark_blocked(&id, "why", chrono::DateTime::UNIX_EPOCH).unwrap();
        let again = QueueFile::parse(Path::new("task.json"), file.render().into_bytes(), &CAPS).unwrap();
        prop_assert_eq!(again.queue(), file.queue());
    }
    Ok(())
}

fn a_plan() -> Value {
    let metric = &proposal::example_of_metric()["tasks"][0];
    json!({"project": "p", "tasks": [
        proposal::example()["tasks"][0],
        metric,
        {"id": 3, "name": "N", "description": "d", "steps": ["s", 2], "gate": {"path_patterns": ["src/*", "*.o"]}, "depends_on": ["P0-1"],
            "docs": ["a.md"], "verification_notes": ["n"], "completion": null, "execution": {},
            "verification": {"validate_commands": [{"run": "a", "environment": {"A": 1}}, "b 'c d'"], "validate_timeout_seconds": "60"}},
    ]})
}

proptest! {
    #[test]
    fn fuzz_task_json_of_damaged_samples(sample in prop::sample::select(SAMPLES.as_slice()), donor in prop::sample::select(SAMPLES.as_slice()), faults in faults()) {
        check(&damaged(sample.as_bytes(), donor.as_bytes(), &faults))?;
    }

    #[test]
    fn fuzz_task_json_of_damaged_queues(queue in any_queue(), faults in faults()) {
        check(&damaged(queue.as_bytes(), SAMPLES[0].as_bytes(), &faults))?;
    }

    #[test]
    fn fuzz_task_json_with_wrong_values(sample in 0..2usize, wrongs in wrongs()) {
        let mut document: Value = serde_json::from_str(SAMPLES[sample].trim_start_matches('\u{feff}')).unwrap();
        spoil(&mut document, &wrongs);
        check(document.to_string().as_bytes())?;
    }

    #[test]
    fn fuzz_plans_are_refused_or_become_a_queue(wrongs in wrongs(), old in prop::sample::select(SAMPLES.as_slice())) {
        let mut reply = a_plan();
        spoil(&mut reply, &wrongs);
        let proposal = match proposal::read(&reply) {
            Ok(proposal) => proposal,
            Err(findings) => {
                prop_assert!(!findings.is_empty() && findings.len() <= 16 * size(&reply), "{} findings", findings.len());
                for finding in findings {
                    prop_assert!(!finding.to_string().contains('\n') && !finding.task.is_empty() && !finding.problem.is_empty(), "{}", finding);
                }
                return Ok(());
            }
        };
        let caps = CAPS;
        let target = Target { path: Path::new("task.json"), content: Some(old.as_bytes()), caps: &caps };
        let wish = Wish { project: "", planning_source: None, doc: "docs/x.md" };
        let replaced = refill::replace(&proposal, &wish, &target, Journal::Kept).unwrap();
        let mut files = vec![(replaced, 0)];
        if let Ok(old) = QueueFile::parse(target.path, old.into(), &CAPS) {
            let appended = refill::append(&proposal, &wish, &target, Taken::Renumbered).unwrap();
            files.push((appended, old.queue().tasks.len()));
        }
        for (file, before) in files {
            let again = QueueFile::parse(Path::new("task.json"), file.render().into_bytes(), &CAPS).unwrap();
            prop_assert_eq!(again.queue(), file.queue());
            prop_assert_eq!(file.queue().tasks.len(), before + proposal.tasks.len());
            for task in &file.queue().tasks[before..] {
                prop_assert_eq!(&task.docs[0], "docs/x.md");
                let stored = again.task_value(&TaskId::new(task.id.as_str())).unwrap();
                let findings = audit::task(stored.as_object().unwrap(), Origin::Plan);
                prop_assert!(findings.is_empty(), "{:?}", findings);
            }
        }
    }

    #[test]
    fn fuzz_audit_of_any_value(sample in 0..2usize, wrongs in wrongs()) {
        let mut document: Value = serde_json::from_str(SAMPLES[sample].trim_start_matches('\u{feff}')).unwrap();
        spoil(&mut document, &wrongs);
        let is_sound = audit::plan(&document).is_empty();
        prop_assert_eq!(proposal::read(&document).is_ok(), is_sound);
    }
}
