//! Reads package.json and the files that say which package manager a project uses.

use serde_json::Value;

use super::command::Kind;
use super::line;

/// What package.json says about checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    /// The scripts that are checks or builds, tests first.
    pub(super) scripts: Vec<Script>,
    /// What is wrong with a script that looks like one; single lines.
    pub(super) remarks: Vec<String>,
    /// Patterns of the directories of workspaces.
    pub(super) workspaces: Vec<String>,
    /// The package manager that the field `packageManager` names.
    pub(super) manager: Option<PackageManager>,
    /// Whether it depends on any package.
    pub(super) has_dependencies: bool,
    /// Whether it has npm's placeholder for a test.
    pub(super) has_placeholder: bool,
}

/// A script of package.json.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) line: u32,
    /// What makes it run once instead of waiting for changes.
    pub(super) option: Option<&'static str>,
}

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackageManager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

impl PackageManager {
    /// Lock files, and who writes them; in order of preference when several are there.
    pub(super) const LOCK_FILES: [(&'static str, Self); 6] = [
        ("pnpm-lock.yaml", Self::Pnpm),
        ("yarn.lock", Self::Yarn),
        ("bun.lock", Self::Bun),
        ("bun.lockb", Self::Bun),
        ("package-lock.json", Self::Npm),
        ("npm-shrinkwrap.json", Self::Npm),
    ];

    /// Returns the name of its program.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
        }
    }

    /// Returns the command that runs a script. `bun test` would be Bun's own test runner.
    pub(super) fn command(self, script: &Script) -> String {
        let program = self.program();
        let run = if script.name == "test" && self != Self::Bun { "" } else { "run " };
        let option = match (script.option, self) {
            (None, _) => String::new(),
            (Some(option), Self::Npm) => format!(" -- {option}"),
            (Some(option), _) => format!(" {option}"),
        };
        format!("{program} {run}{}{option}", script.name)
    }
}

/// Names of scripts, best first. Of each group the first that can be used is taken.
const GROUPS: [(Kind, &[&str]); 5] = [
    (Kind::Test, &["test", "test:ci", "test:run", "test:unit", "tests"]),
    (Kind::Lint, &["lint"]),
    (Kind::Lint, &["typecheck", "type-check", "check-types", "check:types", "tsc"]),
    (Kind::Lint, &["format:check", "check:format", "format-check"]),
    (Kind::Build, &["build"]),
];

/// Reads package.json.
///
/// # Errors
/// When it is no JSON object.
pub(super) fn parse(text: &str) -> Result<Package, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if !value.is_object() {
        return Err("not a JSON object".to_owned());
    }
    let mut package = Package {
        workspaces: workspaces(&value["workspaces"]),
        manager: value["packageManager"].as_str().and_then(manager),
        has_dependencies: ["dependencies", "devDependencies"]
            .iter()
            .any(|key| value[key].as_object().is_some_and(|list| !list.is_empty())),
        ..Package::default()
    };
    for (kind, names) in GROUPS {
        for name in names {
            let Some(script) = value["scripts"][name].as_str().map(str::trim).filter(|s| !s.is_empty()) else {
                continue;
            };
            if script.contains("no test specified") {
                package.has_placeholder |= *name == "test";
                continue;
            }
            let option = match ending(script) {
                Ending::ByItself => None,
                Ending::WithOption(option) => Some(option),
                Ending::Never => {
                    let remark = format!("script `{name}` waits for changes (`{script}`) and never ends; left out");
                    package.remarks.push(remark);
                    continue;
                }
            };
            let line = line::json_key(text, &["scripts", name]);
            package.scripts.push(Script { kind, name, line, option });
            break;
        }
    }
    Ok(package)
}

