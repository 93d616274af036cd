//! Makefiles: the targets `check`, `test`, `lint`, `build` and the like.
//!
//! A target that make would find up to date without running anything is no check: it is left out, with a remark.

use super::command::Kind;
use super::makefile;
use super::site::Site;
use super::target::{self, CheckAlone, Target};

/// In the order in which make takes them.
const NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

pub(super) fn look(site: &mut Site<'_>) -> bool {
    let Some((file, text)) = site.read_first(&NAMES) else { return false };
    let makefile = makefile::parse(&text);
    if makefile.is_made_by_cmake {
        return false;
    }
    for (kind, target) in target::sort(&makefile.targets, CheckAlone::Tests) {
        let name = target.name.as_str();
        if target.is_empty() {
            site.remark(file, &format!("line {}: `{name}` has no commands; left out", target.line));
        } else if site.has_any(name) && !makefile.is_always_made(target) && !is_file(kind, target) {
            let remark = format!(
                "line {}: `make {name}` does nothing when it finds a file or directory {name} up to date; left out. \
                 Add `.PHONY: {name}`",
                target.line
            );
            site.remark(file, &remark);
        } else {
            site.add(kind, &format!("make {name}"), &["make"], (file, target.line));
        }
    }
    true
}

/// Whether a target may well be the file of its name: what a build makes from its prerequisites.
fn is_file(kind: Kind, target: &Target) -> bool {
    kind == Kind::Build && !target.prerequisites.is_empty()
}
