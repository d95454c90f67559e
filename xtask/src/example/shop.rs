//! A throw-away server with the web shop in it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use dbopt_testkit::Cluster;

use super::session::Session;
use super::size::Sizes;
use super::workload::Service;

/// The shop's schema, as shipped.
pub(crate) const SCHEMA: &str = include_str!("../../../examples/shop/schema.sql");
/// The statements that fill it, with the numbers of rows left open.
const DATA: &str = include_str!("../../../examples/shop/data.sql");

/// What a small production server has, where it differs from the defaults.
const SETTINGS: &[(&str, &str)] = &[
    ("shared_preload_libraries", "pg_stat_statements,auto_explain"),
    ("shared_buffers", "128MB"),
    ("effective_cache_size", "1GB"),
    ("random_page_cost", "1.1"),
    ("jit", "off"),
    // VACUUM right after the loading can mark rows as visible to all only when their commit is in the WAL already.
    ("synchronous_commit", "on"),
    ("deadlock_timeout", "100ms"),
    ("max_wal_size", "4GB"),
    // The data folder takes the log; nothing is rotated, so that it stays one file.
    ("logging_collector", "on"),
    ("log_directory", "log"),
    ("log_filename", "shop.log"),
    ("log_rotation_age", "0"),
    ("log_rotation_size", "0"),
    ("log_line_prefix", "%m [%p] %q%u@%d/%a "),
];

const ROLES: &str = "CREATE ROLE shop_app LOGIN; CREATE ROLE shop_report LOGIN; CREATE EXTENSION pg_stat_statements";
const GRANTS: &str = "
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_app;
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO shop_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO shop_report";

/// The server. It goes when this value does.
pub(crate) struct Shop {
    pub(crate) cluster: Cluster,
    pub(crate) sizes: Sizes,
}

impl Shop {
    /// Starts a server with these settings over the usual ones.
    pub(crate) fn start(scale: u32, settings: &[(&str, &str)]) -> Result<Self> {
        let builder = SETTINGS
            .iter()
            .chain(settings)
            .fold(Cluster::builder(), |builder, (name, value)| builder.setting(name, value));
        let cluster = builder.start().context("cannot start a server (contrib's modules are needed too)")?;
        Ok(Self { cluster, sizes: Sizes::at(scale) })
    }

    /// Creates the roles, and a database of this name with the schema, the rows and fresh statistics.
    pub(crate) async fn create(&self, database: &str) -> Result<()> {
        let admin = self.admin("postgres").await?;
        admin.script(ROLES).await?;
        // Not the collation C, under which any index serves LIKE 'x%': few production databases have that.
        let create = format!("CREATE DATABASE {database} TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'");
        admin.script(&create).await?;
        admin.close().await;
        let admin = self.admin(database).await?;
        admin.script(SCHEMA).await.context("cannot create the schema")?;
        admin.script(&self.sizes.fill_in(DATA)).await.context("cannot make the rows")?;
        admin.script(GRANTS).await?;
        admin.script("VACUUM (ANALYZE)").await?;
        admin.close().await;
        Ok(())
    }

    /// Copies a database, with its statistics.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let admin = self.admin("postgres").await?;
        admin.script(&format!("CREATE DATABASE {to} TEMPLATE {from}")).await?;
        admin.close().await;
        Ok(())
    }

    /// A session of the superuser.
    pub(crate) async fn admin(&self, database: &str) -> Result<Session> {
        Ok(Session::open(&self.cluster.conn_string(database)).await?)
    }

    /// A session of a service.
    pub(crate) async fn session(&self, database: &str, service: Service) -> Result<Session> {
        let (role, application, _) = service.session();
        Ok(Session::open(&self.conn_string(database, role, application)).await?)
    }

    /// How to connect as somebody.
    pub(crate) fn conn_string(&self, database: &str, role: &str, application: &str) -> String {
        let (folder, port) = (self.cluster.socket_dir().display(), self.cluster.port());
        format!("host={folder} port={port} user={role} dbname={database} application_name={application}")
    }

    /// The log's file in one of the formats.
    pub(crate) fn log(&self, format: Format) -> PathBuf {
        self.cluster.data_dir().join("log").join("shop").with_extension(format.collected_as())
    }
}

/// A format of the server's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Stderr,
    Csv,
    Json,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Stderr, Self::Csv, Self::Json];

    /// What `log_destination` calls it.
    pub(crate) fn destination(self) -> &'static str {
        match self {
            Self::Stderr => "stderr",
            Self::Csv => "csvlog",
            Self::Json => "jsonlog",
        }
    }

    /// The extension of its file.
    pub(crate) fn collected_as(self) -> &'static str {
        match self {
            Self::Stderr => "log",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}
