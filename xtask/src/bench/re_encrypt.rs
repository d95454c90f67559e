//! `cargo xtask bench re-encrypt`: a million rows beside an application that writes them.
//!
//! The peer is one UPDATE that moves the same bytes and encrypts nothing: what a table costs to be rewritten by PostgreSQL
//! alone. The application is pgbench at a fixed rate, whose latencies count from when a transaction was due.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dbopt_testkit::Cluster;
use serde_json::Value;
use tempfile::TempDir;

use super::say;

/// What `cargo xtask bench re-encrypt` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Rows of the table
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    rows: u64,
    /// For how many seconds the application runs alone
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    baseline: u64,
}

/// Transactions of the application in a second.
const RATE: &str = "300";

/// It reads a row and changes another column of it, and sometimes the plain value.
const APPLICATION: &str = "
\\set id random(1, :rows)
\\set kind random(1, 10)
SELECT email, email_sealed FROM customer WHERE id = :id;
UPDATE customer SET visits = visits + 1 WHERE id = :id;
\\if :kind = 1
UPDATE customer SET email = 'new' || :id || '@example.org' WHERE id = :id;
\\endif
";

const SCHEMA: &str = "
    CREATE TABLE customer (id bigint PRIMARY KEY, email text, email_sealed bytea, email_term bytea, visits int NOT NULL DEFAULT 0,
        note text);
    INSERT INTO customer (id, email, note)
        SELECT n, 'person' || n || '@example.org', md5(n::text) FROM generate_series(1, {rows}) n;
    CREATE INDEX ON customer (email_term);";

/// Bytes as long as sealed ones and terms, without any cipher.
const PEER: &str = "UPDATE customer SET email = NULL, email_term = substr(sha256(convert_to(email, 'UTF8')), 1, 9), \
                    email_sealed = decode(repeat('ab', 46), 'hex') || convert_to(email, 'UTF8')";

/// Runs the bench.
pub(crate) fn run(dbopt: &Path, args: &Args) -> Result<()> {
    let cluster = Cluster::builder()
        .setting("shared_buffers", "512MB")
        .setting("max_wal_size", "8GB")
        .setting("checkpoint_timeout", "30min")
        .start()?;
    let place = Place::new(dbopt)?;
    place.dbopt(&["keys", "new"])?;
    say(&format!("{} rows, {RATE} transactions a second beside\n", args.rows));
    say("| way | rows/s | s | app p50 / p99 / max ms | size after |");
    say("| --- | ---: | ---: | ---: | ---: |");
    for way in ["one UPDATE, no cipher", "dbopt, plain to sealed", "dbopt, to a new key"] {
        if way != "dbopt, to a new key" {
            cluster.execute("postgres", "DROP DATABASE IF EXISTS shop WITH (FORCE)");
            cluster.execute("postgres", "CREATE DATABASE shop");
            cluster.execute("shop", &SCHEMA.replace("{rows}", &args.rows.to_string()));
            cluster.execute("shop", "VACUUM (FREEZE, ANALYZE) customer");
            cluster.execute("shop", "CHECKPOINT");
            place.dbopt_bare(&["migrate", "up", "-d", &cluster.conn_string("shop")])?;
        } else {
            place.dbopt(&["keys", "rotate", "customer"])?;
        }
        if way == "one UPDATE, no cipher" {
            let alone = Load::start(&cluster, args.rows)?;
            std::thread::sleep(Duration::from_secs(args.baseline));
            say(&format!("| application alone | | | {} | |", alone.end(&cluster)?));
        }
        let load = Load::start(&cluster, args.rows)?;
        std::thread::sleep(Duration::from_secs(2));
        let since = Instant::now();
        let seconds = if way == "one UPDATE, no cipher" {
            cluster.execute("shop", PEER);
            since.elapsed().as_secs_f64()
        } else {
            place.re_encrypt(&cluster.conn_string("shop"))?;
            since.elapsed().as_secs_f64()
        };
        let latencies = load.end(&cluster)?;
        let size = cluster.value("shop", "SELECT pg_size_pretty(pg_total_relation_size('customer'))");
        let rate = args.rows as f64 / seconds;
        say(&format!("| {way} | {rate:.0} | {seconds:.1} | {latencies} | {size} |"));
    }
    Ok(())
}

/// A key ring and a policy.
struct Place {
    folder: TempDir,
    dbopt: PathBuf,
}