/// How a script comes to its end.
enum Ending {
    ByItself,
    WithOption(&'static str),
    /// It watches, and no option is known that stops it.
    Never,
}

fn ending(script: &str) -> Ending {
    let words: Vec<&str> = script.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    let calls = |program: &str, command: &str| words.windows(2).any(|pair| pair == [program, command]);
    let is_told = words.iter().any(|word| word.starts_with("--watchAll=") || word.starts_with("--watch="));
    if is_told || has("CI=true") || has("CI=1") {
        Ending::ByItself
    } else if has("--watch") || has("--watchAll") || has("watch") {
        Ending::Never
    } else if calls("react-scripts", "test") {
        Ending::WithOption("--watchAll=false")
    } else if calls("ng", "test") {
        Ending::WithOption("--watch=false")
    } else {
        // vitest too: it watches only when it sees a terminal, and a check has none.
        Ending::ByItself
    }
}

fn workspaces(value: &Value) -> Vec<String> {
    let list = value.as_array().or_else(|| value["packages"].as_array());
    list.into_iter().flatten().filter_map(|pattern| pattern.as_str().map(str::to_owned)).collect()
}

/// Reads `pnpm@9.1.0+sha...`.
fn manager(text: &str) -> Option<PackageManager> {
    let name = text.split('@').next().unwrap_or_default();
    [PackageManager::Npm, PackageManager::Pnpm, PackageManager::Yarn, PackageManager::Bun]
        .into_iter()
        .find(|manager| manager.program() == name)
}

/// Reads the patterns of pnpm-workspace.yaml.
///
/// # Errors
/// When it is no YAML.
pub(super) fn pnpm_workspaces(text: &str) -> Result<Vec<String>, String> {
    #[derive(serde::Deserialize)]
    struct Workspace {
        #[serde(default)]
        packages: Vec<String>,
    }
    serde_norway::from_str::<Option<Workspace>>(text)
        .map(|workspace| workspace.map(|workspace| workspace.packages).unwrap_or_default())
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn commands(scripts: &str, manager: PackageManager) -> Vec<String> {
        let package = parse(&format!("{{\"scripts\": {scripts}}}")).unwrap();
        package.scripts.iter().map(|script| format!("{} {}", script.kind, manager.command(script))).collect()
    }

    #[test]
    fn scripts_are_run_the_way_of_the_package_manager() {
        let scripts = r#"{"build": "tsc", "lint": "eslint .", "type-check": "tsc --noEmit", "test": "node --test"}"#;
        let npm = ["test npm test", "lint npm run lint", "lint npm run type-check", "build npm run build"];
        assert_eq!(commands(scripts, PackageManager::Npm), npm);
        assert_eq!(commands(scripts, PackageManager::Bun)[0], "test bun run test");
        assert_eq!(commands(scripts, PackageManager::Pnpm)[0], "test pnpm test");
    }

    #[test]
    fn the_placeholder_of_npm_is_no_test() {
        let text = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1", "test:unit": "x"}}"#;
        let package = parse(text).unwrap();
        assert!(package.has_placeholder);
        assert_eq!(package.scripts[0].name, "test:unit");
        assert!(parse(r#"{"scripts": {"test": ""}}"#).unwrap().scripts.is_empty());
    }

    #[test]
    fn what_waits_for_changes_is_made_to_run_once_or_left_out() {
        let npm = |script: &str| commands(&format!("{{\"test\": \"{script}\"}}"), PackageManager::Npm);
        assert_eq!(npm("react-scripts test"), ["test npm test -- --watchAll=false"]);
        assert_eq!(npm("cd app && ng test"), ["test npm test -- --watch=false"]);
        for plain in ["vitest", "CI=true react-scripts test", "jest --watchAll=false", "jest"] {
            assert_eq!(npm(plain), ["test npm test"], "{plain}");
        }
        for watching in ["jest --watch", "vitest watch", "tsc --watch"] {
            assert_eq!(npm(watching), [""; 0], "{watching}");
        }
        let both = r#"{"test": "jest --watch", "test:ci": "jest"}"#;
        assert_eq!(commands(both, PackageManager::Yarn), ["test yarn run test:ci"]);
        let remarks = parse(&format!("{{\"scripts\": {both}}}")).unwrap().remarks;
        assert!(remarks.len() == 1 && remarks[0].contains("never ends"), "{remarks:?}");
    }

    #[test]
    fn manager_and_workspaces_are_read() {
        let package = parse(r#"{"packageManager": "pnpm@9.1.0", "workspaces": {"packages": ["a/*", 1]}}"#).unwrap();
        assert_eq!((package.manager, package.workspaces), (Some(PackageManager::Pnpm), vec!["a/*".to_owned()]));
        assert_eq!(parse(r#"{"packageManager": "other@1"}"#).unwrap().manager, None);
        assert_eq!(pnpm_workspaces("packages:\n  - 'a/*'\n  - '!a/b'\n"), Ok(vec!["a/*".into(), "!a/b".into()]));
        assert_eq!((pnpm_workspaces(""), pnpm_workspaces("catalog: {}")), (Ok(vec![]), Ok(vec![])));
        assert!(pnpm_workspaces("packages: 3").is_err() && pnpm_workspaces("[").is_err());
    }

    #[test]
    fn what_is_no_package_says_why() {
        assert!(parse("{").unwrap_err().contains("line 1"));
        assert!(parse("[]").is_err());
        assert_eq!(parse(r#"{"scripts": ["test"], "workspaces": 3}"#), Ok(Package::default()));
    }
}
