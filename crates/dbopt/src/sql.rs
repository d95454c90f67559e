//! Advice as SQL scripts: one that does it, one that takes it back.

use std::fmt::Write;

use dbopt_report::number;

use crate::view::advise::AdviceView;

/// The script that does what the advice says, for psql; the script that takes it back stands at its end as a comment.
pub(crate) fn script(advice: &AdviceView) -> String {
    let mut script = header("Index advice", advice);
    for create in &advice.create {
        let queries = number::plural(create.queries.len(), "query", "queries");
        let share = create.time_share.map(|share| format!(" with {} of the logged time", number::share(share)));
        let _ = writeln!(
            script,
            "\n-- Helps {queries}{}; about {}; confidence {}.",
            share.unwrap_or_default(),
            number::bytes(create.bytes),
            create.confidence
        );
        for sql in &create.sql {
            let _ = writeln!(script, "{sql}");
        }
    }
    for drop in &advice.drop {
        let _ = writeln!(script, "\n-- {}: {}; confidence {}.", drop.reason, comment(&drop.why), drop.confidence);
        for note in &drop.notes {
            let _ = writeln!(script, "-- {}", comment(note));
        }
        let _ = writeln!(script, "{}", drop.sql);
    }
    for index in &advice.unproven {
        let _ = writeln!(script, "\n-- Not proven: {}.\n-- {}", comment(&index.why), index.sql);
    }
    script.push_str("\n-- To take it back:\n");
    for line in undo(advice) {
        let _ = writeln!(script, "-- {}", comment(&line));
    }
    script
}

/// The script that takes the advice back.
pub(crate) fn rollback(advice: &AdviceView) -> String {
    let mut script = header("Takes index advice back", advice);
    script.push('\n');
    for line in undo(advice) {
        let _ = writeln!(script, "{line}");
    }
    script
}

/// Dropped indexes are made again before created ones are dropped, so that no query is without an index in between.
fn undo(advice: &AdviceView) -> Vec<String> {
    let again = advice.drop.iter().map(|drop| drop.rollback.clone());
    again.chain(advice.create.iter().rev().flat_map(|create| create.rollback.clone())).collect()
}

fn header(what: &str, advice: &AdviceView) -> String {
    let database = advice.catalogue.database.as_deref().unwrap_or("the given schema");
    let mut header = format!("-- {what} for {}, by dbopt {}.\n", comment(database), env!("CARGO_PKG_VERSION"));
    header.push_str(
        "-- For psql. Each statement runs by itself: CREATE INDEX CONCURRENTLY refuses a transaction block.\n",
    );
    header.push_str(
        "-- The first error ends the script, so that no index is dropped whose replacement could not be built.\n",
    );
    header.push_str("\\set ON_ERROR_STOP on\n");
    if advice.create.is_empty() && advice.drop.is_empty() {
        header.push_str("-- There is nothing to do.\n");
    }
    header
}

/// Text within a comment line: a line end would end the comment.
fn comment(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
