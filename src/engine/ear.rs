//! Listens to a backend's program: all it prints goes to a log, through the backend's parser, and into a digest.
//!
//! Shows nothing and journals nothing; that is up to who listens. Memory is bounded, the log is complete.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::backend::{Parser, Patterns};
use crate::logic::classify::{Digestor, PatternResults};
use crate::model::Said;
use crate::sys::fs::{Context as _, PathError};
use crate::sys::proc::Stream;
use crate::sys::tail::{LineSplitter, Tail};

/// A line longer than this is not parsed as an event (it is in the log all the same).
const LINE_LIMIT: usize = 2 << 20;
/// Lines kept for the classifier, and their bytes.
const LAST_LINES: (usize, usize) = (40, 16 << 10);

/// One program that is listened to.
pub(super) struct Ear {
    parser: Box<dyn Parser>,
    lines: LineSplitter,
    errors: LineSplitter,
    patterns: Option<Patterns>,
    /// What the events came to.
    pub digestor: Digestor,
    tail: Tail,
    log: File,
    log_path: PathBuf,
    /// Why the log is not complete.
    pub log_failure: Option<String>,
}

/// One thing heard on standard output.
pub(super) enum Heard {
    /// The parser made this of a line; at the end of the program there is no line.
    Said {
        /// What.
        said: Said,
        /// The line as printed.
        line: Option<String>,
    },
    /// A line too long to be looked at; its beginning.
    LongLine(String),
}

impl Ear {
    /// Begins to listen. What is heard is appended to `log`.
    pub(super) fn new(parser: Box<dyn Parser>, patterns: Option<Patterns>, log: File, log_path: PathBuf) -> Self {
        Self {
            parser,
            lines: LineSplitter::new(LINE_LIMIT),
            errors: LineSplitter::new(LINE_LIMIT),
            patterns,
            digestor: Digestor::default(),
            tail: Tail::new(LAST_LINES.0, LAST_LINES.1),
            log,
            log_path,
            log_failure: None,
        }
    }

    /// Takes a piece of output.
    pub(super) fn hear(&mut self, stream: Stream, bytes: &[u8]) -> Vec<Heard> {
        if let Err(error) = self.log.write_all(bytes)
            && self.log_failure.is_none()
        {
            self.log_failure = Some(format!("write {}: {error}", self.log_path.display()));
        }
        self.tail.push(bytes);
        let mut texts: Vec<(String, bool)> = Vec::new();
        let mut take = |line: &[u8], is_cut| texts.push((String::from_utf8_lossy(line).into_owned(), is_cut));
        match stream {
            Stream::Err => self.errors.push(bytes, &mut take),
            Stream::Out => self.lines.push(bytes, &mut take),
        }
        self.read(stream, texts)
    }

    /// Takes what is left when the program has ended.
    pub(super) fn end(&mut self, code: i32) -> Vec<Heard> {
        let mut rest: Vec<(String, bool)> = Vec::new();
        self.lines.finish(&mut |line, is_cut| rest.push((String::from_utf8_lossy(line).into_owned(), is_cut)));
        let mut heard = self.read(Stream::Out, rest);
        let mut rest: Vec<(String, bool)> = Vec::new();
        self.errors.finish(&mut |line, is_cut| rest.push((String::from_utf8_lossy(line).into_owned(), is_cut)));
        heard.extend(self.read(Stream::Err, rest));
        for said in self.parser.end(code) {
            self.digestor.add(&said);
            heard.push(Heard::Said { said, line: None });
        }
        heard
    }

    /// The last lines of plain output, of both streams, oldest first.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.tail.text().lines().map(str::to_owned).collect()
    }

    /// What the patterns of the `command` backend found.
    pub(super) fn pattern_results(&self) -> PatternResults {
        self.patterns.as_ref().map(Patterns::results).unwrap_or_default()
    }

    fn read(&mut self, stream: Stream, texts: Vec<(String, bool)>) -> Vec<Heard> {
        let mut heard = Vec::new();
        for (line, is_cut) in texts {
            if let Some(patterns) = &mut self.patterns {
                patterns.line(&line);
            }
            if stream == Stream::Err {
                continue;
            }
            if is_cut {
                heard.push(Heard::LongLine(head(&line).to_owned()));
                continue;
            }
            for said in self.parser.line(&line) {
                self.digestor.add(&said);
                heard.push(Heard::Said { said, line: Some(line.clone()) });
            }
        }
        heard
    }
}

/// Creates a log, or goes on with it.
pub(super) fn create_log(path: &Path) -> Result<File, PathError> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).at("create", dir)?;
    }
    OpenOptions::new().create(true).append(true).open(path).at("create", path)
}

fn head(line: &str) -> &str {
    line.get(..line.floor_char_boundary(200)).unwrap_or_default()
}
