//! Exporting a person, beside one query for each reference.
//!
//! The peer is what somebody who knows the tables would write: for each reference one query with the keys of the rows that are
//! referred to in one array, in one snapshot, and whole rows received. Rounds are in pairs, the one or the other first; the
//! server's cache is empty (it was started anew, while the system's cache has the files) or has what the round before has read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use dbopt_gdpr::Graph;
use dbopt_gdpr::export::{self, Archive, Article, Folder, Lock, Options};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::super::measure;
use super::super::say;
use super::shop::{Shop, median, reading};

/// References: the table whose keys are given, the table that is read, and how. The first column is the key.
const EDGES: &[(&str, &str, &str)] = &[
    ("", "customer", "SELECT * FROM customer WHERE id = ANY ($1)"),
    ("customer", "address", "SELECT * FROM address WHERE customer_id = ANY ($1)"),
    ("customer", "orders", "SELECT * FROM orders WHERE customer_id = ANY ($1)"),
    ("orders", "item", "SELECT * FROM item WHERE order_id = ANY ($1)"),
    ("orders", "invoice", "SELECT * FROM invoice WHERE order_id = ANY ($1)"),
    ("invoice", "payment", "SELECT * FROM payment WHERE invoice_id = ANY ($1)"),
    ("customer", "message", "SELECT * FROM message WHERE sender_id = ANY ($1)"),
    ("customer", "message", "SELECT * FROM message WHERE recipient_id = ANY ($1)"),
    ("customer", "comment", "SELECT * FROM comment WHERE author_id = ANY ($1)"),
    ("customer", "vote", "SELECT * FROM vote WHERE voter_id = ANY ($1)"),
    ("comment", "vote", "SELECT * FROM vote WHERE comment_id = ANY ($1)"),
    ("customer", "event", "SELECT * FROM event WHERE target_type = 'Customer' AND target_id = ANY ($1)"),
    ("orders", "event", "SELECT * FROM event WHERE target_type = 'Order' AND target_id = ANY ($1)"),
    (
        "customer",
        "newsletter",
        "SELECT * FROM newsletter WHERE lower(btrim(address, E' \\t\\n\\r')) = ANY (ARRAY(SELECT lower(email) FROM customer WHERE id = ANY ($1)))",
    ),
    ("customer", "session", "SELECT * FROM session WHERE customer_id = ANY ($1)"),
    ("customer", "log", "SELECT * FROM log WHERE entry #>> '{actor,id}' = ANY ($1::bigint[]::text[])"),
    ("customer", "visit", "SELECT * FROM visit WHERE customer_id = ANY ($1)"),
    ("customer", "search", "SELECT * FROM search WHERE customer_id = ANY ($1)"),
];

/// Milliseconds of the ways, in the order of [`WAYS`].
type Times = [f64; 6];

const WAYS: [&str; 6] = [
    "one query for each reference, whole rows (the peer)",
    "dbopt, finding the rows",
    "dbopt, finding, reading and packing them into nowhere",
    "dbopt, an archive on disk",
    "dbopt, an archive on disk, sealed for a recipient",
    "dbopt, a folder on disk",
];

/// Runs the part.
pub(super) async fn run(shop: &Shop, dbopt: &Path, runs: u64) -> Result<()> {
    shop.migrate().await?;
    let graph = shop.graph().await?;
    let mut times: BTreeMap<bool, Vec<Times>> = BTreeMap::new();
    let mut rows = 0;
    for round in 0..runs {
        for is_fresh in [true, false] {
            let key = shop.key(round % 8);
            let (mut peer, mut dbopt_first) = (None, None);
            let order = if round % 2 == 0 { [true, false] } else { [false, true] };
            for is_peer in order {
                if is_fresh {
                    shop.restart()?;
                }
                let mut client = shop.client().await?;
                if is_peer {
                    peer = Some(received(&mut client, &key).await?);
                } else {
                    dbopt_first = Some(walked(shop, &graph, &mut client, &key).await?);
                }
            }
            let (peer, (seconds, found)) = peer.zip(dbopt_first).context("both ways were gone")?;
            anyhow::ensure!(peer.1 == found, "the peer has found {} rows, and dbopt {found}", peer.1);
            rows = found;
            let mut ways = [peer.0, seconds, 0.0, 0.0, 0.0, 0.0];
            for (at, way) in ways.iter_mut().enumerate().skip(2) {
                if is_fresh {
                    shop.restart()?;
                }
                *way = packed(shop, &graph, &key, at).await?;
            }
            times.entry(is_fresh).or_default().push(ways);
        }
    }
    say(&format!("Export of {rows} rows, {runs} rounds, ms (median, least to most)\n"));
    say("| way | warm | least to most | to the peer | fresh | least to most | to the peer |");
    say("| --- | ---: | --- | ---: | ---: | --- | ---: |");
    for (at, way) in WAYS.iter().enumerate() {
        let cells = |is_fresh: bool| {
            let rounds = times.get(&is_fresh).map(Vec::as_slice).unwrap_or_default();
            let own: Vec<f64> = rounds.iter().map(|ways| ways[at] * 1e3).collect();
            let ratios: Vec<f64> = rounds.iter().map(|ways| ways[at] / ways[0]).collect();
            let (least, most) = (own.iter().copied().fold(f64::MAX, f64::min), own.iter().copied().fold(0.0, f64::max));
            format!("{:.1} | {least:.1} to {most:.1} | {:.2}", median(&own), median(&ratios))
        };
        say(&format!("| {way} | {} | {} |", cells(false), cells(true)));
    }
    whole(shop, dbopt, runs)
}

