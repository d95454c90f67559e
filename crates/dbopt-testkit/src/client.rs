//! Blocking one-shot statements, so that tests without a runtime can prepare a server and look into it.

use tokio_postgres::{NoTls, SimpleQueryMessage};

/// Rows as text, as the simple protocol sends them.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// Connects, runs `sql` by the simple query protocol, and returns the rows of all its statements.
///
/// It works on a thread of its own: a test may itself be running in an async runtime, which must not be blocked on.
pub(crate) fn run(conn_string: &str, sql: &str) -> Result<Rows, tokio_postgres::Error> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(query(conn_string, sql))
        });
        thread.join().expect("the query thread does not panic")
    })
}

async fn query(conn_string: &str, sql: &str) -> Result<Rows, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(conn_string, NoTls).await?;
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(sql).await?;
    // The server finishes the session's work before it closes the connection; CREATE DATABASE from a template, for
    // one, fails while another session is still leaving.
    drop(client);
    let _ = connection.await;
    Ok(messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        })
        .collect())
}
