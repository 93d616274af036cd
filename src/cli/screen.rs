//! What goes to the terminal.

use std::io::{IsTerminal, Write};

use crate::sys;
use crate::view::Style;
use crate::view::experiment::plot::Signs;

/// Prints to stdout. A reader that has gone away (`autodev log | head`) is no error.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a value as JSON, two-space indent.
pub(super) fn print_json(value: &serde_json::Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    print(&format!("{text}\n"));
}

/// Prints a line to stderr.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Returns how stdout wants to be written to: coloured only on a terminal and without `NO_COLOR`.
pub(super) fn style() -> Style {
    let is_terminal = std::io::stdout().is_terminal();
    let wants_colour = sys::env::raw("NO_COLOR").is_none_or(|value| value.is_empty());
    let columns = sys::env::text("COLUMNS").and_then(|text| text.parse().ok()).unwrap_or(80);
    Style {
        is_coloured: is_terminal && wants_colour,
        columns: is_terminal.then_some(columns),
        zone: sys::clock::zone(),
    }
}

/// Returns the signs for charts: those beyond ASCII only where the locale says that they can be read.
pub(super) fn signs() -> Signs {
    // The first that is set and not empty counts, as for every program.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(sys::env::text).find(|value| !value.is_empty());
    let locale = locale.unwrap_or_default().to_lowercase();
    if locale.contains("utf-8") || locale.contains("utf8") { Signs::UNICODE } else { Signs::ASCII }
}
