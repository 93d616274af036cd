//! Windows in which runs may work, and plans that come again and again.

use std::collections::BTreeSet;

use crate::harness::{DILIGENT, ONE_TASK, Project, TWO_TASKS};

const NIGHTS: &str = "[schedule]\nwindows = [\"22:00-07:00 Europe/Berlin\"]\n";
const NIGHTLY: &str = "[schedule]\ncron = [{ at = \"0 3 * * * Europe/Berlin\", plan = \"ai-docs/nightly.md\" }]\n";
const PLAN: &str = "# Nightly\n\n- [ ] Update the dependencies\n- [ ] Renew the report\n";

fn project(settings: &str) -> Project {
    let project = Project::new();
    let checks = "[verification]\nvalidate_commands = [\"true\"]\n";
    project.config(&format!("{checks}{settings}")).write("ai-docs/nightly.md", PLAN).agent("codex", DILIGENT);
    project
}

fn ids(project: &Project) -> Vec<String> {
    let queue = project.json("task.json");
    queue["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
}

fn fired(project: &Project) -> usize {
    project.output_json(&["schedule", "--fire", "--json"], 0)["fired"].as_array().unwrap().len()
}

#[test]
fn a_run_outside_of_its_window_says_until_when_and_goes_on_when_it_opens() {
    let mut project = project(NIGHTS);
    project.tasks(ONE_TASK);
    project.clock("2026-11-20T12:00:00Z", 0.0);
    let run = project.spawn(&["run"]);
    project.wait_for("logs/runtime-status.json", "\"waiting_until\": \"2026-11-20T21:00:00Z\"");
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!(
        (&status["run"]["status"], &status["run"]["wait_reason"]),
        (&"waiting".into(), &"outside of the schedule's windows".into())
    );
    assert_eq!(status["run"]["message"], "Waiting until 2026-11-20T21:00:00Z: outside of the schedule's windows");
    let page = project.expect(&["status"], 0).out;
    assert!(page.contains("Waiting: until 2026-11-20 21:00:00 - outside of the schedule's windows"), "{page}");
    assert!(project.read("logs/dashboard.html").contains("2026-11-20 21:00:00 UTC: outside of the"), "the dashboard");
    let page = project.expect(&["schedule"], 0).out;
    assert!(page.contains("22:00-07:00 Europe/Berlin\nNow: closed until 2026-11-20 21:00:00\n"), "{page}");
    assert_eq!(project.calls("codex"), 0);
    // The clock is set back by a day, to the day before at noon: the run believes it.
    project.clock("2026-11-19T12:00:00Z", 0.0);
    project.wait_for("logs/runtime-status.json", "\"waiting_until\": \"2026-11-19T21:00:00Z\"");
    project.clock("2026-11-19T21:00:00Z", 0.0);
    let done = run.wait();
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("outside of the schedule's windows; waiting until 2026-11-20 21:00:00"), "{}", done.err);
}

#[test]
fn a_window_that_closes_during_an_attempt_does_not_end_it() {
    let mut project = project(NIGHTS);
    project.tasks(TWO_TASKS);
    project.clock("2026-11-20T23:00:00Z", 0.0);
    project.agent("codex", &format!("touch $out/begun$n; while [ ! -e $out/go$n ]; do sleep 0.05; done; {DILIGENT}"));
    let run = project.spawn(&["run"]);
    project.wait_for_left("begun1");
    project.clock("2026-11-21T09:00:00Z", 0.0);
    std::fs::write(project.out("go1"), "").unwrap();
    project.wait_for("logs/runtime-status.json", "\"waiting_until\": \"2026-11-21T21:00:00Z\"");
    assert_eq!((project.flags("T1"), project.flags("T2")), ((true, false), (false, false)));
    assert_eq!(project.log().len(), 2, "{:?}", project.log());
    std::fs::write(project.out("go2"), "").unwrap();
    // A run that is killed while it waits leaves nothing to mend.
    run.signal("KILL");
    run.wait();
    let run = project.spawn(&["run"]);
    project.wait_for("logs/runtime-status.json", "\"waiting_until\": \"2026-11-21T21:00:00Z\"");
    project.clock("2026-11-21T21:00:01Z", 0.0);
    assert_eq!(run.wait().code, 0);
    assert_eq!(project.calls("codex"), 2);
}

#[test]
fn a_night_passes_in_seconds_with_a_fast_clock() {
    let mut project = project(NIGHTS);
    // Two hours are a second; the run begins at noon and works in the night.
    project.tasks(TWO_TASKS);
    project.clock("2026-11-20T11:00:00Z", 7200.0);
    project.expect(&["run"], 0);
    let opened = project.events("task_opened");
    let first = opened[0]["at"].as_str().unwrap();
    assert!(first >= "2026-11-20T21:00:00", "{first}");
}

