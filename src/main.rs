//! The `autodev` program.

fn main() {}
