//! `dbopt re-encrypt`

use std::{sync::Arc, time::Duration};

use dbopt_crypto::{EncryptionPolicy, FieldCipher, StoreError};
use dbopt_finding::{Finding, Severity};
use dbopt_pg::{Session, SessionProfile};
use dbopt_reencrypt::{Catalogue, Planned, Tallies};
use dbopt_run::{Action, Event, Report, Runner};
use indicatif::ProgressBar;
use jiff::Timestamp;

use super::{Context, connect, keys, runner};
use crate::{
    cli::{ReportFormat, keys::ReEncrypt},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::{
        finding::FindingView,
        re_encrypt::{CountedView, ReEncryptView, TableView},
    },
};

/// Seals what is in plain, and seals anew what is under other keys.
pub(crate) fn run(context: &Context, args: &ReEncrypt) -> Result<Exit, Failure> {
    let policy = keys::policy(context, &args.of, true)?;
    let keyring = policy.keyring_file().read().map_err(|error| keys::unread(error, &policy))?;
    let faults = errors(policy.review_keys(&keyring, Timestamp::now()));
    if !faults.is_empty() {
        return Err(
            Failure::usage("the key ring lacks keys that the policy needs, and nothing was done").findings(faults)
        );
    }
    let store = Arc::new(policy.store().map_err(keys::source)?);
    let cipher = Arc::new(FieldCipher::new(&policy, &store).map_err(keys_away)?);
    connect::block_on(async {
        let session = open(context, args).await?;
        let catalogue = connect::or_interrupted(context, Catalogue::load(&session, &policy)).await?.map_err(failure)?;
        let planned = dbopt_reencrypt::plan(&policy, &cipher, &catalogue);
        if planned.is_refused() {
            return Err(Failure::usage("the policy does not fit this database, and nothing was done")
                .findings(errors(planned.findings)));
        }
        context.stderr.findings(&planned.findings);
        if args.dry_run {
            return dry_run(context, args, (&session, &policy, &catalogue), &planned).await;
        }
        session.close().await;
        execute(context, args, planned).await
    })
}

fn errors(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect()
}

/// Counting reads whole tables, which takes its time.
async fn open(context: &Context, args: &ReEncrypt) -> Result<Session, Failure> {
    connect::open_as(context, &args.connection, &counting()).await
}

/// For sessions that count.
pub(super) fn counting() -> SessionProfile {
    SessionProfile {
        statement_timeout: Some(Duration::ZERO),
        search_path: Some(Vec::new()),
        ..SessionProfile::reading()
    }
}

async fn dry_run(
    context: &Context,
    args: &ReEncrypt,
    (session, policy, catalogue): (&Session, &EncryptionPolicy, &Catalogue),
    planned: &Planned,
) -> Result<Exit, Failure> {
    let counting = dbopt_reencrypt::count(session, policy, catalogue);
    let counted = connect::or_interrupted(context, counting).await?.map_err(failure)?;
    let mut view = ReEncryptView::new(true, None);
    view.findings.extend(planned.findings.iter().map(FindingView::from));
    view.tables.extend(planned.actions.iter().map(|action| TableView::planned(action.step())));
    view.counted.extend(counted.iter().map(CountedView::new));
    print(context, args, &view)?;
    Ok(Exit::Done)
}

async fn execute(context: &Context, args: &ReEncrypt, planned: Planned) -> Result<Exit, Failure> {
    let target = connect::settings(context, &args.connection)?;
    let failed = |error| runner::failure(error, &args.connection);
    let options = runner::options(context, args.run_policy.as_deref(), args.stop_file.as_deref())?;
    let started = connect::or_interrupted(context, Runner::start(&target, "re-encrypt", options)).await?;
    let mut run = started.map_err(failed)?;
    let mut view = ReEncryptView::new(false, Some(run.run()));
    let repairs = run.repair().await.map_err(failed)?;
    view.repairs.extend(repairs.iter().map(Into::into));
    let tallies: Vec<Tallies> = planned.actions.iter().map(dbopt_reencrypt::ReEncrypt::tallies).collect();
    let mut actions: Vec<Box<dyn Action>> =
        planned.actions.into_iter().map(|action| Box::new(action) as Box<dyn Action>).collect();
    let unseen = runner::unseen(run.unseen(&actions).await.map_err(failed)?);
    context.stderr.findings(&unseen);
    view.findings.extend(planned.findings.iter().chain(&unseen).map(FindingView::from));
    let bar = context.stderr.shows_progress().then(ProgressBar::new_spinner);
    let mut reports: Vec<Report> = Vec::new();
    let executed = run
        .execute(&mut actions, &mut |event| {
            if let Some(bar) = &bar {
                runner::show(bar, &event);
            }
            if let Event::Ended(report) = event {
                reports.push(report.clone());
            }
        })
        .await;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    // What was done is printed whatever ended the run.
    for (at, (action, tallies)) in actions.iter().zip(&tallies).enumerate() {
        view.tables.push(TableView::new(action.step(), reports.get(at), &tallies.borrow()));
    }
    print(context, args, &view)?;
    executed.map_err(failed)?;
    run.finish(&reports).await.map_err(failed)?;
    let left = runner::is_left(&repairs);
    Ok(match runner::exit(&reports) {
        Exit::Done if left => Exit::Partial,
        exit => exit,
    })
}

fn print(context: &Context, args: &ReEncrypt, view: &ReEncryptView) -> Result<(), Failure> {
    let format: ReportFormat = args.of.format;
    output::report(&context.global, format, None, view, document::re_encrypt::document)
}

/// The failure of keys that cannot be had.
pub(super) fn keys_away(error: StoreError) -> Failure {
    match error {
        StoreError::File(error) => keys::file(error),
        StoreError::Keyring(error) => keys::locked_up(error),
        other => Failure::usage(other.to_string()),
    }
}

/// The failure of looking at the database.
pub(super) fn failure(error: dbopt_reencrypt::Error) -> Failure {
    match error {
        dbopt_reencrypt::Error::Session(error) => connect::failure(error),
        dbopt_reencrypt::Error::Subjects(error) => Failure::new(Exit::Connection, error.to_string()),
        other => Failure::new(Exit::Internal, other.to_string()),
    }
}
