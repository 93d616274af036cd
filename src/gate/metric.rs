//! Numbers for metrics, read from what a command left: its output, a file, its time, its memory.
//!
//! JSON is taken whole and holds exactly one number at the path. A path is `$.a.b[0].c`, the same without `$`, or any
//! JSONPath (RFC 9535) that a hostile document cannot make expensive. Strings, booleans, null, several matches and numbers
//! that overflow are no measurements. Files are removed before the command runs, so that none is older than it, lie
//! inside the project also when links are followed, and are read up to a limit.
//!
//! Invariant: a value that is returned is finite; anything else comes with its reason.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jsonpath_rust::JsonPath as _;
use serde_json::Value;

use super::command::Passed;
use super::junit;
use super::output::Stdout;
use crate::logic::source::{Source, Statistic, Tally};
use crate::logic::stats;
use crate::sys::fs::read_capped;

/// Paths come from task files, which agents can write; 512 bytes are more than any honest path needs.
const LONGEST_PATH: usize = 512;
/// 16 MiB: a test report of a hundred thousand tests.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// A number, and what it was made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) value: f64,
    /// The single runs of a benchmark, in their order; else the value alone.
    pub(super) samples: Vec<f64>,
}

impl Reading {
    fn of(value: f64) -> Result<Self, String> {
        if value.is_finite() {
            Ok(Self { value, samples: vec![value] })
        } else {
            Err(format!("{value} is not a finite number"))
        }
    }
}

/// Makes room for the result of a source: what is there from before must not be taken for it.
pub(super) fn clear(source: &Source, directory: &Path, code_dir: &Path) -> Result<(), String> {
    let Some(file) = source.file() else { return Ok(()) };
    let path = directory.join(file);
    // Up to the first part that is there; links among the parts that are not cannot be.
    let existing = path.ancestors().skip(1).find_map(|dir| dir.canonicalize().ok());
    inside(existing, code_dir, file)?;
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(format!("the old {file} cannot be removed: {error}")),
    }
}

fn inside(real: Option<PathBuf>, code_dir: &Path, file: &str) -> Result<PathBuf, String> {
    let root = code_dir.canonicalize().ok();
    real.zip(root)
        .filter(|(real, root)| real.starts_with(root))
        .map(|(real, _)| real)
        .ok_or_else(|| format!("{file} is not inside the project"))
}

/// Reads a source after its command has passed.
pub(super) fn read(source: &Source, passed: &Passed, directory: &Path, code_dir: &Path) -> Result<Reading, String> {
    match source {
        Source::JsonStdout { json_path } => {
            let bytes = printed(&passed.stdout)?;
            at_path(bytes, json_path, "its standard output").and_then(Reading::of)
        }
        Source::JsonFile { file, json_path } => {
            let bytes = written(file, directory, code_dir)?;
            at_path(&bytes, json_path, file).and_then(Reading::of)
        }
        Source::Regex(pattern) => {
            let text = String::from_utf8_lossy(printed(&passed.stdout)?);
            let last = pattern.captures_iter(&text).filter_map(|captures| captures.name("value")).last();
            let found = last.ok_or("nothing in its standard output matches")?.as_str();
            let value: f64 = found.trim().parse().map_err(|_| format!("\"{}\" is not a number", shown(found)))?;
            Reading::of(value)
        }
        Source::Junit { file, tally } => {
            let bytes = written(file, directory, code_dir)?;
            let report = junit::read(&String::from_utf8_lossy(&bytes)).map_err(|reason| format!("{file}: {reason}"))?;
            match tally {
                Tally::Tests => Reading::of(f64::from(report.tests)),
                Tally::Failures => Reading::of(f64::from(report.failures)),
                Tally::Time => {
                    report.seconds.ok_or_else(|| format!("{file} does not say how long it took")).and_then(Reading::of)
                }
            }
        }
        Source::Hyperfine { file, statistic } => {
            let bytes = written(file, directory, code_dir)?;
            benchmark(&bytes, *statistic).map_err(|reason| format!("{file}: {reason}"))
        }
        Source::WallTime => Reading::of(passed.lifetime.as_secs_f64()),
        Source::MaxRss => {
            let memory = passed.memory.ok_or("the memory of a command cannot be told on this system")?;
            if memory.peak <= memory.floor {
                return Err(format!(
                    "it took less than the {} KiB that cannot be told from the memory of autodev itself",
                    memory.floor / 1024
                ));
            }
            Reading::of(memory.peak as f64)
        }
    }
}

