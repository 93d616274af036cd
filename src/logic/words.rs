//! Splits a validation command into words the way a POSIX shell does, without any shell.
//!
//! Whatever a shell would do beyond splitting (operators, substitution, globs, assignments, comments) is refused with
//! a message that shows what to write instead: passed on literally it would make a check that tests something else
//! than its author meant. Quoted or escaped, all of it is plain text. Inside double quotes `$NAME` is plain text too,
//! because `bash -c "... $NAME ..."` is how shell code is written in hand-made queues.
//!
//! Invariant: an accepted line has exactly the words that the `shlex` crate and `sh` find in it.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Value, json};

/// A command line in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Name or path of the program. Never empty unless written as an explicit empty word.
    pub program: String,
    /// The rest.
    pub args: Vec<String>,
}

/// Why a command line is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Nothing but white space.
    #[error("the command is empty")]
    Empty,
    /// A quote is not closed, or the line ends in a backslash.
    #[error("unbalanced {what} in {line}: close or escape it")]
    Unbalanced {
        /// `single quotes`, `double quotes` or `backslash`.
        what: &'static str,
        /// The quoted command line.
        line: String,
    },
    /// A NUL character, which no program can be given.
    #[error("the command contains a NUL character")]
    Nul,
    /// Something that only a shell understands.
    #[error("{what} in {line}: commands run without a shell; {advice}")]
    NeedsShell {
        /// What was found, for example `shell operator "&&"`.
        what: String,
        /// The quoted command line.
        line: String,
        /// What to write instead.
        advice: String,
    },
}

/// Splits a command line.
///
/// # Errors
/// When it is empty, unbalanced, or needs a shell; the message shows what to write instead.
pub fn split(line: &str) -> Result<Words, WordError> {
    if line.contains('\0') {
        return Err(WordError::Nul);
    }
    let mut scan = Scan { line, chars: line.chars().peekable(), words: Vec::new() };
    while scan.next_word()? {}
    let words = scan.words;
    refuse_assignments(line, &words)?;
    let mut words = words.into_iter();
    let Some(program) = words.next() else { return Err(WordError::Empty) };
    if program.is_bare && matches!(program.text.as_str(), "!" | "{") || program.starts_with_parenthesis {
        return Err(needs_shell(line, format!("shell syntax {}", quoted(&program.text)), String::new()));
    }
    Ok(Words { program: program.text, args: words.map(|word| word.text).collect() })
}

/// Whether a program of this name exists in shells only (or only there does what its name says): what people write who
/// think that a shell reads it.
pub fn is_shell_word(program: &str) -> bool {
    const SHELL_WORDS: [&str; 14] = [
        "cd", "source", ".", "export", "set", "unset", "alias", "eval", "exec", "ulimit", "if", "for", "while", "case",
    ];
    SHELL_WORDS.contains(&program)
}

/// Returns the object form of a command that a shell runs, as text to copy into task.json.
pub fn shell_form(line: &str) -> String {
    format!("{{\"run\": {}, \"shell\": true}}", quoted(line))
}

struct Word {
    text: String,
    /// No part of it was quoted or escaped.
    is_bare: bool,
    starts_with_parenthesis: bool,
    /// Length of the name when the word reads `NAME=...` with the name and the sign unquoted.
    assigned_name: Option<usize>,
}

struct Scan<'a> {
    line: &'a str,
    chars: Peekable<Chars<'a>>,
    words: Vec<Word>,
}

