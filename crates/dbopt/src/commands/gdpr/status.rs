//! `dbopt gdpr status`

use dbopt_finding::Finding;
use dbopt_gdpr::{GdprPolicy, request};
use dbopt_pg::SessionProfile;
use jiff::Timestamp;

use super::{erase::AUDIT, failure};
use crate::{
    cli::gdpr::GdprStatus,
    commands::{Context, connect, load, migrate},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr_request::GdprStatusView,
};

/// Says which requests are due.
pub(super) fn run(context: &Context, args: &GdprStatus) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.of.under.policy, false)?;
    let (requests, strange) = connect::block_on(async {
        let profile = SessionProfile { search_path: Some(Vec::new()), ..SessionProfile::reading() };
        let mut session = connect::open_as(context, &args.of.under.connection, &profile).await?;
        migrate::require(&session, AUDIT, &args.of.under.connection).await?;
        let transaction = session.read_only().await.map_err(connect::failure)?;
        let reading = request::requests(&transaction, &policy.requests, args.all);
        let read = connect::or_interrupted(context, reading).await?.map_err(failure)?;
        drop(transaction);
        session.close().await;
        Ok(read)
    })?;
    if !strange.is_empty() {
        let records: Vec<String> = strange.iter().map(u64::to_string).collect();
        let message = format!("records of requests that say nothing known: {}", records.join(", "));
        let help = "a request may be missing here; `dbopt audit export` shows them";
        context.stderr.findings(&[Finding::error("strange-request", message).help(help)]);
    }
    let days = i32::try_from(args.within.as_secs() / (24 * 3600)).unwrap_or(i32::MAX);
    let view = GdprStatusView::new(&requests, strange, &policy.requests, Timestamp::now(), days);
    output::report(&context.global, args.of.format, None, &view, document::gdpr_request::status)?;
    Ok(match (view.overdue + view.due_soon, view.strange.is_empty()) {
        (0, true) => Exit::Done,
        (0, false) => Exit::Partial,
        _ => Exit::Findings,
    })
}
