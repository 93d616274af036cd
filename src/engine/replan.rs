//! The effect `Replan`: asks what is left to do after an epoch, keeps the old queue and puts a new one in its place.
//!
//! The identity of the effect is written into the new queue's `epoch_history`, so that after a crash the file itself
//! tells whether the old queue had already been replaced.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Engine;
use super::ask::{Answer, Asker, Question};
use super::queue::Suspect;
use crate::detect;
use crate::logic::reply;
use crate::model::{EffectId, EventKind, Inquiry, ProcessEnd, Replan, TaskId};
use crate::plan::proposal::{self, Proposal};
use crate::plan::{self, QueueFile};
use crate::prompt::question::{self, ReplanInput};
use crate::sys;
use crate::sys::fs::{Durability, write_atomic};
use crate::sys::killpoint;

/// Journal entries shown (section 17 of the reference's description).
const SUMMARIES: usize = 12;
/// Earlier epochs whose finished titles are remembered.
const EPOCHS: usize = 20;
