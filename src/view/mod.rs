//! What people and programs see of a run: files, pages and lines of text.
//!
//! Every function here is a projection: it makes text or JSON from a [`State`](crate::model::State) or an
//! [`Event`](crate::model::Event) and nothing else. Nothing is read (no clock, no file, no terminal), nothing is
//! written, nothing is decided; what depends on the reader's screen comes in as a [`Style`]. Invariant: the same
//! journal gives the same bytes, so that every file made here can be thrown away and made again.

pub mod dashboard;
pub mod doctor;
pub mod experiment;
pub mod journal_line;
pub mod json;
pub mod log;
mod names;
pub mod notice;
pub mod phrase;
mod plan_words;
pub mod progress;
pub mod row;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod sample_plans;
pub mod schedule;
pub mod service;
pub mod sessions;
pub mod status;
mod status_page;
pub mod style;
pub mod table;
pub mod task_list;
pub mod task_md;
pub mod task_next;
pub mod text;
pub mod verify;

pub use log::LogLine;
pub use names::Names;
pub use style::Style;
