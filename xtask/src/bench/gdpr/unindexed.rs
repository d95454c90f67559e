//! Erasing persons where no index serves the foreign keys: what the plan says that it takes, against what it took.
//!
//! The peer is the plan's statements alone, with known keys, those that refer before those that are referred to. At last the
//! indexes that the plan advises are created as it says, and another person is erased.

use std::time::Instant;

use anyhow::{Context, Result};

use super::super::say;
use super::erase::{Others, erase, statements};
use super::shop::Shop;

/// Runs the part.
pub(super) async fn run(shop: &Shop, mut persons: Vec<u64>) -> Result<()> {
    shop.migrate().await?;
    for index in shop.tables().iter().flat_map(super::tables::Table::serving) {
        shop.execute(&format!("DROP INDEX IF EXISTS {index}"));
    }
    let graph = shop.graph().await?;
    let others = Others::begin(shop, &persons).await?;
    let last = persons.pop().context("one more person")?;
    say(
        "| round | planned in, s | forecast, s | dbopt, s | forecast to it | goal | statements alone, s | dbopt to it |",
    );
    say("| ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |");
    let mut advised = Vec::new();
    for (round, pair) in persons.chunks_exact(2).enumerate() {
        let alone = statements(shop, &graph, pair[1]).await?;
        let erased = erase(shop, &graph, pair[0]).await?;
        say(&format!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | 0.5 to 1.5 | {alone:.2} | {:.2} |",
            round + 1,
            erased.planning,
            erased.plan.seconds,
            erased.seconds,
            erased.plan.seconds / erased.seconds,
            erased.seconds / alone
        ));
        advised = erased.plan.indexes;
    }
    say("\n| no index serves | readings | s for one |");
    say("| --- | ---: | ---: |");
    for index in &advised {
        say(&format!("| `{}` | {} | {:.4} |", graph.edge(index.edge), index.checks, index.seconds));
    }
    let began = Instant::now();
    for statement in advised.iter().flat_map(|index| &index.sql) {
        shop.execute(statement);
    }
    let seconds = began.elapsed().as_secs_f64();
    let graph = shop.graph().await?;
    let erased = erase(shop, &graph, last).await?;
    say(&format!(
        "\nThe {} advised indexes were created in {seconds:.1} s; with them, {:.3} s were forecast, and it took {:.3} s.",
        advised.len(),
        erased.plan.seconds,
        erased.seconds
    ));
    others.end(shop).await
}
