//! How a session protects the server from itself.

use std::time::Duration;

/// Limits and habits of a session, set by `SET` once it is open.
///
/// They are not sent with the connection request: PgBouncer refuses requests with parameters it does not know. Behind a
/// pooler that changes servers between transactions they hold only for the first, so such a pooler should be by-passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionProfile {
    /// Transactions cannot write.
    pub read_only: bool,
    /// A statement is cancelled after this time; zero lifts a limit that the server sets.
    pub statement_timeout: Option<Duration>,
    /// Waiting for a lock is given up after this time; zero lifts a limit that the server sets.
    pub lock_timeout: Option<Duration>,
    /// The server ends the session when it leaves a transaction idle for this time; zero lifts a limit.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// The schemas to look names up in.
    pub search_path: Option<Vec<String>>,
}

impl SessionProfile {
    /// For commands that only look: read-only, a minute for a statement, two seconds for a lock, five minutes idle.
    #[must_use]
    pub fn reading() -> Self {
        Self {
            read_only: true,
            statement_timeout: Some(Duration::from_secs(60)),
            lock_timeout: Some(Duration::from_secs(2)),
            idle_in_transaction_timeout: Some(Duration::from_secs(300)),
            search_path: None,
        }
    }

    /// The statements that establish it.
    pub(crate) fn statements(&self) -> String {
        let mut sql = String::new();
        if self.read_only {
            sql.push_str("SET default_transaction_read_only = on;");
        }
        let timeouts = [
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
            ("idle_in_transaction_session_timeout", self.idle_in_transaction_timeout),
        ];
        for (name, timeout) in timeouts {
            if let Some(timeout) = timeout {
                // The settings are milliseconds in 32 bits. Less than one must not become zero, which means no limit.
                let whole = i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
                sql.push_str(&format!("SET {name} = {whole};"));
            }
        }
        if let Some(schemas) = &self.search_path {
            let quoted: Vec<String> = schemas.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
            let list = if quoted.is_empty() { "''".to_owned() } else { quoted.join(", ") };
            sql.push_str(&format!("SET search_path = {list};"));
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_become_set_statements() {
        assert_eq!(SessionProfile::default().statements(), "");
        let profile = SessionProfile {
            read_only: true,
            statement_timeout: Some(Duration::from_micros(1)),
            lock_timeout: Some(Duration::ZERO),
            idle_in_transaction_timeout: Some(Duration::MAX),
            search_path: Some(vec!["a\"b".to_owned(), "pg_temp".to_owned()]),
        };
        assert_eq!(
            profile.statements(),
            "SET default_transaction_read_only = on;SET statement_timeout = 1;SET lock_timeout = 0;\
             SET idle_in_transaction_session_timeout = 2147483647;SET search_path = \"a\"\"b\", \"pg_temp\";"
        );
    }
}
