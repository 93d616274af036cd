//! autodev runs coding agents unattended in a project and calls work done only when it has proved it.
//!
//! The rooms in reading order; a room may import those above it, never those below (see `tests/it/tidy.rs`).

pub mod backend;
pub mod cli;
pub mod config;
pub mod engine;
pub mod gate;
pub mod git;
pub mod journal;
pub mod logic;
pub mod model;
pub mod plan;
pub mod prompt;
pub mod snapshot;
pub mod sys;
pub mod view;
