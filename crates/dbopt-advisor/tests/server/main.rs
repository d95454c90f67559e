//! The model and the predicted sizes against a real server.

mod costs;
mod shop;
mod sizes;

use dbopt_catalog::{Catalog, live};

/// Reads the catalogue of a database.
fn read(database: &dbopt_testkit::Database<'_>) -> Catalog {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&database.conn_string(), tokio_postgres::NoTls)
            .await
            .expect("the cluster takes connections");
        let connection = tokio::spawn(connection);
        let (catalog, _) = live::read(&client, &live::ReadOptions::default()).await.expect("the catalogue can be read");
        drop(client);
        let _ = connection.await;
        catalog
    })
}
