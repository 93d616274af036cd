//! Captured streams with faults in them, for the parser that they are meant for and for the others.
//!
//! A parser keeps and tells no more than a multiple of what it read; it never sees the whole run at once.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;

use super::samples::{all, lines, start};
use super::{backend, log_text};
use crate::logic::classify::{Cause, Conclusion, Digestor, PatternResults, conclude};
use crate::logic::mutate::{Fault, Wrong, damaged_text, faults, spoil, wrongs};
use crate::model::{BackendName, ProcessEnd, Said};

/// The captured lines of all streams, with the backend that wrote them.
static LINES: LazyLock<Vec<(BackendName, Vec<String>)>> = LazyLock::new(|| {
    // Some lines list every tool and model; the long ones only make each case slow.
    let short = |stream: &str| lines(stream).into_iter().filter(|line| line.len() < 4096).collect::<Vec<_>>();
    let streams = all().into_iter().map(|(name, stream)| (name, short(&stream)));
    streams.filter(|(_, lines)| !lines.is_empty()).collect()
});

/// Some lines of one run, each damaged in its own way or not at all.
#[derive(Clone, Debug)]
struct Damage {
    stream: prop::sample::Index,
    first: prop::sample::Index,
    lines: Vec<(Vec<Fault>, Vec<Wrong>)>,
    code: i32,
}

fn damage() -> impl Strategy<Value = Damage> {
    let lines = prop::collection::vec((faults(), wrongs()), 1..6);
    let code = prop_oneof![Just(0), Just(1), Just(-9), any::<i32>()];
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), lines, code)
        .prop_map(|(stream, first, lines, code)| Damage { stream, first, lines, code })
}

fn damaged_lines(of: BackendName, damage: &Damage) -> Vec<String> {
    let streams: Vec<&Vec<String>> = LINES.iter().filter(|(name, _)| *name == of).map(|(_, lines)| lines).collect();
    let sound = damage.stream.get(&streams);
    let first = damage.first.index(sound.len());
    let lines = sound[first..].iter().zip(&damage.lines).map(|(line, (faults, wrongs))| {
        let mut line = line.clone();
        if !wrongs.is_empty()
            && let Ok(mut event) = serde_json::from_str::<Value>(&line)
        {
            spoil(&mut event, wrongs);
            line = event.to_string();
        }
        // A parser is given lines.
        damaged_text(&line, &sound[0], faults).replace('\n', " ")
    });
    lines.collect()
}

fn check(of: BackendName, damage: &Damage) -> Result<(), TestCaseError> {
    let lines = damaged_lines(of, damage);
    let size: usize = lines.iter().map(String::len).sum();
    let others = [of, BackendName::Claude, BackendName::Codex, BackendName::Gemini, BackendName::Opencode];
    let reader = others[damage.first.index(16).saturating_sub(11)];
    for name in [of, reader] {
        let mut parser = backend(name).parser_from(start());
        let mut digest = Digestor::default();
        let mut told = 0;
        let mut said: Vec<Said> = lines.iter().flat_map(|line| parser.line(line)).collect();
        said.extend(parser.end(damage.code));
        for said in &said {
            told += format!("{said:?}").len();
            prop_assert!(log_text(said).is_none_or(|text| text.len() < 40_000));
            digest.add(said);
        }
        prop_assert!(told <= 16 * size + 2048 * lines.len() + 2048, "{} bytes told of {}", told, size);
        let (end, is_ok) = conclude(&Conclusion {
            code: damage.code,
            cause: Cause::Itself,
            digest: &digest,
            last_lines: &lines,
            changed_files: false,
            rate_limit_patterns: &[],
            halt_patterns: &[],
            patterns: PatternResults::default(),
            now: (start().now)(),
        });
        prop_assert!(!is_ok || matches!(end, ProcessEnd::Exited { code: 0 }), "{:?} with code {}", end, damage.code);
        let usage = digest.usage;
        prop_assert!(usage.cost_usd.is_none_or(|cost| cost.is_finite() && cost >= 0.0), "{:?}", usage);
    }
    Ok(())
}

proptest! {
    #[test]
    fn fuzz_stream_claude(damage in damage()) {
        check(BackendName::Claude, &damage)?;
    }

    #[test]
    fn fuzz_stream_codex(damage in damage()) {
        check(BackendName::Codex, &damage)?;
    }

    #[test]
    fn fuzz_stream_gemini(damage in damage()) {
        check(BackendName::Gemini, &damage)?;
    }

    #[test]
    fn fuzz_stream_opencode(damage in damage()) {
        check(BackendName::Opencode, &damage)?;
    }
}
