//! One directory as one ecosystem looks at it, and what it finds there.

use super::command::{Detection, Ecosystem, Kind};
use super::tree::{Text, Tree};

/// The directory, and what was found.
pub(super) struct Site<'a> {
    tree: &'a Tree,
    directory: String,
    ecosystem: Ecosystem,
    commands: Vec<Detection>,
    remarks: Vec<String>,
}

impl<'a> Site<'a> {
    /// A site in a directory, `.` or a path from the root of the tree.
    pub(super) fn new(tree: &'a Tree, directory: &str, ecosystem: Ecosystem) -> Self {
        Self { tree, directory: directory.to_owned(), ecosystem, commands: Vec::new(), remarks: Vec::new() }
    }

    /// Whether this is the directory that the whole search is about.
    pub(super) fn is_root(&self) -> bool {
        self.directory == "."
    }

    /// A path from the root of the tree, for a path from here.
    pub(super) fn path(&self, name: &str) -> String {
        join(&self.directory, name)
    }

    /// Reads a file; one that is there and cannot be used gives a remark.
    pub(super) fn read(&mut self, name: &str) -> Option<String> {
        match self.tree.read(&self.path(name)) {
            Text::Here(text) => Some(text),
            Text::Absent => None,
            Text::Unusable(why) => {
                self.remark(name, &why);
                None
            }
        }
    }

    /// Reads the first of some files that can be used.
    pub(super) fn read_first(&mut self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, self.read(name)?)))
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tree.has_file(&self.path(name))
    }

    /// Whether there is such a directory.
    pub(super) fn has_dir(&self, name: &str) -> bool {
        self.tree.has_dir(&self.path(name))
    }

    /// Whether there is anything by that name, of whatever kind.
    pub(super) fn has_any(&self, name: &str) -> bool {
        self.has(name) || self.has_dir(name)
    }

    /// The names in a directory, `.` for this one, sorted.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        self.tree.names(&self.path(name))
    }

    /// Whether a program would be found by a command that runs here.
    pub(super) fn has_program(&self, program: &str) -> bool {
        self.tree.has_program(program, &self.directory)
    }

    /// Adds a command that runs here and needs `programs`.
    pub(super) fn add(&mut self, kind: Kind, run: &str, programs: &[&str], from: (&str, u32)) {
        self.add_in(".", kind, run, programs, from);
    }

    /// Adds a command that runs in a directory below this one; the file is still named from here. Names with control
    /// characters are no names that anybody gives; what would show one is left out.
    pub(super) fn add_in(&mut self, below: &str, kind: Kind, run: &str, programs: &[&str], from: (&str, u32)) {
        let directory = self.path(below);
        let is_missing = |program: &&&str| !self.tree.has_program(program, &directory);
        let missing = programs.iter().filter(is_missing).map(|program| (*program).to_owned()).collect();
        let (run, file, ecosystem) = (run.to_owned(), self.path(from.0), self.ecosystem);
        if [&run, &file, &directory].iter().any(|text| text.chars().any(char::is_control)) {
            return;
        }
        self.commands.push(Detection { kind, ecosystem, run, directory, file, line: from.1, missing });
    }

    /// Adds a remark about a file. Line breaks become spaces.
    pub(super) fn remark(&mut self, name: &str, text: &str) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.remarks.push(format!("{}: {text}", self.path(name)));
    }

    /// What was found.
    pub(super) fn into_parts(self) -> (Vec<Detection>, Vec<String>) {
        (self.commands, self.remarks)
    }
}

fn join(directory: &str, name: &str) -> String {
    match (directory, name) {
        (".", name) => name.to_owned(),
        (directory, ".") => directory.to_owned(),
        (directory, name) => format!("{directory}/{name}"),
    }
}

/// Quotes a text from a file as one word of a command line; `None` when it cannot be one.
pub(super) fn word(text: &str) -> Option<String> {
    // A line break is legal in quotes, but a command line with one is not readable in any table.
    if text.chars().any(char::is_control) {
        return None;
    }
    shlex::try_quote(text).ok().map(std::borrow::Cow::into_owned)
}