impl Scan<'_> {
    /// Reads one word; false at the end of the line.
    fn next_word(&mut self) -> Result<bool, WordError> {
        let Some(first) = self.skip_blanks()? else { return Ok(false) };
        if first == '#' {
            let advice = "quote it to pass it on, or leave the comment out".to_owned();
            return Err(WordError::NeedsShell { what: "comment".to_owned(), line: quoted(self.line), advice });
        }
        let mut word =
            Word { text: String::new(), is_bare: true, starts_with_parenthesis: first == '(', assigned_name: None };
        while let Some(&c) = self.chars.peek() {
            if is_blank(c) {
                break;
            }
            self.chars.next();
            self.take(c, &mut word)?;
        }
        if word.is_bare && (word.text == "~" || word.text.starts_with("~/")) {
            let advice = "write the path in full".to_owned();
            return Err(needs_shell(self.line, format!("home directory {}", quoted(&word.text)), advice));
        }
        self.words.push(word);
        Ok(true)
    }

    /// Skips white space and returns the next character. A line break between two words would separate two commands.
    fn skip_blanks(&mut self) -> Result<Option<char>, WordError> {
        while let Some(&c) = self.chars.peek() {
            match c {
                '\n' if !self.words.is_empty() && self.chars.clone().any(|c| !is_blank(c)) => {
                    let advice = "make it two commands".to_owned();
                    return Err(needs_shell(self.line, "line break".to_owned(), advice));
                }
                c if is_blank(c) => {
                    self.chars.next();
                }
                c => return Ok(Some(c)),
            }
        }
        Ok(None)
    }

    /// Takes one unquoted character and what belongs to it.
    fn take(&mut self, c: char, word: &mut Word) -> Result<(), WordError> {
        match c {
            '\'' => self.single_quotes(word),
            '"' => self.double_quotes(word),
            '\\' => self.escape(word),
            '|' | ';' | '&' | '<' | '>' => Err(self.operator(c, &word.text)),
            '`' => Err(self.substitution("`")),
            '$' => self.dollar(word),
            '*' => {
                word.text.push('*');
                self.rest_of_word(word);
                let advice = "quote it to pass it on as it is".to_owned();
                Err(needs_shell(self.line, format!("file name pattern {}", quoted(&word.text)), advice))
            }
            '=' => {
                if word.is_bare && word.assigned_name.is_none() && is_name(&word.text) {
                    word.assigned_name = Some(word.text.len());
                }
                word.text.push('=');
                Ok(())
            }
            c => {
                word.text.push(c);
                Ok(())
            }
        }
    }

    fn single_quotes(&mut self, word: &mut Word) -> Result<(), WordError> {
        word.is_bare = false;
        for c in self.chars.by_ref() {
            if c == '\'' {
                return Ok(());
            }
            word.text.push(c);
        }
        Err(self.unbalanced("single quotes"))
    }

    fn double_quotes(&mut self, word: &mut Word) -> Result<(), WordError> {
        word.is_bare = false;
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return Ok(()),
                '\\' => match self.chars.next() {
                    Some(c @ ('$' | '`' | '"' | '\\')) => word.text.push(c),
                    Some('\n') => {}
                    Some(c) => word.text.extend(['\\', c]),
                    None => return Err(self.unbalanced("double quotes")),
                },
                '`' => return Err(self.substitution("`")),
                '$' if self.chars.peek() == Some(&'(') => return Err(self.substitution("$(")),
                c => word.text.push(c),
            }
        }
        Err(self.unbalanced("double quotes"))
    }

    fn escape(&mut self, word: &mut Word) -> Result<(), WordError> {
        word.is_bare = false;
        match self.chars.next() {
            Some('\n') => {}
            Some(c) => word.text.push(c),
            None => return Err(self.unbalanced("backslash")),
        }
        Ok(())
    }

    /// `$(`, `${` and `$NAME` would be replaced by a shell; any other dollar is text (`^a$`, `$.a.b`, `$1`).
    fn dollar(&mut self, word: &mut Word) -> Result<(), WordError> {
        match self.chars.peek().copied() {
            Some('(') => Err(self.substitution("$(")),
            Some(c) if c == '{' || c == '_' || c.is_ascii_alphabetic() => {
                let is_variable = |c: char| c == '_' || c == '{' || c == '}' || c.is_ascii_alphanumeric();
                let mut name = "$".to_owned();
                while let Some(c) = self.chars.next_if(|c| is_variable(*c)) {
                    name.push(c);
                }
                let advice = "put it in single quotes to pass it on as it is".to_owned();
                Err(needs_shell(self.line, format!("variable {}", quoted(&name)), advice))
            }
            _ => {
                word.text.push('$');
                Ok(())
            }
        }
    }

    fn rest_of_word(&mut self, word: &mut Word) {
        while let Some(c) = self.chars.next_if(|c| !is_blank(*c)) {
            word.text.push(c);
        }
    }

    fn operator(&mut self, first: char, before: &str) -> WordError {
        let mut text = first.to_string();
        while let Some(c) = self.chars.next_if(|c| matches!(c, '|' | ';' | '&' | '<' | '>')) {
            text.push(c);
        }
        let is_redirection = text.contains(['<', '>']);
        if is_redirection {
            if !before.is_empty() && before.bytes().all(|b| b.is_ascii_digit()) {
                text.insert_str(0, before);
            }
            while let Some(c) = self.chars.next_if(|c| text.ends_with(['&', '0', '1', '2']) && c.is_ascii_digit()) {
                text.push(c);
            }
        }
        let advice = match text.as_str() {
            "2>&1" => "both streams are recorded anyway, leave it out",
            "&&" | ";" => "split it into two commands",
            _ => "quote it to pass it on as it is",
        };
        needs_shell(self.line, format!("shell operator {}", quoted(&text)), advice.to_owned())
    }

    fn substitution(&self, what: &str) -> WordError {
        let advice = "put it in single quotes to pass it on as it is".to_owned();
        needs_shell(self.line, format!("command substitution {}", quoted(what)), advice)
    }

    fn unbalanced(&self, what: &'static str) -> WordError {
        WordError::Unbalanced { what, line: quoted(self.line) }
    }
}

