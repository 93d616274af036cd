//! `autodev checks`: what is proposed for a project is right, can be run by the gate, and tells good work from bad.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Project, has_tool};

/// A directory that holds nothing but what the test writes.
fn bare() -> Project {
    let project = Project::without_git();
    std::fs::remove_file(project.path("autodev.toml")).unwrap();
    std::fs::remove_file(project.path("task.json")).unwrap();
    project
}

/// Puts the programs on the project's PATH, from the first directory that has them all; notes it when there is none.
fn with_tools(project: &mut Project, names: &[&str]) -> bool {
    if !names.iter().all(|name| has_tool(name)) {
        return false;
    }
    let usual = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    let own = std::env::var_os("PATH").unwrap_or_default();
    let dir =
        usual.into_iter().chain(std::env::split_paths(&own)).find(|dir| names.iter().all(|n| dir.join(n).is_file()));
    let dir = dir.unwrap_or_else(|| panic!("{names:?} are in different directories"));
    let bin = project.path("../bin");
    let path = std::env::join_paths([
        bin.as_path(),
        &dir,
        Path::new("/usr/local/bin"),
        Path::new("/usr/bin"),
        Path::new("/bin"),
    ]);
    project.env("PATH", path.unwrap().to_str().unwrap());
    true
}

fn detected(project: &Project) -> Value {
    project.output_json(&["checks", "--json"], 0)
}

/// Makes the only default the check of a task, and expects that it passes the project as it is, and fails it with
/// another text in one of its files.
fn tells_good_from_bad(project: &Project, run: &str, file: &str, bad: &str) {
    let found = detected(project);
    assert_eq!(found["defaults"], json!([run]), "{found:#}");
    assert!(project.expect(&["checks"], 0).out.contains(&format!("validate_commands = {}\n", json!([run]))));
    project.config("");
    let task = json!([{"id": "T1", "title": "t", "verification": {"validate_commands": found["defaults"]}}]);
    project.tasks(&task.to_string());
    let done = project.expect(&["verify", "T1", "--changed-file", file], 0);
    assert!(done.out.contains("PASSED"), "{}", done.out);
    project.write(file, bad);
    let done = project.expect(&["verify", "T1", "--changed-file", file], 1);
    let is_verdict = done.out.contains("[-] validate:") && done.out.contains("exit_code=");
    assert!(is_verdict && !done.out.contains("exit_code=-1"), "the check was made and failed: {}", done.out);
}

#[test]
fn the_tests_of_a_cargo_project_are_run() {
    let mut project = bare();
    let toolchain = Path::new(env!("CARGO")).parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", toolchain.display());
    project.env("PATH", &path).env("CARGO_NET_OFFLINE", "true");
    project.write("Cargo.toml", "[package]\nname = \"a\"\nedition = \"2021\"\n");
    project.write("src/lib.rs", "#[test]\nfn one() { assert_eq!(1, 1); }\n");
    tells_good_from_bad(&project, "cargo test", "src/lib.rs", "#[test]\nfn one() { assert_eq!(1, 2); }\n");
}

#[test]
fn the_tests_of_a_makefile_are_run() {
    let mut project = bare();
    if with_tools(&mut project, &["make"]) {
        project.write("Makefile", ".PHONY: test\ntest:\n\ttest -s greeting\n").write("greeting", "hello\n");
        tells_good_from_bad(&project, "make test", "greeting", "");
    }
}

#[test]
fn the_tests_of_a_justfile_are_run() {
    let mut project = bare();
    if with_tools(&mut project, &["just"]) {
        project.write("justfile", "test:\n  test -s greeting\n").write("greeting", "hello\n");
        tells_good_from_bad(&project, "just test", "greeting", "");
    }
}

#[test]
fn the_tests_of_npm_are_run() {
    let mut project = bare();
    if with_tools(&mut project, &["npm", "node"]) {
        project.write("package.json", "{\"name\": \"a\", \"scripts\": {\"test\": \"node check.js\"}}");
        project.write("check.js", "require('assert').equal(1, 1);\n");
        tells_good_from_bad(&project, "npm test", "check.js", "require('assert').equal(1, 2);\n");
    }
}

#[test]
fn the_tests_of_npm_workspaces_are_run() {
    let mut project = bare();
    if with_tools(&mut project, &["npm", "node"]) {
        project.write("package.json", "{\"name\": \"root\", \"workspaces\": [\"packages/*\"]}");
        project.write(
            "packages/a/package.json",
            "{\"name\": \"a\", \"version\": \"1.0.0\", \"scripts\": {\"test\": \"node check.js\"}}",
        );
        project.write("packages/b/package.json", "{\"name\": \"b\", \"version\": \"1.0.0\"}");
        project.write("packages/a/check.js", "require('assert').equal(1, 1);\n");
        let run = "npm run test --workspaces --if-present";
        tells_good_from_bad(&project, run, "packages/a/check.js", "require('assert').equal(1, 2);\n");
    }
}

