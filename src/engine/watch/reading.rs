//! What a plan file says: tasks, a draft, nothing yet, something for a model, or nothing that could be worked on.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::detect;
use crate::engine::import;
use crate::engine::project::Project;
use crate::logic::front_matter;
use crate::model::Digest;
use crate::plan::import::{self as formats, Defaults, Gap, ImportError, Matter};
use crate::plan::proposal;
use crate::plan::source;
use crate::sys;

/// What a text is.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    /// Nothing but blanks: somebody is about to write it.
    Blank,
    /// Not to be worked on yet.
    Draft {
        /// Its title.
        title: String,
    },
    /// Tasks that can be worked on as they are.
    Tasks(Content),
    /// It has to be planned by a model first; why, for people.
    Ask {
        /// Its front matter and title; it has no items.
        content: Content,
        /// Why.
        reasons: Vec<String>,
    },
    /// A person has to correct it.
    Broken(String),
}

/// A plan as tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) title: String,
    pub(super) matter: Matter,
    pub(super) items: Vec<Item>,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// One task of a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    /// Its id in the plan.
    pub(super) own: String,
    pub(super) title: String,
    /// Digest of what the plan says about it, wherever in the file.
    pub(super) digest: String,
    /// Whether the plan calls it finished; then there is no task.
    pub(super) is_done: bool,
    /// In its normal form, with the ids of the plan.
    pub(super) task: Map<String, Value>,
}

/// What plans get that they do not say themselves. Looked for once for many plans.
pub(super) struct Reader {
    defaults: Defaults,
}

impl Reader {
    /// Looks for the checks of the project.
    pub(super) fn new(project: &Project) -> Self {
        let checks = detect::detect(&project.config.project.code_dir, sys::env::raw("PATH").as_deref());
        Self { defaults: import::defaults(project, &checks) }
    }

    /// Reads a text. `shown` is how tasks name the file.
    pub(super) fn read(&self, shown: &str, text: &str) -> Reading {
        if text.trim().is_empty() {
            return Reading::Blank;
        }
        match self.sort_out(shown, text) {
            Ok(reading) => reading,
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                Reading::Broken(format!("{error}{hint}"))
            }
        }
    }

    fn sort_out(&self, shown: &str, text: &str) -> Result<Reading, ImportError> {
        let Some(format) = formats::detect(shown, text) else {
            let content = Content { title: title_of(shown), ..Content::default() };
            return Ok(Reading::Ask { content, reasons: vec!["it has no list of tasks".to_owned()] });
        };
        let source = formats::Source::file(shown, text);
        let plan = formats::read(format, &source, &self.defaults)?;
        let matter = plan.matter.clone().unwrap_or_default();
        if matter.is_draft {
            return Ok(Reading::Draft { title: plan.title });
        }
        let mut notes = plan.notes.clone();
        notes.extend(matter.unknown.iter().map(|key| format!("`{key}` of the front matter means nothing here")));
        let mut content = Content { title: plan.title.clone(), matter, items: Vec::new(), notes };
        if source::is_specification(text) {
            return Ok(Reading::Ask { content, reasons: vec!["it is a specification".to_owned()] });
        }
        if let [Gap::AllDone { done }] = plan.gaps.as_slice() {
            content.notes.push(format!("every one of its {done} items is finished"));
            content.items = self.finished(&source, format, &[]);
            return Ok(Reading::Tasks(content));
        }
        if !plan.gaps.is_empty() {
            let reasons = plan.gaps.iter().take(3).map(ToString::to_string).collect();
            return Ok(Reading::Ask { content, reasons });
        }
        let proposal = match proposal::read(&json!({"project": "", "tasks": plan.tasks})) {
            Ok(proposal) => proposal,
            Err(findings) => {
                let reasons = findings.iter().take(3).map(ToString::to_string).collect();
                return Ok(Reading::Ask { content, reasons });
            }
        };
        content.items = proposal.tasks.into_iter().map(item).collect();
        let open: Vec<String> = content.items.iter().map(|item| item.own.clone()).collect();
        if plan.done > 0 {
            content.items.extend(self.finished(&source, format, &open));
        }
        Ok(Reading::Tasks(content))
    }

    /// Returns the finished items: those that are there when they are taken too. Their ids are the same either way.
    fn finished(&self, source: &formats::Source<'_>, format: formats::Format, open: &[String]) -> Vec<Item> {
        let with_done = Defaults { with_done: true, ..self.defaults.clone() };
        let Ok(all) = formats::read(format, source, &with_done) else { return Vec::new() };
        let done = all.tasks.into_iter().map(item).filter(|item| !open.contains(&item.own));
        done.map(|item| Item { is_done: true, task: Map::new(), ..item }).collect()
    }
}

