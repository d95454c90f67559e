//! A database of its own for one test.

use crate::client::Rows;
use crate::cluster::Cluster;

/// A fresh, empty database of a [`Cluster`]. It stays until the cluster goes: dropping it would only cost time.
#[derive(Debug)]
pub struct Database<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Database<'a> {
    pub(crate) fn new(cluster: &'a Cluster, name: String) -> Self {
        Self { cluster, name }
    }

    /// Its name, unique in the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it is in.
    #[must_use]
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// How to connect as the superuser, in key=value form.
    #[must_use]
    pub fn conn_string(&self) -> String {
        self.cluster.conn_string(&self.name)
    }

    /// Runs statements. See [`Cluster::execute`].
    ///
    /// # Panics
    /// When a statement fails.
    pub fn execute(&self, sql: &str) {
        self.cluster.execute(&self.name, sql);
    }

    /// Runs statements and returns all rows as text. See [`Cluster::query`].
    ///
    /// # Panics
    /// When a statement fails.
    #[must_use]
    pub fn query(&self, sql: &str) -> Rows {
        self.cluster.query(&self.name, sql)
    }

    /// Runs a statement and returns the one value of its one row, NULL as the empty text.
    ///
    /// # Panics
    /// When the statement fails or does not return exactly one value.
    #[must_use]
    pub fn value(&self, sql: &str) -> String {
        self.cluster.value(&self.name, sql)
    }
}
