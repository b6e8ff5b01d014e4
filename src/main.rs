//! Reads the settings, builds the parts, serves until told to stop.

fn main() {}
