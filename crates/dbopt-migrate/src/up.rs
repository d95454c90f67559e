//! Applying migrations.

use dbopt_pg::Session;
use tokio_postgres::{Client, Transaction};

use crate::error::Error;
use crate::migration::{MIGRATIONS, Migration};
use crate::state::{self, Found, Schema, quoted};
use crate::status::{State, Status};

/// The key of the advisory lock that a migration holds: the ASCII letters `dbopt-mg`.
pub const ADVISORY_LOCK: i64 = i64::from_be_bytes(*b"dbopt-mg");

/// Brings the schema up to date and returns what was applied now: nothing, when it was up to date.
///
/// Each migration is a transaction of its own, which takes an advisory lock and looks at the state of things before
/// it begins. The lock ends with the transaction, so it holds behind a pooler as well.
///
/// # Errors
/// When another program is migrating, a migration differs or is unknown here, the schema is somebody else's, the role
/// may not create, or a statement fails.
pub async fn up(session: &mut Session) -> Result<Vec<Migration>, Error> {
    apply_all(session, MIGRATIONS).await
}

async fn apply_all(session: &mut Session, migrations: &[Migration]) -> Result<Vec<Migration>, Error> {
    if session.in_recovery() {
        return Err(Error::Standby);
    }
    let mut applied = Vec::new();
    for migration in migrations {
        let step = apply(session.client_mut(), migrations, migration).await;
        match step.map_err(|error| session.error(error))? {
            Ok(true) => applied.push(*migration),
            Ok(false) => {}
            Err(Refusal::Known(error)) => return Err(error),
            Err(Refusal::Statement(source)) => {
                let (number, name) = (migration.number, migration.name.to_owned());
                return Err(Error::Failed { number, name, source: session.error(source) });
            }
        }
    }
    Ok(applied)
}

/// Why a migration was not applied, though the session works.
enum Refusal {
    Known(Error),
    /// A statement of the migration failed.
    Statement(tokio_postgres::Error),
}

/// Applies a migration unless it was applied before. The lock is free again when this returns.
async fn apply(
    client: &mut Client,
    migrations: &[Migration],
    migration: &Migration,
) -> Result<Result<bool, Refusal>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let applied = apply_in(&transaction, migrations, migration).await?;
    match applied {
        Ok(true) => transaction.commit().await?,
        Ok(false) | Err(_) => transaction.rollback().await?,
    }
    Ok(applied)
}

async fn apply_in(
    transaction: &Transaction<'_>,
    migrations: &[Migration],
    migration: &Migration,
) -> Result<Result<bool, Refusal>, tokio_postgres::Error> {
    // Names in migrations are qualified; this keeps what is not, such as operators, from being looked up elsewhere.
    transaction.batch_execute("SET LOCAL search_path = pg_catalog, pg_temp").await?;
    let locked = transaction.query_one("SELECT pg_try_advisory_xact_lock($1)", &[&ADVISORY_LOCK]).await?;
    if !locked.try_get::<_, bool>(0)? {
        return Ok(Err(Refusal::Known(Error::Busy)));
    }
    let found = match state::find(transaction).await? {
        Ok(found) => found,
        Err(error) => return Ok(Err(Refusal::Known(error))),
    };
    let status = Status::compare(migrations, &found);
    if let Some(obstacle) = status.obstacle() {
        return Ok(Err(Refusal::Known(obstacle)));
    }
    if status.steps.iter().any(|step| step.number == migration.number && step.state == State::Applied) {
        return Ok(Ok(false));
    }
    match &found {
        Found::Nothing => {
            if let Some(error) = cannot_create_schema(transaction).await? {
                return Ok(Err(Refusal::Known(error)));
            }
            transaction.batch_execute("CREATE SCHEMA dbopt").await?;
        }
        Found::Empty(schema) | Found::Own(schema, _) => {
            if let Some(error) = cannot_use(transaction, schema).await? {
                return Ok(Err(Refusal::Known(error)));
            }
        }
    }
    if let Err(error) = transaction.batch_execute(migration.sql).await {
        return Ok(Err(Refusal::Statement(error)));
    }
    let insert = "INSERT INTO dbopt.migration (number, name, checksum, program) VALUES ($1, $2, $3, $4)";
    let number = i32::try_from(migration.number).unwrap_or(i32::MAX);
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&number, &migration.name, &migration.checksum(), &env!("CARGO_PKG_VERSION")];
    if let Err(error) = transaction.execute(insert, &parameters).await {
        return Ok(Err(Refusal::Statement(error)));
    }
    Ok(Ok(true))
}

/// Why this role cannot create a schema, if it cannot.
async fn cannot_create_schema(transaction: &Transaction<'_>) -> Result<Option<Error>, tokio_postgres::Error> {
    let sql =
        "SELECT current_user::text, current_database()::text, has_database_privilege(current_database(), 'CREATE')";
    let row = transaction.query_one(sql, &[]).await?;
    let (role, database): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    if row.try_get(2)? {
        return Ok(None);
    }
    let grant = format!("GRANT CREATE ON DATABASE {} TO {};", quoted(&database), quoted(&role));
    Ok(Some(Error::Forbidden { role, action: "create a schema in this database", grant }))
}

/// Why this role cannot or should not create in the schema, if so.
async fn cannot_use(transaction: &Transaction<'_>, schema: &Schema) -> Result<Option<Error>, tokio_postgres::Error> {
    if !schema.is_trusted {
        let owner = &schema.owner;
        return Ok(Some(Error::Untrusted {
            reason: format!("it belongs to `{owner}`, who could replace what this role creates in it"),
            advice: format!(
                "connect as `{owner}` to migrate; when nobody answers for `{owner}`, rename the schema and migrate anew"
            ),
        }));
    }
    if schema.is_writable {
        return Ok(None);
    }
    let role: String = transaction.query_one("SELECT current_user::text", &[]).await?.try_get(0)?;
    let grant = format!("GRANT CREATE, USAGE ON SCHEMA dbopt TO {};", quoted(&role));
    Ok(Some(Error::Forbidden { role, action: "create in the schema `dbopt`", grant }))
}

#[cfg(test)]
mod tests {
    use dbopt_pg::{ConnectArgs, Environment, SessionProfile, Settings};
    use dbopt_testkit::Cluster;

    use super::*;

    const BROKEN: Migration =
        Migration { number: 2, name: "broken", sql: "CREATE TABLE dbopt.half (a int); SELECT 1 / 0;" };

    #[tokio::test]
    async fn a_migration_that_fails_leaves_nothing_and_keeps_those_before_it() {
        let database = Cluster::shared().database();
        let args = ConnectArgs { database: Some(&database.conn_string()), ..Default::default() };
        let settings = Settings::resolve(&args, &Environment::default()).expect("the settings are good");
        let mut session = Session::connect(&settings, &SessionProfile::default()).await.expect("a session");
        let error = apply_all(&mut session, &[MIGRATIONS[0], BROKEN]).await.expect_err("it divides by zero");
        assert_eq!(error.to_string(), "migration 2 (`broken`) failed and was rolled back: division by zero");
        assert_eq!(database.value("SELECT string_agg(number::text, ',') FROM dbopt.migration"), "1");
        assert_eq!(database.value("SELECT to_regclass('dbopt.half') IS NULL"), "t");
    }
}
