//! What the planner knows of the tables, and indexes that nobody can use.

use dbopt_report::number::plural;
use dbopt_sql::quote_ident;

use super::{Area, Check, Facts, Verdict};

/// Lines that are given of many.
const LISTED: usize = 5;

pub(super) fn check(facts: &Facts) -> Vec<Check> {
    vec![analysed(facts), invalid(facts)]
}

fn analysed(facts: &Facts) -> Check {
    let unknown: Vec<_> = facts.tables.iter().filter(|table| table.unknown).collect();
    let new =
        |verdict, found| Check::new(Area::Statistics, "analysed", verdict, found).commands(&["advise", "snapshot"]);
    if unknown.is_empty() {
        return new(Verdict::Good, "every table was analysed".to_owned());
    }
    let fix = unknown
        .iter()
        .take(LISTED)
        .map(|table| format!("ANALYZE {}.{};", quote_ident(&table.schema), quote_ident(&table.name)));
    new(Verdict::Limited, format!("{} never analysed", plural(unknown.len(), "table was", "tables were"))).fix(fix)
}

fn invalid(facts: &Facts) -> Check {
    let new = |verdict, found| Check::new(Area::Statistics, "valid-indexes", verdict, found).commands(&["apply"]);
    if facts.invalid_indexes.is_empty() {
        return new(Verdict::Good, "no index was left invalid".to_owned());
    }
    let found = format!(
        "{} left invalid, which every write pays for and no query uses",
        plural(facts.invalid_indexes.len(), "index was", "indexes were")
    );
    let fix = facts.invalid_indexes.iter().take(LISTED).map(|index| format!("DROP INDEX CONCURRENTLY {index};"));
    new(Verdict::Limited, found).help("Make sure that nobody wants to finish them before they are dropped.").fix(fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_analysed_or_is_invalid_is_named() {
        let table = super::super::facts::TableFacts {
            schema: "public".to_owned(),
            name: "order".to_owned(),
            owner: "o".to_owned(),
            owner_superuser: false,
            readable: true,
            owned: true,
            unknown: true,
        };
        let facts = Facts { tables: vec![table], invalid_indexes: vec!["public.x".to_owned()], ..Facts::default() };
        let fixes: Vec<String> = check(&facts).into_iter().flat_map(|check| check.fix).collect();
        assert_eq!(fixes, ["ANALYZE public.\"order\";", "DROP INDEX CONCURRENTLY public.x;"]);
        assert!(check(&Facts::default()).iter().all(|check| check.verdict == Verdict::Good));
    }
}
