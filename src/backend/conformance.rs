//! What every backend must do, tried with every captured stream, with garbage and with any wish.

use std::collections::HashSet;
use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::samples::{Wish, all, config, finals, lines, start};
use super::{Parser, Purpose, Version, backend, log_text};
use crate::logic::classify::{Cause, Conclusion, Digestor, PatternResults, conclude};
use crate::model::{BackendName, ProcessEnd, Said, Usage};

fn parser(name: BackendName) -> Box<dyn Parser> {
    backend(name).parser_from(start())
}

fn said(name: BackendName, lines: &[String], code: i32) -> Vec<Said> {
    let mut parser = parser(name);
    let mut said: Vec<Said> = lines.iter().flat_map(|line| parser.line(line)).collect();
    said.extend(parser.end(code));
    said
}

fn end(digest: &Digestor, code: i32) -> (ProcessEnd, bool) {
    conclude(&Conclusion {
        code,
        cause: Cause::Itself,
        digest,
        last_lines: &[],
        changed_files: false,
        rate_limit_patterns: &[],
        halt_patterns: &[],
        patterns: PatternResults::default(),
        now: (start().now)(),
    })
}

/// One line per captured stream: what was understood, and what would be concluded from exit codes 0 and 1.
fn table(wanted: BackendName) -> String {
    let mut table = String::new();
    for (name, stream) in all().into_iter().filter(|(name, _)| *name == wanted) {
        let said = said(name, &lines(&stream), 0);
        let mut digest = Digestor::default();
        for said in &said {
            digest.add(said);
        }
        let count = |wanted: fn(&Said) -> bool| said.iter().filter(|said| wanted(said)).count();
        let usage = digest.usage;
        let cost = usage.cost_usd.map_or("-".into(), |cost| format!("{cost:.4}"));
        let _ = write!(
            table,
            "{stream}\n  session {} | text {} tools {}/{} failed {} notes {} retries {} | usage {}+{}c/{} ${cost}\n",
            if digest.session.is_empty() { "none" } else { "yes" },
            count(|said| matches!(said, Said::Text { .. })),
            count(|said| matches!(said, Said::ToolStarted { .. })),
            count(|said| matches!(said, Said::ToolEnded { .. })),
            count(|said| matches!(said, Said::ToolEnded { is_ok: false, .. })),
            count(|said| matches!(said, Said::Notice { .. })),
            digest.retries,
            usage.input,
            usage.cached_input,
            usage.output,
        );
        match &digest.last_final {
            Some(last) => {
                let class = last.error.as_ref().map_or(String::new(), |error| format!(" {:?}", error.class));
                let message: String = last.message.chars().take(70).collect();
                let _ = writeln!(table, "  final {}{class}: {message}", if last.is_ok { "ok" } else { "bad" });
            }
            None => table.push_str("  final none\n"),
        }
        let kind = |code| match end(&digest, code) {
            (_, true) => "ok".to_owned(),
            (ProcessEnd::Exited { code }, false) => format!("failed {code}"),
            (ProcessEnd::Limited(limit), false) if limit.until.is_some() => "limited until".to_owned(),
            (ProcessEnd::Limited(_), false) => "limited".to_owned(),
            (ProcessEnd::EnvError(_), false) => "environment".to_owned(),
            (other, false) => format!("{other:?}"),
        };
        let _ = writeln!(table, "  exit 0: {} | exit 1: {}", kind(0), kind(1));
    }
    table
}

#[test]
fn every_captured_stream_is_understood() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        for name in [BackendName::Claude, BackendName::Codex, BackendName::Gemini, BackendName::Opencode] {
            insta::assert_snapshot!(format!("streams_{}", name.as_str()), table(name));
        }
    });
}

#[test]
fn tool_calls_are_paired_and_usage_never_shrinks() {
    let mut ended = 0;
    for (name, stream) in all() {
        let mut open = HashSet::new();
        let mut digest = Digestor::default();
        for said in said(name, &lines(&stream), 0) {
            let before = digest.usage;
            digest.add(&said);
            let numbers = |u: Usage| [u.input, u.cached_input, u.cache_write, u.output, u.reasoning];
            let shrinks = numbers(before).iter().zip(numbers(digest.usage)).any(|(before, after)| *before > after);
            assert!(!shrinks && before.cost_usd <= digest.usage.cost_usd, "{stream}: {before:?} {:?}", digest.usage);
            match said {
                Said::ToolStarted { id, .. } => assert!(open.insert(id), "{stream}: started twice"),
                Said::ToolEnded { id, .. } => {
                    assert!(open.remove(&id), "{stream}: ended without a start");
                    ended += 1;
                }
                _ => {}
            }
        }
    }
    assert_eq!(ended, 154, "the streams hold {ended} tool calls");
}

#[test]
fn every_run_that_succeeded_is_recognised_and_cutting_off_its_end_is_noticed() {
    let good = all().into_iter().filter(|(_, stream)| stream.ends_with("success") || stream.ends_with("then_ok"));
    let mut seen = 0;
    for (name, stream) in good {
        let lines = lines(&stream);
        let said_all = said(name, &lines, 0);
        if stream == "gemini-drop_then_ok" {
            continue; // It does not try again after a dropped stream.
        }
        seen += 1;
        assert!(finals(&said_all).last().unwrap().is_ok, "{stream}");
        assert_eq!(finals(&said_all).len(), 1, "{stream}");
        for end_at in 1..lines.len() {
            let mut digest = Digestor::default();
            for said in said(name, &lines[..end_at], 0) {
                digest.add(&said);
            }
            assert!(!end(&digest, 0).1, "{stream}: exit code 0 after {end_at} of {} lines", lines.len());
        }
    }
    assert_eq!(seen, 19);
}

