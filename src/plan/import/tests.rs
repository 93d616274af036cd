//! Whole files of each format, and what holds for every import.

use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::BackendName;

macro_rules! sample {
    ($path:literal) => {
        Document { path: $path, text: include_str!(concat!("../../../tests/data/plans/", $path)) }
    };
}

const CHECKLIST: Document = sample!("checklist.md");
const SPEC_KIT: [Document; 3] = [
    sample!("specs/004-bookmarks/plan.md"),
    sample!("specs/004-bookmarks/spec.md"),
    sample!("specs/004-bookmarks/tasks.md"),
];
const CHANGE: [Document; 4] = [
    sample!("openspec/changes/add-csv-export/design.md"),
    sample!("openspec/changes/add-csv-export/proposal.md"),
    sample!("openspec/changes/add-csv-export/specs/report-export/spec.md"),
    sample!("openspec/changes/add-csv-export/tasks.md"),
];
const TASK_LIST: Document = sample!(".taskmaster/tasks/tasks.json");
const OLD_TASK_LIST: Document = sample!("tasks-without-tags.json");
const RALPHEX: Document = sample!("ralphex.md");
const PLAN: Document = sample!("plan.md");
const PROSE: Document = sample!("prose.md");

fn defaults() -> Defaults {
    Defaults { validate_commands: vec!["make check".to_owned()], ..Defaults::default() }
}

fn import(document: Document) -> Import {
    let format = detect(document.path, document.text).expect(document.path);
    read(format, &Source::file(document.path, document.text), &defaults()).expect(document.path)
}

fn import_folder(documents: &[Document<'static>]) -> Import {
    let source = Source::folder(documents.iter().copied());
    let format = detect_folder(&source).unwrap();
    read(format, &source, &defaults()).unwrap()
}

fn text(path: &'static str, text: &str) -> Result<Import, String> {
    let Some(format) = detect(path, text) else { return Err("no plan".to_owned()) };
    read(format, &Source::file(path, text), &defaults()).map_err(|e| e.to_string())
}

/// `id: title`, one per task.
fn list(import: &Import) -> Vec<String> {
    let text = |task: &Map<String, Value>, key| task.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    import.tasks.iter().map(|task| format!("{}: {}", text(task, "id"), text(task, "title"))).collect()
}

fn of<'i>(import: &'i Import, id: &str) -> &'i Map<String, Value> {
    import.tasks.iter().find(|task| task.get("id") == Some(&json!(id))).expect(id)
}

fn commands(import: &Import, id: &str) -> Value {
    of(import, id)["verification"]["validate_commands"].clone()
}

fn patterns(import: &Import, id: &str) -> Value {
    of(import, id)["verification"]["path_patterns"].clone()
}

/// What the audit of planned queues asks for.
fn audit(import: &Import) -> Result<(), String> {
    let blank = |value: Option<&Value>| value.and_then(Value::as_str).is_none_or(|text| text.trim().is_empty());
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    let mut ids = std::collections::HashSet::new();
    let mut titles = std::collections::HashSet::new();
    for task in &import.tasks {
        for key in ["id", "title", "description"] {
            if blank(task.get(key)) {
                return Err(format!("{key} is blank: {task:?}"));
            }
        }
        let steps = task["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        if steps.is_empty() || steps.iter().any(|step| blank(Some(step))) {
            return Err(format!("no step, or a blank one: {task:?}"));
        }
        let checks = &task["verification"];
        let has_check = count(&checks["validate_commands"]) + count(&checks["path_patterns"]) > 0;
        if import.gaps.is_empty() && !has_check {
            return Err(format!("no check: {task:?}"));
        }
        if task["passes"] != json!(false) || task["blocked"] != json!(false) {
            return Err(format!("not pending: {task:?}"));
        }
        let title = task["title"].as_str().unwrap_or_default().to_lowercase();
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        if !ids.insert(task["id"].clone()) || !titles.insert(title) {
            return Err(format!("id or title comes twice: {task:?}"));
        }
        let kinds = (&task["completion"]["kind"], &task["completion"]["source"], &task["execution"]["strategy"]);
        if kinds != (&json!("boolean"), &json!("gate"), &json!("single_pass")) {
            return Err(format!("unknown words: {task:?}"));
        }
    }
    Ok(())
}

