//! `cargo xtask bench advise`: does the advice make the logged workload faster? It is run three times on copies of one
//! database: as it is, with the advised indexes really built, and with those of a simple peer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::peer;
use super::say;
use super::server::{self, Stretch};
use crate::example::SEED;
use crate::example::run::{self, Times};
use crate::example::shop::Shop;
use crate::example::workload::{self, Call};

/// What `cargo xtask bench advise` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many times the rows of the shipped example
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    scale: u32,
    /// How many calls the services make
    #[arg(long, value_name = "N", default_value_t = 3000)]
    calls: u32,
    /// A folder that keeps the log, a snapshot of the database and the advice, for another look
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Further arguments for `dbopt advise`, such as `--budget=10%`
    #[arg(last = true)]
    further: Vec<String>,
}

/// One run of the workload.
struct Trial {
    name: &'static str,
    times: Times,
    /// Execution time by pg_stat_statements, in ms.
    server_ms: f64,
    cost: f64,
    index_bytes: f64,
}

impl Trial {
    fn total(&self) -> Duration {
        self.times.values().map(|taken| taken.time).sum()
    }
}

/// Runs the bench.
pub(crate) fn run(dbopt: &Path, args: &Args) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        // Everything is logged, and nothing else works on the tables meanwhile.
        let shop = Shop::start(args.scale, &[("log_min_duration_statement", "0"), ("autovacuum", "off")])?;
        shop.create("base").await?;
        let calls = workload::calls(SEED, shop.sizes, args.calls);
        let admin = shop.admin("postgres").await?;
        say(&format!("Scale {}, {} calls, PostgreSQL {}.\n", args.scale, calls.len(), server_version(&shop)));

        let stretch = Stretch::begin(&shop).await;
        let before = trial(&shop, "as it is", "shop", &[], &calls).await?;
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("postgresql.log");
        fs::write(&log, stretch.end().await?)?;

        let session = shop.admin("shop").await?;
        session.script("CREATE EXTENSION hypopg").await.context("the bench needs HypoPG")?;
        let stretch = Stretch::begin(&shop).await;
        let target = shop.conn_string("shop", "shop_app", "dbopt-bench");
        let path = log.display().to_string();
        let fixed = [path.as_str(), "-d", target.as_str()];
        let (advice, took) = server::advise(dbopt, fixed.into_iter().chain(args.further.iter().map(String::as_str)))?;
        let explains = server::explains(&stretch.end().await?);
        if let Some(kept) = &args.keep {
            keep(dbopt, kept, &log, &target, &advice)?;
        }
        let peer = peer::advise(&session, &calls).await?;
        session.close().await;

        let advised = statements(&advice)?;
        let stretch = Stretch::begin(&shop).await;
        let after = trial(&shop, "dbopt", "with_dbopt", &advised, &calls).await?;
        fs::write(&log, stretch.end().await?)?;
        let target = shop.conn_string("with_dbopt", "shop_app", "dbopt-bench");
        let session = shop.admin("with_dbopt").await?;
        session.script("CREATE EXTENSION hypopg").await?;
        session.close().await;
        let fixed = [path.as_str(), "-d", target.as_str()];
        let (again, _) = server::advise(dbopt, fixed.into_iter().chain(args.further.iter().map(String::as_str)))?;
        let beside = trial(&shop, "single columns", "with_peer", &peer.sql, &calls).await?;
        admin.close().await;

        print_trials(&[(&before, 0), (&after, explains), (&beside, peer.explains)]);
        say(&format!(
            "\ndbopt took {:.1} s; it puts the cost of the reads at {} before and {} after.",
            took.as_secs_f64(),
            thousands(advice["totals"]["cost_before"].as_f64()),
            thousands(advice["totals"]["cost_after"].as_f64()),
        ));
        if let Some(kept) = &args.keep {
            fs::copy(&log, kept.join("again.log"))?;
            fs::write(kept.join("again.json"), serde_json::to_vec_pretty(&again)?)?;
        }
        print_without_slowest(&[&before, &after, &beside]);
        print_again(&again)?;
        print_sizes(&shop, &advice).await?;
        print_classes(&before, &after, &beside);
        Ok(())
    })
}

/// Puts what the advice was made from, and the advice, into a folder.
fn keep(dbopt: &Path, folder: &Path, log: &Path, target: &str, advice: &Value) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    fs::copy(log, folder.join("postgresql.log"))?;
    fs::write(folder.join("advice.json"), serde_json::to_vec_pretty(advice)?)?;
    let snapshot =
        Command::new(dbopt).args(["snapshot", "-d", target, "-o"]).arg(folder.join("snapshot.json")).status()?;
    anyhow::ensure!(snapshot.success(), "`dbopt snapshot`: {snapshot}");
    Ok(())
}

