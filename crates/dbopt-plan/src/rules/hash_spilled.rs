//! The rule `hash-spilled`.

use super::{Report, setting};
use crate::tree::kind::NodeKind;
use crate::tree::node::Node;

/// `hash-spilled`: a hash table did not fit into memory and went to disk in batches.
///
/// **Why it hurts.** Rows of later batches are written to temporary files and read again; in a join that is both sides.
///
/// **How much memory it takes.** The memory of a batch times the batches. For a join's table that is about right, for a
/// hashed aggregate it is the most it can be, because its later batches may be small. The limit is
/// `work_mem × hash_mem_multiplier`, and that multiplier is 2 by default (1 before PostgreSQL 15). A Parallel Hash is
/// shared and may take that for each process.
///
/// Bad: `Buckets: 4096  Batches: 32  Memory Usage: 100kB`. Good: `Buckets: 65536  Batches: 1  Memory Usage: 2622kB`.
pub(super) fn check(report: &mut Report<'_>) {
    for (at, node, account) in report.accounts.iter() {
        let Some(table) = spilled(node) else { continue };
        let per_process = if node.parallel_aware { table.memory_kb / account.processes } else { table.memory_kb };
        let message = format!("the hash table went to disk in {} batches", table.batches);
        let about = if node.kind == NodeKind::Hash { "about" } else { "at most" };
        let help = match report.plan.setting("hash_mem_multiplier").and_then(|value| value.parse::<f64>().ok()) {
            Some(multiplier) if multiplier >= 1.0 => format!(
                "It takes {about} {} in memory: SET LOCAL work_mem = '{}' with this hash_mem_multiplier of {multiplier}.",
                setting(per_process),
                setting(per_process / multiplier)
            ),
            _ => format!(
                "It takes {about} {0} in memory, and may use work_mem × hash_mem_multiplier: SET LOCAL work_mem = '{1}' with the \
                 default multiplier of 2, '{0}' before PostgreSQL 15.",
                setting(per_process),
                setting(per_process / 2.0)
            ),
        };
        // A join writes and reads both of its sides because of the table below it.
        let mut impact = report.own(at);
        if node.kind == NodeKind::Hash
            && let Some(join) = account.parent
        {
            impact = impact.plus(report.own(join));
        }
        report.node("hash-spilled", at, impact, message, help);
    }
}

struct Table {
    batches: u64,
    memory_kb: f64,
}

fn spilled(node: &Node) -> Option<Table> {
    let uses = std::iter::once(&node.usage).chain(node.workers.iter().map(|worker| &worker.usage));
    let hash = uses
        .filter_map(|usage| usage.hash.as_ref())
        .filter(|hash| hash.batches.unwrap_or(1) > 1 || hash.disk_kb > 0)
        .max_by_key(|hash| hash.batches)?;
    let batches = hash.batches.unwrap_or(1);
    Some(Table { batches, memory_kb: hash.memory_kb.unwrap_or(0) as f64 * batches as f64 })
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::found;

    const JOIN: &str = "\
Hash Join  (cost=0.00..99.00 rows=60000 width=4) (actual time=0.000..100.000 rows=60000 loops=1)
  Hash Cond: (a.x = b.x)
  ->  Seq Scan on b  (cost=0.00..9.00 rows=60000 width=4) (actual time=0.000..20.000 rows=60000 loops=1)
  ->  Hash  (cost=0.00..9.00 rows=60000 width=4) (actual time=30.000..30.000 rows=60000 loops=1)
        Buckets: 4096 (originally 1024)  Batches: 32 (originally 1)  Memory Usage: 100kB
        ->  Seq Scan on a  (cost=0.00..9.00 rows=60000 width=4) (actual time=0.000..20.000 rows=60000 loops=1)
";

    #[test]
    fn a_joins_table_takes_its_batches() {
        let one = found("hash-spilled", JOIN);
        assert_eq!(one[0].message, "the hash table went to disk in 32 batches");
        assert!(one[0].help.contains("about 4MB") && one[0].help.contains("work_mem = '2MB'"), "{}", one[0].help);
        assert!((one[0].impact.share - 0.6).abs() < 1e-9);
        let set = format!("{JOIN}Settings: hash_mem_multiplier = '4'\n");
        assert!(found("hash-spilled", &set)[0].help.contains("work_mem = '800kB'"));
        assert!(found("hash-spilled", &JOIN.replace("Batches: 32", "Batches: 1")).is_empty());
    }

    #[test]
    fn an_aggregate_takes_its_batches_at_most() {
        let plan = "\
HashAggregate  (cost=0.00..99.00 rows=60000 width=12) (actual time=0.000..100.000 rows=60000 loops=1)
  Group Key: id
  Planned Partitions: 4  Batches: 97  Memory Usage: 137kB  Disk Usage: 1792kB
  ->  Seq Scan on a  (cost=0.00..9.00 rows=60000 width=4) (actual time=0.000..20.000 rows=60000 loops=1)
";
        assert!(found("hash-spilled", plan)[0].help.contains("at most 13MB"));
    }
}
