//! Masks secrets in text: the values of secret environment variables, and what looks like a well-known kind of token.
//!
//! It works on whole texts: a secret that is spread over several calls is not seen. It errs on the side of
//! leaving text alone when only the shape speaks for a secret, because code and test output must stay readable; a value
//! that a secret variable holds is masked wherever it stands. Invariant: masking a masked text changes nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use regex::{Captures, Regex};

/// A shorter value would also mask innocent text.
const MIN_VALUE: usize = 8;
/// Words of a variable's name that make its value a secret.
const SECRET_WORDS: [&str; 21] = [
    "KEY",
    "APIKEY",
    "KEYS",
    "TOKEN",
    "AUTHTOKEN",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PWD",
    "PASSPHRASE",
    "PASSCODE",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "PAT",
    "BEARER",
    "JWT",
    "DSN",
    "COOKIE",
];
/// Last words of a name that say the value only tells where or what the secret is.
const HARMLESS_ENDS: [&str; 9] = ["FILE", "PATH", "DIR", "NAME", "TYPE", "SOCK", "LIMIT", "TTL", "HELPER"];

/// A kind of token that is known by its shape.
struct Shape {
    kind: &'static str,
    /// Without one of these in the text the pattern cannot match.
    anchors: &'static [&'static str],
    /// Group 1, if there is one, stays in front of the mask; group 2, if there is one, stays behind it.
    pattern: &'static str,
}

/// Sources: the formats that the issuers document or that their secret scanners use.
const SHAPES: [Shape; 16] = [
    Shape {
        kind: "private key",
        anchors: &["PRIVATE KEY"],
        pattern: r#"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:[^<>(){};"']*?-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|(?:\s|\\[nr]|[A-Za-z0-9+/=]{16,})*[A-Za-z0-9+/=]{16,})"#,
    },
    Shape { kind: "anthropic key", anchors: &["sk-ant-"], pattern: r"\bsk-ant-[A-Za-z0-9_-]{16,}" },
    Shape {
        kind: "api key",
        anchors: &["sk-"],
        pattern: r"\bsk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}|(?:or-v1-|lf-)?[A-Za-z0-9]{20,})",
    },
    Shape {
        kind: "github token",
        anchors: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        pattern: r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,})",
    },
    Shape {
        kind: "gitlab token",
        anchors: &["glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-", "glft-"],
        pattern: r"\bgl(?:pat|dt|rt|ptt|cbt|soat|ft)-[A-Za-z0-9_.-]{19,}[A-Za-z0-9_-]",
    },
    Shape {
        kind: "google key",
        anchors: &["AIza", "ya29."],
        pattern: r"\b(?:AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,})",
    },
    Shape { kind: "aws key", anchors: &["AKIA", "ASIA"], pattern: r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b" },
    Shape {
        kind: "slack token",
        anchors: &["xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-", "xoxe-", "xapp-"],
        pattern: r"\b(?:xox[abprse]|xapp)-[A-Za-z0-9-]{10,}",
    },
    Shape {
        kind: "slack webhook",
        anchors: &["hooks.slack.com"],
        pattern: r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/_-]{20,}",
    },
    Shape { kind: "stripe key", anchors: &["k_live_"], pattern: r"\b[sr]k_live_[A-Za-z0-9]{16,}" },
    Shape { kind: "npm token", anchors: &["npm_"], pattern: r"\bnpm_[A-Za-z0-9]{36}\b" },
    Shape { kind: "pypi token", anchors: &["pypi-"], pattern: r"\bpypi-AgE[A-Za-z0-9_-]{50,}" },
    Shape { kind: "hugging face token", anchors: &["hf_"], pattern: r"\bhf_[A-Za-z0-9]{30,}\b" },
    Shape {
        kind: "jwt",
        anchors: &["eyJ"],
        pattern: r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    },
    Shape {
        kind: "authorization",
        anchors: &["earer ", "EARER ", "asic ", "oken "],
        pattern: r"((?i:\bbearer |\bauthorization:? ?(?:basic|token) ))[A-Za-z0-9._~+/-]{16,}=*",
    },
    Shape {
        kind: "url password",
        anchors: &["://"],
        pattern: r#"(\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@"'<>\[\]{}$]*:)[^\s/:@"'<>\[\]{}$]{3,}(@)"#,
    },
];