impl Place {
    fn new(dbopt: &Path) -> Result<Self> {
        let place = Self { folder: tempfile::tempdir()?, dbopt: dbopt.to_owned() };
        // The key guards nothing but this run.
        let policy = format!(
            "policy = 'encryption'\nversion = 1\nkeyring = '{}'\n[kek]\nname = 'kek'\n\
             command = ['echo', '8f3a1c0d5e7b92a4463f18d0c7e5b1a29d4c6f0b3e8a7512c9d0e4f6a8b1c3d5']\n\
             [key.customer]\nrotate = '365d'\n[key.lookup]\nalgorithm = 'hmac-sha-256'\nrotate = '365d'\n\
             [[column]]\ntable = 'public.customer'\ncolumn = 'email_sealed'\nplain = 'email'\nkey = 'customer'\nrow = ['id']\n\
             distinct = 1000000\n[[column.index]]\ncolumn = 'email_term'\nkey = 'lookup'\nform = 'folded'\nbits = 64\nversion = 1\n",
            place.folder.path().join("shop.keys").display()
        );
        std::fs::write(place.policy(), policy)?;
        Ok(place)
    }

    fn policy(&self) -> PathBuf {
        self.folder.path().join("e.toml")
    }

    fn dbopt(&self, args: &[&str]) -> Result<String> {
        let policy = self.policy().display().to_string();
        self.dbopt_bare(&[args, &["--policy", &policy]].concat())
    }

    fn dbopt_bare(&self, args: &[&str]) -> Result<String> {
        let output =
            Command::new(&self.dbopt).args(args).stderr(Stdio::inherit()).output().context("cannot run dbopt")?;
        // Rows of the application may be busy to the last; the caller looks how many.
        anyhow::ensure!(
            matches!(output.status.code(), Some(0 | 5)),
            "`dbopt {}` ended with {}",
            args.join(" "),
            output.status
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// All values must open, and hardly any may be left.
    fn re_encrypt(&self, target: &str) -> Result<()> {
        let view: Value =
            serde_json::from_str(&self.dbopt(&["re-encrypt", "-q", "--format", "json", "-d", target])?)?;
        let column = &view["tables"][0]["columns"][0];
        anyhow::ensure!(column["unopened"].as_array().is_some_and(Vec::is_empty), "values do not open: {column}");
        anyhow::ensure!(column["left"].as_u64().is_some_and(|left| left < 100), "values are left: {column}");
        Ok(())
    }
}

/// The application.
struct Load {
    child: Child,
    folder: TempDir,
}

impl Load {
    fn start(cluster: &Cluster, rows: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("application.sql");
        std::fs::write(&script, APPLICATION)?;
        // Debian keeps it apart from the server's programs.
        let own = cluster.binaries().folder().join("pgbench");
        let mut pgbench = Command::new(if own.exists() { own } else { "pgbench".into() });
        pgbench.args(["--no-vacuum", "--client", "8", "--rate", RATE, "--time", "3600", "--log"]);
        pgbench.arg("--log-prefix").arg(folder.path().join("log")).arg("--file").arg(&script);
        pgbench.args(["--define", &format!("rows={rows}")]);
        pgbench.arg(cluster.conn_string("shop")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = pgbench.spawn().context("cannot run pgbench")?;
        Ok(Self { child, folder })
    }

    /// Ends it, so that it still writes down what it has measured.
    fn end(mut self, cluster: &Cluster) -> Result<String> {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'";
        cluster.execute("postgres", end);
        self.child.wait()?;
        let mut latencies: Vec<f64> = Vec::new();
        for file in std::fs::read_dir(self.folder.path())?.flatten() {
            if file.file_name().to_string_lossy().starts_with("log") {
                let text = std::fs::read_to_string(file.path())?;
                // Client, number, microseconds, script, …
                let third = |line: &str| line.split(' ').nth(2).and_then(|micros| micros.parse::<f64>().ok());
                latencies.extend(text.lines().filter_map(third).map(|micros| micros / 1e3));
            }
        }
        anyhow::ensure!(!latencies.is_empty(), "pgbench has measured nothing");
        latencies.sort_by(f64::total_cmp);
        let last = latencies.len() - 1;
        let at = |share: f64| latencies[(last as f64 * share).round() as usize];
        Ok(format!("{:.1} / {:.1} / {:.0}", at(0.5), at(0.99), at(1.0)))
    }
}
