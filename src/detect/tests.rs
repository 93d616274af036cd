use pretty_assertions::assert_eq;

use super::*;

/// A directory with files in it, each with its content; a name that ends in `/bin/...` is made executable.
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        crate::sys::fs::append(&path, content.as_bytes()).unwrap();
        let is_program = name.contains("bin/") || name.ends_with('w');
        let mode = if is_program { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    dir
}

/// `kind directory: command <- file:line`, with `!` for one whose program is missing.
fn shown(dir: &Path, path_variable: &str) -> Vec<String> {
    let found = detect(dir, Some(path_variable.as_ref()));
    let show = |c: &Detection| {
        let mark = if c.is_runnable() { "" } else { "!" };
        format!("{mark}{} {}: {} <- {}:{}", c.kind, c.directory, c.run, c.file, c.line)
    };
    found.commands.iter().map(show).collect()
}

fn commands(files: &[(&str, &str)]) -> Vec<String> {
    shown(project(files).path(), "/nowhere").iter().map(|line| line.trim_start_matches('!').to_owned()).collect()
}

fn tests_of(files: &[(&str, &str)]) -> Vec<String> {
    let tests = commands(files).into_iter().filter_map(|line| line.strip_prefix("test ").map(str::to_owned));
    tests.collect()
}

fn remarks(files: &[(&str, &str)]) -> Vec<String> {
    detect(project(files).path(), None).remarks
}

#[test]
fn an_empty_directory_has_nothing() {
    let dir = project(&[]);
    let found = detect(dir.path(), None);
    assert_eq!(found, Detected::default());
    assert_eq!((found.defaults(), found.hint()), (vec![], String::new()));
    let found = detect(&dir.path().join("none"), None);
    assert!(found.commands.is_empty() && found.remarks[0].contains("none"), "{found:?}");
}

#[test]
fn a_workspace_of_cargo_is_tested_as_a_whole() {
    let found = commands(&[
        ("Cargo.toml", "[workspace]\nmembers = ['a']\n"),
        ("a/Cargo.toml", "[package]\nname = 'a'\n"),
        (".config/nextest.toml", ""),
    ]);
    assert_eq!(
        found,
        [
            "test .: cargo nextest run --workspace <- .config/nextest.toml:1",
            "test .: cargo test --workspace <- Cargo.toml:1",
            "lint .: cargo clippy --workspace --all-targets -- -D warnings <- Cargo.toml:1",
            "lint .: cargo fmt --all --check <- Cargo.toml:1",
            "build .: cargo build --workspace <- Cargo.toml:1",
        ]
    );
}

#[test]
fn what_the_project_defines_comes_first_and_alone() {
    let dir = project(&[
        ("Cargo.toml", "[package]\nname = 'a'\n"),
        ("Makefile", ".PHONY: test\ntest:\n\tcargo test --features x\n"),
        ("package.json", "{\"scripts\": {\"test\": \"node --test\"}}"),
        ("justfile", "check:\n  make test\n"),
        ("bin/cargo", ""),
        ("bin/npm", ""),
        ("bin/make", ""),
    ]);
    let path = dir.path().join("bin");
    let tests: Vec<String> =
        shown(dir.path(), path.to_str().unwrap()).into_iter().filter(|line| line.contains("test .:")).collect();
    assert_eq!(
        tests,
        [
            "!test .: just check <- justfile:1",
            "test .: make test <- Makefile:2",
            "test .: cargo test <- Cargo.toml:1",
            "test .: npm test <- package.json:1"
        ]
    );
    let defaults = || detect(dir.path(), Some(path.as_os_str())).defaults();
    assert_eq!(defaults(), ["make test"]);
    std::fs::remove_file(dir.path().join("Makefile")).unwrap();
    assert_eq!(defaults(), ["cargo test", "npm test"], "just is not installed");
}

#[test]
fn a_target_that_make_would_not_run_is_left_out() {
    let files = [("Makefile", "test:\n\t./t\nlint:\nbuild: x\n\tcc\n"), ("test/a.c", "")];
    assert_eq!(commands(&files), ["build .: make build <- Makefile:4"]);
    let remarks = remarks(&files);
    assert!(
        remarks.len() == 2 && remarks[0].contains(".PHONY: test") && remarks[1].contains("no commands"),
        "{remarks:?}"
    );
    assert_eq!(tests_of(&[("Makefile", "check: test\ntest:\n\t./t\n")]).len(), 2);
    assert!(commands(&[("Makefile", "# CMAKE generated file: x\ntest:\n\tctest\n")]).is_empty());
}

