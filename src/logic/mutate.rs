//! Damage to real samples, for property tests of everything that reads what others wrote.
//!
//! Random text hardly ever gets past the first character of a parser; a real sample with a few faults does. Two kinds:
//! faults in the bytes ([`Fault`]), and wrong values in sound JSON ([`Wrong`]).

use proptest::prelude::*;
use serde_json::{Value, json};

/// What parsers look for, and what upsets them.
const TOKENS: [&str; 52] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    ":",
    ",",
    "\\",
    "\\u",
    "\\ud800",
    "\\\"",
    "//",
    "/*",
    "*/",
    "#",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\0",
    "\u{1b}[31m",
    "\u{1b}",
    "\u{1b}]0;",
    "\u{feff}",
    "```",
    "```json\n",
    "~~~",
    "{}",
    "[]",
    "null",
    "true",
    "-1",
    "1e999",
    "1.5",
    "0x1",
    "NaN",
    ",}",
    ",]",
    "{\"",
    "\"}",
    "\":",
    "\"tasks\":",
    "\"id\": \"a\"",
    "\"type\":\"result\"",
    "\"verification\": {",
    "ä",
    "😀",
    "\u{2028}",
    "\u{7f}",
    "\u{9b}",
    " ",
];

/// One change of bytes; places are fractions of 2^32 of the length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    kind: u8,
    at: u32,
    other: u32,
    length: u8,
}

/// Up to six faults, often one.
pub(crate) fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = (0..7u8, any::<u32>(), any::<u32>(), any::<u8>());
    prop::collection::vec(fault.prop_map(|(kind, at, other, length)| Fault { kind, at, other, length }), 0..6)
}

fn place(fraction: u32, length: usize) -> usize {
    ((u64::from(fraction) * (length as u64 + 1)) >> 32) as usize
}

/// Returns a sample with faults, at most 2 KB longer; pieces of `donor` get into it.
pub(crate) fn damaged(sample: &[u8], donor: &[u8], faults: &[Fault]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for Fault { kind, at, other, length } in faults.iter().copied() {
        let at = place(at, bytes.len());
        let end = (at + usize::from(length)).min(bytes.len());
        let token = TOKENS[other as usize % TOKENS.len()].as_bytes();
        match kind {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                let to = place(other, bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            2 => drop(bytes.splice(at..at, token.iter().copied())),
            3 => drop(bytes.splice(at..end.min(at + 1), token.iter().copied())),
            4 => bytes.truncate(at),
            5 => {
                let from = place(other, donor.len());
                let piece = &donor[from..(from + usize::from(length)).min(donor.len())];
                drop(bytes.splice(at..at, piece.iter().copied()));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (length % 8);
                }
            }
        }
    }
    bytes
}

/// The same as text; bytes that are no UTF-8 become U+FFFD.
pub(crate) fn damaged_text(sample: &str, donor: &str, faults: &[Fault]) -> String {
    String::from_utf8_lossy(&damaged(sample.as_bytes(), donor.as_bytes(), faults)).into_owned()
}

/// One wrong value in a JSON document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrong {
    at: u32,
    value: u8,
}

/// Up to four wrong values.
pub(crate) fn wrongs() -> impl Strategy<Value = Vec<Wrong>> {
    let wrong = (any::<u32>(), any::<u8>()).prop_map(|(at, value)| Wrong { at, value });
    prop::collection::vec(wrong, 0..4)
}

/// Puts wrong values (or none, or a copy of the value in a list) in the places of others.
pub(crate) fn spoil(document: &mut Value, wrongs: &[Wrong]) {
    for wrong in wrongs {
        let mut left = place(wrong.at, size(document).saturating_sub(1));
        let Some(node) = node(document, &mut left) else { continue };
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1.5e300),
            json!(u64::MAX),
            json!(""),
            json!(" x "),
            json!("a && b"),
            json!([]),
            json!({}),
            json!([[]]),
            json!([1, null]),
            json!({"a": {"b": [1]}}),
            json!("numeric"),
            json!("iterative"),
            json!("\u{1b}\n"),
            json!(["same", "same"]),
            json!({"run": 1, "shell": "x"}),
        ];
        *node = match values.get(usize::from(wrong.value) % (values.len() + 2)) {
            Some(value) => value.clone(),
            None if wrong.value % 2 == 0 => json!([node.clone(), node.clone()]),
            None => json!({"id": node.clone(), "tasks": [node.clone()]}),
        };
    }
}

/// Returns the number of values in a document.
pub(crate) fn size(document: &Value) -> usize {
    match document {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn node<'a>(document: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(document);
    }
    *left -= 1;
    match document {
        Value::Array(items) => items.iter_mut().find_map(|item| node(item, left)),
        Value::Object(members) => members.values_mut().find_map(|member| node(member, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
