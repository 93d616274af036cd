use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;

/// Accepts what has a list of tasks, as a planner would.
fn plan(candidate: &Candidate) -> Result<Value, &'static str> {
    candidate.value.get("tasks").filter(|tasks| tasks.is_array()).cloned().ok_or("no tasks")
}

fn chosen(text: &str) -> Value {
    match choose(text, plan) {
        Ok(tasks) => tasks,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn refusal(text: &str) -> String {
    choose(text, plan).expect_err(text).to_string()
}

#[test]
fn a_plan_is_found_whatever_stands_around_it() {
    let plan = "{\"project\": \"p\",\n \"tasks\": [{\"id\": \"a {x} ``` // # /* \\\" \\u00e4\"}]}";
    let tasks = json!([{"id": "a {x} ``` // # /* \" ä"}]);
    for text in [
        plan.to_owned(),
        format!("\u{feff}{plan}\n"),
        format!("Here is the plan:\n{plan}"),
        format!("{plan}\n\nIt has {{one}} task. [1] {{}} See {{\"a\": ...}}."),
        format!("```json\n{plan}\n```"),
        format!("```json\n{plan}"),
        format!("~~~\n{plan}\n~~~\ntext"),
        format!("1. so:\n   ```json\n   {}\n   ```\n", plan.replace('\n', "\n   ")),
        format!("```python\nx = {{1: 2}}\n```\n```json\n{plan}\n```\n```sh\necho ${{HOME}}\n```"),
        format!("Use {{curly}} and [square], \"{{\" or '[', then {plan}"),
        format!("as in [#12] and [//x], src/{{/* and {{// y\n{plan}"),
        format!("He said {{\"}} and [\" {plan}"),
        format!(
            "{{\"level\": \"info\", \"msg\": \"starting\"}}\n{{\"level\": \"warn\"}}\n{plan}\n{{\"tokens\": 12}}\n{{}}\n[]"
        ),
        format!("{{\"level\": \"info\", \"msg\": \"cut\n{plan}"),
        plan.replace('\n', "\r\n"),
        format!("\u{1b}[32m{}\u{1b}[0m", plan.replace("tasks", "ta\u{1b}[1msks\u{1b}[0m")),
        format!("\u{1b}]0;title\u{7}{plan}\u{1b}[0m"),
        format!("{{\"tasks\": [{{\"id\": \"first draft\"}}]}}\nBetter:\n{plan}"),
        format!("{{\"tasks\": [{{\"id\": \"broken\",, }}]}}\nSorry, again: {plan}"),
        format!("{{\"tasks\": [{{\"id\": \"torn\"\n\nSorry, let me redo: {plan}"),
        format!("{{\"tasks\": [{{\"id\": \"torn\"\n```\n```json\n{plan}\n```"),
    ] {
        assert_eq!(chosen(&text), tasks, "{text}");
    }
}

#[test]
fn comments_and_needless_commas_are_passed_over() {
    let clean = json!([{"id": "a // b", "url": "http://x/#y,]"}, 1]);
    for text in [
        "{\"tasks\": [{\"id\": \"a // b\", \"url\": \"http://x/#y,]\",}, 1,],}",
        "{ // the plan\n\"tasks\": [ # list\n {\"id\": \"a // b\", /* , ] */ \"url\": \"http://x/#y,]\", /* ä */ }, 1 , // }\n]}",
        "```jsonc\n{\n  /* see\n {\"tasks\": []} */\n \"tasks\": [{\"id\": \"a // b\", \"url\": \"http://x/#y,]\"}, 1,\n]}\n```",
    ] {
        let found = candidates(text);
        assert_eq!((found.len(), found[0].is_repaired), (1, true), "{text}");
        assert_eq!(chosen(text), clean, "{text}");
    }
    // An inner document of a repaired one is not an answer of its own.
    assert_eq!(candidates("{\"a\": [1,], \"b\": {\"c\": 1}}").len(), 1);
}

#[test]
fn nothing_else_is_repaired() {
    for text in [
        "{'tasks': []}",
        "{tasks: []}",
        "{\"tasks\": [}",
        "{\"tasks\": []",
        "{\"tasks\": [,]}",
        "{\"tasks\": [1,,2]}",
        "{\"tasks\": [1 2]}",
        "{\"tasks\": [01]}",
        "{\"tasks\": [1.]}",
        "{\"tasks\": [-]}",
        "{\"tasks\": [1e]}",
        "{\"tasks\": [True]}",
        "{\"tasks\": [\"\\x\"]}",
        "{\"tasks\": [\"\\u12g4\"]}",
        "{\"tasks\": [\"\\ud800\"]}",
        "{\"tasks\": [1e999]}",
        "{\"tasks\": [\"a\tb\"]}",
        "{\"tasks\": [\"a\nb\"]}",
        "{\"tasks\" []}",
    ] {
        let error = choose(text, plan).expect_err(text);
        assert!(!matches!(error, Choice::Refused { .. }), "{text}: {error}");
    }
}

#[test]
fn a_part_of_a_broken_document_is_no_answer() {
    for text in [
        "{\"a\": 'x', \"tasks\": [{\"tasks\": []}], \"b\": {\"tasks\": []}}",
        "{\"a\": 1, b: {\"tasks\": []}}",
        "{\"a\": [1, 2 3, {\"tasks\": []}, {\"tasks\": []}",
        "{\"a\": {\"b\": 1}, \"c\": {\"tasks\": []}, ",
        "{\"a\": \"line\nbreak\", \"b\": [[{\"tasks\": []}]]}",
    ] {
        assert_eq!(candidates(text), [], "{text}");
    }
    let deep = format!("{{\"a\": {}{{\"tasks\": []}}{}}}", "[".repeat(150), "]".repeat(150));
    assert_eq!(candidates(&deep), []);
    assert!(refusal(&deep).contains("nested deeper than 127 levels"));
    let whole = format!("{}{}", "[".repeat(127), "]".repeat(127));
    assert_eq!(candidates(&whole).len(), 1);
}

#[test]
fn a_reply_that_ends_in_the_middle_says_so() {
    let whole = "ok\n{\"tasks\": [{\"id\": \"a\", \"steps\": [\"one\", \"two\"]}, {\"id\": \"b\", \"passes\": true}]}";
    let tail = whole.len() - 3..whole.len();
    assert_eq!(&whole[tail], "}]}");
    for end in 15..whole.len() {
        let error = choose(&whole[..end], plan).expect_err(&whole[..end]);
        assert!(matches!(error, Choice::Torn { line: 2, .. }), "{}: {error}", &whole[..end]);
    }
    assert_eq!(
        refusal(&whole[..59]),
        "the reply ends in the middle: the JSON that begins in line 2 is not closed; it ends with: \
         ok {\"tasks\": [{\"id\": \"a\", \"steps\": [\"one\", \"two\"]}, {\"id\":"
    );
    // The example that a model repeats before its answer is cut off must not become the queue.
    let example = "{\"tasks\": [{\"id\": \"example\"}]}";
    assert!(refusal(&format!("{example}\n{}", &whole[..60])).starts_with("the reply ends in the middle"));
    assert!(
        refusal(&format!("{example}\n{{\"tasks\": [{{\"id\": 'a', \"b\": 1}}, {{}}]}} ")).contains("cannot be read")
    );
    // Pseudo code after the answer does no harm.
    assert_eq!(chosen(&format!("{example} of the form {{\"tasks\": [...]}}")), json!([{"id": "example"}]));
    let example = example.replace("[{", &format!("[{}{{", " ".repeat(99)));
    assert_eq!(chosen(&format!("{example} as {{\"a\": ")), json!([{"id": "example"}]), "too short to be the answer");
}

#[test]
fn a_glob_before_the_plan_is_no_comment() {
    // The comment ended inside the plan, and an empty object with a comment in it was found instead.
    let plan = "{\"tasks\": [{\"id\": \"*/}\"}]}";
    assert_eq!(chosen(&format!("src/{{/* {plan}")), json!([{"id": "*/}"}]));
    let lines = plan.replace("*/}", "*///").replace("\"}", "\",\n \"b\": 1}");
    assert_eq!(chosen(&format!("src/{{/* {lines}")), json!([{"id": "*///", "b": 1}]));
    let key = plan.replace("*/", "*/A:");
    assert_eq!(chosen(&format!("src/{{/* {key}")), json!([{"id": "*/A:}"}]));
    assert_eq!(chosen(&format!("[#1] {plan}\n]")), json!([{"id": "*/}"}]));
    assert_eq!(candidates("[1, // one\n 2,]"), []);
}

#[test]
fn brackets_in_the_string_that_a_reply_ends_in_do_not_end_the_document() {
    for end in ["a {b: c", "} } } }", "{'a': 1} }]}]", "{a: 1, b: [", "[1] {} }}}}}"] {
        let text = format!("{{\"tasks\": [{{\"id\": \"{end}");
        let error = choose(&text, plan).expect_err(&text);
        assert!(matches!(error, Choice::Torn { line: 1, .. }), "{text}: {error}");
    }
}

#[test]
fn refusals_tell_what_was_found() {
    assert_eq!(refusal(""), "no JSON in the reply, which is empty");
    assert_eq!(
        refusal(" \u{1b}[31mI cannot\u{1b}[0m do that {really} "),
        "no JSON in the reply, which begins with: I cannot do that {really}"
    );
    let long = "ä".repeat(600);
    let Err(Choice::Absent { start }) = choose(&long, plan) else { panic!() };
    assert_eq!(start.chars().count(), 500);
    assert_eq!(
        refusal("x\n{\"tasks\": [\n  oops ]}"),
        "the JSON in the reply cannot be read: line 3: expected a value, at: oops ]}"
    );
    // The error is that of the best candidate, which is the longest here.
    let judge = |candidate: &Candidate| Err::<(), _>(candidate.value.to_string());
    let Err(error) = choose("{\"level\": 1} {\"project\": \"a longer one\"} {\"n\": 1} {}", judge) else { panic!() };
    assert_eq!(error, Choice::Refused { error: "{\"n\":1}".to_owned(), at: 41 });
    let text = format!("{{\"n\": 1}} {{\"project\": \"{}\"}} {{\"n\": 2}} {{}}", "long ".repeat(20));
    assert!(matches!(choose(&text, judge), Err(Choice::Refused { at: 9, .. })));
}

#[test]
fn candidates_are_ordered_and_know_their_place() {
    let text = "\u{1b}[1m[1]{\"draft\": [1, 2]}\u{1b}[0m {\"repaired\": [1, 2],} {\"last\": [1, 2]} {\"tiny\":1} {}";
    let text = text.replace("1, 2", &"1, 2, 3".repeat(20).replace("31", "3, 1"));
    let found = candidates(&text);
    let keys: Vec<String> = found.iter().map(|c| c.value.to_string().chars().take(6).collect()).collect();
    assert_eq!(keys, ["{\"last", "{\"draf", "{\"repa", "{\"tiny", "{}", "[1]"]);
    for candidate in &found {
        let Candidate { value, at, .. } = candidate;
        let first = if value.is_array() { "[1]" } else { &value.to_string()[..2] };
        assert!(text[*at..].starts_with(first), "{at} {value}");
    }
}

#[test]
fn the_longest_and_the_last_of_many_are_kept() {
    let mut text =
        String::from("{\"tasks\": [\"the plan, which is much longer than the rest of these many lines\"]}\n");
    for n in 0..10_000 {
        use std::fmt::Write as _;
        writeln!(text, "{{\"line\": {n}}}").unwrap();
    }
    let found = candidates(&text);
    assert_eq!(found.len(), 32);
    assert_eq!(found[0].value["line"], 9999, "comparable in length, and later");
    assert_eq!(chosen(&text).as_array().unwrap().len(), 1);
}

/// Returns how many bytes the attempts on a text have read, per byte.
fn work(text: &str) -> usize {
    search::search(text).steps.div_ceil(text.len().max(1))
}

#[test]
fn hostile_replies_take_linear_work() {
    let long = 1 << 16;
    for pattern in [
        "{",
        "[",
        "{\"",
        "[\"",
        "{\"a\":",
        "{\"a\":[",
        "{\"a\":\"",
        "\"{",
        "[1,",
        "{/*",
        "[#",
        "[//",
        "{#\n",
        "[1,/*",
        "[/**/",
        "{\"a\":1,/*",
        "{\"a\":1,}",
        "[#[#\n",
        "[1,]",
        "{}",
        "[]",
        "]",
        "}",
        "[\"[\"",
        "{\"a\":{},",
        "[\"\\",
        "\u{1b}[",
        "\u{1b}]{",
        "{\"a\":'",
        "```\n{",
        "[[1,2,],",
        "{\"a\":1 ",
        "[\"{\"a\":1",
        "{ \"a\" : #\n",
        "a:{\"b\":1 c",
        " ",
        "[1",
        "-",
        "[-",
        "\n",
    ] {
        let text = pattern.repeat(long / pattern.len());
        assert!(work(&text) <= 24, "{pattern:?}: {} steps per byte", work(&text));
        assert!(candidates(&text).len() <= 32, "{pattern:?}");
        assert!(choose(&text, plan).is_err(), "{pattern:?}");
        // All false starts first, then much that each of them would have to read.
        let text = format!("{}\n{} x", &text[..text.floor_char_boundary(long / 2)], "1,".repeat(long / 4));
        assert!(work(&text) <= 24, "{pattern:?}: {} steps per byte", work(&text));
    }
}

#[test]
fn a_document_loses_its_fence_and_nothing_else() {
    let spec = "# X - COCA Spec\n\n## Context\n\n```sh\n# run it\nls\n```\n\n    code\n- a\n";
    for text in [
        spec.to_owned(),
        format!("\u{feff}\n\n{spec}\n\n"),
        spec.replace('\n', "\r\n"),
        format!("\u{1b}[1m{spec}\u{1b}[0m"),
        format!("```markdown\n{spec}```\n"),
        format!("```MD\n{spec}```"),
        format!("```\n{spec}```"),
        format!("~~~\n{spec}~~~\n"),
        format!("````markdown\n{spec}````\n"),
        format!("```markdown\n{spec}"),
        format!("Here is the spec:\n\n```markdown\n{spec}```\n\nTell me what you think."),
        format!("Here:\n```\n{spec}```"),
        format!("  ```markdown\n  {}```", spec.trim_end().replace('\n', "\n  ") + "\n"),
    ] {
        assert_eq!(document(&text), spec, "{text}");
    }
    for kept in [
        "# T\n\n```sh\n# a heading it is not\n```\n",
        "```sh\nls\n```\n\ntext\n\n```\nx\n```\n",
        "Text\n```sh\n# comment\n```\n",
        "Two:\n```md\n# A\n```\nand\n```md\n# B\n```\n",
        "```inline``` code\n",
        "text only\n",
    ] {
        assert_eq!(document(kept), kept, "{kept}");
    }
    assert_eq!(document("```\nonly text\n```"), "only text\n");
    assert_eq!(document(" \n\u{1b}[0m\n"), "");
}
