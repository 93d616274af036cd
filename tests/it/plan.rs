//! `autodev spec` and `autodev plan`: from a sentence or a file to task.json.

use serde_json::{Value, json};

use crate::harness::{Done, Project};

const SPEC: &str = "# Greeting - COCA Spec\n\n## Context\na\n\n## Outcome\nb\n\n## Constraints\nc\n\n## Assertions\n\n### Happy Path\nd\n";

fn task(id: &str, title: &str) -> Value {
    json!({"id": id, "title": title, "description": "d", "steps": ["s"],
        "verification": {"path_patterns": ["src/*"], "validate_commands": [format!("test -f src/{id}.txt")]}})
}

fn reply(tasks: &[Value]) -> String {
    serde_json::to_string_pretty(&json!({"project": "Demo", "tasks": tasks})).unwrap()
}

/// An agent that answers a question about a specification with [`SPEC`] and the n-th about a plan with `plans[n]`.
fn project(plans: &[&str]) -> Project {
    let project = Project::new();
    std::fs::write(project.out("spec"), SPEC).unwrap();
    for (n, plan) in plans.iter().enumerate() {
        std::fs::write(project.out(&format!("plan{}", n + 1)), plan).unwrap();
    }
    project.agent(
        "codex",
        "if [ \"$AUTODEV_INQUIRY\" = spec ]; then cat $out/spec; exit; fi\n\
         p=$(( $(cat $out/p 2>/dev/null || echo 0) + 1 )); echo $p > $out/p; printf '%s' \"$prompt\" > $out/asked$p\n\
         cat $out/plan$p",
    );
    project
}

fn ids(project: &Project) -> Vec<String> {
    let queue = project.json("task.json");
    queue["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
}

fn piped(project: &Project, args: &str, input: &str) -> Done {
    std::fs::write(project.out("input"), input).unwrap();
    project.shell(&format!("$autodev {args} < {}", project.out("input").display()))
}

#[test]
fn an_intent_becomes_a_specification_and_then_tasks() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting"), task("P1-1", "Use it")])]);
    std::fs::remove_file(project.path("task.json")).unwrap();
    let done = project.expect(&["plan", "--intent", "greet people"], 0);
    assert_eq!(project.read("docs/specs/intent-coca-spec.md"), SPEC);
    let lines: Vec<&str> = done.out.lines().collect();
    assert!(lines[0].contains("docs/specs/intent-coca-spec.md"), "{}", done.out);
    assert!(lines[1].contains("inline intent") && lines[1].contains("codex"), "{}", done.out);
    assert!(lines[2].contains('2') && lines[2].contains("task.json"), "{}", done.out);
    assert_eq!(lines[3..5], ["  P0-1: Add greeting", "  P1-1: Use it"]);
    let queue = project.json("task.json");
    assert_eq!(queue["project"], "Demo");
    let source = &queue["planning_source"];
    assert_eq!((&source["source_kind"], &source["input_text"]), (&json!("intent"), &json!("greet people")));
    assert!(source["planning_text"].as_str().unwrap().contains("## Assertions"));
    assert_eq!(queue["tasks"][0]["docs"][0], "docs/specs/intent-coca-spec.md");
    assert_eq!(
        queue["tasks"][0]["completion"],
        json!({"kind": "boolean", "source": "gate", "success_when": "all_checks_pass"})
    );
    assert_eq!(project.calls("codex"), 2);
    project.expect(&["task", "list"], 0);
}

#[test]
fn a_specification_is_planned_as_it_is() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    project.write("feature.md", SPEC);
    project.expect(&["plan", "feature.md"], 0);
    assert_eq!(project.calls("codex"), 1);
    assert!(!project.has("docs/specs"));
    let queue = project.json("task.json");
    assert_eq!(queue["tasks"][0]["docs"], json!(["feature.md"]));
    assert_eq!(queue["planning_source"]["source_doc"], project.path("feature.md").display().to_string());
}

