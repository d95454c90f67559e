//! The smaller files of the example: statements, statistics and plans.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Result, bail};
use dbopt_catalog::{live, snapshot};

use super::session::Session;
use super::workload::Call;

/// A file of statements: the first call of each class, with its values written out.
pub(super) fn statements(calls: &[Call]) -> String {
    let mut text =
        "-- The first call of each kind of the example's workload. `cargo xtask example` wrote it.\n".to_owned();
    let mut seen = BTreeSet::new();
    for call in calls.iter().filter(|call| seen.insert(call.class.name)) {
        let (_, application, _) = call.class.service.session();
        let _ = write!(text, "\n-- {application}: {}\n", call.class.name);
        for statement in &call.statements {
            let _ = writeln!(text, "{};", statement.with_literals());
        }
    }
    text
}

/// What `dbopt snapshot` writes of the shop's database.
pub(crate) async fn snapshot(admin: &Session) -> Result<Vec<u8>> {
    let (catalog, findings) = live::read(admin.client(), &live::ReadOptions::default()).await?;
    if let Some(finding) = findings.first() {
        bail!("the catalogue cannot be read whole: {}", finding.message);
    }
    let mut bytes = Vec::new();
    snapshot::write(&catalog, &mut bytes)?;
    Ok(bytes)
}

/// What `\copy (SELECT * FROM pg_stat_statements ...) TO ... CSV HEADER` gives for the shop's database.
pub(super) async fn pg_stat_statements(admin: &Session) -> Result<String> {
    let names = "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_stat_statements'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let rows = "SELECT s.* FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid WHERE d.datname = 'shop' AND s.toplevel ORDER BY s.total_exec_time DESC";
    let header = admin.script(names).await?.into_iter().map(|mut row| row.pop().flatten()).collect();
    let mut text = String::new();
    for row in std::iter::once(header).chain(admin.script(rows).await?) {
        let fields: Vec<String> = row.into_iter().map(|field| field.map_or(String::new(), quote)).collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    Ok(text)
}

/// A field of a CSV file, quoted where COPY would.
fn quote(field: String) -> String {
    if field.is_empty() || field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

/// Two plans for `dbopt explain`: one spills, the other begins with a misestimate.
pub(super) async fn plans(admin: &Session) -> Result<Vec<(&'static str, String)>> {
    let spill = "SELECT e.session_id, e.payload, row_number() OVER (PARTITION BY e.kind ORDER BY (e.payload->>'ms')::int DESC, e.id) AS rank FROM events e WHERE (e.payload->>'ms')::int > 25 ORDER BY e.kind, rank";
    let misestimate = "SELECT p.id, p.name, sum(i.quantity) AS sold FROM orders o JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id WHERE p.attributes->>'brand' = 'brand-1' AND p.attributes->>'colour' = 'white' AND o.created_at >= '2025-03-01' GROUP BY p.id, p.name ORDER BY sold DESC LIMIT 20";
    let mut plans = Vec::new();
    for (name, format, sql) in [("plan.txt", "TEXT", spill), ("plan.json", "JSON", misestimate)] {
        let rows = admin.script(&format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT {format}) {sql}")).await?;
        let lines: Vec<String> = rows.into_iter().flatten().flatten().collect();
        plans.push((name, lines.join("\n") + "\n"));
    }
    Ok(plans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_as_copy_does() {
        assert_eq!(quote("12".to_owned()), "12");
        assert_eq!(quote(String::new()), "\"\"");
        assert_eq!(quote("a \"b\", c".to_owned()), "\"a \"\"b\"\", c\"");
    }
}
