//! Reads the rules of a Makefile. Nothing is expanded: targets whose names hold variables or patterns are left out,
//! conditionals are read as if all of their branches held, and included files are not read.

use std::collections::BTreeSet;

use super::target::Target;

/// The rules of a Makefile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Makefile {
    /// Targets with literal names, in order of their first rule; several rules for one are joined.
    pub(super) targets: Vec<Target>,
    /// What `.PHONY` names.
    pub(super) phony: BTreeSet<String>,
    /// The first line says that CMake has written it.
    pub(super) is_made_by_cmake: bool,
}

impl Makefile {
    /// Whether the commands of a target run even when a file of that name exists.
    pub(super) fn is_always_made(&self, target: &Target) -> bool {
        let is_phony = |name: &String| self.phony.contains(name) || name == "FORCE";
        is_phony(&target.name) || target.prerequisites.iter().any(is_phony)
    }

    fn target(&mut self, name: &str, line: u32) -> &mut Target {
        let index = self.targets.iter().position(|target| target.name == name).unwrap_or_else(|| {
            self.targets.push(Target { name: name.to_owned(), line, ..Target::default() });
            self.targets.len() - 1
        });
        &mut self.targets[index]
    }
}

/// Reads a Makefile.
pub(super) fn parse(text: &str) -> Makefile {
    let mut makefile = Makefile {
        is_made_by_cmake: text.lines().next().is_some_and(|line| line.starts_with("# CMAKE generated file")),
        ..Makefile::default()
    };
    let mut current: Vec<String> = Vec::new();
    let mut is_in_define = false;
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let mut whole = line.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            let Some((_, next)) = lines.next() else { break };
            whole.push(' ');
            whole.push_str(next);
        }
        if is_in_define {
            is_in_define = whole.split_whitespace().next() != Some("endef");
        } else if whole.starts_with('\t') && !current.is_empty() {
            push_body(&mut makefile, &current, &whole);
        } else {
            let whole = without_comment(&whole);
            match whole.split_whitespace().next() {
                // An empty line, a comment or a conditional may stand between the commands of a rule.
                None | Some("ifeq" | "ifneq" | "ifdef" | "ifndef" | "else" | "endif") => {}
                Some("define") => is_in_define = true,
                Some(_) => current = rule(&mut makefile, whole, number),
            }
        }
    }
    makefile
}

/// Takes a line that begins neither with a tab nor with a conditional; returns the targets whose commands follow.
fn rule(makefile: &mut Makefile, line: &str, number: u32) -> Vec<String> {
    let Some((names, rest)) = split_rule(line) else { return Vec::new() };
    let (rest, command) = rest.split_once(';').unwrap_or((rest, ""));
    // Of a static pattern rule (`a b: %: %.c`) only what follows the second colon is a prerequisite.
    let rest = split_rule(rest).map_or(rest, |(_, behind)| behind);
    let prerequisites: Vec<String> = rest.split_whitespace().filter(|word| *word != "|").map(str::to_owned).collect();
    let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
    if names.iter().any(|name| name == ".PHONY") {
        makefile.phony.extend(prerequisites);
        return Vec::new();
    }
    let literal: Vec<String> = names.into_iter().filter(|name| !name.contains(['%', '$', '('])).collect();
    for name in &literal {
        makefile.target(name, number).prerequisites.extend(prerequisites.iter().cloned());
    }
    push_body(makefile, &literal, command);
    literal
}

fn push_body(makefile: &mut Makefile, names: &[String], command: &str) {
    if command.trim().is_empty() {
        return;
    }
    for target in makefile.targets.iter_mut().filter(|target| names.contains(&target.name)) {
        target.body.push_str(command.trim());
        target.body.push('\n');
    }
}

/// Splits `a b: c` at the colon of a rule; `None` for an assignment, also one for a target only (`a: CFLAGS = -g`), and
/// for anything else.
fn split_rule(line: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut colon = None;
    for (index, c) in line.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => break,
            '=' if depth == 0 => return None,
            ':' if depth == 0 && colon.is_none() => colon = Some(index),
            _ => {}
        }
    }
    let (names, rest) = line.split_at_checked(colon?)?;
    Some((names.trim_end_matches('&'), rest.trim_start_matches(':')))
}

fn without_comment(line: &str) -> &str {
    let is_comment = |(index, _): &(usize, &str)| !line.get(..*index).is_some_and(|before| before.ends_with('\\'));
    line.match_indices('#').find(is_comment).map_or(line, |(index, _)| line.get(..index).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let makefile = parse(text);
        let show = |t: &Target| format!("{}:{} <{}> {}", t.line, t.name, t.prerequisites.join(" "), t.body.trim());
        makefile.targets.iter().map(show).collect()
    }

    #[test]
    fn rules_are_told_from_assignments() {
        let text = "A = b: c\nB := x:y\nC ::= 1\nD ?= 1\nE += a:b\nF != echo a:b\n\
                    test: CFLAGS = -g\ntest: build | dir ; ./t1\n\t./t2\nbuild all:: $(OBJ:.c=.o)\n\tcc\n";
        assert_eq!(
            shown(text),
            ["8:test <build dir> ./t1\n./t2", "10:build <$(OBJ:.c=.o)> cc", "10:all <$(OBJ:.c=.o)> cc"]
        );
    }

    #[test]
    fn lines_are_joined_and_comments_left_out() {
        let text =
            "test: a \\\n  b # not: this\n# nor: this\n\techo '# a body' \\\n\t  more\n\nifdef X\n\tagain\nendif\n";
        assert_eq!(shown(text), ["1:test <a b> echo '# a body'  \t  more\nagain"]);
    }

    #[test]
    fn patterns_variables_and_definitions_are_no_targets() {
        let text = "%.o: %.c\n\tcc\n$(X): y\n\tz\ndefine T\ntest:\n\tx\nendef\na.o b.o: %.o: %.c\n\tcc\ninclude x.mk\n";
        assert_eq!(shown(text), ["9:a.o <%.c> cc", "9:b.o <%.c> cc"]);
    }

    #[test]
    fn phony_targets_and_those_that_depend_on_one_are_always_made() {
        let makefile = parse(".PHONY: test \\\n lint\ntest:\n\tx\ncheck: test\nold: file\n\tx\nnothing:\n");
        let always: Vec<bool> = makefile.targets.iter().map(|target| makefile.is_always_made(target)).collect();
        assert_eq!(always, [true, true, false, false]);
        let empty: Vec<bool> = makefile.targets.iter().map(Target::is_empty).collect();
        assert_eq!(empty, [false, false, false, true]);
        assert!(makefile.phony.contains("lint"));
    }

    #[test]
    fn a_tab_without_a_rule_and_a_cut_off_line_are_survived() {
        assert_eq!(shown("\ttest: a\n"), ["1:test <a> "], "before the first rule a tab means nothing");
        assert_eq!(shown("test: a\\"), ["1:test <a> "]);
        assert_eq!(shown(":\n::\n=\n;\n\\"), Vec::<String>::new());
        assert!(parse("# CMAKE generated file: DO NOT EDIT!\n").is_made_by_cmake);
    }
}
