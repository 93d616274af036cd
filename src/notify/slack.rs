//! An incoming webhook of Slack.
//!
//! In its markup `&`, `<` and `>` are control characters and everything special is written with them (links, mentions of
//! people and channels); escaped, none is left.
//! Source: <https://api.slack.com/reference/surfaces/formatting>, limits of blocks: 150 and 3000 characters.

use serde_json::json;

use super::text::escaped;
use crate::model::Message;

const TITLE: usize = 150;
const SECTION: usize = 2900;
const LINK: usize = 1500;

pub(super) fn body(message: &Message) -> Vec<u8> {
    let title = escaped(&message.title, TITLE, markup);
    let mut text = format!("*{}*", title.replace('*', "\u{2217}"));
    let rest = if message.link().is_some() { message.body.clone() } else { message.body_with_dashboard() };
    if !rest.is_empty() {
        text.push('\n');
        text.push_str(&escaped(&rest, SECTION - TITLE - 10, markup));
    }
    let mut blocks = vec![json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})];
    if let Some(link) = message.link() {
        // `|` ends the address, `>` the link.
        let address = escaped(&link.replace('|', "%7C"), LINK, markup);
        let text = format!("<{address}|Dashboard>");
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}}));
    }
    let body = json!({"text": title, "blocks": blocks, "unfurl_links": false, "unfurl_media": false});
    body.to_string().into_bytes()
}

fn markup(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::tests::{call, message};
    use crate::model::Message;

    const SLACK: &str = "kind = 'slack'\nurl_env = 'HOOK'";

    #[test]
    fn text_cannot_become_a_mention_or_a_link() {
        let (_, body) = call(SLACK, &message());
        assert_eq!(body["text"], "Demo: &lt;T1&gt; is *blocked* @everyone");
        assert_eq!(
            body["blocks"][0]["text"]["text"],
            "*Demo: &lt;T1&gt; is \u{2217}blocked\u{2217} @everyone*\nreason &amp; &lt;!channel&gt; @here\nQueue: 1 completed"
        );
        assert_eq!(body["blocks"][0]["text"]["verbatim"], true, "names are not looked for either");
        assert_eq!(body["blocks"][1]["text"]["text"], "<https://ci.example/d?a=1&amp;b=2|Dashboard>");
    }

    #[test]
    fn a_path_stands_in_the_text() {
        let (_, body) = call(SLACK, &Message { dashboard: "/p/d.html".into(), ..message() });
        assert!(body["blocks"][0]["text"]["text"].as_str().unwrap().ends_with("\nDashboard: /p/d.html"));
        assert!(body["blocks"].get(1).is_none());
    }

    #[test]
    fn a_long_text_fits_into_its_block() {
        let long = Message { title: "&".repeat(500), body: "<".repeat(9000), ..message() };
        let (_, body) = call(SLACK, &long);
        let text = body["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!(text.chars().count() <= 3000 && text.ends_with('…'), "{}", text.len());
        assert!(body["text"].as_str().unwrap().chars().count() <= 150);
    }
}