#[test]
fn the_package_manager_is_the_projects() {
    let scripts = "\"scripts\": {\"test\": \"x\"}";
    let plain = format!("{{{scripts}}}");
    for (file, wanted) in [
        ("package-lock.json", "npm test"),
        ("pnpm-lock.yaml", "pnpm test"),
        ("yarn.lock", "yarn test"),
        ("bun.lock", "bun run test"),
        ("nothing", "npm test"),
    ] {
        assert_eq!(tests_of(&[("package.json", &plain), (file, "")]), [format!(".: {wanted} <- package.json:1")]);
    }
    let named = format!("{{\"packageManager\": \"yarn@4.1.0\", {scripts}}}");
    assert_eq!(tests_of(&[("package.json", &named), ("pnpm-lock.yaml", "")]), [".: yarn test <- package.json:1"]);
    let both = [("package.json", plain.as_str()), ("yarn.lock", ""), ("package-lock.json", "")];
    assert!(remarks(&both)[0].contains("package-lock.json is there too"));
}

#[test]
fn members_of_a_workspace_are_tested_together_where_that_is_possible() {
    let member = "{\"scripts\": {\"test\": \"x\"}}";
    let root = "{\"workspaces\": [\"./packages/*\", \"tools/cli\", \"!packages/old\"]}";
    let files = |root: &'static str| {
        [
            ("package.json", root),
            ("packages/a/package.json", member),
            ("packages/b/package.json", "{}"),
            ("packages/old/package.json", member),
            ("packages/README", ""),
            ("tools/cli/package.json", member),
        ]
    };
    let together = ".: npm run test --workspaces --if-present <- packages/a/package.json:1";
    assert_eq!(tests_of(&files(root)), [together]);
    let yarn = "{\"packageManager\": \"yarn@4\", \"workspaces\": {\"packages\": [\"packages/*\", \"tools/*\"]}}";
    let each = ["packages/a", "packages/old", "tools/cli"];
    assert_eq!(tests_of(&files(yarn)), each.map(|dir| format!("{dir}: yarn test <- {dir}/package.json:1")));
    let placeholder = "{\"scripts\": {\"test\": \"echo \\\"Error: no test specified\\\" && exit 1\"}}";
    let mixed = [("package.json", root), ("packages/a/package.json", member), ("packages/b/package.json", placeholder)];
    assert_eq!(tests_of(&mixed), ["packages/a: npm test <- packages/a/package.json:1"]);
    let pnpm = [
        ("package.json", "{}"),
        ("pnpm-lock.yaml", ""),
        ("pnpm-workspace.yaml", "packages:\n  - lib\n  - ../out\n  - /etc\n"),
        ("lib/package.json", member),
    ];
    assert_eq!(tests_of(&pnpm), [".: pnpm --recursive run test <- lib/package.json:1"]);
}

#[test]
fn missing_packages_are_remarked() {
    let files = [("package.json", "{\"devDependencies\": {\"x\": \"1\"}, \"scripts\": {\"test\": \"x\"}}")];
    assert!(remarks(&files)[0].contains("run `npm install`"));
}

#[test]
fn pytest_is_run_in_the_environment_of_the_project() {
    let files = [("pyproject.toml", "[dependency-groups]\ndev = ['pytest']\n[tool.ruff]\n"), ("uv.lock", "")];
    assert_eq!(
        commands(&files),
        [
            "test .: uv run python -m pytest <- pyproject.toml:2",
            "test .: python3 -m pytest <- pyproject.toml:2",
            "lint .: uv run ruff check . <- pyproject.toml:3",
        ]
    );
    let dir =
        project(&[("tests/conftest.py", ""), ("setup.py", ""), (".venv/bin/python", ""), (".venv/bin/pytest", "")]);
    assert_eq!(
        shown(dir.path(), "/nowhere"),
        [
            "test .: .venv/bin/python -m pytest <- tests/conftest.py:1",
            "!test .: python3 -m pytest <- tests/conftest.py:1"
        ]
    );
    assert_eq!(detect(dir.path(), None).defaults(), [".venv/bin/python -m pytest"]);
}

#[test]
fn an_interpreter_alone_is_not_taken_for_pytest() {
    let dir = project(&[("pytest.ini", "[pytest]\n"), ("bin/python3", "")]);
    let path = dir.path().join("bin");
    let found = detect(dir.path(), Some(path.as_os_str()));
    assert_eq!(found.commands[0].missing, ["pytest"]);
    assert!(found.defaults().is_empty());
    assert!(found.hint().contains("not installed here: pytest"), "{}", found.hint());
}

