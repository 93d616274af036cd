//! Floor 1: decisions. Pure functions over the model; no clock, no disk, no process.

pub mod classify;
