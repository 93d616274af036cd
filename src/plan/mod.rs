//! The queue: reads, checks, changes and writes task.json.
//!
//! [`QueueFile`] is the only reader and writer of that file. People and tools may edit it at any time, so it is
//! read whole, refused as a whole when it cannot be understood (every problem named with its line), changed task
//! by task and replaced only while it still holds what was read. What a model wrote gets in only after an [`audit`]
//! ([`proposal`], [`refill`]); [`import`] makes tasks of plans that were written elsewhere. This room does not decide
//! which task comes next and knows no clock: times are passed in.
//!
//! Invariant: whatever autodev does not understand in the file (unknown keys, odd entries, digits of numbers)
//! is still there after a save, and a task that was not changed keeps its text.

pub mod audit;
mod backup;
mod defence;
mod edit;
mod error;
#[cfg(test)]
mod fuzz;
pub mod import;
mod json;
mod layout;
mod load;
mod metric;
mod migrate;
mod normal;
mod place;
pub mod proposal;
mod queue_file;
pub mod refill;
mod refine;
pub mod revise;
mod scan;
pub mod source;
mod task_json;
mod verification;
mod writeback;

pub use backup::{backup, keep_broken};
pub use defence::PutBack;
pub use error::{Problem, QueueError};
pub use queue_file::{Caps, QueueFile};
pub use writeback::{Rescue, Saved, update};
