//! `dbopt gdpr verify`

use std::io::Read as _;

use dbopt_finding::Finding;
use dbopt_gdpr::{
    Error, GdprPolicy, Graph,
    verify::{Identifier, ScanOptions, Search, identifiers, scan},
};
use zeroize::Zeroizing;

use super::{failure, key, subject};
use crate::{
    cli::gdpr::GdprVerify,
    commands::{Context, catalogue, connect, load, re_encrypt},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr_verify::VerifyReportView,
};

/// Searches a database for a person's identifiers.
pub(super) fn run(context: &Context, args: &GdprVerify) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.under.policy, false)?;
    let given = match &args.identifiers {
        Some(file) => read(file, &policy, args.rule.as_deref())?,
        None => Vec::new(),
    };
    let report = connect::block_on(async {
        let mut session = connect::open_noticing_cuts(context, &args.under.connection, &re_encrypt::counting()).await?;
        let wanted = if args.subject.is_empty() {
            given
        } else {
            let rule = subject(&policy, args.rule.as_deref())?;
            let key = key(&args.subject)?;
            let (catalog, _) = catalogue::live(context, &session, &[]).await?;
            let graph = Graph::new(catalog, &policy);
            let transaction = session.read_only().await.map_err(connect::failure)?;
            let finding = async {
                let walked = dbopt_gdpr::walk(&transaction, &graph, &policy, rule, &key).await?;
                identifiers(&transaction, &graph, &policy, &walked).await
            };
            connect::or_interrupted(context, finding).await?.map_err(failure)?
        };
        if wanted.is_empty() {
            return Err(Failure::usage("there is no identifier to search for")
                .hint("give lines `name=value`, or a subject with a `[[subject.identifier]]` in the policy"));
        }
        let search = Search::new(wanted, policy.verify.shortest, policy.verify.hashes)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let options = ScanOptions { keys: if args.keys { MOST_KEYS } else { 0 } };
        let mut more = Vec::new();
        for _ in 1..args.jobs.get() {
            more.push(connect::open_noticing_cuts(context, &args.under.connection, &re_encrypt::counting()).await?);
        }
        let clients = more.iter_mut().map(dbopt_pg::Session::client_mut).collect();
        let searching = scan(session.client_mut(), clients, &policy, &search, options);
        let report = connect::or_interrupted(context, searching).await?;
        let report = report.map_err(|error: Error| failure(error))?;
        for session in std::iter::once(session).chain(more) {
            session.close().await;
        }
        Ok(report)
    })?;
    let view = VerifyReportView::new(&report);
    output::report(&context.global, args.format, None, &view, document::gdpr_verify::verify)?;
    if !view.clean && !args.subject.is_empty() {
        let message =
            "the identifiers are those that the person's rows have now; of rows that were masked, they are the masks";
        let help = "To search for what was erased, give the values of before by `--identifiers`.";
        context.stderr.findings(&[Finding::note("identifiers-of-now", message).help(help)]);
    }
    Ok(match (view.clean, view.complete) {
        (false, _) => Exit::Findings,
        (true, false) => Exit::Partial,
        (true, true) => Exit::Done,
    })
}

/// Reads lines `name=value` of a file, or of standard input for `-`.
fn read(file: &str, policy: &GdprPolicy, rule: Option<&str>) -> Result<Vec<Identifier>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = match file {
        "-" => std::io::stdin().lock().take(MOST_BYTES).read_to_string(&mut text),
        file => std::fs::File::open(file).and_then(|opened| opened.take(MOST_BYTES).read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::file("read", if file == "-" { "<stdin>" } else { file }, &error))?;
    Identifier::lines(&text, policy.subject(rule)).map_err(|error| {
        Failure::usage(error.to_string()).hint("write each identifier on a line of its own, such as `email=…`")
    })
}

/// Most keys that are shown of each hit.
const MOST_KEYS: usize = 100;

/// Most bytes of identifiers.
const MOST_BYTES: u64 = 1 << 20;