#[test]
fn the_source_may_be_a_flag_a_file_a_word_or_a_pipe() {
    let plan = reply(&[task("P0-1", "Add greeting")]);
    for (args, kind, label, doc) in [
        ("plan --intent 'greet people'", "intent", "inline intent", "intent"),
        ("plan 'greet people'", "intent", "positional intent", "intent"),
        ("plan -f 'My Notes.txt'", "file", "My Notes.txt", "my-notes"),
        ("plan 'My Notes.txt'", "file", "My Notes.txt", "my-notes"),
        ("plan", "stdin", "stdin", "stdin"),
    ] {
        let project = project(&[&plan]);
        project.write("My Notes.txt", "greet people\n");
        let done = piped(&project, args, "greet people\n");
        assert_eq!(done.code, 0, "{args}: {done:?}");
        let source = project.json("task.json")["planning_source"].clone();
        assert_eq!((&source["source_kind"], &source["source_label"]), (&json!(kind), &json!(label)), "{args}");
        assert_eq!(source["input_text"], "greet people");
        assert!(project.has(&format!("docs/specs/{doc}-coca-spec.md")), "{args}");
    }
}

#[test]
fn without_a_usable_source_nobody_is_asked() {
    let project = project(&[]);
    project.write("bad.txt", "x");
    std::fs::write(project.path("bad.txt"), b"\xff\xfe").unwrap();
    for (args, says) in [
        ("plan --intent a -f b", "one"),
        ("plan --intent '  '", "blank"),
        ("plan -f missing.md", "missing.md"),
        ("plan -f bad.txt", "UTF-8"),
        ("plan", "blank"),
        ("spec --intent ''", "blank"),
    ] {
        let done = piped(&project, args, " \n");
        assert_eq!(done.code, 1, "{args}: {done:?}");
        assert!(done.err.contains(says), "{args}: {}", done.err);
    }
    assert_eq!(project.calls("codex"), 0);
}

#[test]
fn plan_backs_up_existing_queue() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    project.tasks(r#"[{"id": "OLD", "title": "Old", "passes": true, "attempt_history": [{"attempt": 1}]}]"#);
    let before = project.read("task.json");
    let done = project.expect(&["plan", "--intent", "x", "--json"], 0);
    let report: Value = serde_json::from_str(&done.out).unwrap();
    let backup = report["backup"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(project.path(backup)).unwrap(), before);
    assert_eq!((ids(&project), &report["tasks"][0]["id"]), (vec!["P0-1".to_owned()], &json!("P0-1")));
    assert_eq!(project.events("planned").len(), 1);
}

#[test]
fn append_keeps_what_is_there() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    project
        .write("task.json", r#"{"project": "Demo", "mine": 1, "tasks": [{"id": "OLD", "title": "Old", "x": [1.50]}]}"#);
    project.expect(&["plan", "--intent", "x", "--append"], 0);
    assert_eq!(ids(&project), ["OLD", "P0-1"]);
    assert!(project.read("task.json").contains("1.50") && project.json("task.json")["mine"] == 1);
    assert!(project.left("asked1").contains("OLD"), "the model is told what is there");
}

#[test]
fn plan_json_robust() {
    let plan = reply(&[task("P0-1", "Add greeting")]);
    let cases = [
        format!("Here is your plan:\n{plan}\nHope this {{helps}}!"),
        format!("```json\n{{\"note\": 1}}\n```\nand\n```json\n{plan}\n```\n"),
        format!("I used {{braces}} here.\n\n{plan}"),
        format!("{{\"level\":\"info\",\"msg\":\"thinking\"}}\n{plan}"),
        format!("\u{feff}{}", plan.replace('\n', "\r\n")),
        format!("\u{1b}[32m{plan}\u{1b}[0m"),
        plan.replace("\"tasks\": [", "// the tasks\n\"tasks\": [").replace("]\n}", "],\n}"),
    ];
    for case in &cases {
        let project = project(&[case]);
        project.write("feature.md", SPEC);
        project.expect(&["plan", "feature.md"], 0);
        assert_eq!(ids(&project), ["P0-1"], "{case}");
    }
}

