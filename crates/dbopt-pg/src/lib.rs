//! PostgreSQL sessions by libpq's conventions: settings, TLS, timeouts.
