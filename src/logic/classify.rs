//! How an attempt ended, concluded from what the agent said, its exit code and the tail of its output.
//!
//! Does not run anything and does not judge the work: an attempt that "is ok" has only stopped in good order.
//! Invariant: text that an agent printed about its work never decides. Typed events do; a program without typed
//! events is read by its exit code, and only the last [`LAST_LINES`] non-empty lines of a failed attempt that
//! changed nothing are searched for the configured patterns.

mod digestor;
mod until;
mod wording;

use chrono::{DateTime, FixedOffset};

use crate::model::{AgentError, EnvProblem, ErrorClass, Limit, ProcessEnd};

pub use digestor::Digestor;
pub use until::{FARTHEST_DAYS, until};
pub use wording::{agent_error, class_of, status_in};

/// How many of the last non-empty lines of a plain program are searched for patterns.
/// 10: an error with a hint and a usage text fits, the report of a long session does not.
pub const LAST_LINES: usize = 10;

/// Recognised besides the configured patterns: the words of a used-up subscription, which none of the default
/// patterns of `[circuit_breaker]` contains.
const BUILT_IN_LIMIT: &str = "usage limit reached";

/// Exit code of a program that was interrupted: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Why the process is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself, or by a signal that was not ours.
    Itself,
    /// `[run].attempt_timeout_seconds` was over.
    Wall,
    /// `[run].idle_timeout_seconds` was over.
    Idle,
    /// The user stopped the run.
    Stopped,
}

/// What the patterns of `[backend.command]` found. `None`: no such pattern is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatternResults {
    /// Whether `success_pattern` occurred.
    pub success: Option<bool>,
    /// Whether `failure_pattern` occurred.
    pub failure: Option<bool>,
}

impl PatternResults {
    fn allow_success(self) -> bool {
        self.success != Some(false) && self.failure != Some(true)
    }
}

/// Everything that is known when the process of an attempt is over.
#[derive(Clone, Copy, Debug)]
pub struct Conclusion<'a> {
    /// Exit code, or minus the number of the signal.
    pub code: i32,
    /// Why it is over.
    pub cause: Cause,
    /// What the agent said, folded.
    pub digest: &'a Digestor,
    /// The tail of stdout and stderr as printed, oldest first. Only looked at when there were no typed events.
    pub last_lines: &'a [String],
    /// Whether the attempt changed a file that counts, or wrote one again as it was: it was at work then, and its
    /// words are about its work.
    pub changed_files: bool,
    /// `[circuit_breaker].rate_limit_patterns`: case-insensitive substrings.
    pub rate_limit_patterns: &'a [String],
    /// `[env_errors].halt_patterns`: case-insensitive substrings.
    pub halt_patterns: &'a [String],
    /// What the patterns of the `command` backend found.
    pub patterns: PatternResults,
    /// The time, in the zone of this machine; reset times without a zone are read in it.
    pub now: DateTime<FixedOffset>,
}

/// Concludes how the attempt ended and whether it ended in good order.
///
/// The second value is true exactly when the exit code is 0, the last final event (when there is any typed event
/// at all) says ok, and the configured patterns agree. It is false for every end but `Exited { code: 0 }`.
pub fn conclude(input: &Conclusion<'_>) -> (ProcessEnd, bool) {
    let said_ok = match &input.digest.last_final {
        Some(last) => last.is_ok,
        None => !input.digest.saw_events,
    };
    let is_ok = input.code == 0 && said_ok && input.patterns.allow_success();
    match input.cause {
        // A program that finishes in good order while it is being stopped has finished.
        Cause::Itself | Cause::Stopped if is_ok => (ProcessEnd::Exited { code: 0 }, true),
        Cause::Stopped => (ProcessEnd::Interrupted, false),
        // It was interrupted by somebody else than us: a shell's code for SIGINT.
        Cause::Itself if input.code == INTERRUPTED => (ProcessEnd::Interrupted, false),
        Cause::Itself => (failed(input), false),
        Cause::Wall => (waiting_for_service(input).unwrap_or(ProcessEnd::TimedOut), false),
        Cause::Idle => (waiting_for_service(input).unwrap_or(ProcessEnd::Idle), false),
    }
}

