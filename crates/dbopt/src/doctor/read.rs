//! Reads [`Facts`] from a session, by plain SELECTs.

use dbopt_pg::{Error, Session};
use dbopt_run::FreeSpace;
use tokio_postgres::Row;

use super::{
    facts::{Facts, Replica, Slot, TableFacts},
    logging,
};

/// What a database lets its user see.
///
/// # Errors
/// When the connection is lost, or the server refuses what it shows to everybody.
pub(crate) async fn read(session: &Session) -> Result<Facts, Error> {
    let mut facts = Facts {
        version: session.server_version_num(),
        standby: session.in_recovery(),
        server: session.server().to_owned(),
        encrypted: session.is_encrypted(),
        ..Facts::default()
    };
    if let Some(row) = session.query(include_str!("queries/session.sql"), &[]).await?.first() {
        facts.user = row.get(0);
        facts.database = row.get(1);
        facts.superuser = row.get(2);
        facts.may_create = row.get(3);
        facts.roles = row.get::<_, Option<Vec<String>>>(4).unwrap_or_default().into_iter().collect();
        facts.bytes = row.get::<_, i64>(5) as f64;
    }
    let settings = session.query(include_str!("queries/settings.sql"), &[&logging::SETTINGS]).await?;
    facts.settings = settings.iter().map(|row| (row.get(0), row.get(1))).collect();
    let extensions = session.query(include_str!("queries/extensions.sql"), &[]).await?;
    facts.extensions = extensions.iter().map(|row| (row.get(0), row.get(1))).collect();
    facts.tables = session.query(include_str!("queries/tables.sql"), &[]).await?.iter().map(table).collect();
    facts.replicas = session.query(include_str!("queries/replicas.sql"), &[]).await?.iter().map(replica).collect();
    facts.slots = session.query(include_str!("queries/slots.sql"), &[]).await?.iter().map(slot).collect();
    let open = session.query(include_str!("queries/horizon.sql"), &[]).await?;
    facts.open = open.iter().map(|row| (row.get(0), row.get(1))).collect();
    let invalid = session.query(include_str!("queries/invalid.sql"), &[]).await?;
    facts.invalid_indexes = invalid.iter().map(|row| row.get(0)).collect();
    match dbopt_migrate::status(session).await {
        Ok(status) => facts.own_schema = Some(status),
        Err(dbopt_migrate::Error::Session(error @ Error::ConnectionLost { .. })) => return Err(error),
        Err(error @ dbopt_migrate::Error::Untrusted { .. }) => {
            let hint = error.hint(&facts.database).unwrap_or_default();
            facts.own_distrusted = Some((error.to_string(), hint));
        }
        // A user without rights to it has none to tell.
        Err(_) => {}
    }
    let missing = session.query(include_str!("queries/grants.sql"), &[]).await?;
    facts.own_missing = missing.iter().map(|row| (row.get(0), row.get(1))).collect();
    facts.free_bytes = FreeSpace::look(session).await?.map(|space| space.bytes as f64);
    Ok(facts)
}

fn table(row: &Row) -> TableFacts {
    TableFacts {
        schema: row.get(0),
        name: row.get(1),
        owner: row.get(2),
        owner_superuser: row.get(3),
        readable: row.get(4),
        owned: row.get(5),
        unknown: row.get(6),
    }
}

fn replica(row: &Row) -> Replica {
    Replica { name: row.get(0), state: row.get(1), lag_bytes: row.get(2) }
}

fn slot(row: &Row) -> Slot {
    Slot { name: row.get(0), active: row.get(1), wal_status: row.get(2) }
}
