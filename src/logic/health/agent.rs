//! The agent programs: there, of a known version, logged in, and allowed to run as this user.
//!
//! Only the backend that a run would use can be an error; of the others what is missing is a remark.

use super::{Group, Level, Row};
use crate::model::BackendName;

const GROUP: Group = Group::Agents;

/// One agent program as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Which.
    pub name: BackendName,
    /// Whether a run would use it.
    pub is_default: bool,
    /// How it is installed, for example `npm install -g X`; empty when that is the user's own business.
    pub install: String,
    /// The program.
    pub program: Program,
}

/// Where the program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The configuration names none that could be used.
    Unusable {
        /// Why.
        why: String,
    },
    /// It is not there.
    Missing {
        /// What was looked for, and where.
        why: String,
    },
    /// It is there.
    Found {
        /// Its path.
        path: String,
        /// What it says of its version.
        version: Version,
        /// Whether it is logged in.
        login: Login,
    },
}

/// What a program says of its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// It was not asked: nothing depends on it.
    NotAsked,
    /// A released version.
    Known {
        /// As it is written.
        text: String,
        /// Compared with the versions that were tried.
        age: Age,
    },
    /// It answered something else.
    Odd {
        /// The first line, shortened.
        said: String,
    },
    /// It failed.
    Failed {
        /// Exit code, or minus the signal.
        code: i32,
        /// The last line it printed.
        tail: String,
    },
    /// It did not answer in time.
    Silent {
        /// How long it had.
        seconds: u64,
    },
    /// It could not be started.
    NotStarted {
        /// What the operating system said.
        why: String,
    },
}

/// A version compared with those that were tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Age {
    /// Between the oldest and the newest that was tried.
    Tried,
    /// Older than the oldest.
    Older(String),
    /// Newer than the newest, which is this.
    Newer(String),
    /// Of a later major version than the newest, which is this.
    Later(String),
}

/// What is known about a login. Never holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// What the program itself answered.
    pub told: Told,
    /// Variables that are set and hold credentials that it reads.
    pub variables: Vec<String>,
    /// Variables that are set and look like credentials, but which it does not read.
    pub unread: Vec<String>,
    /// Files with credentials.
    pub files: Vec<String>,
    /// Whether the configuration names a model service of its own, which needs no login.
    pub has_own_service: bool,
    /// Whether it can do something without any login.
    pub is_optional: bool,
    /// The command that logs in; empty when there is nothing to log in to.
    pub command: String,
}

/// What a program answered to the question whether it is logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Nothing: it was not asked, or the answer could not be read.
    #[default]
    Nothing,
    /// It is, and how.
    In(String),
    /// It is not.
    Out,
}

/// Who a run would be, as far as claude cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root<'a> {
    /// Whether this process is root.
    pub is_root: bool,
    /// `[backend.claude].skip_permissions`.
    pub skips_permissions: bool,
    /// `[run.root_mode].disable_skip_permissions`.
    pub drops_flag: bool,
    /// `[run.root_mode].fallback_permission_mode`.
    pub mode: &'a str,
    /// Whether `IS_SANDBOX` is set for it.
    pub is_sandbox: bool,
}

/// Concludes about one agent program.
pub fn agent(agent: &Agent) -> Vec<Row> {
    let name = agent.name.as_str();
    match &agent.program {
        Program::Unusable { why } => vec![at(agent, name, why.clone(), "set it in autodev.toml".to_owned())],
        Program::Missing { why } => {
            let others = "use another with --backend or [backend].default";
            let next =
                if agent.install.is_empty() { others.to_owned() } else { format!("{}; or {others}", agent.install) };
            let next = if agent.is_default { next } else { format!("only needed with --backend {name}") };
            vec![at(agent, name, why.clone(), next)]
        }
        Program::Found { path, version, login } => {
            let mut rows = vec![version_row(agent, path, version)];
            rows.extend(login_row(agent, login));
            rows
        }
    }
}

/// An error when a run would use this backend, else a remark.
fn at(agent: &Agent, label: &str, found: String, next: String) -> Row {
    let level = if agent.is_default { Level::Error } else { Level::Ok };
    Row { group: GROUP, label: label.to_owned(), level, found, next }
}