/// The beginning of a text on one line, for messages.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn printed(stdout: &Stdout) -> Result<&[u8], String> {
    match stdout {
        Stdout::Whole(bytes) if bytes.trim_ascii().is_empty() => {
            Err("printed nothing on its standard output".to_owned())
        }
        Stdout::Whole(bytes) => Ok(bytes),
        Stdout::TooLong { limit } => Err(format!("printed more than {} MiB", limit / (1024 * 1024))),
    }
}

fn written(file: &str, directory: &Path, code_dir: &Path) -> Result<Vec<u8>, String> {
    let path = directory.join(file);
    let real = match path.canonicalize() {
        Ok(real) => inside(Some(real), code_dir, file)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(format!("did not write {file}")),
        Err(error) => return Err(format!("{file} cannot be read: {error}")),
    };
    if !real.is_file() {
        return Err(format!("{file} is not a file"));
    }
    read_capped(&real, FILE_LIMIT).map_err(|error| format!("{file} cannot be read: {}", error.source))
}

/// The first thing of `hyperfine --export-json`, in the form of hyperfine 1 (`times`) and 2 (`measurements`).
fn benchmark(bytes: &[u8], statistic: Statistic) -> Result<Reading, String> {
    let document: Value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
    let results = document.get("results").and_then(Value::as_array).ok_or("no \"results\" in it")?;
    let [result] = results.as_slice() else {
        return Err(format!("{} commands were measured, one is needed", results.len()));
    };
    let seconds = |value: &Value| value.as_f64().filter(|seconds| seconds.is_finite());
    let runs: Option<Vec<f64>> = match (result.get("times"), result.get("measurements")) {
        (Some(times), _) => times.as_array().and_then(|times| times.iter().map(seconds).collect()),
        (None, Some(runs)) => runs
            .as_array()
            .and_then(|runs| runs.iter().map(|run| run.pointer("/time_wall_clock/value").and_then(seconds)).collect()),
        (None, None) => None,
    };
    let samples = runs.filter(|runs| !runs.is_empty()).ok_or("no times of single runs in it")?;
    let value = match statistic {
        Statistic::Mean => samples.iter().map(|time| time / samples.len() as f64).sum(),
        Statistic::Median => stats::median(&samples),
        Statistic::Min => samples.iter().copied().fold(f64::INFINITY, f64::min),
    };
    Ok(Reading { samples, ..Reading::of(value)? })
}

/// Returns the number at a path of a JSON text; `what` names the text.
fn at_path(bytes: &[u8], json_path: &str, what: &str) -> Result<f64, String> {
    let path = normalise(json_path)?;
    let document: Value = serde_json::from_slice(bytes).map_err(|error| format!("{what} is not JSON: {error}"))?;
    let found = document.query(&path).map_err(|error| format!("json_path {path}: {error}"))?;
    let value = match found.as_slice() {
        [] => return Err(format!("nothing at {path}")),
        [one] => *one,
        several => return Err(format!("{} values at {path}, one is needed", several.len())),
    };
    let kind = match value {
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.is_finite());
            return number.ok_or_else(|| format!("the number at {path} is out of range"));
        }
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Err(format!("{kind} at {path}, a number is needed"))
}

/// Turns a path as people write it into JSONPath.
fn normalise(written: &str) -> Result<String, String> {
    let path = written.trim();
    if path.is_empty() {
        return Err("json_path is empty".to_owned());
    }
    if path.len() > LONGEST_PATH {
        return Err(format!("json_path is longer than {LONGEST_PATH} characters"));
    }
    let rest = path.strip_prefix('$').unwrap_or(path);
    if let Some(plain) = bracketed(rest) {
        return Ok(plain);
    }
    let descents = rest.matches("..").count();
    if descents > 1 || rest.contains('?') && (descents > 0 || rest.contains('$')) {
        // Each of these multiplies the work by the size of the document.
        return Err("json_path may hold one `..`, and a filter only looks at `@` without `..`".to_owned());
    }
    Ok(if rest.starts_with(['.', '[']) { format!("${rest}") } else { format!("$.{rest}") })
}

