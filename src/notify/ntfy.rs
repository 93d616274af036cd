//! A topic of ntfy, by its JSON form: headers could not carry every letter.
//!
//! Limit: 4096 bytes, beyond which ntfy makes an attachment of the message.
//! Source: <https://docs.ntfy.sh/publish/#publish-as-json>.

use serde_json::json;

use super::text::cut;
use crate::model::{Message, Mood};

const TITLE: usize = 200;
const BODY_BYTES: usize = 4000;

/// Splits the address of a topic into the server and the topic.
///
/// # Errors
/// When there is no topic in it.
pub(super) fn split(url: &str) -> Result<(String, String), String> {
    let wrong = || "url: must end in the topic, as in https://ntfy.sh/my-topic".to_owned();
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (host, topic) = rest.trim_end_matches('/').rsplit_once('/').ok_or_else(wrong)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if host.is_empty() || topic.is_empty() || !topic.chars().all(is_plain) {
        return Err(wrong());
    }
    Ok((format!("{scheme}://{host}/"), topic.to_owned()))
}

pub(super) fn headers(token: &str) -> Vec<(String, String)> {
    if token.is_empty() { Vec::new() } else { vec![("Authorization".to_owned(), format!("Bearer {token}"))] }
}

pub(super) fn body(topic: &str, message: &Message) -> Vec<u8> {
    let rest = if message.link().is_some() { message.body.clone() } else { message.body_with_dashboard() };
    let (priority, tag) = match message.mood {
        Mood::Good => (3, "white_check_mark"),
        Mood::Plain => (3, "hourglass_flowing_sand"),
        Mood::Warning => (4, "warning"),
        Mood::Bad => (4, "rotating_light"),
    };
    let mut body = json!({
        "topic": topic,
        "title": cut(&message.title, TITLE),
        "message": bytes(&rest, BODY_BYTES),
        "priority": priority,
        "tags": [tag],
    });
    if let (Some(link), Some(fields)) = (message.link(), body.as_object_mut()) {
        fields.insert("click".to_owned(), link.into());
    }
    body.to_string().into_bytes()
}

/// Cuts by bytes.
fn bytes(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::super::tests::{call, message, open};
    use crate::model::Message;

    #[test]
    fn a_topic_gets_title_text_and_a_link() {
        let (call, body) =
            call("kind = 'ntfy'\nurl = 'https://ntfy.example/my-topic'\ntoken_env = 'TOKEN'", &message());
        assert_eq!(call.url, "https://ntfy.example/");
        assert!(call.headers.contains(&("Authorization".to_owned(), "Bearer 123:AbC".to_owned())));
        assert_eq!(
            body,
            json!({
                "topic": "my-topic",
                "title": "Demo: <T1> is *blocked* @everyone",
                "message": "reason & <!channel> @here\nQueue: 1 completed",
                "priority": 4,
                "tags": ["rotating_light"],
                "click": "https://ci.example/d?a=1&b=2",
            })
        );
    }

    #[test]
    fn an_address_without_a_topic_is_refused() {
        for url in ["https://ntfy.sh", "https://ntfy.sh/", "https://ntfy.sh/a?b=c"] {
            assert!(
                open(&format!("kind = 'ntfy'\nurl = '{url}'")).unwrap_err().contains("must end in the topic"),
                "{url}"
            );
        }
    }

    #[test]
    fn a_long_text_stays_a_message() {
        let long = Message { body: "ü".repeat(9000), ..message() };
        let (_, body) = call("kind = 'ntfy'\nurl = 'https://ntfy.example/t'", &long);
        assert!(body["message"].as_str().unwrap().len() <= 4096);
    }
}
