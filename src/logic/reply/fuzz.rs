//! Replies as they might come: samples with faults, and plans hidden in noise.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::logic::mutate::{damaged_text, faults, size, spoil, wrongs};

const SAMPLES: [&str; 6] = [
    "Here is the plan:\n\n```json\n{\n  \"project\": \"p\",\n  \"tasks\": [\n    {\"id\": \"P0-1\", \"steps\": [\"a {b}\", \"c \\\"d\\\"\"], \"n\": -1.5e3},\n    {\"id\": \"P0-2\", \"passes\": false, \"x\": null}\n  ]\n}\n```\n\nIt has {two} tasks.",
    "{\"level\":\"info\",\"msg\":\"start\"}\n{\"level\":\"warn\",\"n\":[1,2,[3,{}]]}\n{\"tasks\":[{\"id\":\"a\"}]}\n{\"tokens\":12}\n",
    "{ // the plan\n  \"tasks\": [ # all\n    {\"id\": \"a\", /* first, */ \"url\": \"http://x/#y\",},\n  ],\n}\n",
    "\u{feff}\u{1b}[32mok\u{1b}[0m Use {curly}, [#12], {'single': 1} and {bare: 2}.\r\n~~~\r\n{\"summary\": \"s\", \"steps\": [\"x\"]}\r\n~~~\r\n",
    "# X - COCA Spec\n\n## Context\n\n```sh\n# run\nls\n```\n\n~~~~md\n```\n~~~~\n- a\n",
    "Sure:\n\n```markdown\n# T\n\n```json\n{\"a\": [1, 2]}\n```\n\n## Outcome\n- x\n```\nDone.",
];

fn sample() -> impl Strategy<Value = &'static str> {
    prop::sample::select(SAMPLES.as_slice())
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let clean = Clean::new(text);
    let steps = search::search(&clean.text).steps;
    prop_assert!(steps <= 24 * text.len(), "{} steps for {} bytes", steps, text.len());
    let found = candidates(text);
    prop_assert!(found.len() <= 32);
    let values: usize = found.iter().map(|candidate| size(&candidate.value)).sum();
    prop_assert!(values <= text.len(), "{} values of {} bytes", values, text.len());
    let mut places: Vec<usize> = found.iter().map(|candidate| candidate.at).collect();
    places.sort_unstable();
    places.dedup();
    prop_assert_eq!(places.len(), found.len());
    for Candidate { value, is_repaired, at } in &found {
        let there = text.get(*at..).unwrap();
        prop_assert!(there.starts_with(if value.is_array() { '[' } else { '{' }), "{}", there);
        if !is_repaired && !text.contains('\u{1b}') {
            let read = serde_json::Deserializer::from_str(there).into_iter::<Value>().next();
            prop_assert_eq!(&read.unwrap().unwrap(), value, "what is not repaired is what is written");
        }
    }
    let Err(error) = choose(text, |_| Err::<(), _>("no")) else { panic!("nothing was accepted") };
    prop_assert_eq!(matches!(error, Choice::Absent { .. }), found.is_empty() && !lost(text));
    prop_assert!(error.to_string().chars().count() < SHOWN + 200, "{}", error);
    Ok(())
}

fn lost(text: &str) -> bool {
    Found::in_text(text).lost.is_some()
}

/// What may stand around an answer without being one: nothing of it is unclosed JSON.
const NOISE: [&str; 16] = [
    "Here it is: ",
    "\n",
    "\n```json\n",
    "\n```\n",
    "{curly} ",
    "[1] ",
    "[#12](x) ",
    "{} ",
    "src/{/* ",
    "\n{\"level\": \"info\", \"n\": 1}\n",
    "\u{1b}[1m",
    "\u{feff}",
    "it's \"so\" ",
    "{\"} ",
    "// so\n",
    "{\"tasks\": [...]} ",
];

