//! `dbopt gdpr replay`: after a restore, who was erased since the backup is there again, and a copy of the ledger knows who.

use dbopt_audit::{FileStore, Range, Record, Store as _, Verifier};
use dbopt_crypto::{KeyId, Pseudonymizer, SubjectId};
use dbopt_finding::Finding;
use dbopt_gdpr::{Erasure, GdprPolicy, Graph, PersonKey, Recorded, destroy_again, find_again, find_keys_again};
use dbopt_pg::{Session, SessionProfile};
use jiff::Timestamp;

use super::{
    erase::{AUDIT, KEYS, may_begin, not_erased},
    failure, pseudonymizer,
};
use crate::{
    cli::gdpr::GdprReplay,
    commands::{Context, audit, catalogue, connect, load, migrate, re_encrypt},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::{
        SCHEMA_VERSION,
        gdpr_erase::{GdprEraseView, GdprReplayView},
    },
};

/// Erases persons again.
pub(super) fn run(context: &Context, args: &GdprReplay) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.under.policy, true)?;
    let pseudonyms = pseudonymizer(&policy)?;
    if args.since > Timestamp::now() {
        return Err(Failure::usage("`--since` is yet to come").hint("it is the time of the backup that was restored"));
    }
    let (recorded, until) = recorded(args)?;
    if until < args.since {
        let message = format!(
            "the last record of the copy is of {until}, so it does not know who was erased since {}",
            args.since
        );
        let help = "Take a newer copy, unless nothing was recorded any more before the restore.";
        context.stderr.findings(&[Finding::warning("old-ledger", message).help(help)]);
    }
    let wanted = match &policy.pseudonym {
        Some(rule) => recorded.clone().under(&rule.id),
        None => Recorded::default(),
    };
    let view = connect::block_on(async {
        let mut session = open(context, args, &wanted).await?;
        let (catalog, _) = catalogue::live(context, &session, &[]).await?;
        let graph = Graph::new(catalog, &policy);
        let mut view = GdprReplayView {
            schema_version: SCHEMA_VERSION,
            since: args.since.to_string(),
            until: until.to_string(),
            recorded: recorded.persons.len(),
            other_keys: recorded.persons.len() - wanted.persons.len(),
            persons: Vec::new(),
            keys: 0,
            failed: 0,
        };
        let mut with_persons = Vec::new();
        for subject in &policy.subjects {
            let transaction = session.read_only().await.map_err(connect::failure)?;
            let looking = find_again(&transaction, &graph, &pseudonyms, subject, &wanted);
            let found = connect::or_interrupted(context, looking).await?.map_err(failure)?;
            drop(transaction);
            for key in found {
                let key: Vec<String> = key.iter().map(|part| part.to_string()).collect();
                let mut erasure =
                    Erasure { graph: &graph, policy: &policy, pseudonyms: &pseudonyms, subject, key: &key, keys: &[] };
                // The person's name there is the person's key, which is of one column then.
                let purposes = wanted.persons.get(&erasure.pseudonym()).into_iter().flatten();
                let named = |purpose: &KeyId| {
                    Some(PersonKey { purpose: purpose.clone(), subject: SubjectId::of(key.first()?) })
                };
                let keys: Vec<PersonKey> = purposes.filter_map(named).collect();
                with_persons.extend(keys.iter().cloned());
                erasure.keys = &keys;
                let (planned, problem) = again(context, args, &mut session, &erasure).await?;
                view.persons.extend(planned);
                if let Some(problem) = problem {
                    view.failed += 1;
                    let message = format!("{} was not erased: {}", erasure.pseudonym(), problem.message);
                    context.stderr.findings(&[Finding::error("not-erased", message)]);
                }
            }
        }
        view.keys = keys_again(context, args, &mut session, (&pseudonyms, &wanted, &with_persons)).await?;
        session.close().await;
        Ok(view)
    })?;
    output::report(&context.global, args.format, None, &view, document::gdpr_erase::replay)?;
    Ok(if view.failed > 0 || view.other_keys > 0 { Exit::Partial } else { Exit::Done })
}

