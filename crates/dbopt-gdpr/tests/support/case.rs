//! A person of a migrated database, and who erases them.

use dbopt_crypto::{Key, KeyId, Pseudonymizer};
use dbopt_gdpr::{Approval, EraseError, Erased, Erasure, GdprPolicy, Graph, PersonKey, Plan};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::{Cluster, Database};
use tokio_postgres::Client;

use super::{graph, policy};

const AS_OF: &str = "2026-01-01T00:00:00Z";

/// A database with tables, dbopt's own among them.
pub(crate) async fn migrated<'a>(cluster: &'a Cluster, schema: &str) -> Database<'a> {
    let database = cluster.database();
    let conn_string = database.conn_string();
    let args = ConnectArgs { database: Some(&conn_string), ..Default::default() };
    let settings = Settings::resolve(&args, &Environment::default()).expect("the settings are good");
    let mut session = Session::connect(&settings, &SessionProfile::default()).await.expect("a session");
    dbopt_migrate::up(&mut session).await.expect("it migrates");
    session.close().await;
    database.execute(schema);
    database
}

/// Who erases whom, and by what.
pub(crate) struct Case {
    pub(crate) graph: Graph,
    pub(crate) policy: GdprPolicy,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) key: Vec<String>,
    pub(crate) keys: Vec<PersonKey>,
}

impl Case {
    pub(crate) async fn new(client: &Client, body: &str, key: &str) -> Self {
        let policy = policy(body);
        let secret = Key::new((0..32).collect()).expect("long enough");
        let pseudonyms = Pseudonymizer::new(KeyId::new("test").expect("a name"), &secret);
        Self { graph: graph(client, &policy).await, policy, pseudonyms, key: vec![key.to_owned()], keys: Vec::new() }
    }

    pub(crate) fn erasure(&self) -> Erasure<'_> {
        Erasure {
            graph: &self.graph,
            policy: &self.policy,
            pseudonyms: &self.pseudonyms,
            subject: self.policy.subject(None).expect("there is one"),
            key: &self.key,
            keys: &self.keys,
        }
    }

    pub(crate) async fn plan(&self, client: &mut Client) -> Result<Plan, dbopt_gdpr::Error> {
        let transaction = client.transaction().await.expect("a transaction");
        let planned = self.erasure().plan(&transaction, AS_OF.parse().expect("a time")).await;
        transaction.rollback().await.expect("it ends");
        planned.map(|(_, plan)| plan)
    }

    pub(crate) async fn approval(&self, client: &mut Client) -> Approval {
        let plan = self.plan(client).await.expect("planned");
        self.erasure().approval(&plan)
    }

    pub(crate) async fn erase(&self, client: &mut Client) -> Result<Erased, EraseError> {
        let approval = self.approval(client).await;
        self.erasure().erase(client, &approval).await
    }
}
