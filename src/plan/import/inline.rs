//! What one piece of markdown says: code spans, text without emphasis, sentences, titles.
//!
//! Invariant: linear in the text (up to a logarithm), never fails; positions are byte offsets into the text.

use std::collections::BTreeMap;

/// Titles longer than this are cut at a word: what a table and a commit subject still bear.
const TITLE_LIMIT: usize = 100;

/// A piece of code in running text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CodeSpan<'a> {
    /// Of the first backtick.
    pub(super) start: usize,
    /// Behind the last backtick.
    pub(super) end: usize,
    /// What is between, trimmed.
    pub(super) text: &'a str,
}

/// Returns the code spans in order: text between two runs of backticks of the same length.
pub(super) fn code_spans(text: &str) -> Vec<CodeSpan<'_>> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in text.bytes().enumerate().filter(|(_, byte)| *byte == b'`').map(|(at, _)| at) {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == at => *length += 1,
            _ => runs.push((at, 1)),
        }
    }
    let mut starts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (start, length) in &runs {
        starts.entry(*length).or_default().push(*start);
    }
    let mut spans: Vec<CodeSpan> = Vec::new();
    for (start, length) in runs {
        if spans.last().is_some_and(|span| start < span.end) {
            continue;
        }
        let same = starts.get(&length).map(Vec::as_slice).unwrap_or_default();
        let Some(close) = same.get(same.partition_point(|other| *other <= start)).copied() else { continue };
        let inside = text.get(start + length..close).unwrap_or_default().trim();
        spans.push(CodeSpan { start, end: close + length, text: inside });
    }
    spans
}

/// Returns the text without `**`, `__`, `~~` and link targets; code spans stay as they are. White space is folded.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in code_spans(text) {
        out.push_str(&without_marks(text.get(at..span.start).unwrap_or_default()));
        out.push_str(text.get(span.start..span.end).unwrap_or_default());
        at = span.end;
    }
    out.push_str(&without_marks(text.get(at..).unwrap_or_default()));
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("](") {
        let (before, link) = rest.split_at(open);
        let label = before.rfind('[');
        // Stopping at the next bracket keeps a text of unclosed links linear.
        let close = link.char_indices().skip(2).find(|(_, c)| matches!(c, ')' | '\n' | '[' | ']'));
        let close = close.filter(|(_, c)| *c == ')').map(|(at, _)| at);
        let (Some(label), Some(close)) = (label, close) else {
            out.push_str(before);
            out.push_str("](");
            rest = link.get(2..).unwrap_or_default();
            continue;
        };
        let (head, label) = before.split_at(label);
        out.push_str(head.strip_suffix('!').unwrap_or(head));
        out.push_str(label.strip_prefix('[').unwrap_or(label));
        rest = link.get(close + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.replace("**", "").replace("~~", "").replace("__", "")
}

/// Returns the sentences of a text, each trimmed and not blank, in order. Paragraphs end sentences; code spans do not.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let spans = code_spans(text);
    let mut next_span = spans.iter().peekable();
    let mut out = Vec::new();
    let mut start = 0;
    let mut after_stop = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        while next_span.next_if(|span| span.end <= at).is_some() {}
        if next_span.peek().is_some_and(|span| span.start <= at) {
            after_stop = false;
            continue;
        }
        let follows = chars.peek().map(|(_, c)| *c);
        let ends = match c {
            '.' | '!' | '?' => follows.is_none_or(char::is_whitespace) && !is_abbreviation(text.get(start..at)),
            '\n' | '\u{3002}' | '\u{ff01}' | '\u{ff1f}' => true,
            _ => false,
        };
        if ends || after_stop {
            let end = at + c.len_utf8();
            out.push(text.get(start..end).unwrap_or_default());
            start = end;
        }
        after_stop = false;
    }
    out.push(text.get(start..).unwrap_or_default());
    out.into_iter()
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|s| !s.is_empty())
        .collect()
}

/// Whether a dot behind this text belongs to a short form.
fn is_abbreviation(before: Option<&str>) -> bool {
    let word = before.unwrap_or_default().rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches('(').to_ascii_lowercase();
    matches!(word.as_str(), "e.g" | "i.e" | "etc" | "vs" | "cf" | "no" | "approx" | "incl") || is_number(&word)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns a title of one line for a text: its bold beginning, else its first sentence, cut at a word when long.
pub(super) fn title(text: &str) -> String {
    let text = text.trim();
    // An odd one out closes a bold beginning whose start stood before the item's id.
    let is_cut = text.matches("**").count() % 2 == 1;
    let bold = text.strip_prefix("**").or(Some(text).filter(|_| is_cut)).and_then(|rest| rest.split_once("**"));
    let bold = bold.map(|(bold, _)| bold);
    let bold = bold.filter(|bold| bold.chars().filter(|c| c.is_alphanumeric()).count() >= 3);
    let first =
        plain(bold.map_or_else(|| sentences(text).into_iter().next().unwrap_or_default(), str::to_owned).as_str());
    let first = first.trim_end_matches(['.', ':', '\u{3002}']).trim_end();
    let first = if first.is_empty() { text } else { first };
    shorten(first, TITLE_LIMIT)
}

/// Cuts a text at a word so that it has at most `limit` characters.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let Some((cut, _)) = text.char_indices().nth(limit.saturating_sub(1)) else { return text.to_owned() };
    if text.get(cut..).is_none_or(|rest| rest.chars().count() <= 1) {
        return text.to_owned();
    }
    let head = text.get(..cut).unwrap_or_default();
    let word = head.rfind(char::is_whitespace).filter(|at| *at > cut / 2).unwrap_or(cut);
    format!("{}\u{2026}", head.get(..word).unwrap_or(head).trim_end())
}

/// Returns the form in which two titles are compared: lower case, white space folded.
pub(super) fn fold(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Splits `Label: rest` (also `**Label**: rest` and `**Label:** rest`) when the label is short; the label comes folded.
pub(super) fn label(text: &str) -> Option<(String, &str)> {
    let (head, rest) = text.split_once(':')?;
    let rest = rest.strip_prefix("**").unwrap_or(rest);
    let head = head.trim().trim_matches('*');
    // 40: longer ones are sentences with a colon.
    if head.is_empty() || head.chars().count() > 40 || head.contains('`') || rest.starts_with("//") {
        return None;
    }
    Some((fold(head), rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn code_spans_are_found_whatever_their_fence() {
        let spans = |text| code_spans(text).into_iter().map(|span| span.text).collect::<Vec<_>>();
        assert_eq!(spans("run `a b` and ``c ` d`` or ` e"), ["a b", "c ` d"]);
        assert_eq!(spans("`a"), [""; 0]);
        assert_eq!(spans("``` x"), [""; 0]);
    }

    #[test]
    fn emphasis_and_links_go_but_code_stays() {
        assert_eq!(plain("**Add** the [guide](docs/a.md) to `**kwargs`  now"), "Add the guide to `**kwargs` now");
        assert_eq!(plain("a](b [c](d"), "a](b [c](d");
    }

    #[test]
    fn sentences_end_where_people_end_them() {
        let text = "Add `a. b` to v1.2, e.g. here. Then test it! \u{4fee}\u{590d}\u{3002}\u{6d4b}\u{8bd5}\nlast";
        let expected =
            ["Add `a. b` to v1.2, e.g. here.", "Then test it!", "\u{4fee}\u{590d}\u{3002}", "\u{6d4b}\u{8bd5}", "last"];
        assert_eq!(sentences(text), expected);
    }

    #[test]
    fn a_title_is_the_bold_beginning_or_the_first_sentence() {
        assert_eq!(title("**Parser**: read all of it. Quickly."), "Parser");
        assert_eq!(title("Parser**: read all of it."), "Parser");
        assert_eq!(title("Read all of it. Quickly."), "Read all of it");
        assert_eq!(title("."), ".");
        let long = title(&"word ".repeat(60));
        assert!(long.chars().count() <= 100 && long.ends_with("word\u{2026}"), "{long}");
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(label("**Verify**: `make`"), Some(("verify".to_owned(), "`make`")));
        assert_eq!(label("**Test  plan:** x"), Some(("test plan".to_owned(), "x")));
        assert_eq!(label("see https://x.y"), None);
    }

    proptest! {
        #[test]
        fn fuzz_no_text_is_too_odd(text in "([`*_.!?\\[\\]()\n ]|[a-z]|é|\u{3002}){0,60}|\\PC{0,60}") {
            for span in code_spans(&text) {
                prop_assert!(text.get(span.start..span.end).is_some());
            }
            let kept: usize = sentences(&text).iter().flat_map(|s| s.chars()).filter(|c| !c.is_whitespace()).count();
            prop_assert_eq!(kept, text.chars().filter(|c| !c.is_whitespace()).count());
            prop_assert!(title(&text).chars().count() <= 100);
            prop_assert_eq!(title(&text).is_empty(), text.trim().is_empty());
            plain(&text);
            label(&text);
        }
    }
}