/// Spells dotted keys and indices in brackets, so that keys which JSONPath would not allow after a dot (`p-95`, `2nd`)
/// work; `None` when the path holds more than keys and indices.
fn bracketed(path: &str) -> Option<String> {
    let mut spelled = "$".to_owned();
    let mut rest = path.strip_prefix('.').unwrap_or(path);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            index.trim().parse::<i32>().ok()?;
            spelled.extend(["[", index.trim(), "]"]);
            rest = match after.strip_prefix('.') {
                Some("") => return None,
                Some(key) => key,
                None if after.is_empty() || after.starts_with('[') => after,
                None => return None,
            };
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        if key.trim().is_empty() || key.contains(['*', '?', '@', ',', ':', '\'', '"', '(', ')', ']', '\\', '$']) {
            return None;
        }
        spelled.extend(["['", key, "']"]);
        rest = match after.strip_prefix('.') {
            Some("") => return None,
            Some(key) => key,
            None => after,
        };
    }
    Some(spelled)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::sys::proc::Memory;

    fn passed(text: &[u8]) -> Passed {
        Passed { stdout: Stdout::Whole(text.to_vec()), lifetime: Duration::from_millis(1500), memory: None }
    }

    fn at(path: &str, text: &str) -> Result<f64, String> {
        let source = Source::JsonStdout { json_path: path.to_owned() };
        read(&source, &passed(text.as_bytes()), Path::new("/"), Path::new("/")).map(|reading| reading.value)
    }

    #[test]
    fn a_path_finds_its_number() {
        let document = r#" {"a": {"b": [{"c": 1.5}, 2]}, "p-95": 3, "2nd": 4, "two words": 5, "a'b": 6, "ü": -7e2} "#;
        for (path, expected) in [
            ("$.a.b[0].c", 1.5),
            ("a.b[0].c", 1.5),
            (".a.b[1]", 2.0),
            ("$['a']['b'][1]", 2.0),
            ("$.a.b[-1]", 2.0),
            (" $.p-95 ", 3.0),
            ("2nd", 4.0),
            ("$.two words", 5.0),
            ("$[\"a'b\"]", 6.0),
            ("ü", -700.0),
            ("$..c", 1.5),
            ("$.a.b[?@.c > 1].c", 1.5),
        ] {
            assert_eq!(at(path, document), Ok(expected), "{path}");
        }
        assert_eq!(at("$", "42\n"), Ok(42.0));
        assert_eq!(at("$[1][0]", "[0,[8]]"), Ok(8.0));
        assert_eq!(at("$", "123456789012345678901234567890"), Ok(1.234_567_890_123_456_8e29));
    }

    #[test]
    fn what_is_no_single_number_is_invalid() {
        for (path, text, reason) in [
            ("$.a", r#"{"a": "3"}"#, "a string at"),
            ("$.a", r#"{"a": true}"#, "a boolean at"),
            ("$.a", r#"{"a": null}"#, "null at"),
            ("$.a", r#"{"a": [1]}"#, "a list at"),
            ("$", "{}", "an object at"),
            ("$.b", r#"{"a": 1}"#, "nothing at"),
            ("$.a[3]", r#"{"a": [1]}"#, "nothing at"),
            ("$.a[*]", r#"{"a": [1, 2]}"#, "2 values at"),
            ("$.a", r#"{"a": NaN}"#, "not JSON"),
            ("$.a", r#"{"a": Infinity}"#, "not JSON"),
            ("$.a", r#"{"a": 1e999}"#, "not JSON: number out of range"),
            ("$.a", "noise {\"a\": 1}", "not JSON"),
            ("$.a", "{\"a\": 1}\n{\"a\": 2}", "not JSON"),
            ("$.a", " \n", "printed nothing"),
            ("$.a[", "{}", "json_path $.a["),
            ("$.", "{}", "an object at $,"),
            ("", "1", "json_path is empty"),
            ("$..*..*", "1", "one `..`"),
            ("$.a[?count($..*)>1]", "1", "a filter"),
        ] {
            let error = at(path, text).expect_err(path);
            assert!(error.contains(reason), "{path} on {text}: {error}");
        }
        assert!(at(&"a.".repeat(300), "1").unwrap_err().contains("longer than 512"));
        assert!(at("$", &"[".repeat(100_000)).unwrap_err().contains("not JSON"));
        let source = Source::JsonStdout { json_path: "$".to_owned() };
        assert!(read(&source, &passed(&[0xff, 0xfe]), Path::new("/"), Path::new("/")).is_err());
    }

    #[test]
    fn the_last_match_of_a_pattern_counts() {
        let pattern = |text: &str| Source::Regex(regex::RegexBuilder::new(text).multi_line(true).build().unwrap());
        let find = |source: &Source, text: &[u8]| {
            read(source, &passed(text), Path::new("/"), Path::new("/")).map(|reading| reading.value)
        };
        let p95 = pattern("^p95: (?<value>\\S+) ms$");
        assert_eq!(find(&p95, b"p95: 7 ms\n\xff\xfe\np95: 8.5 ms\np95: 9 s\n"), Ok(8.5));
        assert_eq!(find(&p95, b"p95: fast ms"), Err("\"fast\" is not a number".to_owned()));
        for odd in ["NaN", "inf", "-infinity", "1e999"] {
            let error = find(&p95, format!("p95: {odd} ms").as_bytes()).unwrap_err();
            assert!(error.ends_with("is not a finite number"), "{odd}: {error}");
        }
        assert_eq!(find(&p95, b"nothing"), Err("nothing in its standard output matches".to_owned()));
        assert_eq!(find(&p95, b""), Err("printed nothing on its standard output".to_owned()));
    }

    #[test]
    fn a_benchmark_report_gives_its_statistic_and_its_runs() {
        let old = r#"{"results": [{"command": "x", "mean": 9, "times": [3.0, 1.0, 2.0, 10.0]}]}"#;
        for (statistic, value) in [(Statistic::Mean, 4.0), (Statistic::Median, 2.5), (Statistic::Min, 1.0)] {
            let samples = vec![3.0, 1.0, 2.0, 10.0];
            assert_eq!(benchmark(old.as_bytes(), statistic), Ok(Reading { value, samples }));
        }
        let new = r#"{"results": [{"measurements": [{"time_wall_clock": {"value": 0.5, "unit": "second"}}]}]}"#;
        assert_eq!(benchmark(new.as_bytes(), Statistic::Median).map(|reading| reading.value), Ok(0.5));
        for (text, reason) in [
            ("[", "not JSON"),
            ("{}", "no \"results\""),
            (r#"{"results": []}"#, "0 commands were measured"),
            (r#"{"results": [{"times": [1]}, {"times": [2]}]}"#, "2 commands were measured, one is needed"),
            (r#"{"results": [{"times": []}]}"#, "no times"),
            (r#"{"results": [{"times": [1, "2"]}]}"#, "no times"),
            (r#"{"results": [{"times": [1, null]}]}"#, "no times"),
            (r#"{"results": [{"mean": 1}]}"#, "no times"),
        ] {
            let error = benchmark(text.as_bytes(), Statistic::Median).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn time_and_memory_are_those_of_the_command() {
        let told = |passed: &Passed, source| read(&source, passed, Path::new("/"), Path::new("/"));
        let mut ran = passed(b"");
        assert_eq!(told(&ran, Source::WallTime).map(|reading| reading.value), Ok(1.5));
        assert!(told(&ran, Source::MaxRss).unwrap_err().contains("on this system"));
        ran.memory = Some(Memory { peak: 50 << 20, floor: 10 << 20 });
        assert_eq!(told(&ran, Source::MaxRss).map(|reading| reading.value), Ok(52_428_800.0));
        ran.memory = Some(Memory { peak: 10 << 20, floor: 10 << 20 });
        assert!(told(&ran, Source::MaxRss).unwrap_err().contains("less than the 10240 KiB"));
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "[a$.\\[\\]0-9'\"*?@()<>=,:\\\\ -]{0,40}", text in "[\\[\\]{}\":a0-9,.e-]{0,40}") {
            if let Ok(value) = at(&path, &text) {
                prop_assert!(value.is_finite());
            }
            let deep = r#"{"a": {"a": [0, {"a": 1}]}}"#;
            if let Ok(value) = at(&path, deep) {
                prop_assert!([0.0, 1.0].contains(&value));
            }
        }
    }
}
