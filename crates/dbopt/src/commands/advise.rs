//! `dbopt advise`

use std::sync::Arc;

use dbopt_advisor::{
    Advice, AdviseOptions, ModelWhatIf, Query, advise, queries_from_workload, query_from_plan, size::SizeMode,
};
use dbopt_catalog::Catalog;
use dbopt_finding::Finding;
use dbopt_hypopg::{Availability, HypoPgWhatIf, Refusal, Timeouts, available};
use dbopt_pg::Session;
use dbopt_report::number;
use dbopt_workload::{Input, Workload};

use super::{Context, catalogue, connect, read, statistics};
use crate::{
    cli::{Advise, AdviseFormat, Engine, FailOn, Sizes},
    document,
    exit::Exit,
    failure::Failure,
    output, sql,
    view::advise::{AdviceView, Sources},
};

/// Reads a workload and a catalogue, and prints what is worth doing.
pub(crate) fn run(context: &Context, args: &Advise) -> Result<Exit, Failure> {
    check(args)?;
    connect::block_on(run_async(context, args))
}

/// What the grammar of the command line cannot say.
fn check(args: &Advise) -> Result<(), Failure> {
    let live_statistics = matches!(args.pg_stat_statements, Some(None));
    if args.logs.is_empty() && args.sql.is_empty() && args.plan.is_empty() && args.pg_stat_statements.is_none() {
        return Err(Failure::usage("there is no workload to advise on")
            .hint("name log files, or use --sql, --plan or --pg-stat-statements; see dbopt advise --help"));
    }
    let offline = args.snapshot.is_some() || args.ddl.is_some();
    if offline && args.connection.is_given() {
        return Err(Failure::usage("a snapshot or DDL takes the place of a connection")
            .hint("leave out either the connection options or --snapshot and --ddl"));
    }
    if offline && live_statistics {
        return Err(Failure::usage("--pg-stat-statements without a file reads from a connected database")
            .hint("name a CSV file: --pg-stat-statements=FILE"));
    }
    if offline && args.engine == Engine::Hypopg {
        return Err(Failure::usage("HypoPG answers on a connected database only").hint("use -d, or --engine model"));
    }
    if args.rollback.is_some() && args.rollback == args.output {
        return Err(Failure::usage("--rollback and --output name the same file"));
    }
    let stdin = args.logs.iter().chain(&args.sql).chain(&args.plan).filter(|name| *name == "-").count();
    if stdin > 1 {
        return Err(Failure::usage("standard input can be read only once"));
    }
    Ok(())
}

async fn run_async(context: &Context, args: &Advise) -> Result<Exit, Failure> {
    let (session, catalog, mut findings) = load_catalogue(context, args).await?;
    context.stderr.findings(&findings);
    let (workload, queries, planned) = load_queries(context, args, session.as_ref(), &catalog, &mut findings).await?;
    let options = options(context, args, &workload);
    let (advice, lost) = match &session {
        Some(session) => match hypopg(context, args, session, &mut findings).await? {
            Some(hypopg) => {
                let mut refused = Vec::new();
                let answer = by_server(args, &catalog, &queries, &options, session, &hypopg, &mut refused).await?;
                context.stderr.findings(&refused);
                findings.append(&mut refused);
                answer
            }
            None => (by_model(&catalog, &queries, &options).await?, None),
        },
        None => (by_model(&catalog, &queries, &options).await?, None),
    };
    let view = AdviceView::new(
        &advice,
        &Sources {
            catalog: &catalog,
            source: source(args),
            workload: &workload,
            queries: &queries,
            planned,
            findings: &findings,
            interrupted: context.interrupt.is_asked(),
            redact: args.redact,
        },
    );
    print(context, args, &view)?;
    if let Some(lost) = lost {
        return Err(lost);
    }
    Ok(match read::exit(context, &workload) {
        Exit::Done if args.fail_on == Some(FailOn::Advice) && view.has_advice() => Exit::Findings,
        exit => exit,
    })
}

/// Where the catalogue comes from, in one word.
fn source(args: &Advise) -> &'static str {
    match (&args.snapshot, &args.ddl) {
        (Some(_), _) => "snapshot",
        (None, Some(_)) => "ddl",
        (None, None) => "live",
    }
}

