//! A table of customers that is encrypted, for tests.

use std::sync::Arc;

use dbopt_crypto::{EncryptionPolicy, FieldCipher};
use dbopt_testkit::{Cluster, Database};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use super::{
    dbopt,
    keys::{COLUMNS, Place},
};

/// Customers, and beside them what their values really are.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE customer (id bigint PRIMARY KEY, email text, email_sealed bytea, email_term bytea, phone bytea, other int)
        WITH (autovacuum_enabled = off);
    INSERT INTO customer (id, email, phone)
        SELECT n, CASE WHEN n % 10 <> 0 THEN 'Person' || n || '@Example.org' END, convert_to('+49 30 ' || n, 'UTF8')
        FROM generate_series(1, {rows}) n;
    CREATE INDEX ON customer (email_term);
    CREATE TABLE truth AS SELECT id, email FROM customer;
    ALTER TABLE truth ADD PRIMARY KEY (id);";

/// A second column, whose plain values are in the column itself.
pub(crate) const PHONE: &str =
    "[[column]]\ntable = 'public.customer'\ncolumn = 'phone'\nkey = 'customer'\nrow = ['id']\n";

pub(crate) fn shop(cluster: &Cluster, rows: u32) -> (Database<'_>, String, Place) {
    let database = cluster.database();
    database.execute(&SCHEMA.replace("{rows}", &rows.to_string()));
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    let place = Place::with(&format!("{COLUMNS}{PHONE}"));
    place.json(&["new"]);
    (database, target, place)
}

pub(crate) fn re_encrypt(place: &Place, target: &str, more: &[&str]) -> Value {
    place.run(&[&["re-encrypt", "-d", target, "--format", "json"], more].concat()).json()
}

/// The keys of a place as a service has them.
pub(crate) fn cipher(place: &Place) -> FieldCipher {
    let policy = dbopt_policy::load::<EncryptionPolicy>(place.path("e.toml")).expect("good").policy;
    FieldCipher::new(&policy, &Arc::new(policy.store().expect("keys"))).expect("keys")
}

pub(crate) async fn connect(target: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(target, NoTls).await.expect("connected");
    tokio::spawn(connection);
    client
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Opens each value and compares it with the truth, its term too; how many values there are. Values in plain count when
/// `plain` says that there may be some.
pub(crate) fn verify(place: &Place, target: &str, may_be_plain: bool) -> usize {
    let cipher = cipher(place);
    let field = cipher.field("public", "customer", "email_sealed").expect("a column");
    block_on(async {
        let sql = "SELECT c.id::text, c.email, c.email_sealed, c.email_term, t.email FROM customer c JOIN truth t USING (id) ORDER BY id";
        let rows = connect(target).await.query(sql, &[]).await.expect("rows");
        for row in &rows {
            let (id, plain): (&str, Option<&str>) = (row.get(0), row.get(1));
            let (sealed, term): (Option<&[u8]>, Option<&[u8]>) = (row.get(2), row.get(3));
            let truth: Option<&str> = row.get(4);
            assert!(may_be_plain || plain.is_none(), "the value of {id} is in plain");
            let value = match (plain, sealed) {
                (Some(plain), _) => Some(plain.as_bytes().to_vec()),
                (None, Some(sealed)) => {
                    let value = field.open(&[id], sealed).unwrap_or_else(|error| panic!("{id}: {error}"));
                    assert_eq!(term, field.terms(&value)[0].1.as_deref(), "the term of {id}");
                    Some(value.to_vec())
                }
                (None, None) => None,
            };
            assert_eq!(value.as_deref(), truth.map(str::as_bytes), "the value of {id}");
        }
        rows.len()
    })
}

/// A policy by which busy rows are not waited for.
pub(crate) fn hasty(place: &Place) -> String {
    let text = "policy = 'run'\nversion = 1\n[locks]\ntries = 2\nfirst_pause = '10ms'\nlongest_pause = '10ms'\n";
    std::fs::write(place.path("run.toml"), text).expect("written");
    place.path("run.toml").display().to_string()
}