fn version_row(agent: &Agent, path: &str, version: &Version) -> Row {
    let name = agent.name.as_str();
    let unknown = "a run goes on with only the flags that every version knows, and without typed events";
    let warn = |found: String, next: &str| {
        let level = if agent.is_default { Level::Warn } else { Level::Ok };
        Row { group: GROUP, label: name.to_owned(), level, found, next: next.to_owned() }
    };
    match version {
        Version::NotAsked => Row::ok(GROUP, name, path),
        Version::Known { text, age } => match age {
            Age::Tried => Row::ok(GROUP, name, format!("{text}, {path}")),
            Age::Older(oldest) => warn(
                format!("{text}, {path}: older than {oldest}, the oldest that was tried"),
                if agent.install.is_empty() { "update it" } else { &agent.install },
            ),
            Age::Newer(newest) => {
                Row::ok(GROUP, name, format!("{text}, {path}; newer than {newest}, the newest that was tried"))
            }
            Age::Later(newest) => warn(
                format!("{text}, {path}: a later major version than {newest}, the newest that was tried"),
                "try one task first: `autodev run --max-tasks 1`",
            ),
        },
        Version::Odd { said } => warn(format!("{path} does not tell its version (it says: {said})"), unknown),
        Version::Failed { code, tail } => {
            let why = if tail.is_empty() { String::new() } else { format!(": {tail}") };
            let found = format!("{path} --version ends with {code}{why}");
            at(agent, name, found, format!("start it by hand; {}", reinstall(agent)))
        }
        Version::Silent { seconds } => warn(
            format!("{path} does not answer --version within {seconds} s"),
            "start it by hand; it may be waiting for something, or the machine is very busy",
        ),
        Version::NotStarted { why } => at(agent, name, why.clone(), reinstall(agent)),
    }
}

fn reinstall(agent: &Agent) -> String {
    if agent.install.is_empty() { "make sure that it works".to_owned() } else { agent.install.clone() }
}

fn login_row(agent: &Agent, login: &Login) -> Option<Row> {
    if login.command.is_empty() {
        return None;
    }
    let label = format!("{} login", agent.name.as_str());
    let by_variable = || Some(format!("by {}", login.variables.first()?));
    let by_file = || Some(format!("by {}", login.files.first()?));
    let found = match &login.told {
        Told::In(how) => Some(how.clone()),
        // It may look at its own store only: what is set for one run counts as well.
        Told::Out => by_variable(),
        Told::Nothing => by_variable().or_else(by_file),
    };
    if let Some(how) = found {
        return Some(Row::ok(GROUP, &label, how));
    }
    if login.has_own_service {
        return Some(Row::ok(GROUP, &label, "none, but a model service of its own is configured"));
    }
    let unread =
        login.unread.first().map(|name| format!("; {name} is set, which it does not read")).unwrap_or_default();
    let only =
        if agent.is_default { String::new() } else { format!("only needed with --backend {}: ", agent.name.as_str()) };
    let next = only + &login.command;
    let row = at(agent, &label, format!("not logged in{unread}"), next);
    Some(if login.is_optional && agent.is_default { Row { level: Level::Warn, ..row } } else { row })
}

