//! Notices to services: turns a message into a call to a web service or into a process.
//!
//! Knows what each service wants (form, markup, limits of length, what must be escaped) and sends nothing: the engine
//! does. Invariants: text from tasks and agents cannot become markup, a mention, a header or an option of a program;
//! where a channel leads is shown without anything secret.
//!
//! `text` cuts and escapes; the other files are one service each.

mod desktop;
mod discord;
mod email;
mod ntfy;
mod slack;
mod telegram;
mod text;
mod webhook;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::logic::notify::address_problem;
use crate::model::{ChannelConfig, ChannelKind, Message, Topic};
use crate::sys::http::Call;

/// A channel with everything that it needs at hand.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Which service.
    pub kind: ChannelKind,
    /// What it is told.
    pub events: Vec<Topic>,
    target: Target,
    ca_file: Option<PathBuf>,
    limit: Duration,
}

#[derive(Clone, Debug)]
enum Target {
    Desktop { program: String },
    Webhook { url: String, secret: String },
    Slack { url: String },
    Discord { url: String },
    Telegram { base: String, token: String, chat: String },
    Ntfy { root: String, topic: String, token: String },
    Email { program: String, to: Vec<String>, from: String },
}

/// A message in the form that a service wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// To be posted.
    Call(Call),
    /// To be handed to a program.
    Errand(Errand),
}

/// A program that takes a message along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Name or path.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Exit codes that mean "try again later".
    pub later: &'static [i32],
    /// Whether it makes sense to try again when the program is not there.
    pub is_patient: bool,
    /// Longest time that it may take.
    pub limit: Duration,
}

impl Channel {
    /// Gets everything that a channel needs; `variable` reads the environment, `limit` is for each delivery.
    ///
    /// # Errors
    /// What is missing, and what to do about it. Names variables, never what they hold.
    pub fn open(
        config: &ChannelConfig,
        variable: &dyn Fn(&str) -> Option<String>,
        limit: Duration,
    ) -> Result<Self, String> {
        let url = || {
            let url = given("url", &config.url, &config.url_env, variable)?;
            match address_problem(&url) {
                None => Ok(url),
                Some(why) if config.url_env.is_empty() => Err(format!("url: {why}")),
                Some(why) => Err(format!("the variable {} {why}", config.url_env)),
            }
        };
        let token = || given("token", &config.token, &config.token_env, variable);
        let has_url = !config.url.is_empty() || !config.url_env.is_empty();
        let has_token = !config.token.is_empty() || !config.token_env.is_empty();
        let has_secret = !config.secret.is_empty() || !config.secret_env.is_empty();
        let target = match config.kind {
            ChannelKind::Desktop => Target::Desktop { program: desktop::program(&config.program) },
            ChannelKind::Webhook => Target::Webhook {
                url: url()?,
                secret: if has_secret {
                    given("secret", &config.secret, &config.secret_env, variable)?
                } else {
                    String::new()
                },
            },
            ChannelKind::Slack => Target::Slack { url: url()? },
            ChannelKind::Discord => Target::Discord { url: url()? },
            ChannelKind::Telegram => Target::Telegram {
                base: if has_url { url()? } else { telegram::BASE.to_owned() },
                token: telegram::token(token()?)?,
                chat: config.chat_id.clone(),
            },
            ChannelKind::Ntfy => {
                let (root, topic) = ntfy::split(&url()?)?;
                Target::Ntfy {
                    root,
                    topic,
                    token: if has_token { text::header_value(token()?)? } else { String::new() },
                }
            }
            ChannelKind::Email => Target::Email {
                program: email::program(&config.program),
                to: config.to.clone(),
                from: config.from.clone(),
            },
        };
        let ca_file = Some(config.ca_file.clone()).filter(|path| !path.as_os_str().is_empty());
        Ok(Self { name: config.name.clone(), kind: config.kind, events: config.events.clone(), target, ca_file, limit })
    }

    /// Whether it is told about this.
    pub fn wants(&self, topic: Topic) -> bool {
        topic == Topic::Test || self.events.contains(&topic)
    }

    /// Returns where it leads, without anything secret: a host, a program, addresses.
    pub fn place(&self) -> String {
        match &self.target {
            Target::Desktop { program } => program.clone(),
            Target::Webhook { url, .. } | Target::Slack { url } | Target::Discord { url } => host(url),
            Target::Telegram { base, chat, .. } => format!("{}, chat {chat}", host(base)),
            Target::Ntfy { root, .. } => host(root),
            Target::Email { program, to, .. } => format!("{} to {}", program, to.join(", ")),
        }
    }

