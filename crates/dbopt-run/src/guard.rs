//! The session that may change things.
//!
//! Every session of a run is direct, on a primary, looks names up nowhere, and ends soon after its client is gone
//! (<https://www.postgresql.org/docs/current/runtime-config-client.html>).

use std::time::Duration;

use dbopt_pg::{Session, SessionProfile, Settings};
use tokio_postgres::SimpleQueryMessage;

use crate::error::Error;

/// The application name of a run's sessions, by which the next run finds those of a dead one.
pub const APPLICATION_NAME: &str = "dbopt-run";

/// How long the pooler test waits for its second session.
const POOLER_PATIENCE: Duration = Duration::from_secs(5);

/// Opens a guarded session.
///
/// `statement_timeout` is lifted because it would leave a concurrent build half done; the watcher decides there. Locks
/// are given up after a second unless a step says otherwise.
///
/// # Errors
/// When there is no connection, or the server is a standby.
pub(crate) async fn open(settings: &Settings) -> Result<Session, Error> {
    let profile = SessionProfile {
        read_only: false,
        statement_timeout: Some(Duration::ZERO),
        lock_timeout: Some(Duration::from_secs(1)),
        idle_in_transaction_timeout: Some(Duration::from_secs(60)),
        search_path: Some(Vec::new()),
    };
    // A cut network is noticed on both sides, whatever is being waited for.
    let settings = settings.clone().noticing_cuts(Duration::from_secs(30));
    let session = Session::connect(&settings, &profile).await?;
    if session.in_recovery() {
        return Err(Error::Standby);
    }
    // The journal must outlive a crash of the server whatever its default is. A session waits for throttles and for the
    // other one, so it may be idle. The TCP settings do nothing on a socket.
    let mut settings = format!(
        "SET application_name = '{APPLICATION_NAME}'; SET client_connection_check_interval = '1s'; \
         SET synchronous_commit = on; SET default_transaction_read_only = off; SET idle_session_timeout = 0; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = '30s';"
    );
    if session.server_version_num() >= 170_000 {
        settings.push_str("SET transaction_timeout = 0;");
    }
    session.batch(&settings).await?;
    Ok(session)
}

/// Whether a server builds indexes concurrently without corrupting them: 14.0 to 14.3 did not
/// (<https://www.postgresql.org/docs/release/14.4/>).
#[must_use]
pub fn builds_concurrently(server_version_num: u32) -> bool {
    !(140_000..140_004).contains(&server_version_num)
}

/// Refuses a pooler that gives each transaction another session.
///
/// Two client sessions are open, and one is in a transaction. Directly connected, each has a server process of its own
/// all the while. Behind a transaction pool the second transaction gets the process that the first session had used
/// last, or the first session has to move to another process, or it has to wait.
///
/// # Errors
/// [`Error::Pooled`], or when a session fails.
pub async fn refuse_pooler(one: &Session, two: &Session) -> Result<(), Error> {
    let pooled = |evidence: String| Err(Error::Pooled { evidence });
    let before = backend_pid(one).await?;
    two.batch("BEGIN").await?;
    let other = backend_pid(two).await?;
    let after = tokio::time::timeout(POOLER_PATIENCE, backend_pid(one)).await;
    two.batch("ROLLBACK").await?;
    let Ok(after) = after else {
        return pooled("one session waits while another is in a transaction".to_owned());
    };
    let after = after?;
    if other == before {
        return pooled(format!("two sessions share the server process {before}"));
    }
    if after != before {
        return pooled(format!("one session moved from the server process {before} to {after}"));
    }
    Ok(())
}

/// The server process behind a session now.
///
/// # Errors
/// When the session fails.
pub(crate) async fn backend_pid(session: &Session) -> Result<i32, Error> {
    // The simple protocol: a pooler may not keep prepared statements.
    let messages = session.client().simple_query("SELECT pg_catalog.pg_backend_pid()").await;
    let messages = messages.map_err(|error| session.error(error))?;
    let pid = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).and_then(|pid| pid.parse().ok()),
        _ => None,
    });
    Ok(pid.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broken_minors_are_refused() {
        let built: Vec<u32> =
            [130_022, 140_000, 140_003, 140_004, 150_000].into_iter().filter(|n| builds_concurrently(*n)).collect();
        assert_eq!(built, [130_022, 140_004, 150_000]);
    }
}
