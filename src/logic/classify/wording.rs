//! Which kind of error an agent's error message reports.
//!
//! Only for messages that an agent marked as an error, never for prose. Rules are tried in order, the first hit
//! counts; every rule carries an example, and a test proves that no example is caught by an earlier rule.

use std::sync::LazyLock;

use chrono::{DateTime, FixedOffset};
use regex::Regex;

use super::until;
use crate::model::{AgentError, ErrorClass};

struct Rule {
    class: ErrorClass,
    /// Lower case; `*` stands for anything between.
    any: &'static [&'static str],
    /// One message per line of thought, as printed by a real program.
    #[cfg_attr(not(test), expect(dead_code, reason = "documents the rule; a test runs it"))]
    examples: &'static [&'static str],
}

/// More telling than an HTTP status: 429 may be a used-up quota, 400 a full context.
const SPECIFIC: &[Rule] = &[
    Rule {
        class: ErrorClass::Context,
        any: &[
            "context window",
            "context length",
            "context_length",
            "contextoverflow",
            "prompt is too long",
            "input is too long",
            "exceeds the maximum number of tokens",
        ],
        examples: &[
            "Codex ran out of room in the model's context window. Start a new thread or clear earlier history",
            "Prompt is too long · the request is ~250000 tokens (limit 200000)",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ],
    },
    Rule {
        class: ErrorClass::OwnLimit,
        any: &["maximum number of turns", "maximum budget", "max session turns", "maximum session turns"],
        examples: &["Reached maximum number of turns (2)", "Reached maximum budget ($0.005)"],
    },
    Rule {
        class: ErrorClass::Quota,
        any: &[
            "usage limit",
            "usage_limit",
            "credit balance",
            "billing",
            "insufficient_quota",
            "exceeded your current quota",
            "quota exceeded",
            "daily quota",
            "out of credits",
            "out of extra usage",
            "payment required",
            "hit your*limit",
            "limit reached*reset",
            "weekly limit",
        ],
        examples: &[
            "Claude AI usage limit reached|1700000000",
            "You've hit your session limit · resets 8:30pm (Asia/Tokyo)",
            "5-hour limit reached ∙ resets 3pm",
            "You've hit your usage limit. Upgrade to Pro or try again in 2 days 17 hours 14 minutes.",
            "Credit balance is too low",
            "Quota exceeded. Check your plan and billing details.",
            "You have exhausted your daily quota on this model.",
        ],
    },
    Rule {
        class: ErrorClass::Network,
        any: &[
            "stream disconnected",
            "connection refused",
            "econnrefused",
            "connection dropped",
            "connection failed",
            "connection error",
            "econnreset",
            "etimedout",
            "enotfound",
            "socket hang up",
            "fetch failed",
            "error sending request",
            "network error",
            "waiting for network",
            "connection_failed",
            "api error: terminated",
        ],
        examples: &[
            "stream disconnected before completion: error sending request",
            "API Error: Connection dropped (ECONNRESET). Check the gateway set in ANTHROPIC_BASE_URL",
            "[API Error: exception TypeError: fetch failed sending request]",
            "[API Error: terminated]",
            "waiting for network (Connection failed: error sending request)",
        ],
    },
];

/// Asked when neither a status nor a code is known.
const GENERAL: &[Rule] = &[
    Rule {
        class: ErrorClass::RateLimit,
        any: &[
            "too many requests",
            "rate limit",
            "rate_limit",
            "resource has been exhausted",
            "resource_exhausted",
            "throttl",
        ],
        examples: &[
            "[API Error: Resource has been exhausted (e.g. check quota).]",
            "Rate limit reached for requests. Please try again in 1s.",
        ],
    },
    Rule {
        class: ErrorClass::Model,
        any: &[
            "model_not_found",
            "model*not found",
            "model*does not exist",
            "model*may not exist",
            "model*not supported",
            "unknown model",
        ],
        examples: &[
            "model: nope not found",
            "There's an issue with the selected model (m). It may not exist or you may not have access to it.",
        ],
    },
    Rule {
        class: ErrorClass::Auth,
        any: &[
            "invalid api key",
            "incorrect api key",
            "api key not valid",
            "api_key_invalid",
            "invalid_api_key",
            "not logged in",
            "please run /login",
            "missing environment variable",
            "authentication",
            "unauthorized",
            "forbidden",
            "gemini_api_key",
            "token*expired",
        ],
        examples: &[
            "Invalid API key · Fix external API key",
            "Not logged in · Please run /login",
            "Missing environment variable: `OPENAI_API_KEY`.",
            "API key not valid. Please pass a valid API key.",
            "OAuth token has expired",
        ],
    },
    Rule {
        class: ErrorClass::Environment,
        any: &[
            "root/sudo privileges",
            "requires --verbose",
            "not inside a trusted directory",
            "unknown option",
            "unknown argument",
            "unexpected argument",
            "invalid auth method",
        ],
        examples: &[
            "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons",
            "error: unexpected argument '--full-auto' found",
            "Invalid auth method selected.",
        ],
    },
    Rule {
        class: ErrorClass::Overloaded,
        any: &[
            "overloaded",
            "at capacity",
            "high demand",
            "server-side issue",
            "service unavailable",
            "internal server error",
            "bad gateway",
        ],
        examples: &[
            "[API Error: The model is overloaded. Please try again later.]",
            "Selected model is at capacity. Please try a different model.",
            "We’re currently experiencing high demand, which may cause temporary errors.",
        ],
    },
];

