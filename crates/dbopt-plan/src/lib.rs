//! EXPLAIN output to a typed plan tree, and findings on it.
