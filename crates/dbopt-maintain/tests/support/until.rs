//! Waiting for the server.

use std::time::{Duration, Instant};

use dbopt_testkit::Database;

/// Waits for something to be so.
pub(crate) async fn until(database: &Database<'_>, condition: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while database.value(&format!("SELECT ({condition})::text")) != "true" {
        assert!(Instant::now() < deadline, "it never was so: {condition}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