    /// Returns the program that it starts, if it starts one.
    pub fn program(&self) -> Option<&str> {
        match &self.target {
            Target::Desktop { program } | Target::Email { program, .. } => Some(program),
            Target::Webhook { .. }
            | Target::Slack { .. }
            | Target::Discord { .. }
            | Target::Telegram { .. }
            | Target::Ntfy { .. } => None,
        }
    }

    /// Puts a message into the form of the service. `now` is when it is sent: signatures carry it.
    pub fn parcel(&self, message: &Message, now: DateTime<Utc>) -> Parcel {
        let (url, headers, body) = match &self.target {
            Target::Desktop { program } => return Parcel::Errand(desktop::errand(program, message, self.limit)),
            Target::Email { program, to, from } => {
                return Parcel::Errand(email::errand(program, to, from, message, self.limit));
            }
            Target::Webhook { url, secret } => {
                let body = webhook::body(message);
                (url.clone(), webhook::headers(secret, message, &body, now), body)
            }
            Target::Slack { url } => (url.clone(), Vec::new(), slack::body(message)),
            Target::Discord { url } => (url.clone(), Vec::new(), discord::body(message)),
            Target::Telegram { base, token, chat } => {
                (telegram::url(base, token), Vec::new(), telegram::body(chat, message))
            }
            Target::Ntfy { root, topic, token } => (root.clone(), ntfy::headers(token), ntfy::body(topic, message)),
        };
        let mut all = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            // The same in every try: whoever keeps account of it sees a notice once.
            ("Idempotency-Key".to_owned(), message.id.clone()),
        ];
        all.extend(headers);
        Parcel::Call(Call { url, headers: all, body, ca_file: self.ca_file.clone(), limit: self.limit })
    }
}

/// Returns every secret of these channels, by name, as far as it is known: to be masked wherever it turns up.
pub fn secrets(channels: &[ChannelConfig], variable: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for channel in channels {
        let fields = [
            ("url", &channel.url, &channel.url_env),
            ("secret", &channel.secret, &channel.secret_env),
            ("token", &channel.token, &channel.token_env),
        ];
        for (field, plain, env) in fields {
            let value = if env.is_empty() { Some(plain.clone()) } else { variable(env) };
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            let name = if env.is_empty() { format!("notify.{}.{field}", channel.name) } else { env.clone() };
            // What a service says about an address often has only its path.
            if field == "url"
                && let Some(path) = path(&value).filter(|path| path.len() >= 16)
            {
                all.push((name.clone(), path.to_owned()));
            }
            // The address of a bot server is no secret, and stands in its own token's way.
            if field != "url" || channel.kind != ChannelKind::Telegram {
                all.push((name, value));
            }
        }
    }
    all
}

/// A value, or what its variable holds.
fn given(field: &str, plain: &str, env: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    if env.is_empty() {
        return Ok(plain.to_owned());
    }
    let value = variable(env).map(|value| value.trim().to_owned()).unwrap_or_default();
    if value.is_empty() { Err(format!("the variable {env} ({field}_env) is not set")) } else { Ok(value) }
}

/// Scheme and host of an address, without user, path and query.
fn host(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{}", authority.rsplit('@').next().unwrap_or_default())
}

