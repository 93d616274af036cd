//! A webhook of Discord.
//!
//! The text goes into an embed, where mentions call nobody; `allowed_mentions` says so once more, and `@` is followed by
//! a space of no width. Limits: title 256, description 4096 characters.
//! Source: <https://discord.com/developers/docs/resources/webhook#execute-webhook>.

use serde_json::json;

use super::text::escaped;
use crate::model::{Message, Mood};

const TITLE: usize = 256;
const DESCRIPTION: usize = 4000;

pub(super) fn body(message: &Message) -> Vec<u8> {
    let rest = if message.link().is_some() { message.body.clone() } else { message.body_with_dashboard() };
    let mut embed = json!({
        "title": escaped(&message.title, TITLE, markup),
        "description": escaped(&rest, DESCRIPTION, markup),
        "color": colour(message.mood),
        "timestamp": message.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    });
    if let (Some(link), Some(fields)) = (message.link(), embed.as_object_mut()) {
        fields.insert("url".to_owned(), link.into());
    }
    let body = json!({"username": "autodev", "embeds": [embed], "allowed_mentions": {"parse": []}});
    body.to_string().into_bytes()
}

fn colour(mood: Mood) -> u32 {
    match mood {
        Mood::Good => 0x36_a6_4f,
        Mood::Plain => 0x1f_77_b4,
        Mood::Warning => 0xf2_c7_44,
        Mood::Bad => 0xd3_2f_2f,
    }
}

fn markup(c: char, out: &mut String) {
    if matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '#' | '[' | ']' | '(' | ')') {
        out.push('\\');
    }
    out.push(c);
    if c == '@' {
        out.push('\u{200b}');
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::super::tests::{call, message};
    use crate::model::Message;

    const DISCORD: &str = "kind = 'discord'\nurl_env = 'HOOK'";

    #[test]
    fn mentions_and_markup_are_defused() {
        let (_, body) = call(DISCORD, &message());
        let embed = &body["embeds"][0];
        assert_eq!(embed["title"], "Demo: \\<T1\\> is \\*blocked\\* @\u{200b}everyone");
        assert_eq!(embed["description"], "reason & \\<!channel\\> @\u{200b}here\nQueue: 1 completed");
        assert_eq!(body["allowed_mentions"], json!({"parse": []}));
        assert_eq!((&embed["url"], &embed["color"]), (&json!("https://ci.example/d?a=1&b=2"), &json!(0xd3_2f_2f)));
        assert!(body.get("content").is_none(), "only the content of a message calls people");
    }

    #[test]
    fn a_path_is_no_address() {
        let (_, body) = call(DISCORD, &Message { dashboard: "/p/d.html".into(), ..message() });
        assert!(body["embeds"][0].get("url").is_none());
        assert!(body["embeds"][0]["description"].as_str().unwrap().ends_with("Dashboard: /p/d.html"));
    }

    #[test]
    fn a_long_text_fits() {
        let (_, body) = call(DISCORD, &Message { title: "*".repeat(999), body: "@".repeat(9999), ..message() });
        let count = |field: &str| body["embeds"][0][field].as_str().unwrap().chars().count();
        assert!(count("title") <= 256 && count("description") <= 4096);
    }
}