#[test]
fn the_standard_librarys_tests_are_found_where_they_are() {
    let test = "import unittest\n";
    assert_eq!(
        tests_of(&[("tests/test_a.py", test)]),
        [".: python3 -m unittest discover -s tests <- tests/test_a.py:1"]
    );
    let package = [("tests/__init__.py", ""), ("tests/a_test.py", test)];
    let wanted = ".: python3 -m unittest discover -s tests -t . -p '*_test.py' <- tests/a_test.py:1";
    assert_eq!(tests_of(&package), [wanted]);
    assert_eq!(tests_of(&[("test_a.py", test)]), [".: python3 -m unittest discover <- test_a.py:1"]);
    assert_eq!(tests_of(&[("test_a.py", "def test_a(): ...\n")]), [".: python3 -m pytest <- test_a.py:1"]);
    let django = [("manage.py", "import django\n"), ("app/models.py", "")];
    assert_eq!(tests_of(&django), [".: python3 manage.py test <- manage.py:1"]);
}

#[test]
fn tox_comes_after_the_tests_it_would_run() {
    let files = [("tox.ini", "[tox]\nenvlist = py3\n[pytest]\n"), ("setup.cfg", "[mypy]\nfiles = src\n")];
    assert_eq!(
        commands(&files),
        ["test .: python3 -m pytest <- tox.ini:3", "test .: tox <- tox.ini:1", "lint .: mypy <- setup.cfg:1"]
    );
    assert_eq!(tests_of(&[("tox.ini", "[tox]\n")]), [".: tox <- tox.ini:1"]);
}

#[test]
fn go_is_tested_module_by_module() {
    assert_eq!(tests_of(&[("go.mod", "module a\n")]), [".: go test ./... <- go.mod:1"]);
    let work = [("go.work", "go 1.22\nuse (\n./a\n./b\n)\n"), ("a/go.mod", "module a\n"), (".golangci.yml", "")];
    assert_eq!(
        commands(&work),
        [
            "test a: go test ./... <- go.work:3",
            "lint .: golangci-lint run <- .golangci.yml:1",
            "lint a: go vet ./... <- go.work:3",
            "build a: go build ./... <- go.work:3",
        ]
    );
}