fn path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.find('/').and_then(|at| rest.get(at..))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Mood;

    pub(super) fn message() -> Message {
        Message {
            topic: Topic::TaskBlocked,
            id: "r1-42".into(),
            at: "2026-11-20T11:29:10Z".parse().unwrap(),
            mood: Mood::Bad,
            title: "Demo: <T1> is *blocked* @everyone".into(),
            body: "reason & <!channel> @here\nQueue: 1 completed".into(),
            dashboard: "https://ci.example/d?a=1&b=2".into(),
            payload: json!({"event": "task_blocked", "id": "r1-42"}),
        }
    }

    pub(super) fn config(text: &str) -> ChannelConfig {
        let mut config: ChannelConfig = toml::from_str(text).unwrap();
        config.name = "c".into();
        config
    }

    pub(super) fn open(text: &str) -> Result<Channel, String> {
        let env: BTreeMap<&str, &str> = BTreeMap::from([
            ("HOOK", " https://me:pw@hooks.example/services/T0/B0/verysecret\n"),
            ("BAD", "not an address"),
            ("EMPTY", ""),
            ("TOKEN", "123:AbC"),
        ]);
        Channel::open(&config(text), &|name| env.get(name).map(|value| (*value).to_owned()), Duration::from_secs(7))
    }

    pub(super) fn call(text: &str, message: &Message) -> (Call, Value) {
        let now = "2026-11-20T11:30:00Z".parse().unwrap();
        match open(text).unwrap().parcel(message, now) {
            Parcel::Call(call) => {
                let body = serde_json::from_slice(&call.body).unwrap();
                (call, body)
            }
            Parcel::Errand(errand) => panic!("{errand:?}"),
        }
    }

    pub(super) fn errand(text: &str, message: &Message) -> Errand {
        match open(text).unwrap().parcel(message, DateTime::UNIX_EPOCH) {
            Parcel::Errand(errand) => errand,
            Parcel::Call(call) => panic!("{call:?}"),
        }
    }

    #[test]
    fn what_is_missing_is_named_and_never_shown() {
        let wrong = |text| open(text).unwrap_err();
        assert_eq!(wrong("kind = 'slack'\nurl_env = 'NONE'"), "the variable NONE (url_env) is not set");
        assert_eq!(wrong("kind = 'slack'\nurl_env = 'EMPTY'"), "the variable EMPTY (url_env) is not set");
        assert_eq!(wrong("kind = 'slack'\nurl_env = 'BAD'"), "the variable BAD must begin with https:// or http://");
        assert_eq!(
            wrong("kind = 'webhook'\nurl_env = 'HOOK'\nsecret_env = 'NONE'"),
            "the variable NONE (secret_env) is not set"
        );
    }

    #[test]
    fn a_place_shows_nothing_secret() {
        let place = |text| open(text).unwrap().place();
        assert_eq!(place("kind = 'slack'\nurl_env = 'HOOK'"), "https://hooks.example");
        assert_eq!(place("kind = 'telegram'\ntoken_env = 'TOKEN'\nchat_id = '7'"), "https://api.telegram.org, chat 7");
        assert_eq!(place("kind = 'ntfy'\nurl = 'https://ntfy.sh/hush'"), "https://ntfy.sh");
        assert_eq!(place("kind = 'email'\nto = ['a@b', 'c@d']\nprogram = '/x/sendmail'"), "/x/sendmail to a@b, c@d");
    }

    #[test]
    fn every_secret_is_known_by_name() {
        let channels = [
            config("kind = 'slack'\nurl_env = 'HOOK'"),
            config("kind = 'webhook'\nurl = 'https://x.example/hook'\nsecret = 'hush-hush'"),
            config("kind = 'telegram'\nurl = 'http://bots.example'\ntoken_env = 'TOKEN'\nchat_id = '1'"),
        ];
        let variable = |name: &str| match name {
            "HOOK" => Some("https://hooks.example/services/T0/B0/verysecret".to_owned()),
            "TOKEN" => Some("123:AbC".to_owned()),
            _ => None,
        };
        let found = secrets(&channels, &variable);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            found,
            [
                ("HOOK", "/services/T0/B0/verysecret"),
                ("HOOK", "https://hooks.example/services/T0/B0/verysecret"),
                ("notify.c.url", "https://x.example/hook"),
                ("notify.c.secret", "hush-hush"),
                ("TOKEN", "123:AbC"),
            ]
        );
    }

    #[test]
    fn every_call_carries_the_same_key_in_every_try() {
        let (call, _) = call("kind = 'discord'\nurl_env = 'HOOK'", &message());
        assert!(call.headers.contains(&("Idempotency-Key".to_owned(), "r1-42".to_owned())), "{call:?}");
        assert_eq!(
            (call.limit, call.url.as_str()),
            (Duration::from_secs(7), "https://me:pw@hooks.example/services/T0/B0/verysecret")
        );
    }

    #[test]
    fn a_channel_wants_what_it_chose_and_every_test() {
        let channel = open("kind = 'desktop'\nevents = ['task_blocked']").unwrap();
        assert!(channel.wants(Topic::TaskBlocked) && channel.wants(Topic::Test) && !channel.wants(Topic::LimitWait));
    }
}
