//! `dbopt gdpr erase`: it asks before, or is told what was seen, and does that and nothing else.

use dbopt_crypto::SubjectId;
use dbopt_gdpr::{Approval, EraseError, Erasure, Error, GdprPolicy, Graph, PersonKey, Plan};
use dbopt_pg::{Session, SessionProfile};
use jiff::Timestamp;

use super::{failure, key, pseudonymizer, subject};
use crate::{
    cli::gdpr::GdprErase,
    commands::{Context, audit, catalogue, connect, keys::destroy::ask, load, migrate, re_encrypt, runner, secret},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr_erase::GdprEraseView,
};

/// The migration that makes the audit record, and the one that makes the table of keys of persons.
pub(super) const AUDIT: u32 = 2;
pub(super) const KEYS: u32 = 7;

/// Erases a person.
pub(super) fn run(context: &Context, args: &GdprErase) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.person.under.policy, true)?;
    let pseudonyms = pseudonymizer(&policy)?;
    let subject = subject(&policy, args.person.rule.as_deref())?;
    let is_piped = args.person.subject == ["-"];
    let key = key(&args.person.subject)?;
    let keys = keys(args, &key)?;
    let view = connect::block_on(async {
        let mut session = open(context, args).await?;
        let (catalog, _) = catalogue::live(context, &session, &[]).await?;
        let graph = Graph::new(catalog, &policy);
        let erasure =
            Erasure { graph: &graph, policy: &policy, pseudonyms: &pseudonyms, subject, key: &key, keys: &keys };
        let approved = match &args.confirm {
            Some(approved) => approved.clone(),
            None => {
                let (plan, approved) = look(context, &mut session, &erasure).await?;
                context.stderr.findings(&plan.findings);
                if args.dry_run {
                    session.close().await;
                    return Ok(GdprEraseView::planned(&plan, &approved));
                }
                confirm(&plan, &approved, &key, is_piped)?;
                approved
            }
        };
        may_begin(&policy)?;
        let erasing = connect::or_interrupted(context, erasure.erase(session.client_mut(), &approved)).await;
        // Whether the server had committed by then is not known here, and need not be.
        let hint = "give the same confirmation again: what was begun is ended as not done, and what was done is not done twice";
        let erased = erasing.map_err(|failure| failure.hint(hint))?;
        let erased = erased.map_err(|error| not_erased(&session, error))?;
        session.close().await;
        context.stderr.findings(&erased.findings);
        Ok(GdprEraseView::erased(&subject.name, &erased, &approved))
    })?;
    output::report(&context.global, args.format, None, &view, document::gdpr_erase::erase)?;
    Ok(if view.refused { Exit::Findings } else { Exit::Done })
}

/// The keys of the person's own, which are by the person's key.
fn keys(args: &GdprErase, key: &[String]) -> Result<Vec<PersonKey>, Failure> {
    let name = match key {
        [only] => only,
        _ if args.destroy_key.is_empty() => return Ok(Vec::new()),
        _ => {
            return Err(Failure::usage("keys of persons are by one column, and this person has several")
                .hint("destroy it by `dbopt keys destroy --subject`"));
        }
    };
    let one = |purpose: &dbopt_crypto::KeyId| PersonKey { purpose: purpose.clone(), subject: SubjectId::of(name) };
    Ok(args.destroy_key.iter().map(one).collect())
}

async fn open(context: &Context, args: &GdprErase) -> Result<Session, Failure> {
    let profile = SessionProfile { read_only: args.dry_run, ..re_encrypt::counting() };
    let session = connect::open_noticing_cuts(context, &args.person.under.connection, &profile).await?;
    if session.in_recovery() && !args.dry_run {
        return Err(
            Failure::usage("the server is a standby, where nothing can be changed").hint("connect to the primary")
        );
    }
    if !args.dry_run {
        migrate::require(&session, AUDIT, &args.person.under.connection).await?;
    }
    if !args.destroy_key.is_empty() {
        migrate::require(&session, KEYS, &args.person.under.connection).await?;
    }
    Ok(session)
}

/// Plans, and says what is to be confirmed.
async fn look(context: &Context, session: &mut Session, erasure: &Erasure<'_>) -> Result<(Plan, Approval), Failure> {
    let transaction = session.read_only().await.map_err(connect::failure)?;
    let planning = erasure.plan(&transaction, Timestamp::now());
    let (_, plan) = connect::or_interrupted(context, planning).await?.map_err(failure)?;
    let approved = erasure.approval(&plan);
    Ok((plan, approved))
}

/// Asks for the person's key again.
fn confirm(plan: &Plan, approved: &Approval, key: &[String], is_piped: bool) -> Result<(), Failure> {
    if plan.is_refused() {
        return Err(Failure::new(Exit::Findings, "something speaks against erasing this person, and nothing was done"));
    }
    let (deleted, changed) = (plan.deleted(), plan.changed());
    if is_piped || !secret::is_typed() {
        return Err(Failure::usage("nobody is there to be asked, and nothing was done")
            .hint(format!("{deleted} rows would be deleted and {changed} changed; `--confirm {approved}` does that")));
    }
    let question = format!(
        "{deleted} rows of {} tables are deleted and {changed} changed for good. Type the person's key as you have given it: ",
        plan.tables.len()
    );
    if ask(&question)?.trim() == key.join(" ") {
        return Ok(());
    }
    Err(Failure::usage("the answer was another one, and nothing was done"))
}

/// Looks whether the policy lets something begin now.
pub(super) fn may_begin(policy: &GdprPolicy) -> Result<(), Failure> {
    runner::closes(&policy.run.windows, Timestamp::now())?;
    match &policy.run.options.stop.file {
        Some(file) if file.exists() => {
            let message = format!("the stop file `{}` is there, and nothing was done", file.display());
            Err(Failure::new(Exit::Deferred, message))
        }
        _ => Ok(()),
    }
}

pub(super) fn not_erased(session: &Session, error: EraseError) -> Failure {
    let message = error.to_string();
    match error {
        EraseError::Query(Error::Query { code: Some(code), .. }) if matches!(code.code(), "55P03" | "40P01") => {
            Failure::new(Exit::Blocked, message).hint("nothing was changed; try again")
        }
        EraseError::Query(error) => failure(error),
        EraseError::Ledger(dbopt_audit::Error::Statement(error)) => connect::failure(session.error(error)),
        EraseError::Ledger(error) => audit::failure(error),
        EraseError::Busy => Failure::new(Exit::Locked, message),
        EraseError::Refused(findings) => Failure::new(Exit::Findings, message).findings(findings),
        EraseError::Changed | EraseError::Future => {
            Failure::new(Exit::Findings, message).hint("nothing was changed; look again by `--dry-run`")
        }
        EraseError::Count { .. } | EraseError::Unwritten { .. } | EraseError::Beyond { .. } => {
            Failure::new(Exit::Partial, message)
                .hint("nothing was changed; a trigger, or somebody else, has changed rows that the plan does not have")
        }
        EraseError::Keys(dbopt_crypto::SubjectTableError::Database(error)) => connect::failure(session.error(error)),
        EraseError::InPart { cause, .. } => {
            let is_other = matches!(*cause, EraseError::Changed | EraseError::Refused(_));
            let exit = not_erased(session, *cause).exit;
            let hint = "the same confirmation goes on with the rest";
            Failure::new(exit, message).hint(if is_other { "look at the rest by `--dry-run`" } else { hint })
        }
        EraseError::Unknown => {
            Failure::new(Exit::Connection, message).hint("run it again; what was done is not done twice")
        }
        _ => Failure::new(Exit::Partial, message).hint("nothing was changed"),
    }
}