/// Copies the base, applies statements, and runs the calls one after the other.
async fn trial(shop: &Shop, name: &'static str, database: &str, sql: &[String], calls: &[Call]) -> Result<Trial> {
    shop.copy("base", database).await?;
    let session = shop.admin(database).await?;
    for statement in sql {
        session.script(statement).await.with_context(|| format!("`{statement}`"))?;
    }
    let cost = server::cost(&session, calls).await?;
    let index_bytes = server::index_bytes(&session).await?;
    // Every table is read once, so that no run pays for the first reading of a page.
    for row in session
        .script("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        .await?
    {
        if let [Some(table)] = row.as_slice() {
            session.script(&format!("SELECT count(*) FROM {table}")).await?;
        }
    }
    session.close().await;
    let admin = shop.admin("postgres").await?;
    admin.script("SELECT pg_stat_statements_reset()").await?;
    let times = run::in_turn(shop, database, calls).await?;
    let sum = format!(
        "SELECT sum(s.total_exec_time) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = '{database}'"
    );
    let server_ms = admin.value(&sum).await?.parse()?;
    admin.close().await;
    Ok(Trial { name, times, server_ms, cost, index_bytes })
}

/// The statements of the advice: what it creates, then what it drops.
fn statements(advice: &Value) -> Result<Vec<String>> {
    let list = |name: &str| advice[name].as_array().with_context(|| format!("the advice has no `{name}`"));
    let mut statements = Vec::new();
    for index in list("create")? {
        let sql = index["sql"].as_array().context("an index has no `sql`")?;
        statements.extend(sql.iter().filter_map(|sql| sql.as_str().map(str::to_owned)));
    }
    for index in list("drop")? {
        statements.push(index["sql"].as_str().context("a dropped index has no `sql`")?.to_owned());
    }
    Ok(statements)
}

fn print_trials(trials: &[(&Trial, usize)]) {
    let base = trials.first().map_or(1.0, |(trial, _)| trial.total().as_secs_f64());
    say("| indexes | time (client) | time (server) | faster | planner cost | all indexes | EXPLAINs |");
    say("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (trial, explains) in trials {
        say(&format!(
            "| {} | {:.2} s | {:.2} s | {:.1} × | {} | {:.1} MB | {explains} |",
            trial.name,
            trial.total().as_secs_f64(),
            trial.server_ms / 1000.0,
            base / trial.total().as_secs_f64(),
            thousands(Some(trial.cost)),
            trial.index_bytes / 1e6,
        ));
    }
}

/// The same comparison without the kind of call that took most time: one statement may hide all others.
fn print_without_slowest(trials: &[&Trial; 3]) {
    let slowest = trials[0].times.iter().max_by_key(|(_, taken)| taken.time).map(|(name, _)| *name);
    let Some(slowest) = slowest else { return };
    let rest = trials.map(|trial| {
        let others = trial.times.iter().filter(|(name, _)| **name != slowest);
        others.map(|(_, taken)| taken.time.as_secs_f64()).sum::<f64>()
    });
    say(&format!(
        "\nWithout `{slowest}`, the client's time is {:.2} s as it is, {:.2} s with dbopt ({:.1} ×) and {:.2} s with single \
         columns ({:.1} ×).",
        rest[0],
        rest[1],
        rest[0] / rest[1],
        rest[2],
        rest[0] / rest[2]
    ));
}

/// What is advised when the advised indexes are there and the workload was logged again.
fn print_again(again: &Value) -> Result<()> {
    let statements = statements(again)?;
    say(&format!("Asked again once they were built, it advised {} further changes.", statements.len()));
    for statement in statements {
        say(&format!("- `{statement}`"));
    }
    Ok(())
}

async fn print_sizes(shop: &Shop, advice: &Value) -> Result<()> {
    let session = shop.admin("with_dbopt").await?;
    say("\n| index | on | predicted kB | built kB | off by |");
    say("| --- | --- | ---: | ---: | ---: |");
    let (mut within, mut all) = (0, 0);
    for index in advice["create"].as_array().into_iter().flatten() {
        let text = |name: &str| index[name].as_str().unwrap_or_default();
        let keys: Vec<&str> = index["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let sql =
            format!("SELECT pg_relation_size(format('%I.%I', '{}', '{}')::regclass)", text("schema"), text("name"));
        let built: f64 = session.value(&sql).await?.parse()?;
        let predicted = index["bytes"].as_f64().context("an index has no `bytes`")?;
        let off = predicted / built - 1.0;
        all += 1;
        within += u32::from(off.abs() <= 0.15);
        let rest = index["predicate"].as_str().map_or(String::new(), |predicate| format!(" WHERE {predicate}"));
        say(&format!(
            "| {} | {} ({}){rest} | {:.0} | {:.0} | {:+.0} % |",
            text("name"),
            text("table"),
            keys.join(", "),
            predicted / 1e3,
            built / 1e3,
            off * 100.0
        ));
    }
    say(&format!("\n{within} of {all} sizes are within 15 %."));
    session.close().await;
    Ok(())
}

fn print_classes(before: &Trial, after: &Trial, beside: &Trial) {
    say("\n| kind of call | calls | as it is, ms | dbopt, ms | single columns, ms | faster with dbopt |");
    say("| --- | ---: | ---: | ---: | ---: | ---: |");
    let ms = |trial: &Trial, name: &str| trial.times.get(name).map_or(0.0, |taken| taken.time.as_secs_f64() * 1e3);
    let mut names: Vec<&str> = before.times.keys().copied().collect();
    names.sort_by(|a, b| ms(before, b).total_cmp(&ms(before, a)));
    for name in names {
        let calls = before.times.get(name).map_or(0, |taken| taken.calls);
        let (base, with, peer) = (ms(before, name), ms(after, name), ms(beside, name));
        let faster = base / with.max(0.001);
        say(&format!("| {name} | {calls} | {base:.0} | {with:.0} | {peer:.0} | {faster:.1} × |"));
        let rows = |trial: &Trial| trial.times.get(name).map_or(0, |taken| taken.rows);
        if rows(before) != rows(after) {
            say(&format!("| ↑ rows differ: {} and {} |", rows(before), rows(after)));
        }
    }
}

fn server_version(shop: &Shop) -> u32 {
    shop.cluster.server_version_num() / 10_000
}

fn thousands(number: Option<f64>) -> String {
    number.map_or("–".to_owned(), |number| format!("{:.0}k", number / 1000.0))
}
