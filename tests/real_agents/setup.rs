//! What every program makes of a project that `autodev init` has set up for all of them.

use std::fs;

use pretty_assertions::assert_eq;

use crate::agent::Agent;
use crate::cases::right;
use crate::stage::Stage;

pub fn rules_and_skills(agent: Agent) {
    let routes = [("task", right().into_iter().collect())];
    let Some(mut stage) = Stage::with(agent, "max_retries = 1", &routes) else { return };
    let ours = stage.project.read("autodev.toml").parse::<toml::Table>().unwrap();
    for file in ["autodev.toml", "task.json"] {
        fs::rename(stage.project.path(file), stage.project.out(file)).unwrap();
    }
    stage.project.expect(&["init", "--use", "claude,codex,gemini,opencode", "--name", "Demo"], 0);
    // The queue and the way to the model's server are the test's, all else is as init made it.
    fs::rename(stage.project.out("task.json"), stage.project.path("task.json")).unwrap();
    let mut config = stage.project.read("autodev.toml").parse::<toml::Table>().unwrap();
    assert_eq!(config["backend"]["default"].as_str(), Some("claude"));
    merge(&mut config, ours);
    stage.project.write("autodev.toml", &config.to_string());
    stage.project.git(&["add", "-A"]);
    stage.project.git(&["commit", "-q", "-m", "set up"]);
    stage.project.env("AUTODEV_REFLECTION_ENABLED", "true");
    stage.run(0);
    assert_eq!(stage.attempts()[0]["changed"], serde_json::json!(["src/hello.txt"]), "what init made is no work");
    assert_eq!(stage.project.committed(), ["src/hello.txt"]);
    assert_eq!(stage.foreign(), [] as [&str; 0]);

    let request = stage.server.requests().swap_remove(0);
    let text = request["body"].to_string();
    let rules = stage.project.read("AGENTS.md");
    let rules = rules.lines().find(|line| line.starts_with("Tasks in this project")).unwrap();
    assert_eq!(text.matches(rules).count(), 1, "the rules file: {rules}");
    let mut skills = 0;
    for entry in fs::read_dir(stage.project.path(".skills")).unwrap().flatten() {
        let skill = fs::read_to_string(entry.path().join("SKILL.md")).unwrap();
        let name = entry.file_name().into_string().unwrap();
        let description = skill.lines().find_map(|line| line.strip_prefix("description: ")).unwrap();
        // Some programs shorten what they quote.
        let head: String = description.chars().take(60).collect();
        assert_eq!(text.matches(&head).count(), 1, "the skill {name}");
        assert!(text.contains(&name), "the skill {name} is not named");
        skills += 1;
    }
    assert_eq!(skills, 5);
}

/// Lays one table over another.
fn merge(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
