//! A customer's data as a package that only the recipient can open.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use dbopt_audit::{Entry, actor, append_in};
use dbopt_gdpr::export::{Archive, Article, Lock, Options, now, write};
use serde_json::{Map, json};
use tokio_postgres::{Client, IsolationLevel};
use tokio_util::io::ReaderStream;

use crate::{failure::Failure, service::Service};

/// Writes the package to a file without a name, records that, and sends it. `recipient` is what `age-keygen` prints as the public key.
pub(crate) async fn data(
    State(service): State<Service>,
    Path(id): Path<String>,
    recipient: String,
) -> Result<impl IntoResponse, Failure> {
    let lock = Lock::recipients(&recipient).map_err(|error| Failure::new(StatusCode::BAD_REQUEST, error))?;
    let mut session = service.pool.get().await?;
    let client: &mut Client = &mut session;
    let graph = service.graph(client).await?;
    let subject = service.subject()?;
    let key = [id];
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await?;
    let as_of = now(&transaction).await?;
    let folder = std::env::temp_dir();
    let options = Options { as_of, article: Article::Access, scratch: &folder, opener: None };
    let mut archive = Archive::new(lock.seal(tempfile::tempfile_in(&folder)?)?, as_of);
    let manifest = write(&transaction, (&graph, &service.policy), (subject, &key), &options, &mut archive).await?;
    transaction.rollback().await?;
    let mut file = archive.finish()?.finish()?;

    // Nothing leaves that is not recorded.
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    let details =
        Map::from_iter([("rows".to_owned(), json!(rows)), ("missing".to_owned(), json!(manifest.missing.len()))]);
    let transaction = client.transaction().await?;
    let role: String = transaction.query_one("SELECT current_user::text", &[]).await?.try_get(0)?;
    let who = service.erasure(&graph, &key)?.pseudonym();
    append_in(&transaction, &Entry::new(&actor(&role), "gdpr.export", &details)?.about(&who)).await?;
    transaction.commit().await?;

    std::io::Seek::rewind(&mut file)?;
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    Ok(([(header::CONTENT_TYPE, "application/age")], body))
}
