//! Python: pytest, unittest, Django's tests and tox; ruff and mypy where they are configured.
//!
//! In order of preference: with the tool that keeps the project's environment (uv, Poetry, Pipenv), in a virtual
//! environment in the directory, with the interpreter on PATH. tox comes last, because it installs before it tests;
//! without other tests it is the test. A library has nothing to build before its tests, so no build is named.

use super::command::Kind;
use super::line;
use super::pyproject::{self, Framework, PyProject};
use super::site::Site;

/// A tool that runs programs in the project's environment.
const RUNNERS: [(&str, &str); 3] = [("uv.lock", "uv"), ("poetry.lock", "poetry"), ("Pipfile", "pipenv")];

const REQUIREMENTS: [&str; 9] = [
    "requirements.txt",
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements-test.txt",
    "test-requirements.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
    "Pipfile",
];

/// Test files that are looked at before it is decided what they are written for.
const SAMPLE: usize = 20;

/// A file and a line in it.
type Source = (String, u32);

pub(super) fn look(site: &mut Site<'_>) -> bool {
    let (project, is_project) = project(site);
    let manifests = ["setup.py", "setup.cfg", "tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", "manage.py"];
    let is_project = is_project || manifests.iter().chain(&REQUIREMENTS).any(|name| site.has(name));
    // Files that look like tests are a project of their own only where nobody else can claim them.
    if !is_project && !site.is_root() {
        return false;
    }
    let files = test_files(site);
    let places = Places::of(site, &project);
    let is_tested = tests(site, &project, &places, &files);
    if !is_project && !is_tested {
        return false;
    }
    let tox = project.tox.map(|line| ("pyproject.toml".to_owned(), line));
    let tox = tox.or_else(|| section(site, "tox.ini", "tox")).or_else(|| section(site, "setup.cfg", "tox:tox"));
    if let Some((file, line)) = tox {
        site.add(Kind::Test, "tox", &["tox"], (&file, line));
    } else if let Some(file) = files.first().filter(|_| !is_tested) {
        site.remark(file, "no test was recognised in it or its like");
    }
    lints(site, &project, &places);
    true
}

fn project(site: &mut Site<'_>) -> (PyProject, bool) {
    let name = "pyproject.toml";
    let Some(text) = site.read(name) else { return (PyProject::default(), false) };
    let parsed = pyproject::parse(&text).unwrap_or_else(|problem| {
        site.remark(name, &problem);
        PyProject::default()
    });
    (parsed, true)
}

/// Where programs of the project can be found, best first.
struct Places {
    runner: Option<&'static str>,
    environment: Option<&'static str>,
    interpreter: &'static str,
}

impl Places {
    fn of(site: &Site<'_>, project: &PyProject) -> Self {
        let declared = [(project.has_uv, "uv"), (project.has_poetry, "poetry")];
        let by_lock = RUNNERS.into_iter().find(|(file, _)| site.has(file)).map(|(_, runner)| runner);
        let runner = by_lock.or_else(|| declared.into_iter().find(|(is_named, _)| *is_named).map(|(_, runner)| runner));
        let environment = [".venv", "venv"].into_iter().find(|name| site.has_program(&format!("{name}/bin/python")));
        let has_only_python = !site.has_program("python3") && site.has_program("python");
        Self { runner, environment, interpreter: if has_only_python { "python" } else { "python3" } }
    }

    /// The ways to run Python.
    fn pythons(&self) -> Vec<Python> {
        let by_runner = self.runner.map(|runner| Python {
            command: format!("{runner} run python"),
            program: runner.to_owned(),
            neighbours: None,
        });
        let in_environment = self.environment.map(|name| Python::beside(&format!("{name}/bin/"), "python"));
        by_runner.into_iter().chain(in_environment).chain([Python::beside("", self.interpreter)]).collect()
    }

    /// The ways to run Python with arguments, for a module that is installed together with the program `shown_by`.
    fn python(&self, arguments: &str, shown_by: Option<&str>) -> Vec<Way> {
        let way = |python: Python| {
            let shown = python.neighbours.zip(shown_by).map(|(bin, program)| bin + program);
            let programs = [python.program].into_iter().chain(shown).collect();
            Way { run: format!("{} {arguments}", python.command), programs }
        };
        self.pythons().into_iter().map(way).collect()
    }

    /// The ways to run a program.
    fn program(&self, program: &str, arguments: &str) -> Vec<Way> {
        let way = |run: String, needed: String| Way { run: run + arguments, programs: vec![needed] };
        let by_runner = self.runner.map(|runner| way(format!("{runner} run {program}"), runner.to_owned()));
        let in_environment = self.environment.map(|name| format!("{name}/bin/{program}"));
        let in_environment = in_environment.map(|path| way(path.clone(), path));
        let on_path = way(program.to_owned(), program.to_owned());
        by_runner.into_iter().chain(in_environment).chain([on_path]).collect()
    }
}

/// One way to run Python.
struct Python {
    command: String,
    program: String,
    /// What stands before the names of programs that are installed beside it; `None` when that cannot be seen.
    neighbours: Option<String>,
}

impl Python {
    fn beside(bin: &str, name: &str) -> Self {
        let path = format!("{bin}{name}");
        Self { command: path.clone(), program: path, neighbours: Some(bin.to_owned()) }
    }
}

/// One way to run something.
struct Way {
    run: String,
    programs: Vec<String>,
}

