//! Reads the text of an autodev.toml into a [`Layer`], and gathers everything that is wrong with it.

use std::collections::BTreeSet;
use std::{io, thread};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::{Findings, Found, Layer};
use super::problem::{Problem, Source};
use super::schema::{self, KEYS, SECTIONS};
use super::suggest;
use super::value::{self, Spot};

/// Dots from which on the parser gets a stack of its own; a usual file has fewer. Fewer cost less than 1 MiB.
const MANY_DOTS: usize = 500;
/// The parser admits 80 tables in one another with 80 dotted names each, and drops them recursively: more than 4 and
/// less than 6 MiB in a debug build.
const DEEP_STACK: usize = 32 << 20;
/// Syntax errors shown; after the first few, more of them only repeat the first.
const MOST_SYNTAX_ERRORS: usize = 10;
/// Unknown names that get a suggestion; each is compared with every key.
const MOST_SUGGESTIONS: usize = 300;

/// Reads every key. Those of `overridden` (positions in [`KEYS`]) are neither checked nor returned.
///
/// # Errors
/// All syntax errors, when the text is not TOML. Every other problem goes to `findings`.
pub(super) fn read(
    source: &Source<'_>,
    overridden: &BTreeSet<usize>,
    findings: &mut Findings,
) -> Result<Layer, Vec<Problem>> {
    if source.text().bytes().filter(|byte| *byte == b'.').count() < MANY_DOTS {
        return parse(source, overridden, findings);
    }
    on_deep_stack(|| parse(source, overridden, findings))
        .unwrap_or_else(|error| Err(vec![source.syntax_error(None, &format!("start a thread to parse it: {error}"))]))
}

fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, work)?;
        thread.join().map_err(|_| io::Error::other("it panicked"))
    })
}

fn parse(source: &Source<'_>, overridden: &BTreeSet<usize>, findings: &mut Findings) -> Result<Layer, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(source.text());
    if !errors.is_empty() {
        return Err(syntax_errors(source, &errors));
    }
    let gate = !document.get_ref().contains_key("verification");
    let mut walk = Walk { source, overridden, findings, layer: Layer::new(), gate, suggested: 0 };
    walk.table("", "", document.get_ref());
    Ok(walk.layer)
}

/// The first error of each line.
fn syntax_errors(source: &Source<'_>, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> =
        errors.iter().take(100).map(|error| source.syntax_error(error.span(), error.message())).collect();
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems.dedup_by(|b, a| a.excerpt_line() == b.excerpt_line());
    problems.truncate(MOST_SYNTAX_ERRORS);
    problems
}

impl Problem {
    fn excerpt_line(&self) -> Option<usize> {
        match &self.place {
            super::Place::File { line, .. } => Some(*line),
            super::Place::Variable(_) => None,
        }
    }
}

/// What is at hand while the tables are walked.
struct Walk<'a, 's> {
    source: &'a Source<'s>,
    overridden: &'a BTreeSet<usize>,
    findings: &'a mut Findings,
    layer: Layer,
    /// Whether `[gate]` stands for `[verification]`.
    gate: bool,
    suggested: usize,
}

impl Walk<'_, '_> {
    /// Reads a table. `section` is its path in the schema, `written` its path in the file; they differ for `[gate]`.
    fn table(&mut self, section: &str, written: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let known = join(section, name.get_ref());
            let shown = join(written, name.get_ref());
            if let Some(at) = schema::position(section, name.get_ref()) {
                self.key(at, &format!("[{written}].{}", name.get_ref()), value);
            } else if SECTIONS.contains(&known.as_str()) {
                self.section(&known, &shown, value);
            } else if known == "gate" && self.gate {
                self.section("verification", &shown, value);
            } else if known == "gate" {
                self.warn(name, "[gate]".to_owned(), "ignored, because there is a [verification]".to_owned());
            } else {
                self.unknown(section, written, name, value.get_ref());
            }
        }
    }

    fn section(&mut self, section: &str, written: &str, value: &Spanned<DeValue<'_>>) {
        let found = match value.get_ref() {
            DeValue::Table(table) => return self.table(section, written, table),
            DeValue::Array(_) => "an array of tables; write it with single brackets, and once",
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date-time",
        };
        self.findings.errors.push(Problem {
            place: self.source.place(value.span().start),
            key: format!("[{written}]"),
            message: format!("expected a table, found {found}"),
            excerpt: None,
        });
    }

    fn key(&mut self, at: usize, shown: &str, value: &Spanned<DeValue<'_>>) {
        if self.overridden.contains(&at) {
            return;
        }
        let Some(key) = KEYS.get(at) else { return };
        match value::accept(key.kind, &Spot::of_file(key.kind, value)) {
            Ok(accepted) => {
                let place = Some(self.source.place(value.span().start));
                self.layer.insert(at, Found { value: accepted, place, shown: shown.to_owned() });
            }
            Err(complaints) => self.findings.errors.extend(complaints.into_iter().map(|complaint| Problem {
                place: self.source.place(complaint.span.unwrap_or_else(|| value.span()).start),
                key: shown.to_owned(),
                message: complaint.message,
                excerpt: None,
            })),
        }
    }

    fn unknown(&mut self, section: &str, written: &str, name: &Spanned<toml::de::DeString<'_>>, value: &DeValue<'_>) {
        let is_table = match value {
            DeValue::Table(_) => true,
            DeValue::Array(items) => !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => false,
        };
        let (what, key) = match (is_table, written) {
            (true, _) => ("section", format!("[{}]", join(written, &bare(name.get_ref())))),
            (false, "") => ("key", bare(name.get_ref())),
            (false, _) => ("key", format!("[{written}].{}", bare(name.get_ref()))),
        };
        let mut message = format!("unknown {what}, ignored");
        if self.suggested < MOST_SUGGESTIONS {
            self.suggested += 1;
            message.push_str(&suggest::question(&suggest::for_name(section, name.get_ref(), is_table)));
        }
        self.warn(name, key, message);
    }

    fn warn(&mut self, name: &Spanned<toml::de::DeString<'_>>, key: String, message: String) {
        let place = self.source.place(name.span().start);
        self.findings.warnings.push(Problem { place, key, message, excerpt: None });
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// Shows a name from outside: as it is, or quoted when it needs quotes in TOML.
fn bare(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= 60 && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        value::quoted(name)
    }
}
