//! The whole program from outside: real files, real git, real processes, scripted agents.
//!
//! One binary, so that it links once. Every test has a directory, a home and an environment of its own.
#![expect(clippy::disallowed_methods, reason = "tests start processes and write files as users do")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "the harness is shared with the other test binary")]

mod backends;
mod campaign;
mod checks;
mod cli;
mod config;
mod crash;
mod data;
mod detach;
mod docs;
mod doctor;
mod epochs;
mod execution;
mod experiments;
mod git;
#[expect(dead_code, reason = "the harness serves two test programs, each uses a part of it")]
mod harness;
mod help;
mod honesty;
mod init;
mod iterate;
mod killed;
mod limits;
mod liveness;
mod measure;
mod notify;
mod pause;
mod plan;
mod reflection;
mod run;
mod schedule;
mod service;
mod sessions;
mod signals;
mod sink;
mod skills;
mod task;
mod tidy;
mod tutorial;
mod watch;
