//! `autodev watch`: real files, real reports of the operating system, real processes, real kills.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{DILIGENT, Project, Running, wait_until};

/// A plan with these items, each proved by a file that the agents of these tests make.
fn plan(title: &str, items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("- [ ] {item}")).collect();
    let items = items.join("\n");
    format!("# {title}\n\n{items}\n\n## Validation Commands\n\n- `test -d src`\n")
}

/// A plan with front matter.
fn with_matter(matter: &str, plan: &str) -> String {
    format!("---\n{matter}\n---\n{plan}")
}

/// A project whose watcher does not wait for long.
fn project() -> Project {
    let mut project = Project::new();
    project.env("AUTODEV_WATCH_DEBOUNCE_MS", "100").env("AUTODEV_WATCH_POLL_INTERVAL_MS", "100");
    fs::create_dir(project.path("ai-docs")).unwrap();
    project
}

fn ids(project: &Project) -> Vec<String> {
    // It is replaced while it is read: there is always a whole one.
    let queue = project.json("task.json");
    queue["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
}

fn wait_for_ids(project: &Project, want: &[&str]) {
    let begun = std::time::Instant::now();
    while ids(project) != want {
        assert!(begun.elapsed() < crate::harness::PATIENCE, "want {want:?}, got {:?}", ids(project));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts a watcher and waits until it watches.
fn watcher(project: &Project, more: &[&str]) -> Running {
    let before = count(project, "watch_started");
    let running = project.spawn(&[&["watch"], more].concat());
    wait_until("the watcher to begin", || count(project, "watch_started") > before);
    running
}

fn count(project: &Project, kind: &str) -> usize {
    let done = project.run(&["log", "--json"]);
    done.out.lines().filter(|line| line.contains(&format!("\"kind\":\"{kind}\"")) || kind_of(line) == kind).count()
}

fn kind_of(line: &str) -> String {
    serde_json::from_str::<Value>(line).ok().and_then(|e| e["kind"].as_str().map(str::to_owned)).unwrap_or_default()
}

fn stop(running: Running) {
    running.signal("TERM");
    let done = running.wait();
    assert_eq!(done.code, 0, "{done:?}");
}

/// What each plan was said to have done, in order: `name +added ~updated -withdrawn`.
fn taken(project: &Project) -> Vec<String> {
    let number = |event: &Value, key: &str| event[key].as_array().map_or(0, Vec::len);
    let line = |event: &Value| {
        let plan = event["plan"].as_str().unwrap().trim_start_matches("ai-docs/").to_owned();
        match event["kind"].as_str().unwrap() {
            "plan_failed" => format!("{plan} failed"),
            kind => format!(
                "{plan}{} +{} ~{} -{}",
                if kind == "plan_withdrawn" {
                    format!(" {}", event["standing"].as_str().unwrap())
                } else {
                    String::new()
                },
                number(event, "added"),
                number(event, "updated"),
                number(event, "withdrawn")
            ),
        }
    };
    let kinds = ["plan_taken", "plan_withdrawn", "plan_failed"];
    project.journal().iter().filter(|event| kinds.contains(&event["kind"].as_str().unwrap())).map(line).collect()
}

#[test]
fn a_plan_that_is_dropped_becomes_tasks_that_know_where_they_come_from() {
    let project = project();
    let running = watcher(&project, &[]);
    project.write("ai-docs/login.md", &plan("Login", &["Add form", "Add check"]));
    wait_for_ids(&project, &["login-P1-1", "login-P1-2"]);
    let task = project.task("login-P1-2");
    assert_eq!((&task["source"]["file"], &task["source"]["line"]), (&json!("ai-docs/login.md"), &json!(4)));
    assert_eq!(task["docs"], json!(["ai-docs/login.md"]));
    // As editors save: a temporary file, then a rename over the plan.
    project.write("ai-docs/.team.md.swp", "x");
    project.write("ai-docs/sub/team.md.tmp", &plan("Team", &["Add page"]));
    fs::rename(project.path("ai-docs/sub/team.md.tmp"), project.path("ai-docs/sub/team.md")).unwrap();
    wait_for_ids(&project, &["login-P1-1", "login-P1-2", "sub-team-P1-1"]);
    project.write("ai-docs/README.md", &plan("Readme", &["Not me"]));
    project.write("ai-docs/last.md", &plan("Last", &["Me"]));
    wait_for_ids(&project, &["login-P1-1", "login-P1-2", "sub-team-P1-1", "last-P1-1"]);
    stop(running);
    assert_eq!(taken(&project), ["login.md +2 ~0 -0", "sub/team.md +1 ~0 -0", "last.md +1 ~0 -0"]);
    assert_eq!(project.read("ai-docs/login.md"), plan("Login", &["Add form", "Add check"]), "plans are only read");
    // A restart finds everything as it was.
    project.expect(&["watch", "--once"], 0);
    assert_eq!(taken(&project).len(), 3);
}

#[test]
fn a_file_that_is_being_written_is_taken_once_it_is_whole() {
    let mut project = project();
    project.env("AUTODEV_WATCH_DEBOUNCE_MS", "1500");
    let running = watcher(&project, &[]);
    let text = plan("Slow", &["One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight"]);
    let mut written = String::new();
    for line in text.lines() {
        written.push_str(line);
        written.push('\n');
        project.write("ai-docs/slow.md", &written);
        std::thread::sleep(Duration::from_millis(50));
    }
    wait_until("the plan to be taken", || count(&project, "plan_taken") > 0);
    stop(running);
    assert_eq!(taken(&project), ["slow.md +8 ~0 -0"]);
}

#[test]
fn a_directory_that_comes_and_goes_is_watched_and_nothing_is_withdrawn_with_it() {
    let project = project();
    let running = watcher(&project, &[]);
    project.write("ai-docs/a.md", &plan("A", &["One"]));
    wait_for_ids(&project, &["a-P1-1"]);
    fs::rename(project.path("ai-docs"), project.path("aside")).unwrap();
    project.write("aside/b.md", &plan("B", &["Two"]));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ids(&project), ["a-P1-1"], "its plans are away, not deleted");
    fs::rename(project.path("aside"), project.path("ai-docs")).unwrap();
    wait_for_ids(&project, &["a-P1-1", "b-P1-1"]);
    stop(running);
}

#[test]
fn without_reports_of_the_system_the_directory_is_looked_at() {
    let mut project = project();
    project.env("AUTODEV_WATCH_MODE", "poll");
    let running = watcher(&project, &[]);
    assert_eq!(project.events("watch_started")[0]["is_polling"], true);
    project.write("ai-docs/a.md", &plan("A", &["One"]));
    wait_for_ids(&project, &["a-P1-1"]);
    fs::remove_file(project.path("ai-docs/a.md")).unwrap();
    wait_for_ids(&project, &[]);
    stop(running);
}

#[test]
fn an_edited_plan_changes_only_what_has_not_begun() {
    let project = project();
    project.agent("codex", DILIGENT);
    project.write("ai-docs/p.md", &plan("P", &["One", "Two", "Three", "Four"]));
    project.expect(&["watch", "--once"], 0);
    project.expect(&["run", "--max-tasks", "1"], 0);
    assert_eq!(project.flags("p-P1-1"), (true, false));
    // One is done, Two gets another text, Three goes, Four is ticked, Five is new and stands first.
    let edited = "# P\n\n- [ ] Five\n- [ ] One\n- [ ] Two\n  - with a step\n- [x] Four\n\n## Validation Commands\n\n- `test -d src`\n";
    project.write("ai-docs/p.md", edited);
    project.expect(&["watch", "--once"], 0);
    assert_eq!(taken(&project)[1..], ["p.md +1 ~1 -1".to_owned()]);
    assert_eq!(ids(&project), ["p-P1-1", "p-P1-2", "p-P1-4", "p-P1-1-2"]);
    assert_eq!(project.task("p-P1-1")["title"], "One");
    assert_eq!(project.task("p-P1-2")["steps"], json!(["with a step"]));
    assert_eq!(project.task("p-P1-1-2")["title"], "Five");
    assert_eq!(project.flags("p-P1-4"), (false, false), "a ticked item proves nothing");
    assert_eq!(project.task("p-P1-2")["source"]["line"], 5);
    // What is done stays, also when the plan says otherwise now.
    project.write("ai-docs/p.md", &edited.replace("One", "One more"));
    project.expect(&["watch", "--once"], 0);
    assert_eq!(project.task("p-P1-1")["title"], "One");
    // Saving it without a change is nothing.
    project.write("ai-docs/p.md", &edited.replace("One", "One more"));
    let before = taken(&project).len();
    project.expect(&["watch", "--once"], 0);
    assert_eq!(taken(&project).len(), before);
}

#[test]
fn a_deleted_plan_takes_its_waiting_tasks_along_and_brings_them_back() {
    let project = project();
    project.agent("codex", DILIGENT);
    project.write("ai-docs/p.md", &plan("P", &["One", "Two"]));
    project.expect(&["watch", "--once"], 0);
    project.expect(&["run", "--max-tasks", "1"], 0);
    let running = watcher(&project, &[]);
    fs::remove_file(project.path("ai-docs/p.md")).unwrap();
    wait_for_ids(&project, &["p-P1-1"]);
    project.write("ai-docs/p.md", &plan("P", &["One", "Two"]));
    wait_for_ids(&project, &["p-P1-1", "p-P1-2"]);
    stop(running);
    assert_eq!(taken(&project), ["p.md +2 ~0 -0", "p.md withdrawn +0 ~0 -1", "p.md +1 ~0 -0"]);
    assert_eq!(project.flags("p-P1-1"), (true, false), "and is not done again");
    // Also what happens while nobody watches.
    fs::remove_file(project.path("ai-docs/p.md")).unwrap();
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), ["p-P1-1"]);
}