#[test]
fn the_wrapper_is_preferred_when_it_can_be_run() {
    let maven = [("pom.xml", "<?xml?>\n<project>\n</project>"), ("mvnw", "#!/bin/sh\n")];
    assert_eq!(tests_of(&maven), [".: ./mvnw -B test <- pom.xml:2"]);
    let failsafe = [("pom.xml", "<project>\n<artifactId>maven-failsafe-plugin</artifactId></project>")];
    assert_eq!(tests_of(&failsafe), [".: mvn -B verify <- pom.xml:2"]);
    let dir = project(&[("build.gradle.kts", "plugins {\n}\n"), ("gradlew", "")]);
    let tests = || shown(dir.path(), "/nowhere")[0].clone();
    assert_eq!(tests(), "test .: ./gradlew --no-daemon test <- build.gradle.kts:1");
    std::fs::set_permissions(dir.path().join("gradlew"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(tests(), "!test .: gradle --no-daemon test <- build.gradle.kts:1");
    assert!(detect(dir.path(), None).remarks[0].contains("chmod +x gradlew"));
}

#[test]
fn cmake_is_configured_built_and_tested_by_one_command() {
    let lists = "project(a)\nenable_testing()\n";
    let run = "ctest --build-and-test . build --build-generator";
    let rest = "--test-command ctest --output-on-failure --no-tests=error <- CMakeLists.txt:2";
    assert_eq!(tests_of(&[("CMakeLists.txt", lists)]), [format!(".: {run} 'Unix Makefiles' {rest}")]);
    let cached = [("CMakeLists.txt", lists), ("build/CMakeCache.txt", "CMAKE_GENERATOR:INTERNAL=Ninja\n")];
    assert_eq!(tests_of(&cached), [format!(".: {run} Ninja {rest}")]);
    let presets = [
        ("CMakeLists.txt", "project(a)\n"),
        ("CMakePresets.json", "{\"workflowPresets\": [{\"name\": \"ci\", \"steps\": [{\"type\": \"test\"}]}]}"),
    ];
    assert_eq!(
        commands(&presets),
        [
            "test .: cmake --workflow --preset ci <- CMakePresets.json:1",
            "build .: cmake -S . -B build <- CMakeLists.txt:1",
            "build .: cmake --build build <- CMakeLists.txt:1",
        ]
    );
}

#[test]
fn dotnet_is_tested_when_a_project_of_the_solution_is_a_test() {
    let solution = "Project(\"{F}\") = \"T\", \"t\\T.csproj\", \"{8}\"\n";
    let files =
        [("A.sln", solution), ("t/T.csproj", "<Project>\n<IsTestProject>true</IsTestProject>"), (".editorconfig", "")];
    assert_eq!(
        commands(&files),
        [
            "test .: dotnet test <- t/T.csproj:2",
            "lint .: dotnet format --verify-no-changes <- .editorconfig:1",
            "build .: dotnet build <- A.sln:1",
        ]
    );
    let several = [("A b.csproj", "<IsTestProject>true"), ("C.csproj", "")];
    assert_eq!(
        commands(&several),
        [
            "test .: dotnet test './A b.csproj' <- A b.csproj:1",
            "build .: dotnet build './A b.csproj' <- A b.csproj:1",
            "build .: dotnet build ./C.csproj <- C.csproj:1",
        ]
    );
}

#[test]
fn parts_in_subdirectories_are_found_and_never_a_default() {
    let files = [
        ("web/package.json", "{\"scripts\": {\"test\": \"x\"}}"),
        ("api/pyproject.toml", "[tool.pytest]\n"),
        ("Makefile", "lint:\n\tx\n"),
        ("node_modules/x/package.json", "{\"scripts\": {\"test\": \"x\"}}"),
        ("deep/er/go.mod", "module x\n"),
        ("tests/test_x.py", ""),
    ];
    assert_eq!(
        commands(&files),
        [
            "test web: npm test <- web/package.json:1",
            "test api: python3 -m pytest <- api/pyproject.toml:1",
            "lint .: make lint <- Makefile:1",
        ]
    );
}

#[test]
fn broken_manifests_are_remarks() {
    let files = [
        ("Cargo.toml", "[package\n"),
        ("package.json", "{"),
        ("pyproject.toml", "["),
        ("pom.xml", "<html>"),
        ("CMakeLists.txt", ""),
        ("CMakePresets.json", "x"),
        ("go.mod", ""),
        ("pnpm-workspace.yaml", "["),
    ];
    let remarks = remarks(&files);
    for name in ["Cargo.toml", "package.json", "pyproject.toml", "pom.xml", "CMakePresets.json", "go.mod"] {
        assert!(remarks.iter().any(|remark| remark.starts_with(&format!("{name}: "))), "{name}: {remarks:?}");
    }
    assert!(remarks.iter().all(|remark| !remark.contains('\n')), "{remarks:?}");
}

#[test]
fn a_hint_is_short() {
    let members = (0..20).map(|n| format!("./m{n}")).collect::<Vec<_>>().join("\n");
    let mut files = vec![("go.work".to_owned(), format!("use (\n{members}\n)\n"))];
    files.extend((0..20).map(|n| (format!("m{n}/go.mod"), "module m\n".to_owned())));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let hint = detect(project(&files).path(), None).hint();
    assert_eq!(hint.lines().count(), 10, "{hint}");
    assert!(hint.contains("- test: `go test ./...` in m0 (from go.work:2; not installed here: go)"), "{hint}");
    assert!(hint.ends_with("- and 52 more\n"), "{hint}");
}

#[test]
fn names_that_would_break_a_line_are_left_out() {
    let script = "{\"scripts\": {\"test\": \"x\"}}";
    let root = "{\"packageManager\": \"yarn@4\", \"workspaces\": [\"p/*\", \"q\\nq\"]}";
    let files = [("package.json", root), ("p/a\n- b/package.json", script), ("p/c/package.json", script)];
    let found = commands(&[&files[..], &[("q\nq/package.json", script), ("x\u{1b}[2J.sln", "")]].concat());
    assert_eq!(found, ["test p/c: yarn test <- p/c/package.json:1"]);
}

#[test]
fn an_environment_is_used_although_its_interpreter_lies_outside() {
    let dir = project(&[("tests/test_a.py", "import unittest\n")]);
    let outside = project(&[("bin/python3", "")]);
    std::fs::create_dir_all(dir.path().join(".venv/bin")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("bin/python3"), dir.path().join(".venv/bin/python")).unwrap();
    assert_eq!(detect(dir.path(), None).defaults(), [".venv/bin/python -m unittest discover -s tests"]);
}

#[test]
fn a_build_may_be_the_file_it_makes() {
    let files = |rule: &'static str| [("Makefile", rule), ("build/x", "")];
    assert_eq!(commands(&files("build: a.c\n\tcc\n")), ["build .: make build <- Makefile:1"]);
    assert!(commands(&files("build:\n\tcc\n")).is_empty());
}
