//! One client's connection, and statements sent the way its service sends them.

use std::collections::HashMap;

use anyhow::{Context, Result};
use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::workload::{Protocol, Statement};

/// A connection with its prepared statements.
pub(crate) struct Session {
    client: Client,
    connection: tokio::task::JoinHandle<()>,
    prepared: HashMap<String, tokio_postgres::Statement>,
}

impl Session {
    /// Connects; `conn_string` is in key=value form.
    pub(crate) async fn open(conn_string: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(conn_string, NoTls).await?;
        // A connection that breaks shows as the error of the statement that was waiting.
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { client, connection, prepared: HashMap::new() })
    }

    /// Runs a statement to its end and returns how many rows it gave.
    pub(crate) async fn run(&mut self, statement: &Statement) -> Result<usize, tokio_postgres::Error> {
        let params: Vec<Text<'_>> = statement.params.iter().map(|param| Text(param)).collect();
        match statement.protocol {
            Protocol::Simple => self.script(&statement.sql).await.map(|rows| rows.len()),
            Protocol::Unnamed => {
                // The server infers the types, as it does for drivers that send text.
                let typed: Vec<(&(dyn ToSql + Sync), Type)> =
                    params.iter().map(|param| (param as &(dyn ToSql + Sync), Type::UNKNOWN)).collect();
                self.client.query_typed(&statement.sql, &typed).await.map(|rows| rows.len())
            }
            Protocol::Prepared => {
                let prepared = match self.prepared.get(&statement.sql) {
                    Some(prepared) => prepared.clone(),
                    None => {
                        let prepared = self.client.prepare(&statement.sql).await?;
                        self.prepared.insert(statement.sql.clone(), prepared.clone());
                        prepared
                    }
                };
                let params: Vec<&(dyn ToSql + Sync)> =
                    params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
                self.client.query(&prepared, &params).await.map(|rows| rows.len())
            }
        }
    }

    /// Runs statements by the simple protocol and returns their rows as text.
    pub(crate) async fn script(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
        let messages = self.client.simple_query(sql).await?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
                _ => None,
            })
            .collect())
    }

    /// Runs a statement and returns its one value.
    pub(crate) async fn value(&self, sql: &str) -> Result<String> {
        let rows = self.script(sql).await?;
        rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()).context("expected a value, got none")
    }

    /// The driver's own client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Disconnects in order, and waits until that is done.
    pub(crate) async fn close(self) {
        drop(self.client);
        // The connection's task has no result of its own.
        let _ = self.connection.await;
    }

    /// Breaks the connection off, as a killed client does.
    pub(crate) async fn abandon(self) {
        self.connection.abort();
        // It ends as aborted, which is what was asked for.
        let _ = self.connection.await;
    }
}

/// A parameter in the server's text form, for whatever type the server inferred.
#[derive(Debug)]
struct Text<'a>(&'a str);

impl ToSql for Text<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}
