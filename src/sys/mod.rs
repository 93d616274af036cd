//! Floor 0: the edges of the operating system, one home each.
//!
//! Clock, environment, files, locks, processes, hashing, calls to web services. Nothing here knows what a task is. Every ban of
//! `clippy.toml` has its one exception in this room.

pub mod clock;
pub mod env;
pub mod fs;
pub mod guard;
pub mod hash;
pub mod host;
pub mod http;
pub mod killpoint;
pub mod lock;
pub mod proc;
pub mod redact;
pub mod session;
pub mod tail;
pub mod which;
