//! What a plan is made from, read from a database.

use std::collections::BTreeMap;

use dbopt_maintain::{
    Error, Estimates, Facts, MaintenancePolicy, Sampling, TableFacts, TableRef, estimate,
    plan::{Basis, Expired, History, Plan, expired, foresee},
};
use dbopt_pg::{Session, SessionProfile};

use crate::{
    cli::Connection,
    commands::{Context, connect},
    exit::Exit,
    failure::Failure,
};

/// What makes a plan: of all that is due, or of a part of it.
pub(crate) type Planner = fn(&Basis<'_>) -> Plan;

/// What a plan is made from.
pub(crate) struct Gathered {
    pub(super) facts: Facts,
    pub(super) estimates: Estimates,
    pub(super) expired: Vec<Expired>,
    pub(super) history: History,
    /// What a run would refuse, by the table's identity, where that was looked at.
    pub(super) refused: BTreeMap<u32, String>,
    planner: Planner,
}

impl Gathered {
    /// Reads it.
    pub(crate) async fn read(
        session: &mut Session,
        policy: &MaintenancePolicy,
        planner: Planner,
    ) -> Result<Self, Error> {
        let facts = Facts::load(session).await?;
        // Of what is left out, nothing but wraparound matters.
        let wanted = |table: &TableFacts| {
            let TableRef { schema, name, .. } = &table.table;
            policy.reindex.enabled && !table.is_system && !table.is_temp && policy.scope.contains(schema, name)
        };
        let sampling = Sampling { exact: policy.exact_bloat, ..Sampling::default() };
        let estimates = estimate(session, &facts, wanted, &sampling).await?;
        let expired = expired(session, &facts, policy).await?;
        let history = History::load(session).await?;
        Ok(Self { facts, estimates, expired, history, refused: BTreeMap::new(), planner })
    }

    /// The plan that it makes, with what a run would refuse of it.
    pub(crate) async fn foreseen(
        &mut self,
        session: &Session,
        policy: &MaintenancePolicy,
    ) -> Result<Plan, dbopt_run::Error> {
        self.refused = foresee(session, &self.plan(policy)).await?;
        Ok(self.plan(policy))
    }

    /// The plan that it makes.
    pub(super) fn plan(&self, policy: &MaintenancePolicy) -> Plan {
        let Self { facts, estimates, expired, history, refused, planner } = self;
        planner(&Basis { facts, estimates, expired, policy, history, refused })
    }
}

/// Opens a session that only reads, and looks names up nowhere.
pub(crate) async fn open(context: &Context, connection: &Connection) -> Result<Session, Failure> {
    let profile = SessionProfile { search_path: Some(Vec::new()), ..SessionProfile::reading() };
    connect::open_as(context, connection, &profile).await
}

/// The failure of reading.
pub(crate) fn failure(error: Error) -> Failure {
    match error {
        Error::Session(error) => connect::failure(error),
        other => Failure::new(Exit::Internal, other.to_string()),
    }
}
