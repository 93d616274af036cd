use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn matter(text: &str) -> Value {
    let document = split(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
    document.matter.map_or(Value::Null, Value::Object)
}

fn refusal(text: &str) -> (usize, String) {
    let error = split(text).expect_err(text);
    (error.line, error.reason)
}

#[test]
fn fields_and_body_are_told_apart() {
    let document = split("---\nname: a\ndescription: >-\n  two\n  lines\n---\n# Title\n").unwrap();
    assert_eq!(document.matter.map(Value::Object), Some(json!({"name": "a", "description": "two lines"})));
    assert_eq!((document.body, document.body_line), ("# Title\n", 7));
}

#[test]
fn a_text_without_front_matter_is_all_body() {
    for text in ["", "---", "# Title\n", "----\na: 1\n---\n", " ---\na: 1\n---\n", "text\n---\na: 1\n---\n"] {
        let document = split(text).unwrap();
        assert_eq!((document.matter, document.body, document.body_line), (None, text, 1), "{text:?}");
    }
}

#[test]
fn marks_blanks_and_line_ends_do_not_matter() {
    let document = split("\u{feff}--- \t\r\na: 1\r\nb: x\r\n---  \r\nbody\r\n").unwrap();
    assert_eq!(document.matter.map(Value::Object), Some(json!({"a": 1, "b": "x"})));
    assert_eq!((document.body, document.body_line), ("body\r\n", 5));
    assert_eq!(matter("---\na: 1\n...\nbody"), json!({"a": 1}));
    assert_eq!(split("\u{feff}text").unwrap().body, "text");
}

#[test]
fn the_first_closing_line_counts_whatever_it_stands_in() {
    let document = split("---\na: |\n  x\n---\n  y\n---\n").unwrap();
    assert_eq!((document.matter.map(Value::Object), document.body), (Some(json!({"a": "x\n"})), "  y\n---\n"));
    assert_eq!(matter("---\na: |\n  x\n  ---\n  y\n---\n"), json!({"a": "x\n---\ny\n"}), "an indented one does not");
}

#[test]
fn an_empty_block_has_no_fields() {
    for text in ["---\n---\n", "---\n# only a comment\n---\n", "---\n\n---", "---\n~\n---\n"] {
        assert_eq!(matter(text), json!({}), "{text:?}");
    }
    let document = split("---\n---").unwrap();
    assert_eq!((document.body, document.body_line), ("", 3));
}

#[test]
fn a_rule_at_the_start_is_no_front_matter() {
    for text in [
        "---\n",
        "---\n# Title\n\nText\n",
        "---\n\n# Title\nSee: this\n",
        "---\nplain words\n---\nmore\n",
        "---\n\n- one\n- two\n\n---\n",
        "---\n\n*Note*: see [the [page\n\n---\n",
        "---\nAs they say: no closing line\n",
    ] {
        let document = split(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!((document.matter, document.body), (None, text));
    }
    let long = format!("---\nwords\n{}\n---\n", "text ".repeat(20_000));
    assert_eq!(split(&long).unwrap().body, long);
}

#[test]
fn front_matter_that_never_ends_is_an_error() {
    for text in ["---\nname: a\ntext\n", "---\n# comment\n\n\"name\": a", "---\nsub:\n  a: 1\n"] {
        assert_eq!(refusal(text).0, 1, "{text:?}");
        assert!(refusal(text).1.contains("no closing"), "{text:?}");
    }
}

#[test]
fn a_fault_names_its_line_in_the_file() {
    let (line, reason) = refusal("---\na: 1\nb: [1, 2\nc: 3\n---\n");
    assert!((3..=5).contains(&line), "{line}: {reason}");
    assert!(!reason.contains("line"), "{reason}");
    assert_eq!(refusal("---\na: 1\nb: 2\na: 3\n---\n"), (2, "the key \"a\" is there twice".to_owned()));
    assert_eq!(refusal("---\n- a\n- b\n---\n").0, 2);
    assert!(refusal("---\na: 1\n--- b\nc: 2\n---\n").1.contains("more than one document"));
    assert!(refusal("---\n? [a, b]\n: 1\n---\n").1.contains("plain word"));
    for value in [".nan", ".inf", "-.inf"] {
        assert!(refusal(&format!("---\na: {value}\n---\n")).1.contains("number"), "{value}");
    }
}

#[test]
fn values_are_those_of_json() {
    let text = "---\ndate: 2026-11-20\nat: 2026-11-20T11:29:10Z\nyes: no\n1: one\n1.5: x\ntrue: y\nnull: z\n\
                big: 123456789012345678901234567890\nneg: -5\nf: 1.25\ntag: !x text\nlist: [a, 'b', \"c\"]\nempty:\n---\n";
    let wanted = json!({
        "date": "2026-11-20", "at": "2026-11-20T11:29:10Z", "yes": "no", "1": "one", "1.5": "x", "true": "y", "null": "z",
        "big": "123456789012345678901234567890", "neg": -5, "f": 1.25, "tag": "text", "list": ["a", "b", "c"],
        "empty": null
    });
    assert_eq!(matter(text), wanted);
    let keys: Vec<String> = split(text).unwrap().matter.unwrap().keys().cloned().collect();
    assert_eq!(keys[..4], ["date", "at", "yes", "1"], "in the order of the text");
    assert_eq!(matter("---\na: &x {b: 1}\nc: *x\n---\n"), json!({"a": {"b": 1}, "c": {"b": 1}}));
}

#[test]
fn bombs_are_refused() {
    let mut laughs = "---\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let again = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.extend([format!("a{level}: &a{level} [{again}]\n")]);
    }
    assert!(refusal(&format!("{laughs}---\n")).1.contains("too large"), "{}", refusal(&format!("{laughs}---\n")).1);
    let long = format!("---\na: &a \"{}\"\nb: [{}]\n---\n", "x".repeat(30_000), vec!["*a"; 8000].join(","));
    assert!(refusal(&long).1.contains("too large"));
    assert!(split("---\na: &a [*a]\n---\n").is_err(), "an alias of itself");
    assert!(refusal(&format!("---\na: {}{}\n---\n", "[".repeat(60), "]".repeat(60))).1.contains("deep"));
    assert!(refusal(&format!("---\na: {}\n---\n", "[".repeat(60_000))).1.contains("brackets"));
    let dashes = format!("---\na:\n {}x\n---\n", "- ".repeat(30_000));
    assert!(split(&dashes).is_err());
    let tags = format!("---\na: {}x\n---\n", "!t ".repeat(200));
    assert!(split(&tags).is_err());
    let large = format!("---\na: {}\n---\n", "x".repeat(BLOCK_LIMIT));
    assert!(refusal(&large).1.contains("larger"));
    let fits = format!("---\na: {}\n---\nbody", "x".repeat(BLOCK_LIMIT - 4));
    assert_eq!(split(&fits).unwrap().body, "body");
}

/// Pieces that make front matter more often than chance does.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("---\n".to_owned()),
        1 => Just("---\r\n".to_owned()),
        1 => Just("...\n".to_owned()),
        1 => Just("\u{feff}".to_owned()),
        2 => "[a-z]{1,4}: [ -~]{0,12}\n",
        1 => "[ \t]{0,3}[-?:&*!|>'\"%@`{}\\[\\],#a-z0-9 ]{0,16}\r?\n",
        1 => "\\PC{0,8}",
        1 => any::<String>(),
    ];
    (any::<bool>(), prop::collection::vec(piece, 0..12))
        .prop_map(|(opened, pieces)| format!("{}{}", if opened { "---\n" } else { "" }, pieces.concat()))
}

