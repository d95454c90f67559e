//! Queries of the reader: each named for errors, none prepared, so that nothing stays behind in the session.

use tokio_postgres::{
    Client, Row,
    types::{FromSql, ToSql, Type},
};

use super::error::Error;

pub(super) struct Session<'a> {
    client: &'a Client,
}

impl<'a> Session<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self { client }
    }

    pub(super) async fn run(&self, what: &'static str, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await.map_err(|source| Error::Query { what, source })
    }

    pub(super) async fn query(
        &self,
        what: &'static str,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Record>, Error> {
        let rows = self.client.query_typed(sql, parameters).await;
        let rows = rows.map_err(|source| Error::Query { what, source })?;
        Ok(rows.into_iter().map(|row| Record { what, row }).collect())
    }

    /// The same about objects, given by oid.
    pub(super) async fn about(&self, what: &'static str, sql: &str, oids: &[u32]) -> Result<Vec<Record>, Error> {
        self.query(what, sql, &[(&oids, Type::OID_ARRAY)]).await
    }

    /// The same, or `None` when a lock was not to be had in time; the transaction goes on.
    pub(super) async fn about_unless_locked(
        &self,
        what: &'static str,
        sql: &str,
        oids: &[u32],
    ) -> Result<Option<Vec<Record>>, Error> {
        self.run(what, "SAVEPOINT dbopt_lock").await?;
        let answer = self.about(what, sql, oids).await;
        if answer.as_ref().is_err_and(Error::is_lock_timeout) {
            self.run(what, "ROLLBACK TO SAVEPOINT dbopt_lock").await?;
            return Ok(None);
        }
        let rows = answer?;
        self.run(what, "RELEASE SAVEPOINT dbopt_lock").await?;
        Ok(Some(rows))
    }
}

/// One row of an answer.
pub(super) struct Record {
    what: &'static str,
    row: Row,
}

impl Record {
    /// The value of a column.
    pub(super) fn get<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T, Error> {
        self.row.try_get(column).map_err(|source| Error::Query { what: self.what, source })
    }

    /// A counter; the server's are never below 0.
    pub(super) fn count(&self, column: &str) -> Result<Option<u64>, Error> {
        Ok(self.get::<Option<i64>>(column)?.map(|count| u64::try_from(count).unwrap_or(0)))
    }

    /// A schema and a name in two columns.
    pub(super) fn qualified(&self, schema: &str, name: &str) -> Result<Option<(String, String)>, Error> {
        Ok(self.get::<Option<String>>(schema)?.zip(self.get::<Option<String>>(name)?))
    }
}

/// The value of a storage parameter such as `fillfactor`.
pub(super) fn option<'a>(options: Option<&'a [String]>, name: &str) -> Option<&'a str> {
    options?.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
}
