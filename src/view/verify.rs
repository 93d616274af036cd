//! What `autodev verify` prints: as lines for people and as one JSON object for programs.
//!
//! Invariant: the text is one line per check and per error, whatever a command line or a program's output holds.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::{GateReport, TaskId};

/// Returns the lines: the result, a row per check (`[+]` passed, `[-]` did not), then the errors, if any. Ends with a
/// line feed.
pub fn text(task: &TaskId, report: &GateReport) -> String {
    let word = if report.verdict.is_pass() { "PASSED" } else { "FAILED" };
    let mut out = format!("Verification: {word} (task {})\n", one_line(task.as_str()));
    for check in &report.checks {
        let mark = if check.verdict.is_pass() { '+' } else { '-' };
        // Writing to a string cannot fail.
        writeln!(out, "  [{mark}] {}: {}", one_line(&check.name), one_line(&check.details)).ok();
    }
    if !report.errors.is_empty() {
        out.push_str("Errors:\n");
        for error in &report.errors {
            writeln!(out, "  - {}", one_line(error)).ok();
        }
    }
    out
}

/// Returns `{"status", "task_id", "checks": [{"name", "ok", "details"}], "errors", "warnings"}`; `status` is `passed`
/// or `failed`, `warnings` is always empty.
pub fn json(task: &TaskId, report: &GateReport) -> Value {
    let checks: Vec<Value> = report
        .checks
        .iter()
        .map(|check| json!({"name": check.name, "ok": check.verdict.is_pass(), "details": check.details}))
        .collect();
    json!({
        "status": if report.verdict.is_pass() { "passed" } else { "failed" },
        "task_id": task.as_str(),
        "checks": checks,
        "errors": report.errors,
        "warnings": [],
    })
}

/// Escapes control characters, so that a text stays on its line.
fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::{CheckResult, Outcome, Verdict};

    fn report(verdict: Verdict, errors: &[&str]) -> GateReport {
        let check = |name: &str, verdict, details: &str| CheckResult {
            name: name.to_owned(),
            verdict,
            details: details.to_owned(),
            evidence: None,
        };
        GateReport {
            verdict,
            checks: vec![
                check("min_changed_files", Verdict::Pass, "1 files changed (minimum: 1)"),
                check("validate:printf 'a\nb'\u{1b}[0m", verdict, "exit_code=1"),
            ],
            outcome: Outcome::NotMet,
            metric: None,
            errors: errors.iter().map(|error| (*error).to_owned()).collect(),
        }
    }

    #[test]
    fn a_failed_verification_names_its_errors() {
        assert_eq!(
            text(&TaskId::new("P0-1"), &report(Verdict::Fail, &["validate:x: exit_code=1"])),
            "Verification: FAILED (task P0-1)\n  [+] min_changed_files: 1 files changed (minimum: 1)\n  \
             [-] validate:printf 'a\\nb'\\u{1b}[0m: exit_code=1\nErrors:\n  - validate:x: exit_code=1\n"
        );
    }

    #[test]
    fn a_passed_verification_ends_with_its_checks() {
        let shown = text(&TaskId::new("A"), &report(Verdict::Pass, &[]));
        assert!(shown.starts_with("Verification: PASSED (task A)\n"), "{shown}");
        assert!(!shown.contains("Errors"), "{shown}");
    }

    #[test]
    fn only_a_pass_is_ok_in_json() {
        assert_eq!(
            json(&TaskId::new("A"), &report(Verdict::Infra, &["e"])),
            json!({"status": "failed", "task_id": "A", "errors": ["e"], "warnings": [], "checks": [
                {"name": "min_changed_files", "ok": true, "details": "1 files changed (minimum: 1)"},
                {"name": "validate:printf 'a\nb'\u{1b}[0m", "ok": false, "details": "exit_code=1"},
            ]})
        );
        assert_eq!(json(&TaskId::new("A"), &report(Verdict::Pass, &[]))["status"], "passed");
    }
}