#[test]
fn plan_odd_output_no_crash() {
    for odd in
        ["[1, 2]", "42", "{\"tasks\": [7]}", "{\"tasks\": {}}", "null", "\u{fffd}", "{\"tasks\": [{\"id\": []}]}"]
    {
        let project = project(&[odd, odd]);
        project.write("feature.md", SPEC);
        let before = project.read("task.json");
        let done = project.expect(&["plan", "feature.md"], 1);
        assert!(!done.err.contains("panicked"), "{odd}: {}", done.err);
        assert_eq!(project.read("task.json"), before);
    }
    let project = project(&[]);
    std::fs::write(project.out("plan1"), b"\xff\xfe{\"tasks\": []").unwrap();
    std::fs::copy(project.out("plan1"), project.out("plan2")).unwrap();
    project.write("feature.md", SPEC);
    project.expect(&["plan", "feature.md"], 1);
}

#[test]
fn plan_failure_keeps_raw_output() {
    let project = project(&["first words without a plan", "second words without a plan"]);
    project.write("feature.md", SPEC);
    let done = project.expect(&["plan", "feature.md"], 1);
    assert!(done.err.contains("logs/plans/"), "{}", done.err);
    assert!(done.err.contains("second words"), "its beginning is quoted: {}", done.err);
    for words in ["first words", "second words"] {
        assert!(!project.holding("logs/plans", words).is_empty(), "{words}");
    }
    assert!(project.left("asked2").contains("first words") || project.left("asked2").contains("JSON"));
}

#[test]
fn an_unsound_plan_is_mended_in_one_round() {
    let unsound = reply(&[json!({"id": "P0-1", "title": "Add greeting"}), task("P0-1", "add  Greeting")]);
    let project = project(&[&unsound, &reply(&[task("P0-1", "Add greeting")])]);
    project.write("feature.md", SPEC);
    project.expect(&["plan", "feature.md"], 0);
    let second = project.left("asked2");
    assert!(second.contains("description") && second.contains("P0-1"), "{second}");
    assert!(second.contains("## Assertions"), "the first prompt is there again");
    assert_eq!(ids(&project), ["P0-1"]);
}

#[test]
fn every_problem_of_a_plan_is_listed_with_its_task() {
    let unsound = reply(&[
        json!({"id": "A", "title": "x"}),
        json!({"id": "B", "title": "X", "description": "d", "steps": ["s"],
        "passes": true, "verification": {"path_patterns": ["logs/*"]}}),
    ]);
    let project = project(&[&unsound, &unsound]);
    project.write("feature.md", SPEC);
    let done = project.expect(&["plan", "feature.md"], 1);
    for says in ["A: description", "A: steps", "B: title", "B: passes", "B: verification"] {
        assert!(done.err.contains(says), "{says}: {}", done.err);
    }
}

#[test]
fn audit_does_not_match_substrings() {
    let mut sound = task("P0-1", "Add router");
    sound["verification"] = json!({"path_patterns": ["src/router.py", "layout/*", "page.aspx"]});
    let project = project(&[&reply(&[sound])]);
    project.write("feature.md", SPEC);
    project.expect(&["plan", "feature.md"], 0);
}

#[test]
fn plan_prompt_example_is_valid() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    project.write("feature.md", SPEC);
    project.expect(&["plan", "feature.md"], 0);
    let prompt = project.left("asked1");
    assert!(!prompt.contains("{{") && !prompt.contains("}}\n"), "{prompt}");
    let start = prompt.find("{\n  \"project\"").unwrap();
    let mut examples = serde_json::Deserializer::from_str(&prompt[start..]).into_iter::<Value>();
    let example = examples.next().unwrap().unwrap();
    assert!(example["tasks"][0]["verification"]["validate_commands"].is_array(), "{example}");
}