/// Makes an item of a task. Where it stands in the file is no part of what the plan says about it.
pub(super) fn item(task: Map<String, Value>) -> Item {
    let text = |key: &str| task.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut told = task.clone();
    told.remove("source");
    let digest = Digest(sys::hash::bytes(Value::Object(told).to_string().as_bytes())).to_string();
    Item { own: text("id"), title: text("title"), digest, is_done: false, task }
}

/// Returns the text of a plan without its front matter.
pub(super) fn body(text: &str) -> &str {
    front_matter::split(text).map_or(text, |split| split.body)
}

fn title_of(shown: &str) -> String {
    let file = shown.rsplit('/').next().unwrap_or(shown);
    crate::logic::watch::name::stem(file).to_owned()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as users do")]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("autodev.toml"), "").unwrap();
        let reader = Reader::new(&Project::open(None, dir.path()).unwrap());
        match reader.read("ai-docs/p.md", text) {
            Reading::Blank => "blank".to_owned(),
            Reading::Draft { title } => format!("draft {title}"),
            Reading::Broken(reason) => format!("broken {reason}"),
            Reading::Ask { reasons, .. } => format!("ask {}", reasons.join(", ")),
            Reading::Tasks(content) => content
                .items
                .iter()
                .map(|item| format!("{}{}:{}", if item.is_done { "x" } else { "" }, item.own, item.title))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    const CHECKED: &str = "# P\n\n- [ ] One\n- [x] Two\n- [ ] Three\n\n## Validation Commands\n\n- `make`\n";

    #[test]
    fn a_text_is_tasks_a_draft_something_for_a_model_or_broken() {
        assert_eq!(read(CHECKED), "P1-1:One P1-3:Three xP1-2:Two");
        assert_eq!(read(&CHECKED.replace("[ ]", "[x]")), "xP1-1:One xP1-2:Two xP1-3:Three");
        assert_eq!(read(" \n\t\n"), "blank");
        assert_eq!(read(&format!("---\nstatus: draft\ntitle: Later\n---\n{CHECKED}")), "draft Later");
        assert_eq!(read("Make it faster, please.\n"), "ask it has no list of tasks");
        assert_eq!(read("# P\n\n- [ ] One\n"), "ask line 3: nothing proves task P1-1 done");
        assert_eq!(read("# P\n\n## Context\n## Outcome\n## Constraints\n## Assertions\n"), "ask it is a specification");
        assert_eq!(
            read(&format!("---\nbudget: much\n---\n{CHECKED}")),
            "broken ai-docs/p.md:2: budget: expected an amount such as 2.50, found \"much\""
        );
        assert!(read("---\ntitle: [\n---\n- [ ] a\n").starts_with("broken ai-docs/p.md:"));
    }

    #[test]
    fn the_place_of_a_task_is_no_part_of_what_the_plan_says() {
        let task = |line: u64, step: &str| {
            let task = json!({"id": "a", "title": "t", "steps": [step], "source": {"file": "f", "line": line}});
            item(task.as_object().unwrap().clone()).digest
        };
        assert_eq!(task(1, "s"), task(9, "s"));
        assert_ne!(task(1, "s"), task(1, "other"));
    }
}