static ANCHORS: LazyLock<Regex> = LazyLock::new(|| {
    let anchors: Vec<String> = SHAPES.iter().flat_map(|it| it.anchors).map(|it| regex::escape(it)).collect();
    compile(&anchors.join("|"))
});
static PATTERNS: [OnceLock<Regex>; SHAPES.len()] = [const { OnceLock::new() }; SHAPES.len()];

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a test compiles every pattern")
}

/// Masks secrets. Cheap to ask about text without any: two literal searches.
#[derive(Debug, Default)]
pub struct Redactor {
    values: Option<Regex>,
    names: HashMap<String, String>,
}

impl Redactor {
    /// Returns a redactor for the secrets among these variables (name, value), beside the well-known shapes. A variable is
    /// secret when a word of its name says so; values below 8 bytes are not masked.
    pub fn from_env(vars: &[(String, String)]) -> Self {
        Self::with_secrets(vars, &[])
    }

    /// The same, and these values (name, value) are secret whatever their names are.
    pub fn with_secrets(vars: &[(String, String)], secrets: &[(String, String)]) -> Self {
        let mut names = HashMap::new();
        for (name, value) in vars.iter().filter(|(name, _)| is_secret(name)).chain(secrets) {
            for form in forms(value) {
                names.entry(form).or_insert_with(|| name.clone());
            }
        }
        let mut values: Vec<&String> = names.keys().collect();
        // Of two that begin alike the longer one is to be found.
        values.sort_by_key(|value| (std::cmp::Reverse(value.len()), *value));
        let pattern = values.into_iter().map(|value| regex::escape(value)).collect::<Vec<_>>().join("|");
        // A pattern of literals fails only by size, beyond 10 MiB of secrets.
        let values = if pattern.is_empty() { None } else { Regex::new(&pattern).ok() };
        Self { values, names }
    }

    /// Returns the text with every secret replaced by `[redacted:NAME]`, the variable's name or the kind of token.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = match &self.values {
            Some(values) => values.replace_all(text, |found: &Captures<'_>| {
                let name = found.get(0).and_then(|found| self.names.get(found.as_str()));
                mask(name.map_or("secret", String::as_str))
            }),
            None => Cow::Borrowed(text),
        };
        if !ANCHORS.is_match(&text) {
            return text;
        }
        SHAPES.iter().zip(&PATTERNS).fold(text, |text, (shape, pattern)| {
            if !shape.anchors.iter().any(|anchor| text.contains(anchor)) {
                return text;
            }
            let pattern = pattern.get_or_init(|| compile(shape.pattern));
            let replaced = pattern.replace_all(&text, |found: &Captures<'_>| masked(shape, found));
            match replaced {
                Cow::Owned(replaced) => Cow::Owned(replaced),
                Cow::Borrowed(_) => text,
            }
        })
    }
}

fn masked(shape: &Shape, found: &Captures<'_>) -> String {
    let whole = found.get(0).map_or("", |it| it.as_str());
    let group = |no: usize| found.get(no).map_or("", |it| it.as_str());
    let (before, after) = (group(1), group(2));
    let secret = whole.get(before.len()..whole.len() - after.len()).unwrap_or(whole);
    // An identifier after a harmless word (`bearer authentication_middleware`) has no digits.
    if shape.kind == "authorization" && !secret.bytes().any(|byte| byte.is_ascii_digit()) {
        return whole.to_owned();
    }
    format!("{before}{}{after}", mask(shape.kind))
}

fn mask(name: &str) -> String {
    format!("[redacted:{name}]")
}

/// Whether a variable's name says that its value is secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let is_listed = |list: &[&str], word: &str| list.contains(&word);
    // The shell's own working directories.
    let is_place = matches!(name.as_str(), "PWD" | "OLDPWD");
    let ends_harmless = name.rsplit('_').next().is_some_and(|word| is_listed(&HARMLESS_ENDS, word));
    !is_place && !ends_harmless && name.split('_').any(|word| is_listed(&SECRET_WORDS, word))
}

