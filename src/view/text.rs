//! Small pieces of text: clean lines, widths, amounts and times.
//!
//! Texts of tasks and agents are data: [`one_line`] takes away everything that could move the cursor, start a new
//! line or turn the reading direction, before a terminal or a line-oriented file sees it.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::model::Usage;

/// Returns the text on one line: white space is collapsed, other control characters become `�`.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().map(tame));
    }
    line
}

/// Returns the text with its line breaks and tabs but without any other control character.
pub fn block(text: &str) -> String {
    text.chars().filter(|c| *c != '\r').map(|c| if c == '\n' || c == '\t' { c } else { tame(c) }).collect()
}

/// Returns the text on one line with its spaces as they are: every other white space becomes one space.
pub fn flat(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { tame(c) }).collect()
}

/// Replaces what a terminal would obey instead of show: control characters and changes of the reading direction.
fn tame(c: char) -> char {
    match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Escapes what HTML gives a meaning to, and nothing else (a slash stays a slash).
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#x27;"),
            _ => safe.push(c),
        }
    }
    safe
}

/// Appends formatted text without a string in between.
pub(super) fn push(text: &mut String, pieces: fmt::Arguments<'_>) {
    // A string takes everything; the pieces are our own types, whose `Display` never fails.
    let _ = fmt::Write::write_fmt(text, pieces);
}

/// Returns how many terminal columns a text takes. Wide East Asian characters and emoji count 2, marks that
/// combine with the character before them 0; a sequence of joined emoji is counted too wide, never too narrow.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Returns the text cut to at most `columns` columns; a cut text ends in `…`.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut taken = 0;
    let mut cut: String = text
        .chars()
        .take_while(|c| {
            taken += char_width(*c);
            taken < columns
        })
        .collect();
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// Returns the text followed by spaces up to `columns` columns; a longer text is left as it is.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Returns a count with its noun: `1 file`, `2 files`.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Returns a span of whole seconds: `45 s`, `2 m 05 s`, `3 h 04 m`, `2 d 03 h`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Returns the seconds from one point in time to a later one, rounded; 0 when it is not later.
pub fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
    u64::try_from((to - from).num_milliseconds().saturating_add(500) / 1_000).unwrap_or(0)
}

/// Returns a point in time as files show it: `2026-11-20T11:29:10Z`; empty when there is none.
pub fn stamp(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}

/// Returns a number of tokens in three or four characters: `950`, `12.3k`, `4.5M`.
pub fn tokens(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..999_950 => format!("{:.1}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

/// Returns an amount of US dollars: `$0.42`; amounts that would round to nothing as `<$0.01`.
pub fn money(dollars: f64) -> String {
    if dollars > 0.0 && dollars < 0.005 { "<$0.01".to_owned() } else { format!("${dollars:.2}") }
}

/// Returns tokens and money on one line; `None` when nothing was counted.
pub fn usage(usage: &Usage) -> Option<String> {
    if usage.is_zero() {
        return None;
    }
    let input = usage.input.saturating_add(usage.cached_input).saturating_add(usage.cache_write);
    let cached =
        if usage.cached_input > 0 { format!(" ({} from cache)", tokens(usage.cached_input)) } else { String::new() };
    let cost = usage.cost_usd.map(|dollars| format!(", {}", money(dollars))).unwrap_or_default();
    Some(format!("{} tokens in{cached}, {} out{cost}", tokens(input), tokens(usage.output)))
}

/// Returns a number with at most six significant digits and no trailing zeros, as metrics are shown: `100`, `89.5`.
pub fn general(value: f64) -> String {
    let rounded = format!("{value:.5e}").parse::<f64>().unwrap_or(value);
    if rounded != 0.0 && !(1e-4..1e15).contains(&rounded.abs()) { format!("{rounded:e}") } else { rounded.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_leaves_nothing_that_moves_the_cursor() {
        assert_eq!(one_line(" a\r\nb\tc "), "a b c");
        assert_eq!(one_line("red \x1b[31m\u{202e}gnp\u{7}"), "red \u{fffd}[31m\u{fffd}gnp\u{fffd}");
        assert_eq!(one_line("grün 🚀"), "grün 🚀");
        assert_eq!(flat("  a\tb\x1b  c\n"), "  a b\u{fffd}  c ");
        assert_eq!(block("a\r\n\tb\x1b"), "a\n\tb\u{fffd}");
    }

    #[test]
    fn widths_are_terminal_columns() {
        for (text, columns) in [("abc", 3), ("日本", 4), ("🚀", 2), ("e\u{301}", 1), ("", 0)] {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn a_cut_text_fits_and_says_so() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdef", 5), "abcd…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("abc", 1), "…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(pad("日", 4), "日  ");
    }

    #[test]
    fn a_pause_of_two_seconds_is_two_seconds_when_it_is_told_a_little_late() {
        let begun = DateTime::<Utc>::UNIX_EPOCH;
        let after = |ms| begun + chrono::TimeDelta::milliseconds(ms);
        assert_eq!(seconds_between(after(4), after(2_000)), 2);
        assert_eq!(seconds_between(begun, after(1_499)), 1);
        assert_eq!(seconds_between(after(2_000), begun), 0);
    }

    #[test]
    fn amounts_are_short() {
        let spans = [(0, "0 s"), (59, "59 s"), (125, "2 m 05 s"), (11_045, "3 h 04 m"), (183_600, "2 d 03 h")];
        for (seconds, wanted) in spans {
            assert_eq!(span(seconds), wanted);
        }
        for (count, wanted) in [(950, "950"), (12_345, "12.3k"), (999_999, "1.0M"), (4_512_345, "4.5M")] {
            assert_eq!(tokens(count), wanted);
        }
        for (dollars, wanted) in [(0.0, "$0.00"), (0.001, "<$0.01"), (0.42, "$0.42"), (12.3, "$12.30")] {
            assert_eq!(money(dollars), wanted);
        }
        for (value, wanted) in
            [(100.0, "100"), (89.5, "89.5"), (0.1 + 0.2, "0.3"), (-0.0, "-0"), (1e300, "1e300"), (1e-9, "1e-9")]
        {
            assert_eq!(general(value), wanted);
        }
    }

    #[test]
    fn usage_says_what_it_knows() {
        assert_eq!(usage(&Usage::default()), None);
        let known = Usage { input: 1_000, cached_input: 9_000, cache_write: 2_345, output: 950, ..Usage::default() };
        assert_eq!(usage(&known).unwrap(), "12.3k tokens in (9.0k from cache), 950 out");
        assert_eq!(
            usage(&Usage { cost_usd: Some(0.42), ..known }).unwrap(),
            "12.3k tokens in (9.0k from cache), 950 out, $0.42"
        );
    }
}