/// The session, when there is one, the catalogue, and what is to know about it.
async fn load_catalogue(context: &Context, args: &Advise) -> Result<(Option<Session>, Catalog, Vec<Finding>), Failure> {
    if let Some(file) = &args.snapshot {
        let (catalog, findings) = catalogue::snapshot(file)?;
        return Ok((None, catalog, findings));
    }
    if let Some(file) = &args.ddl {
        let (catalog, findings) = catalogue::ddl(file)?;
        return Ok((None, catalog, findings));
    }
    if !args.connection.is_given()
        && std::env::var_os("PGDATABASE").is_none()
        && std::env::var_os("PGSERVICE").is_none()
    {
        return Err(Failure::usage("there is no catalogue to advise on")
            .hint("use -d DB for a live database, or --snapshot FILE, or --ddl FILE"));
    }
    let session = connect::open(context, &args.connection).await?;
    let (catalog, findings) = catalogue::live(context, &session, &[]).await?;
    Ok((Some(session), catalog, findings))
}

/// The workload, its queries and those of plans, and how many the latter are.
async fn load_queries(
    context: &Context,
    args: &Advise,
    session: Option<&Session>,
    catalog: &Catalog,
    findings: &mut Vec<Finding>,
) -> Result<(Workload, Vec<Query>, usize), Failure> {
    let mut others: Vec<Input> = args.sql.iter().map(|file| read::sql_input(file)).collect();
    let mut workload = Workload::default();
    match (&args.pg_stat_statements, session) {
        (Some(Some(file)), _) => others.push(read::statistics_input(file)),
        (Some(None), Some(session)) => workload = statistics::live(context, session).await?,
        _ => {}
    }
    if !(args.logs.is_empty() && others.is_empty()) {
        workload.merge(read::workload(context, &args.logs, others, &args.reading)?);
    }
    let known = findings.len();
    findings.extend(workload.findings.iter().cloned());
    let (mut queries, more) = queries_from_workload(&workload, catalog);
    findings.extend(more);
    let of_workload = queries.len();
    for file in &args.plan {
        queries.extend(plan_queries(file, findings)?);
    }
    context.stderr.findings(&findings[known..]);
    if queries.is_empty() {
        return Err(Failure::usage("the input holds no statement that reads or changes a table of the catalogue")
            .hint("check that the log has durations and statements (log_min_duration_statement), and that the catalogue is of the same database"));
    }
    let planned = queries.len() - of_workload;
    Ok((workload, queries, planned))
}

/// The queries behind a file of EXPLAIN output.
fn plan_queries(file: &str, findings: &mut Vec<Finding>) -> Result<Vec<Query>, Failure> {
    let (name, text) = read::text(file)?;
    let (plans, mut more) = dbopt_plan::parse(&name, &text);
    if plans.is_empty() {
        return Err(Failure::usage(format!("`{name}` holds no plan")).findings(more));
    }
    if plans.iter().any(|plan| plan.query_text.is_none()) {
        let place = dbopt_finding::Place::file(name);
        more.push(
            Finding::note(
                "plan-without-statement",
                "the plan has no statement, so one was put together from its scans",
            )
            .at(place),
        );
    }
    findings.append(&mut more);
    Ok(plans.iter().filter_map(query_from_plan).collect())
}

fn options(context: &Context, args: &Advise, workload: &Workload) -> AdviseOptions {
    let period = workload.period.map(|(first, last)| (last.as_micros() - first.as_micros()) as f64 / 1e6);
    AdviseOptions {
        budget: args.budget.unwrap_or_default(),
        sizes: match args.sizes {
            Sizes::Built => SizeMode::Built,
            Sizes::Hypopg => SizeMode::HypoPg,
        },
        literals: !args.redact,
        period: period.filter(|seconds| *seconds > 0.0),
        interrupt: Some(Arc::clone(context.interrupt.flag())),
        ..AdviseOptions::default()
    }
}

/// Advice by the model alone.
async fn by_model(catalog: &Catalog, queries: &[Query], options: &AdviseOptions) -> Result<Advice, Failure> {
    let mut model = ModelWhatIf::new(catalog, queries);
    let advice = advise(catalog, queries, options, &mut model, None::<&mut ModelWhatIf>).await;
    advice.map_err(|error| Failure::internal().detail(error.to_string()))
}

