//! What the tests against real servers share.

use dbopt_pg::{ConnectArgs, Environment, Error, Session, SessionProfile, Settings};

/// Settings from a connection string and variables alone.
pub(crate) fn settings(database: &str, variables: &[(&str, &str)]) -> Settings {
    let args = ConnectArgs { database: Some(database), ..ConnectArgs::default() };
    Settings::resolve(&args, &Environment::new(variables.iter().copied(), "postgres")).expect("valid settings")
}

/// Opens a session without a profile.
pub(crate) async fn open(database: &str, variables: &[(&str, &str)]) -> Result<Session, Error> {
    Session::connect(&settings(database, variables), &SessionProfile::default()).await
}
