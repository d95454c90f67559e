//! The dbopt command line.

fn main() {}
