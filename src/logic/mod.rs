//! Floor 1: pure decisions. No IO, no clock, no randomness: time and settings are arguments.

pub mod contract;
pub mod judge;
pub mod plain;
