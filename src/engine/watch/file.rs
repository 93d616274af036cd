//! One plan file: its text, and what is offered of it.

use std::fs;

use chrono::DateTime;

use super::scope::{Place, Stamp};
use super::taking::{Candidate, Offer};
use crate::logic::watch::name;
use crate::sys::fs::read_capped;

/// A plan is text that people read; what is larger is none.
const PLAN_LIMIT: u64 = 4 << 20;

/// What a file holds.
pub(super) enum Text {
    Read(String),
    /// No plan could be in it; why.
    Broken(String),
}

/// Reads a file that has settled. `None` when it has changed or is gone.
///
/// # Errors
/// When it cannot be read; why, for people.
pub(super) fn read_text(place: &Place) -> Result<Option<Text>, String> {
    let stamp = || fs::metadata(&place.path).ok().map(|meta| Stamp::of(&meta));
    if place.stamp.size() > PLAN_LIMIT {
        return Ok(Some(Text::Broken(format!("it is larger than {} MiB; split it", PLAN_LIMIT >> 20))));
    }
    if place.path.to_str().is_none() {
        return Ok(Some(Text::Broken("its name is not UTF-8; rename it".to_owned())));
    }
    let bytes = match read_capped(&place.path, PLAN_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("it cannot be read: {}", error.source)),
    };
    if stamp() != Some(place.stamp) {
        return Ok(None);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(Text::Read(text))),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Ok(Some(Text::Broken(format!("it is not UTF-8 (byte {at}); convert it, for example with iconv"))))
        }
    }
}

pub(super) fn candidate(
    plan: &str,
    place: &Place,
    digest: &str,
    moved_from: Option<String>,
    offer: Offer,
) -> Candidate {
    let (seconds, nanos) = place.stamp.changed;
    Candidate {
        plan: plan.to_owned(),
        slug: name::slug(&place.below),
        digest: digest.to_owned(),
        moved_from,
        changed_at: DateTime::from_timestamp(seconds, u32::try_from(nanos).unwrap_or_default()),
        offer,
    }
}
