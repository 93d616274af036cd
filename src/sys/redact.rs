//! Secrets (to be written).
