//! The method of Supabase's index_advisor, as the peer of `bench advise`.
//!
//! index_advisor (github.com/supabase/index_advisor, one PL/pgSQL function) makes a hypothetical index on every single
//! column that could have one and has none, explains the query, and advises the indexes that its plan uses. This is
//! the same over a whole workload, with HypoPG as there. Dexter, the other known advisor, is not in Debian.

use std::collections::BTreeSet;

use anyhow::Result;

use super::server::is_planned;
use crate::example::session::Session;
use crate::example::workload::Call;

/// The peer's advice.
pub(super) struct PeerAdvice {
    /// Statements that create its indexes.
    pub(super) sql: Vec<String>,
    /// Statements that it explained.
    pub(super) explains: usize,
}

/// Single columns with a B-tree order that are not the first of an index yet. Types as index_advisor has them.
const COLUMNS: &str = "
    SELECT a.attrelid::regclass::text, quote_ident(a.attname)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
      AND a.atttypid IN (SELECT opcintype FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
                         WHERE m.amname = 'btree' AND o.opcdefault
                         UNION SELECT 'varchar'::regtype)
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum)
    ORDER BY 1, 2";

/// Asks for advice on the calls. The session must be in a database with HypoPG.
pub(super) async fn advise(session: &Session, calls: &[Call]) -> Result<PeerAdvice> {
    let mut made = Vec::new();
    for row in session.script(COLUMNS).await? {
        if let [Some(table), Some(column)] = row.as_slice() {
            let sql = format!("CREATE INDEX ON {table} ({column})");
            let name = session.value(&format!("SELECT indexname FROM hypopg_create_index('{sql}')")).await?;
            made.push((name, sql));
        }
    }
    let (mut seen, mut explains, mut used) = (BTreeSet::new(), 0, BTreeSet::new());
    for call in calls {
        for (at, statement) in call.statements.iter().enumerate().filter(|(_, s)| is_planned(&s.sql)) {
            if !seen.insert((call.class.name, at)) {
                continue;
            }
            explains += 1;
            let plan = session.script(&format!("EXPLAIN {}", statement.with_literals())).await?;
            let plan: Vec<String> = plan.into_iter().flatten().flatten().collect();
            let plan = plan.join("\n");
            used.extend(made.iter().filter(|(name, _)| plan.contains(name.as_str())).map(|(_, sql)| sql.clone()));
        }
    }
    session.script("SELECT hypopg_reset()").await?;
    Ok(PeerAdvice { sql: used.into_iter().collect(), explains })
}
