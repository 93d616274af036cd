//! Programs (to be written).
