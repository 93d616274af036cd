//! autodev runs coding agents unattended in a project and calls work done only when it has proved it.
//!
//! This page is the map. A library and a thin binary in one package: `main.rs` only starts the guardian or [`cli`].
//! Nobody else is meant to depend on the library; it is public so that the tour below is made of links and tests can
//! use every room.
//!
//! # The idea
//!
//! What happened is a list of [events](model::EventKind) in a [`journal`], and nothing else is truth about it.
//! [`logic::apply`] folds events into a [`model::State`]; [`logic::decide`] looks at the state and says either
//! "record these decisions" or "perform this [effect](model::Effect)"; [`engine`] journals that the effect begins, does
//! it, and journals how it ended. That is one loop, in [`engine::run`]. Everything a person looks at is made from events
//! and state by [`view`] and can be thrown away. Because deciding and acting never mix, a run that is killed anywhere is
//! continued by reading the journal: [`logic::recover`] says what was left half done.
//!
//! # Reading order, floor by floor
//!
//! A room may import rooms of the floors below it and none beside or above it; `tests/it/tidy.rs` holds the table and
//! fails when somebody does otherwise.
//!
//! Floor 0, two halves that do not know each other:
//! - [`model`]: the nouns. Task, attempt, verdict, event, effect, state. Plain data. Start with `event.rs`.
//! - [`sys`]: the edges of the operating system. Clock, environment, files, locks, and above all [`sys::proc`], which
//!   runs a child so that nothing of it is left afterwards, and [`sys::guard`], which sees to that when we are killed.
//!
//! Floor 1:
//! - [`logic`]: every decision, as pure functions of facts and a time. `decide.rs` is the heart of the program.
//!
//! Floor 2, adapters: each knows one outside thing and no other room of this floor:
//! - [`config`]: autodev.toml and `AUTODEV_*`.
//! - [`plan`]: task.json: reading it, changing it without losing anything, defending it against agents; and plans that
//!   others wrote ([`plan::import`]).
//! - [`prompt`]: what an agent is told.
//! - [`scaffold`]: what `init` puts into a project.
//! - [`snapshot`]: what the tree looks like, by content, and what changed.
//! - [`backend`]: how each agent is started and what its output means.
//! - [`gate`]: the checks that prove a task done.
//! - [`git`]: commits of exactly a task's files, bases to return to, salvage of leftovers.
//! - [`journal`]: the events on disk.
//! - [`skill`]: skills: reading, recommending, checking and linking them.
//! - [`notify`]: what each service wants of a notice: form, markup, limits.
//! - [`detect`]: how a project is built, tested and linted, by what its files say.
//! - [`view`]: files, pages and lines for people and programs. Pure.
//!
//! Floor 3:
//! - [`engine`]: acts on what logic decides. `mod.rs` is the loop, `attempt.rs`, `verify.rs` and `integrate.rs` the
//!   effects, `recovery.rs` what comes first after a kill.
//!
//! Floor 4:
//! - [`cli`]: arguments in, text and an exit code out.
//!
//! `docs/architecture.md` tells the same with reasons, the phases of an attempt and a table of what survives what.

// Bottom up, floor by floor; the blank lines keep that order when rustfmt sorts.
pub mod model;
pub mod sys;

pub mod logic;

pub mod backend;
pub mod config;
pub mod detect;
pub mod gate;
pub mod git;
pub mod journal;
pub mod notify;
pub mod plan;
pub mod prompt;
pub mod scaffold;
pub mod skill;
pub mod snapshot;
pub mod view;

pub mod engine;

pub mod cli;
