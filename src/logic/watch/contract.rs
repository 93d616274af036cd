//! What may become of the checks of a task when its plan is edited while an agent works beside it.
//!
//! The agent could be the one who edits. Then every check that was there stays, as with a reflection: commands may be
//! added, patterns only where there were none, and nothing else changes.

use serde_json::{Map, Value};

/// Returns the checks that the task gets, and whether something of what the plan says now was not followed. Both are
/// `verification` in its normal form.
pub fn only_more(old: &Map<String, Value>, new: &Map<String, Value>) -> (Map<String, Value>, bool) {
    let mut checks = old.clone();
    let list = |from: &Map<String, Value>, key: &str| match from.get(key) {
        Some(Value::Array(items)) => items.clone(),
        _ => Vec::new(),
    };
    let mut commands = list(old, "validate_commands");
    for command in list(new, "validate_commands") {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    if !commands.is_empty() {
        checks.insert("validate_commands".to_owned(), Value::Array(commands));
    }
    if list(old, "path_patterns").is_empty() && !list(new, "path_patterns").is_empty() {
        checks.insert("path_patterns".to_owned(), Value::Array(list(new, "path_patterns")));
    }
    let is_same = |key: &String| {
        let of = |from: &Map<String, Value>| from.get(key).cloned().filter(|value| !is_nothing(value));
        of(&checks) == of(new)
    };
    let is_followed = checks.keys().chain(new.keys()).all(is_same);
    (checks, !is_followed)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn told(old: Value, new: Value) -> (Value, bool) {
        let (Value::Object(old), Value::Object(new)) = (old, new) else { panic!() };
        let (checks, is_refused) = only_more(&old, &new);
        (Value::Object(checks), is_refused)
    }

    #[test]
    fn checks_only_become_more() {
        let old = json!({"path_patterns": [], "validate_commands": ["make"]});
        let more = json!({"path_patterns": ["src/*"], "validate_commands": ["make", "make lint"]});
        assert_eq!(told(old.clone(), more.clone()), (more.clone(), false));
        let other = json!({"path_patterns": [], "validate_commands": ["true"]});
        let kept = json!({"path_patterns": [], "validate_commands": ["make", "true"]});
        assert_eq!(told(old.clone(), other), (kept, true));
        assert_eq!(told(more.clone(), old), (more.clone(), true));
        let looser = json!({"path_patterns": ["*"], "validate_commands": ["make", "make lint"]});
        assert_eq!(told(more.clone(), looser), (more.clone(), true));
        let timed = json!({"path_patterns": ["src/*"], "validate_commands": ["make", "make lint"], "validate_timeout_seconds": 1});
        assert_eq!(told(more.clone(), timed), (more, true));
    }
}
