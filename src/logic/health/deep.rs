//! The answer of the agent that was really asked.

use super::{Group, Row};
use crate::model::{BackendName, ProcessEnd, Usage};

/// What came of the question.
#[derive(Clone, Debug, PartialEq)]
pub enum Deep {
    /// It could not be asked.
    NotAsked {
        /// Why.
        why: String,
    },
    /// It was.
    Asked(Box<Asked>),
}

/// How the program of the question ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// How.
    pub end: ProcessEnd,
    /// Whether in good order.
    pub is_ok: bool,
    /// What it answered, or its last words.
    pub reply: String,
    /// The model it named, empty when it did not.
    pub model: String,
    /// Tokens and money.
    pub usage: Usage,
    /// How long it took.
    pub duration_ms: u64,
    /// The limit it had.
    pub limit_seconds: u64,
    /// Whether the work tree changed meanwhile, although it was asked to change nothing.
    pub is_tree_changed: bool,
}

/// Concludes about the question.
pub fn deep(name: BackendName, found: &Deep) -> Vec<Row> {
    let name = name.as_str();
    let label = format!("{name} answers");
    let group = Group::Agents;
    let asked = match found {
        Deep::NotAsked { why } => {
            return vec![Row::error(group, &label, format!("could not be asked: {why}"), "see the rows above")];
        }
        Deep::Asked(asked) => asked,
    };
    let after = seconds(asked.duration_ms);
    let error = |found: String, next: &str| Row::error(group, &label, found, next);
    let log_in = format!("if it is about the login: start {name} by hand and log in, or set its key");
    let row = match &asked.end {
        ProcessEnd::Exited { code: 0 } if asked.is_ok && asked.reply.trim().is_empty() => Row::warn(
            group,
            &label,
            format!("ended well after {after}, but said nothing"),
            "its model may be missing or misspelt; see [backend] in autodev.toml",
        ),
        ProcessEnd::Exited { code: 0 } if asked.is_ok => {
            Row::ok(group, &label, format!("\"{}\" after {after}{}", short(&asked.reply), amounts(asked)))
        }
        ProcessEnd::Exited { code } => error(
            format!("ended with {code} after {after}{}", words(&asked.reply)),
            "start it by hand with the flags that `autodev run` would use",
        ),
        ProcessEnd::Limited(limit) => {
            let until = limit.until.map(|at| format!(" until {}", at.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
            Row::warn(
                group,
                &label,
                format!("the service does not answer for now{until}: {}", short(&limit.reason)),
                "a run waits for it; or use another agent meanwhile",
            )
        }
        ProcessEnd::EnvError(problem) => error(format!("refused: {}", short(&problem.reason)), &log_in),
        ProcessEnd::NotStarted { reason } => error(reason.clone(), "see the rows above"),
        ProcessEnd::TimedOut | ProcessEnd::Idle => error(
            format!("no answer within {} s", asked.limit_seconds),
            "is the network up, is the service reachable? it may be waiting for it",
        ),
        ProcessEnd::Signalled { signal } => {
            error(format!("was killed by signal {signal} after {after}"), "start it by hand; is there memory enough?")
        }
        ProcessEnd::Interrupted | ProcessEnd::Lost => error("was interrupted".to_owned(), "try again"),
    };
    let mut rows = vec![row];
    if asked.is_tree_changed {
        rows.push(Row::warn(
            group,
            &label,
            "files of the project changed while it was asked, although it was told to change nothing",
            "`git status` shows them",
        ));
    }
    rows
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

fn words(reply: &str) -> String {
    if reply.trim().is_empty() { String::new() } else { format!(": {}", short(reply)) }
}

/// The beginning of a text.
fn short(text: &str) -> String {
    /// An answer of one word, or the first sentence of an error.
    const CHARS: usize = 200;
    let text = text.trim();
    let start: String = text.chars().take(CHARS).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

fn amounts(asked: &Asked) -> String {
    let usage = &asked.usage;
    let input = usage.input.saturating_add(usage.cached_input).saturating_add(usage.cache_write);
    let parts = [
        (!asked.model.is_empty()).then(|| format!(", model {}", asked.model)),
        (!usage.is_zero()).then(|| format!(", {input} tokens in, {} out", usage.output)),
        usage.cost_usd.map(|cost| format!(", ${cost:.4}")),
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::model::{EnvProblem, Limit};

    fn asked(end: ProcessEnd, is_ok: bool) -> Asked {
        Asked {
            end,
            is_ok,
            reply: "OK\n".into(),
            model: "m-1".into(),
            usage: Usage { input: 10, cached_input: 5, output: 2, cost_usd: Some(0.0123), ..Usage::default() },
            duration_ms: 1250,
            limit_seconds: 120,
            is_tree_changed: false,
        }
    }

    fn row(asked: Asked) -> Row {
        deep(BackendName::Claude, &Deep::Asked(Box::new(asked))).remove(0)
    }

    #[test]
    fn an_answer_comes_with_its_time_and_its_price() {
        let row = row(asked(ProcessEnd::Exited { code: 0 }, true));
        assert_eq!(row.level, Level::Ok);
        assert_eq!(row.found, "\"OK\" after 1.2 s, model m-1, 15 tokens in, 2 out, $0.0123");
    }

    #[test]
    fn a_limit_passes_and_a_refused_key_does_not() {
        let until = chrono::DateTime::from_timestamp(1_800_000_000, 0);
        let limit = Limit { code: 1, reason: "usage limit reached".into(), until };
        let limited = row(asked(ProcessEnd::Limited(limit), false));
        assert_eq!(limited.level, Level::Warn);
        assert!(limited.found.contains("2027-01-15 08:00 UTC: usage limit reached"), "{limited:?}");
        let problem = EnvProblem { code: 1, reason: "Invalid API key".into() };
        let refused = row(asked(ProcessEnd::EnvError(problem), false));
        assert!(refused.level == Level::Error && refused.next.contains("log in"), "{refused:?}");
    }

    #[test]
    fn everything_else_is_an_error_in_its_own_words() {
        for (end, words) in [
            (ProcessEnd::Exited { code: 3 }, "ended with 3 after 1.2 s: OK"),
            (ProcessEnd::Exited { code: 0 }, "ended with 0"),
            (ProcessEnd::TimedOut, "no answer within 120 s"),
            (ProcessEnd::Signalled { signal: 9 }, "signal 9"),
            (ProcessEnd::NotStarted { reason: "no such file".into() }, "no such file"),
        ] {
            let row = row(asked(end, false));
            assert!(row.level == Level::Error && row.found.contains(words), "{row:?}");
        }
        let silent = row(Asked { reply: " ".into(), ..asked(ProcessEnd::Exited { code: 0 }, true) });
        assert_eq!(silent.level, Level::Warn);
        let meddler = Asked { is_tree_changed: true, ..asked(ProcessEnd::Exited { code: 0 }, true) };
        assert_eq!(deep(BackendName::Claude, &Deep::Asked(Box::new(meddler))).len(), 2);
        assert_eq!(deep(BackendName::Claude, &Deep::NotAsked { why: "x".into() })[0].level, Level::Error);
    }
}
