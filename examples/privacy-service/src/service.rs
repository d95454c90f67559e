//! What the service does for its clients.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use dbopt_catalog::live::{self, ReadOptions};
use dbopt_crypto::Pseudonymizer;
use dbopt_finding::Severity;
use dbopt_gdpr::{Approval, Erasure, GdprPolicy, Graph, SubjectRule};
use deadpool_postgres::{Object, Pool};
use serde::Serialize;
use tokio_postgres::{Client, IsolationLevel};

use crate::{export, failure::Failure};

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) pool: Pool,
    pub(crate) policy: Arc<GdprPolicy>,
    pseudonyms: Arc<Pseudonymizer>,
}

pub(crate) fn router(pool: Pool, policy: GdprPolicy) -> anyhow::Result<Router> {
    let pseudonyms = Arc::new(policy.pseudonymizer()?);
    Ok(Router::new()
        .route("/customers/{id}/data", post(export::data))
        .route("/customers/{id}/erasure", get(plan).post(erase))
        .with_state(Service { pool, policy: Arc::new(policy), pseudonyms }))
}

impl Service {
    /// The tables as they are now: one that was added since the last request must not be missed.
    pub(crate) async fn graph(&self, client: &Client) -> Result<Graph, Failure> {
        let (catalog, _) = live::read(client, &ReadOptions::default()).await?;
        let graph = Graph::new(catalog, &self.policy);
        match graph.uncovered(&self.policy).into_iter().find(|finding| finding.severity == Severity::Error) {
            Some(finding) => Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, finding.to_string())),
            None => Ok(graph),
        }
    }

    pub(crate) fn subject(&self) -> Result<&SubjectRule, Failure> {
        self.policy
            .subject(Some("customer"))
            .ok_or_else(|| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the policy has no subject `customer`"))
    }

    pub(crate) fn erasure<'a>(&'a self, graph: &'a Graph, key: &'a [String]) -> Result<Erasure<'a>, Failure> {
        let subject = self.subject()?;
        Ok(Erasure { graph, policy: &self.policy, pseudonyms: &self.pseudonyms, subject, key, keys: &[] })
    }
}

#[derive(Serialize)]
struct Planned {
    deleted: u64,
    changed: u64,
    refused: bool,
    approval: String,
    told: Vec<String>,
}

/// What an erasure would do. Nothing is changed.
async fn plan(State(service): State<Service>, Path(id): Path<String>) -> Result<Json<Planned>, Failure> {
    let mut client = service.pool.get().await?;
    let graph = service.graph(&client).await?;
    let key = [id];
    let erasure = service.erasure(&graph, &key)?;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await?;
    let as_of = dbopt_gdpr::export::now(&transaction).await?;
    let (_, plan) = erasure.plan(&transaction, as_of).await?;
    transaction.rollback().await?;
    Ok(Json(Planned {
        deleted: plan.deleted(),
        changed: plan.changed(),
        refused: plan.is_refused(),
        approval: erasure.approval(&plan).to_string(),
        told: plan.findings.iter().map(ToString::to_string).collect(),
    }))
}

#[derive(Serialize)]
struct Done {
    record: u64,
    deleted: u64,
    changed: u64,
    was_done: bool,
}

/// Does what was approved, once.
async fn erase(
    State(service): State<Service>,
    Path(id): Path<String>,
    approval: String,
) -> Result<Json<Done>, Failure> {
    let approval: Approval = approval.trim().parse().map_err(|error| Failure::new(StatusCode::BAD_REQUEST, error))?;
    // Taken out of the pool: a client that goes away ends this in the middle, and the session with its lock must not be given to others.
    let mut client = Object::take(service.pool.get().await?);
    let graph = service.graph(&client).await?;
    let key = [id];
    let erased = service.erasure(&graph, &key)?.erase(&mut client, &approval).await?;
    Ok(Json(Done {
        record: erased.record,
        deleted: erased.deleted,
        changed: erased.changed,
        was_done: erased.was_done,
    }))
}
