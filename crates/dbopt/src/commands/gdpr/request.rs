//! `dbopt gdpr request`

use dbopt_finding::Finding;
use dbopt_gdpr::{
    GdprPolicy, NodeId, Subject,
    request::{self, Answer, Asked, Request, RequestError},
};
use dbopt_pg::{Session, SessionProfile};
use jiff::Timestamp;

use super::{erase::AUDIT, key, pseudonymizer, subject};
use crate::{
    cli::{
        Connection, ReportFormat,
        gdpr::{GdprRequest, RequestOpen, Requested},
    },
    commands::{Context, audit, connect, load, migrate},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr_request::{OneRequestView, RequestView},
};

/// Records what becomes of a request.
pub(super) fn run(context: &Context, command: &GdprRequest) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    match command {
        GdprRequest::Open(args) => open(context, args, now),
        GdprRequest::Extend(args) => change(context, &args.of, now, async |session, policy| {
            request::extend(session.client_mut(), &policy.requests, args.id, &args.reason, now).await
        }),
        GdprRequest::Close(args) => change(context, &args.of, now, async |session, policy| {
            let reason = args.reason.as_deref();
            let outcome = args.outcome.into();
            let closed = request::close(session.client_mut(), &policy.requests, args.id, outcome, reason).await?;
            if outcome == request::Outcome::Done {
                context.stderr.findings(unanswered(&closed).as_slice());
            }
            Ok(closed)
        }),
    }
}

fn open(context: &Context, args: &RequestOpen, now: Timestamp) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.person.under.policy, true)?;
    let pseudonyms = pseudonymizer(&policy)?;
    let rule = subject(&policy, args.person.rule.as_deref())?;
    let key = key(&args.person.subject)?;
    if key.len() != rule.key.len() {
        return Err(Failure::usage(format!("this is no key of `{}`", rule.name))
            .hint(format!("give a value for each of: {}", rule.key.join(", "))));
    }
    // Whether the person is in the database does not matter: who is not there has to be told so, and in time.
    let key = key.into_iter().map(String::into_boxed_str).collect();
    let person = dbopt_gdpr::pseudonym(&pseudonyms, &Subject { rule: rule.name.clone(), table: NodeId(0), key });
    let asked = Asked { subject: &person, rule: &rule.name, right: args.kind.into(), received: args.received };
    recorded(context, (&args.person.under.connection, args.format), &policy, now, async |session| {
        request::open(session.client_mut(), &policy.requests, &asked, now).await
    })
}

fn change(
    context: &Context,
    of: &Requested,
    now: Timestamp,
    work: impl AsyncFnOnce(&mut Session, &GdprPolicy) -> Result<Request, RequestError>,
) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &of.under.policy, false)?;
    recorded(context, (&of.under.connection, of.format), &policy, now, async |session| work(session, &policy).await)
}

/// Opens a session that may append to the audit record, works with it, and prints what the request is then.
fn recorded(
    context: &Context,
    (connection, format): (&Connection, ReportFormat),
    policy: &GdprPolicy,
    now: Timestamp,
    work: impl AsyncFnOnce(&mut Session) -> Result<Request, RequestError>,
) -> Result<Exit, Failure> {
    let request = connect::block_on(async {
        let profile = SessionProfile { read_only: false, search_path: Some(Vec::new()), ..SessionProfile::reading() };
        let mut session = connect::open_as(context, connection, &profile).await?;
        if session.in_recovery() {
            return Err(Failure::usage("the server is a standby, where nothing can be recorded, and nothing was done")
                .hint("connect to the primary"));
        }
        migrate::require(&session, AUDIT, connection).await?;
        let worked = connect::or_interrupted(context, work(&mut session)).await?;
        let request = worked.map_err(|error| failure(&session, error))?;
        session.close().await;
        Ok(request)
    })?;
    let view = OneRequestView::new(RequestView::new(&request, &policy.requests, now));
    output::report(&context.global, format, None, &view, document::gdpr_request::one)?;
    Ok(Exit::Done)
}

/// What to know of a request that is said to be done, though nothing of the kind was recorded.
fn unanswered(closed: &Request) -> Option<Finding> {
    let is_answer = |answer: &Answer| closed.right.is_answered_by(answer.done);
    // What dbopt does nothing for is not expected in its record.
    closed.right.is_answered_by(request::Done::Erasure)?;
    if closed.answers.iter().any(|answer| is_answer(answer) == Some(true)) {
        return None;
    }
    let message = format!("nothing was recorded that answers request {}, of {}", closed.id, closed.right.name());
    Some(
        Finding::warning("unanswered-request", message)
            .help("what was done without dbopt, or recorded elsewhere, is not known here; the request is closed"),
    )
}

/// The failure of a request. It names nobody.
fn failure(session: &Session, error: RequestError) -> Failure {
    let message = error.to_string();
    match error {
        RequestError::Query(error) => super::failure(error),
        RequestError::Ledger(dbopt_audit::Error::Statement(error)) => connect::failure(session.error(error)),
        RequestError::Ledger(error) => audit::failure(error),
        RequestError::Unknown(_) => Failure::usage(message).hint("`dbopt gdpr status --all` lists them"),
        RequestError::Closed(_) | RequestError::Extended(_) | RequestError::Late { .. } => {
            Failure::new(Exit::Findings, message).hint("nothing was recorded")
        }
        _ => Failure::usage(message),
    }
}
