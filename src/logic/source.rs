//! Where a metric's number comes from: the words of task.json made into what can be done.
//!
//! It reads nothing and runs nothing. Invariant: a [`Source`] is complete: its pattern compiles, its file is a relative
//! path without `..`.

use regex::{Regex, RegexBuilder};

use crate::model::{Extract, Guard, Numeric};

/// The words for sources.
pub const WORDS: [&str; 7] = ["json_stdout", "json_file", "regex", "junit", "hyperfine", "wall_time", "max_rss"];

/// Where a number comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The standard output, which is JSON as a whole.
    JsonStdout {
        /// Where in it.
        json_path: String,
    },
    /// A JSON file.
    JsonFile {
        /// Relative to the working directory of the command.
        file: String,
        /// Where in it.
        json_path: String,
    },
    /// The group `value` of the last match in the standard output.
    Regex(Regex),
    /// A test report in JUnit's XML.
    Junit {
        /// Relative to the working directory of the command.
        file: String,
        /// What of it.
        tally: Tally,
    },
    /// What `hyperfine --export-json` wrote.
    Hyperfine {
        /// Relative to the working directory of the command.
        file: String,
        /// What of it.
        statistic: Statistic,
    },
    /// Seconds from the start of the command to its end.
    WallTime,
    /// The most memory that one process of the command had at a time, in bytes.
    MaxRss,
}

/// A number of a test report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Seconds.
    Time,
    /// Tests with a failure or an error.
    Failures,
    /// All tests, the skipped too.
    Tests,
}

/// A number of a benchmark report, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The mean of all runs.
    Mean,
    /// The middle run.
    Median,
    /// The fastest run.
    Min,
}

/// A source that cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unusable {
    /// The key that is at fault, for example `file`.
    pub key: &'static str,
    /// What is wrong and what would be right.
    pub reason: String,
}

fn unusable(key: &'static str, reason: impl Into<String>) -> Unusable {
    Unusable { key, reason: reason.into() }
}

/// Returns the source of a metric.
///
/// # Errors
/// When the word is not known, or something the source needs is missing or wrong.
pub fn of_metric(numeric: &Numeric) -> Result<Source, Unusable> {
    source(&numeric.source, &numeric.json_path, &numeric.extract)
}

/// Returns the source of a guard.
///
/// # Errors
/// As for [`of_metric`].
pub fn of_guard(guard: &Guard) -> Result<Source, Unusable> {
    source(&guard.source, &guard.json_path, &guard.extract)
}

fn source(word: &str, json_path: &str, extract: &Extract) -> Result<Source, Unusable> {
    let file = || file(word, extract);
    Ok(match word {
        "json_stdout" => Source::JsonStdout { json_path: json_path.to_owned() },
        "json_file" => Source::JsonFile { file: file()?, json_path: json_path.to_owned() },
        "regex" => Source::Regex(pattern(extract)?),
        "junit" => Source::Junit { file: file()?, tally: tally(extract)? },
        "hyperfine" => Source::Hyperfine { file: file()?, statistic: statistic(extract)? },
        "wall_time" => Source::WallTime,
        "max_rss" => Source::MaxRss,
        other => {
            let known = WORDS.join(", ");
            return Err(unusable("source", format!("source \"{other}\" is not known (known: {known})")));
        }
    })
}

/// Whether there is a source of this word.
pub fn is_known(word: &str) -> bool {
    WORDS.contains(&word)
}

impl Source {
    /// Returns the file that holds the result, relative to the working directory of the command.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::JsonFile { file, .. } | Self::Junit { file, .. } | Self::Hyperfine { file, .. } => Some(file),
            Self::JsonStdout { .. } | Self::Regex(_) | Self::WallTime | Self::MaxRss => None,
        }
    }

    /// Whether any command may yield it, so that the last one with a number in its output does; of the others it is the
    /// last command, whatever it prints.
    pub fn is_printed(&self) -> bool {
        matches!(self, Self::JsonStdout { .. } | Self::Regex(_))
    }
}

fn file(word: &str, extract: &Extract) -> Result<String, Unusable> {
    let file = extract.file.as_deref().unwrap_or_default().trim();
    let parts = || file.split('/');
    let reason = if file.is_empty() {
        format!("source \"{word}\" needs \"file\", the path of the result relative to the command's working directory")
    } else if file.starts_with('/') || parts().any(|part| part == "..") || file.contains('\0') {
        format!("\"{file}\" is not a relative path inside the project")
    } else if file.ends_with('/') || parts().any(|part| part == ".git" || part == ".autodev") {
        format!("\"{file}\" cannot be the result of a command")
    } else {
        return Ok(file.to_owned());
    };
    Err(unusable("file", reason))
}

