//! Bounded looks at unbounded output: the last lines of a stream or a file, and lines out of pieces.
//!
//! Invariant: memory depends on the limits given, never on what comes in.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::sys::fs::{Context as _, PathError};

/// Keeps the last lines of a stream.
#[derive(Debug)]
pub struct Tail {
    lines: VecDeque<Vec<u8>>,
    /// Bytes in `lines`.
    bytes: usize,
    current: Vec<u8>,
    /// Bytes of the current line that were not kept.
    cut: u64,
    /// A carriage return came last: a line end or an overwritten line, the next byte tells.
    is_returned: bool,
    max_lines: usize,
    max_bytes: usize,
    is_short: bool,
}

impl Tail {
    /// Returns an empty tail of at most `max_lines` lines and about `max_bytes` bytes (at least one line of each is kept).
    /// One line may take a quarter of the bytes; what it has more is cut off and counted.
    pub fn new(max_lines: usize, max_bytes: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            current: Vec::new(),
            cut: 0,
            is_returned: false,
            max_lines: max_lines.max(1),
            max_bytes: max_bytes.max(4),
            is_short: false,
        }
    }

    /// Takes a piece of any size that begins and ends anywhere. A line that was overwritten with a carriage return
    /// (a progress bar) is forgotten, as on a terminal.
    pub fn push(&mut self, mut piece: &[u8]) {
        while let Some(end) = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, rest) = piece.split_at(end);
            self.take(text);
            if rest.first() == Some(&b'\n') {
                self.end_line();
            } else {
                self.is_returned = true;
            }
            piece = rest.get(1..).unwrap_or_default();
        }
        self.take(piece);
    }

    /// Returns the kept lines, oldest first, as text; what is not UTF-8 is replaced. No line end after the last line.
    pub fn text(&self) -> String {
        let mut text: Vec<u8> = Vec::with_capacity(self.bytes + self.lines.len() + self.current.len());
        let rest = (!self.current.is_empty() || self.cut > 0).then(|| with_cut(self.current.clone(), self.cut));
        let surplus = (self.lines.len() + usize::from(rest.is_some())).saturating_sub(self.max_lines);
        for line in self.lines.iter().skip(surplus).chain(&rest) {
            if !text.is_empty() {
                text.push(b'\n');
            }
            text.extend_from_slice(line);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Whether earlier lines were let go.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    fn take(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if self.is_returned {
            self.is_returned = false;
            self.current.clear();
            self.cut = 0;
        }
        let room = (self.max_bytes / 4).saturating_sub(self.current.len());
        let (kept, cut) = text.split_at(text.len().min(room));
        self.current.extend_from_slice(kept);
        self.cut += cut.len() as u64;
    }

    fn end_line(&mut self) {
        self.is_returned = false;
        let line = with_cut(std::mem::take(&mut self.current), std::mem::take(&mut self.cut));
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > self.max_lines || (self.bytes > self.max_bytes && self.lines.len() > 1) {
            if let Some(mut gone) = self.lines.pop_front() {
                self.bytes -= gone.len();
                self.is_short = true;
                // Its memory serves the next line.
                gone.clear();
                self.current = gone;
            }
        }
    }
}

fn with_cut(mut line: Vec<u8>, cut: u64) -> Vec<u8> {
    if cut > 0 {
        line.extend_from_slice(format!(" … [{cut} bytes cut]").as_bytes());
    }
    line
}

/// Turns pieces of a stream into lines.
#[derive(Debug)]
pub struct LineSplitter {
    rest: Vec<u8>,
    cap: usize,
}

impl LineSplitter {
    /// Returns a splitter that keeps at most `cap` bytes of a line.
    pub fn new(cap: usize) -> Self {
        Self { rest: Vec::new(), cap }
    }

    /// Takes a piece and hands on every line that it completes, without its line end (`\n` or `\r\n`), and whether the
    /// line was cut at the cap.
    pub fn push(&mut self, mut piece: &[u8], line: &mut dyn FnMut(&[u8], bool)) {
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            let (text, rest) = piece.split_at(end);
            piece = rest.get(1..).unwrap_or_default();
            if self.rest.is_empty() {
                emit(text, self.cap, line);
            } else {
                self.take(text);
                emit(&self.rest, self.cap, line);
                self.rest.clear();
            }
        }
        self.take(piece);
    }

    /// Hands on the last line if it had no line end. The splitter is empty afterwards.
    pub fn finish(&mut self, line: &mut dyn FnMut(&[u8], bool)) {
        if !self.rest.is_empty() {
            emit(&self.rest, self.cap, line);
        }
        self.rest.clear();
    }

    fn take(&mut self, text: &[u8]) {
        // Two bytes more than the cap tell a long line from one that just fits and ends with a carriage return.
        let room = self.cap.saturating_add(2).saturating_sub(self.rest.len());
        self.rest.extend_from_slice(text.get(..room).unwrap_or(text));
    }
}