fn noise() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(NOISE.as_slice()), 0..6).prop_map(|pieces| pieces.concat())
}

fn any_plan() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof!["[ -~]{0,20}", "\\PC{0,8}", Just("```\n{\"tasks\": [".to_owned()), Just("// , ] /* #".to_owned())];
    prop::collection::vec((text.clone(), text), 1..5).prop_map(|tasks| {
        let tasks: Vec<Value> =
            tasks.iter().map(|(id, text)| json!({"id": id, "steps": [text], "verification": {"a": [1, {}]}})).collect();
        json!({"project": "the project, and words that make it longer than a line of a log", "tasks": tasks})
    })
}

fn is_plan(candidate: &Candidate) -> Result<Value, ()> {
    if candidate.value.get("tasks").is_some() { Ok(candidate.value.clone()) } else { Err(()) }
}

proptest! {
    #[test]
    fn fuzz_reply_of_damaged_samples(sample in sample(), donor in sample(), faults in faults()) {
        check(&damaged_text(sample, donor, &faults))?;
    }

    #[test]
    fn fuzz_reply_of_any_text(text in "\\PC{0,30}|([{}\\[\\],:\"'#/*\\\\a1 \n`]|\"a\":){0,60}") {
        check(&text)?;
    }

    #[test]
    fn fuzz_reply_hides_no_plan(before in noise(), after in noise(), plan in any_plan(), is_pretty in any::<bool>()) {
        let written = if is_pretty { serde_json::to_string_pretty(&plan).unwrap() } else { plan.to_string() };
        let text = format!("{before}{written}{after}");
        prop_assert_eq!(choose(&text, is_plan), Ok(plan), "{}", text);
    }

    #[test]
    fn fuzz_reply_cut_off_is_no_plan(plan in any_plan(), wrongs in wrongs(), cut in any::<prop::sample::Index>()) {
        let mut plan = plan;
        spoil(&mut plan["tasks"], &wrongs);
        let written = plan.to_string();
        // Behind the first key, so that it is known to be meant as JSON.
        let first = "{\"project\":".len();
        let cut = first + cut.index(written.len() - first);
        let text = &written[..written.floor_char_boundary(cut)];
        let result = choose(text, |candidate| Ok::<_, ()>(candidate.value.clone()));
        prop_assert!(matches!(result, Err(Choice::Torn { line: 1, .. })), "{:?} {}", result, text);
    }

    #[test]
    fn fuzz_reply_repairs_change_nothing_else(plan in any_plan(), marks in prop::collection::vec(0..5usize, 64)) {
        let strict = serde_json::to_string_pretty(&plan).unwrap();
        let mut marks = marks.iter().cycle();
        let mut spoilt = String::new();
        // A line that begins with a closing bracket may have a comma before it; every line may have a comment.
        for line in strict.lines() {
            let mark = *marks.next().unwrap();
            if line.trim_start().starts_with([']', '}']) && mark == 1 && !spoilt.trim_end().ends_with(['[', '{', ',']) {
                spoilt.push(',');
            }
            spoilt.push_str(["\n", "\n", " // a, ] }\n", " # \"\n", " /* { \n */"][mark]);
            spoilt.push_str(line);
        }
        let found = candidates(spoilt.trim_start());
        // Comments before the document are prose, with brackets that are no JSON.
        let chosen = found.iter().find(|candidate| candidate.value.get("project").is_some());
        prop_assert_eq!(chosen.map(|candidate| &candidate.value), Some(&plan), "{}", spoilt);
    }

    #[test]
    fn fuzz_document(sample in sample(), donor in sample(), faults in faults()) {
        let text = damaged_text(sample, donor, &faults);
        let document = document(&text);
        prop_assert!(document.len() <= text.len() + 1);
        prop_assert!(document.is_empty() || document.ends_with('\n') && !document.ends_with("\n\n"), "{:?}", document);
        prop_assert!(!document.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{:?}", document);
    }
}