/// The peer: seconds, and how many rows there are.
async fn received(client: &mut Client, key: &[String; 1]) -> Result<(f64, usize)> {
    let began = Instant::now();
    let transaction = reading(client).await?;
    let mut keys: BTreeMap<&str, Vec<i64>> = BTreeMap::from([("", vec![key[0].parse()?])]);
    let mut answers = Vec::new();
    for (from, table, sql) in EDGES {
        let of = keys.get(from).context("a table comes after those that it refers to")?;
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(of, Type::INT8_ARRAY)];
        let rows = transaction.query_typed(sql, &parameters).await.with_context(|| (*sql).to_owned())?;
        if EDGES.iter().any(|(from, ..)| from == table) {
            keys.entry(table).or_default().extend(rows.iter().map(|row| row.get::<_, i64>(0)));
        }
        answers.push((table, rows));
    }
    transaction.commit().await?;
    let seconds = began.elapsed().as_secs_f64();
    let (mut known, mut nameless) = (BTreeSet::new(), 0);
    for (table, row) in answers.iter().flat_map(|(table, rows)| rows.iter().map(move |row| (table, row))) {
        // A vote of the person on a comment of the person is found twice.
        match row.columns()[0].type_() {
            _ if **table == "search" => nameless += 1,
            kind if *kind == Type::INT8 => _ = known.insert((table, row.get::<_, i64>(0))),
            _ => nameless += 1,
        }
    }
    Ok((seconds, known.len() + nameless))
}

async fn walked(shop: &Shop, graph: &Graph, client: &mut Client, key: &[String; 1]) -> Result<(f64, usize)> {
    let began = Instant::now();
    let transaction = reading(client).await?;
    let walked = dbopt_gdpr::walk(&transaction, graph, &shop.policy, shop.subject()?, key).await?;
    transaction.commit().await?;
    let seconds = began.elapsed().as_secs_f64();
    Ok((seconds, walked.rows()))
}

/// Writes a package in one of the ways, and says how many seconds that took.
async fn packed(shop: &Shop, graph: &Graph, key: &[String; 1], way: usize) -> Result<f64> {
    let mut client = shop.client().await?;
    let place = tempfile::tempdir_in(shop.folder())?;
    let scratch = tempfile::tempdir_in(shop.folder())?;
    let began = Instant::now();
    let transaction = reading(&mut client).await?;
    let as_of = export::now(&transaction).await?;
    let options = Options { as_of, article: Article::Access, scratch: scratch.path(), opener: None };
    let (tables, subject) = ((graph, &shop.policy), (shop.subject()?, &key[..]));
    let file = || File::create(place.path().join("package"));
    match way {
        2 => {
            let mut sink = Archive::new(io::sink(), as_of);
            export::write(&transaction, tables, subject, &options, &mut sink).await?;
            sink.finish()?;
        }
        3 => {
            let mut sink = Archive::new(file()?, as_of);
            export::write(&transaction, tables, subject, &options, &mut sink).await?;
            sink.finish()?.sync_all()?;
        }
        4 => {
            let mut sink = Archive::new(Lock::recipients(RECIPIENT)?.seal(file()?)?, as_of);
            export::write(&transaction, tables, subject, &options, &mut sink).await?;
            sink.finish()?.finish()?.sync_all()?;
        }
        _ => {
            let mut sink = Folder::create(place.path().join("folder"))?;
            export::write(&transaction, tables, subject, &options, &mut sink).await?;
        }
    }
    transaction.commit().await?;
    Ok(began.elapsed().as_secs_f64())
}

/// The example of age's specification, of whose secret nobody has anything here.
const RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

/// The program, from its start to its end.
fn whole(shop: &Shop, dbopt: &Path, runs: u64) -> Result<()> {
    let mut seconds = Vec::new();
    let mut peak = 0;
    for round in 0..runs {
        let place = tempfile::tempdir_in(shop.folder())?;
        let mut command = Command::new(dbopt);
        command.args(["gdpr", "export", "--quiet", "--plain", "-d", &shop.target()]);
        command.args(["--subject", &shop.key(round % 8)[0]]).arg("--policy").arg(shop.folder().join("gdpr.toml"));
        let used = measure::run(command.arg("-o").arg(place.path().join("package.tar")))?.success()?;
        seconds.push(used.wall.as_secs_f64());
        peak = peak.max(used.peak);
    }
    let mebibytes = peak as f64 / f64::from(1 << 20);
    say(&format!(
        "\nThe program as a whole, catalogue and audit record included: {:.0} ms, at most {mebibytes:.0} MiB\n",
        median(&seconds) * 1e3
    ));
    Ok(())
}
