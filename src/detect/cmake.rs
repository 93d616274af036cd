//! CMake with CTest, built out of the source tree in `build`.
//!
//! `ctest` alone tests what was built last, whatever the sources say since. The test that is named first therefore
//! configures, builds and tests in one command: a workflow preset of the project, else `ctest --build-and-test`.

use serde_json::Value;

use super::command::Kind;
use super::line;
use super::site::{Site, word};

const LISTS: &str = "CMakeLists.txt";
const PRESETS: &str = "CMakePresets.json";

pub(super) fn look(site: &mut Site<'_>) -> bool {
    let Some(text) = site.read(LISTS) else { return false };
    let project = line::find(&text, "project(").unwrap_or(1);
    let presets = presets(site);
    for preset in &presets.workflows {
        let run = format!("cmake --workflow --preset {}", preset.word);
        site.add(Kind::Test, &run, &["cmake"], (PRESETS, preset.line));
    }
    if let Some(line) = switch(&text) {
        let generator = generator(site);
        let run = format!(
            "ctest --build-and-test . build --build-generator {generator} --test-command ctest --output-on-failure \
             --no-tests=error"
        );
        site.add(Kind::Test, &run, &["ctest", "cmake"], (LISTS, line));
    }
    for preset in &presets.tests {
        site.add(Kind::Test, &format!("ctest --preset {}", preset.word), &["ctest"], (PRESETS, preset.line));
    }
    if !presets.tests.is_empty() {
        site.remark(PRESETS, "`ctest --preset` tests what was built last; build before it");
    }
    for (programs, list) in [("cmake --preset", &presets.configures), ("cmake --build --preset", &presets.builds)] {
        for preset in list {
            site.add(Kind::Build, &format!("{programs} {}", preset.word), &["cmake"], (PRESETS, preset.line));
        }
    }
    site.add(Kind::Build, "cmake -S . -B build", &["cmake"], (LISTS, project));
    site.add(Kind::Build, "cmake --build build", &["cmake"], (LISTS, project));
    true
}

/// The line that turns tests on.
fn switch(text: &str) -> Option<u32> {
    let is_on = |line: &str| {
        let line: String =
            line.split('#').next().unwrap_or_default().split_whitespace().collect::<String>().to_lowercase();
        line.starts_with("enable_testing(") || line.starts_with("include(ctest)")
    };
    text.lines().position(is_on).and_then(|index| u32::try_from(index + 1).ok())
}

/// The generator that `build` was configured with, since another one is refused; else the one that is there.
fn generator(site: &mut Site<'_>) -> String {
    let known = site.read("build/CMakeCache.txt").and_then(|text| cached_generator(&text));
    known.and_then(|name| word(&name)).unwrap_or_else(|| {
        let has_only_ninja = !site.has_program("make") && site.has_program("ninja");
        if has_only_ninja { "Ninja".to_owned() } else { "'Unix Makefiles'".to_owned() }
    })
}

fn cached_generator(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("CMAKE_GENERATOR:INTERNAL=")).map(str::to_owned)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Presets {
    configures: Vec<Preset>,
    builds: Vec<Preset>,
    tests: Vec<Preset>,
    workflows: Vec<Preset>,
}

#[derive(Debug, PartialEq, Eq)]
struct Preset {
    /// Its name, quoted.
    word: String,
    line: u32,
}

fn presets(site: &mut Site<'_>) -> Presets {
    let Some(text) = site.read(PRESETS) else { return Presets::default() };
    parse(&text).unwrap_or_else(|problem| {
        site.remark(PRESETS, &problem);
        Presets::default()
    })
}

/// Reads the presets that are not hidden; of the workflows those that test.
fn parse(text: &str) -> Result<Presets, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let list = |kind: &str| -> Vec<Preset> {
        let presets = value[kind].as_array().into_iter().flatten();
        let presets = presets.filter(|preset| preset["hidden"] != Value::Bool(true));
        let presets = presets.filter(|preset| {
            let steps = preset["steps"].as_array();
            kind != "workflowPresets" || steps.into_iter().flatten().any(|step| step["type"] == "test")
        });
        let names = presets.filter_map(|preset| preset["name"].as_str()).filter(|name| !name.starts_with('-'));
        let line = |name: &str| {
            let section = text.find(&format!("\"{kind}\"")).unwrap_or_default();
            let offset = text.get(section..).and_then(|rest| rest.find(&format!("\"{name}\""))).unwrap_or_default();
            line::at(text, section + offset)
        };
        names.filter_map(|name| Some(Preset { word: word(name)?, line: line(name) })).collect()
    };
    Ok(Presets {
        configures: list("configurePresets"),
        builds: list("buildPresets"),
        tests: list("testPresets"),
        workflows: list("workflowPresets"),
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn tests_are_on_when_a_command_turns_them_on() {
        assert_eq!(switch("project(a)\n# enable_testing()\n  Enable_Testing ( )\n"), Some(3));
        assert_eq!(switch("include(CTest)\n"), Some(1));
        assert_eq!(switch("include(CTestUseLaunchers)\nadd_executable(a a.c)\n"), None);
    }

    #[test]
    fn the_generator_of_a_build_is_kept() {
        assert_eq!(cached_generator("A=1\nCMAKE_GENERATOR:INTERNAL=Ninja\n"), Some("Ninja".to_owned()));
        assert_eq!(cached_generator(""), None);
    }

    #[test]
    fn presets_are_read_without_the_hidden_ones() {
        let text = r#"{"version": 6,
          "configurePresets": [{"name": "base", "hidden": true}, {"name": "dev build"}],
          "buildPresets": [{"name": "--install"}],
          "testPresets": [
            {"name": "dev"}],
          "workflowPresets": [{"name": "pack", "steps": [{"type": "package"}]},
            {"name": "dev", "steps": [{"type": "configure"}, {"type": "test"}]}]}"#;
        let preset = |word: &str, line| vec![Preset { word: word.to_owned(), line }];
        let wanted = Presets {
            configures: preset("'dev build'", 2),
            builds: vec![],
            tests: preset("dev", 5),
            workflows: preset("dev", 7),
        };
        assert_eq!(parse(text), Ok(wanted));
        assert_eq!(parse("[]"), Ok(Presets::default()));
        assert!(parse("{").is_err());
    }
}
