//! Locks between processes (to be written).
