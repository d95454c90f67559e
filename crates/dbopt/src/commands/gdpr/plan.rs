//! `dbopt gdpr plan`

use std::io::BufRead;

use dbopt_crypto::Pseudonymizer;
use dbopt_gdpr::{Error, GdprPolicy, Graph, SubjectRule};
use jiff::Timestamp;

use super::policy;
use crate::{
    cli::gdpr::GdprPlan,
    commands::{Context, catalogue, connect},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr::GdprPlanView,
};

/// Says what erasing a person would do.
pub(super) fn run(context: &Context, args: &GdprPlan) -> Result<Exit, Failure> {
    let policy = policy(context, &args.policy, true)?;
    let pseudonyms = pseudonymizer(&policy)?;
    let subject = rule(&policy, args.rule.as_deref())?;
    let key = key(&args.subject)?;
    let view = connect::block_on(async {
        let mut session = connect::open_as(context, &args.connection, &super::super::re_encrypt::counting()).await?;
        let (catalog, _) = catalogue::live(context, &session, &[]).await?;
        let graph = Graph::new(catalog, &policy);
        let transaction = session.read_only().await.map_err(connect::failure)?;
        let planning = async {
            let walked = dbopt_gdpr::walk(&transaction, &graph, &policy, subject, &key).await?;
            dbopt_gdpr::plan(&transaction, &graph, &policy, &pseudonyms, &walked, Timestamp::now()).await
        };
        let plan = connect::or_interrupted(context, planning).await?.map_err(failure)?;
        drop(transaction);
        session.close().await;
        context.stderr.findings(&plan.findings);
        Ok(GdprPlanView::new(&graph, &plan))
    })?;
    output::report(&context.global, args.format, None, &view, document::gdpr::plan)?;
    Ok(if view.refused { Exit::Findings } else { Exit::Done })
}

/// What names persons in plans and records.
pub(super) fn pseudonymizer(policy: &GdprPolicy) -> Result<Pseudonymizer, Failure> {
    policy.pseudonymizer().map_err(|error| {
        let hint = "give the policy a `[pseudonym]` with the `id` of a key and where the `key` is";
        Failure::usage(error.to_string()).hint(hint)
    })
}

/// As what the person is meant.
pub(super) fn rule<'a>(policy: &'a GdprPolicy, name: Option<&str>) -> Result<&'a SubjectRule, Failure> {
    policy.subject(name).ok_or_else(|| {
        let names: Vec<_> = policy.subjects.iter().map(|subject| subject.name.as_str()).collect();
        Failure::usage("the policy has no such subject, or several")
            .hint(format!("write `--as` and one of: {}", names.join(", ")))
    })
}

/// The person's key, of the command line or of standard input.
pub(super) fn key(given: &[String]) -> Result<Vec<String>, Failure> {
    if given != ["-"] {
        return Ok(given.to_vec());
    }
    let lines = std::io::stdin().lock().lines().collect::<Result<Vec<_>, _>>();
    lines.map_err(|error| Failure::file("read", "<stdin>", &error))
}

/// The failure of looking for a person. It names nobody.
pub(super) fn failure(error: Error) -> Failure {
    match &error {
        Error::NoSubject(_) | Error::BadKey(_) | Error::NoPerson(_) | Error::ManyPersons(_) => {
            Failure::usage(error.to_string())
        }
        Error::Hidden(_) => {
            Failure::usage(error.to_string()).hint("use a role with BYPASSRLS, or the owner of the tables")
        }
        Error::Query { code: None, .. } => Failure::new(Exit::Connection, error.to_string()),
        _ => Failure::new(Exit::Partial, error.to_string()),
    }
}
