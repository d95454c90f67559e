//! What the benches ask of a server with the web shop: logs by stretch, plans' costs, index sizes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::example::session::Session;
use crate::example::shop::{Format, Shop};
use crate::example::workload::Call;

/// The stretch of the log that is written from now on.
pub(super) struct Stretch {
    log: PathBuf,
    begin: usize,
}

impl Stretch {
    pub(super) async fn begin(shop: &Shop) -> Self {
        settle().await;
        let log = shop.log(Format::Stderr);
        let begin = fs::metadata(&log).map_or(0, |metadata| metadata.len() as usize);
        Self { log, begin }
    }

    /// What was written since it began.
    pub(super) async fn end(self) -> Result<Vec<u8>> {
        settle().await;
        let log = fs::read(&self.log).context("cannot read the server's log")?;
        Ok(log[self.begin..].to_vec())
    }
}

/// The log's collector is a process of its own; it writes what it is sent within moments.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// How many statements were explained in a stretch of the log. A statement that is parsed, bound and executed leaves
/// three lines, of which only the last counts.
pub(super) fn explains(log: &[u8]) -> usize {
    let log = String::from_utf8_lossy(log);
    let statements = log.lines().filter(|line| line.contains(" ms  statement: ") || line.contains(" ms  execute "));
    // A batch in one message holds several.
    statements.map(|line| line.matches("EXPLAIN (").count()).sum()
}

/// The answer of `dbopt advise` with these arguments, as its JSON, and the time it took.
pub(super) fn advise<'a>(dbopt: &Path, args: impl IntoIterator<Item = &'a str>) -> Result<(Value, Duration)> {
    let args: Vec<&str> = args.into_iter().collect();
    let start = std::time::Instant::now();
    let output = Command::new(dbopt).args(["advise", "--quiet", "--format", "json"]).args(&args).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "`dbopt advise {}`: {}: {said}", args.join(" "), output.status);
    Ok((serde_json::from_slice(&output.stdout).context("the advice is not JSON")?, start.elapsed()))
}

/// The planner's cost of all calls: one statement of each kind and place is explained, and counts for all of them.
pub(super) async fn cost(session: &Session, calls: &[Call]) -> Result<f64> {
    let mut counts = std::collections::BTreeMap::new();
    for call in calls {
        for (at, statement) in call.statements.iter().enumerate().filter(|(_, s)| is_planned(&s.sql)) {
            counts.entry((call.class.name, at)).or_insert_with(|| (0_u32, Vec::new())).0 += 1;
            let (_, samples) = counts.get_mut(&(call.class.name, at)).context("it was just put there")?;
            // Values differ in how many rows they find; ten of them are about their mean.
            if samples.len() < 10 {
                samples.push(statement.with_literals());
            }
        }
    }
    let mut total = 0.0;
    for (count, samples) in counts.into_values() {
        let mut sum = 0.0;
        for sample in &samples {
            sum += plan_cost(session, sample).await?;
        }
        total += f64::from(count) * sum / samples.len() as f64;
    }
    Ok(total)
}

/// Whether a statement has a plan and does not depend on what its session did before.
pub(super) fn is_planned(sql: &str) -> bool {
    !matches!(sql, "BEGIN" | "COMMIT") && !sql.contains("currval(")
}

/// The planner's cost of a statement.
async fn plan_cost(session: &Session, sql: &str) -> Result<f64> {
    let first = session.value(&format!("EXPLAIN {sql}")).await.with_context(|| format!("cannot explain `{sql}`"))?;
    let cost = first.split_once("..").and_then(|(_, rest)| rest.split_once(' '));
    cost.and_then(|(cost, _)| cost.parse().ok()).with_context(|| format!("no cost in `{first}`"))
}

/// All bytes of the indexes in a database's public schema.
pub(super) async fn index_bytes(session: &Session) -> Result<f64> {
    let sql =
        "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace";
    Ok(session.value(sql).await?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explained_statements_are_counted_once() {
        let log = b"x LOG:  duration: 0.1 ms  parse s1: EXPLAIN (FORMAT JSON) SELECT 1\n\
            x LOG:  duration: 0.1 ms  execute s1: EXPLAIN (FORMAT JSON) SELECT 1\n\
            x LOG:  duration: 0.1 ms  statement: EXPLAIN (FORMAT JSON) SELECT 1; EXPLAIN (FORMAT JSON) SELECT 2\n\
            x LOG:  duration: 0.1 ms  statement: SELECT 1\n";
        assert_eq!(explains(log), 3);
    }
}