#[test]
fn the_tests_of_unittest_are_run() {
    let test = |value: u8| {
        format!(
            "import unittest\nimport adder\n\n\nclass TestAdder(unittest.TestCase):\n    \
             def test_sum(self):\n        self.assertEqual(adder.add(1, 1), {value})\n"
        )
    };
    for (extra, name, run) in [
        ("README", "tests/test_adder.py", "python3 -m unittest discover -s tests"),
        ("tests/__init__.py", "tests/adder_test.py", "python3 -m unittest discover -s tests -t . -p '*_test.py'"),
        ("README", "test_adder.py", "python3 -m unittest discover"),
    ] {
        let mut project = bare();
        if with_tools(&mut project, &["python3"]) {
            project.write("adder.py", "def add(a, b):\n    return a + b\n").write(extra, "").write(name, &test(2));
            // Of another length: Python takes a file of the same second and size for unchanged.
            tells_good_from_bad(&project, run, name, &test(33));
        }
    }
}

#[test]
fn the_tests_of_pytest_are_run() {
    let mut project = bare();
    if with_tools(&mut project, &["pytest", "python3"]) {
        project.write("adder.py", "def add(a, b):\n    return a + b\n");
        project.write("tests/test_adder.py", "import adder\n\ndef test_sum():\n    assert adder.add(1, 1) == 2\n");
        let bad = "import adder\n\ndef test_sum():\n    assert adder.add(1, 1) == 33\n";
        tells_good_from_bad(&project, "python3 -m pytest", "tests/test_adder.py", bad);
    }
}

#[test]
fn the_tests_of_go_are_run() {
    let mut project = bare();
    if with_tools(&mut project, &["go"]) {
        project.write("go.mod", "module example.org/a\n\ngo 1.18\n");
        let test = |wanted: u8| {
            format!(
                "package a\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {{\n\tif 1+1 != {wanted} {{\n\t\tt.Fail()\n\t}}\n}}\n"
            )
        };
        project.write("a_test.go", &test(2));
        tells_good_from_bad(&project, "go test ./...", "a_test.go", &test(3));
    }
}

#[test]
fn the_tests_of_cmake_are_built_and_run() {
    let mut project = bare();
    if has_tool("cc") && has_tool("make") && with_tools(&mut project, &["ctest", "cmake"]) {
        project.write(
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.10)\nproject(a C)\nenable_testing()\nadd_executable(t t.c)\nadd_test(NAME t COMMAND t)\n",
        );
        project.write("t.c", "int main(void) { return 0; }\n");
        let run = "ctest --build-and-test . build --build-generator 'Unix Makefiles' --test-command ctest \
                   --output-on-failure --no-tests=error";
        tells_good_from_bad(&project, run, "t.c", "int main(void) { return 1; }\n");
    }
}

/// One project of everything, with names that a shell would stumble over.
fn everything(project: &Project) {
    let script = "{\"scripts\": {\"test\": \"x\", \"lint\": \"x\", \"build\": \"x\"}}";
    for (name, text) in [
        ("justfile", "test:\n  x\n"),
        ("Makefile", "lint:\n\tx\nbuild:\n\tx\n"),
        ("Cargo.toml", "[workspace]\n"),
        ("package.json", "{\"packageManager\": \"yarn@4\", \"workspaces\": [\"p*/*\"]}"),
        ("packages/$(reboot) ; 'x'/package.json", script),
        ("packages/b&c|d/package.json", script),
        ("pyproject.toml", "[tool.pytest]\n[tool.ruff]\n[tool.mypy]\n[tool.tox]\n[tool.poetry]\n"),
        ("go.work", "use (\n  ./mod\n)\n"),
        ("mod/go.mod", "module m\n"),
        ("pom.xml", "<project>"),
        ("build.gradle", "plugins {}"),
        ("CMakeLists.txt", "include(CTest)"),
        (
            "CMakePresets.json",
            "{\"testPresets\": [{\"name\": \"a; reboot\"}], \"buildPresets\": [{\"name\": \"$(x) `y` 'z'\"}, {\"name\": \"a\\nb\"}]}",
        ),
        ("A & B > c's.sln", "Project(\"{F}\") = \"T\", \"t\\T.csproj\", \"{8}\"\n"),
        ("t/T.csproj", "<IsTestProject>true"),
        ("C.sln", ""),
    ] {
        project.write(name, text);
    }
}