#[test]
fn every_sample_is_recognised_and_passes_the_audit() {
    for (import, format, count) in [
        (import(CHECKLIST), Format::Checklist, 6),
        (import_folder(&SPEC_KIT), Format::SpecKit, 6),
        (import_folder(&CHANGE), Format::OpenSpec, 3),
        (import(TASK_LIST), Format::TaskMaster, 2),
        (import(OLD_TASK_LIST), Format::TaskMaster, 1),
        (import(RALPHEX), Format::Ralphex, 2),
        (import(PLAN), Format::Plan, 2),
    ] {
        assert_eq!((import.format, import.tasks.len()), (format, count), "{:#?}", list(&import));
        assert!(import.is_complete(), "{format}: {:?}", import.gaps);
        assert_eq!(audit(&import), Ok(()));
    }
}

#[test]
fn a_checklist_becomes_tasks_with_nested_items_as_steps() {
    let import = import(CHECKLIST);
    assert_eq!(import.title, "Release 2.0");
    assert_eq!(import.done, 2);
    assert_eq!(
        list(&import),
        [
            "P1-2: Read files with a byte order mark in src/parser/read.rs",
            "P1-3: Tabs",
            "P2-1: Add tests (Printer)",
            "P2-3: Wrap long lines",
            "P3-1: Add tests (Guides)",
            "P3-2: Describe wrapping in `docs/guide.md`",
        ]
    );
    assert_eq!(of(&import, "P1-2")["steps"], json!(["skip the mark", "keep the offsets right"]));
    assert_eq!(
        of(&import, "P1-3")["steps"],
        json!(["Tabs: count columns as editors do.", "A tab goes to the next multiple of four."])
    );
    assert_eq!(patterns(&import, "P1-2"), json!(["src/parser/read.rs"]));
    assert_eq!(commands(&import, "P1-2"), json!(["cargo test --workspace"]));
    assert_eq!(of(&import, "P1-2")["source"], json!({"file": "checklist.md", "line": 12}));
    let description = of(&import, "P1-2")["description"].as_str().unwrap();
    assert!(description.contains("Part of: Release 2.0 > Parser\n\nThe parser lives in"), "{description}");
}

#[test]
fn spec_kit_tasks_keep_their_ids_and_follow_the_stated_dependencies() {
    let import = import_folder(&SPEC_KIT);
    assert_eq!(import.title, "Tasks: Bookmarks");
    assert_eq!(
        list(&import),
        [
            "T002: Configure linting in pyproject.toml",
            "T003: Contract test for POST /bookmarks in tests/contract/test_bookmarks_post.py",
            "T005: Implement POST /bookmarks in backend/src/api/bookmarks.py",
            "T006: Create Bookmark model in backend/src/models/bookmark.py",
            "T004: Implement BookmarkService in backend/src/services/bookmark_service.py (depends on T006)",
            "P4-1: Documentation updates in docs/",
        ]
    );
    assert_eq!(of(&import, "T004")["depends_on"], json!(["T003", "T006"]));
    assert_eq!(of(&import, "T006")["depends_on"], json!(["T003"]));
    assert_eq!(patterns(&import, "T006"), json!(["backend/src/models/bookmark.py"]));
    assert_eq!(commands(&import, "T006"), json!(["make check"]));
    let docs = ["specs/004-bookmarks/tasks.md", "specs/004-bookmarks/spec.md", "specs/004-bookmarks/plan.md"];
    assert_eq!(of(&import, "T006")["docs"], json!(docs));
    assert_eq!(import.matter.unwrap().unknown, ["description"]);
}

#[test]
fn an_openspec_change_names_its_other_documents() {
    let import = import_folder(&CHANGE);
    assert_eq!(import.title, "add-csv-export");
    assert_eq!(
        list(&import),
        [
            "1.2: Write rows with RFC 4180 quoting in `src/export/csv.ts`",
            "2.1: Describe the option in `docs/cli.md` (depends on 1.2)",
            "3.1: Run the full test suite (`pnpm test`) and fix what it finds",
        ]
    );
    let folder = "openspec/changes/add-csv-export";
    let docs = ["tasks.md", "proposal.md", "design.md", "specs/report-export/spec.md"];
    assert_eq!(of(&import, "1.2")["docs"], json!(docs.map(|name| format!("{folder}/{name}"))));
    assert_eq!(of(&import, "2.1")["depends_on"], json!(["1.2"]));
    assert_eq!(commands(&import, "3.1"), json!(["pnpm test", "make check"]));
    // The folder tells more than the file, the file alone still suffices.
    let alone = super::tests::import(CHANGE[3]);
    assert_eq!(list(&alone), list(&import));
}

