//! What a channel of `[notify]` needs beyond the types of its fields: which kind knows which, names, addresses.
//!
//! Values that may be secret (addresses, tokens, keys) never stand in a message.

use std::collections::BTreeSet;
use std::path::Path;

use super::layer::{Findings, Layer};
use super::resolve::{absolute, problem};
use crate::logic::notify::{address_problem, mailbox_problem};
use crate::model::{ChannelConfig, ChannelKind, Config, Topic};

const KEY: (&str, &str) = ("notify", "channels");
/// Longest name of a channel: it stands in log lines and in the journal.
const LONGEST_NAME: usize = 40;

/// The fields that a kind knows beside `name`, `kind` and `events`, and those among them that it needs.
/// `url` stands for `url` or `url_env`, and so on.
fn fields(kind: ChannelKind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        ChannelKind::Desktop => (&["program"], &[]),
        ChannelKind::Webhook => (&["url", "secret", "ca_file"], &["url"]),
        ChannelKind::Slack | ChannelKind::Discord => (&["url", "ca_file"], &["url"]),
        ChannelKind::Telegram => (&["token", "chat_id", "url", "ca_file"], &["token", "chat_id"]),
        ChannelKind::Ntfy => (&["url", "token", "ca_file"], &["url"]),
        ChannelKind::Email => (&["to", "from", "program"], &["to"]),
    }
}

/// Fills in what channels leave out and makes their paths absolute; tells everything that does not fit together.
pub(super) fn complete(config: &mut Config, layer: &Layer, findings: &mut Findings) {
    let base = config.source.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut names = BTreeSet::new();
    for (at, channel) in config.notify.channels.iter_mut().enumerate() {
        if channel.name.is_empty() {
            channel.kind.as_str().clone_into(&mut channel.name);
        }
        if channel.events.is_empty() {
            channel.events = Topic::CHOICE.to_vec();
        }
        if channel.program.contains('/') {
            channel.program = absolute(&base, Path::new(&channel.program)).to_string_lossy().into_owned();
        }
        if !channel.ca_file.as_os_str().is_empty() {
            channel.ca_file = absolute(&base, &channel.ca_file);
        }
        let mut wrong = problems(channel);
        if !names.insert(channel.name.clone()) {
            wrong.push(format!("name: there is another channel {:?}; names are unique", channel.name));
        }
        for message in wrong {
            let message = format!("element {}: {message}", at + 1);
            findings.errors.extend(problem(layer, KEY, message));
        }
    }
}

fn problems(channel: &ChannelConfig) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !channel.name.chars().all(is_plain) || channel.name.len() > LONGEST_NAME {
        wrong.push(format!("name: at most {LONGEST_NAME} letters, digits, `-` and `_`"));
    }
    let (known, needed) = fields(channel.kind);
    let kind = channel.kind.as_str();
    for (name, plain, variable) in given(channel) {
        match (plain, variable) {
            (true, true) => wrong.push(format!("give one of {name} and {name}_env, not both")),
            (false, false) if needed.contains(&name) => {
                let or = if has_variable(name) { format!(" (or {name}_env)") } else { String::new() };
                wrong.push(format!("{name}{or} is missing; a {kind} channel needs it"));
            }
            (true, false) | (false, true) if !known.contains(&name) => {
                wrong.push(format!("{name}: a {kind} channel has no such key"));
            }
            (true | false, _) => {}
        }
    }
    let variables =
        [("url_env", &channel.url_env), ("secret_env", &channel.secret_env), ("token_env", &channel.token_env)];
    for (key, name) in variables {
        if !name.is_empty() && !is_variable(name) {
            wrong.push(format!("{key}: must be the name of a variable, not what it holds"));
        }
    }
    if !channel.url.is_empty()
        && let Some(why) = address_problem(&channel.url)
    {
        wrong.push(format!("url: {why}"));
    }
    for (key, address) in channel.to.iter().map(|to| ("to", to)).chain([("from", &channel.from)]) {
        if !address.is_empty()
            && let Some(why) = mailbox_problem(address)
        {
            wrong.push(format!("{key}: {why}"));
        }
    }
    wrong
}

