//! What a validation command prints: all of it in a file, its end in memory, and its standard output for metrics.
//!
//! Both streams go to the file in the order in which they arrive, line by line and byte for byte, except for secrets,
//! which are masked there and in the tail. Nothing else is interpreted. Invariant: memory stays below the sum of the
//! bounds here, whatever the command prints.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::sys::fs::{Context as _, PathError};
use crate::sys::proc::Stream;
use crate::sys::redact::Redactor;
use crate::sys::tail::Tail;

/// 8 MiB: a thousand times the largest benchmark report of the usual tools.
pub(super) const STDOUT_LIMIT: usize = 8 * 1024 * 1024;
/// 1 GiB: beyond, the output is a runaway loop and would only fill the disk.
const LOG_LIMIT: u64 = 1024 * 1024 * 1024;
/// 64 KiB: a longer line is written, and searched for secrets, in parts.
const LINE_LIMIT: usize = 64 * 1024;
/// Bounds of [`crate::model::Evidence`]'s tail.
const TAIL_LINES: usize = 40;
const TAIL_BYTES: usize = 4_000;

/// Standard output of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stdout {
    /// Every byte.
    Whole(Vec<u8>),
    /// It printed more than this many bytes.
    TooLong { limit: usize },
}

/// Takes a command's output piece by piece.
pub(super) struct Capture<'a> {
    redactor: &'a Redactor,
    /// Of each stream the line that has not ended yet.
    out_line: Vec<u8>,
    err_line: Vec<u8>,
    path: PathBuf,
    file: File,
    logged: u64,
    log_limit: u64,
    /// The first error of the log file; nothing is written after it.
    failure: Option<PathError>,
    tail: Tail,
    stdout: Stdout,
    stdout_limit: usize,
}

impl<'a> Capture<'a> {
    /// Creates the log file and its directory.
    pub(super) fn create(path: &Path, redactor: &'a Redactor) -> Result<Self, PathError> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        let file = File::create(path).at("create", path)?;
        Ok(Self {
            redactor,
            out_line: Vec::new(),
            err_line: Vec::new(),
            path: path.to_path_buf(),
            file,
            logged: 0,
            log_limit: LOG_LIMIT,
            failure: None,
            tail: Tail::new(TAIL_LINES, TAIL_BYTES),
            stdout: Stdout::Whole(Vec::new()),
            stdout_limit: STDOUT_LIMIT,
        })
    }

    /// Takes a piece that begins and ends anywhere.
    pub(super) fn take(&mut self, stream: Stream, piece: &[u8]) {
        let line = match stream {
            Stream::Out => &mut self.out_line,
            Stream::Err => &mut self.err_line,
        };
        line.extend_from_slice(piece);
        let whole = match line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => line.drain(..=end).collect(),
            None if line.len() > LINE_LIMIT => std::mem::take(line),
            None => Vec::new(),
        };
        self.keep(&whole);
        if stream == Stream::Out
            && let Stdout::Whole(kept) = &mut self.stdout
        {
            if kept.len() + piece.len() > self.stdout_limit {
                self.stdout = Stdout::TooLong { limit: self.stdout_limit };
            } else {
                kept.extend_from_slice(piece);
            }
        }
    }

    /// Masks the secrets in some lines and writes them down.
    fn keep(&mut self, lines: &[u8]) {
        let mut clean = Vec::with_capacity(lines.len());
        for chunk in lines.utf8_chunks() {
            clean.extend_from_slice(self.redactor.redact(chunk.valid()).as_bytes());
            clean.extend_from_slice(chunk.invalid());
        }
        self.log(&clean);
        self.tail.push(&clean);
    }

    fn log(&mut self, piece: &[u8]) {
        if self.failure.is_some() || self.logged > self.log_limit {
            return;
        }
        let room = usize::try_from(self.log_limit - self.logged).unwrap_or(usize::MAX);
        self.logged += piece.len() as u64;
        let mut written = self.file.write_all(piece.get(..room).unwrap_or(piece));
        if written.is_ok() && self.logged > self.log_limit {
            written = writeln!(self.file, "\n[autodev: what was printed beyond {} bytes is not kept]", self.log_limit);
        }
        self.failure = written.at("write", &self.path).err();
    }

    /// Ends the capture.
    pub(super) fn finish(mut self) -> Captured {
        let rest = [std::mem::take(&mut self.out_line), std::mem::take(&mut self.err_line)];
        for line in &rest {
            self.keep(line);
        }
        let text = self.tail.text();
        let text = text.trim_end();
        // Replacing what is not UTF-8 may have made it longer.
        let start = text.ceil_char_boundary(text.len().saturating_sub(TAIL_BYTES));
        let tail = text.get(start..).unwrap_or_default().to_owned();
        Captured { tail, stdout: self.stdout, failure: self.failure }
    }
}

