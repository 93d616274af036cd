//! What one source of settings says: defaults, file, environment. Later layers win key by key.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::problem::{Place, Problem};
use super::schema::KEYS;

/// An accepted value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) value: Value,
    /// `None` for a built-in default.
    pub(super) place: Option<Place>,
    /// The key as it was written: `[gate].x` for what is otherwise `[verification].x`.
    pub(super) shown: String,
}

/// Accepted values by position in [`KEYS`].
pub(super) type Layer = BTreeMap<usize, Found>;

/// Everything wrong so far, in no order.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// Puts layers on top of one another, the first lowest.
pub(super) fn stack(layers: impl IntoIterator<Item = Layer>) -> Layer {
    layers.into_iter().flatten().collect()
}

/// Builds the nested object that [`crate::model::Config`] is read from.
pub(super) fn nested(layer: &Layer) -> Value {
    let mut root = Map::new();
    for (at, found) in layer {
        let Some(key) = KEYS.get(*at) else { continue };
        insert(&mut root, key.section, key.name, found.value.clone());
    }
    Value::Object(root)
}

fn insert(table: &mut Map<String, Value>, section: &str, name: &str, value: Value) {
    let (first, rest) = section.split_once('.').unwrap_or((section, ""));
    if first.is_empty() {
        table.insert(name.to_owned(), value);
    } else if let Value::Object(inner) = table.entry(first).or_insert_with(|| Value::Object(Map::new())) {
        insert(inner, rest, name, value);
    }
}
