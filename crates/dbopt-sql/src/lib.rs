//! Split, tokenise, normalise, fingerprint and analyse PostgreSQL statements.