/// What a command has printed.
pub(super) struct Captured {
    /// The last lines: at most 40 and 4 000 bytes, lossy UTF-8, the oldest cut first.
    pub(super) tail: String,
    /// Standard output alone, secrets and all.
    pub(super) stdout: Stdout,
    /// What kept the log from being complete.
    pub(super) failure: Option<PathError>,
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    fn capture(dir: &Path) -> Capture<'static> {
        static NONE: LazyLock<Redactor> = LazyLock::new(Redactor::default);
        Capture::create(&dir.join("deep/er/01.log"), &NONE).unwrap()
    }

    fn log(dir: &Path) -> Vec<u8> {
        std::fs::read(dir.join("deep/er/01.log")).unwrap()
    }

    #[test]
    fn the_log_has_both_streams_in_order_and_stdout_stays_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut capture = capture(dir.path());
        for (stream, piece) in [
            (Stream::Out, &b"one"[..]),
            (Stream::Err, b"two \xff\r\n"),
            (Stream::Out, b" more\nthree"),
            (Stream::Err, b"x"),
        ] {
            capture.take(stream, piece);
        }
        let captured = capture.finish();
        assert_eq!(captured.tail, "two \u{fffd}\none more\nthreex");
        assert_eq!(captured.stdout, Stdout::Whole(b"one more\nthree".to_vec()));
        assert!(captured.failure.is_none());
        assert_eq!(log(dir.path()), b"two \xff\r\none more\nthreex", "whole lines, byte for byte");
    }

    #[test]
    fn secrets_are_masked_wherever_the_pieces_break() {
        let dir = tempfile::tempdir().unwrap();
        let redactor = Redactor::from_env(&[("API_TOKEN".to_owned(), "hunter2hunter2".to_owned())]);
        let mut capture = Capture::create(&dir.path().join("deep/er/01.log"), &redactor).unwrap();
        for piece in [&b"\xffa hunter2"[..], b"hunter2 b\n", b"hunter2", b"hunter2"] {
            capture.take(Stream::Out, piece);
        }
        let captured = capture.finish();
        assert_eq!(captured.tail, "\u{fffd}a [redacted:API_TOKEN] b\n[redacted:API_TOKEN]");
        assert_eq!(log(dir.path()), b"\xffa [redacted:API_TOKEN] b\n[redacted:API_TOKEN]");
        assert_eq!(captured.stdout, Stdout::Whole(b"\xffa hunter2hunter2 b\nhunter2hunter2".to_vec()));
    }

    #[test]
    fn the_tail_has_at_most_40_lines_and_4000_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let tail = |pieces: &[&[u8]]| {
            let mut capture = capture(dir.path());
            for piece in pieces {
                capture.take(Stream::Out, piece);
            }
            capture.finish().tail
        };
        let lines: Vec<String> = (1..=1000).map(|n| format!("line {n}\n")).collect();
        let many = tail(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
        assert_eq!((many.lines().count(), many.lines().next()), (40, Some("line 961")));
        let wide = tail(&["é".repeat(100_000).as_bytes(), b"\nend"]);
        assert!(wide.starts_with('é') && wide.ends_with("\nend") && wide.len() <= 4_000, "{wide}");
        let binary = tail(&[&[0xff; 90][..], b"\n"].repeat(100));
        assert!((3_000..=4_000).contains(&binary.len()), "{}", binary.len());
    }

    #[test]
    fn a_long_output_is_no_metric_and_does_not_fill_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut capture = Capture { log_limit: 10, stdout_limit: 12, ..capture(dir.path()) };
        for _ in 0..4 {
            capture.take(Stream::Out, b"abcde\n");
        }
        let captured = capture.finish();
        assert!(captured.tail.ends_with("abcde\nabcde"), "the tail is still the end");
        assert_eq!(captured.stdout, Stdout::TooLong { limit: 12 });
        let expected = "abcde\nabcd\n[autodev: what was printed beyond 10 bytes is not kept]\n";
        assert_eq!(String::from_utf8(log(dir.path())).unwrap(), expected);
    }

    #[test]
    fn a_line_without_end_is_written_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let mut capture = capture(dir.path());
        for _ in 0..200 {
            capture.take(Stream::Err, &[b'x'; 1024]);
            assert!(capture.err_line.len() <= LINE_LIMIT);
        }
        capture.finish();
        assert_eq!(log(dir.path()).len(), 200 * 1024);
    }

    #[test]
    fn a_full_disk_is_told_once_and_never_panics() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        let redactor = Redactor::default();
        let mut capture = Capture::create(full, &redactor).unwrap();
        capture.take(Stream::Out, b"x\n");
        capture.take(Stream::Out, b"y");
        let captured = capture.finish();
        assert_eq!(captured.stdout, Stdout::Whole(b"x\ny".to_vec()));
        assert!(captured.failure.unwrap().to_string().starts_with("write /dev/full: "));
    }
}