#[test]
fn a_draft_waits_until_it_is_none() {
    let project = project();
    let text = plan("P", &["One"]);
    project.write("ai-docs/p.md", &with_matter("status: draft", &text));
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), Vec::<String>::new());
    project.write("ai-docs/p.md", &with_matter("status: ready", &text));
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), ["p-P1-1"]);
    project.write("ai-docs/p.md", &with_matter("status: draft", &text));
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), Vec::<String>::new());
    assert_eq!(taken(&project), ["p.md draft +0 ~0 -0", "p.md +1 ~0 -0", "p.md draft +0 ~0 -1"]);
}

#[test]
fn a_renamed_plan_is_the_same_and_a_copy_is_none() {
    let project = project();
    project.write("ai-docs/a.md", &plan("A", &["One", "Two"]));
    project.expect(&["watch", "--once"], 0);
    fs::copy(project.path("ai-docs/a.md"), project.path("ai-docs/copy.md")).unwrap();
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), ["a-P1-1", "a-P1-2"]);
    fs::rename(project.path("ai-docs/a.md"), project.path("ai-docs/b.md")).unwrap();
    fs::remove_file(project.path("ai-docs/copy.md")).unwrap();
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), ["a-P1-1", "a-P1-2"], "nothing is queued again");
    assert_eq!(project.task("a-P1-1")["source"]["file"], "ai-docs/b.md");
    // The copy stays when the plan goes: it is the plan then.
    fs::copy(project.path("ai-docs/b.md"), project.path("ai-docs/c.md")).unwrap();
    project.expect(&["watch", "--once"], 0);
    fs::remove_file(project.path("ai-docs/b.md")).unwrap();
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), ["a-P1-1", "a-P1-2"]);
    assert_eq!(project.task("a-P1-1")["source"]["file"], "ai-docs/c.md");
}

