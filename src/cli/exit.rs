//! Exit codes and the last word about an error.
//!
//! 0 ok; 1 environment or runtime error; 2 some task is blocked, or the arguments are wrong (clap); 130 stopped.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::engine::desk::Interrupted;
use crate::plan::QueueError;

use super::screen;

/// Returns the exit code of a command.
pub(super) fn number(result: &anyhow::Result<i32>) -> i32 {
    match result {
        Ok(code) => *code,
        Err(error) if error.is::<Interrupted>() => 130,
        Err(_) => 1,
    }
}

/// Turns the end of a command into an exit code; an error is printed with what to do next.
pub(super) fn code(result: &anyhow::Result<i32>) -> ExitCode {
    if let Err(error) = result {
        screen::note(&text(error));
    }
    ExitCode::from(u8::try_from(number(result)).unwrap_or(1))
}

/// Returns what is printed about an error.
pub(super) fn text(error: &anyhow::Error) -> String {
    let kind = if error.chain().any(<dyn std::error::Error>::is::<ConfigError>) {
        "Configuration error"
    } else if error.chain().any(<dyn std::error::Error>::is::<QueueError>) {
        "Task data error"
    } else {
        "Error"
    };
    let hint = error
        .chain()
        .find_map(|e| {
            e.downcast_ref::<QueueError>()
                .and_then(QueueError::hint)
                .or_else(|| e.downcast_ref::<ConfigError>().and_then(ConfigError::hint))
        })
        .map(|hint| format!("\nhint: {hint}"))
        .unwrap_or_default();
    format!("{kind}: {}{hint}", told(error))
}

/// Joins an error and its causes; one that the error before it has already told is left out.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text.extend([": ", &cause]);
        }
    }
    text
}
