//! Where an erased value still is although no query returns it.
//!
//! A `DELETE` hides a row and removes nothing. `VACUUM` frees its room and leaves most of its bytes there, until other rows are written over
//! them; only a rewrite of the table makes new files. The write-ahead log, replicas and backups have copies of their own
//! (<https://www.postgresql.org/docs/current/routine-vacuuming.html>,
//! <https://www.postgresql.org/docs/current/wal-internals.html>). So nothing here is ever called physically erased: disks keep what file
//! systems have freed.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{
    Row, Transaction,
    types::{ToSql, Type},
};

use crate::{
    plan::materialised,
    policy::{GdprPolicy, TableName},
    walk::{Error, failed, guarded},
};

/// Something that may still hold an erased value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residue {
    /// What: a table as in SQL, a session, the log, the backups.
    pub place: String,
    /// How long it stays.
    pub stays: Stays,
    /// Why, as a sentence without full stop.
    pub why: String,
    /// A statement that mends it, where there is one. It may lock the table.
    pub mend: Option<String>,
}

/// How long a value stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stays {
    /// It is not there.
    Gone,
    /// Until VACUUM has been there; then most of it until the table is rewritten.
    UntilVacuum,
    /// It holds up VACUUM.
    HoldsVacuum,
    /// Until the table is rewritten or its free room is used again.
    NeedsRewrite,
    /// In the planner's statistics, until these are made anew.
    InStatistics,
    /// In the write-ahead log, until its files are used again.
    InWal,
    /// On a replica that is behind, or that keeps its own copy.
    OnReplica,
    /// In backups or the archive, until these are removed.
    InBackups,
    /// This role cannot see it, or nobody has said.
    Unknown,
}

impl Stays {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::UntilVacuum => "until vacuum",
            Self::HoldsVacuum => "holds up vacuum",
            Self::NeedsRewrite => "needs rewrite",
            Self::InStatistics => "in statistics",
            Self::InWal => "in wal",
            Self::OnReplica => "on replica",
            Self::InBackups => "in backups",
            Self::Unknown => "unknown",
        }
    }
}

/// What the server cannot know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidueOptions {
    /// When the erasure was committed.
    pub since: Timestamp,
    /// What time it is.
    pub now: Timestamp,
    /// How long backups and the archive of the log are kept.
    pub backups: Option<SignedDuration>,
}

/// Says where erased values may still be: in the tables that the policy has rows of persons in, and beyond them. It only reads.
///
/// # Errors
/// When a query fails.
pub async fn residue(
    transaction: &Transaction<'_>,
    policy: &GdprPolicy,
    options: ResidueOptions,
) -> Result<Vec<Residue>, Error> {
    let before = guarded(transaction).await?;
    let since = options.since.to_string();
    let mut residue = Vec::new();
    let mut roots = BTreeSet::new();
    for row in ask(transaction, TABLES, &since, "the tables").await? {
        let root = TableName::new(row.get::<_, String>("root_schema"), row.get::<_, String>("root_name"));
        if policy.table(&root).is_some_and(|rule| rule.class.is_followed()) {
            residue.push(of_table(&row));
            residue.extend(of_statistics(&row));
            roots.insert(root);
        }
    }
    let (schemas, names): (Vec<_>, Vec<_>) = roots.iter().map(|root| (&*root.schema, &*root.name)).unzip();
    residue.extend(materialised(transaction, &schemas, &names).await?.into_iter().map(of_view));
    for row in ask(transaction, HORIZON, &since, "old transactions").await? {
        residue.push(Residue {
            place: row.get("name"),
            stays: Stays::HoldsVacuum,
            why: row.get("why"),
            mend: row.get("mend"),
        });
    }
    let log = transaction.query_typed_one(LOG, &[]).await.map_err(|error| failed("the write-ahead log", &error))?;
    residue.push(of_log(transaction, &log, &since).await?);
    residue.extend(of_replicas(&log));
    residue.push(of_backups(log.get("archived"), options));
    before.restore(transaction).await?;
    Ok(residue)
}

async fn ask(transaction: &Transaction<'_>, sql: &str, since: &String, what: &str) -> Result<Vec<Row>, Error> {
    // The server reads the text as a time; `$1` has the type where it is used.
    let sql = sql.replace("$1", "$1::text::timestamptz");
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(since, Type::TEXT)];
    transaction.query_typed(&sql, &parameters).await.map_err(|error| failed(what, &error))
}

fn of_table(row: &Row) -> Residue {
    let table = TableName::new(row.get::<_, String>("schema"), row.get::<_, String>("name"));
    let (bytes, dead, changes): (i64, i64, i64) = (row.get("bytes"), row.get("dead"), row.get("changes"));
    let (vacuumed, forgotten): (bool, bool) = (row.get("vacuumed"), row.get("forgotten"));
    let (stays, why, mend) = if bytes == 0 {
        (Stays::Gone, "it has no pages".to_owned(), None)
    } else if changes == 0 && !forgotten {
        (Stays::Gone, "no row of it was ever deleted or changed, as far as the server has counted".to_owned(), None)
    } else if vacuumed && dead == 0 {
        let why = "VACUUM has freed the room, and bytes stay in it until other rows are written there";
        (Stays::NeedsRewrite, why.to_owned(), Some(format!("VACUUM (FULL, ANALYZE) {table};")))
    } else {
        let why = match (vacuumed, dead) {
            (true, dead) => format!("VACUUM has been there since, and {dead} dead rows are left"),
            (false, dead) => format!("no VACUUM has ended since the erasure, and about {dead} dead rows are there"),
        };
        (Stays::UntilVacuum, why, Some(format!("VACUUM (INDEX_CLEANUP on, ANALYZE) {table};")))
    };
    Residue { place: table.to_string(), stays, why, mend }
}