#[test]
fn a_plan_that_fails_says_so_beside_it_until_it_is_good() {
    let project = project();
    let broken = with_matter("budget: much", &plan("P", &["One"]));
    project.write("ai-docs/p.md", &broken).write("ai-docs/good.md", &plan("Good", &["Fine"]));
    project.expect(&["watch", "--once"], 1);
    assert_eq!(ids(&project), ["good-P1-1"], "one bad plan stops no other");
    let notice = project.read("ai-docs/p.error.md");
    assert!(notice.contains("ai-docs/p.md:2: budget: expected an amount such as 2.50, found \"much\""), "{notice}");
    assert!(notice.contains("## What to do"), "{notice}");
    assert_eq!(project.read("ai-docs/p.md"), broken);
    project.expect(&["watch", "--once"], 1);
    assert_eq!(count(&project, "plan_failed"), 1, "it is not tried again without a reason, and a notice is no plan");
    // Nor is anything lost when somebody deletes the notice.
    fs::remove_file(project.path("ai-docs/p.error.md")).unwrap();
    project.expect(&["watch", "--once"], 1);
    assert!(project.has("ai-docs/p.error.md"));
    project.write("ai-docs/p.md", &broken.replace("much", "3"));
    project.expect(&["watch", "--once"], 0);
    assert!(!project.has("ai-docs/p.error.md"));
    assert_eq!(ids(&project), ["good-P1-1", "p-P1-1"]);
    // An edit that breaks a plan leaves its tasks alone; a file of that name that is somebody else's stays.
    project.write("ai-docs/good.error.md", "mine\n");
    project.write("ai-docs/good.md", &with_matter("budget: much", &plan("Good", &["Fine"])));
    project.expect(&["watch", "--once"], 1);
    assert_eq!(ids(&project), ["good-P1-1", "p-P1-1"]);
    assert_eq!(project.read("ai-docs/good.error.md"), "mine\n");
    // A plan that is gone needs no notice.
    project.write("ai-docs/x.md", &broken);
    project.expect(&["watch", "--once"], 1);
    assert!(project.has("ai-docs/x.error.md"));
    fs::remove_file(project.path("ai-docs/x.md")).unwrap();
    project.run(&["watch", "--once"]);
    assert!(!project.has("ai-docs/x.error.md"));
}

#[test]
fn what_no_reader_understands_goes_to_a_model_and_its_failure_to_a_notice() {
    let project = project();
    let task = |id: &str| {
        json!({"id": id, "title": "Faster", "description": "d", "steps": ["s"],
            "verification": {"validate_commands": ["test -d src"]}})
    };
    let queue = json!({"project": "Demo", "tasks": [task("M1")]});
    project.agent(
        "codex",
        &format!("if [ -e $out/dumb ]; then echo 'no idea'; exit 0; fi\ncase \"$AUTODEV_INQUIRY\" in spec) printf '## Context\\n## Outcome\\n## Constraints\\n## Assertions\\n';; *) echo '{queue}';; esac"),
    );
    fs::write(project.out("dumb"), "").unwrap();
    project.write("ai-docs/wish.md", "Please make it faster.\n");
    project.expect(&["watch", "--once"], 1);
    let notice = project.read("ai-docs/wish.error.md");
    assert!(notice.contains("It has to be planned by a model (it has no list of tasks), and that failed"), "{notice}");
    let asked = project.calls("codex");
    project.expect(&["watch", "--once"], 1);
    assert_eq!(project.calls("codex"), asked, "nobody is asked the same again");
    fs::remove_file(project.out("dumb")).unwrap();
    fs::remove_file(project.path("ai-docs/wish.error.md")).unwrap();
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), ["wish-M1"]);
    assert!(!project.has("ai-docs/wish.error.md"));
    assert_eq!(project.task("wish-M1")["source"]["file"], "ai-docs/wish.md");
    let asked = project.calls("codex");
    project.expect(&["watch", "--once"], 0);
    assert_eq!((project.calls("codex"), ids(&project).len()), (asked, 1));
}

