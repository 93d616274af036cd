//! The commands that a plan states for all of its tasks, or for all tasks of a part of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::command::{announced, of_fence, of_item};
use super::finish::MAX_CHECKS;
use super::ids::{Numbers, leading};
use super::markdown::Outline;

/// What stands below headings such as `Validation Commands`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Checks {
    /// By the section in which they hold; 0 is the whole text.
    by_section: BTreeMap<usize, Vec<Value>>,
    /// The list items that are such commands, and hence no tasks.
    taken: BTreeSet<usize>,
}

impl Checks {
    pub(super) fn read(outline: &Outline) -> Self {
        let mut checks = Self::default();
        for section in &outline.sections {
            let Some(announced) = announced(&section.title) else { continue };
            let mut commands: Vec<Value> = section.fences.iter().flat_map(|fence| of_fence(fence, announced)).collect();
            for at in section.nodes.clone() {
                let Some(node) = outline.nodes.get(at) else { continue };
                commands.extend(node.fences.iter().flat_map(|fence| of_fence(fence, announced)));
                let command = of_item(&node.text, announced).filter(|_| leading(&node.text, Numbers::Free).is_none());
                checks.taken.extend(command.as_ref().map(|_| at));
                commands.extend(command);
            }
            // They hold where the section stands; below the title, or beside it, that is everywhere.
            let place = section.parent.filter(|at| outline.sections.get(*at).is_some_and(|parent| parent.level > 1));
            let known = checks.by_section.entry(place.unwrap_or_default()).or_default();
            // One more than allowed is enough to know that there are too many.
            known.extend(commands);
            known.truncate(MAX_CHECKS + 1);
        }
        checks
    }

    /// Whether a list item is a command for all.
    pub(super) fn has_taken(&self, node: usize) -> bool {
        self.taken.contains(&node)
    }

    /// Returns the commands that hold in a section, the nearest first.
    pub(super) fn of_section(&self, outline: &Outline, section: usize) -> Vec<Value> {
        let mut commands = Vec::new();
        let all = std::iter::once(0).filter(|_| section != 0);
        let places = outline.ancestry(section).map(|(at, _)| at).filter(|at| *at != 0 || section == 0).chain(all);
        for at in places {
            commands.extend(self.by_section.get(&at).into_iter().flatten().cloned());
        }
        commands
    }
}
