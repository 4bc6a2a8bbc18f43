//! Flags, run, exit code.

fn main() {}
