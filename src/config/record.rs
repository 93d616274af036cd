//! Arrays of tables: each table has some of the fields that the schema names, and no others.
//!
//! Invariant: as for a single value, what [`accept`] returns fits the type of [`crate::model::config`].

use serde_json::{Map, Value};

use super::schema::Field;
use super::suggest;
use super::value::{self, Complaint, Raw, Spot, quoted};

/// Checks an array of tables.
///
/// # Errors
/// Every complaint about any of its fields.
pub(super) fn accept(fields: &[Field], spot: &Spot) -> Result<Value, Vec<Complaint>> {
    let Raw::List(items) = &spot.raw else {
        let wanted = if spot.span.is_some() { "an array of tables" } else { "a JSON array of objects" };
        return Err(vec![spot.expected(wanted)]);
    };
    let mut accepted = Vec::new();
    let mut complaints = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match table(fields, item) {
            Ok(table) => accepted.push(table),
            Err(all) => complaints.extend(all.into_iter().map(|complaint| Complaint {
                message: format!("element {}: {}", at + 1, complaint.message),
                span: complaint.span.or_else(|| item.span.clone()),
            })),
        }
    }
    if complaints.is_empty() { Ok(Value::Array(accepted)) } else { Err(complaints) }
}

fn table(fields: &[Field], spot: &Spot) -> Result<Value, Vec<Complaint>> {
    let Raw::Table(items) = &spot.raw else { return Err(vec![spot.expected("a table")]) };
    let mut accepted = Map::new();
    let mut complaints = Vec::new();
    for (name, item) in items {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let likely = suggest::word(name, &names).map(|word| format!("; did you mean {word}?")).unwrap_or_default();
            complaints.push(item.complain(format!("unknown key {}{likely}", quoted(name))));
            continue;
        };
        match value::accept(field.kind, item) {
            Ok(value) => drop(accepted.insert(name.clone(), value)),
            Err(all) => complaints.extend(all.into_iter().map(|complaint| Complaint {
                message: format!("{name}: {}", complaint.message),
                span: complaint.span.or_else(|| item.span.clone()),
            })),
        }
    }
    for field in fields.iter().filter(|field| field.is_required) {
        if !items.iter().any(|(name, _)| name == field.name) {
            complaints.push(spot.complain(format!("{} is missing", field.name)));
        }
    }
    if complaints.is_empty() { Ok(Value::Object(accepted)) } else { Err(complaints) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::schema::{CHANNEL, Kind};
    use super::*;

    const CHANNELS: Kind = Kind::Records(CHANNEL);

    fn toml(text: &str) -> Result<Value, Vec<String>> {
        let table = toml::de::DeTable::parse(text).unwrap();
        let value = table.get_ref().get("x").unwrap();
        value::accept(CHANNELS, &Spot::of_file(CHANNELS, value))
            .map_err(|all| all.into_iter().map(|complaint| complaint.message).collect())
    }

    fn variable(text: &str) -> Result<Value, Vec<String>> {
        value::accept(CHANNELS, &Spot::of_variable(CHANNELS, text))
            .map_err(|all| all.into_iter().map(|complaint| complaint.message).collect())
    }

    #[test]
    fn tables_are_read_from_the_file_and_from_a_variable() {
        let want = json!([{"kind": "email", "to": ["a@b"], "events": ["task_blocked"]}, {"kind": "desktop"}]);
        let text = "[[x]]\nkind = 'email'\nto = ['a@b']\nevents = ['task_blocked']\n[[x]]\nkind = 'desktop'\n";
        assert_eq!(toml(text), Ok(want.clone()));
        assert_eq!(
            toml("x = [{kind = 'email', to = ['a@b'], events = ['task_blocked']}, {kind = 'desktop'}]"),
            Ok(want.clone())
        );
        assert_eq!(variable(&want.to_string()), Ok(want));
        assert_eq!(variable(""), Ok(json!([])));
        assert_eq!(toml("x = []"), Ok(json!([])));
    }

    #[test]
    fn everything_wrong_is_told_with_the_number_of_the_table() {
        let text = "[[x]]\nkind = 'slak'\n[[x]]\nurll = 'y'\nevents = ['never']\nto = [1]\n";
        let errors = toml(text).unwrap_err();
        assert!(errors[0].starts_with("element 1: kind: expected one of"), "{errors:?}");
        assert!(errors[0].ends_with("did you mean \"slack\"?"), "{errors:?}");
        for part in [
            "element 2: unknown key \"urll\"; did you mean url?",
            "element 2: events: element 1: expected one of \"task_completed\"",
            "element 2: to: element 1: expected a string, found integer 1",
            "element 2: kind is missing",
        ] {
            assert!(errors.iter().any(|error| error.starts_with(part)), "{part}: {errors:?}");
        }
    }

    #[test]
    fn what_is_no_array_of_tables_is_refused() {
        assert_eq!(toml("x = 'slack'"), Err(vec!["expected an array of tables, found string \"slack\"".to_owned()]));
        assert_eq!(toml("x = [1]"), Err(vec!["element 1: expected a table, found integer 1".to_owned()]));
        assert_eq!(toml("[x]\nkind = 'slack'"), Err(vec!["expected an array of tables, found a table".to_owned()]));
        assert_eq!(variable("slack"), Err(vec!["expected a JSON array of objects, found string \"slack\"".to_owned()]));
        let deep = toml("x = [{kind = {a = {b = 1}}}]").unwrap_err();
        assert!(deep[0].starts_with("element 1: kind: expected one of"), "{deep:?}");
    }
}