static STATUS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?:\bstatus(?: code)?:? ?|"code": ?|\(|API Error: )([45]\d\d)\b"#).expect("a literal")
});

/// Returns the HTTP status (400 to 599) that an error message names.
pub fn status_in(message: &str) -> Option<u16> {
    let message = message.get(..message.floor_char_boundary(20_000))?;
    STATUS.captures(message)?.get(1)?.as_str().parse().ok()
}

/// Returns the kind of an error. `status` is the HTTP status when the agent names one apart from the text (0 counts
/// as none), `code` a machine-readable word beside the text (`rate_limit`, `model_not_found`), empty when there is none.
pub fn class_of(status: Option<u16>, code: &str, message: &str) -> ErrorClass {
    let text = message.get(..message.floor_char_boundary(20_000)).unwrap_or_default().to_lowercase();
    let code = code.to_ascii_lowercase();
    first(SPECIFIC, &text)
        .or_else(|| status.or_else(|| status_in(message)).and_then(of_status))
        .or_else(|| of_code(&code))
        .or_else(|| first(GENERAL, &text))
        .unwrap_or(ErrorClass::Other)
}

/// Builds a typed error; the time at which the service answers again is read out of the message.
pub fn agent_error(status: Option<u16>, code: &str, message: &str, now: DateTime<FixedOffset>) -> AgentError {
    let class = class_of(status, code, message);
    let until = if class.is_limit() { until(message, now) } else { None };
    AgentError { class, message: message.to_owned(), until }
}

fn of_status(status: u16) -> Option<ErrorClass> {
    Some(match status {
        401 | 403 => ErrorClass::Auth,
        402 => ErrorClass::Quota,
        404 => ErrorClass::Model,
        413 => ErrorClass::Context,
        429 => ErrorClass::RateLimit,
        500..=599 => ErrorClass::Overloaded,
        _ => return None,
    })
}

/// The words that claude and the vendors' error bodies use.
fn of_code(code: &str) -> Option<ErrorClass> {
    Some(match code {
        "rate_limit" | "rate_limit_error" | "rate_limit_exceeded" | "resource_exhausted" => ErrorClass::RateLimit,
        "overloaded" | "overloaded_error" | "server_error" | "unavailable" => ErrorClass::Overloaded,
        "billing_error" | "insufficient_quota" | "usage_limit_reached" => ErrorClass::Quota,
        "authentication_failed" | "authentication_error" | "permission_error" | "invalid_api_key" => ErrorClass::Auth,
        "model_not_found" | "not_found_error" => ErrorClass::Model,
        "prompt_too_long" | "contextoverflowerror" | "context_length_exceeded" => ErrorClass::Context,
        "max_turns" | "budget_exhausted" | "error_max_turns" | "error_max_budget_usd" => ErrorClass::OwnLimit,
        "connection_failed" => ErrorClass::Network,
        _ => return None,
    })
}

fn first(rules: &[Rule], text: &str) -> Option<ErrorClass> {
    rules.iter().find(|rule| rule.any.iter().any(|wanted| occurs(text, wanted))).map(|rule| rule.class)
}

/// Whether the parts of a pattern occur in this order.
fn occurs(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn every_example_hits_its_own_rule() {
        for rule in SPECIFIC.iter().chain(GENERAL) {
            for example in rule.examples {
                assert_eq!(class_of(None, "", example), rule.class, "{example}");
            }
            for wanted in rule.any {
                let text = wanted.replace('*', " x ");
                assert_eq!(class_of(None, "", &text), rule.class, "`{wanted}` is shadowed by an earlier rule");
            }
        }
    }

    #[test]
    fn a_status_beats_general_words_and_yields_to_specific_ones() {
        let table = [
            (Some(429), "", "forbidden", ErrorClass::RateLimit),
            (Some(429), "", "You exceeded your current quota", ErrorClass::Quota),
            (Some(400), "billing_error", "Credit balance is too low", ErrorClass::Quota),
            (Some(400), "", "whatever", ErrorClass::Other),
            (Some(0), "overloaded", "", ErrorClass::Overloaded),
            (None, "server_error", "API Error: Connection refused (ECONNREFUSED)", ErrorClass::Network),
            (None, "", "exceeded retry limit, last status: 429 Too Many Requests", ErrorClass::RateLimit),
            (None, "", "unexpected status 401 Unauthorized: Incorrect API key provided", ErrorClass::Auth),
            (None, "", "unexpected status 503 Service Unavailable: scripted", ErrorClass::Overloaded),
            (None, "", r#"[API Error: {"error":{"code":500,"message":"m"}}]"#, ErrorClass::Overloaded),
            (None, "", "API Error: Request rejected (429) · slow down", ErrorClass::RateLimit),
            (None, "", "the file has 429 lines", ErrorClass::Other),
        ];
        for (status, code, message, expected) in table {
            assert_eq!(class_of(status, code, message), expected, "{message}");
        }
    }

    #[test]
    fn only_limits_get_a_time() {
        let now = DateTime::parse_from_rfc3339("2026-11-20T12:00:00+01:00").unwrap();
        assert!(agent_error(None, "", "rate limit, try again in 20s", now).until.is_some());
        assert!(agent_error(None, "", "not logged in, try again in 20s", now).until.is_none());
    }
}