/// Returns a limit when our own time limit only cut off the agent's waiting for a service that refuses it.
fn waiting_for_service(input: &Conclusion<'_>) -> Option<ProcessEnd> {
    let error = input.digest.waiting.as_ref().filter(|error| is_worth_waiting(error, input.changed_files))?;
    Some(ProcessEnd::Limited(limit(input.code, error)))
}

fn failed(input: &Conclusion<'_>) -> ProcessEnd {
    let special = if input.digest.saw_events { typed(input) } else { plain(input) };
    special.unwrap_or(match input.code {
        signal if signal < 0 => ProcessEnd::Signalled { signal: signal.saturating_neg() },
        code => ProcessEnd::Exited { code },
    })
}

fn typed(input: &Conclusion<'_>) -> Option<ProcessEnd> {
    let error = match &input.digest.last_final {
        Some(last) if last.is_ok => None,
        Some(last) => last.error.as_ref().or(input.digest.errors.last()),
        None => input.digest.errors.last(),
    }?;
    if is_worth_waiting(error, input.changed_files) {
        return Some(ProcessEnd::Limited(limit(input.code, error)));
    }
    let is_environment = error.class.is_environment() && !input.changed_files;
    is_environment
        .then(|| ProcessEnd::EnvError(EnvProblem { code: input.code, reason: digestor::shortened(&error.message) }))
}

/// Whether the service, not the agent, is to blame. A service that cannot be reached is waited for like one that refuses,
/// unless the agent had got to work: a night without network must not block one task after the other.
fn is_worth_waiting(error: &AgentError, changed_files: bool) -> bool {
    error.class.is_limit() || (error.class == ErrorClass::Network && !changed_files)
}

fn limit(code: i32, error: &AgentError) -> Limit {
    Limit { code, reason: digestor::shortened(&error.message), until: error.until }
}

fn plain(input: &Conclusion<'_>) -> Option<ProcessEnd> {
    if input.changed_files {
        return None;
    }
    let lines: Vec<&str> =
        input.last_lines.iter().rev().map(|l| l.trim()).filter(|l| !l.is_empty()).take(LAST_LINES).collect();
    if let Some(line) = hit(&lines, input.rate_limit_patterns.iter().map(String::as_str).chain([BUILT_IN_LIMIT])) {
        let error = AgentError {
            class: ErrorClass::RateLimit,
            message: line.to_owned(),
            // The reset time may stand on another line than the words.
            until: lines.iter().find_map(|line| until(line, input.now)),
        };
        return Some(ProcessEnd::Limited(limit(input.code, &error)));
    }
    let line = hit(&lines, input.halt_patterns.iter().map(String::as_str))?;
    Some(ProcessEnd::EnvError(EnvProblem { code: input.code, reason: digestor::shortened(line) }))
}

