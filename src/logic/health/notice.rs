//! What follows from the channels of `[notify]`. A run needs none of them, so nothing here is more than a warning.

use super::{Group, Row, plural};
use crate::model::ChannelKind;

/// What is known of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Which service.
    pub kind: ChannelKind,
    /// Where it leads, without anything secret.
    pub place: String,
    /// The words of what it is told.
    pub events: Vec<&'static str>,
    /// Why it cannot be used.
    pub trouble: Option<String>,
    /// How many notices the next run will send.
    pub waiting: usize,
}

/// Returns a row for each channel.
pub fn rows(channels: &[Channel]) -> Vec<Row> {
    channels.iter().map(row).collect()
}

fn row(channel: &Channel) -> Row {
    let kind = channel.kind.as_str();
    if let Some(trouble) = &channel.trouble {
        let next = match channel.kind {
            ChannelKind::Desktop => "install it, or set `program`, or take the channel out",
            ChannelKind::Email => "install a sendmail (msmtp, postfix), or set `program`",
            ChannelKind::Webhook
            | ChannelKind::Slack
            | ChannelKind::Discord
            | ChannelKind::Telegram
            | ChannelKind::Ntfy => "set it where autodev is started, then try `autodev notify test`",
        };
        return Row::warn(Group::Notices, &channel.name, format!("{kind}: {trouble}"), next);
    }
    let found = format!("{kind}, {}: {}", channel.place, channel.events.join(", "));
    if channel.waiting > 0 {
        let found = format!("{found}; not delivered yet: {}", plural(channel.waiting, "notice"));
        let next = format!("the next run sends it; try `autodev notify test --channel {}`", channel.name);
        return Row::warn(Group::Notices, &channel.name, found, next);
    }
    Row::ok(Group::Notices, &channel.name, found)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn channel() -> Channel {
        Channel {
            name: "team".into(),
            kind: ChannelKind::Slack,
            place: "https://hooks.slack.com".into(),
            events: vec!["task_blocked"],
            trouble: None,
            waiting: 0,
        }
    }

    #[test]
    fn each_channel_has_a_row() {
        let found = rows(&[
            channel(),
            Channel { trouble: Some("the variable X (url_env) is not set".into()), ..channel() },
            Channel { waiting: 2, ..channel() },
        ]);
        let levels: Vec<Level> = found.iter().map(|row| row.level).collect();
        assert_eq!(levels, [Level::Ok, Level::Warn, Level::Warn]);
        assert_eq!(found[0].found, "slack, https://hooks.slack.com: task_blocked");
        assert_eq!(found[1].found, "slack: the variable X (url_env) is not set");
        assert!(found[2].found.ends_with("not delivered yet: 2 notices"), "{found:?}");
    }
}
