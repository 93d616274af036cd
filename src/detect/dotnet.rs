//! .NET: `dotnet test` where a solution or directory has a test project, `dotnet build`, and `dotnet format` where
//! there is an .editorconfig for it to follow.

use super::command::Kind;
use super::site::{Site, word};

/// Projects of a solution that are looked at.
const PROJECTS: usize = 100;

pub(super) fn look(site: &mut Site<'_>) -> bool {
    let names = site.names(".");
    let with = |ends: &[&str]| -> Vec<String> {
        names.iter().filter(|name| ends.iter().any(|end| name.ends_with(end))).cloned().collect()
    };
    let solutions = with(&[".sln", ".slnx"]);
    let projects = with(&[".csproj", ".fsproj", ".vbproj"]);
    // With one of them in the directory `dotnet` finds it by itself; with several it must be told.
    let all: Vec<&String> = if solutions.is_empty() { projects.iter().collect() } else { solutions.iter().collect() };
    for name in &all {
        let argument = match word(&format!("./{name}")) {
            _ if solutions.len() + projects.len() == 1 => String::new(),
            Some(word) => format!(" {word}"),
            None => continue,
        };
        let Some(text) = site.read(name) else { continue };
        if let Some((file, line)) = test_project(site, name, &text) {
            site.add(Kind::Test, &format!("dotnet test{argument}"), &["dotnet"], (&file, line));
        }
        if site.has(".editorconfig") {
            let format = format!("dotnet format{argument} --verify-no-changes");
            site.add(Kind::Lint, &format, &["dotnet"], (".editorconfig", 1));
        }
        site.add(Kind::Build, &format!("dotnet build{argument}"), &["dotnet"], (name, 1));
    }
    !all.is_empty()
}

/// The project file that says it is a test: the file itself, or one that a solution names.
fn test_project(site: &mut Site<'_>, name: &str, text: &str) -> Option<(String, u32)> {
    if name.ends_with("proj") {
        return mark(text).map(|line| (name.to_owned(), line));
    }
    projects(text).into_iter().take(PROJECTS).find_map(|path| {
        let line = site.read(&path).and_then(|text| mark(&text))?;
        Some((path, line))
    })
}

/// The line that makes a project a test project.
fn mark(text: &str) -> Option<u32> {
    let is_mark = |line: &str| {
        let line = line.to_lowercase();
        ["microsoft.net.test.sdk", "<istestproject>true", "mstest.sdk", "\"xunit.v3\"", "\"tunit\""]
            .iter()
            .any(|mark| line.contains(mark))
    };
    text.lines().position(is_mark).and_then(|index| u32::try_from(index + 1).ok())
}

/// The paths of projects in a solution, of either format.
fn projects(text: &str) -> Vec<String> {
    let is_project = |path: &&str| path.ends_with("proj") && !path.contains(':');
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("Project(") || line.contains("<Project "));
    lines.filter_map(|line| line.split('"').find(is_project)).map(|path| path.replace('\\', "/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_solutions_name_their_projects() {
        let old =
            "Project(\"{FAE0-1}\") = \"App.Tests\", \"tests\\App.Tests\\App.Tests.csproj\", \"{8}\"\nEndProject\n";
        assert_eq!(projects(old), ["tests/App.Tests/App.Tests.csproj"]);
        let new = "<Solution>\n  <Project Path=\"src/App/App.fsproj\" />\n</Solution>\n";
        assert_eq!(projects(new), ["src/App/App.fsproj"]);
        assert!(
            projects("Project(\"{2150E333}\") = \"docs\", \"docs\", \"{9}\"\n").is_empty(),
            "a folder is no project"
        );
    }

    #[test]
    fn a_test_project_is_known_by_its_packages() {
        let text = "<Project>\n<PackageReference Include=\"Microsoft.NET.Test.Sdk\" Version=\"17\" />\n</Project>";
        assert_eq!(mark(text), Some(2));
        assert_eq!(mark("<IsTestProject>true</IsTestProject>"), Some(1));
        assert_eq!(mark("<OutputType>Exe</OutputType>"), None);
    }
}
