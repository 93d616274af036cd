//! The schedule of a project: its windows for a run, and its recurring plans for whoever watches.

use anyhow::{Context, Result, anyhow};

use crate::logic::schedule;
use crate::model::{Config, Window};
use crate::sys;

/// Returns the windows of the configuration with the zone of this machine where they name none.
///
/// # Errors
/// When a window needs the zone of this machine and that has no name.
pub(super) fn windows(config: &Config) -> Result<Vec<Window>> {
    let read = |text: &String| {
        let mut window = schedule::window(text).map_err(|error| anyhow!(error))?;
        if window.zone.is_empty() {
            window.zone = local_zone().context("[schedule].windows")?;
        }
        Ok(window)
    };
    config.schedule.windows.iter().map(read).collect()
}

/// Returns the name of this machine's time zone.
///
/// # Errors
/// When it has none, or none that is known; with what to do.
pub fn local_zone() -> Result<String> {
    let name = sys::clock::zone_name()
        .context("the time zone of this machine has no name; name one, as in \"22:00-07:00 Europe/Berlin\"")?;
    schedule::zone(&name).map_err(|error| {
        anyhow!("the time zone of this machine: {error}; name one, as in \"22:00-07:00 Europe/Berlin\"")
    })?;
    Ok(name)
}
