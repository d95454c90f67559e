//! What `REINDEX CONCURRENTLY` leaves when it is broken off.
//!
//! It builds a second index, `NAME_ccnew`, swaps the names, so that the old one becomes `NAME_ccold`, and drops that. A
//! name that would be too long is cut before the ending, and one that is taken gets a number
//! (<https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY>). Broken off, it leaves one of
//! them, not valid, and each later try leaves another unless somebody cleans up.

use dbopt_sql::lex;

use crate::definition::same_definition;
use crate::error::Error;
use crate::hands::Hands;
use crate::index::{self, IndexFacts};
use crate::journal::Entry;
use crate::leftover::{Fate, discard};

/// How the journal calls a concurrent rebuild. Its entry holds the index's definition from the beginning.
pub const REINDEX: &str = "reindex";

/// The longest name in bytes, `NAMEDATALEN - 1`.
const LONGEST_NAME: usize = 63;

/// Invalid indexes of a table that no constraint stands on and that are part of no other.
const CANDIDATES: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS name
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE i.indrelid = $1 AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND c.relkind = 'i'
    ORDER BY c.oid";

impl Hands<'_> {
    /// What broken-off rebuilds of an index of a table have left: not valid, named like it, of the same definition, no
    /// constraint on it, part of no other index. Whether it is ours is for the journal to say.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn rebuild_leftovers(
        &self,
        table: u32,
        index: &str,
        definition: &str,
    ) -> Result<Vec<(String, String, IndexFacts)>, Error> {
        let mut left = Vec::new();
        for row in self.control.query(CANDIDATES, &[&table]).await? {
            let (schema, name): (String, String) = (row.get(0), row.get(1));
            if !is_leftover_name(&name, index) {
                continue;
            }
            let Some(facts) = index::find(self.control, &schema, &name).await? else { continue };
            let is_free = !facts.is_valid && !facts.has_constraint && !facts.is_attached && facts.table == table;
            if is_free && same_definition(&nameless(&facts.definition), &nameless(definition)) {
                left.push((schema, name, facts));
            }
        }
        Ok(left)
    }

    /// Drops what a rebuild of ours has left. The caller knows from the journal that it is ours: nothing of the kind was
    /// there when the rebuild began.
    ///
    /// # Errors
    /// When a session fails.
    pub async fn discard_rebuild(&mut self, table: u32, index: &str, definition: &str) -> Result<Fate, Error> {
        let mut fate = Fate::Nothing;
        for (schema, name, facts) in self.rebuild_leftovers(table, index, definition).await? {
            fate = match (discard(self, None, &schema, &name, &facts).await?, fate) {
                (_, kept @ Fate::Kept(_)) => kept,
                (now, _) => now,
            };
        }
        Ok(fate)
    }
}

/// Deals with the entry of a rebuild of a dead run.
pub(crate) async fn repair(hands: &mut Hands<'_>, entry: &Entry) -> Result<Fate, Error> {
    let (Some(table), Some(definition)) = (entry.table, &entry.definition) else {
        return Ok(Fate::Foreign("its entry does not say what the index looked like".to_owned()));
    };
    hands.discard_rebuild(table, &entry.object, definition).await
}

/// Whether the server would call a leftover of an index so: the name, cut where it was too long, and the ending.
fn is_leftover_name(name: &str, index: &str) -> bool {
    let stem = name.trim_end_matches(|end: char| end.is_ascii_digit());
    let Some(stem) = stem.strip_suffix("_ccnew").or_else(|| stem.strip_suffix("_ccold")) else { return false };
    let Some(rest) = index.strip_prefix(stem) else { return false };
    // Cut only when the whole did not fit, and then as little as possible: not even one character more fitted.
    rest.chars().next().is_none_or(|next| name.len() + next.len_utf8() > LONGEST_NAME)
}

/// A definition without the index's name.
fn nameless(definition: &str) -> String {
    let mut tokens = lex(definition.as_bytes());
    let is_index = |token: &dbopt_sql::Token| {
        definition.get(token.start..token.end).is_some_and(|word| word.eq_ignore_ascii_case("index"))
    };
    let name = tokens.by_ref().find(is_index).and_then(|_| tokens.next());
    let parts = name.and_then(|name| Some((definition.get(..name.start)?, definition.get(name.end..)?)));
    parts.map_or_else(|| definition.to_owned(), |(before, after)| format!("{before}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_is_known_by_its_name() {
        for ending in ["_ccnew", "_ccold", "_ccnew1", "_ccold27"] {
            assert!(is_leftover_name(&format!("orders_idx{ending}"), "orders_idx"));
        }
        for name in ["orders_idx", "orders_idx_ccne", "orders_id_ccnew", "orders_idx2_ccnew", "orders_idx_ccnewx"] {
            assert!(!is_leftover_name(name, "orders_idx"), "{name}");
        }
    }

    #[test]
    fn a_long_name_is_cut_where_the_server_cuts_it() {
        let index = "i".repeat(63);
        assert!(is_leftover_name(&format!("{}_ccnew", "i".repeat(57)), &index));
        assert!(is_leftover_name(&format!("{}_ccnew1", "i".repeat(56)), &index));
        assert!(!is_leftover_name(&format!("{}_ccnew", "i".repeat(56)), &index));
        // Never within a character: of 31 of two bytes, 28 fit before the ending, and one byte is left over.
        let index = "ü".repeat(31);
        assert!(is_leftover_name(&format!("{}_ccnew", "ü".repeat(28)), &index));
        assert!(!is_leftover_name(&format!("{}_ccnew", "ü".repeat(27)), &index));
    }

    #[test]
    fn only_the_name_is_left_out_of_a_definition() {
        assert_eq!(
            nameless("CREATE UNIQUE INDEX i ON public.t USING btree (a)"),
            "CREATE UNIQUE INDEX  ON public.t USING btree (a)"
        );
        assert_eq!(nameless("CREATE INDEX \"a ON b\" ON t (a)"), "CREATE INDEX  ON t (a)");
    }
}
