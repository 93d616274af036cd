//! How a screen is written to: colours, badges, the reader's time zone.
//!
//! Whether there is a terminal, how wide it is and whether colour is wanted is decided by the caller. Status words
//! are the ones of runtime-status.json; an unknown word is shown like `info`, never refused.

use chrono::{DateTime, FixedOffset, Offset, Utc};

/// How the reader's screen is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours are wanted.
    pub is_coloured: bool,
    /// Width of the terminal; `None` when the text goes to a file or a pipe, where nothing is ever cut.
    pub columns: Option<usize>,
    /// The reader's offset from UTC.
    pub zone: FixedOffset,
}

impl Default for Style {
    fn default() -> Self {
        Self::plain()
    }
}

impl Style {
    /// No colour, no cutting, UTC.
    pub fn plain() -> Self {
        Self { is_coloured: false, columns: None, zone: Utc.fix() }
    }

    /// Returns the badge of a status word: `[RETRY WAIT]`, coloured when wanted.
    pub fn badge(&self, status: &str) -> String {
        self.paint(colour(status), &plain_badge(status))
    }

    /// Wraps a text in a colour (the part between `ESC[` and `m`) when colours are wanted.
    pub fn paint(&self, colour: &str, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Returns a point in time as the reader's clock shows it: `2026-11-20 12:29:10`.
    pub fn time(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// Returns the badge without colour: upper case, `_` as a space, in brackets.
pub fn plain_badge(status: &str) -> String {
    format!("[{}]", status.replace('_', " ").to_uppercase())
}

/// Returns the ANSI colour of a status word.
pub fn colour(status: &str) -> &'static str {
    match status {
        "running" => "0;36",
        "validating" => "0;35",
        "retry" | "reverted" | "warning" | "warn" | "interrupted" => "1;33",
        "waiting" => "0;90",
        "completed" | "kept" | "ok" => "0;32",
        "blocked" | "failed" | "env_error" | "error" | "killed" => "0;31",
        _ => "0;34",
    }
}

/// Returns the label of a status word in title case: `Retry Wait`.
pub fn label(status: &str) -> String {
    let words = status.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the class of a status word, by which pages choose colour and shape.
pub fn class(status: &str) -> &str {
    match status {
        "starting" | "running" | "validating" => "running",
        "waiting" | "retry_wait" => "waiting",
        "kept" => "completed",
        "retry" | "reverted" | "interrupted" => "warning",
        "blocked" | "env_error" => "blocked",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_is_upper_case_in_brackets() {
        assert_eq!(Style::plain().badge("retry_wait"), "[RETRY WAIT]");
        let coloured = Style { is_coloured: true, ..Style::plain() };
        assert_eq!(coloured.badge("pending"), "\x1b[0;34m[PENDING]\x1b[0m");
        assert_eq!(coloured.badge("never_heard_of"), "\x1b[0;34m[NEVER HEARD OF]\x1b[0m");
        assert_eq!(coloured.badge("retry"), "\x1b[1;33m[RETRY]\x1b[0m");
    }

    #[test]
    fn a_label_is_title_case() {
        for (word, wanted) in [("retry_wait", "Retry Wait"), ("env_error", "Env Error"), ("idle", "Idle"), ("", "")] {
            assert_eq!(label(word), wanted);
        }
    }

    #[test]
    fn classes_group_status_words() {
        let pairs = [
            ("starting", "running"),
            ("validating", "running"),
            ("retry_wait", "waiting"),
            ("retry", "warning"),
            ("interrupted", "warning"),
            ("env_error", "blocked"),
            ("completed", "completed"),
            ("idle", "idle"),
        ];
        for (word, wanted) in pairs {
            assert_eq!(class(word), wanted);
        }
    }

    #[test]
    fn screens_show_local_time() {
        let at = DateTime::parse_from_rfc3339("2026-11-20T23:29:10Z").unwrap().to_utc();
        assert_eq!(Style::plain().time(at), "2026-11-20 23:29:10");
        let east = Style { zone: FixedOffset::east_opt(3600).unwrap(), ..Style::plain() };
        assert_eq!(east.time(at), "2026-11-21 00:29:10");
    }
}
