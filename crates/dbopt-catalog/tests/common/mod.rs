//! What the tests against a server share.

use dbopt_catalog::{Catalog, live};
use dbopt_finding::Finding;
use dbopt_testkit::{Cluster, Database};
use tokio_postgres::{Client, NoTls};

/// A database with the rich schema.
pub(crate) fn rich_schema() -> Database<'static> {
    let database = Cluster::shared().database();
    database.execute(include_str!("rich.sql"));
    database
}

/// Runs something on a session.
pub(crate) fn with_client<T>(conn_string: &str, run: impl AsyncFnOnce(&Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(conn_string, NoTls).await.expect("the server answers");
        let connection = tokio::spawn(connection);
        let result = run(&client).await;
        drop(client);
        connection.await.expect("no panic").expect("the connection ends in order");
        result
    })
}

/// Reads the catalogue of a database.
pub(crate) fn read(conn_string: &str) -> (Catalog, Vec<Finding>) {
    with_client(conn_string, async |client| live::read(client, &live::ReadOptions::default()).await)
        .expect("the catalogue is readable")
}
