//! Whether an agent program is logged in, found out without asking a model.
//!
//! Describes the question that costs nothing, reads the answer, and names the variables and files that hold credentials;
//! the caller asks and looks. What the values are is nobody's business: only names and paths leave this room. Invariant:
//! a program is asked only in versions that are known to have the command, as an older one takes it for a prompt.

use std::path::{Path, PathBuf};

use super::launch::{Launch, Span};
use super::probe::Version;
use super::{Invocation, event};
use crate::logic::health::agent::Told;
use crate::model::config::ProgramConfig;
use crate::model::{BackendName, Config};

/// `claude auth status`: anthropics/claude-code issue 25454 names 2.1.41 as the first with it; tried with 2.1.329. An
/// older one would send "auth status" to the model.
const CLAUDE: Span = Span::since(Version(2, 1, 41));
/// `codex login status`: tried with 0.169.0, an error without consequences where it is unknown.
const CODEX: Span = Span::since(Version(0, 40, 0));
/// `opencode auth list`: tried with 1.18.33, prints a usage where it is unknown.
const OPENCODE: Span = Span::since(Version(1, 0, 0));

/// What holds the credentials of one program.
#[derive(Clone, Copy, Debug)]
pub struct Traces {
    /// Variables that it reads.
    pub variables: &'static [&'static str],
    /// Variables that look like it, but which it does not read.
    pub unread: &'static [&'static str],
    /// The command that logs in; empty when there is nothing to log in to.
    pub command: &'static str,
    /// Whether it can do something without any login.
    pub is_optional: bool,
}

/// Returns what holds the credentials of a program.
pub fn traces(name: BackendName) -> Traces {
    match name {
        BackendName::Claude => Traces {
            variables: &[
                "ANTHROPIC_API_KEY",
                "ANTHROPIC_AUTH_TOKEN",
                "CLAUDE_CODE_OAUTH_TOKEN",
                "CLAUDE_CODE_USE_BEDROCK",
                "CLAUDE_CODE_USE_VERTEX",
                "CLAUDE_CODE_USE_FOUNDRY",
            ],
            unread: &[],
            command: "`claude auth login`, or set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token`)",
            is_optional: false,
        },
        BackendName::Codex => Traces {
            variables: &["CODEX_API_KEY"],
            // Tried with 0.169.0: `codex exec` sends CODEX_API_KEY, and no key at all when only this one is set.
            unread: &["OPENAI_API_KEY"],
            command: "`codex login`, or set CODEX_API_KEY",
            is_optional: false,
        },
        BackendName::Gemini => Traces {
            variables: GEMINI,
            unread: &[],
            command: "set GEMINI_API_KEY, or start `gemini` once and sign in",
            is_optional: false,
        },
        BackendName::Opencode => Traces {
            variables: &[
                "ANTHROPIC_API_KEY",
                "OPENAI_API_KEY",
                "GEMINI_API_KEY",
                "GOOGLE_GENERATIVE_AI_API_KEY",
                "GOOGLE_API_KEY",
                "OPENROUTER_API_KEY",
                "OPENCODE_API_KEY",
                "AZURE_API_KEY",
                "DEEPSEEK_API_KEY",
                "GROQ_API_KEY",
                "MISTRAL_API_KEY",
                "XAI_API_KEY",
            ],
            unread: &[],
            command: "`opencode auth login`; without it only free models and those of opencode.json answer",
            is_optional: true,
        },
        BackendName::Command | BackendName::Replay => {
            Traces { variables: &[], unread: &[], command: "", is_optional: true }
        }
    }
}

/// As `getAuthTypeFromEnv` of 0.61.0 reads them.
const GEMINI: &[&str] = &[
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_GCA",
    "CLOUD_SHELL",
    "GEMINI_CLI_USE_COMPUTE_ADC",
];

