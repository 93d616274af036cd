//! `autodev checks`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::screen;
use crate::detect::{self, Detected, Detection};
use crate::sys;
use crate::view::Style;
use crate::view::table::{self, Cell};
use crate::view::text::one_line;

const NOTES: &str = "\
Only files are read: Cargo.toml, package.json, pyproject.toml, go.mod, pom.xml, build.gradle,
CMakeLists.txt, *.sln, Makefile, justfile and the like. What comes first is preferred: the
directory before its subdirectories, a justfile or Makefile of the project before any convention.
MISSING names programs that are not on PATH. The exit code is 0 also when nothing is found.

Examples:
  autodev checks                    the project in this directory
  autodev checks ../other --json    for programs, see docs/files.md";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct ChecksArguments {
    /// Directory to look at (default: the current one)
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Print JSON: {"commands": [{"kind", "run", "working_directory", ...}], "defaults", "remarks"}
    #[arg(long)]
    json: bool,
}

pub(super) fn main(arguments: &ChecksArguments) -> Result<i32> {
    let directory = arguments.directory.as_deref().unwrap_or(Path::new("."));
    if !directory.is_dir() {
        bail!("look at {}: there is no such directory", directory.display());
    }
    let detected = detect::detect(directory, sys::env::raw("PATH").as_deref());
    if arguments.json {
        screen::print_json(&as_json(&detected));
    } else {
        screen::print(&text(&detected, &screen::style()));
    }
    Ok(0)
}

fn as_json(detected: &Detected) -> Value {
    let command = |c: &Detection| {
        json!({
            "kind": c.kind.as_str(),
            "ecosystem": c.ecosystem.as_str(),
            "run": c.run,
            "working_directory": c.directory,
            "file": c.file,
            "line": c.line,
            "missing": c.missing,
        })
    };
    let commands: Vec<Value> = detected.commands.iter().map(command).collect();
    json!({ "commands": commands, "defaults": detected.defaults(), "remarks": detected.remarks })
}

/// The table, what to write into autodev.toml, and the remarks.
fn text(detected: &Detected, style: &Style) -> String {
    let nothing = || String::from("No checks found\n");
    let mut page = if detected.commands.is_empty() { nothing() } else { rows(&detected.commands, style) };
    for remark in &detected.remarks {
        page.extend([format!("remark: {}\n", one_line(remark))]);
    }
    let defaults = detected.defaults();
    if defaults.is_empty() {
        page.push_str(
            "\nNothing here can be proposed as the test of every task. Name what proves a task done in\n\
             [verification].validate_commands of autodev.toml, or in the task's own verification.\n",
        );
    } else {
        // A list of texts is written alike in JSON and TOML.
        let list = json!(defaults);
        page.push_str("\nFor tasks without checks of their own, in autodev.toml:\n\n    [verification]\n");
        page.extend([format!("    validate_commands = {list}\n")]);
    }
    page
}

/// Columns that would say the same in every row are left out.
fn rows(commands: &[Detection], style: &Style) -> String {
    let has_directories = commands.iter().any(|c| c.directory != ".");
    let has_missing = commands.iter().any(|c| !c.is_runnable());
    let mut header = vec!["KIND", "COMMAND"];
    header.extend(Some("IN").filter(|_| has_directories));
    header.push("FROM");
    header.extend(Some("MISSING").filter(|_| has_missing));
    let row = |c: &Detection| {
        let mut cells = vec![Cell::from(c.kind.as_str()), Cell::from(&c.run)];
        cells.extend(Some(Cell::from(&c.directory)).filter(|_| has_directories));
        cells.push(Cell::from(format!("{}:{}", c.file, c.line)));
        cells.extend(Some(Cell::from(c.missing.join(", "))).filter(|_| has_missing));
        cells
    };
    table::render(&header, &commands.iter().map(row).collect::<Vec<_>>(), style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Ecosystem, Kind};
    use crate::view::text::width;

    fn detection(run: &str, directory: &str, missing: &[&str]) -> Detection {
        Detection {
            kind: Kind::Test,
            ecosystem: Ecosystem::CMake,
            run: run.to_owned(),
            directory: directory.to_owned(),
            file: "some/rather/long/path/CMakeLists.txt".to_owned(),
            line: 7,
            missing: missing.iter().map(|program| (*program).to_owned()).collect(),
        }
    }

    #[test]
    fn a_table_fits_into_80_columns_and_the_proposal_is_whole() {
        let run = "ctest --build-and-test . build --build-generator 'Unix Makefiles' --test-command ctest";
        let commands = vec![detection(run, ".", &[]), detection(run, "some/where/else", &["ctest", "cmake"])];
        let detected = Detected { commands, remarks: vec!["a\nb".to_owned()] };
        let page = text(&detected, &Style { columns: Some(80), ..Style::plain() });
        let (table, rest) = page.split_once("\nFor tasks").unwrap();
        assert!(table.lines().all(|line| width(line) <= 80), "{table}");
        assert!(table.contains("remark: a b\n") && table.contains("ctest, cmake"), "{table}");
        assert!(rest.contains(&format!("validate_commands = [\"{run}\"]\n")), "{rest}");
    }

    #[test]
    fn columns_without_content_are_left_out() {
        let detected = Detected { commands: vec![detection("make test", ".", &[])], remarks: vec![] };
        let page = text(&detected, &Style::plain());
        assert!(page.starts_with("KIND  COMMAND    FROM\n"), "{page}");
        let page = text(&Detected::default(), &Style::plain());
        assert!(page.starts_with("No checks found\n") && page.contains("[verification].validate_commands"), "{page}");
    }
}