#[test]
fn a_task_list_becomes_tasks_with_subtasks_as_steps() {
    let import = import(TASK_LIST);
    assert_eq!(list(&import), ["3: Parse notes", "2: Serve the notes"]);
    assert_eq!(of(&import, "2")["steps"], json!(["Answer 404: With a JSON body."]));
    assert_eq!(of(&import, "3")["steps"], json!(["read the block", "keep the order"]));
    assert_eq!(commands(&import, "2"), json!(["npm test -- server"]));
    assert_eq!(patterns(&import, "2"), json!([]));
    assert_eq!(of(&import, "2")["source"], json!({"file": ".taskmaster/tasks/tasks.json", "line": 15}));
    assert_eq!(import.done, 1);
    let notes = [
        "only the tag master was read; there are also feature-sync",
        "line 37: Sync to the cloud is deferred and was left out",
    ];
    assert_eq!(import.notes, notes);
}

#[test]
fn a_ralphex_plan_checks_every_task_with_its_validation_commands() {
    let import = import(RALPHEX);
    assert_eq!(import.title, "Plan: Add rate limits");
    assert_eq!(list(&import), ["T1: Add the bucket", "T2: Use it in the middleware"]);
    assert_eq!(of(&import, "T1")["steps"], json!(["implement `Bucket`", "run `go test ./pkg/limit/...` - must pass"]));
    assert_eq!(patterns(&import, "T1"), json!(["pkg/limit/bucket.go", "pkg/limit/bucket_test.go"]));
    assert_eq!(commands(&import, "T1"), json!(["go test ./pkg/limit/...", "go test ./...", "golangci-lint run"]));
    assert_eq!(commands(&import, "T2"), json!(["go test ./...", "golangci-lint run"]));
    assert_eq!(of(&import, "T2")["depends_on"], json!(["T1"]));
    assert_eq!(import.done, 1);
}

#[test]
fn a_plan_has_front_matter_and_sections_as_tasks() {
    let import = import(PLAN);
    let matter = import.matter.clone().unwrap();
    assert_eq!((matter.priority, matter.is_draft, matter.backend), (Some(1), true, Some(BackendName::Claude)));
    assert_eq!(import.title, "Add bookmarks");
    assert_eq!(list(&import), ["1: Store bookmarks", "2: Show bookmarks"]);
    assert_eq!(of(&import, "1")["steps"], json!(["add the table", "add the queries"]));
    assert_eq!(commands(&import, "1"), json!(["npm test -- store", "npm test", "npm run lint"]));
    assert_eq!(of(&import, "2")["steps"], json!(["A list in the sidebar.", "Newest first."]));
    assert_eq!(of(&import, "2")["source"]["line"], json!(29));
}