#[test]
fn a_second_watcher_is_refused_by_the_process_of_the_first() {
    let project = project();
    let running = watcher(&project, &[]);
    let done = project.expect(&["watch"], 1);
    assert!(
        done.err.contains("is watched already") && done.err.contains(&format!("process {}", running.pid())),
        "{done:?}"
    );
    running.signal("KILL");
    running.wait();
    project.expect(&["watch", "--once"], 0);
}

#[test]
fn several_projects_are_watched_by_one_process() {
    let (one, two, three) = (project(), project(), project());
    let held = watcher(&three, &[]);
    let dirs: Vec<String> = [&one, &two, &three].iter().map(|p| p.dir().display().to_string()).collect();
    let running = one.spawn(&["watch", "--all", &dirs[0], &dirs[1], &dirs[2]]);
    wait_until("both to be watched", || count(&one, "watch_started") + count(&two, "watch_started") == 2);
    one.write("ai-docs/a.md", &plan("A", &["One"]));
    two.write("ai-docs/b.md", &plan("B", &["Two"]));
    wait_for_ids(&one, &["a-P1-1"]);
    wait_for_ids(&two, &["b-P1-1"]);
    assert_eq!(two.expect(&["watch"], 1).err.matches("is watched already").count(), 1);
    running.signal("TERM");
    let done = running.wait();
    assert_eq!(done.code, 1, "one of them had a watcher: {done:?}");
    assert!(done.err.contains("is watched already"), "{done:?}");
    stop(held);
}

#[test]
fn priority_and_dependencies_of_plans_decide_what_comes_next() {
    let project = project();
    project.agent("codex", DILIGENT);
    project.write("ai-docs/a.md", &with_matter("depends_on: base\npriority: critical", &plan("A", &["Roof"])));
    project.write("ai-docs/low.md", &with_matter("priority: low", &plan("Low", &["Garden"])));
    project.write("ai-docs/z.md", &with_matter("title: base", &plan("Z", &["Floor", "Walls"])));
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), ["a-P1-1", "z-P1-1", "z-P1-2", "low-P1-1"]);
    assert_eq!(project.task("a-P1-1")["depends_on"], json!(["plan:ai-docs/z.md"]));
    // The floor cannot be made: the roof waits, the garden does not.
    project.expect(&["task", "block", "z-P1-2", "no stones"], 0);
    let done = project.expect(&["run"], 2);
    assert!(done.err.contains("1 waiting for them"), "{done:?}");
    let completed: Vec<Value> = project.events("task_completed").iter().map(|e| e["task"].clone()).collect();
    assert_eq!(completed, [json!("z-P1-1"), json!("low-P1-1")]);
    assert_eq!(
        project.expect(&["task", "next"], 1).out,
        "No task may begin: 1 task waiting for others that are not done\n"
    );
    project.expect(&["task", "retry"], 0);
    project.expect(&["run"], 0);
    assert_eq!(project.flags("a-P1-1"), (true, false));
}

#[test]
fn unknown_dependencies_and_circles_are_told() {
    let project = project();
    project.write("ai-docs/a.md", &with_matter("depends_on: [base]", &plan("A", &["One"])));
    project.write("ai-docs/x.md", &with_matter("depends_on: [y]", &plan("X", &["Two"])));
    project.write("ai-docs/y.md", &with_matter("depends_on: [x]", &plan("Y", &["Three"])));
    project.expect(&["watch", "--once"], 1);
    assert_eq!(ids(&project), Vec::<String>::new());
    assert!(project.read("ai-docs/a.error.md").contains("depends_on names `base`"));
    assert!(project.read("ai-docs/x.error.md").contains("circle: ai-docs/x.md -> ai-docs/y.md -> ai-docs/x.md"));
    // What was missing comes: nobody has to touch the plans that waited for it.
    project.write("ai-docs/base.md", &plan("Base", &["Zero"]));
    project.write("ai-docs/y.md", &plan("Y", &["Three"]));
    project.expect(&["watch", "--once"], 0);
    let mut found = ids(&project);
    found.sort();
    assert_eq!(found, ["a-P1-1", "base-P1-1", "x-P1-1", "y-P1-1"]);
    assert_eq!(project.find("ai-docs", "error"), Vec::<String>::new());
}

#[test]
fn tasks_in_a_circle_end_the_run_with_a_word() {
    let project = Project::new();
    project.agent("codex", DILIGENT);
    let task = |id: &str, needs: &str| {
        json!({"id": id, "title": id, "description": "d", "steps": ["s"], "depends_on": [needs],
            "verification": {"validate_commands": ["test -d src"]}})
    };
    project.tasks(&json!([task("A", "B"), task("B", "A"), task("C", "gone")]).to_string());
    let done = project.expect(&["run"], 1);
    assert!(done.err.contains("tasks depend on each other in a circle: A -> B -> A"), "{done:?}");
    assert!(done.err.contains("C: depends on gone, which is not in the queue"), "{done:?}");
    assert_eq!(project.flags("C"), (true, false));
}