#[test]
fn every_command_can_be_run_without_a_shell() {
    let project = bare();
    everything(&project);
    let found = detected(&project);
    let commands = found["commands"].as_array().unwrap();
    for command in commands {
        let run = command["run"].as_str().unwrap();
        let words = autodev::logic::words::split(run).unwrap_or_else(|e| panic!("{run}: {e}"));
        let plain: Vec<String> = [words.program.clone()].into_iter().chain(words.args).collect();
        assert_eq!(shell_words(run), plain, "a shell understands the same");
        let programs = [
            "just", "make", "cargo", "yarn", "poetry", "python3", "tox", "go", "mvn", "gradle", "cmake", "ctest",
            "dotnet",
        ];
        assert!(programs.contains(&words.program.as_str()), "{run}");
        let directory = command["working_directory"].as_str().unwrap();
        assert!(project.path(directory).is_dir() && project.has(command["file"].as_str().unwrap()), "{command}");
    }
    let all: Vec<&str> = commands.iter().filter_map(|command| command["ecosystem"].as_str()).collect();
    for name in ["just", "make", "cargo", "node", "python", "go", "maven", "gradle", "cmake", "dotnet"] {
        assert!(all.contains(&name), "{name} is missing in {all:?}");
    }
    assert!(commands.iter().any(|command| command["working_directory"] == "packages/$(reboot) ; 'x'"), "{found:#}");
    assert!(!found.to_string().contains("a\\nb"), "a name with a line break is left out");
}

/// The words that a shell finds in a line.
fn shell_words(line: &str) -> Vec<String> {
    let output = std::process::Command::new("sh").args(["-c", &format!("printf '%s\\0' {line}")]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn nothing_is_started_and_nothing_written() {
    let project = bare();
    everything(&project);
    for name in [
        "just", "make", "cargo", "yarn", "npm", "node", "python3", "poetry", "pytest", "tox", "go", "mvn", "gradle",
        "cmake", "ctest", "dotnet", "git",
    ] {
        project.program(name, &format!("#!/bin/sh\necho {name} >> '{}'\n", project.out("ran").display()));
    }
    let before = project.find(".", "");
    let found = detected(&project);
    assert!(
        found["commands"].as_array().unwrap().iter().filter(|c| c["missing"] == json!([])).count() > 10,
        "{found:#}"
    );
    assert_eq!(found["defaults"], json!(["just test"]), "what the project itself defines, alone");
    project.expect(&["checks"], 0);
    assert_eq!(project.left("ran"), "");
    assert_eq!(project.find(".", ""), before);
}

#[test]
fn finding_nothing_is_no_error() {
    let project = bare();
    let done = project.expect(&["checks"], 0);
    assert!(
        done.out.starts_with("No checks found\n") && done.out.contains("[verification].validate_commands"),
        "{done:?}"
    );
    assert_eq!(detected(&project), json!({"commands": [], "defaults": [], "remarks": []}));
    let done = project.expect(&["checks", "nowhere"], 1);
    assert!(done.err.starts_with("Error: look at nowhere: "), "{}", done.err);
}

#[test]
fn neither_a_configuration_nor_the_project_itself_is_needed() {
    let project = bare();
    project.write("autodev.toml", "= broken").write("other/go.mod", "module m\n").write("other/package.json", "{");
    let found = project.output_json(&["checks", "other", "--json"], 0);
    assert_eq!(found["commands"][0]["run"], "go test ./...");
    let keys: Vec<&String> = found["commands"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["kind", "ecosystem", "run", "working_directory", "file", "line", "missing"]);
    assert!(found["remarks"][0].as_str().unwrap().starts_with("package.json: "), "{found:#}");
    let page = project.expect(&["checks", "other"], 0).out;
    assert!(page.starts_with("KIND ") && page.contains("remark: package.json: "), "{page}");
}

#[test]
fn a_terminal_gets_a_table_of_80_columns() {
    if !has_tool("script") {
        return;
    }
    let project = bare();
    everything(&project);
    let done = project.shell("COLUMNS=80 script -qec \"$autodev checks\" /dev/null < /dev/null");
    let table: Vec<&str> = done.out.lines().take_while(|line| !line.starts_with("remark")).collect();
    assert!(table.len() > 15 && table.iter().all(|line| line.trim_end().chars().count() <= 80), "{}", done.out);
}