proptest! {
    // As many cases as PROPTEST_CASES asks for.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fuzz_front_matter_leaves_a_body_that_is_a_suffix(text in pieces()) {
        match split(&text) {
            Ok(document) => {
                prop_assert!(text.ends_with(document.body));
                let before = &text[..text.len() - document.body.len()];
                let closes_without_break = document.matter.is_some() && !before.ends_with('\n');
                let lines = before.matches('\n').count() + usize::from(closes_without_break);
                prop_assert_eq!(document.body_line, lines + 1);
                let is_whole = document.body.len() + 3 >= text.len() && document.body_line == 1;
                prop_assert!(document.matter.is_some() || is_whole);
            }
            Err(error) => {
                prop_assert!(error.line >= 1 && error.line <= text.lines().count().max(1) + 1, "{error}");
                prop_assert!(!error.reason.is_empty());
            }
        }
    }

    #[test]
    fn fuzz_front_matter_written_as_json_is_read_back(
        keys in prop::collection::btree_map("[a-z]{1,6}", "[ -~\\n]{0,20}", 1..6),
        body in "[ -~\\n]{0,40}",
    ) {
        let wanted: Map<String, Value> = keys.into_iter().map(|(key, text)| (key, Value::from(text))).collect();
        let block = wanted.iter().map(|(key, value)| format!("{key}: {value}\n")).collect::<Vec<_>>().concat();
        let text = format!("---\n{block}---\n{body}");
        let document = split(&text).unwrap();
        prop_assert_eq!(document.matter, Some(wanted));
        prop_assert_eq!(document.body, body);
    }
}
