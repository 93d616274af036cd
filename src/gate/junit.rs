//! Counts in a test report in JUnit's XML.
//!
//! There is no one schema of these reports: the totals written as attributes differ in meaning and are often missing, so
//! tests and failures are counted. Time is what the outermost element says, because tests may have run side by side; else
//! the sum of the suites right below it; else the sum of the tests. It reads tags and attributes and nothing else of XML:
//! no entities, no namespaces, no document types. Invariant: a report that is cut off or not well-formed has no counts.

/// What a report says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Report {
    pub(super) tests: u32,
    /// Tests with a failure or an error.
    pub(super) failures: u32,
    /// Seconds; `None` when nothing says.
    pub(super) seconds: Option<f64>,
}

/// Nesting beyond this is not a report.
const DEEPEST: usize = 64;

/// Reads a report.
pub(super) fn read(text: &str) -> Result<Report, String> {
    let mut report = Report::default();
    let (mut of_root, mut of_suites, mut of_tests) = (None, None, None);
    let mut open: Vec<&str> = Vec::new();
    let mut has_failed = false;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at..).unwrap_or_default();
        if let Some(after) = skipped(rest) {
            rest = after;
            continue;
        }
        let (tag, after) = tag(rest).ok_or("it ends within a tag")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let name = name.trim();
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            report.failures += u32::from(name == "testcase" && std::mem::take(&mut has_failed));
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split_ascii_whitespace().next().unwrap_or_default();
        let seconds = || attribute(tag.get(name.len()..).unwrap_or_default(), "time").and_then(number);
        match (open.as_slice(), name) {
            ([], "testsuites" | "testsuite") => of_root = seconds(),
            ([], other) => return Err(format!("<{other}> is not the beginning of a JUnit report")),
            ([_], "testsuite") => add(&mut of_suites, seconds()),
            (_, "testcase") => {
                report.tests += 1;
                has_failed = false;
                add(&mut of_tests, seconds());
            }
            ([.., "testcase"], "failure" | "error") => has_failed = true,
            _ => {}
        }
        if !is_empty {
            open.push(name);
        }
        if open.len() > DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
        if is_empty && open.is_empty() {
            break;
        }
    }
    match open.last() {
        Some(name) => Err(format!("it ends within <{name}>")),
        None if text.contains("<testsuite") => {
            report.seconds = of_root.or(of_suites).or(of_tests);
            Ok(report)
        }
        None => Err("it is not a JUnit report".to_owned()),
    }
}

fn add(sum: &mut Option<f64>, seconds: Option<f64>) {
    if let Some(seconds) = seconds {
        *sum = Some(sum.unwrap_or_default() + seconds);
    }
}

/// Seconds as reports write them, also `1,234.5`.
fn number(text: &str) -> Option<f64> {
    text.trim().replace(',', "").parse().ok().filter(|seconds: &f64| seconds.is_finite())
}

/// What is no element: returns what follows it, nothing when it does not end.
fn skipped(rest: &str) -> Option<&str> {
    let ends = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")];
    let (_, end) = ends.into_iter().find(|(start, _)| rest.starts_with(start))?;
    Some(rest.split_once(end).map_or("", |(_, after)| after))
}

/// Splits off a tag without its brackets; a `>` within quotes does not end it.
fn tag(rest: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in rest.char_indices().skip(1) {
        match (quote, c) {
            (None, '>') => return Some((rest.get(1..at)?, rest.get(at + 1..)?)),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// Returns an attribute's text as it stands.
fn attribute<'a>(mut rest: &'a str, wanted: &str) -> Option<&'a str> {
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, after) = after.get(1..)?.split_once(quote)?;
        if name.trim() == wanted {
            return Some(value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tests_are_counted_and_not_believed() {
        let report = r#"<?xml version="1.0"?><!-- <testcase/> -->
            <testsuites name="a > b" tests="99" time="1.25">
              <testsuite name="s" time='7'>
                <testcase name="ok" time="0.5"/>
                <testcase name="bad"><failure message="x">&lt;testcase/&gt;</failure><error/></testcase>
                <testcase name="odd"><error><![CDATA[</testcase><failure>]]></error></testcase>
                <testcase name="skipped"><skipped/><system-out>error</system-out></testcase>
              </testsuite>
              <testsuite name="empty" time="1"></testsuite>
            </testsuites>"#;
        assert_eq!(read(report), Ok(Report { tests: 4, failures: 2, seconds: Some(1.25) }));
        let report = report.replace(" time=\"1.25\"", "");
        assert_eq!(read(&report).unwrap().seconds, Some(8.0), "the suites");
        let report = report.replace(" time='7'", "").replace(" time=\"1\"", "");
        assert_eq!(read(&report).unwrap().seconds, Some(0.5), "the tests");
        assert_eq!(read("<testsuite/>"), Ok(Report::default()));
        assert_eq!(read("<testsuite time = \"1,000.5\" ></testsuite>").unwrap().seconds, Some(1000.5));
    }

    #[test]
    fn what_is_no_report_has_no_counts() {
        for (text, reason) in [
            ("", "not a JUnit report"),
            ("ok", "not a JUnit report"),
            ("<html></html>", "<html> is not the beginning"),
            ("<testsuite><testcase>", "ends within <testcase>"),
            ("<testsuite><testcase", "ends within a tag"),
            ("<testsuite><!-- </testsuite>", "ends within <testsuite>"),
            ("<testsuite></testcase></testsuite>", "</testcase> closes nothing"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(read(&"<testsuite>".repeat(100_000)).unwrap_err().contains("too deeply"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(<|>|/|=|\"|testsuite|testcase|failure|time|1|ü| |<!--|-->|!|\\?){0,40}") {
            if let Ok(report) = read(&text) {
                prop_assert!(report.failures <= report.tests && report.seconds.is_none_or(f64::is_finite));
            }
        }
    }
}