#[test]
fn prose_is_a_plan_that_needs_planning() {
    let import = import(PROSE);
    assert_eq!(
        (import.format, import.tasks.len(), import.gaps.as_slice()),
        (Format::Plan, 0, [Gap::NoItem].as_slice())
    );
    assert!(!import.is_complete());
    assert_eq!(detect("a.md", "just a wish"), None);
    assert_eq!(detect("a.rs", "// - [ ] a\n"), None);
    assert_eq!(detect("task.json", r#"{"tasks": [{"id": "a", "title": "b", "steps": [], "status": "x"}]}"#), None);
}

#[test]
fn criteria_of_a_specification_are_no_tasks() {
    let spec = "# A\n## Context\nx\n## Outcome\nx\n## Constraints\n- [ ] fast\n## Assertions\n- [ ] it works\n";
    assert_eq!(text("spec.md", spec).unwrap().gaps, [Gap::NoItem]);
}

#[test]
fn what_is_nested_is_told_apart() {
    let plan = "## 1. A\n- [ ] 1.1 Add it\n  In the usual place.\n  - Acceptance criteria:\n    - WHEN a\n    - THEN b\n  - Test plan:\n    \
                - Run: `npm test`\n  - Files: `src/a.ts`\n  - write it\n- [ ] 1.2 Run all tests\n";
    let import = text("tasks.md", plan).unwrap();
    assert_eq!(list(&import), ["1.1: Add it", "1.2: Run all tests"]);
    assert_eq!(of(&import, "1.1")["steps"], json!(["write it"]));
    assert_eq!(commands(&import, "1.1"), json!(["npm test"]));
    assert_eq!(patterns(&import, "1.1"), json!(["src/a.ts"]));
    assert!(of(&import, "1.1")["description"].as_str().unwrap().contains("- WHEN a"));
    assert_eq!(import.notes, ["line 11: task 1.2 only looks at the work and may have no file to change"]);
}

#[test]
fn without_any_check_the_gap_is_named() {
    let plan = "- [ ] Think about it\n- [ ] Write src/a.rs\n";
    let import = read(Format::Checklist, &Source::file("a.md", plan), &Defaults::default()).unwrap();
    assert_eq!(import.gaps, [Gap::NoCheck { id: "P1-1".to_owned(), line: 1 }]);
    assert!(!import.is_complete());
    assert_eq!(import.gaps[0].to_string(), "line 1: nothing proves task P1-1 done");
}

#[test]
fn a_finished_list_says_so_and_can_be_taken_again() {
    let plan = "- [x] a\n  - [x] b\n- [x] c\n  - [ ] d\n";
    let import = text("a.md", plan).unwrap();
    assert_eq!(list(&import), ["P1-2: c"]);
    let import = text("a.md", "- [x] a\n- [x] b\n").unwrap();
    assert_eq!((import.gaps.as_slice(), import.done), ([Gap::AllDone { done: 2 }].as_slice(), 2));
    let again = Defaults { with_done: true, ..defaults() };
    let import = read(Format::Checklist, &Source::file("a.md", "- [x] a\n  - [x] b\n"), &again).unwrap();
    assert_eq!(of(&import, "P1-1")["steps"], json!(["b"]));
    assert_eq!(audit(&import), Ok(()));
}

#[test]
fn ids_stay_when_items_are_ticked() {
    let before = text("a.md", "## A\n- [ ] a\n- [ ] b\n## B\n- [ ] c\n").unwrap();
    let after = text("a.md", "## A\n- [x] a\n- [ ] b\n## B\n- [ ] c\n").unwrap();
    assert_eq!(list(&before)[1..], list(&after));
}

#[test]
fn a_circle_is_refused_with_its_ids() {
    let plan = "- [ ] T001 a\n- [ ] T002 b (depends on T003)\n- [ ] T003 c (depends on T002)\n";
    assert_eq!(
        text("tasks.md", plan).unwrap_err(),
        "tasks.md:2: tasks depend on each other in a circle: T002 -> T003 -> T002"
    );
}

#[test]
fn what_is_done_is_no_dependency_and_what_is_missing_is_a_gap() {
    let plan = "- [x] T001 a\n- [ ] T002 b (depends on T001, T009)\n";
    let import = text("tasks.md", plan).unwrap();
    let gap = Gap::UnknownDependency { id: "T002".to_owned(), needs: "T009".to_owned(), line: 2 };
    assert_eq!(import.gaps, [gap]);
    assert_eq!(of(&import, "T002").get("depends_on"), None);
}

#[test]
fn doubled_ids_and_titles_become_unique() {
    let plan = "## A\n- [ ] T001 Add  tests\n- [ ] T001 add tests\n- [ ] T002 add tests\n- [ ] T003 Add tests (A)\n";
    let import = text("tasks.md", plan).unwrap();
    let expected =
        ["T001: Add tests (T001)", "T001-2: add tests (T001-2)", "T002: add tests (T002)", "T003: Add tests (A)"];
    assert_eq!(list(&import), expected);
    assert_eq!(import.notes, ["line 3: there already is a task T001; this one is T001-2"]);
}

#[test]
fn broken_files_are_refused_with_their_place() {
    for (path, plan, message) in [
        ("p.md", "---\ntitle: [\n---\n- [ ] a\n", "p.md:"),
        (
            "p.md",
            "---\ntitle: a\nbudget: lots\n---\n- [ ] a\n",
            "p.md:3: budget: expected an amount such as 2.50, found \"lots\"",
        ),
        (
            "tasks.json",
            "{\"master\": {\"tasks\": [\n{\"id\": 1, \"title\": \"a\", \"subtasks\": {}}]}}",
            "tasks.json:2: master.tasks[0].subtasks: expected a list, found an object",
        ),
        (
            "tasks.json",
            "{\"master\": {\"tasks\": [\n7]}}",
            "tasks.json:2: master.tasks[0]: expected an object, found a number",
        ),
    ] {
        let error = text(path, plan).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
    let broken = read(Format::TaskMaster, &Source::file("tasks.json", "{\n \"a\" 1}"), &defaults()).unwrap_err();
    assert!(broken.to_string().starts_with("tasks.json:2:"), "{broken}");
}

#[test]
fn a_tag_can_be_chosen() {
    let source = Source::file(TASK_LIST.path, TASK_LIST.text);
    let choose = |tag: &str| read(Format::TaskMaster, &source, &Defaults { tag: Some(tag.to_owned()), ..defaults() });
    assert_eq!(choose("feature-sync").unwrap().gaps, [Gap::NoItem]);
    let error = choose("other").unwrap_err().to_string();
    assert_eq!(error, ".taskmaster/tasks/tasks.json: there is no tag other; it has master, feature-sync");
}

#[test]
fn a_folder_with_several_plans_is_refused() {
    let source = Source::folder([
        Document { path: "openspec/changes/a/tasks.md", text: "- [ ] 1.1 a\n" },
        Document { path: "openspec/changes/archive/old/tasks.md", text: "- [ ] 1.1 a\n" },
        Document { path: "openspec/changes/b/tasks.md", text: "- [ ] 1.1 a\n" },
        Document { path: "../tasks.md", text: "- [ ] 1.1 a\n" },
    ]);
    let error = read(Format::OpenSpec, &source, &defaults()).unwrap_err();
    let expected =
        "read the plan as openspec: it could be any of openspec/changes/a/tasks.md, openspec/changes/b/tasks.md";
    assert_eq!(error.to_string(), expected);
    assert!(read(Format::TaskMaster, &source, &defaults()).unwrap_err().to_string().contains("there is no tasks.json"));
}

#[test]
fn odd_texts_are_read_as_they_look() {
    let plan = "\u{feff}# Pl\u{e4}ne\r\n\r\n## \u{4efb}\u{52a1}\r\n\r\n\t- [ ] in code\r\n\r\n- [ ]\t\u{4fee}\u{590d}\u{89e3}\u{6790}\u{5668} \u{1f41b}\r\n\t+ [ ] Erst das\r\n- [ ] \r\n- [] Zweites\r\n";
    let import = text("a.md", plan).unwrap();
    assert_eq!(list(&import), ["P1-1: \u{4fee}\u{590d}\u{89e3}\u{6790}\u{5668} \u{1f41b}", "P1-2: Zweites"]);
    assert_eq!(of(&import, "P1-1")["source"]["line"], json!(7));
    assert_eq!(of(&import, "P1-1")["steps"], json!(["Erst das"]));
}

#[test]
fn ten_megabytes_are_read_in_time() {
    // One thing repeated on a line breaks quadratic scanners: 50 kB of it would take minutes.
    let odd = [
        "<!---->",
        "<!-- ",
        "`a ``b ",
        "`",
        "[a](",
        "](",
        "**",
        "- ",
        "> ",
        "T001-T999 ",
        "depends on ",
        "a. ",
        "a:",
        "`a.b` ",
    ];
    let odd = odd.map(|odd| {
        let line = odd.repeat(50_000 / odd.len());
        format!("{line}\n\n- [ ] {line}\n  - {line}\n\n  {line}\n\n")
    });
    let more = "and more ".repeat(20);
    let items: Vec<String> =
        (0..5_000).map(|no| format!("- [ ] Change number {no} in src/part_{no}.rs {more}\n")).collect();
    let log = ("a line of a log that somebody has pasted ".repeat(10) + "\n").repeat(17_000);
    let plan = format!("# Big\n\n{}{}\n```log\n{log}```\n", odd.concat(), items.concat());
    assert!(plan.len() > 10_000_000, "{}", plan.len());
    let import = text("a.md", &plan).unwrap();
    assert!(import.tasks.len() > 5_000, "{}", import.tasks.len());
    assert_eq!(audit(&import), Ok(()));
}

#[test]
fn files_that_are_no_plans_are_refused_in_time() {
    for many in ["- [ ] a\n", "### Task 1: a\n", "## Tasks\n### a\nb\n", "# a\n- [ ] b\n"] {
        assert_eq!(text("a.md", &many.repeat(20_000)).unwrap_err(), "a.md: more than 10000 tasks", "{many}");
    }
    let deep = (0..1_000).map(|depth| "  ".repeat(depth) + "- [ ] x\n").collect::<String>();
    assert_eq!(text("a.md", &deep).unwrap().tasks.len(), 1);
    let checks = format!("- [ ] a\n\n## Validation Commands\n{}", "- `make a`\n".repeat(20_000));
    assert_eq!(text("a.md", &checks).unwrap_err(), "a.md: more than 100 checks for one task");
    let line = r#"{"id": 1, "title": "a", "status": "pending"},"#.repeat(9_999);
    let list = format!(r#"{{"master": {{"tasks": [{line}{{"id": 2, "title": "b"}}]}}}}"#);
    assert_eq!(text("tasks.json", &list).unwrap().tasks.len(), 10_000);
}

#[test]
fn ranges_of_dependencies_cannot_take_all_memory() {
    let item = |no: usize| format!("- [ ] T{no:05} x {no} (depends on T00001-T{:05})\n", no - 1);
    let plan: Vec<String> = (1..=3_000).map(item).collect();
    let plan = plan.concat();
    assert_eq!(text("a.md", &plan).unwrap_err(), "a.md: more than 1000000 dependencies");
    let plan = "- [ ] T001 x\n".repeat(3_000) + "## Dependencies\n" + &"- T001 -> T001-T999\n".repeat(3_000);
    assert_eq!(text("a.md", &plan).unwrap_err(), "a.md: more than 1000000 dependencies");
}

fn lines() -> impl Strategy<Value = String> {
    prop_oneof![
        "( |\t){0,6}([-*+]|[0-9]\\.) \\[[ xX-]?\\] (\\*\\*)?(T00[0-9]|[0-9]\\.[0-9]|P0-[0-9]|)(\\*\\*)?:? ?[a-zA-Z `./é]{0,24}( \\(depends on (T00[0-9]|[0-9]\\.[0-9])\\))?",
        "#{1,6} (Tasks|Task [0-9]: [a-z]{0,4}|[0-9]\\. [a-z]{0,4}|Validation Commands|Verify|Acceptance criteria|Dependencies|[a-z ]{0,8})",
        "(```(sh|md)?|~~~|---|===|<!--|-->|)",
        "( ){0,6}[-] (Acceptance criteria:|Files: `src/a.rs`|Run: `make test`|[a-z ]{0,6})",
        "( ){0,4}(Verify: )?`(cargo test|cd a && make|README.md|[a-z ]{0,6})`[a-z ]{0,8}",
        "(title|budget|status|priority): ?[a-z0-9\\[]{0,6}",
        "\\PC{0,30}",
    ]
}

/// What holds for every import of a text.
fn holds(import: &Import, text: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(audit(import), Ok(()));
    prop_assert!(!import.title.trim().is_empty());
    prop_assert!(!import.tasks.is_empty() || !import.gaps.is_empty());
    let ids: Vec<&str> = import.tasks.iter().filter_map(|task| task["id"].as_str()).collect();
    for (at, task) in import.tasks.iter().enumerate() {
        let line = task["source"]["line"].as_u64().unwrap_or_default() as usize;
        prop_assert!((1..=text.lines().count()).contains(&line), "line {} of {:?}", line, text);
        for need in task.get("depends_on").and_then(Value::as_array).into_iter().flatten() {
            let place = ids.iter().position(|id| Some(*id) == need.as_str());
            prop_assert!(place.is_some_and(|place| place < at));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn fuzz_any_markdown_is_read_or_refused(lines in prop::collection::vec(lines(), 0..14), crlf: bool) {
        let text = lines.join(if crlf { "\r\n" } else { "\n" });
        detect("a.md", &text);
        for format in [Format::Checklist, Format::SpecKit, Format::OpenSpec, Format::Ralphex, Format::Plan] {
            let defaults = Defaults { with_done: crlf, ..defaults() };
            if let Ok(import) = read(format, &Source::file("a.md", &text), &defaults) {
                holds(&import, &text)?;
            }
        }
    }

    #[test]
    fn fuzz_any_task_list_is_read_or_refused(
        tasks in prop::collection::vec(
            ("[0-3]|\"[a1]\"|null|\\[\\]", "\"[a-c .`]{0,4}\"|1|null", "\"(done|pending|deferred)\"|2", "\\[[0-3]?\\]|null|\"x\""),
            0..5,
        ),
        cut in 0usize..400,
    ) {
        let tasks: Vec<String> = tasks
            .iter()
            .map(|(id, title, status, needs)| {
                format!("{{\"id\": {id}, \"title\": {title}, \"status\": {status},\n \"dependencies\": {needs}, \"subtasks\": [{{\"title\": {title}}}]}}")
            })
            .collect();
        let whole = format!("{{\"master\": {{\"tasks\": [{}]}}}}", tasks.join(",\n"));
        let part: String = whole.chars().take(cut).collect();
        for text in [whole, part] {
            detect("tasks.json", &text);
            if let Ok(import) = read(Format::TaskMaster, &Source::file("tasks.json", &text), &defaults()) {
                holds(&import, &text)?;
            }
        }
    }
}
