//! The generated shop on a throw-away server, and what is known of it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result};
use dbopt_catalog::live;
use dbopt_crypto::Pseudonymizer;
use dbopt_gdpr::{Erasure, GdprPolicy, Graph, SubjectRule};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_policy::Options;
use dbopt_testkit::Cluster;
use tempfile::TempDir;
use tokio_postgres::{Client, IsolationLevel, NoTls, Transaction};

use super::super::say;
use super::tables::{Size, TABLES, Table};

/// A server with the shop.
pub(super) struct Shop {
    cluster: Cluster,
    folder: TempDir,
    size: Size,
    pub(super) policy: GdprPolicy,
    pub(super) pseudonyms: Pseudonymizer,
}

/// Its database.
const NAME: &str = "shop";

impl Shop {
    /// Makes it.
    pub(super) fn start(size: Size) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let key = folder.path().join("gdpr.key");
        // It guards nothing but this run.
        std::fs::write(&key, "8f3a1c0d5e7b92a4463f18d0c7e5b1a29d4c6f0b3e8a7512c9d0e4f6a8b1c3d5")?;
        std::fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        let file = folder.path().join("gdpr.toml");
        std::fs::write(
            &file,
            include_str!("policy.toml").replace("env:DBOPT_BENCH_KEY", &format!("file:{}", key.display())),
        )?;
        let loaded = dbopt_policy::load_with::<GdprPolicy>(&file, Options { secrets: true });
        let policy = loaded.map_err(|refused| anyhow::anyhow!("{:?}", refused.findings))?.policy;
        let pseudonyms = policy.pseudonymizer()?;
        let cluster = Cluster::builder()
            .setting("shared_buffers", "1GB")
            .setting("max_wal_size", "8GB")
            .setting("checkpoint_timeout", "30min")
            .setting("maintenance_work_mem", "512MB")
            .start()?;
        let shop = Self { cluster, folder, size, policy, pseudonyms };
        shop.load()?;
        Ok(shop)
    }

    fn load(&self) -> Result<()> {
        let began = Instant::now();
        self.cluster.execute("postgres", &format!("CREATE DATABASE {NAME}"));
        self.in_two(TABLES.iter().map(|table| table.load(self.size)).collect());
        self.in_two(
            TABLES.iter().flat_map(|table| table.indexes).map(|index| format!("CREATE INDEX {index}")).collect(),
        );
        for table in TABLES {
            for (column, parent, action) in table.keys {
                self.execute(&format!(
                    "ALTER TABLE {} ADD FOREIGN KEY ({column}) REFERENCES {parent} {action}",
                    table.name
                ));
            }
        }
        self.execute("VACUUM (FREEZE, ANALYZE)");
        // What follows has to reach the disk, as it would.
        self.execute("ALTER SYSTEM SET fsync = on");
        self.execute("ALTER SYSTEM SET synchronous_commit = on");
        self.restart()?;
        let rows: u64 = self.number("SELECT sum(n_live_tup)::bigint FROM pg_stat_user_tables")?;
        let size = self.cluster.value(NAME, "SELECT pg_size_pretty(pg_database_size(current_database()))");
        let seconds = began.elapsed().as_secs_f64();
        say(&format!("{rows} rows in {} tables, {size}, generated in {seconds:.0} s\n", TABLES.len()));
        Ok(())
    }

    /// Runs statements in two sessions.
    fn in_two(&self, statements: Vec<String>) {
        let statements = Mutex::new(statements.into_iter());
        let next = || statements.lock().ok().and_then(|mut statements| statements.next());
        let work = || std::iter::from_fn(next).for_each(|sql| self.execute(&sql));
        std::thread::scope(|scope| {
            scope.spawn(work);
            scope.spawn(work);
        });
    }

    pub(super) fn execute(&self, sql: &str) {
        self.cluster.execute(NAME, sql);
    }

    pub(super) fn number<T: std::str::FromStr>(&self, sql: &str) -> Result<T> {
        self.cluster.value(NAME, sql).parse().ok().with_context(|| format!("no number: {sql}"))
    }

    /// Empties the server's own cache. That of the system keeps what it has.
    pub(super) fn restart(&self) -> Result<()> {
        self.execute("CHECKPOINT");
        Ok(self.cluster.restart()?)
    }

    pub(super) fn target(&self) -> String {
        self.cluster.conn_string(NAME)
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.cluster.binaries().folder().join(name)
    }

    /// A folder for files.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The key of a person.
    pub(super) fn key(&self, person: u64) -> [String; 1] {
        [self.size.person(person).to_string()]
    }

    pub(super) async fn client(&self) -> Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.target(), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Makes dbopt's own tables.
    pub(super) async fn migrate(&self) -> Result<()> {
        let target = self.target();
        let args = ConnectArgs { database: Some(&target), ..Default::default() };
        let settings = Settings::resolve(&args, &Environment::default()).ok().context("the settings are good")?;
        let mut session = Session::connect(&settings, &SessionProfile::default()).await?;
        dbopt_migrate::up(&mut session).await?;
        session.close().await;
        Ok(())
    }

    pub(super) async fn graph(&self) -> Result<Graph> {
        let client = self.client().await?;
        let (catalog, _) = live::read(&client, &live::ReadOptions::default()).await?;
        let graph = Graph::new(catalog, &self.policy);
        let uncovered = graph.uncovered(&self.policy);
        anyhow::ensure!(uncovered.is_empty(), "the policy does not cover the shop: {uncovered:?}");
        Ok(graph)
    }

    pub(super) fn subject(&self) -> Result<&SubjectRule> {
        self.policy.subject(None).context("there is one subject")
    }

    pub(super) fn erasure<'a>(&'a self, graph: &'a Graph, key: &'a [String]) -> Result<Erasure<'a>> {
        let (policy, pseudonyms) = (&self.policy, &self.pseudonyms);
        Ok(Erasure { graph, policy, pseudonyms, subject: self.subject()?, key, keys: &[] })
    }

    /// The tables, and what makes persons' rows known.
    pub(super) fn tables(&self) -> &'static [Table] {
        TABLES
    }
}

/// A transaction that sees one moment and changes nothing.
pub(super) async fn reading(client: &mut Client) -> Result<Transaction<'_>> {
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    Ok(transaction.start().await?)
}

/// The value in the middle; of two, the smaller.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}