fn pattern(extract: &Extract) -> Result<Regex, Unusable> {
    let written = extract.pattern.as_deref().unwrap_or_default();
    if written.trim().is_empty() {
        let reason = "source \"regex\" needs \"pattern\", for example \"p95: (?<value>[0-9.]+) ms\"";
        return Err(unusable("pattern", reason));
    }
    // 1 MiB: a thousand times an honest pattern, compiled.
    let pattern = RegexBuilder::new(written).multi_line(true).size_limit(1024 * 1024).build();
    let pattern = pattern.map_err(|error| {
        let last = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        unusable("pattern", format!("not a regular expression: {last}"))
    })?;
    if pattern.capture_names().flatten().any(|name| name == "value") {
        return Ok(pattern);
    }
    Err(unusable("pattern", "no group named \"value\"; write (?<value>...) around the number"))
}

fn tally(extract: &Extract) -> Result<Tally, Unusable> {
    match extract.value.as_deref() {
        Some("time") => Ok(Tally::Time),
        Some("failures") => Ok(Tally::Failures),
        Some("tests") => Ok(Tally::Tests),
        Some(other) => Err(unusable("value", format!("\"{other}\" is not known (known: time, failures, tests)"))),
        None => Err(unusable("value", "source \"junit\" needs \"value\": time, failures or tests")),
    }
}

fn statistic(extract: &Extract) -> Result<Statistic, Unusable> {
    match extract.statistic.as_deref() {
        Some("mean") => Ok(Statistic::Mean),
        Some("median") | None => Ok(Statistic::Median),
        Some("min") => Ok(Statistic::Min),
        Some(other) => Err(unusable("statistic", format!("\"{other}\" is not known (known: mean, median, min)"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(word: &str, extract: Extract) -> Result<Source, Unusable> {
        of_metric(&Numeric { source: word.to_owned(), extract, ..Numeric::default() })
    }

    fn file(path: &str) -> Extract {
        Extract { file: Some(path.to_owned()), ..Extract::default() }
    }

    #[test]
    fn every_word_makes_a_source() {
        let all = Extract {
            file: Some("out/r.json".to_owned()),
            pattern: Some("(?<value>.)".to_owned()),
            value: Some("time".to_owned()),
            statistic: None,
        };
        for word in WORDS {
            let source = with(word, all.clone()).unwrap();
            assert!(is_known(word));
            assert_eq!(source.file().is_some(), ["json_file", "junit", "hyperfine"].contains(&word), "{word}");
        }
        assert!(matches!(with("hyperfine", all).unwrap(), Source::Hyperfine { statistic: Statistic::Median, .. }));
    }

    #[test]
    fn what_cannot_work_says_which_key_and_why() {
        let pattern = |text: &str| Extract { pattern: Some(text.to_owned()), ..Extract::default() };
        for (word, extract, key, reason) in [
            ("log", Extract::default(), "source", "source \"log\" is not known (known: json_stdout, json_file,"),
            ("json_file", Extract::default(), "file", "needs \"file\""),
            ("json_file", file("/etc/passwd"), "file", "not a relative path"),
            ("json_file", file("a/../../b"), "file", "not a relative path"),
            ("hyperfine", file(".git/config"), "file", "cannot be the result"),
            ("hyperfine", file("out/"), "file", "cannot be the result"),
            ("regex", Extract::default(), "pattern", "needs \"pattern\""),
            ("regex", pattern("(?<value>"), "pattern", "not a regular expression"),
            ("regex", pattern("([0-9]+)"), "pattern", "no group named \"value\""),
            ("regex", pattern("(?<value>(x{1000}){1000})"), "pattern", "not a regular expression"),
            ("junit", file("r.xml"), "value", "needs \"value\""),
            ("junit", Extract { value: Some("skipped".to_owned()), ..file("r.xml") }, "value", "is not known"),
            ("hyperfine", Extract { statistic: Some("p99".to_owned()), ..file("r") }, "statistic", "is not known"),
        ] {
            let error = with(word, extract).unwrap_err();
            assert!(error.key == key && error.reason.contains(reason), "{word}: {error:?}");
        }
    }
}