/// Whether each field is given, and whether the variable that holds it is.
fn given(channel: &ChannelConfig) -> [(&'static str, bool, bool); 8] {
    let is = |text: &str| !text.is_empty();
    [
        ("url", is(&channel.url), is(&channel.url_env)),
        ("secret", is(&channel.secret), is(&channel.secret_env)),
        ("token", is(&channel.token), is(&channel.token_env)),
        ("chat_id", is(&channel.chat_id), false),
        ("to", !channel.to.is_empty(), false),
        ("from", is(&channel.from), false),
        ("program", is(&channel.program), false),
        ("ca_file", !channel.ca_file.as_os_str().is_empty(), false),
    ]
}

fn has_variable(name: &str) -> bool {
    matches!(name, "url" | "secret" | "token")
}

fn is_variable(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::build;
    use super::super::problem::Source;
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let source = Source::new(Path::new("autodev.toml"), text);
        build(&source, Path::new("/p/autodev.toml"), &[]).map(|it| it.config).map_err(|error| error.to_string())
    }

    fn channel(fields: &str) -> Result<ChannelConfig, String> {
        load(&format!("[[notify.channels]]\n{fields}\n")).map(|mut config| config.notify.channels.remove(0))
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let found = channel("kind = 'slack'\nurl_env = 'HOOK'\nca_file = 'ca.pem'").unwrap();
        assert_eq!((found.name.as_str(), found.events.len()), ("slack", Topic::CHOICE.len()));
        assert_eq!(found.ca_file, Path::new("/p/ca.pem"));
        let mail =
            channel("kind = 'email'\nname = 'me'\nto = ['a@b.example']\nprogram = './s'\nevents = ['limit_wait']");
        let mail = mail.unwrap();
        assert_eq!((mail.program.as_str(), mail.events.as_slice()), ("/p/s", &[Topic::LimitWait][..]));
    }

    #[test]
    fn each_kind_says_what_it_needs_and_what_it_does_not_know() {
        let table = [
            ("kind = 'slack'", "url (or url_env) is missing; a slack channel needs it"),
            ("kind = 'telegram'\ntoken = 'x'", "chat_id is missing"),
            ("kind = 'telegram'\nchat_id = '1'", "token (or token_env) is missing"),
            ("kind = 'email'", "to is missing"),
            ("kind = 'desktop'\nurl = 'https://x'", "url: a desktop channel has no such key"),
            ("kind = 'discord'\nurl = 'https://x'\nsecret_env = 'S'", "secret: a discord channel has no such key"),
            ("kind = 'ntfy'\nurl = 'https://x/t'\nurl_env = 'X'", "give one of url and url_env, not both"),
            ("kind = 'slack'\nurl_env = 'https://hooks/secret'", "url_env: must be the name of a variable"),
            ("kind = 'slack'\nurl = 'ftp://x/secret'", "url: must begin with https:// or http://"),
            ("kind = 'email'\nto = ['-oQ/tmp/secret']", "to: "),
            ("kind = 'email'\nto = ['a@b']\nfrom = \"a@b\\nBcc: secret\"", "from: "),
            ("kind = 'desktop'\nname = 'a b'", "name: at most 40 letters"),
        ];
        for (fields, want) in table {
            let error = channel(fields).unwrap_err();
            assert!(error.contains("[notify].channels: element 1: ") && error.contains(want), "{fields}: {error}");
            assert!(!error.contains("secret") || want.contains("secret"), "{error}");
        }
    }

    #[test]
    fn names_are_unique() {
        let error = load("[[notify.channels]]\nkind = 'desktop'\n[[notify.channels]]\nkind = 'desktop'\n").unwrap_err();
        assert!(error.contains("element 2: name: there is another channel \"desktop\""), "{error}");
    }
}
