//! Fills a template with values: one environment for the built-in templates and those of a project.
//!
//! Invariant: a value is put in once and is never read as a template; a name that is not known is an error and never
//! an empty text.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde::Serialize;

use super::PromptError;
use super::source::{Origin, Source};
use crate::logic::contract::{code, longest_run};

/// Renders a template. Beside the filters of minijinja there are `code`, which makes a code span of any text, and
/// `fenced(language)`, which makes a code block of it that nothing in the text can close.
pub(super) fn render(source: &Source, values: impl Serialize) -> Result<String, PromptError> {
    let values = Value::from(Serde(values));
    filled(source, &values).map_err(|error| match &source.origin {
        Origin::BuiltIn => PromptError::BuiltIn(error),
        Origin::File(path) => PromptError::Own {
            path: path.clone(),
            line: error.line().unwrap_or(1),
            reason: reason(&error, source, &values),
        },
    })
}

fn filled(source: &Source, values: &Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?);
    environment.add_filter("code", |text: String| code(&text));
    environment.add_filter("fenced", |text: String, language: Option<String>| fenced(&text, language.as_deref()));
    // The name's ending also says that nothing is escaped.
    environment.render_named_str(source.name.file_name(), &source.text, values)
}

/// Returns a code block whose fence is longer than any run of backticks in the text.
fn fenced(text: &str, language: Option<&str>) -> String {
    let fence = "`".repeat((longest_run(text, '`') + 1).max(3));
    format!("{fence}{}\n{}\n{fence}", language.unwrap_or_default(), text.trim_matches('\n').trim_end())
}

/// Says what is wrong with a project's template, on one line.
fn reason(error: &minijinja::Error, source: &Source, values: &Value) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let line = error.line().and_then(|line| source.text.lines().nth(line.saturating_sub(1)));
    let place = match line.map(str::trim).filter(|line| !line.is_empty()) {
        // 120 characters show the place; the file has the rest.
        Some(line) => format!(" in {}", code(&line.chars().take(120).collect::<String>())),
        None => String::new(),
    };
    let names: Vec<String> = match error.kind() {
        ErrorKind::UndefinedError => {
            values.try_iter().map(|keys| keys.map(|key| key.to_string()).collect()).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let hint = if names.is_empty() { String::new() } else { format!(" (this prompt has {})", names.join(", ")) };
    format!("{what}{place}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_closes_its_block() {
        assert_eq!(fenced("a\n```\nb\n\n", Some("text")), "````text\na\n```\nb\n````");
        assert_eq!(fenced("", None), "```\n\n```");
    }
}
