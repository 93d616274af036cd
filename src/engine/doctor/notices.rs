//! The channels of `[notify]`: whether each has what it needs. Sends nothing.

use std::path::Path;

use super::configuration::Found;
use crate::engine::outbox;
use crate::logic::health::Row;
use crate::logic::health::notice::{self as facts, Channel};
use crate::logic::notify::is_stale;
use crate::model::{ChannelConfig, Notice};
use crate::sys::{clock, which};

pub(super) fn look(found: &Found) -> Vec<Row> {
    let Some(project) = &found.project else { return Vec::new() };
    let (usable, unusable) = outbox::open(project);
    let channels = project.config.notify.channels.iter().map(|config| {
        let channel = usable.iter().find(|channel| channel.name == config.name);
        let trouble = unusable.iter().find(|(name, _)| *name == config.name).map(|(_, why)| why.clone());
        let program = channel.and_then(|channel| channel.program());
        let missing = program.and_then(|program| which::resolve(program.as_ref(), Path::new("/")).err());
        let certificates = Some(&config.ca_file).filter(|path| !path.as_os_str().is_empty());
        let unreadable = certificates.and_then(|path| std::fs::File::open(path).err().map(|error| (path, error)));
        Channel {
            name: config.name.clone(),
            kind: config.kind,
            place: channel.map(crate::notify::Channel::place).unwrap_or_default(),
            events: config.events.iter().map(|topic| topic.as_str()).collect(),
            trouble: trouble
                .or_else(|| missing.map(|error| error.to_string()))
                .or_else(|| unreadable.map(|(path, error)| format!("ca_file {}: {error}", path.display()))),
            waiting: found.waiting.get(&config.name).copied().unwrap_or(0),
        }
    });
    facts::rows(&channels.collect::<Vec<_>>())
}

/// How many of these notices a channel has not got and would still get; `position` is its mark in the journal, 0 for none.
pub(super) fn waiting(channel: &ChannelConfig, position: u64, raised: &[Notice]) -> usize {
    let now = clock::now();
    let is_wanted = |notice: &&Notice| {
        position > 0 && notice.seq > position && channel.events.contains(&notice.topic) && !is_stale(notice.at, now)
    };
    raised.iter().filter(is_wanted).count()
}
