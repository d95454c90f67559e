//! What the tests share: a database, the graph of it under a policy, and the rows of a person.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod case;

use dbopt_catalog::live;
use dbopt_gdpr::{GdprPolicy, Graph, TableName, Walked};
use dbopt_testkit::Database;
use tokio_postgres::{Client, IsolationLevel, NoTls};

/// A session of the application.
pub(crate) async fn client(database: &Database<'_>) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.conn_string(), NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

/// A policy of a subject `customer` and more.
pub(crate) fn policy(body: &str) -> GdprPolicy {
    let head = "policy = 'gdpr'\nversion = 1\n[pseudonym]\nid = 'test'\nkey = 'env:PATH'\n\
                [[subject]]\nname = 'customer'\ntable = 'public.customer'\nkey = ['id']\n";
    let loaded = dbopt_policy::parse::<GdprPolicy>(format!("{head}{body}"), "gdpr.toml");
    loaded.unwrap_or_else(|refused| panic!("{:#?}", refused.findings)).policy
}

/// A `[[reference]]`.
pub(crate) fn reference(from: &str, columns: &str, to: &str, rest: &str) -> String {
    let columns = columns.replace(' ', "', '");
    format!("[[reference]]\nfrom = 'public.{from}'\nto = 'public.{to}'\ncolumns = ['{columns}']\n{rest}\n")
}

/// Tables of one class.
pub(crate) fn tables(class: &str, names: &str) -> String {
    names.split(' ').map(|name| format!("[[table]]\nname = 'public.{name}'\nclass = '{class}'\n")).collect()
}

pub(crate) async fn graph(client: &Client, policy: &GdprPolicy) -> Graph {
    let (catalog, _) = live::read(client, &live::ReadOptions::default()).await.expect("a catalogue");
    Graph::new(catalog, policy)
}

/// The graph, and the rows of a person.
pub(crate) async fn found(
    client: &mut Client,
    policy: &GdprPolicy,
    key: &[&str],
) -> (Graph, Result<Walked, dbopt_gdpr::Error>) {
    let graph = graph(client, policy).await;
    assert_eq!(graph.findings, [], "the policy fits");
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await.expect("a transaction");
    let key: Vec<String> = key.iter().map(|text| (*text).to_owned()).collect();
    let subject = policy.subject(None).expect("there is one");
    let walked = dbopt_gdpr::walk(&transaction, &graph, policy, subject, &key).await;
    transaction.rollback().await.expect("it ends");
    (graph, walked)
}

/// The rows that were found, a line for each table and class.
pub(crate) fn sketch(graph: &Graph, walked: &Walked) -> String {
    let mut lines = Vec::new();
    for found in &walked.found {
        for class in [dbopt_gdpr::Class::Owned, dbopt_gdpr::Class::Shared, dbopt_gdpr::Class::About] {
            let mut keys: Vec<_> =
                found.rows().iter().filter(|row| row.class == class).map(|row| row.key.join(",")).collect();
            keys.sort_by_key(|key| (key.len(), key.clone()));
            if !keys.is_empty() {
                lines.push(format!("{} {}: {}", graph.node(found.table).table.name, class.name(), keys.join(" ")));
            }
        }
    }
    for others in &walked.others {
        let mut keys: Vec<_> = others.keys.iter().map(|key| key.join(",")).collect();
        keys.sort();
        lines.push(format!("others by {}: {}", graph.edge(others.edge), keys.join(" ")));
    }
    lines.join("\n")
}

pub(crate) fn table(name: &str) -> TableName {
    TableName::new("public", name)
}
