//! A webhook of the user's own: the facts as JSON, signed.
//!
//! The signature is HMAC-SHA256 over `<timestamp>.<body>`, so that a receiver can refuse what is old or changed.

use chrono::{DateTime, Utc};

use crate::model::Message;
use crate::sys::hash;

/// The payload with the words for people.
pub(super) fn body(message: &Message) -> Vec<u8> {
    let mut payload = message.payload.clone();
    if let Some(fields) = payload.as_object_mut() {
        fields.insert("title".to_owned(), message.title.clone().into());
        fields.insert("text".to_owned(), message.body.clone().into());
    }
    payload.to_string().into_bytes()
}

pub(super) fn headers(secret: &str, message: &Message, body: &[u8], now: DateTime<Utc>) -> Vec<(String, String)> {
    let mut headers = vec![
        ("X-Autodev-Event".to_owned(), message.topic.as_str().to_owned()),
        ("X-Autodev-Delivery".to_owned(), message.id.clone()),
    ];
    if !secret.is_empty() {
        let timestamp = now.timestamp().to_string();
        let signed = [timestamp.as_bytes(), b".", body].concat();
        let signature = format!("sha256={}", hash::hmac_hex(secret.as_bytes(), &signed));
        headers.push(("X-Autodev-Timestamp".to_owned(), timestamp));
        headers.push(("X-Autodev-Signature".to_owned(), signature));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, message};

    #[test]
    fn the_facts_go_as_json_with_a_signature_of_time_and_body() {
        let (call, body) = call("kind = 'webhook'\nurl_env = 'HOOK'\nsecret = 'key'", &message());
        assert_eq!(body["event"], "task_blocked");
        assert_eq!(body["title"], "Demo: <T1> is *blocked* @everyone");
        let header = |name: &str| call.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
        assert_eq!(header("X-Autodev-Timestamp").unwrap(), "1795174200");
        let signed = [b"1795174200.", call.body.as_slice()].concat();
        let want = format!("sha256={}", crate::sys::hash::hmac_hex(b"key", &signed));
        assert_eq!(header("X-Autodev-Signature").unwrap(), want);
    }

    #[test]
    fn without_a_key_nothing_is_signed() {
        let (call, _) = call("kind = 'webhook'\nurl_env = 'HOOK'", &message());
        assert!(!call.headers.iter().any(|(name, _)| name == "X-Autodev-Signature"), "{call:?}");
    }
}
