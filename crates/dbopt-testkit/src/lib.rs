//! Throw-away PostgreSQL clusters and fixtures for tests.
