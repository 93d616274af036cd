//! What people see of an agent's work: on the terminal and in autodev.log.

use crate::model::{ErrorClass, Said};

/// Longest block shown of one piece of text; the attempt log on disk has all of it.
const BLOCK_BYTES: usize = 16 * 1024;

/// Tools that run a command, by the names the agents use.
const SHELLS: [&str; 8] =
    ["Bash", "bash", "shell", "exec", "command_execution", "run_shell_command", "local_shell", "BashOutput"];
/// Tools that change a file.
const EDITORS: [&str; 11] = [
    "Write",
    "Edit",
    "MultiEdit",
    "NotebookEdit",
    "write",
    "edit",
    "patch",
    "apply_patch",
    "write_file",
    "replace",
    "file_change",
];

/// Returns one readable line or block without a final line end; `None` for what only programs care about.
pub fn log_text(said: &Said) -> Option<String> {
    let shown = match said {
        Said::Text { text, .. } => block(text),
        Said::ToolStarted { name, summary, .. } if SHELLS.contains(&name.as_str()) => format!("$ {summary}"),
        Said::ToolStarted { name, summary, .. } if EDITORS.contains(&name.as_str()) => format!("edit {summary}"),
        Said::ToolStarted { name, summary, .. } => format!("{name} {summary}").trim_end().to_owned(),
        Said::ToolEnded { is_ok: false, summary, .. } => format!("  failed: {summary}").trim_end().to_owned(),
        Said::Session { id, model } if model.is_empty() => format!("session {id}"),
        Said::Session { id, model } => format!("session {id} ({model})"),
        Said::Retry { attempt, delay_ms, error } => {
            let which = if *attempt > 0 { format!(" (try {attempt})") } else { String::new() };
            let delay = if *delay_ms > 0 { format!(", {:.1} s", *delay_ms as f64 / 1000.0) } else { String::new() };
            format!("waiting: {}{which}{delay}", block(&error.message))
        }
        Said::Error(error) => format!("error: {}{}", block(&error.message), kind(error.class)),
        // The reason of a failed run may be told by the error event too; saying it twice beats not saying it.
        Said::Final(last) if !last.is_ok => {
            let class = last.error.as_ref().map_or(ErrorClass::Other, |error| error.class);
            format!("the agent ended badly: {}{}", block(&last.message), kind(class))
        }
        Said::Notice { text } => format!("note: {}", block(text)),
        Said::ToolEnded { is_ok: true, .. } | Said::Thinking { .. } | Said::Usage { .. } | Said::Final(_) => {
            return None;
        }
    };
    Some(shown)
}

fn kind(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::RateLimit => " [rate limit]",
        ErrorClass::Overloaded => " [service overloaded]",
        ErrorClass::Quota => " [quota used up]",
        ErrorClass::Auth => " [not authorised]",
        ErrorClass::Environment => " [environment]",
        ErrorClass::Context => " [context full]",
        ErrorClass::Model => " [no such model]",
        ErrorClass::Network => " [network]",
        ErrorClass::OwnLimit => " [the agent's own limit]",
        ErrorClass::Other => "",
    }
}

fn block(text: &str) -> String {
    let text = text.trim_end_matches(['\r', '\n']);
    if text.len() <= BLOCK_BYTES {
        return text.to_owned();
    }
    let shown = text.get(..text.floor_char_boundary(BLOCK_BYTES)).unwrap_or_default();
    format!("{shown}… ({} more bytes)", text.len() - shown.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgentError, Final};
    use pretty_assertions::assert_eq;

    #[test]
    fn work_is_told_in_one_line_each() {
        let tool = |name: &str| Said::ToolStarted { id: "1".into(), name: name.into(), summary: "src/a b.rs".into() };
        let error = AgentError { class: ErrorClass::RateLimit, message: "slow".into(), until: None };
        let table = [
            (tool("Bash"), Some("$ src/a b.rs")),
            (tool("write_file"), Some("edit src/a b.rs")),
            (tool("Grep"), Some("Grep src/a b.rs")),
            (Said::ToolEnded { id: "1".into(), is_ok: false, summary: "no".into() }, Some("  failed: no")),
            (Said::ToolEnded { id: "1".into(), is_ok: true, summary: "yes".into() }, None),
            (Said::Text { text: "a\nb\n".into(), partial: false }, Some("a\nb")),
            (Said::Retry { attempt: 2, delay_ms: 1200, error: error.clone() }, Some("waiting: slow (try 2), 1.2 s")),
            (Said::Error(error.clone()), Some("error: slow [rate limit]")),
            (Said::Final(Final { is_ok: true, message: "m".into(), error: None }), None),
            (
                Said::Final(Final { is_ok: false, message: "m".into(), error: Some(error) }),
                Some("the agent ended badly: m [rate limit]"),
            ),
        ];
        for (said, expected) in table {
            assert_eq!(log_text(&said).as_deref(), expected, "{said:?}");
        }
        let long = Said::Text { text: "ä".repeat(20_000), partial: false };
        assert!(log_text(&long).unwrap().ends_with("… (23616 more bytes)"));
    }
}