#[test]
fn a_plan_chooses_who_works_on_it() {
    let project = project();
    project.agent("codex", DILIGENT);
    project.agent("opencode", DILIGENT);
    project.write("ai-docs/a.md", &with_matter("backend: opencode", &plan("A", &["One"])));
    project.write("ai-docs/b.md", &plan("B", &["Two"]));
    project.expect(&["watch", "--once"], 0);
    project.expect(&["run"], 0);
    assert_eq!((project.calls("opencode"), project.calls("codex")), (1, 1));
    let attempts = project.events("attempt_started");
    assert_eq!(attempts.iter().map(|e| e["backend"].as_str().unwrap()).collect::<Vec<_>>(), ["opencode", "codex"]);
    assert!(attempts[0]["log"].as_str().unwrap().contains("/opencode/"));
    // Who is not there fails that task only.
    project.write("ai-docs/c.md", &with_matter("backend: gemini", &plan("C", &["Three"])));
    project.write("ai-docs/d.md", &plan("D", &["Four"]));
    project.expect(&["watch", "--once"], 0);
    project.expect(&["run"], 2);
    assert!(project.task("c-P1-1")["block_reason"].as_str().unwrap().contains("the program gemini is not on PATH"));
    assert_eq!(project.flags("d-P1-1"), (true, false));
    project.write("ai-docs/e.md", &with_matter("backend: skynet", &plan("E", &["Five"])));
    project.expect(&["watch", "--once"], 1);
    assert!(project.read("ai-docs/e.error.md").contains("backend: expected one of claude, codex"));
    let mut queue = project.json("task.json");
    queue["tasks"][0]["backend"] = json!("skynet");
    project.write("task.json", &queue.to_string());
    let done = project.expect(&["run"], 1);
    assert!(done.err.contains("tasks[0].backend: expected one of claude, codex"), "{done:?}");
}

