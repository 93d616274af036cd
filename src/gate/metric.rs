//! The number of a numeric completion, read from what the validation commands printed.
//!
//! The last successful command whose standard output, parsed whole as JSON, holds exactly one number at `json_path`
//! gives it. A path is `$.a.b[0].c`, the same without `$`, or any JSONPath (RFC 9535) that a hostile document cannot
//! make expensive. Strings, booleans, null, several matches and numbers that overflow are no measurements.
//!
//! Invariant: a value that is returned is finite; anything else comes with its reason.

use jsonpath_rust::JsonPath as _;
use serde_json::Value;

use super::output::Stdout;

/// Paths come from task files, which agents can write; 512 bytes are more than any honest path needs.
const LONGEST_PATH: usize = 512;

/// What a command that succeeded printed.
pub(super) struct Printed {
    /// The command's label.
    pub(super) label: String,
    /// Its standard output.
    pub(super) stdout: Stdout,
}

/// Returns the number, or why there is none. `printed` holds the successful commands in the order in which they ran.
pub(super) fn measure(printed: &[Printed], json_path: &str) -> Result<f64, String> {
    let path = normalise(json_path)?;
    let mut reasons = Vec::new();
    for Printed { label, stdout } in printed.iter().rev() {
        match read(stdout, &path) {
            Ok(value) => return Ok(value),
            Err(reason) => reasons.push(format!("`{label}`: {reason}")),
        }
    }
    if reasons.is_empty() {
        return Err("no command passed".to_owned());
    }
    // 3: the last commands are the likely ones; the line must stay readable.
    reasons.truncate(3);
    Err(reasons.join("; "))
}

fn read(stdout: &Stdout, path: &str) -> Result<f64, String> {
    let bytes = match stdout {
        Stdout::Whole(bytes) => bytes,
        Stdout::TooLong { limit } => return Err(format!("printed more than {} MiB", limit / (1024 * 1024))),
    };
    if bytes.trim_ascii().is_empty() {
        return Err("printed nothing on its standard output".to_owned());
    }
    let document: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("its standard output is not JSON: {error}"))?;
    let found = document.query(path).map_err(|error| format!("json_path {path}: {error}"))?;
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
    use proptest::prelude::*;

    use super::*;

    fn printed(label: &str, text: &str) -> Printed {
        Printed { label: label.to_owned(), stdout: Stdout::Whole(text.as_bytes().to_vec()) }
    }

    fn at(path: &str, text: &str) -> Result<f64, String> {
        measure(&[printed("bench", text)], path)
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
        assert!(measure(&[Printed { label: "b".to_owned(), stdout: Stdout::Whole(vec![0xff, 0xfe]) }], "$").is_err());
    }

    #[test]
    fn the_last_command_with_a_number_wins() {
        let all = [printed("first", "1"), printed("bench", "2"), printed("tests", "ok")];
        assert_eq!(measure(&all, "$"), Ok(2.0));
        assert_eq!(measure(&[], "$"), Err("no command passed".to_owned()));
        let long = Printed { label: "big".to_owned(), stdout: Stdout::TooLong { limit: 8 * 1024 * 1024 } };
        let error = measure(&[printed("bench", "{}"), long], "$.a").unwrap_err();
        assert_eq!(error, "`big`: printed more than 8 MiB; `bench`: nothing at $['a']");
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
