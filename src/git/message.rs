//! Commit messages: text in, text with trailers out. Pure.
//!
//! Trailers are appended here and not by git: `git commit --trailer` obeys the user's `trailer.*` settings, which can
//! drop or move the one line that recovery depends on.

/// The trailer that names the effect.
pub(super) const EFFECT: &str = "Autodev-Effect";
/// The trailer that names a salvaged task.
pub(super) const TASK: &str = "Autodev-Task";
/// The trailer that names the commit a salvage started from.
pub(super) const BASE: &str = "Autodev-Base";
/// The trailer of a base: the files in which it differs from its parent are stored byte for byte.
pub(super) const RAW: &str = "Autodev-Raw";

/// Returns the message with the trailers as its last paragraph, joined to trailers that are there already. A message
/// without any text gets the subject `autodev`.
pub(super) fn with_trailers(message: &str, trailers: &[(&str, &str)]) -> String {
    let text = message.replace('\0', " ");
    let mut text = text.trim().to_owned();
    if text.is_empty() {
        "autodev".clone_into(&mut text);
    }
    text.push_str(if ends_with_trailers(&text) { "\n" } else { "\n\n" });
    for (key, value) in trailers {
        text.push_str(key);
        text.push_str(": ");
        text.push_str(&one_line(value));
        text.push('\n');
    }
    text
}

/// Returns the value of the first line `key: value`. Looks at the whole message, as a hook may have added text below
/// our trailers.
pub(super) fn trailer<'a>(message: &'a str, key: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim))
}

/// Whether the last paragraph consists of trailers; the first one is the subject and never does.
fn ends_with_trailers(text: &str) -> bool {
    let mut lines: Vec<&str> = text.lines().rev().take_while(|line| !line.trim().is_empty()).collect();
    lines.reverse();
    let is_subject = lines.len() == text.lines().count();
    !is_subject && lines.iter().enumerate().all(|(n, line)| is_trailer(line) || n > 0 && line.starts_with([' ', '\t']))
}

fn is_trailer(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(key, value)| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !value.trim().is_empty()
    })
}

fn one_line(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_a_paragraph_of_their_own() {
        let text = with_trailers("feat: add x\n\n# not a comment\n", &[(EFFECT, "r.1"), (TASK, "P0\n-1")]);
        assert_eq!(text, "feat: add x\n\n# not a comment\n\nAutodev-Effect: r.1\nAutodev-Task: P0 -1\n");
        assert_eq!(trailer(&text, EFFECT), Some("r.1"));
        assert_eq!(trailer(&text, "Autodev"), None);
    }

    #[test]
    fn trailers_that_are_there_are_joined() {
        let text = with_trailers("x\n\nSigned-off-by: A <a@b>\nReviewed-by: C\n  continued", &[(EFFECT, "r.1")]);
        assert!(text.ends_with("continued\nAutodev-Effect: r.1\n"), "{text}");
        let text = with_trailers("Fix: this is a subject", &[(EFFECT, "r.1")]);
        assert_eq!(text, "Fix: this is a subject\n\nAutodev-Effect: r.1\n");
    }

    #[test]
    fn an_empty_message_gets_a_subject() {
        assert_eq!(with_trailers(" \n\0", &[(EFFECT, "r.1")]), "autodev\n\nAutodev-Effect: r.1\n");
    }
}