/// Plans to erase a person, and does it when that is wanted. What concerns this person alone is no reason to leave the others.
async fn again(
    context: &Context,
    args: &GdprReplay,
    session: &mut Session,
    erasure: &Erasure<'_>,
) -> Result<(Option<GdprEraseView>, Option<Failure>), Failure> {
    let transaction = session.read_only().await.map_err(connect::failure)?;
    let planned = connect::or_interrupted(context, erasure.plan(&transaction, Timestamp::now())).await?;
    drop(transaction);
    let (_, plan) = match planned {
        Ok(planned) => planned,
        Err(error) => return Ok((None, Some(failure(error)))),
    };
    let approved = erasure.approval(&plan);
    let view = GdprEraseView::planned(&plan, &approved);
    if !args.yes {
        return Ok((Some(view), None));
    }
    may_begin(erasure.policy)?;
    match connect::or_interrupted(context, erasure.erase(session.client_mut(), &approved)).await? {
        Ok(erased) => {
            context.stderr.findings(&erased.findings);
            Ok((Some(GdprEraseView::erased(&erasure.subject.name, &erased, &approved)), None))
        }
        Err(error) => {
            let problem = not_erased(session, error);
            // Without a connection nobody else is erased either.
            if problem.exit == Exit::Connection { Err(problem) } else { Ok((Some(view), Some(problem))) }
        }
    }
}

/// Keys that are there again without their persons; with these, they are their erasures' business.
async fn keys_again(
    context: &Context,
    args: &GdprReplay,
    session: &mut Session,
    (pseudonyms, wanted, with_persons): (&Pseudonymizer, &Recorded, &[PersonKey]),
) -> Result<u64, Failure> {
    let transaction = session.read_only().await.map_err(connect::failure)?;
    let looking = find_keys_again(&transaction, pseudonyms, wanted);
    let mut found = connect::or_interrupted(context, looking).await?.map_err(failure)?;
    drop(transaction);
    found.retain(|key| !with_persons.contains(key));
    if !args.yes || found.is_empty() {
        return Ok(found.len() as u64);
    }
    let destroying = destroy_again(session.client_mut(), pseudonyms, &found);
    connect::or_interrupted(context, destroying).await?.map_err(|error| not_erased(session, error))
}

async fn open(context: &Context, args: &GdprReplay, wanted: &Recorded) -> Result<Session, Failure> {
    let profile = SessionProfile { read_only: !args.yes, ..re_encrypt::counting() };
    let session = connect::open_noticing_cuts(context, &args.under.connection, &profile).await?;
    if args.yes {
        migrate::require(&session, AUDIT, &args.under.connection).await?;
    }
    if !wanted.keys.is_empty() {
        migrate::require(&session, KEYS, &args.under.connection).await?;
    }
    Ok(session)
}

/// Who was erased since, by a copy of the audit record that is whole in itself, and the time of its last record.
fn recorded(args: &GdprReplay) -> Result<(Recorded, Timestamp), Failure> {
    let (mut records, mut unreadable): (Vec<Record>, u64) = (Vec::new(), 0);
    let mut take = |record: Option<&Record>| match record {
        Some(record) => records.push(record.clone()),
        None => unreadable += 1,
    };
    connect::block_on(async {
        FileStore::new(&args.ledger).read(Range::ALL, &mut take).await.map_err(audit::failure)
    })?;
    let ends = records.first().zip(records.last());
    let mut verifier = Verifier::new(ends.map_or(1, |(first, _)| first.sequence), &[]);
    records.iter().for_each(|record| verifier.record(record));
    let until = ends.and_then(|(_, last)| Timestamp::from_microsecond(last.time).ok());
    let is_whole = unreadable == 0 && verifier.finish().fault_count == 0;
    let Some(until) = until.filter(|_| is_whole) else {
        let message = format!("`{}` is not a whole audit record, and nothing was done", args.ledger.display());
        return Err(Failure::new(Exit::Findings, message).hint("`dbopt audit verify --file` says where"));
    };
    Ok((Recorded::since(&records, args.since), until))
}
