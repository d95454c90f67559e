//! A session, and facts of a database.

#![allow(dead_code, reason = "each test program uses a part of it")]

use dbopt_maintain::{Facts, IndexFacts, TableFacts};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::Database;

/// A session as the superuser, or as another role.
pub(crate) async fn session(database: &Database<'_>, role: Option<&str>) -> Session {
    let text = database.conn_string();
    let text = role.map_or(text.clone(), |role| text.replace("user=postgres", &format!("user={role}")));
    let args = ConnectArgs { database: Some(&text), ..Default::default() };
    let settings = Settings::resolve(&args, &Environment::default()).expect("the settings are good");
    Session::connect(&settings, &SessionProfile::reading()).await.expect("a session")
}

pub(crate) async fn facts(database: &Database<'_>) -> Facts {
    Facts::load(&mut session(database, None).await).await.expect("facts")
}

pub(crate) fn table<'a>(facts: &'a Facts, name: &str) -> &'a TableFacts {
    facts.tables.iter().find(|table| table.table.name == name).expect("the table is there")
}

pub(crate) fn index<'a>(facts: &'a Facts, name: &str) -> &'a IndexFacts {
    facts.indexes.iter().find(|index| index.index.name == name).expect("the index is there")
}