fn emit(text: &[u8], cap: usize, line: &mut dyn FnMut(&[u8], bool)) {
    let text = match text.strip_suffix(b"\r") {
        Some(bare) if bare.len() <= cap => bare,
        _ => text,
    };
    line(text.get(..cap).unwrap_or(text), text.len() > cap);
}

/// Returns the last `lines` lines of a file as text, looking at no more than its last `max_bytes` bytes; what is not
/// UTF-8 is replaced. A line of which only the end was looked at is left out unless there is no other.
///
/// # Errors
/// When the file cannot be read.
pub fn file_tail(path: &Path, lines: usize, max_bytes: u64) -> Result<String, PathError> {
    let mut file = File::open(path).at("open", path)?;
    let length = file.metadata().at("read", path)?.len();
    let start = length.saturating_sub(max_bytes);
    // One byte more, to know whether a line begins at `start`.
    file.seek(SeekFrom::Start(start.saturating_sub(1))).at("read", path)?;
    let mut content = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut content).at("read", path)?;
    let mut text = content.as_slice();
    if start > 0 {
        let begin = text.iter().position(|&byte| byte == b'\n').filter(|&at| at + 1 < text.len()).unwrap_or(0);
        text = text.get(begin + 1..).unwrap_or_default();
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if lines == 0 || text.is_empty() {
        return Ok(String::new());
    }
    let mut ends = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let begin = ends.nth(lines - 1).map_or(0, |at| at + 1);
    Ok(String::from_utf8_lossy(text.get(begin..).unwrap_or_default()).into_owned())
}

/// Returns the text without terminal escape sequences (colours, cursor movements, titles, links). A sequence that breaks
/// off takes at most the rest of its line with it.
pub fn strip_ansi(text: &str) -> Cow<'_, str> {
    if !text.contains(['\u{1b}', '\u{9b}']) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}']) {
        let (before, sequence) = rest.split_at(at);
        plain.push_str(before);
        rest = sequence.get(escape_length(sequence)..).unwrap_or_default();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Bytes of the escape sequence at the beginning of a text, by ECMA-48.
fn escape_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    let Some((_, first)) = chars.next() else { return 0 };
    if first == '\u{9b}' {
        return control_length(text, first.len_utf8());
    }
    match chars.next() {
        Some((at, '[')) => control_length(text, at + 1),
        // Operating system command, device control, start of string, privacy message, application command.
        Some((at, ']' | 'P' | 'X' | '^' | '_')) => string_length(text, at + 1),
        // Character sets and the like: intermediates, then one final.
        Some((at, ' '..='/')) => {
            let rest = text.get(at..).unwrap_or_default();
            let intermediates = rest.find(|c| !(' '..='/').contains(&c)).unwrap_or(rest.len());
            let last = rest.get(intermediates..).and_then(|rest| rest.chars().next());
            at + intermediates + last.filter(|c| ('0'..='~').contains(c)).map_or(0, char::len_utf8)
        }
        Some((at, '0'..='~')) => at + 1,
        _ => first.len_utf8(),
    }
}

