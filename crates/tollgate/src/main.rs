//! The tollgate binary: command line and wiring.
fn main() {}
