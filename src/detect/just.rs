//! justfiles: the recipes `check`, `test`, `lint`, `build` and the like.
//!
//! Left out are recipes that cannot be run unattended (required parameters, a confirmation), private ones, and those
//! for other systems. Imported files and modules are not read.

use super::command::Kind;
use super::site::Site;
use super::target::{self, CheckAlone, Target};

pub(super) fn look(site: &mut Site<'_>) -> bool {
    // just does not mind the case of letters.
    let is_justfile = |name: &String| matches!(name.to_lowercase().as_str(), "justfile" | ".justfile");
    let Some(file) = site.names(".").into_iter().find(is_justfile) else { return false };
    let Some(text) = site.read(&file) else { return false };
    for (kind, target) in target::sort(&parse(&text), CheckAlone::AsItsBodySays) {
        // A recipe `all` is as often everything including the tests as it is the build.
        if kind != Kind::Build || target.name == "build" {
            site.add(kind, &format!("just {}", target.name), &["just"], (&file, target.line));
        }
    }
    true
}

/// Returns the recipes that can be run as they are.
fn parse(text: &str) -> Vec<Target> {
    let mut recipes: Vec<Target> = Vec::new();
    let mut attributes = String::new();
    let mut is_in_recipe = false;
    let mut open_quote = None;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(quote) = open_quote {
            open_quote = (line.matches(quote).count() % 2 == 0).then_some(quote);
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(recipe) = recipes.last_mut().filter(|_| is_in_recipe) {
                recipe.body.push_str(line.trim());
                recipe.body.push('\n');
            }
            continue;
        }
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            attributes.push_str(line);
            continue;
        }
        let header = header(line, number);
        open_quote = ["'''", "\"\"\"", "```"].into_iter().find(|quote| line.matches(quote).count() % 2 == 1);
        is_in_recipe = false;
        if let Some(recipe) = header.filter(|_| is_for_us(&attributes)) {
            recipes.push(recipe);
            is_in_recipe = true;
        }
        attributes.clear();
    }
    recipes
}

/// Whether the attributes before a recipe let it run here and alone.
fn is_for_us(attributes: &str) -> bool {
    let has = |name: &str| attributes.split(['[', ']', ',', '(', ' ']).any(|word| word == name);
    let is_elsewhere = ["windows", "macos", "openbsd"].iter().any(|name| has(name)) && !has("unix") && !has("linux");
    !is_elsewhere && !has("private") && !has("confirm")
}

/// Reads `@name parameters: prerequisites`; `None` for anything else, and when a parameter must be given.
fn header(line: &str, number: u32) -> Option<Target> {
    let line = line.strip_prefix('@').unwrap_or(line);
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')?;
    let (name, rest) = line.split_at_checked(end)?;
    let (parameters, behind) = split_at_colon(rest)?;
    if name.is_empty() || name.starts_with('_') || behind.starts_with('=') {
        return None;
    }
    let is_required = |word: &str| !word.starts_with('*') && !word.contains('=');
    if without_quoted(parameters).split_whitespace().any(is_required) {
        return None;
    }
    let behind = behind.split('#').next().unwrap_or_default();
    let is_name = |word: &&str| !word.is_empty() && *word != "&&";
    let words = behind.split(|c: char| c.is_whitespace() || c == '(' || c == ')').filter(is_name);
    Some(Target {
        name: name.to_owned(),
        line: number,
        prerequisites: words.map(str::to_owned).collect(),
        body: String::new(),
    })
}

/// Splits at the first colon outside of quotes.
fn split_at_colon(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ':') => return Some((text.get(..index)?, text.get(index + 1..)?)),
            _ => {}
        }
    }
    None
}

/// Replaces each quoted text by `_` and takes the spaces around `=` away, so that every parameter is one word.
fn without_quoted(text: &str) -> String {
    let mut quote = None;
    let mut kept = String::new();
    for c in text.chars() {
        match (quote, c) {
            (None, '\'' | '"' | '`') => {
                quote = Some(c);
                kept.push('_');
            }
            (Some(open), c) if c == open => quote = None,
            (None, c) => kept.push(c),
            _ => {}
        }
    }
    kept.split('=').map(str::trim).collect::<Vec<_>>().join("=")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |t: &Target| format!("{}:{} <{}> {}", t.line, t.name, t.prerequisites.join(" "), t.body.trim());
        parse(text).iter().map(show).collect()
    }

    #[test]
    fn recipes_are_told_from_the_rest() {
        let text = "set shell := ['bash', '-c']\nalias t := test\nversion := 'a: b'\nexport X := \"1\"\nimport 'x.just'\n\
                    # a comment: here\n@check: fmt (lint 'all') && done # why: x\n    cargo clippy\n\n    cargo test\n\
                    test *args:\n    cargo test {{args}}\n";
        assert_eq!(
            shown(text),
            ["7:check <fmt lint 'all' done> cargo clippy\ncargo test", "11:test <> cargo test {{args}}"]
        );
    }

    #[test]
    fn only_what_can_be_run_unattended_counts() {
        let text = "test name:\n  x\nlint +files:\n  x\nbuild mode='debug' *rest:\n  x\ntests x=\"a b\":\n  x\n\
                    [confirm]\ncheck:\n  x\n[windows]\nclippy:\n  x\n[unix, no-cd]\ntypecheck:\n  x\n\
                    [private]\n_hidden:\n  x\n";
        assert_eq!(shown(text), ["5:build <> x", "7:tests <> x", "16:typecheck <> x"]);
    }

    #[test]
    fn long_texts_hold_no_recipes() {
        let text = "help := '''\ntest:\n  x\n'''\nlint:\n  y\n";
        assert_eq!(shown(text), ["5:lint <> y"]);
        assert_eq!(shown("help := '''\ntest:\n"), Vec::<String>::new());
        assert_eq!(shown(":\n@\n[\n'\n"), Vec::<String>::new());
    }
}