/// Parameters, intermediates, one final. Something else breaks it off and is text.
fn control_length(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let middle = rest.find(|c| !(' '..='?').contains(&c)).unwrap_or(rest.len());
    let last = rest.get(middle..).and_then(|rest| rest.chars().next());
    from + middle + usize::from(last.is_some_and(|c| ('@'..='~').contains(&c)))
}

/// Until BEL or ESC \, at most to the end of the line.
fn string_length(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    for (at, c) in rest.char_indices() {
        match c {
            '\u{7}' | '\u{9c}' => return from + at + c.len_utf8(),
            '\u{1b}' => {
                return from + at + if rest.get(at..).is_some_and(|rest| rest.starts_with("\u{1b}\\")) { 2 } else { 0 };
            }
            '\n' => return from + at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "test files")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_whatever_the_pieces() {
        for size in 1..12 {
            let mut tail = Tail::new(3, 1000);
            for piece in b"one\ntwo\r\nthree\n\nfive".chunks(size) {
                tail.push(piece);
            }
            assert_eq!(tail.text(), "three\n\nfive", "pieces of {size}");
            assert!(tail.is_short());
        }
    }

    #[test]
    fn invalid_bytes_and_characters_split_between_pieces_are_shown() {
        let mut tail = Tail::new(3, 1000);
        tail.push("gr".as_bytes());
        tail.push(b"\xc3");
        tail.push(b"\xbcn\n\xff\xfe");
        assert_eq!(tail.text(), "grün\n\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_progress_bar_leaves_its_last_state() {
        let mut tail = Tail::new(3, 1000);
        tail.push(b"start\n 1%\r 50%\r");
        assert_eq!(tail.text(), "start\n 50%");
        tail.push(b"100%\r");
        tail.push(b"\nend");
        assert_eq!(tail.text(), "start\n100%\nend");
    }

    #[test]
    fn memory_is_bounded_and_a_giant_line_does_not_push_out_the_others() {
        let mut tail = Tail::new(10, 4000);
        tail.push(b"before\n");
        for _ in 0..1000 {
            tail.push(&[b'x'; 10_000]);
        }
        assert!(tail.current.capacity() <= 4000, "{}", tail.current.capacity());
        tail.push(b"\nafter\n");
        let text = tail.text();
        assert!(text.starts_with("before\nxxx") && text.ends_with("x … [9999000 bytes cut]\nafter"), "{}", text.len());
        assert!(!tail.is_short());
        for n in 0..100_000 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        let held = tail.lines.iter().map(Vec::capacity).sum::<usize>();
        assert!(held <= 10 * 4000, "{held}");
        assert!(tail.text().ends_with("line 99999") && tail.text().lines().count() == 10);
        assert!(tail.is_short());
    }

    #[test]
    fn lines_over_the_cap_are_cut_and_flagged() {
        let mut splitter = LineSplitter::new(4);
        let mut lines = Vec::new();
        let mut note = |line: &[u8], is_cut: bool| lines.push((String::from_utf8_lossy(line).into_owned(), is_cut));
        splitter.push(b"abcd\nabcde\r\nabcd\r\n\nab", &mut note);
        splitter.push(b"cdefgh", &mut note);
        splitter.push(b"ijk\nx\r", &mut note);
        splitter.push(b"\nlast", &mut note);
        splitter.finish(&mut note);
        splitter.finish(&mut note);
        let expected = [
            ("abcd", false),
            ("abcd", true),
            ("abcd", false),
            ("", false),
            ("abcd", true),
            ("x", false),
            ("last", false),
        ];
        assert_eq!(lines, expected.map(|(line, is_cut)| (line.to_owned(), is_cut)));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter_to_the_splitter(bytes in prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 0..60), size in 1..9usize, cap in 1..9usize) {
            let split = |size: usize| {
                let mut splitter = LineSplitter::new(cap);
                let mut lines = Vec::new();
                for piece in bytes.chunks(size) {
                    splitter.push(piece, &mut |line, is_cut| lines.push((line.to_vec(), is_cut)));
                }
                splitter.finish(&mut |line, is_cut| lines.push((line.to_vec(), is_cut)));
                lines
            };
            let lines = split(size);
            prop_assert_eq!(&lines, &split(1000));
            prop_assert!(lines.iter().all(|(line, _)| line.len() <= cap));
        }

        #[test]
        fn pieces_do_not_matter_to_the_tail(bytes in prop::collection::vec(prop::sample::select(b"ab\r\n\xc3".to_vec()), 0..60), size in 1..9usize) {
            let tail = |size: usize| {
                let mut tail = Tail::new(3, 16);
                bytes.chunks(size).for_each(|piece| tail.push(piece));
                tail.text()
            };
            prop_assert_eq!(tail(size), tail(1000));
        }

        #[test]
        fn stripping_never_panics_and_leaves_no_escape(text in "[\u{1b}\u{9b}a\\[\\]0;m\u{7}\n ü\\\\(]{0,30}") {
            let plain = strip_ansi(&text);
            prop_assert_eq!(plain.find('\u{1b}'), None);
            prop_assert_eq!(plain.matches('\n').count(), text.matches('\n').count());
        }
    }

    #[test]
    fn escape_sequences_are_taken_out() {
        let cases = [
            ("plain ü", "plain ü"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}[?25l\u{1b}[2Kx\u{1b}[38:2::1:2:3m", "x"),
            ("\u{1b}]0;title\u{7}text\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "textlink"),
            ("\u{1b}(B\u{1b}=a\u{1b}M", "a"),
            ("\u{9b}31mred", "red"),
            ("cut \u{1b}", "cut "),
            ("cut \u{1b}[12", "cut "),
            ("\u{1b}]0;never ended\nnext", "\nnext"),
            ("array[0] = m", "array[0] = m"),
        ];
        for (text, plain) in cases {
            assert_eq!(strip_ansi(text), plain, "{text:?}");
        }
        assert!(matches!(strip_ansi("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_the_end_of_a_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let tail = |content: &[u8], lines, max_bytes| {
            std::fs::write(&path, content).unwrap();
            file_tail(&path, lines, max_bytes).unwrap()
        };
        assert_eq!(tail(b"", 3, 100), "");
        assert_eq!(tail(b"a\nb\nc\n", 2, 100), "b\nc");
        assert_eq!(tail(b"a\nb\nc", 2, 100), "b\nc");
        assert_eq!(tail(b"a\nb\nc\n", 0, 100), "");
        assert_eq!(tail(b"a\n\n\n", 2, 100), "\n");
        assert_eq!(tail(b"aaaa\nbbbb\ncccc\n", 9, 10), "bbbb\ncccc");
        assert_eq!(tail(b"aaaa\nbbbb\ncccc\n", 9, 11), "bbbb\ncccc");
        assert_eq!(tail(b"aaaa\nbbbb\ncccc\n", 9, 9), "cccc");
        assert_eq!(tail(b"one long line", 9, 4), "line");
        assert_eq!(tail(b"one long line\n", 9, 5), "line");
        assert_eq!(tail(b"\xff\xfe\n", 9, 50), "\u{fffd}\u{fffd}");
        assert!(file_tail(&dir.path().join("none"), 1, 1).unwrap_err().to_string().contains("none"));
        let file = File::create(&path).unwrap();
        file.set_len(1 << 32).unwrap();
        assert_eq!(file_tail(&path, 5, 1000).unwrap().len(), 1000);
    }
}