/// Returns the last line that contains one of the patterns, case-insensitively. Empty patterns match nothing.
fn hit<'l, 'p>(lines: &[&'l str], patterns: impl Iterator<Item = &'p str>) -> Option<&'l str> {
    let patterns: Vec<String> = patterns.map(|p| p.trim().to_lowercase()).filter(|p| !p.is_empty()).collect();
    lines.iter().copied().find(|line| {
        let line = line.to_lowercase();
        patterns.iter().any(|pattern| line.contains(pattern))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Final, Said};
    use pretty_assertions::assert_eq;

    fn now() -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-11-20T12:00:00+01:00").unwrap()
    }

    struct Case {
        code: i32,
        cause: Cause,
        said: Vec<Said>,
        lines: Vec<String>,
        changed: bool,
        patterns: PatternResults,
    }

    impl Case {
        fn new(code: i32) -> Self {
            let patterns = PatternResults::default();
            Self { code, cause: Cause::Itself, said: vec![], lines: vec![], changed: false, patterns }
        }

        fn conclude(&self) -> (ProcessEnd, bool) {
            let mut digest = Digestor::default();
            self.said.iter().for_each(|said| digest.add(said));
            let words = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
            conclude(&Conclusion {
                code: self.code,
                cause: self.cause,
                digest: &digest,
                last_lines: &self.lines,
                changed_files: self.changed,
                rate_limit_patterns: &words(&["rate limit", "Overloaded", "  "]),
                halt_patterns: &words(&["unauthorized", "cannot be used with root/sudo privileges"]),
                patterns: self.patterns,
                now: now(),
            })
        }
    }

    fn error(class: ErrorClass) -> AgentError {
        AgentError { class, message: "why".into(), until: None }
    }

    fn last(is_ok: bool, class: Option<ErrorClass>) -> Said {
        Said::Final(Final { is_ok, message: "end".into(), error: class.map(error) })
    }

    fn tool() -> Said {
        Said::ToolStarted { id: "1".into(), name: "Bash".into(), summary: "ls".into() }
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn exit_code_zero_without_a_final_event_is_no_success_once_there_were_events() {
        let mut case = Case::new(0);
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, true), "a plain program");
        case.said = vec![tool()];
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, false));
        case.said = vec![tool(), last(true, None)];
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, true));
        case.said = vec![tool(), last(true, None), last(false, None)];
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, false), "the last final event counts");
        case.said = vec![last(true, None)];
        case.code = 3;
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 3 }, false));
        case.code = -9;
        assert_eq!(case.conclude(), (ProcessEnd::Signalled { signal: 9 }, false));
        case.code = i32::MIN;
        assert_eq!(case.conclude(), (ProcessEnd::Signalled { signal: i32::MAX }, false));
    }

    #[test]
    fn a_stopped_program_that_ends_well_has_ended_well() {
        let mut case = Case::new(0);
        case.cause = Cause::Stopped;
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, true));
        case.said = vec![tool()];
        assert_eq!(case.conclude(), (ProcessEnd::Interrupted, false), "gemini exits 0 when it is stopped");
        case.said = vec![tool(), last(true, None)];
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, true));
        case.code = 1;
        case.said = vec![last(false, Some(ErrorClass::RateLimit))];
        assert_eq!(case.conclude(), (ProcessEnd::Interrupted, false));
    }

    #[test]
    fn a_program_that_was_interrupted_by_others_was_interrupted() {
        let mut case = Case::new(130);
        case.lines = lines("rate limit, unauthorized");
        assert_eq!(case.conclude(), (ProcessEnd::Interrupted, false));
        case.said = vec![tool(), last(false, Some(ErrorClass::RateLimit))];
        assert_eq!(case.conclude(), (ProcessEnd::Interrupted, false));
        case.cause = Cause::Wall;
        assert_eq!(case.conclude(), (ProcessEnd::TimedOut, false), "by us");
    }

    #[test]
    fn a_typed_limit_counts_even_with_changed_files_and_an_environment_error_does_not() {
        let mut case = Case::new(1);
        case.changed = true;
        for class in [ErrorClass::RateLimit, ErrorClass::Overloaded, ErrorClass::Quota] {
            case.said = vec![tool(), last(false, Some(class))];
            let expected = Limit { code: 1, reason: "why".into(), until: None };
            assert_eq!(case.conclude(), (ProcessEnd::Limited(expected), false));
        }
        for class in [ErrorClass::Auth, ErrorClass::Environment, ErrorClass::Model] {
            case.said = vec![tool(), last(false, Some(class))];
            case.changed = true;
            assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 1 }, false));
            case.changed = false;
            let expected = EnvProblem { code: 1, reason: "why".into() };
            assert_eq!(case.conclude(), (ProcessEnd::EnvError(expected), false));
        }
        for class in [ErrorClass::Context, ErrorClass::OwnLimit, ErrorClass::Other] {
            case.said = vec![tool(), last(false, Some(class))];
            assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 1 }, false));
        }
    }

    #[test]
    fn a_service_out_of_reach_is_waited_for_unless_the_agent_got_to_work() {
        let mut case = Case::new(1);
        case.said = vec![last(false, Some(ErrorClass::Network))];
        assert!(matches!(case.conclude().0, ProcessEnd::Limited(_)));
        case.changed = true;
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 1 }, false));
    }

    #[test]
    fn an_error_that_the_agent_got_over_does_not_explain_a_later_failure() {
        let mut case = Case::new(7);
        case.said = vec![Said::Error(error(ErrorClass::RateLimit)), tool(), last(true, None)];
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 7 }, false));
        case.said = vec![Said::Error(error(ErrorClass::RateLimit))];
        assert!(matches!(case.conclude().0, ProcessEnd::Limited(_)), "no final event: the last error explains");
    }

    #[test]
    fn typed_prose_never_makes_a_limit_or_an_environment_error() {
        let mut case = Case::new(1);
        let text = "401 unauthorized, rate limit, usage limit reached, overloaded";
        case.said = vec![tool(), Said::Text { text: text.into(), partial: false }];
        case.lines = lines(text);
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 1 }, false));
    }

    #[test]
    fn a_plain_program_is_read_by_its_last_lines_only() {
        let mut case = Case::new(1);
        case.lines = lines("Error: Rate Limit exceeded\nplease try again in 20s\n\n");
        let (end, _) = case.conclude();
        let ProcessEnd::Limited(limit) = end else { panic!("{end:?}") };
        assert_eq!(limit.reason, "Error: Rate Limit exceeded");
        assert_eq!(limit.until.unwrap().to_rfc3339(), "2026-11-20T11:00:20+00:00");

        case.lines = lines("Claude AI usage limit reached|1795190000");
        assert!(matches!(case.conclude().0, ProcessEnd::Limited(_)), "recognised without a pattern");
        case.changed = true;
        assert_eq!(case.conclude().0, ProcessEnd::Exited { code: 1 }, "work was done: an ordinary failure");
        case.changed = false;
        case.code = 0;
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, true), "success is never a limit");

        case.code = 1;
        case.lines = lines("HTTP 401 Unauthorized");
        assert!(matches!(case.conclude().0, ProcessEnd::EnvError(_)));
        case.lines.extend((0..9).flat_map(|n| [format!("line {n}"), String::new()]));
        assert!(matches!(case.conclude().0, ProcessEnd::EnvError(_)), "nine lines later it is still in reach");
        case.lines.push("one more".into());
        assert_eq!(case.conclude().0, ProcessEnd::Exited { code: 1 }, "prose further up does not matter");
    }

    #[test]
    fn the_patterns_of_a_command_decide_together_with_the_exit_code() {
        let mut case = Case::new(0);
        case.patterns = PatternResults { success: Some(false), failure: None };
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, false));
        case.patterns = PatternResults { success: Some(true), failure: Some(true) };
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, false));
        case.patterns = PatternResults { success: Some(true), failure: Some(false) };
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 0 }, true));
        case.code = 1;
        assert_eq!(case.conclude(), (ProcessEnd::Exited { code: 1 }, false));
    }

    #[test]
    fn our_time_limit_is_no_fault_of_the_attempt_while_the_service_refuses() {
        let mut case = Case::new(-15);
        case.cause = Cause::Idle;
        let retry = |class| Said::Retry { attempt: 1, delay_ms: 1, error: error(class) };
        case.said = vec![tool(), retry(ErrorClass::RateLimit)];
        assert!(matches!(case.conclude().0, ProcessEnd::Limited(_)));
        case.said = vec![retry(ErrorClass::RateLimit), tool()];
        assert_eq!(case.conclude().0, ProcessEnd::Idle, "it went on meanwhile");
        case.cause = Cause::Wall;
        case.said = vec![retry(ErrorClass::Network)];
        assert!(matches!(case.conclude().0, ProcessEnd::Limited(_)));
        case.changed = true;
        assert_eq!(case.conclude().0, ProcessEnd::TimedOut);
        case.said = vec![last(true, None)];
        case.code = 0;
        assert_eq!(case.conclude(), (ProcessEnd::TimedOut, false));
    }
}
