//! Nothing that anybody may write panics.

use proptest::prelude::*;

use super::super::schema::{KEYS, SECTIONS};
use super::parse;

/// Lines that are TOML, nearly TOML, or nothing.
fn lines() -> impl Strategy<Value = String> {
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).chain(["gate", "x", "\"\"", "'a b'", "a.b"]).collect();
    let sections: Vec<&str> = SECTIONS.into_iter().chain(["gate", "x.y", "run.x", "[run]", ""]).collect();
    let values = prop_oneof![
        Just("1".to_owned()),
        Just("-1".to_owned()),
        Just("1e400".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("[1, 'a', [], {}]".to_owned()),
        Just("{a = 1, b.c = 'x'}".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        Just("true".to_owned()),
        "\\PC{0,12}",
        "\"[a-z*\\[{(]{0,6}\"",
    ];
    prop_oneof![
        3 => (proptest::sample::select(names), values).prop_map(|(name, value)| format!("{name} = {value}")),
        2 => proptest::sample::select(sections).prop_map(|section| format!("[{section}]")),
        1 => ".{0,30}",
    ]
}

proptest! {
    #[test]
    fn arbitrary_files_never_panic(lines in proptest::collection::vec(lines(), 0..25)) {
        let text = lines.join("\n");
        match parse(&text, &[]) {
            Ok(loaded) => prop_assert!(loaded.config.source.is_absolute()),
            Err(error) => prop_assert!(error.to_string().starts_with("autodev.toml:")),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        drop(parse(&text, &[]));
    }

    #[test]
    fn arbitrary_variables_never_panic(at in 0..KEYS.len(), text in "\\PC{0,40}|[\\[\\]{}\":,a0-9]{0,20}") {
        if let Err(error) = parse("", &[(&KEYS[at].variable(), &text)]) {
            prop_assert!(error.to_string().starts_with("AUTODEV_"));
        }
    }
}