/// Concludes about claude as root, when a run would use it; `None` when there is nothing to say.
pub fn root(root: Root<'_>) -> Option<Row> {
    const LABEL: &str = "claude as root";
    if !root.is_root || !root.skips_permissions {
        return None;
    }
    Some(if root.drops_flag {
        Row::warn(
            GROUP,
            LABEL,
            format!("running as root: claude gets permission mode {} and may be refused every edit", root.mode),
            "run as another user, or in a container set IS_SANDBOX=1 and \
             [run.root_mode].disable_skip_permissions = false",
        )
    } else if root.is_sandbox {
        Row::ok(GROUP, LABEL, "running as root, IS_SANDBOX is set: permissions are skipped")
    } else {
        Row::error(
            GROUP,
            LABEL,
            "running as root: claude refuses --dangerously-skip-permissions without IS_SANDBOX",
            "run as another user, or in a container set IS_SANDBOX = \"1\" under [backend.claude.environment]",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codex(is_default: bool, program: Program) -> Vec<Row> {
        agent(&Agent { name: BackendName::Codex, is_default, install: "npm install -g x".into(), program })
    }

    fn found(version: Version, login: Login) -> Program {
        Program::Found { path: "/bin/codex".into(), version, login }
    }

    fn known(age: Age) -> Version {
        Version::Known { text: "0.50.0".into(), age }
    }

    fn login() -> Login {
        Login { command: "codex login".into(), ..Login::default() }
    }

    #[test]
    fn what_is_missing_is_an_error_only_for_the_backend_of_a_run() {
        let missing = || Program::Missing { why: "codex is not on PATH".into() };
        let row = &codex(true, missing())[0];
        assert!(row.level == Level::Error && row.next.contains("npm install -g x"), "{row:?}");
        let row = &codex(false, missing())[0];
        assert_eq!((row.level, row.next.as_str()), (Level::Ok, "only needed with --backend codex"));
        let out = || found(known(Age::Tried), Login { told: Told::Out, ..login() });
        assert_eq!(codex(true, out())[1].level, Level::Error);
        assert_eq!(codex(false, out())[1].level, Level::Ok);
    }

    #[test]
    fn versions_are_compared_with_those_that_were_tried() {
        let level = |version| codex(true, found(version, Login::default()))[0].level;
        assert_eq!(level(known(Age::Tried)), Level::Ok);
        assert_eq!(level(known(Age::Newer("0.49.0".into()))), Level::Ok);
        assert_eq!(level(known(Age::Older("0.51.0".into()))), Level::Warn);
        assert_eq!(level(known(Age::Later("0.49.0".into()))), Level::Warn);
        assert_eq!(level(Version::Odd { said: "hello".into() }), Level::Warn);
        assert_eq!(level(Version::Silent { seconds: 5 }), Level::Warn);
        assert_eq!(level(Version::Failed { code: 1, tail: "x".into() }), Level::Error);
        assert_eq!(level(Version::NotStarted { why: "x".into() }), Level::Error);
    }

    #[test]
    fn any_credentials_that_the_program_reads_are_a_login() {
        let row = |login| codex(true, found(known(Age::Tried), login))[1].clone();
        let words = |word: &str| vec![word.to_owned()];
        let told = |told| Login { told, ..login() };
        assert_eq!(row(told(Told::In("ChatGPT".into()))), Row::ok(GROUP, "codex login", "ChatGPT"));
        let by_variable = Login { variables: words("CODEX_API_KEY"), ..told(Told::Out) };
        assert_eq!(row(by_variable).level, Level::Ok, "its own store is not all there is");
        let by_file = Login { files: words("/h/.codex/auth.json"), ..told(Told::Nothing) };
        assert_eq!(row(by_file.clone()).level, Level::Ok);
        assert_eq!(row(Login { told: Told::Out, ..by_file }).level, Level::Error, "the program knows its file best");
        let unread = row(Login { unread: words("OPENAI_API_KEY"), ..told(Told::Out) });
        assert!(unread.level == Level::Error && unread.found.contains("OPENAI_API_KEY"), "{unread:?}");
        assert_eq!(row(Login { has_own_service: true, ..told(Told::Out) }).level, Level::Ok);
        assert_eq!(row(Login { is_optional: true, ..told(Told::Out) }).level, Level::Warn);
        assert_eq!(codex(true, found(known(Age::Tried), Login::default())).len(), 1, "nothing to log in to");
    }

    #[test]
    fn claude_as_root_is_told_before_it_is_refused() {
        let facts =
            Root { is_root: true, skips_permissions: true, drops_flag: true, mode: "default", is_sandbox: false };
        let level = |facts| root(facts).map(|row| row.level);
        assert_eq!(level(facts), Some(Level::Warn));
        assert_eq!(level(Root { drops_flag: false, ..facts }), Some(Level::Error));
        assert_eq!(level(Root { drops_flag: false, is_sandbox: true, ..facts }), Some(Level::Ok));
        assert_eq!(level(Root { is_root: false, ..facts }), None);
        assert_eq!(level(Root { skips_permissions: false, ..facts }), None);
    }
}