/// Returns the files in which a program keeps credentials. `variable` tells a variable as the program would see it.
pub fn files(name: BackendName, home: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let dir = |name: &str, fallback: &str| variable(name).map_or_else(|| home.join(fallback), PathBuf::from);
    match name {
        BackendName::Claude => vec![dir("CLAUDE_CONFIG_DIR", ".claude").join(".credentials.json")],
        BackendName::Codex => vec![dir("CODEX_HOME", ".codex").join("auth.json")],
        BackendName::Gemini => {
            let dir = dir("GEMINI_CLI_HOME", "").join(".gemini");
            vec![dir.join("oauth_creds.json"), dir.join("gemini-credentials.json")]
        }
        BackendName::Opencode => vec![dir("XDG_DATA_HOME", ".local/share").join("opencode/auth.json")],
        BackendName::Command | BackendName::Replay => vec![],
    }
}

/// Returns the files of variables that a program reads besides its environment: only the first that exists counts.
/// They are read with [`variables_in`].
pub fn variable_files(name: BackendName, code_dir: &Path, home: &Path) -> Vec<PathBuf> {
    if name != BackendName::Gemini {
        return vec![];
    }
    let above = code_dir.ancestors().flat_map(|dir| [dir.join(".gemini/.env"), dir.join(".env")]);
    above.chain([home.join(".gemini/.env"), home.join(".env")]).collect()
}

/// Returns which of the variables with credentials a file of variables sets; never their values.
pub fn variables_in(name: BackendName, text: &str) -> Vec<&'static str> {
    let is_set = |variable: &str| {
        text.lines().any(|line| {
            let line = line.trim_start();
            let rest = line.strip_prefix("export ").unwrap_or(line).trim_start().strip_prefix(variable);
            rest.and_then(|rest| rest.trim_start().strip_prefix('=')).is_some_and(|value| !value.trim().is_empty())
        })
    };
    traces(name).variables.iter().copied().filter(|variable| is_set(variable)).collect()
}

