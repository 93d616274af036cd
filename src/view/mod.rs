//! Projections: state or events in, text or JSON out. Pure.

pub mod verify;
