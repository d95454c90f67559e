//! Which indexes are worth creating and dropping, and why.
