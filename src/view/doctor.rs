//! What `autodev doctor` prints: rows for people, JSON for programs.
//!
//! Invariant: whatever a program or a file said, a row cannot move the cursor or look like another row.

use serde_json::{Value, json};

use super::Style;
use super::text::{one_line, plural, width};
use crate::logic::health::{Group, Row, summary};

/// Width of a line where there is no terminal to ask.
const COLUMNS: usize = 80;
/// What a person can do stands this far in, below its row.
const INDENT: usize = 4;

/// Returns the rows by group, what to do about each below it, and the summary; every line with its line break.
/// Lines are wrapped between words at the edge of the terminal, or at 80 columns; nothing is cut.
pub fn text(rows: &[Row], style: &Style) -> String {
    let columns = style.columns.unwrap_or(COLUMNS).max(20);
    let mut page = String::new();
    let mut group = None;
    for row in rows {
        if group != Some(row.group) {
            if group.is_some() {
                page.push('\n');
            }
            page.push_str(heading(row.group));
            page.push('\n');
            group = Some(row.group);
        }
        push_row(&mut page, row, columns, style);
    }
    let count = summary(rows);
    let (warnings, errors) = (plural(count.warnings, "warning"), plural(count.errors, "error"));
    let gap = if rows.is_empty() { "" } else { "\n" };
    page + &format!("{gap}Summary: {} ok, {warnings}, {errors}\n", count.ok)
}

/// Returns `{"rows": [{"group", "label", "level", "found", "next"}], "summary": {"ok", "warnings", "errors"}}`.
/// `level` is `ok`, `warn` or `error`; `next` is empty when there is nothing to do.
pub fn json(rows: &[Row]) -> Value {
    json!({ "rows": rows, "summary": summary(rows) })
}

fn heading(group: Group) -> &'static str {
    match group {
        Group::Configuration => "Configuration",
        Group::Queue => "Queue",
        Group::Git => "Git",
        Group::Agents => "Agents",
        Group::Skills => "Skills",
        Group::Notices => "Notices",
        Group::Machine => "Machine",
    }
}

fn push_row(page: &mut String, row: &Row, columns: usize, style: &Style) {
    let word = row.level.as_str();
    let badge = super::style::plain_badge(word);
    let said = format!("{}: {}", one_line(&row.label), one_line(&row.found));
    for (at, line) in wrapped(&format!("{badge} {said}"), columns, INDENT).into_iter().enumerate() {
        let line = match line.strip_prefix(&badge) {
            Some(rest) if at == 0 => style.badge(word) + rest,
            _ => line,
        };
        page.push_str(&line);
        page.push('\n');
    }
    if row.next.is_empty() {
        return;
    }
    let next = format!("-> {}", one_line(&row.next));
    for (at, line) in wrapped(&next, columns.saturating_sub(INDENT), "-> ".len()).into_iter().enumerate() {
        debug_assert!(at > 0 || line.starts_with("->"), "the mark stands first");
        page.push_str(&" ".repeat(INDENT));
        page.push_str(&line);
        page.push('\n');
    }
}

/// Breaks a line between words; all but the first are indented. A word longer than a line stays whole.
fn wrapped(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let is_first = line.trim().is_empty();
        if !is_first && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent) + word));
        } else {
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn rows() -> Vec<Row> {
        vec![
            Row::ok(Group::Git, "git", "version 2.47.3"),
            Row::warn(
                Group::Git,
                "branch",
                "HEAD is detached",
                "`git switch BRANCH`, or `git switch -c NAME` for a new one, as you like it best",
            ),
            Row::error(
                Group::Machine,
                "disk",
                "8 MiB free in /a/rather/long/path/that/goes/on/and/on/and/on/for/ever/and/a/day",
                "free some",
            ),
        ]
    }

    #[test]
    fn rows_are_grouped_and_advice_stands_below() {
        let wanted = "\
Git
[OK] git: version 2.47.3
[WARN] branch: HEAD is detached
    -> `git switch BRANCH`, or `git switch -c NAME` for a new one, as you like
       it best

Machine
[ERROR] disk: 8 MiB free in
    /a/rather/long/path/that/goes/on/and/on/and/on/for/ever/and/a/day
    -> free some

Summary: 1 ok, 1 warning, 1 error
";
        assert_eq!(text(&rows(), &Style::plain()), wanted);
        assert_eq!(text(&[], &Style::plain()), "Summary: 0 ok, 0 warnings, 0 errors\n");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_unless_a_word_is() {
        for columns in [40, 80, 120] {
            let page = text(&rows(), &Style { columns: Some(columns), ..Style::plain() });
            let is_long = |line: &str| width(line) > columns && line.trim().contains(' ');
            assert!(!page.lines().any(is_long), "{columns}: {page}");
        }
    }

    #[test]
    fn colour_changes_no_letter() {
        let coloured = text(&rows(), &Style { is_coloured: true, ..Style::plain() });
        assert!(coloured.contains("\u{1b}[0;32m[OK]\u{1b}[0m git"), "{coloured:?}");
        assert!(coloured.contains("\u{1b}[1;33m[WARN]") && coloured.contains("\u{1b}[0;31m[ERROR]"), "{coloured:?}");
        let bare = ["\u{1b}[0;32m", "\u{1b}[1;33m", "\u{1b}[0;31m", "\u{1b}[0m"]
            .iter()
            .fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(bare, text(&rows(), &Style::plain()));
    }

    #[test]
    fn what_a_program_said_stays_in_its_row() {
        let row = Row::ok(Group::Agents, "codex", "1.0\n[OK] everything: fine\u{1b}[2J");
        let page = text(&[row], &Style::plain());
        assert_eq!(page.lines().filter(|line| line.starts_with("[OK]")).count(), 1, "{page}");
        assert!(!page.contains('\u{1b}'), "{page:?}");
    }

    #[test]
    fn json_has_every_row_and_the_counts() {
        assert_eq!(
            json(&rows()[..1]).to_string(),
            r#"{"rows":[{"group":"git","label":"git","level":"ok","found":"version 2.47.3","next":""}],"summary":{"ok":1,"warnings":0,"errors":0}}"#
        );
    }
}
