//! Erasing persons, beside one transaction of the same statements with keys that are known.
//!
//! Each round has two persons of its own, alike but for chance: one is erased by dbopt, the other by its plan's statements alone, with
//! nothing looked up, locked, compared or recorded. What is everybody else's is compared before and after, by ids that the generator's
//! own rules give and not the plan.

use std::time::Instant;

use anyhow::{Context, Result};
use dbopt_gdpr::{Graph, KeyArrays, Plan, StatementKind};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Transaction};

use super::super::say;
use super::shop::{Shop, median, reading};

/// What it took, in seconds.
pub(super) struct Erased {
    pub(super) plan: Plan,
    /// Finding the rows and planning, as for whoever has to approve it.
    pub(super) planning: f64,
    pub(super) seconds: f64,
}

/// Runs the part.
pub(super) async fn run(shop: &Shop, persons: Vec<u64>) -> Result<()> {
    shop.migrate().await?;
    let graph = shop.graph().await?;
    let others = Others::begin(shop, &persons).await?;
    say("| round | planned | rows | dbopt, ms | statements alone, ms | ratio | goal |");
    say("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut ratios = Vec::new();
    for (round, pair) in persons.chunks_exact(2).enumerate() {
        let (mut erased, mut alone) = (None, None);
        let order = if round % 2 == 0 { [true, false] } else { [false, true] };
        for is_peer in order {
            if is_peer {
                alone = Some(statements(shop, &graph, pair[1]).await?);
            } else {
                erased = Some(erase(shop, &graph, pair[0]).await?);
            }
        }
        let (erased, alone) = erased.zip(alone).context("both ways were gone")?;
        let ratio = erased.seconds / alone;
        ratios.push(ratio);
        let rows: usize = erased.plan.tables.iter().map(|table| table.deleted + table.changed).sum();
        say(&format!(
            "| {} | {:.1} | {rows} | {:.1} | {:.1} | {ratio:.2} | 1.5 |",
            round + 1,
            erased.planning * 1e3,
            erased.seconds * 1e3,
            alone * 1e3
        ));
    }
    say(&format!("\nMedian of the ratios: {:.2}", median(&ratios)));
    others.end(shop).await
}

/// Plans and erases.
pub(super) async fn erase(shop: &Shop, graph: &Graph, person: u64) -> Result<Erased> {
    let key = shop.key(person);
    let mut client = shop.client().await?;
    let erasure = shop.erasure(graph, &key)?;
    let began = Instant::now();
    let plan = planned(&mut client, &erasure).await?;
    let planning = began.elapsed().as_secs_f64();
    let approval = erasure.approval(&plan);
    let began = Instant::now();
    erasure.erase(&mut client, &approval).await?;
    Ok(Erased { plan, planning, seconds: began.elapsed().as_secs_f64() })
}

async fn planned(client: &mut Client, erasure: &dbopt_gdpr::Erasure<'_>) -> Result<Plan> {
    let transaction = reading(client).await?;
    let (_, plan) = erasure.plan(&transaction, jiff::Timestamp::now()).await?;
    transaction.commit().await?;
    anyhow::ensure!(!plan.is_refused(), "the plan is refused: {:?}", plan.findings);
    Ok(plan)
}

/// The statements of a plan in one transaction, in seconds.
pub(super) async fn statements(shop: &Shop, graph: &Graph, person: u64) -> Result<f64> {
    let key = shop.key(person);
    let mut client = shop.client().await?;
    let plan = planned(&mut client, &shop.erasure(graph, &key)?).await?;
    let began = Instant::now();
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL search_path = pg_catalog, pg_temp").await?;
    for statement in &plan.statements {
        run_alone(&transaction, statement).await?;
    }
    transaction.commit().await?;
    Ok(began.elapsed().as_secs_f64())
}

async fn run_alone(transaction: &Transaction<'_>, statement: &dbopt_gdpr::Statement) -> Result<()> {
    if statement.kind == StatementKind::Defer {
        return Ok(transaction.batch_execute(&statement.sql).await?);
    }
    anyhow::ensure!(statement.values.is_empty(), "the policy of the bench has no values to compute");
    let arrays: Vec<_> = statement.parts.iter().map(|part| KeyArrays::of(&part.keys)).collect();
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> = arrays.iter().flat_map(KeyArrays::parameters).collect();
    transaction.execute_typed(&statement.sql, &parameters).await?;
    Ok(())
}

/// All rows that are nobody's of some persons, as counts and sums of hashes.
pub(super) struct Others {
    client: Client,
    sums: Vec<(&'static str, String)>,
    keys: String,
}

impl Others {
    /// Remembers whose rows they are, and what the others are.
    pub(super) async fn begin(shop: &Shop, persons: &[u64]) -> Result<Self> {
        let client = shop.client().await?;
        let keys: Vec<String> = persons.iter().map(|person| shop.key(*person)[0].clone()).collect();
        let keys = format!("'{{{}}}'::bigint[]", keys.join(","));
        for table in shop.tables().iter().filter(|table| !table.mine.is_empty()) {
            let mine = table.mine.replace("{persons}", &keys);
            let name = table.name;
            client
                .batch_execute(&format!(
                    "CREATE TEMP TABLE mine_{name} AS SELECT DISTINCT id FROM ({mine}) AS m (id); ANALYZE mine_{name}"
                ))
                .await?;
        }
        let mut others = Self { client, sums: Vec::new(), keys };
        others.sums = others.sums(shop).await?;
        Ok(others)
    }

    async fn sums(&self, shop: &Shop) -> Result<Vec<(&'static str, String)>> {
        let mut sums = Vec::new();
        for table in shop.tables() {
            let name = table.name;
            let is_other = match (name, table.mine) {
                ("search", _) => format!("customer_id <> ALL ({})", self.keys),
                (_, "") => "true".to_owned(),
                _ => format!("id NOT IN (SELECT id FROM mine_{name})"),
            };
            // An answer that answers nothing any more is a planned change of a row of others.
            let row =
                if name == "comment" { "concat_ws('|', t.id, t.author_id, t.written_at, t.body)" } else { "t::text" };
            let sql = format!(
                "SELECT count(*) || ' ' || sum(hashtextextended({row}, 0)::numeric) FROM {name} t WHERE {is_other}"
            );
            sums.push((name, self.client.query_one(&sql, &[]).await?.get::<_, Option<String>>(0).unwrap_or_default()));
        }
        Ok(sums)
    }

    /// Fails when a row of others is another one.
    pub(super) async fn end(self, shop: &Shop) -> Result<()> {
        let after = self.sums(shop).await?;
        let mut rows = 0_u64;
        for ((name, before), (_, after)) in self.sums.iter().zip(&after) {
            anyhow::ensure!(before == after, "rows of others in `{name}` are others now: {before}, {after}");
            rows += before.split(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
        }
        // Nothing may be left of those who were to go, but what the policy masks and detaches.
        for table in
            shop.tables().iter().filter(|table| !table.mine.is_empty() && !matches!(table.name, "message" | "log"))
        {
            let sql = format!("SELECT count(*) FROM {} t WHERE id IN (SELECT id FROM mine_{})", table.name, table.name);
            let left: i64 = self.client.query_one(&sql, &[]).await?.get(0);
            anyhow::ensure!(left == 0, "{left} rows of persons are left in `{}`", table.name);
        }
        say(&format!(
            "Of {rows} rows of others, 0 were changed without a plan; of the persons' own, none are left but those to be kept.\n"
        ));
        Ok(())
    }
}