/// Adds the tests; says whether there are any.
fn tests(site: &mut Site<'_>, project: &PyProject, places: &Places, files: &[String]) -> bool {
    let (ways, source) = if let Some(source) = pytest(site, project, files) {
        (places.python("-m pytest", Some("pytest")), source)
    } else if let Some(text) = site.read("manage.py").filter(|text| text.contains("django")) {
        (places.python("manage.py test", None), ("manage.py".to_owned(), line::of(&text, "django")))
    } else if let Some((arguments, file)) = unittest(site, files) {
        (places.python(&arguments, None), (file, 1))
    } else {
        return false;
    };
    for way in ways {
        add(site, Kind::Test, &way, &source);
    }
    true
}

fn add(site: &mut Site<'_>, kind: Kind, way: &Way, source: &Source) {
    let programs: Vec<&str> = way.programs.iter().map(String::as_str).collect();
    site.add(kind, &way.run, &programs, (&source.0, source.1));
}

/// What says that the tests are for pytest.
fn pytest(site: &mut Site<'_>, project: &PyProject, files: &[String]) -> Option<Source> {
    if let Some(line) = project.pytest {
        return Some(("pyproject.toml".to_owned(), line));
    }
    for (file, name) in
        [("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")]
    {
        if let Some(source) = section(site, file, name) {
            return Some(source);
        }
    }
    for name in REQUIREMENTS {
        if let Some(line) = site.read(name).and_then(|text| pyproject::required_pytest(&text)) {
            return Some((name.to_owned(), line));
        }
    }
    if let Some(file) = ["conftest.py", "tests/conftest.py", "test/conftest.py"].into_iter().find(|name| site.has(name))
    {
        return Some((file.to_owned(), 1));
    }
    first_written_for(site, files, Framework::Pytest).map(|file| (file, 1))
}

fn first_written_for(site: &mut Site<'_>, files: &[String], wanted: Framework) -> Option<String> {
    let mut sample = files.iter().take(SAMPLE);
    sample.find(|file| site.read(file).and_then(|text| pyproject::framework(&text)) == Some(wanted)).cloned()
}

fn section(site: &mut Site<'_>, file: &str, name: &str) -> Option<Source> {
    let text = site.read(file)?;
    line::header(&text, name).map(|line| (file.to_owned(), line))
}

/// The files that look like tests, in the usual places.
fn test_files(site: &Site<'_>) -> Vec<String> {
    let is_test = |name: &String| {
        let stem = name.strip_suffix(".py").unwrap_or_default();
        stem.starts_with("test_") || stem.ends_with("_test") || stem == "tests" || stem == "test"
    };
    let mut files = Vec::new();
    for directory in ["tests", "test", "."] {
        let names = site.names(directory).into_iter().filter(is_test);
        files.extend(names.map(|name| if directory == "." { name } else { format!("{directory}/{name}") }));
    }
    files
}

/// The arguments that find the tests of the standard library, and the file that shows them.
fn unittest(site: &mut Site<'_>, files: &[String]) -> Option<(String, String)> {
    let file = first_written_for(site, files, Framework::Unittest)?;
    let (directory, name) = file.rsplit_once('/').unwrap_or((".", &file));
    let mut arguments = "-m unittest discover".to_owned();
    if directory != "." {
        arguments.extend([" -s ", directory]);
        // Tests in a package may import their neighbours; then the package must be found from here.
        if site.has(&format!("{directory}/__init__.py")) {
            arguments.push_str(" -t .");
        }
    }
    if !name.starts_with("test") {
        arguments.push_str(" -p '*_test.py'");
    }
    Some((arguments, file))
}

fn lints(site: &mut Site<'_>, project: &PyProject, places: &Places) {
    let own = |line: u32| ("pyproject.toml".to_owned(), line);
    let ruff = ["ruff.toml", ".ruff.toml"].into_iter().find_map(|file| Some((file, site.read(file)?)));
    let (check, format) = match &ruff {
        Some((file, text)) => {
            let format = line::header(text, "format").map(|line| ((*file).to_owned(), line));
            (Some(((*file).to_owned(), 1)), format)
        }
        None => (project.ruff.map(own), project.ruff_format.map(own)),
    };
    if let Some(source) = check {
        add_best(site, &places.program("ruff", " check ."), &source);
    }
    if let Some(source) = format {
        add_best(site, &places.program("ruff", " format --check ."), &source);
    }
    let ini = [("mypy.ini", "mypy"), (".mypy.ini", "mypy"), ("setup.cfg", "mypy")];
    let ini = ini.into_iter().find_map(|(file, name)| {
        let has_files = site.read(file)?.lines().any(|line| line.starts_with("files"));
        Some((section(site, file, name)?, has_files))
    });
    let mypy = ini.or_else(|| project.mypy.map(|line| (own(line), project.mypy_has_files)));
    if let Some((source, has_files)) = mypy {
        add_best(site, &places.program("mypy", if has_files { "" } else { " ." }), &source);
    }
}

/// Adds the first way whose programs are there, else the first.
fn add_best(site: &mut Site<'_>, ways: &[Way], source: &Source) {
    let is_there = |way: &&Way| way.programs.iter().all(|program| site.has_program(program));
    if let Some(way) = ways.iter().find(is_there).or_else(|| ways.first()) {
        add(site, Kind::Lint, way, source);
    }
}
