//! Fills the `{{name}}` places of a user's template.
//!
//! One pass from left to right: what is put in is never looked at again, and a place whose name is not known stays as
//! it is.

use std::collections::BTreeMap;

/// Returns the template with every known place filled.
pub(super) fn fill(template: &str, values: &BTreeMap<&'static str, String>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find("{{") {
        let (before, place) = rest.split_at(at);
        filled.push_str(before);
        let (value, length) = match known(place, values) {
            Some((value, length)) => (value, length),
            // Only one brace is passed over: `{{{name}}}` holds a place as well.
            None => ("{", 1),
        };
        filled.push_str(value);
        rest = place.get(length..).unwrap_or_default();
    }
    filled.push_str(rest);
    filled
}

/// Returns the value for the place at the start of the text, and the length of the place.
fn known<'a>(text: &str, values: &'a BTreeMap<&'static str, String>) -> Option<(&'a str, usize)> {
    let inner = text.strip_prefix("{{")?;
    let end = inner.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())?;
    let (name, after) = inner.split_at(end);
    after.starts_with("}}").then_some(())?;
    Some((values.get(name)?, "{{}}".len() + name.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> BTreeMap<&'static str, String> {
        [("a", "{{b}}".to_owned()), ("b", "B".to_owned())].into()
    }

    #[test]
    fn known_places_are_filled_once() {
        for (template, expected) in [
            ("{{a}}-{{b}}", "{{b}}-B"),
            ("{{c}} {{ b }} {{b} {b}} {{", "{{c}} {{ b }} {{b} {b}} {{"),
            ("{{{b}}}", "{B}"),
            ("{{{{b}}}}", "{{B}}"),
            ("ü{{b}}ü", "üBü"),
            ("", ""),
        ] {
            assert_eq!(fill(template, &values()), expected);
        }
    }

    #[test]
    fn many_open_braces_take_no_time() {
        let template = "{".repeat(1_000_000);
        assert_eq!(fill(&template, &values()).len(), 1_000_000);
    }

    proptest! {
        #[test]
        fn text_without_places_is_unchanged(text in "[{}a-z ü]{0,40}") {
            prop_assert_eq!(fill(&text, &BTreeMap::new()), text);
        }
    }
}