/// The value as it is, and as it stands inside JSON text when that differs.
fn forms(value: &str) -> Vec<String> {
    let value = value.trim();
    if value.len() < MIN_VALUE {
        return Vec::new();
    }
    let mut forms = vec![value.to_owned()];
    let json = serde_json::Value::from(value).to_string();
    let json = json.trim_matches('"');
    if json != value && json.len() >= MIN_VALUE {
        forms.push(json.to_owned());
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        let vars = [
            ("OPENAI_API_KEY", "hunter2hunter2"),
            ("DB_PASSWORD", "p\"q\\r.*st"),
            ("LONGER_TOKEN", "hunter2hunter2-and-more"),
            ("SHORT_TOKEN", "abc"),
            ("MONKEY", "not-a-secret"),
            ("MAX_OUTPUT_TOKENS", "100000000"),
            ("SSH_KEY_PATH", "/home/me/.ssh/id"),
            ("PWD", "/home/me/project"),
            ("my_secret", "lower-case-name"),
        ];
        Redactor::from_env(&vars.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn values_of_secret_variables_are_masked_everywhere() {
        let redactor = redactor();
        assert_eq!(redactor.redact("a=hunter2hunter2;"), "a=[redacted:OPENAI_API_KEY];");
        assert_eq!(redactor.redact("hunter2hunter2-and-more"), "[redacted:LONGER_TOKEN]");
        assert_eq!(redactor.redact("x p\"q\\r.*st y"), "x [redacted:DB_PASSWORD] y");
        assert_eq!(redactor.redact(r#"{"a":"p\"q\\r.*st"}"#), r#"{"a":"[redacted:DB_PASSWORD]"}"#);
        assert_eq!(redactor.redact("lower-case-name"), "[redacted:my_secret]");
    }

    #[test]
    fn a_value_that_is_called_secret_is_masked_whatever_its_name() {
        let secrets = [("HOOK_URL".to_owned(), "https://example/hook/abc".to_owned())];
        let redactor = Redactor::with_secrets(&[], &secrets);
        assert_eq!(redactor.redact("post https://example/hook/abc: 404"), "post [redacted:HOOK_URL]: 404");
    }

    #[test]
    fn harmless_variables_and_short_values_are_left_alone() {
        for text in ["abc", "not-a-secret", "100000000", "/home/me/.ssh/id", "/home/me/project/x", "p\"q\\rXXst"] {
            let redacted = redactor().redact(text).into_owned();
            assert_eq!(redacted, text);
        }
    }

    /// Kind, a text with a secret, what it becomes, a text that only looks alike.
    fn cases() -> Vec<(&'static str, String, String, &'static str)> {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n";
        let key = |end: &str| format!("a\n-----BEGIN RSA PRIVATE KEY-----\n{body}{end}\nb c");
        let r = |kind: &str| format!("[redacted:{kind}]");
        let mixed = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5h";
        vec![
            (
                "private key",
                key("-----END RSA PRIVATE KEY-----"),
                format!("a\n{}\nb c", r("private key")),
                r#"assert!(text.contains("-----BEGIN PRIVATE KEY-----")); let x = "-----END PRIVATE KEY-----";"#,
            ),
            ("private key", key("cut off"), format!("a\n{}\ncut off\nb c", r("private key")), "PRIVATE KEY missing"),
            (
                "private key",
                key("-----END RSA PRIVATE KEY-----").replace('\n', "\\n"),
                format!("a\\n{}\\nb c", r("private key")),
                "-----BEGIN PUBLIC KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PUBLIC KEY-----",
            ),
            (
                "anthropic key",
                format!("key=sk-ant-api03-{mixed}_-x"),
                format!("key={}", r("anthropic key")),
                "see sk-ant-docs",
            ),
            (
                "api key",
                format!("sk-proj-ab_{mixed}"),
                r("api key"),
                "class=\"sk-fading-circle-container-with-long-name\" task-12345678901234567890123",
            ),
            ("api key", format!("'sk-{mixed}'"), format!("'{}'", r("api key")), "sk-learn"),
            ("github token", format!("ghp_{mixed}"), r("github token"), "ghp_ is the prefix, ghp_example"),
            ("github token", format!("github_pat_{mixed}_{mixed}"), r("github token"), "github_pat_example"),
            ("gitlab token", "glpat-aB3dE5gH7jK9mN1pQ3sT.".into(), format!("{}.", r("gitlab token")), "glpat-short"),
            ("google key", "AIzaSyA1234567890abcdefghijklmnopqrstuv".into(), r("google key"), "AIzaShort and AIzawa"),
            (
                "aws key",
                "id AKIAIOSFODNN7EXAMPLE,".into(),
                format!("id {},", r("aws key")),
                "AKIAIOSFODNN7EXAMPLEX EURASIA",
            ),
            ("slack token", "xoxb-1234567890-abcdef".into(), r("slack token"), "xoxb-…"),
            (
                "slack webhook",
                "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX".into(),
                format!("https://hooks.slack.com/services/{}", r("slack webhook")),
                "https://hooks.slack.com/services/",
            ),
            ("stripe key", format!("sk_live_{mixed}"), r("stripe key"), "sk_test_aB3dE5gH7jK9mN1pQ3sT"),
            ("npm token", "npm_aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5".into(), r("npm token"), "npm_config_registry"),
            ("pypi token", format!("pypi-AgEIcHlwaS5vcmc{mixed}{mixed}"), r("pypi token"), "pypi-AgE"),
            (
                "hugging face token",
                format!("hf_{mixed}"),
                r("hugging face token"),
                "hf_hub_download_with_some_long_name_x",
            ),
            (
                "jwt",
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dozjgNryP4J3jVmNHl0w".into(),
                r("jwt"),
                "eyJhbGciOiJIUzI1NiJ9.payload",
            ),
            (
                "authorization",
                "Authorization: Bearer abc123def456ghi789==".into(),
                format!("Authorization: Bearer {}", r("authorization")),
                "Bearer authentication_middleware, bearer token required",
            ),
            (
                "authorization",
                "authorization: basic dXNlcjpwYXNzd29yZDEyMw==".into(),
                format!("authorization: basic {}", r("authorization")),
                "basic functionality2024works fine",
            ),
            (
                "url password",
                "origin https://me:s3cr3t!@example.com/r.git".into(),
                format!("origin https://me:{}@example.com/r.git", r("url password")),
                "http://localhost:8080/@scope https://me@example.com redis://:${PASS}@h http://a:b@c",
            ),
        ]
    }

    #[test]
    fn every_shape_has_a_match_and_a_near_miss() {
        let redactor = Redactor::default();
        for (kind, text, expected, near) in cases() {
            assert_eq!(redactor.redact(&text), expected, "{kind}");
            assert_eq!(redactor.redact(&expected), expected, "{kind} twice");
            assert_eq!(redactor.redact(near), near, "{kind}");
        }
        for shape in &SHAPES {
            assert!(cases().iter().any(|(kind, ..)| *kind == shape.kind), "{} has no case", shape.kind);
            let (_, text, ..) = cases().into_iter().find(|(kind, ..)| *kind == shape.kind).unwrap();
            assert!(shape.anchors.iter().any(|anchor| text.contains(anchor)), "{}", shape.kind);
        }
    }

    #[test]
    fn ordinary_output_is_not_even_copied() {
        let code = include_str!("redact.rs").split("#[cfg(test)]").next().unwrap();
        let texts = [
            "running 3 tests\ntest a::b ... ok\n\nfailures: 0; 12 passed in 0.31s",
            "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12\nsha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "error[E0308]: mismatched types\n  --> src/main.rs:3:5\n   = note: expected `&str`, found `String`",
            "GET http://127.0.0.1:8080/api/keys?page=2 200 12ms token_count=1024 password: \u{1b}[31mrequired\u{1b}[0m",
        ];
        for text in texts {
            assert!(matches!(redactor().redact(text), Cow::Borrowed(_)), "{text}");
        }
        let redacted = redactor().redact(code).into_owned();
        assert_eq!(redacted, code);
    }
}