#[test]
fn the_budget_of_a_plan_ends_its_work() {
    let project = project();
    let said = r#"{"type":"result","subtype":"success","is_error":false,"result":"done","total_cost_usd":2.0,"usage":{"input_tokens":1,"output_tokens":1},"session_id":"s"}"#;
    project.agent("codex", DILIGENT);
    project.agent("claude", &format!("mkdir -p src; echo $AUTODEV_TASK_ID > src/$AUTODEV_TASK_ID; echo '{said}'"));
    project.write("ai-docs/a.md", &with_matter("backend: claude\nbudget: 3", &plan("A", &["One", "Two", "Three"])));
    project.expect(&["watch", "--once"], 0);
    project.expect(&["run"], 2);
    assert_eq!((project.flags("a-P1-1"), project.flags("a-P1-2")), ((true, false), (true, false)));
    let reason = project.task("a-P1-3")["block_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("the budget of ai-docs/a.md is spent: $4.00 of $3.00"), "{reason}");
    assert_eq!(project.calls("claude"), 2);
    project.write("ai-docs/a.md", &with_matter("backend: claude\nbudget: 9", &plan("A", &["One", "Two", "Three"])));
    project.expect(&["watch", "--once"], 0);
    project.expect(&["task", "retry"], 0);
    project.expect(&["run"], 0);
    // Who does not say what it costs cannot be held to a budget, and that is said.
    project.write("ai-docs/b.md", &with_matter("budget: 1", &plan("B", &["Four"])));
    let done = project.expect(&["watch", "--once"], 0);
    assert!(done.err.contains("codex does not say what it costs"), "{done:?}");
}

/// An agent that works on the first task until the test lets it go.
const PATIENT: &str = "mkdir -p src; echo x > src/$AUTODEV_TASK_ID.txt; \
    if [ $n = 1 ]; then touch $out/working; while [ ! -e $out/go ]; do sleep 0.05; done; fi; echo done";

#[test]
fn plans_follow_their_files_while_an_agent_works() {
    let project = project();
    project.agent("codex", PATIENT);
    project.write("ai-docs/p.md", &plan("P", &["One", "Two", "Three"])).write("ai-docs/q.md", &plan("Q", &["Four"]));
    let watching = watcher(&project, &[]);
    wait_for_ids(&project, &["p-P1-1", "p-P1-2", "p-P1-3", "q-P1-1"]);
    let run = project.spawn(&["run"]);
    project.wait_for_left("working");
    // Two gets a check more and loses one, Three goes, Q goes, R comes.
    let edited = "# P\n\n- [ ] One\n- [ ] Two\n\n## Validation Commands\n\n- `test -e src`\n";
    project.write("ai-docs/p.md", edited).write("ai-docs/r.md", &plan("R", &["Five"]));
    fs::remove_file(project.path("ai-docs/q.md")).unwrap();
    wait_for_ids(&project, &["p-P1-1", "p-P1-2", "r-P1-1"]);
    fs::write(project.out("go"), "").unwrap();
    let done = run.wait();
    assert_eq!(done.code, 0, "{done:?}");
    stop(watching);
    assert_eq!(ids(&project), ["p-P1-1", "p-P1-2", "r-P1-1"], "what went is not put back as if an agent had done it");
    let checks = |id: &str| project.task(id)["verification"]["validate_commands"].clone();
    assert_eq!(checks("p-P1-1"), json!(["test -d src"]), "it had begun");
    assert_eq!(checks("p-P1-2"), json!(["test -d src", "test -e src"]), "checks only become more while an agent works");
    assert!(project.events("plan_taken").iter().any(|e| e["notes"].to_string().contains("no check was dropped")));
    assert_eq!(project.events("queue_edit_undone").len(), 0);
    // Plans are nobody's work: not the agent's, and not in its commits.
    let files = project.git(&["log", "--name-only", "--format="]);
    assert!(!files.contains("ai-docs") && files.contains("src/p-P1-1.txt"), "{files}");
    assert!(project.has("ai-docs/r.md"));
}

#[test]
fn an_agent_that_weakens_other_checks_is_still_undone() {
    let project = project();
    let weaken = r"sed -i 's/test -d src/test -e ./' task.json; mkdir -p src; touch src/x";
    project.agent("codex", weaken);
    project.write("ai-docs/p.md", &plan("P", &["One", "Two"]));
    project.expect(&["watch", "--once"], 0);
    project.expect(&["run", "--max-tasks", "1"], 0);
    assert_eq!(project.task("p-P1-2")["verification"]["validate_commands"], json!(["test -d src"]));
    assert!(!project.events("queue_edit_undone").is_empty());
}

#[test]
fn a_run_begins_when_there_is_something_to_do() {
    let project = project();
    let agent = "case $AUTODEV_TASK_ID in b-*) exit 3;; esac; mkdir -p src; echo x > src/$AUTODEV_TASK_ID.txt";
    project.agent("codex", agent);
    project.config("[run]\ndelay_between_tasks = 0\nmax_retries = 1\n");
    let running = watcher(&project, &["--on-plan", "run"]);
    project.write("ai-docs/a.md", &plan("A", &["One"]));
    wait_until("the task to be done", || project.flags_or("a-P1-1") == Some((true, false)));
    project.write("ai-docs/b.md", &plan("B", &["Two"]));
    wait_until("the task to be blocked", || project.flags_or("b-P1-1") == Some((false, true)));
    wait_until("both runs to end", || count(&project, "run_ended") == 2);
    // Nothing more can be done, so nothing more begins.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(count(&project, "run_started"), 2);
    // A task that a person writes into the queue is a reason as well.
    let mut queue = project.json("task.json");
    queue["tasks"].as_array_mut().unwrap().push(json!({"id": "M", "title": "m", "description": "d", "steps": ["s"],
        "verification": {"validate_commands": ["test -d src"]}}));
    project.write("task.json", &queue.to_string());
    wait_until("the task to be done", || project.flags_or("M") == Some((true, false)));
    stop(running);
}

#[test]
fn a_watcher_that_is_stopped_stops_its_run_and_a_killed_one_leaves_it() {
    let project = project();
    project.agent("codex", PATIENT);
    project.write("ai-docs/a.md", &plan("A", &["One"]));
    let running = watcher(&project, &["--on-plan", "run"]);
    project.wait_for_left("working");
    stop(running);
    assert_eq!(project.events("run_ended")[0]["exit_code"], 130);
    assert_eq!(project.flags("a-P1-1"), (false, false));
    fs::remove_file(project.out("working")).unwrap();
    fs::write(project.out("codex.calls"), "0").unwrap();
    let running = watcher(&project, &["--on-plan", "run"]);
    project.wait_for_left("working");
    running.signal("KILL");
    running.wait();
    fs::write(project.out("go"), "").unwrap();
    wait_until("the run to end by itself", || count(&project, "run_ended") == 2);
    assert_eq!(project.flags("a-P1-1"), (true, false));
}

#[test]
fn once_with_a_run_ends_with_its_code() {
    let project = project();
    project.agent("codex", DILIGENT);
    project.write("ai-docs/a.md", &plan("A", &["One"]));
    let done = project.expect(&["watch", "--once", "--on-plan", "run"], 0);
    assert!(done.err.contains("the run ended with exit code 0"), "{done:?}");
    assert_eq!(project.flags("a-P1-1"), (true, false));
    project.agent("codex", "exit 3");
    project.write("ai-docs/b.md", &plan("B", &["Two"]));
    project.expect(&["watch", "--once", "--on-plan", "run"], 2);
}

#[test]
fn an_agent_may_not_watch_its_own_project() {
    let project = project();
    let script = format!(
        "mkdir -p src; touch src/x; {} watch --once > $out/said 2>&1; echo $? >> $out/said",
        env!("CARGO_BIN_EXE_autodev")
    );
    project.agent("codex", &script);
    project.write("ai-docs/a.md", &plan("A", &["One"]));
    project.expect(&["watch", "--once"], 0);
    project.expect(&["run"], 0);
    assert!(project.left("said").contains("this process belongs to run") && project.left("said").trim().ends_with('1'));
}

#[test]
fn another_branch_with_other_plans_is_checked_out() {
    let project = project();
    project.write("ai-docs/a.md", &plan("A", &["One"])).write("ai-docs/both.md", &plan("Both", &["Two"]));
    project.git(&["add", "ai-docs"]);
    project.git(&["commit", "-q", "-m", "plans"]);
    project.git(&["checkout", "-q", "-b", "other"]);
    project.git(&["rm", "-q", "ai-docs/a.md"]);
    project.write("ai-docs/c.md", &plan("C", &["Three"]));
    project.git(&["add", "ai-docs"]);
    project.git(&["commit", "-q", "-m", "other plans"]);
    let running = watcher(&project, &[]);
    wait_for_ids(&project, &["both-P1-1", "c-P1-1"]);
    project.git(&["checkout", "-q", "main"]);
    wait_for_ids(&project, &["both-P1-1", "a-P1-1"]);
    project.git(&["checkout", "-q", "other"]);
    wait_for_ids(&project, &["both-P1-1", "c-P1-1"]);
    stop(running);
}

/// Every plan's tasks, each once, and what the journal says was taken.
fn exactly_once(project: &Project, plans: usize) {
    let queue = project.json("task.json");
    let mut by_plan: BTreeMap<String, usize> = BTreeMap::new();
    for task in queue["tasks"].as_array().unwrap() {
        *by_plan.entry(task["source"]["file"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let doubled: Vec<_> = by_plan.iter().filter(|(_, count)| **count != 1).collect();
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
    assert_eq!(by_plan.len(), plans, "lost: {}", plans - by_plan.len().min(plans));
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for event in project.journal().iter().filter(|event| event["kind"] == "plan_taken") {
        *told.entry(event["plan"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert!(
        told.len() == plans && told.values().all(|count| *count == 1),
        "told: {:?}",
        told.iter().find(|t| *t.1 != 1)
    );
}

#[test]
fn a_watcher_killed_at_any_point_takes_each_plan_once() {
    let mut killed = 0;
    for point in 1.. {
        let mut project = project();
        for name in ["a", "b", "c"] {
            project.write(&format!("ai-docs/{name}.md"), &plan(name, &[name]));
        }
        project.env("AUTODEV_KILL_AT", &point.to_string());
        let first = project.run(&["watch", "--once"]);
        project.env("AUTODEV_KILL_AT", "0");
        project.expect(&["watch", "--once"], 0);
        exactly_once(&project, 3);
        // Edits and deletions as well.
        project.write("ai-docs/a.md", &plan("a", &["a", "a2"]));
        fs::remove_file(project.path("ai-docs/b.md")).unwrap();
        project.env("AUTODEV_KILL_AT", &point.to_string());
        let second = project.run(&["watch", "--once"]);
        project.env("AUTODEV_KILL_AT", "0");
        project.expect(&["watch", "--once"], 0);
        let mut found = ids(&project);
        found.sort();
        assert_eq!(found, ["a-P1-1", "a-P1-2", "c-P1-1"], "point {point}");
        if first.code == 0 && second.code == 0 {
            break;
        }
        assert!([0, -9].contains(&first.code) && [0, -9].contains(&second.code), "{first:?} {second:?}");
        killed += 1;
    }
    println!("kill points: {killed}");
    assert!(killed >= 7, "only {killed} points were reached");
}

#[test]
fn a_queue_written_by_a_killed_watcher_is_known_also_when_its_tasks_are_gone() {
    // Killed between the write and the journal's word for it; then a run works the task off and plans anew.
    let mut project = project();
    let plan_text = json!({"tasks": [{"id": "N", "title": "Next", "description": "d", "steps": ["s"],
        "verification": {"validate_commands": ["test -d src"]}}]});
    project.agent("codex", &format!("case $AUTODEV_INQUIRY in replan) echo '{plan_text}';; *) mkdir -p src; echo $AUTODEV_TASK_ID >> src/log;; esac"));
    project.write("ai-docs/a.md", &plan("a", &["One"]));
    project.write("task.json", r#"{"planning_source": {"planning_text": "all of it"}, "tasks": []}"#);
    let log = project.out("points");
    project.env("AUTODEV_KILL_LOG", log.to_str().unwrap());
    let twin = {
        let mut twin = self::project();
        twin.write("ai-docs/a.md", &plan("a", &["One"]));
        twin.write("task.json", r#"{"planning_source": {"planning_text": "all of it"}, "tasks": []}"#);
        twin.env("AUTODEV_KILL_LOG", log.to_str().unwrap());
        twin
    };
    twin.expect(&["watch", "--once"], 0);
    let points = fs::read_to_string(&log).unwrap();
    let at = points.lines().position(|line| line.ends_with("plans written")).unwrap() + 1;
    project.env("AUTODEV_KILL_AT", &at.to_string());
    assert_eq!(project.run(&["watch", "--once"]).code, -9);
    project.env("AUTODEV_KILL_AT", "0").unset("AUTODEV_KILL_LOG");
    assert_eq!((ids(&project), count(&project, "plan_taken")), (vec!["a-P1-1".to_owned()], 0));
    project.expect(&["run", "--epochs", "2"], 0);
    assert_eq!(ids(&project), ["N"]);
    project.expect(&["watch", "--once"], 0);
    assert_eq!(ids(&project), ["N"], "it was in the queue, and is done");
    assert_eq!(count(&project, "plan_taken"), 1);
}

#[test]
fn a_recurring_plan_comes_at_its_times_and_not_because_it_is_there() {
    let mut project = project();
    let settings = "[schedule]\ncron = [{ at = \"0 3 * * * Europe/Berlin\", plan = \"ai-docs/nightly.md\" }]\n";
    project.config(settings);
    project.write("ai-docs/nightly.md", &plan("Nightly", &["Sweep"])).write("ai-docs/a.md", &plan("A", &["One"]));
    project.clock("2026-11-20T12:00:00Z", 0.0);
    let running = watcher(&project, &[]);
    wait_for_ids(&project, &["a-P1-1"]);
    wait_until("the schedule to be known", || count(&project, "schedule_seen") == 1);
    project.clock("2026-11-21T02:00:10Z", 0.0);
    wait_until("its turn", || count(&project, "schedule_fired") == 1);
    assert_eq!(ids(&project), ["a-P1-1", "P1-1"]);
    project.clock("2026-11-22T02:00:10Z", 0.0);
    wait_until("its next turn", || count(&project, "schedule_fired") == 2);
    assert_eq!(ids(&project).len(), 3);
    stop(running);
}

/// What a soak came to.
struct Figures {
    /// Milliseconds from the moment a file had its name to the journal's word that it was taken, ascending.
    latencies: Vec<i64>,
    took: Duration,
    kills: usize,
}

impl Figures {
    fn percentile(&self, of_hundred: usize) -> i64 {
        let at = (self.latencies.len() * of_hundred).div_ceil(100).saturating_sub(1);
        self.latencies.get(at).copied().unwrap_or_default()
    }

    fn line(&self, plans: usize) -> String {
        format!(
            "{plans} plans, {} kills, {:.1} s: lost 0, doubled 0, from drop to journal p50 {} ms, p99 {} ms, longest {} ms",
            self.kills,
            self.took.as_secs_f64(),
            self.percentile(50),
            self.percentile(99),
            self.latencies.last().copied().unwrap_or_default()
        )
    }
}

fn now() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Drops plans in bursts, kills the watcher at random moments and starts it again; every plan must be queued once.
fn soak(plans: usize, kills: usize, longest_life: u64) -> Figures {
    let project = project();
    let begun = std::time::Instant::now();
    let dir = project.path("ai-docs");
    let dropped: Vec<i64> = std::thread::scope(|scope| {
        let dropper = scope.spawn(|| {
            let mut dropped = Vec::with_capacity(plans);
            while dropped.len() < plans {
                for _ in 0..fastrand::usize(1..=(plans / 20).max(2)).min(plans - dropped.len()) {
                    let n = dropped.len();
                    let (path, text) =
                        (dir.join(format!("plan{n}.md")), plan(&format!("Plan {n}"), &[&format!("Do {n}")]));
                    if n.is_multiple_of(2) {
                        fs::write(&path, text).unwrap();
                    } else {
                        let temporary = dir.join(format!(".plan{n}.tmp"));
                        fs::write(&temporary, text).unwrap();
                        fs::rename(temporary, &path).unwrap();
                    }
                    dropped.push(now());
                }
                std::thread::sleep(Duration::from_millis(fastrand::u64(0..400)));
            }
            dropped
        });
        for _ in 0..kills {
            let running = project.spawn(&["watch"]);
            std::thread::sleep(Duration::from_millis(fastrand::u64(20..longest_life)));
            running.signal("KILL");
            assert_eq!(running.wait().code, -9);
        }
        dropper.join().unwrap()
    });
    // As long as it takes: the last of ten thousand tasks are written into a queue of twelve megabytes.
    let last = project.command(env!("CARGO_BIN_EXE_autodev"), &["watch", "--once"]).output().unwrap();
    assert!(last.status.success(), "{last:?}");
    let took = begun.elapsed();
    exactly_once(&project, plans);
    let mut latencies: Vec<i64> = project
        .journal()
        .iter()
        .filter(|event| event["kind"] == "plan_taken")
        .map(|event| {
            let name = event["plan"].as_str().unwrap();
            let n: usize = name.trim_start_matches("ai-docs/plan").trim_end_matches(".md").parse().unwrap();
            let at: chrono::DateTime<chrono::Utc> = event["at"].as_str().unwrap().parse().unwrap();
            at.timestamp_millis() - dropped[n]
        })
        .collect();
    latencies.sort_unstable();
    Figures { latencies, took, kills }
}

#[test]
fn hundreds_of_plans_are_taken_once_though_the_watcher_is_killed() {
    println!("{}", soak(300, 5, 1_500).line(300));
}

#[test]
#[ignore = "takes many minutes: 10 000 plans and 50 kills; run by hand, figures are in docs/measurements.md"]
fn ten_thousand_plans_are_taken_once_though_the_watcher_is_killed() {
    println!("{}", soak(10_000, 50, 8_000).line(10_000));
}

#[test]
#[ignore = "a measurement: how long a single plan takes from its name to the journal; run by hand"]
fn single_plans_are_taken_soon_after_the_debounce_time() {
    let project = project();
    let running = watcher(&project, &[]);
    let mut dropped = Vec::new();
    for n in 0..100 {
        std::thread::sleep(Duration::from_millis(fastrand::u64(150..350)));
        project.write(&format!("ai-docs/plan{n}.md"), &plan(&format!("Plan {n}"), &[&format!("Do {n}")]));
        dropped.push(now());
    }
    wait_until("all plans to be taken", || ids(&project).len() == 100);
    stop(running);
    let taken = project.events("plan_taken");
    let at = |event: &Value| event["at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let of = |event: &Value| {
        let name = event["plan"].as_str().unwrap();
        name.trim_start_matches("ai-docs/plan").trim_end_matches(".md").parse::<usize>().unwrap()
    };
    let mut latencies: Vec<i64> = taken.iter().map(|e| at(e).timestamp_millis() - dropped[of(e)] - 100).collect();
    latencies.sort_unstable();
    let figures = Figures { latencies, took: Duration::ZERO, kills: 0 };
    println!(
        "beyond the debounce time of 100 ms: p50 {} ms, p99 {} ms",
        figures.percentile(50),
        figures.percentile(99)
    );
}
