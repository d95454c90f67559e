//! `cargo xtask bench audit`: is a long audit record verified as fast as it can be read?
//!
//! The peers, in the same run on the same bytes: `sha256sum` of the file, which only hashes, and `COPY … TO STDOUT` of the
//! table by psql, which only reads.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use dbopt_audit::{Hash, Record, to_line};
use dbopt_testkit::Cluster;
use futures_util::SinkExt as _;

use super::{measure, say};

/// What `cargo xtask bench audit` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Records
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    records: u64,
    /// Take the best of so many runs
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// Runs the bench.
pub(crate) fn run(dbopt: &Path, args: &Args) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("audit.jsonl");
    let cluster = Cluster::builder().setting("shared_buffers", "256MB").start()?;
    let database = cluster.database();
    let target = database.conn_string();
    measure::run(Command::new(dbopt).args(["migrate", "up", "-d", &target]))?.success()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(fill(&target, &file, args.records))?;
    database.execute("VACUUM (ANALYZE) dbopt.audit_record");
    let file_mb = std::fs::metadata(&file)?.len() as f64 / 1e6;
    let table = database.value("SELECT pg_table_size('dbopt.audit_record')");
    let table_mb = table.parse::<f64>().context("a size")? / 1e6;
    say(&format!("{} records: a file of {file_mb:.0} MB, a table of {table_mb:.0} MB\n", args.records));

    let mut verify_file = Command::new(dbopt);
    verify_file.args(["audit", "verify", "--file"]).arg(&file);
    let mut hash = Command::new("sha256sum");
    hash.arg(&file);
    let mut verify_table = Command::new(dbopt);
    verify_table.args(["audit", "verify", "-d", &target]);
    let mut copy = cluster.binaries().client("psql");
    copy.args(["-X", "-q", "-o", "/dev/null", "-c", "COPY dbopt.audit_record TO STDOUT", "-d", &target]);
    let pairs = [
        ("file", "dbopt audit verify --file", verify_file, "sha256sum", hash, file_mb),
        ("table", "dbopt audit verify -d", verify_table, "COPY … TO STDOUT", copy, table_mb),
    ];
    say("| what | program | wall s | CPU s | records/s | MB/s | ratio | peak MiB |");
    say("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (what, name, mut command, peer_name, mut peer, mb) in pairs {
        let (mut best, mut best_peer) = (None, None);
        // In turns, so that what else the machine does meets both.
        for _ in 0..args.runs {
            better(&mut best, measure::run(&mut command)?.success()?);
            better(&mut best_peer, measure::run(&mut peer)?.success()?);
        }
        let (best, best_peer) = (best.context("a run")?, best_peer.context("a run")?);
        let peer_seconds = best_peer.wall.as_secs_f64();
        for (name, used) in [(name, best), (peer_name, best_peer)] {
            let seconds = used.wall.as_secs_f64();
            say(&format!(
                "| {what} | {name} | {seconds:.2} | {:.2} | {:.0} | {:.0} | {:.2} | {} |",
                used.cpu.as_secs_f64(),
                args.records as f64 / seconds,
                mb / seconds,
                seconds / peer_seconds,
                used.peak >> 20,
            ));
        }
    }
    Ok(())
}

fn better(best: &mut Option<measure::Used>, used: measure::Used) {
    if best.as_ref().map_or(Duration::MAX, |best| best.wall) > used.wall {
        *best = Some(used);
    }
}

/// Writes the same chain to the table and to the file.
async fn fill(target: &str, file: &Path, records: u64) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(target, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let mut to_file = BufWriter::new(File::create(file)?);
    let mut to_table = pin!(client.copy_in::<_, Bytes>("COPY dbopt.audit_record FROM STDIN").await?);
    let (mut previous, mut rows) = (Hash::ZERO, String::new());
    for sequence in 1..=records {
        let mut record = Record {
            sequence,
            time: 1_767_225_600_000_000 + sequence as i64 * 1_000_003,
            actor: "dbopt_runner".to_owned(),
            action: "maintain.delete-batch".to_owned(),
            subject: None,
            details: format!(r#"{{"batch":{sequence},"rows":5000,"table":"public.events"}}"#),
            previous,
            hash: Hash::ZERO,
        };
        record.hash = record.computed_hash();
        previous = record.hash;
        writeln!(to_file, "{}", to_line(&record))?;
        let line = to_line(&record);
        let time = line.split('"').nth(7).context("a line has a time")?;
        rows.push_str(&format!(
            "{sequence}\t{time}\t{}\t{}\t\\N\t{}\t\\\\x{}\t\\\\x{}\n",
            record.actor, record.action, record.details, record.previous, record.hash
        ));
        if rows.len() > 1 << 16 {
            to_table.send(Bytes::from(std::mem::take(&mut rows))).await?;
        }
    }
    to_table.send(Bytes::from(rows)).await?;
    to_table.finish().await?;
    to_file.flush()?;
    drop(client);
    connection.await??;
    Ok(())
}