#[test]
fn the_setting_can_be_put_aside_for_one_run() {
    let mut project = project(NIGHTS);
    project.tasks(ONE_TASK);
    project.clock("2026-11-20T12:00:00Z", 0.0).env("AUTODEV_SCHEDULE_WINDOWS", "");
    project.expect(&["run"], 0);
}

#[test]
fn a_window_without_a_zone_is_in_that_of_the_machine() {
    let mut project = project("[schedule]\nwindows = [\"22:00-07:00\"]\n");
    project.clock("2026-11-20T12:00:00Z", 0.0).env("TZ", "America/New_York");
    let schedule = project.output_json(&["schedule", "--json"], 0);
    assert_eq!(schedule["windows"], serde_json::json!(["22:00-07:00 America/New_York"]));
    assert_eq!((&schedule["open"], &schedule["until"]), (&false.into(), &"2026-11-21T03:00:00Z".into()));
    project.env("TZ", "EST5EDT,M3.2.0,M11.1.0").tasks(ONE_TASK);
    for args in [&["schedule"][..], &["run"]] {
        let done = project.expect(args, 1);
        assert!(
            done.err.contains("the time zone of this machine") && done.err.contains("Europe/Berlin"),
            "{}",
            done.err
        );
    }
}

#[test]
fn a_schedule_that_is_none_is_refused_with_its_place() {
    let project = project("[schedule]\nwindows = [\"22:00-25:00\"]\ncron = [{ at = \"0 3 * *\", plan = \"x.md\" }]\n");
    let done = project.expect(&["status"], 1);
    for part in ["[schedule].windows", "\"25:00\" is no time of day", "[schedule].cron", "element 1: at: expected"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
}

#[test]
fn a_plan_comes_at_its_time_once_and_again_the_next_day() {
    let mut project = project(NIGHTLY);
    project.clock("2026-11-20T12:00:00Z", 0.0);
    let page = project.expect(&["schedule"], 0).out;
    assert!(page.contains("0 3 * * * Europe/Berlin: ai-docs/nightly.md\n      nobody has looked yet"), "{page}");
    assert_eq!(
        project.expect(&["schedule", "--fire"], 0).out,
        "No plan is due\n",
        "what was before it was there is not made up for"
    );
    let page = project.expect(&["schedule"], 0).out;
    assert!(page.contains("next 2026-11-21 02:00:00"), "{page}");

    project.clock("2026-11-21T02:00:00Z", 0.0);
    let page = project.expect(&["schedule"], 0).out;
    assert!(page.contains("due since 2026-11-21 02:00:00"), "{page}");
    let done = project.expect(&["schedule", "--fire"], 0);
    assert!(
        done.out.starts_with("2 tasks of 0 3 * * * Europe/Berlin: ai-docs/nightly.md (due 2026-11-21 02:00:00): "),
        "{}",
        done.out
    );
    let first = ids(&project);
    assert_eq!(first.len(), 2, "{first:?}");
    let mark = "2026-11-21T02:00:00Z 0 3 * * * Europe/Berlin: ai-docs/nightly.md";
    assert_eq!(project.task(&first[0])["scheduled"], mark);
    assert_eq!(fired(&project), 0, "once");
    // The clock is set back: what had its turn does not come again.
    project.clock("2026-11-21T01:30:00Z", 0.0);
    assert_eq!(fired(&project), 0);
    project.clock("2026-11-21T02:00:30Z", 0.0);
    assert_eq!(fired(&project), 0);

    project.expect(&["run"], 0);
    project.clock("2026-11-22T02:00:10Z", 0.0);
    project.expect(&["pause"], 0);
    assert_eq!(fired(&project), 0, "a pause holds for plans too");
    project.expect(&["resume"], 0);
    assert_eq!(fired(&project), 1);
    let both: BTreeSet<String> = ids(&project).into_iter().collect();
    assert_eq!(both.len(), 4, "new tasks beside those of the day before: {both:?}");
    project.expect(&["run"], 0);
    assert!(both.iter().all(|id| project.flags(id) == (true, false)));
}

#[test]
fn missed_times_come_once_and_not_when_they_are_too_old() {
    let mut project = project(NIGHTLY);
    project.clock("2026-11-20T12:00:00Z", 0.0);
    assert_eq!(fired(&project), 0);
    // Four nights in which nobody looked.
    project.clock("2026-11-24T12:00:00Z", 0.0);
    let turns = project.output_json(&["schedule", "--fire", "--json"], 0);
    assert_eq!(turns["fired"].as_array().unwrap().len(), 1, "{turns}");
    assert_eq!(turns["fired"][0]["due"], "2026-11-24T02:00:00Z");
    assert_eq!((ids(&project).len(), fired(&project)), (2, 0));
    project.env("AUTODEV_SCHEDULE_CATCH_UP_SECONDS", "3600");
    project.clock("2026-11-25T12:00:00Z", 0.0);
    assert_eq!(fired(&project), 0, "ten hours late");
    project.clock("2026-11-26T02:59:00Z", 0.0);
    assert_eq!(fired(&project), 1);
    // A clock that was a year ahead does not silence the plan for a year.
    project.clock("2027-11-26T02:00:00Z", 0.0);
    assert_eq!(fired(&project), 1);
    project.clock("2026-11-27T12:00:00Z", 0.0);
    assert_eq!(fired(&project), 0, "begins anew");
    project.clock("2026-11-28T02:00:00Z", 0.0);
    assert_eq!(fired(&project), 1);
}

#[test]
fn a_plan_that_cannot_be_queued_is_told_and_had_its_turn() {
    let mut project = project(NIGHTLY);
    project.clock("2026-11-20T12:00:00Z", 0.0);
    assert_eq!(fired(&project), 0);
    std::fs::remove_file(project.path("ai-docs/nightly.md")).unwrap();
    project.clock("2026-11-21T02:00:00Z", 0.0);
    let done = project.expect(&["schedule", "--fire"], 1);
    assert!(done.out.starts_with("Not queued: ") && done.out.contains("nightly.md: No such file"), "{}", done.out);
    let status = project.output_json(&["status", "--json"], 0);
    assert!(status["events"][0]["message"].as_str().unwrap().starts_with("Could not queue "), "{status:#}");
    project.write("ai-docs/nightly.md", PLAN);
    assert_eq!(fired(&project), 0);
    assert!(ids(&project).is_empty());
}

#[test]
fn wherever_it_is_killed_a_plan_is_queued_exactly_once() {
    let mut place = 0;
    loop {
        place += 1;
        let mut project = project(NIGHTLY);
        project.clock("2026-11-20T12:00:00Z", 0.0);
        assert_eq!(fired(&project), 0);
        project.clock("2026-11-21T02:00:00Z", 0.0).env("AUTODEV_KILL_AT", &place.to_string());
        let code = project.run(&["schedule", "--fire"]).code;
        project.env("AUTODEV_KILL_AT", "0");
        project.expect(&["schedule", "--fire"], 0);
        assert_eq!(fired(&project), 0, "place {place}");
        let ids = ids(&project);
        assert_eq!(ids.len(), 2, "place {place}: {ids:?}");
        let ended = project.events("schedule_fired");
        assert_eq!(ended.len(), 1, "place {place}: {ended:?}");
        assert_eq!(ended[0]["outcome"]["tasks"], serde_json::json!(ids), "place {place}");
        if code == 0 {
            break;
        }
        assert_eq!(code, -9, "place {place}");
        assert!(place < 200, "it never gets through");
    }
    println!("killed at {} places", place - 1);
    assert!(place > 5, "only {place} places");
}

#[test]
fn many_that_look_at_once_queue_it_once() {
    let mut project = project(NIGHTLY);
    project.clock("2026-11-20T12:00:00Z", 0.0);
    assert_eq!(fired(&project), 0);
    project.clock("2026-11-21T02:00:00Z", 0.0);
    let all: Vec<_> = (0..6).map(|_| project.spawn(&["schedule", "--fire"])).collect();
    for one in all {
        assert_eq!(one.wait().code, 0);
    }
    assert_eq!((ids(&project).len(), project.events("schedule_fired").len()), (2, 1));
}

#[test]
fn a_plan_joins_a_run_that_is_under_way() {
    let mut project = project(NIGHTLY);
    project.tasks(ONE_TASK);
    project.clock("2026-11-20T12:00:00Z", 0.0);
    project.agent("codex", &format!("touch $out/begun; while [ ! -e $out/go ]; do sleep 0.05; done; {DILIGENT}"));
    assert_eq!(fired(&project), 0);
    let run = project.spawn(&["run"]);
    project.wait_for_left("begun");
    project.clock("2026-11-21T02:00:00Z", 0.0);
    assert_eq!(fired(&project), 1);
    std::fs::write(project.out("go"), "").unwrap();
    let done = run.wait();
    assert_eq!((done.code, project.calls("codex")), (0, 3), "{}", done.err);
    assert_eq!(ids(&project).len(), 3);
}
