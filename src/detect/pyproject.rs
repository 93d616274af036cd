//! Reads what Python projects say about their checks: pyproject.toml, INI files, lists of requirements, test files.

use toml::{Table, Value};

use super::line;

/// What pyproject.toml says. Each number is a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PyProject {
    /// pytest is configured, or depended on.
    pub(super) pytest: Option<u32>,
    pub(super) tox: Option<u32>,
    pub(super) ruff: Option<u32>,
    /// ruff is also the formatter.
    pub(super) ruff_format: Option<u32>,
    pub(super) mypy: Option<u32>,
    /// The configuration of mypy says which files it looks at.
    pub(super) mypy_has_files: bool,
    pub(super) has_uv: bool,
    pub(super) has_poetry: bool,
}

/// Reads pyproject.toml.
///
/// # Errors
/// When it is no TOML.
pub(super) fn parse(text: &str) -> Result<PyProject, String> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let tool = |path: &[&str]| -> Option<&Value> {
        let first = table.get("tool")?;
        path.iter().try_fold(first, |value, key| value.get(key))
    };
    // A table may also be written inline or with dotted keys; then the last name is looked for.
    let place = |path: &[&str]| -> Option<u32> {
        tool(path)?;
        let name = format!("tool.{}", path.join("."));
        Some(line::header(text, &name).unwrap_or_else(|| line::of(text, path.last().unwrap_or(&"tool"))))
    };
    let dependency =
        || dependencies(&table).iter().any(|name| is_pytest(name)).then(|| line::of(&text.to_lowercase(), "pytest"));
    Ok(PyProject {
        pytest: place(&["pytest"]).or_else(dependency),
        tox: place(&["tox"]),
        ruff: place(&["ruff"]),
        ruff_format: place(&["ruff", "format"]),
        mypy: place(&["mypy"]),
        mypy_has_files: ["files", "packages", "modules"].iter().any(|key| tool(&["mypy", key]).is_some()),
        has_uv: tool(&["uv"]).is_some(),
        has_poetry: tool(&["poetry"]).is_some(),
    })
}

/// The names of everything it depends on, in whatever list.
fn dependencies(table: &Table) -> Vec<String> {
    let get = |path: &[&str]| {
        path.iter().try_fold(None, |at: Option<&Value>, key| {
            Some(Some(match at {
                None => table.get(*key)?,
                Some(value) => value.get(key)?,
            }))
        })
    };
    let mut names = Vec::new();
    for path in [
        &["project", "dependencies"][..],
        &["project", "optional-dependencies"],
        &["dependency-groups"],
        &["tool", "uv", "dev-dependencies"],
        &["tool", "pdm", "dev-dependencies"],
        &["tool", "poetry", "dependencies"],
        &["tool", "poetry", "dev-dependencies"],
        &["tool", "poetry", "group"],
    ] {
        if let Some(value) = get(path).flatten() {
            collect(value, &mut names);
        }
    }
    names
}

/// Texts of lists, and keys of tables, wherever they are below a value.
fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(text) => names.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Table(table) => {
            for (key, value) in table {
                names.push(key.clone());
                if !value.is_str() {
                    collect(value, names);
                }
            }
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// Whether a requirement (`pytest>=8`, `pytest-cov`) brings pytest.
fn is_pytest(requirement: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = requirement.find(|c| !is_name(c)).unwrap_or(requirement.len());
    let name = requirement.get(..end).unwrap_or_default().to_lowercase().replace('_', "-");
    name == "pytest" || name.starts_with("pytest-")
}

/// Returns the line of a list of requirements that brings pytest.
pub(super) fn required_pytest(text: &str) -> Option<u32> {
    let index = text.lines().position(|line| is_pytest(line.trim()))?;
    u32::try_from(index + 1).ok()
}

/// What a test file is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framework {
    /// Plain functions, or pytest itself is imported.
    Pytest,
    /// Classes of the standard library.
    Unittest,
}

/// Returns what a test file is written for; `None` when there is no test in it.
pub(super) fn framework(text: &str) -> Option<Framework> {
    let begins = |starts: &[&str]| text.lines().any(|line| starts.iter().any(|start| line.starts_with(start)));
    if begins(&["import pytest", "from pytest", "def test_", "async def test_", "class Test"])
        && !begins(&["import unittest", "from unittest import TestCase", "from django.test"])
    {
        return Some(Framework::Pytest);
    }
    if begins(&["import pytest", "from pytest"]) {
        return Some(Framework::Pytest);
    }
    begins(&["import unittest", "from unittest", "from django.test"]).then_some(Framework::Unittest)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn tools_are_found_where_they_are_configured() {
        let text = "[project]\nname = 'a'\n[tool.pytest.ini_options]\nminversion = '8'\n[tool.ruff.format]\n\
                    [tool.mypy]\nfiles = ['src']\n[tool.uv]\n";
        let wanted = PyProject {
            pytest: Some(3),
            ruff: Some(5),
            ruff_format: Some(5),
            mypy: Some(6),
            mypy_has_files: true,
            has_uv: true,
            ..PyProject::default()
        };
        assert_eq!(parse(text), Ok(wanted));
        let found = parse("[tool]\nruff.line-length = 99\npoetry = {}\n").unwrap();
        assert_eq!((found.ruff, found.has_poetry, found.mypy), (Some(2), true, None));
        assert!(parse("[tool").is_err());
    }

    #[test]
    fn pytest_is_found_in_every_list_of_dependencies() {
        for text in [
            "[project]\ndependencies = ['pytest>=8']\n",
            "[project.optional-dependencies]\ndev = ['x', 'pytest-cov[toml] ; python_version > \"3\"']\n",
            "[dependency-groups]\ntest = [{include-group = 'x'}, 'PyTest']\n",
            "[tool.uv]\ndev-dependencies = ['pytest']\n",
            "[tool.poetry.group.dev.dependencies]\npytest = '^8'\n",
            "[tool.poetry.dev-dependencies]\npytest = {version = '1'}\n",
        ] {
            assert_eq!(parse(text).unwrap().pytest, Some(2), "{text}");
        }
        assert_eq!(
            parse("[project]\ndependencies = ['pytests', 'hypothesis']\ndescription = 'pytest'").unwrap().pytest,
            None
        );
    }

    #[test]
    fn requirements_are_read_line_by_line() {
        assert_eq!(required_pytest("# pytest\nrequests\n pytest_asyncio==1\n"), Some(3));
        assert_eq!(required_pytest("-r x.txt\nrequests # pytest\n"), None);
    }

    #[test]
    fn a_test_file_shows_what_it_is_written_for() {
        for (text, wanted) in [
            (
                "import unittest\n\nclass TestA(unittest.TestCase):\n    def test_a(self): ...\n",
                Some(Framework::Unittest),
            ),
            ("from unittest import TestCase\nclass TestA(TestCase): ...\n", Some(Framework::Unittest)),
            ("from unittest.mock import patch\ndef test_a(): ...\n", Some(Framework::Pytest)),
            ("import pytest\nimport unittest\n", Some(Framework::Pytest)),
            ("def test_a():\n    assert True\n", Some(Framework::Pytest)),
            ("class TestA:\n    def test_a(self): ...\n", Some(Framework::Pytest)),
            ("def helper(): ...\n", None),
        ] {
            assert_eq!(framework(text), wanted, "{text}");
        }
    }
}
