//! YAML into JSON values, within bounds.
//!
//! It does not resolve merge keys (`<<`), and a tag (`!name`) is passed over. Invariant: what it builds is counted while
//! it is built, so an alias that repeats itself ends in an error and not in a full memory.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess as _, Visitor};
use serde_json::{Map, Number, Value};

/// How much the values may weigh: bytes of text, and [`NODE`] for each value. Sixteen times the largest block.
pub(super) const WEIGHT: usize = 1024 * 1024;
/// What a value weighs without its text; about what it takes in memory.
const NODE: usize = 32;
/// Levels of lists and mappings in each other.
const DEPTH: usize = 32;

/// What is wrong, and in which line of the block, from 1.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) reason: String,
}

/// Reads one YAML document; an empty one is null.
pub(super) fn read(block: &str) -> Result<Value, Fault> {
    if let Some(line) = too_deep(block) {
        return Err(Fault { line, reason: "front matter has too many brackets in each other".to_owned() });
    }
    let left = Cell::new(WEIGHT);
    let seed = Seed { left: &left, depth: DEPTH };
    seed.deserialize(serde_norway::Deserializer::from_str(block)).map_err(|error| {
        let text = error.to_string();
        // The place that the message ends with is one in the block, not in the file.
        let reason = text.split(" at line ").next().unwrap_or_default();
        Fault { line: error.location().map_or(1, |at| at.line().max(1)), reason: reason.to_owned() }
    })
}

/// The line on which more flow brackets are open than any sane text has: the scanner's work grows with their square.
fn too_deep(block: &str) -> Option<usize> {
    // Brackets within texts are counted too, hence the wide margin.
    const OPEN: usize = 1000;
    let mut open = 0_usize;
    for (line, content) in (1..).zip(block.lines()) {
        for byte in content.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > OPEN {
                return Some(line);
            }
        }
    }
    None
}

/// Builds a value and pays for it.
#[derive(Clone, Copy)]
struct Seed<'b> {
    left: &'b Cell<usize>,
    depth: usize,
}

impl Seed<'_> {
    fn pay<E: Error>(self, text: usize) -> Result<(), E> {
        let Some(left) = self.left.get().checked_sub(text.saturating_add(NODE)) else {
            return Err(E::custom("front matter grows too large; does an alias repeat itself?"));
        };
        self.left.set(left);
        Ok(())
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("front matter is nested too deep"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.pay(0).map(|()| Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.pay(0).map(|()| Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.pay(0).map(|()| Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.pay(0).map(|()| Value::from(value))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.pay(0)?;
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom(format!("{value} is no number that counts")))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.pay(value.len()).map(|()| Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.pay(0)?;
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.pay(0)?;
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(inner)? {
            let key = match key {
                Value::String(key) => key,
                Value::Null | Value::Bool(_) | Value::Number(_) => key.to_string(),
                Value::Array(_) | Value::Object(_) => return Err(A::Error::custom("a key must be a plain word")),
            };
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            let value = entries.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (_tag, value) = tagged.variant::<String>()?;
        value.newtype_variant_seed(self.deeper()?)
    }
}