#[test]
fn plan_interrupt_is_clean() {
    let project = project(&[]);
    project.agent("codex", "echo $$ > $out/pid; exec sleep 600");
    let before = project.read("task.json");
    let running = project.spawn(&["plan", "--intent", "x"]);
    project.wait_for_left("pid");
    running.signal("INT");
    let done = running.wait();
    assert_eq!(done.code, 130, "{done:?}");
    assert!(!done.err.contains("panicked") && project.read("task.json") == before);
    assert!(!crate::harness::lives(project.left_pid("pid")));
}

#[test]
fn a_backend_that_fails_is_quoted() {
    let project = project(&[]);
    project.agent("codex", "echo 'quota is gone' >&2; exit 4");
    let done = project.expect(&["plan", "--intent", "x"], 1);
    assert!(done.err.contains("quota is gone") && done.err.contains("exit code 4"), "{}", done.err);
    project.config("[plan]\ntimeout_seconds = 1\n");
    project.agent("codex", "exec sleep 600");
    let done = project.expect(&["plan", "--intent", "x"], 1);
    assert!(done.err.contains("time limit"), "{}", done.err);
}

#[test]
fn a_refusal_is_told_once_and_what_to_do_then() {
    let project = project(&[]);
    let refusal = "error: usage limit reached, try again later";
    project.agent("codex", &format!("echo '{refusal}'; exit 1"));
    let done = project.expect(&["plan", "--intent", "x"], 1);
    let (_, told) = done.err.split_once("Error: ").unwrap();
    assert_eq!(told.matches(refusal).count(), 1, "{told}");
    assert!(told.contains("\nhint: nothing has changed; run the command again later"), "{told}");

    // The second question is the one that fails: the first need not be paid for again.
    let refused = format!("[ $AUTODEV_INQUIRY = spec ] && {{ cat $out/spec; exit; }}; echo '{refusal}'; exit 1");
    for (agent, when) in [(refused.as_str(), " later"), (refused.replace(refusal, "out of luck").as_str(), "")] {
        project.agent("codex", agent);
        let done = project.expect(&["plan", "--intent", "x"], 1);
        let hint = format!("go on{when} with: autodev plan -f docs/specs/intent-coca-spec.md");
        assert!(done.err.contains(&hint), "{}", done.err);
    }
}

#[test]
fn files_that_change_while_planning_are_named() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    project.agent("codex", &format!("echo x > sneaked.txt; cat <<'E'\n{}\nE", reply(&[task("P0-1", "Add greeting")])));
    project.write("feature.md", SPEC);
    let done = project.expect(&["plan", "feature.md"], 0);
    assert!(done.err.contains("sneaked.txt"), "{}", done.err);
}

#[test]
fn a_plan_beside_a_run_is_refused_unless_it_appends() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    project.tasks(crate::harness::ONE_TASK).write("feature.md", SPEC);
    project.agent(
        "codex",
        &format!(
            "if [ -n \"$AUTODEV_INQUIRY\" ]; then cat <<'E'\n{}\nE\nexit; fi\n\
             [ $AUTODEV_TASK_ID = T1 ] && {{ touch $out/busy; while [ ! -e $out/go ]; do sleep 0.05; done; }}\n\
             mkdir -p src; echo x > src/$AUTODEV_TASK_ID.txt",
            reply(&[task("P0-1", "Add greeting")])
        ),
    );
    let running = project.spawn(&["run"]);
    project.wait_for_left("busy");
    let done = project.expect(&["plan", "feature.md"], 1);
    assert!(done.err.contains("run"), "{}", done.err);
    project.expect(&["plan", "feature.md", "--append"], 0);
    std::fs::write(project.out("go"), "").unwrap();
    assert_eq!(running.wait().code, 0);
    assert_eq!((project.flags("T1").0, project.flags("P0-1").0), (true, true), "the run takes it up");
}