/// Refuses `NAME=value program ...`.
fn refuse_assignments(line: &str, words: &[Word]) -> Result<(), WordError> {
    let assigned: Vec<(&str, &str)> = words
        .iter()
        .map_while(|word| {
            let (name, value) = word.text.split_at(word.assigned_name?);
            Some((name, value.strip_prefix('=')?))
        })
        .collect();
    let Some((first, _)) = assigned.first() else { return Ok(()) };
    let what = format!("assignment of {}", quoted(first));
    let rest: Vec<&str> = words.iter().skip(assigned.len()).map(|word| word.text.as_str()).collect();
    // Quoting cannot fail: there is no NUL in the line.
    let Ok(rest) = shlex::try_join(rest) else { return Err(WordError::Nul) };
    if rest.is_empty() {
        let advice = "there is no program to run".to_owned();
        return Err(WordError::NeedsShell { what, line: quoted(line), advice });
    }
    let environment: serde_json::Map<String, Value> =
        assigned.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let advice = format!("write {{\"run\": {}, \"environment\": {}}}", quoted(&rest), Value::Object(environment));
    Err(WordError::NeedsShell { what, line: quoted(line), advice })
}

fn needs_shell(line: &str, what: String, mut advice: String) -> WordError {
    if !advice.is_empty() {
        advice.push_str(" or ");
    }
    advice.push_str("write ");
    advice.push_str(&shell_form(line));
    WordError::NeedsShell { what, line: quoted(line), advice }
}

/// Shows a text as a JSON string, on one line; a very long one shortened.
fn quoted(text: &str) -> String {
    // 300: longer commands than this are not retyped from a message.
    match text.char_indices().nth(300) {
        Some((cut, _)) => json!(format!("{}...", text.get(..cut).unwrap_or_default())).to_string(),
        None => json!(text).to_string(),
    }
}