/// Advice confirmed by the server's own planner. When the connection breaks, or the server plans less than half of the
/// queries for this user, the model's advice and why it is no more.
async fn by_server(
    args: &Advise,
    catalog: &Catalog,
    queries: &[Query],
    options: &AdviseOptions,
    session: &Session,
    hypopg: &Availability,
    findings: &mut Vec<Finding>,
) -> Result<(Advice, Option<Failure>), Failure> {
    let client = session.client();
    let Some(mut live) = HypoPgWhatIf::new(client, hypopg, catalog, queries, Timeouts::default()) else {
        return Ok((by_model(catalog, queries, options).await?, None));
    };
    let mut model = ModelWhatIf::new(catalog, queries);
    let advice = advise(catalog, queries, options, &mut model, Some(&mut live)).await;
    let refusals = live.refusals();
    match advice {
        Err(error) => {
            let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            let lost = Failure::new(Exit::Connection, format!("the server stopped answering: {why}"))
                .hint("the advice above is by dbopt's model alone; run again to have the server confirm it");
            Ok((by_model(catalog, queries, options).await?, Some(lost)))
        }
        Ok(advice) if refusals.is_empty() => Ok((advice, None)),
        Ok(advice) => {
            let finding = refused(&refusals, queries, args.redact);
            let mostly = 2 * refusals.len() > queries.len();
            if mostly && args.engine == Engine::Hypopg {
                return Err(Failure::usage(finding.message).hint(finding.help.unwrap_or_default()));
            }
            findings.push(finding);
            Ok((if mostly { by_model(catalog, queries, options).await? } else { advice }, None))
        }
    }
}

/// What the server did not plan, in one finding. Its messages repeat literals.
fn refused(refusals: &[Refusal], queries: &[Query], redact: bool) -> Finding {
    let of = number::plural(queries.len(), "query", "queries");
    let mut message = format!("the server did not plan {} of {of}, so dbopt's model answers for them", refusals.len());
    if let Some(first) = refusals.first() {
        let fingerprint = &queries[first.query.0].fingerprint;
        let reason = if redact { "(message withheld)" } else { first.reason.as_str() };
        message.push_str(&format!("; first {fingerprint}: {reason}"));
    }
    // HypoPG's indexes are in no catalogue, where auto_explain looks for the indexes of the plans that it logs.
    let by_auto_explain = refusals.iter().any(|refusal| refusal.reason.contains("cache lookup failed for index"));
    Finding::warning("queries-not-planned", message).help(if by_auto_explain {
        "auto_explain fails on HypoPG's indexes, and this role may not switch it off for its session: GRANT SET ON PARAMETER \
         auto_explain.log_min_duration to it (from PostgreSQL 15), or connect as a superuser"
    } else {
        "grant the role USAGE on the schemas and SELECT on the tables, or connect as one that may plan the application's \
         statements"
    })
}

/// HypoPG, when it is wanted and usable; otherwise a finding or a failure says why not.
async fn hypopg(
    context: &Context,
    args: &Advise,
    session: &Session,
    findings: &mut Vec<Finding>,
) -> Result<Option<Availability>, Failure> {
    if args.engine == Engine::Model {
        return Ok(None);
    }
    let asked = connect::or_interrupted(context, available(session.client())).await?;
    let hypopg = asked.map_err(|error| connect::failure(session.error(error)))?;
    let (why, help) = match &hypopg {
        Availability::Usable { .. } => return Ok(Some(hypopg)),
        Availability::Forbidden { schema, .. } => (
            "this user may not call HypoPG's functions".to_owned(),
            format!("grant USAGE on schema {schema} and EXECUTE on its functions"),
        ),
        Availability::Installable { .. } => (
            "HypoPG is not installed in this database".to_owned(),
            "a superuser can run CREATE EXTENSION hypopg".to_owned(),
        ),
        _ => (
            "the server does not have HypoPG".to_owned(),
            "install its package, such as postgresql-15-hypopg, and run CREATE EXTENSION hypopg".to_owned(),
        ),
    };
    if args.engine == Engine::Hypopg {
        return Err(Failure::usage(why).hint(help));
    }
    let finding = Finding::note("no-hypopg", format!("{why}, so dbopt's model answers")).help(help);
    context.stderr.findings(std::slice::from_ref(&finding));
    findings.push(finding);
    Ok(None)
}

fn print(context: &Context, args: &Advise, view: &AdviceView) -> Result<(), Failure> {
    if let Some(file) = &args.rollback {
        output::data(Some(file), &sql::rollback(view))?;
    }
    let to = args.output.as_deref();
    match args.format {
        AdviseFormat::Json => output::json(to, view),
        AdviseFormat::Sql => output::data(to, &sql::script(view)),
        AdviseFormat::Table => output::text(&context.global, to, &document::advise::document(view, args.frontier)),
        AdviseFormat::Markdown => output::markdown(to, &document::advise::document(view, args.frontier)),
    }
}
