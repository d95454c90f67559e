//! `dbopt migrate`

use std::time::Duration;

use dbopt_migrate::Error;
use dbopt_pg::{Session, SessionProfile};

use super::{Context, connect};
use crate::{
    cli::{Connection, Migrate, MigrateArgs},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::migrate::MigrateView,
};

/// Says which migrations a database has, or applies those that it lacks.
pub(crate) fn run(context: &Context, command: &Migrate) -> Result<Exit, Failure> {
    match command {
        Migrate::Status(args) => status(context, args),
        Migrate::Up(args) => up(context, args),
    }
}

fn status(context: &Context, args: &MigrateArgs) -> Result<Exit, Failure> {
    let status = connect::block_on(async {
        let profile = SessionProfile { search_path: Some(Vec::new()), ..SessionProfile::reading() };
        let session = connect::open_as(context, &args.connection, &profile).await?;
        let status = connect::or_interrupted(context, dbopt_migrate::status(&session)).await?;
        status.map_err(|error| failure(error, &args.connection))
    })?;
    print(context, args, &MigrateView::new(&status, &[]))?;
    Ok(if status.is_current() { Exit::Done } else { Exit::Findings })
}

fn up(context: &Context, args: &MigrateArgs) -> Result<Exit, Failure> {
    let view = connect::block_on(async {
        let mut session = connect::open_as(context, &args.connection, &profile()).await?;
        let work = async {
            let applied = dbopt_migrate::up(&mut session).await?;
            Ok(MigrateView::new(&dbopt_migrate::status(&session).await?, &applied))
        };
        let view = connect::or_interrupted(context, work).await?.map_err(|error| failure(error, &args.connection))?;
        session.close().await;
        Ok(view)
    })?;
    print(context, args, &view)?;
    Ok(Exit::Done)
}

/// Migrations change dbopt's own tables only, so that nobody but another run of dbopt waits for their locks.
fn profile() -> SessionProfile {
    SessionProfile {
        read_only: false,
        lock_timeout: Some(Duration::from_secs(5)),
        idle_in_transaction_timeout: Some(Duration::from_secs(60)),
        search_path: Some(Vec::new()),
        ..SessionProfile::default()
    }
}

fn print(context: &Context, args: &MigrateArgs, view: &MigrateView) -> Result<(), Failure> {
    output::report(&context.global, args.format, None, view, document::migrate::document)
}

/// Asks for dbopt's schema up to a migration, for commands that use its tables.
pub(crate) async fn require(session: &Session, number: u32, connection: &Connection) -> Result<(), Failure> {
    dbopt_migrate::require(session, number).await.map_err(|error| failure(error, connection))
}

/// The failure of a migration, or of looking for one.
pub(crate) fn failure(error: Error, connection: &Connection) -> Failure {
    let exit = match &error {
        Error::Session(dbopt_pg::Error::PermissionDenied { .. } | dbopt_pg::Error::Settings(_)) => Exit::Usage,
        Error::Session(_) => Exit::Connection,
        Error::Failed { source: dbopt_pg::Error::ConnectionLost { .. }, .. } => Exit::Connection,
        Error::Busy => Exit::Locked,
        _ => Exit::Usage,
    };
    let failure = Failure::new(exit, error.to_string());
    match error.hint(&connection.to_paste()) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
