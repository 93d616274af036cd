//! How a project is built, tested and linted, found by reading its files.
//!
//! Nothing is ever started, not even `make -n`, and nothing is written. What is found are proposals: commands for
//! `[verification].validate_commands`, for a plan, for a person. Whether they pass is the gate's business.
//!
//! What is read is bounded: files up to 1 MiB, in the directory itself, in its direct subdirectories and in the members
//! that a workspace names. A link that leads out of the directory is not followed. A file that cannot be understood
//! gives a remark and never an error.
//!
//! Order of preference, best first, among commands of one kind:
//! 1. the directory itself before its subdirectories;
//! 2. what the project defines for the purpose (recipes of a justfile, then targets of a Makefile): whoever wrote
//!    `make check` knows which flags, services and suites the project needs, and any guess knows less;
//! 3. the ecosystems in the order of `ECOSYSTEMS`; within one of them what it is configured for before its convention.
//!
//! Invariant: every command can be run by the gate without a shell, and text from files is quoted in it, never spliced.

mod cargo;
mod cmake;
mod command;
mod dotnet;
mod go;
mod just;
mod jvm;
mod line;
mod make;
mod makefile;
mod node;
mod npm_package;
mod pyproject;
mod python;
mod site;
mod target;
mod tree;

use std::ffi::OsStr;
use std::path::Path;

pub use command::{Detected, Detection, Ecosystem, Kind};

use self::site::Site;
use self::tree::Tree;

/// Looks at one directory; says whether its ecosystem is at home there.
type Look = fn(&mut Site<'_>) -> bool;

/// In order of preference.
const ECOSYSTEMS: [(Ecosystem, Look); 10] = [
    (Ecosystem::Just, just::look),
    (Ecosystem::Make, make::look),
    (Ecosystem::Cargo, cargo::look),
    (Ecosystem::Node, node::look),
    (Ecosystem::Python, python::look),
    (Ecosystem::Go, go::look),
    (Ecosystem::Maven, jvm::look_for_maven),
    (Ecosystem::Gradle, jvm::look_for_gradle),
    (Ecosystem::CMake, cmake::look),
    (Ecosystem::Dotnet, dotnet::look),
];

/// Returns the commands that build, test and lint the project in `dir`, with `path_variable` as the `PATH` on which
/// their programs are looked up. An ecosystem that is not at home in `dir` is looked for in the direct subdirectories.
/// A directory that cannot be read gives a remark.
pub fn detect(dir: &Path, path_variable: Option<&OsStr>) -> Detected {
    let mut detected = Detected::default();
    let tree = match Tree::open(dir, path_variable) {
        Ok(tree) => tree,
        Err(error) => {
            detected.remarks.push(error.to_string());
            return detected;
        }
    };
    let (subdirectories, is_complete) = tree.subdirectories();
    if !is_complete {
        let remark = format!("only the first {} subdirectories were looked at", subdirectories.len());
        detected.remarks.push(remark);
    }
    for (ecosystem, look) in ECOSYSTEMS {
        let mut site = Site::new(&tree, ".", ecosystem);
        let is_at_home = look(&mut site);
        detected.take(site);
        if is_at_home {
            continue;
        }
        for name in &subdirectories {
            let mut site = Site::new(&tree, name, ecosystem);
            look(&mut site);
            detected.take(site);
        }
    }
    detected.sort();
    detected
}

#[cfg(test)]
mod tests;
