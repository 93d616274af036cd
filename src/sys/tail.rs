//! Bounded tails (to be written).
