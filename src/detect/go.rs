//! Go: `go test`, `go build` and `go vet` for the module here, or for each module that go.work uses;
//! golangci-lint where it is configured.

use super::command::Kind;
use super::line;
use super::site::Site;

pub(super) fn look(site: &mut Site<'_>) -> bool {
    if let Some(text) = site.read("go.mod") {
        let line = module(&text);
        if line.is_none() {
            site.remark("go.mod", "no `module` line");
        }
        add(site, ".", ("go.mod", line.unwrap_or(1)));
    } else if let Some(text) = site.read("go.work") {
        // `./...` means the modules below a directory only when the directory is in one.
        for (directory, line) in used(&text) {
            if site.has(&format!("{directory}/go.mod")) {
                add(site, &directory, ("go.work", line));
            }
        }
    } else {
        return false;
    }
    let configured = [".golangci.yml", ".golangci.yaml", ".golangci.toml", ".golangci.json"];
    if let Some(file) = configured.into_iter().find(|name| site.has(name)) {
        site.add(Kind::Lint, "golangci-lint run", &["golangci-lint"], (file, 1));
    }
    true
}

fn add(site: &mut Site<'_>, below: &str, from: (&str, u32)) {
    site.add_in(below, Kind::Test, "go test ./...", &["go"], from);
    site.add_in(below, Kind::Lint, "go vet ./...", &["go"], from);
    site.add_in(below, Kind::Build, "go build ./...", &["go"], from);
}

/// The line of the `module` directive.
fn module(text: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some("module"))?;
    line::find(text, line)
}

/// The directories that go.work uses, with their lines; `.` and paths below it only.
fn used(text: &str) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    let mut is_in_block = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split("//").next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let directory = match words.next() {
            Some("use") => match words.next() {
                Some("(") => {
                    is_in_block = true;
                    None
                }
                directory => directory,
            },
            Some("use(") => {
                is_in_block = true;
                None
            }
            Some(")") => {
                is_in_block = false;
                None
            }
            directory => directory.filter(|_| is_in_block),
        };
        let directory = directory.map(|directory| directory.trim_matches('"').trim_end_matches('/'));
        match directory.map(|directory| directory.strip_prefix("./").unwrap_or(directory)) {
            Some(directory) if !directory.starts_with(['/', '-']) && !directory.starts_with("..") => {
                found.push((directory.to_owned(), number));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_line_is_found() {
        assert_eq!(module("// a module\nmodule example.org/a\n"), Some(2));
        assert_eq!(module("modules x\n"), None);
    }

    #[test]
    fn every_form_of_use_is_read() {
        let text = "go 1.22\nuse ./a // x\nuse (\n  ./b/\n\t\"c\"\n  ../out\n  /abs\n)\nreplace x => ./d\nuse .\n";
        let wanted = [("a", 2), ("b", 4), ("c", 5), (".", 10)].map(|(name, line)| (name.to_owned(), line));
        assert_eq!(used(text), wanted);
        assert_eq!(used("use(\n./x\n)"), [("x".to_owned(), 2)]);
    }
}
