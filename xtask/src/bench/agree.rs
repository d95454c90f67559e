//! `cargo xtask bench agree`: does the in-process model, from a snapshot, choose what HypoPG on the live server does?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::classes::{self, Values};
use super::say;
use super::server::advise;
use crate::example::shop::Shop;

/// What `cargo xtask bench agree` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many times the rows of the shipped example
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    scale: u32,
    /// Number of query classes
    #[arg(long, value_name = "N", default_value_t = 240)]
    classes: usize,
    /// Seed of the classes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Runs the bench.
pub(crate) fn run(dbopt: &Path, args: &Args) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(compare(args, dbopt))
}

async fn compare(args: &Args, dbopt: &Path) -> Result<()> {
    let shop = Shop::start(args.scale, &[])?;
    shop.create("shop").await?;
    let admin = shop.admin("shop").await?;
    admin.script("CREATE EXTENSION hypopg").await.context("the bench needs HypoPG")?;
    let folder = tempfile::tempdir()?;
    let snapshot = folder.path().join("shop.snapshot.json");
    fs::write(&snapshot, crate::example::files::snapshot(&admin).await?)?;
    let snapshot = snapshot.display().to_string();
    let target = shop.conn_string("shop", "shop_app", "dbopt-bench");

    let mut values = Values::default();
    let mut queries = Vec::new();
    for template in classes::templates(args.seed, args.classes) {
        let sql = values.fill_in(&admin, &template).await?;
        admin.script(&format!("EXPLAIN {sql}")).await.with_context(|| format!("the server refuses `{sql}`"))?;
        queries.push(sql);
    }
    let (mut same, mut both_none, mut disjoint, mut different) = (0, 0, 0, Vec::new());
    for sql in &queries {
        let [live, offline] = advice(dbopt, folder.path(), sql, &target, &snapshot)?;
        if live == offline {
            same += 1;
            both_none += u32::from(live.is_empty());
        } else {
            disjoint += u32::from(live.is_disjoint(&offline));
            different.push((sql, live, offline));
        }
    }
    let share = |count: usize| 100.0 * count as f64 / queries.len().max(1) as f64;
    say(&format!(
        "Each class alone: {same} of {} ({:.1} %) with the same leading columns live and offline; of these, {both_none} have no advice in both.",
        queries.len(),
        share(same)
    ));
    say(&format!("{} differ, {disjoint} of them have no column in common.\n", different.len()));
    for (sql, live, offline) in different {
        say(&format!("- `{sql}`\n  live: {}; offline: {}", list(&live), list(&offline)));
    }
    let all = queries.join(";\n");
    let [live, offline] = advice(dbopt, folder.path(), &all, &target, &snapshot)?;
    let common: BTreeSet<String> = live.intersection(&offline).cloned().collect();
    say(&format!(
        "\nAll classes as one workload: {} leading columns live, {} offline, {} in both.",
        live.len(),
        offline.len(),
        common.len()
    ));
    let only = |here: &BTreeSet<String>| list(&here.difference(&common).cloned().collect());
    say(&format!("Only live: {}. Only offline: {}.", only(&live), only(&offline)));
    Ok(())
}

/// The leading columns of the indexes that are advised for these statements: live, and from the snapshot.
fn advice(dbopt: &Path, folder: &Path, sql: &str, target: &str, snapshot: &str) -> Result<[BTreeSet<String>; 2]> {
    let file = folder.join("query.sql");
    fs::write(&file, format!("{sql};\n"))?;
    let file = file.display().to_string();
    let live = ["--sql", &file, "-d", target, "--engine", "hypopg"];
    let offline = ["--sql", &file, "--snapshot", snapshot];
    Ok([leading(&advise(dbopt, live)?.0)?, leading(&advise(dbopt, offline)?.0)?])
}

fn leading(advice: &Value) -> Result<BTreeSet<String>> {
    let indexes = advice["create"].as_array().context("the advice has no `create`")?;
    indexes
        .iter()
        .map(|index| {
            let key = index["keys"][0].as_str().context("an index has no keys")?;
            Ok(format!("{}.{key}", index["table"].as_str().context("an index has no table")?))
        })
        .collect()
}

fn list(columns: &BTreeSet<String>) -> String {
    if columns.is_empty() {
        return "nothing".to_owned();
    }
    columns.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