#[test]
fn an_agent_cannot_plan_work_for_its_own_run() {
    let mut project = project(&[]);
    project.env("AUTODEV", env!("CARGO_BIN_EXE_autodev")).tasks(crate::harness::ONE_TASK);
    project.config("[verification]\nvalidate_commands = [\"true\"]\n");
    project.write("more.md", "- [ ] More work\n");
    project.agent(
        "codex",
        "$AUTODEV plan -f more.md --append 2> $out/told; echo $? > $out/code; mkdir -p src; echo x > src/T1.txt",
    );
    project.expect(&["run"], 0);
    assert_eq!(project.left("code").trim(), "1");
    assert!(project.left("told").contains("only the runner decides"), "{}", project.left("told"));
    assert_eq!(ids(&project), ["T1"]);
}

#[test]
fn output_goes_where_it_is_told() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    let before = project.read("task.json");
    project.write("feature.md", SPEC);
    project.expect(&["plan", "feature.md", "-o", "plans/next.json"], 0);
    assert_eq!(project.json("plans/next.json")["tasks"][0]["id"], "P0-1");
    assert_eq!(project.read("task.json"), before);
}

#[test]
fn spec_writes_markdown_without_a_fence() {
    let project = project(&[]);
    std::fs::write(project.out("spec"), format!("```markdown\n{SPEC}```\n\n")).unwrap();
    let done = project.expect(&["spec", "--intent", "greet people"], 0);
    assert_eq!(project.read("docs/specs/intent-coca-spec.md"), SPEC);
    assert!(
        done.out.contains("inline intent") && done.out.contains("\n  ") && done.out.contains("intent-coca-spec.md")
    );
    project.expect(&["spec", "--intent", "x", "-o", "a/b.md"], 0);
    assert_eq!(project.read("a/b.md"), SPEC);
}

#[test]
fn a_specification_without_its_headings_is_remarked() {
    let project = project(&[]);
    std::fs::write(project.out("spec"), "# x\n## Context\n").unwrap();
    let done = project.expect(&["spec", "--intent", "x"], 0);
    assert!(done.err.contains("Assertions"), "{}", done.err);
}

#[test]
fn a_checklist_needs_no_model() {
    let project = project(&[]);
    project.config("[verification]\nvalidate_commands = [\"test -d src\"]\n");
    project
        .write("todo.md", "# Work\n\n- [ ] Add a greeting\n  - write it\n- [x] Done before\n- [ ] Use the greeting\n");
    let done = project.expect(&["plan", "-f", "todo.md"], 0);
    assert_eq!(project.calls("codex"), 0, "{}", done.out);
    let queue = project.json("task.json");
    let tasks = queue["tasks"].as_array().unwrap();
    assert_eq!(
        tasks.iter().map(|t| t["title"].as_str().unwrap()).collect::<Vec<_>>(),
        ["Add a greeting", "Use the greeting"]
    );
    assert_eq!(tasks[0]["source"], json!({"file": "todo.md", "line": 3}));
    assert_eq!(tasks[0]["verification"]["validate_commands"], json!(["test -d src"]));
    assert!(done.out.contains("checklist"), "{}", done.out);
}

#[test]
fn a_checklist_without_any_check_goes_through_planning() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    project.write("todo.md", "# Work\n\n- [ ] Add a greeting\n");
    project.expect(&["plan", "-f", "todo.md"], 0);
    assert_eq!(project.calls("codex"), 2);
    assert_eq!(ids(&project), ["P0-1"]);
}

#[test]
fn a_checklist_is_planned_when_asked_to() {
    let project = project(&[&reply(&[task("P0-1", "Add greeting")])]);
    project.config("[verification]\nvalidate_commands = [\"test -d src\"]\n");
    project.write("todo.md", "# Work\n\n- [ ] Add a greeting\n");
    project.expect(&["plan", "-f", "todo.md", "--ask"], 0);
    assert_eq!(project.calls("codex"), 2);
}