/// What separates words: exactly the characters that `sh` and `shlex` take for it.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        let Words { program, args } = split(line).unwrap();
        std::iter::once(program).chain(args).collect()
    }

    fn refusal(line: &str) -> String {
        split(line).expect_err(line).to_string()
    }

    #[test]
    fn plain_and_quoted_words_are_accepted() {
        let table: &[(&str, &[&str])] = &[
            ("cargo test --lib", &["cargo", "test", "--lib"]),
            ("  test   -f\tx ", &["test", "-f", "x"]),
            ("grep 'a|b' \"c && d\" e\\;f", &["grep", "a|b", "c && d", "e;f"]),
            ("find . -name '*.py' -exec cat {} \\;", &["find", ".", "-name", "*.py", "-exec", "cat", "{}", ";"]),
            ("grep ^a$ $.a.b[0] $1", &["grep", "^a$", "$.a.b[0]", "$1"]),
            ("bash -c \"for i in a b; do echo $i; done\"", &["bash", "-c", "for i in a b; do echo $i; done"]),
            ("echo '$(x)' '`y`' \\$z", &["echo", "$(x)", "`y`", "$z"]),
            ("pytest tests/a.py::test[x-1]", &["pytest", "tests/a.py::test[x-1]"]),
            ("python3 -c print(1)", &["python3", "-c", "print(1)"]),
            ("curl http://h/?q", &["curl", "http://h/?q"]),
            ("env A=1 cmd B=2", &["env", "A=1", "cmd", "B=2"]),
            ("a\\\nb 'c\nd' ''", &["ab", "c\nd", ""]),
            ("x#y '#z'", &["x#y", "#z"]),
            ("git diff HEAD~1 a~/b", &["git", "diff", "HEAD~1", "a~/b"]),
            ("echo \"\\$x \\q \\\\ \\\" \\\n.\"", &["echo", "$x \\q \\ \" ."]),
            ("cargo test\n", &["cargo", "test"]),
            ("test -d a\\ ", &["test", "-d", "a "]),
            ("grüße 'ü'", &["grüße", "ü"]),
        ];
        for (line, expected) in table {
            assert_eq!(words(line), *expected, "{line}");
        }
    }

    #[test]
    fn operators_are_refused_in_any_position() {
        for (line, operator) in [
            ("a && b", "&&"),
            ("a&&b", "&&"),
            ("a || b", "||"),
            ("a|b", "|"),
            ("cmd;", ";"),
            ("a ; b", ";"),
            ("sleep 9 &", "&"),
            ("a<b", "<"),
            ("a >out", ">"),
            ("a >>out", ">>"),
            ("pytest 2>&1", "2>&1"),
            ("pytest 2>/dev/null", "2>"),
            ("a &>x", "&>"),
            ("'quoted' x&", "&"),
        ] {
            let text = refusal(line);
            assert!(text.starts_with(&format!("shell operator \"{operator}\" in ")), "{line}: {text}");
            assert!(text.contains(&format!("write {{\"run\": {}, \"shell\": true}}", json!(line))), "{line}: {text}");
        }
    }

    #[test]
    fn the_message_shows_the_alternative() {
        assert_eq!(
            refusal("a && b"),
            "shell operator \"&&\" in \"a && b\": commands run without a shell; \
             split it into two commands or write {\"run\": \"a && b\", \"shell\": true}"
        );
        assert_eq!(
            refusal("X=1 Y='a b' cmd 'p q'"),
            "assignment of \"X\" in \"X=1 Y='a b' cmd 'p q'\": commands run without a shell; \
             write {\"run\": \"cmd 'p q'\", \"environment\": {\"X\":\"1\",\"Y\":\"a b\"}}"
        );
        assert!(refusal("pytest 2>&1").contains("leave it out"));
        assert!(refusal("X=1").contains("no program"));
    }

    #[test]
    fn what_a_shell_would_replace_is_refused() {
        for (line, what) in [
            ("echo $(pwd)", "command substitution \"$(\""),
            ("echo \"$(pwd)\"", "command substitution"),
            ("echo `pwd`", "command substitution \"`\""),
            ("echo \"`pwd`\"", "command substitution"),
            ("test -f $HOME/x", "variable \"$HOME\""),
            ("test -f a${B}c", "variable \"${B}"),
            ("ls *.c", "file name pattern \"*.c\""),
            ("ls src/*.c", "file name pattern \"src/*.c\""),
            ("~/bin/tool", "home directory"),
            ("! grep x y", "shell syntax \"!\""),
            ("(make)", "shell syntax"),
            ("make # all", "comment"),
            ("make\ntest", "line break"),
        ] {
            let text = refusal(line);
            assert!(text.starts_with(what), "{line}: {text}");
        }
    }

    #[test]
    fn broken_lines_are_refused() {
        assert_eq!(split(" \n "), Err(WordError::Empty));
        assert_eq!(split(""), Err(WordError::Empty));
        assert_eq!(split("a\0b"), Err(WordError::Nul));
        for line in ["a 'b", "a \"b", "a \\", "\"a\\"] {
            assert!(matches!(split(line), Err(WordError::Unbalanced { .. })), "{line}");
        }
        let long = format!("a && {}", "x".repeat(100_000));
        assert!(refusal(&long).len() < 2_000);
    }

    proptest! {
        #[test]
        fn accepted_lines_have_the_words_of_shlex(
            line in prop_oneof![
                r#"([a-z=.$]|[ '"\\\t\n]|[a-z ']|\PC){0,24}"#,
                r#"([a-z ]|[ '"\\\n$|;&<>*~\#!(){}`]){0,24}"#,
                r#"("([a$ |\n]|\\[a$"`\n\\]){0,4}"|'[a$\\"`\n]{0,4}'|[a .]|\\[a$ '"\n\\]){0,8}"#,
            ],
        ) {
            if let Ok(Words { program, args }) = split(&line) {
                let ours: Vec<String> = std::iter::once(program).chain(args).collect();
                prop_assert_eq!(Some(ours), shlex::split(&line));
            }
        }

        #[test]
        fn quoting_makes_any_text_one_word(text in "[^\0]{0,40}") {
            let line = format!("echo {}", shlex::try_quote(&text).unwrap());
            prop_assert_eq!(words(&line), vec!["echo".to_owned(), text]);
        }
    }
}