#[test]
fn a_missing_key_is_an_environment_error_even_without_any_event() {
    let mut digest = Digestor::default();
    for said in said(BackendName::Gemini, &lines("gemini-nokey"), 41) {
        digest.add(&said);
    }
    assert!(matches!(end(&digest, 41), (ProcessEnd::EnvError(_), false)));
}

#[test]
fn no_prefix_of_any_line_panics() {
    for (name, stream) in all() {
        let mut parser = parser(name);
        for line in lines(&stream) {
            let step = 1 + line.len() / 50;
            let tail = line.len().saturating_sub(8);
            for at in (0..line.len()).step_by(step).chain(tail..line.len()) {
                let prefix = &line[..line.floor_char_boundary(at)];
                parser.line(prefix).iter().for_each(|said| drop(log_text(said)));
            }
            parser.line(&line);
        }
        parser.end(-9);
    }
}

/// Puts `wrong` in the place of every value in turn.
fn spoilt(value: &Value, wrong: &Value, out: &mut Vec<Value>, rebuild: &dyn Fn(Value) -> Value) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let with = |new: Value| {
                    let mut fields = fields.clone();
                    fields.insert(key.clone(), new);
                    rebuild(Value::Object(fields))
                };
                out.push(with(wrong.clone()));
                spoilt(inner, wrong, out, &with);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate().take(3) {
                let with = |new: Value| {
                    let mut items = items.clone();
                    items[index] = new;
                    rebuild(Value::Array(items))
                };
                out.push(with(wrong.clone()));
                spoilt(inner, wrong, out, &with);
            }
        }
        _ => {}
    }
}

#[test]
fn wrong_types_in_any_field_do_no_harm() {
    let mut tried = 0;
    // The same shapes come again and again; one stream per kind of trouble is enough.
    let telling = ["success", "rate_limit", "quota", "no_permission", "max_turns", "empty", "auth"];
    for (name, stream) in all().into_iter().filter(|(_, stream)| telling.iter().any(|case| stream.ends_with(case))) {
        let mut parser = parser(name);
        for line in lines(&stream).iter().filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_str(line).unwrap();
            for wrong in [json!(null), json!(-1.5e300), json!("x"), json!([[]]), json!({"a": u64::MAX})] {
                let mut variants = Vec::new();
                spoilt(&event, &wrong, &mut variants, &|value| value);
                for variant in variants {
                    parser.line(&variant.to_string()).iter().for_each(|said| drop(log_text(said)));
                    tried += 1;
                }
            }
        }
        parser.end(0);
    }
    assert!(tried > 10_000, "{tried}");
}

#[test]
fn huge_and_deep_lines_are_survived() {
    let huge = "x".repeat(1 << 20);
    let depth = 100_000;
    let nested = format!(r#"{{"type":"result","is_error":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let objects = r#"{"type":"#.repeat(depth);
    let real = format!(r#"{{"type":"result","subtype":"success","is_error":true,"result":"{huge}"}}"#);
    for name in BackendName::ALL {
        for line in [&huge, &nested, &objects, &real, &format!("[{nested}]"), &"\u{0}\u{feff}\u{1b}[2J".to_owned()] {
            let mut parser = parser(name);
            for said in parser.line(line) {
                let shown = log_text(&said).unwrap_or_default();
                assert!(shown.len() < 40_000, "{}: {} bytes shown", name.as_str(), shown.len());
            }
            parser.end(1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_does_no_harm(lines in prop::collection::vec("\\PC{0,60}|[\\[{][\"a-z:,{}\\[\\]0-9]{0,60}", 0..20), code in any::<i32>()) {
        for name in BackendName::ALL {
            for said in said(name, &lines, code) {
                prop_assert!(!matches!(said, Said::Final(ref last) if last.is_ok));
            }
        }
    }

    #[test]
    fn a_prompt_never_becomes_an_argument(
        prompt in "\\PC{12,40}",
        read_only in prop::option::of(any::<bool>()),
        version in prop::option::of((0u32..3, 0u32..200, 0u32..400)),
        is_root in any::<bool>(),
        in_git in any::<bool>(),
    ) {
        let mut config = config();
        config.backend.command.argv = vec!["agent".into(), "{prompt_file}".into()];
        for name in BackendName::ALL {
            let mut wish = Wish::new(name).with(config.clone());
            wish.purpose = read_only.map_or(Purpose::Attempt, |read_only| Purpose::Ask { read_only });
            wish.version = version.map(|(a, b, c)| Version(a, b, c));
            wish.is_root = is_root;
            wish.in_git = in_git;
            wish.prompt.clone_from(&prompt);
            wish.schema = Some("{}".into());
            let invocation = wish.invocation();
            prop_assert_eq!(invocation.stdin.as_deref(), Some(prompt.as_bytes()));
            let words: Vec<&str> = invocation.args.iter().chain([&invocation.program]).map(|a| a.to_str().unwrap()).collect();
            prop_assert!(!words.iter().any(|word| word.contains(&prompt) || matches!(*word, "sh" | "bash" | "stdbuf")));
            let names: HashSet<_> = invocation.env.iter().map(|(name, _)| name).collect();
            prop_assert_eq!(names.len(), invocation.env.len());
            prop_assert!(!names.iter().any(|name| *name == "LD_PRELOAD"));
        }
    }
}
