//! The bot API of Telegram: `sendMessage` with its HTML.
//!
//! Limit: 4096 UTF-16 units once the markup is read. Source: <https://core.telegram.org/bots/api#sendmessage>.

use serde_json::json;

use super::text::{cut, escaped, html};
use crate::model::Message;

/// Where the service is.
pub(super) const BASE: &str = "https://api.telegram.org";
const TITLE: usize = 300;
const BODY: usize = 3500;

/// Takes a bot's token, which becomes a part of the address.
///
/// # Errors
/// When it is none. It is not repeated.
pub(super) fn token(text: String) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    if text.chars().all(is_plain) && !text.is_empty() {
        Ok(text)
    } else {
        Err("the token is none: digits, a colon, then letters, digits, `-` and `_`".to_owned())
    }
}

pub(super) fn url(base: &str, token: &str) -> String {
    format!("{}/bot{token}/sendMessage", base.trim_end_matches('/'))
}

pub(super) fn body(chat: &str, message: &Message) -> Vec<u8> {
    // What counts is the length of what is read, not of what is written.
    let whole = |text: &str, limit| escaped(&cut(text, limit), usize::MAX, html);
    let mut text = format!("<b>{}</b>", whole(&message.title, TITLE));
    let rest = if message.link().is_some() { message.body.clone() } else { message.body_with_dashboard() };
    if !rest.is_empty() {
        text.push('\n');
        text.push_str(&whole(&rest, BODY));
    }
    if let Some(link) = message.link() {
        text.extend(["\n<a href=\"", &escaped(link, usize::MAX, html), "\">Dashboard</a>"]);
    }
    let body = json!({
        "chat_id": chat,
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": true},
    });
    body.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::tests::{call, message, open};
    use crate::model::Message;

    const TELEGRAM: &str = "kind = 'telegram'\ntoken_env = 'TOKEN'\nchat_id = '-100'";

    #[test]
    fn text_cannot_become_markup() {
        let (call, body) = call(TELEGRAM, &message());
        assert_eq!(call.url, "https://api.telegram.org/bot123:AbC/sendMessage");
        assert_eq!((&body["chat_id"], &body["parse_mode"]), (&"-100".into(), &"HTML".into()));
        assert_eq!(
            body["text"],
            "<b>Demo: &lt;T1&gt; is *blocked* @everyone</b>\nreason &amp; &lt;!channel&gt; @here\nQueue: 1 completed\n\
             <a href=\"https://ci.example/d?a=1&amp;b=2\">Dashboard</a>"
        );
    }

    #[test]
    fn a_server_of_ones_own_is_asked_instead() {
        let (call, _) = call(&format!("{TELEGRAM}\nurl = 'http://127.0.0.1:9/'"), &message());
        assert_eq!(call.url, "http://127.0.0.1:9/bot123:AbC/sendMessage");
    }

    #[test]
    fn a_token_cannot_lead_elsewhere() {
        let error = open("kind = 'telegram'\ntoken = '1:a/../../evil?'\nchat_id = '1'").unwrap_err();
        assert!(error.starts_with("the token is none") && !error.contains("evil"), "{error}");
    }

    #[test]
    fn a_long_text_fits() {
        let (_, body) = call(TELEGRAM, &Message { body: "&".repeat(9000), ..message() });
        let read = body["text"].as_str().unwrap().replace("&amp;", "&");
        assert!(read.encode_utf16().count() <= 4096, "{}", read.len());
    }
}