/// A materialised view has rows of its own, and the server keeps no time of its last refresh.
fn of_view(view: String) -> Residue {
    Residue {
        place: format!("materialised view {view}"),
        stays: Stays::Unknown,
        why: "it shows rows as they were when it was last refreshed, and nothing says when that was".to_owned(),
        mend: Some(format!("REFRESH MATERIALIZED VIEW {view};")),
    }
}

/// Statistics are of the rows as they were. ANALYZE of a table without rows leaves them as they are, and changing a column's type to its
/// own removes them without writing the table anew.
fn of_statistics(row: &Row) -> Option<Residue> {
    let table = TableName::new(row.get::<_, String>("schema"), row.get::<_, String>("name"));
    let columns: Vec<String> = row.get("columns");
    let (bytes, changes): (i64, i64) = (row.get("bytes"), row.get("changes"));
    let (analysed, forgotten): (bool, bool) = (row.get("analysed"), row.get("forgotten"));
    if columns.is_empty() || (changes == 0 && !forgotten) || (analysed && bytes > 0) {
        return None;
    }
    let (why, mend) = if bytes == 0 {
        (
            "the table is empty, and ANALYZE keeps the statistics of an empty table",
            format!("ALTER TABLE {table} {};", columns.join(", ")),
        )
    } else {
        ("no ANALYZE has ended since the erasure", format!("ANALYZE {table};"))
    };
    let place = format!("statistics of {table}");
    Some(Residue { place, stays: Stays::InStatistics, why: why.to_owned(), mend: Some(mend) })
}

async fn of_log(transaction: &Transaction<'_>, row: &Row, since: &String) -> Result<Residue, Error> {
    let place = "write-ahead log".to_owned();
    if !row.get::<_, bool>("visible") {
        let mend = Some("GRANT pg_monitor TO CURRENT_USER;".to_owned());
        return Ok(Residue { place, stays: Stays::Unknown, why: "this role may not see its files".to_owned(), mend });
    }
    let files = ask(transaction, FILES, since, "the files of the write-ahead log").await?;
    let (old, oldest) = files.first().map_or((0, None), |row| (row.get::<_, i64>(0), row.get::<_, Option<String>>(1)));
    let slots: Vec<String> = row.get("slots");
    let held = if slots.is_empty() { String::new() } else { format!("; held by the slots {}", slots.join(", ")) };
    let (stays, why) = match oldest {
        // The one that was being written goes on to be written after the erasure, and a file says only when it was last written.
        Some(oldest) if old == 0 => {
            let why = format!(
                "all its files were written since the erasure, the oldest last at {oldest}; nothing says whether it was begun before{held}"
            );
            (Stays::Unknown, why)
        }
        _ => (
            Stays::InWal,
            format!("{old} of its files are of before the erasure or of it, until they are used again{held}"),
        ),
    };
    Ok(Residue { place, stays, why, mend: None })
}

fn of_replicas(row: &Row) -> Vec<Residue> {
    let (replicas, behind): (i64, i64) = (row.get("replicas"), row.get("behind"));
    let mut residue = Vec::new();
    if behind > 0 {
        let why = format!("{behind} of {replicas} have not replayed all of the log");
        residue.push(Residue { place: "replicas".to_owned(), stays: Stays::OnReplica, why, mend: None });
    }
    if row.get("logical") {
        let why = "subscribers of logical replication keep their own tables, statistics and backups".to_owned();
        residue.push(Residue { place: "logical replicas".to_owned(), stays: Stays::OnReplica, why, mend: None });
    }
    residue
}

fn of_backups(archived: bool, options: ResidueOptions) -> Residue {
    let place = if archived { "backups and archived log" } else { "backups" }.to_owned();
    match options.backups.map(|kept| options.since.checked_add(kept)) {
        Some(Ok(until)) if until <= options.now => {
            let why = format!("none is kept beyond {until}, as was said");
            Residue { place, stays: Stays::Gone, why, mend: None }
        }
        Some(Ok(until)) => {
            let why = format!(
                "those of before the erasure are kept until {until}, as was said; after a restore, erase again"
            );
            Residue { place, stays: Stays::InBackups, why, mend: None }
        }
        _ => {
            let why = "nobody has said how long they are kept".to_owned();
            Residue { place, stays: Stays::Unknown, why, mend: None }
        }
    }
}

const TABLES: &str = include_str!("queries/tables.sql");
const HORIZON: &str = include_str!("queries/horizon.sql");
const LOG: &str = include_str!("queries/log.sql");

/// Files of the log that were last written before the erasure, and when the oldest of the others was last written.
const FILES: &str = "SELECT count(*) FILTER (WHERE f.modification <= $1), \
    to_char(min(f.modification) FILTER (WHERE f.modification > $1) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
    FROM pg_ls_waldir() f";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_stay_as_long_as_they_are_kept() {
        let since: Timestamp = "2026-03-01T00:00:00Z".parse().expect("a time");
        let check = |now: &str, days: Option<i64>| {
            let now = now.parse().expect("a time");
            let backups = days.map(|days| SignedDuration::from_hours(days * 24));
            of_backups(true, ResidueOptions { since, now, backups }).stays
        };
        assert_eq!(check("2026-03-30T00:00:00Z", Some(30)), Stays::InBackups);
        assert_eq!(check("2026-03-31T00:00:00Z", Some(30)), Stays::Gone);
        assert_eq!(check("2026-03-31T00:00:00Z", Some(i64::MAX / 86_400)), Stays::Unknown);
        assert_eq!(check("2036-03-31T00:00:00Z", None), Stays::Unknown);
    }
}