/// Whether the configuration names a model service of its own, which needs no login of the vendor's. `settings` is the
/// text of the program's own configuration files, as [`settings_files`] names them.
pub fn has_own_service(
    name: BackendName,
    config: &Config,
    settings: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> bool {
    match name {
        BackendName::Claude => settings.contains("\"apiKeyHelper\""),
        BackendName::Codex => {
            let is_set = |line: &str| line.trim_start().starts_with("model_provider");
            config.backend.codex.program.extra_args.iter().any(|arg| arg.contains("model_provider"))
                || settings.lines().any(is_set)
        }
        BackendName::Gemini => variable("GOOGLE_GEMINI_BASE_URL").is_some(),
        BackendName::Opencode => variable("OPENCODE_CONFIG_CONTENT").is_some() || settings.contains("\"provider\""),
        BackendName::Command | BackendName::Replay => true,
    }
}

/// Returns the program's own configuration files, the user's and the project's.
pub fn settings_files(
    name: BackendName,
    code_dir: &Path,
    home: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<PathBuf> {
    let dir = |name: &str, fallback: &str| variable(name).map_or_else(|| home.join(fallback), PathBuf::from);
    match name {
        BackendName::Claude => {
            vec![dir("CLAUDE_CONFIG_DIR", ".claude").join("settings.json"), code_dir.join(".claude/settings.json")]
        }
        BackendName::Codex => vec![dir("CODEX_HOME", ".codex").join("config.toml")],
        BackendName::Opencode => {
            vec![dir("XDG_CONFIG_HOME", ".config").join("opencode/opencode.json"), code_dir.join("opencode.json")]
        }
        BackendName::Gemini | BackendName::Command | BackendName::Replay => vec![],
    }
}

/// Returns how to ask a program whether it is logged in; `None` when this version has no such command.
pub fn invocation(name: BackendName, config: &Config, version: Option<Version>) -> Option<Invocation> {
    let (program, span, args): (&ProgramConfig, _, [&str; 2]) = match name {
        BackendName::Claude => (&config.backend.claude.program, CLAUDE, ["auth", "status"]),
        BackendName::Codex => (&config.backend.codex.program, CODEX, ["login", "status"]),
        BackendName::Opencode => (&config.backend.opencode.program, OPENCODE, ["auth", "list"]),
        BackendName::Gemini | BackendName::Command | BackendName::Replay => return None,
    };
    if !span.holds(version) {
        return None;
    }
    let mut launch = Launch::new(name.as_str(), program, config);
    launch.args(args);
    // Nothing but the answer is wanted.
    launch.env("DISABLE_AUTOUPDATER", "1");
    launch.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    launch.env("OPENCODE_DISABLE_AUTOUPDATE", "1");
    launch.env("OPENCODE_DISABLE_MODELS_FETCH", "1");
    launch.env_remove("CLAUDECODE");
    Some(launch.finish(program, None))
}

/// Reads the answer: exit code and what was printed. Accounts and keys in it are left out.
pub fn told(name: BackendName, code: i32, out: &str, err: &str) -> Told {
    match name {
        BackendName::Claude => claude(out),
        BackendName::Codex => codex(code, &format!("{out}\n{err}")),
        BackendName::Opencode => opencode(code, out),
        BackendName::Gemini | BackendName::Command | BackendName::Replay => Told::Nothing,
    }
}

/// Only the field decides: exit code 1 is also what a usage error ends with.
fn claude(out: &str) -> Told {
    let answer: serde_json::Value = match serde_json::from_str(out.trim()) {
        Ok(answer) => answer,
        Err(_) => return Told::Nothing,
    };
    match answer.get("loggedIn").and_then(serde_json::Value::as_bool) {
        Some(true) => {
            let method = event::text(&answer, "/authMethod");
            let provider = event::text(&answer, "/apiProvider");
            Told::In(format!("{} ({})", word(method, "logged in"), word(provider, "provider unknown")))
        }
        Some(false) => Told::Out,
        None => Told::Nothing,
    }
}

/// A short word as it is, anything else as `other`.
fn word<'a>(text: &'a str, other: &'a str) -> &'a str {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !text.is_empty() && text.len() <= 40 && text.chars().all(is_word) { text } else { other }
}

fn codex(code: i32, said: &str) -> Told {
    let said = said.to_lowercase();
    if said.contains("not logged in") {
        Told::Out
    } else if code != 0 {
        Told::Nothing
    } else if said.contains("chatgpt") {
        Told::In("logged in with ChatGPT".to_owned())
    } else if said.contains("api key") {
        Told::In("logged in with an API key".to_owned())
    } else if said.contains("logged in") {
        Told::In("logged in".to_owned())
    } else {
        Told::Nothing
    }
}

/// `1 credentials`, `2 environment variables`.
fn opencode(code: i32, out: &str) -> Told {
    let count = |noun: &str| -> Option<u32> {
        let words: Vec<&str> = out.split_whitespace().collect();
        let at = words.windows(2).find(|pair| pair.last().is_some_and(|word| word.starts_with(noun)))?;
        at.first()?.parse().ok()
    };
    let (stored, set) = (count("credential"), count("environment").unwrap_or_default());
    match stored {
        _ if code != 0 => Told::Nothing,
        None => Told::Nothing,
        Some(0) if set == 0 => Told::Out,
        Some(stored) => Told::In(format!("{stored} stored, {set} by variables")),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::samples::{config, line};
    use super::*;

    #[test]
    fn only_versions_that_know_the_command_are_asked() {
        let config = config();
        let asked = |name, version| invocation(name, &config, version).map(|invocation| line(&invocation));
        assert_eq!(asked(BackendName::Claude, Some(Version(2, 1, 329))).as_deref(), Some("claude auth status"));
        assert_eq!(asked(BackendName::Claude, Some(Version(2, 0, 76))), None, "it would be a prompt");
        assert_eq!(asked(BackendName::Codex, Some(Version(0, 169, 0))).as_deref(), Some("codex login status"));
        assert_eq!(asked(BackendName::Opencode, Some(Version(1, 2, 27))).as_deref(), Some("opencode auth list"));
        for name in BackendName::ALL {
            assert_eq!(asked(name, None), None, "{name:?}: a wrapper may take it for work");
        }
        assert_eq!(asked(BackendName::Gemini, Some(Version(0, 61, 0))), None);
    }

    #[test]
    fn the_answers_of_the_real_programs_are_read() {
        let claude = |out: &str| told(BackendName::Claude, 1, out, "");
        assert_eq!(claude("{\"loggedIn\": false, \"authMethod\": \"none\"}"), Told::Out);
        let oauth = "{\n  \"loggedIn\": true,\n  \"authMethod\": \"oauth_token\",\n  \"apiProvider\": \"firstParty\", \"email\": \"me@x\"\n}";
        assert_eq!(claude(oauth), Told::In("oauth_token (firstParty)".into()));
        assert_eq!(claude("error: unknown command"), Told::Nothing);
        assert_eq!(
            claude("{\"loggedIn\": true, \"authMethod\": \"sk-ant \\u001b[2J\"}"),
            Told::In("logged in (provider unknown)".into())
        );
        let codex = |code, err: &str| told(BackendName::Codex, code, "", err);
        assert_eq!(codex(1, "Not logged in\n"), Told::Out);
        assert_eq!(codex(0, "Logged in using ChatGPT\n"), Told::In("logged in with ChatGPT".into()));
        let key = "API key configured - sk-test-***67890\nAuthentication is checked when you send a request.\n";
        assert_eq!(codex(0, key), Told::In("logged in with an API key".into()), "nothing of the key is told");
        assert_eq!(codex(2, "error: unexpected argument"), Told::Nothing);
        let opencode = |out: &str| told(BackendName::Opencode, 0, out, "");
        assert_eq!(opencode("┌  Credentials ~/.local/share/opencode/auth.json\n│\n└  0 credentials\n"), Told::Out);
        let both = "└  1 credentials\n┌  Environment\n●  Anthropic ANTHROPIC_API_KEY\n└  1 environment variable\n";
        assert_eq!(opencode(both), Told::In("1 stored, 1 by variables".into()));
        assert_eq!(opencode("usage: opencode"), Told::Nothing);
    }

    #[test]
    fn credentials_are_looked_for_where_the_programs_keep_them() {
        let home = Path::new("/home/me");
        let none = |_: &str| None;
        assert_eq!(files(BackendName::Codex, home, &none), [PathBuf::from("/home/me/.codex/auth.json")]);
        let moved = |name: &str| (name == "CODEX_HOME").then(|| "/elsewhere".to_owned());
        assert_eq!(files(BackendName::Codex, home, &moved), [PathBuf::from("/elsewhere/auth.json")]);
        assert_eq!(files(BackendName::Gemini, home, &none)[0], Path::new("/home/me/.gemini/oauth_creds.json"));
        let places = variable_files(BackendName::Gemini, Path::new("/home/me/p"), home);
        assert_eq!(places[..2], [PathBuf::from("/home/me/p/.gemini/.env"), PathBuf::from("/home/me/p/.env")]);
        assert_eq!(variable_files(BackendName::Claude, home, home), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_file_of_variables_counts_only_when_it_sets_one() {
        let found = |text: &str| variables_in(BackendName::Gemini, text);
        assert_eq!(found("# x\nexport GEMINI_API_KEY = \"abc\"\n"), ["GEMINI_API_KEY"]);
        for none in ["", "#GEMINI_API_KEY=x", "GEMINI_API_KEY=", "GEMINI_API_KEYS=1", "OTHER=GEMINI_API_KEY=1"] {
            assert_eq!(found(none), [] as [&str; 0], "{none:?}");
        }
    }

    #[test]
    fn a_model_service_of_its_own_needs_no_login() {
        let mut config = config();
        let none = |_: &str| None;
        assert!(!has_own_service(BackendName::Codex, &config, "# model_provider\nmodel = \"x\"", &none));
        assert!(has_own_service(BackendName::Codex, &config, "model_provider = \"mine\"", &none));
        config.backend.codex.program.extra_args = vec!["-c".into(), "model_provider=\"x\"".into()];
        assert!(has_own_service(BackendName::Codex, &config, "", &none));
        assert!(has_own_service(BackendName::Opencode, &config, "", &|_| Some("{}".into())));
    }
}
