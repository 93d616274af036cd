//! The one place that reads environment variables.

use std::ffi::OsString;

/// Returns a variable's text; `None` when it is unset or not UTF-8.
#[expect(clippy::disallowed_methods, reason = "the home of the environment")]
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns a variable's raw value.
#[expect(clippy::disallowed_methods, reason = "the home of the environment")]
pub fn raw(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Returns the whole environment of this process, in no order.
pub fn all() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Returns every variable whose name starts with `prefix`; names and values that are not UTF-8 are left out.
pub fn with_prefix(prefix: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    found.sort();
    found
}
