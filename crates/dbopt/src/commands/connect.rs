//! A session from the connection flags.

use std::{future::Future, time::Duration};

use dbopt_finding::Finding;
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};

use super::Context;
use crate::{cli::Connection, exit::Exit, failure::Failure};

impl Connection {
    /// Whether any flag names a server or a database.
    pub(crate) fn is_given(&self) -> bool {
        self.dbname.is_some() || self.host.is_some() || self.port.is_some() || self.username.is_some()
    }

    /// The target as a command line names it, without a password.
    pub(crate) fn to_paste(&self) -> String {
        let Some(dbname) = &self.dbname else { return "DB".to_owned() };
        let shown = dbopt_pg::redact(dbname);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@".contains(c);
        if shown.chars().all(is_plain) { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
    }
}

/// Opens a read-only session.
pub(crate) async fn open(context: &Context, connection: &Connection) -> Result<Session, Failure> {
    open_as(context, connection, &SessionProfile::reading()).await
}

/// Opens a session with a profile.
pub(crate) async fn open_as(
    context: &Context,
    connection: &Connection,
    profile: &SessionProfile,
) -> Result<Session, Failure> {
    let settings = settings(context, connection)?;
    or_interrupted(context, Session::connect(&settings, profile)).await?.map_err(failure)
}

/// Opens a session for something long that must not be left half way: a cut network is noticed on both sides within half a minute,
/// whatever is being waited for. The TCP settings do nothing on a socket.
pub(crate) async fn open_noticing_cuts(
    context: &Context,
    connection: &Connection,
    profile: &SessionProfile,
) -> Result<Session, Failure> {
    const SERVER: &str = "SET client_connection_check_interval = '1s'; SET tcp_keepalives_idle = 10; \
         SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET tcp_user_timeout = '30s'";
    let settings = settings(context, connection)?.noticing_cuts(Duration::from_secs(30));
    let session = or_interrupted(context, Session::connect(&settings, profile)).await?.map_err(failure)?;
    session.batch(SERVER).await.map_err(failure)?;
    Ok(session)
}

/// The settings that the flags and the environment make.
pub(crate) fn settings(context: &Context, connection: &Connection) -> Result<Settings, Failure> {
    let args = ConnectArgs {
        database: connection.dbname.as_deref(),
        host: connection.host.as_deref(),
        port: connection.port.as_deref(),
        user: connection.username.as_deref(),
        password: None,
    };
    let settings = Settings::resolve(&args, &Environment::of_process()).map_err(|error| {
        let hint = error.hint_text().map(str::to_owned);
        let failure = Failure::usage(error.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let notices: Vec<Finding> = settings
        .notices()
        .iter()
        .map(|notice| {
            let finding = Finding::warning("connection-setting", notice.message.clone());
            match &notice.hint {
                Some(hint) => finding.help(hint.clone()),
                None => finding,
            }
        })
        .collect();
    context.stderr.findings(&notices);
    Ok(settings)
}

/// The failure of a session.
pub(crate) fn failure(error: dbopt_pg::Error) -> Failure {
    let exit = if matches!(error, dbopt_pg::Error::Settings(_)) { Exit::Usage } else { Exit::Connection };
    let failure = Failure::new(exit, error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Waits for a future, or for the interrupt.
pub(crate) async fn or_interrupted<T>(context: &Context, future: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        value = future => Ok(value),
        () = context.interrupt.wait() => Err(Failure::new(Exit::Interrupted, "interrupted before there was an answer")),
    }
}

/// Runs a future on a runtime of this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("could not start the runtime: {error}")))?;
    runtime.block_on(future)
}
