//! Floor 1: decisions, and nothing else.
//!
//! Every function here is pure: it takes facts and a time, and returns a value. No clock, no disk, no process, no
//! randomness, no async. [`apply`] folds what happened into the state, [`decide`] says what comes next, [`recover`]
//! says what a killed run left half done, [`measure`] whether a number got better or only looks so.

mod apply;
mod breaker;
mod campaign;
pub mod classify;
pub mod contract;
#[cfg(test)]
mod course;
mod decide;
pub mod depend;
mod feed;
pub mod front_matter;
pub mod health;
pub mod iterate;
pub mod judge;
pub mod limit;
pub mod liveness;
pub mod measure;
#[cfg(test)]
pub(crate) mod mutate;
pub mod notify;
pub mod plain;
mod recover;
pub mod reflect;
pub mod reply;
pub mod schedule;
pub mod series;
pub mod session;
pub mod source;
pub mod stats;
pub mod watch;
pub mod words;

pub use apply::{apply, replay};
pub use decide::{Next, decide};
pub use recover::{Recovery, recover};
