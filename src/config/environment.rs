//! Reads `AUTODEV_<SECTION>_<KEY>` variables into a [`Layer`]. Touches no environment itself.

use std::collections::BTreeSet;

use super::layer::{Findings, Found, Layer};
use super::problem::{Place, Problem};
use super::schema::{KEYS, SECTIONS};
use super::suggest;
use super::value::{self, Spot};

/// Marks the processes of a run; set by us, and no setting although it looks like one.
const RUN_ID: &str = "AUTODEV_RUN_ID";

/// Reads the variables of all keys; returns them and which keys they name, also those whose value is wrong.
/// Variables that name no key are ignored; those that begin like one are warned of.
pub(super) fn read(variables: &[(String, String)], findings: &mut Findings) -> (Layer, BTreeSet<usize>) {
    let mut layer = Layer::new();
    let mut named = BTreeSet::new();
    for (name, text) in variables {
        let Some(at) = KEYS.iter().position(|key| key.variable() == *name) else {
            findings.warnings.extend(unknown(name));
            continue;
        };
        let Some(key) = KEYS.get(at) else { continue };
        named.insert(at);
        let place = Place::Variable(name.clone());
        match value::accept(key.kind, &Spot::of_variable(key.kind, text)) {
            Ok(value) => drop(layer.insert(at, Found { value, place: Some(place), shown: key.to_string() })),
            Err(complaints) => findings.errors.extend(complaints.into_iter().map(|complaint| Problem {
                place: place.clone(),
                key: key.to_string(),
                message: complaint.message,
                excerpt: None,
            })),
        }
    }
    (layer, named)
}

/// Returns a warning for a variable that is meant for a section, but for no key of it.
fn unknown(name: &str) -> Option<Problem> {
    let rest = name.strip_prefix("AUTODEV_")?;
    let meant = SECTIONS.iter().chain(&["gate"]).any(|section| {
        let prefix = section.replace('.', "_").to_uppercase();
        rest.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('_'))
    });
    if !meant || name == RUN_ID {
        return None;
    }
    // The section of this older name has no variables; its present name has.
    let likely = match rest.strip_prefix("GATE_") {
        Some(key) => suggest::for_variable(&format!("AUTODEV_VERIFICATION_{key}")),
        None => suggest::for_variable(name),
    };
    Some(Problem {
        place: Place::Variable(name.to_owned()),
        key: String::new(),
        message: format!("names no setting, ignored{}", suggest::question(&likely)),
        excerpt: None,
    })
}
