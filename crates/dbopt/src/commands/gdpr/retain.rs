//! `dbopt gdpr retain`: rows of persons whose time is over go the way of maintenance, by the policy of persons.

use std::path::Path;

use dbopt_finding::Severity;
use dbopt_gdpr::{
    GdprPolicy, Graph,
    retain::{self, Retained, retained},
};
use dbopt_maintain::{
    Exempt, Exemption, MaintenancePolicy,
    actions::Leftovers,
    plan::plan_retention,
    policy::{By, ReindexRule, RetentionRule, Whole},
};
use jiff::Timestamp;

use super::failure;
use crate::{
    cli::{
        Connection,
        gdpr::{GdprRetain, RetainPlan, RetainRun},
    },
    commands::{
        Context, catalogue, connect, load,
        maintain::{
            gather,
            log::Log,
            run::{Job, one_database},
        },
        runner,
    },
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::maintain::{PlansView, RunsView},
};

/// What the report is of.
const WHAT: &str = "Retention of data of persons";

/// Plans what goes, or has it go.
pub(super) fn run(context: &Context, command: &GdprRetain) -> Result<Exit, Failure> {
    match command {
        GdprRetain::Plan(args) => plan(context, args),
        GdprRetain::Run(args) => delete(context, args),
    }
}

fn plan(context: &Context, args: &RetainPlan) -> Result<Exit, Failure> {
    let policy = rules(context, &args.under.connection, &args.under.policy)?;
    let plan = connect::block_on(async {
        let mut session = gather::open(context, &args.under.connection).await?;
        let read = gather::Gathered::read(&mut session, &policy, plan_retention);
        let mut gathered = connect::or_interrupted(context, read).await?.map_err(gather::failure)?;
        let foreseen = connect::or_interrupted(context, gathered.foreseen(&session, &policy)).await?;
        let plan = foreseen.map_err(|error| runner::failure(error, &args.under.connection))?;
        session.close().await;
        Ok(plan)
    })?;
    let view = PlansView { plans: vec![plan], ..PlansView::default() };
    let document = |view: &PlansView| document::maintain::plans_of(WHAT, view);
    output::report(&context.global, args.format, None, &view, document)?;
    Ok(Exit::Done)
}

fn delete(context: &Context, args: &RetainRun) -> Result<Exit, Failure> {
    let policy = rules(context, &args.under.connection, &args.under.policy)?;
    let mut log = Log::new(context);
    let job = Job {
        command: "gdpr-retain",
        target: &args.under.connection,
        policy: &policy,
        planner: plan_retention,
        saved: None,
        stop_file: args.stop_file.as_deref(),
        leftovers: Leftovers::Refuse,
    };
    let (one, exit) = one_database(context, &job, &mut log);
    drop(log);
    let view = RunsView { exit_code: exit.code(), runs: vec![one], ..RunsView::default() };
    let document = |view: &RunsView| document::maintain::runs_of(WHAT, view);
    output::report(&context.global, args.format, None, &view, document)?;
    Ok(exit)
}

/// The rules of retention that the policy of persons comes to in a database, as maintenance has them.
fn rules(context: &Context, connection: &Connection, file: &Path) -> Result<MaintenancePolicy, Failure> {
    let policy: GdprPolicy = load::policy(context, file, false)?;
    let (all, findings) = connect::block_on(async {
        let mut session = gather::open(context, connection).await?;
        let (catalog, _) = catalogue::live(context, &session, &[]).await?;
        let graph = Graph::new(catalog, &policy);
        let transaction = session.read_only().await.map_err(connect::failure)?;
        let looking = retained(&transaction, &graph, &policy, Timestamp::now());
        let found = connect::or_interrupted(context, looking).await?.map_err(unknown)?;
        drop(transaction);
        session.close().await;
        Ok(found)
    })?;
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        let message = "not all rows that are to stay could be told from others, and nothing was done";
        return Err(Failure::new(Exit::Findings, message).findings(findings));
    }
    context.stderr.findings(&findings);
    Ok(maintenance(&policy, all))
}

/// A hold that the server refuses to show is one that cannot be read.
fn unknown(error: dbopt_gdpr::Error) -> Failure {
    let mut failure = failure(error);
    if failure.exit == Exit::Partial {
        failure.exit = Exit::Findings;
    }
    failure
}

/// A policy of maintenance with nothing but retention in it.
fn maintenance(policy: &GdprPolicy, all: Vec<Retained>) -> MaintenancePolicy {
    let rule = |one: Retained| RetentionRule {
        table: (one.table.schema, one.table.name),
        keep: one.retention.keep.get(),
        by: By::Rows { column: one.retention.column },
        most_rows: one.retention.most_rows,
        most_share: one.retention.most_share,
        whole: Whole::default(),
        cascades: Vec::new(),
        triggers: one.retention.triggers,
        exempt: exempt(one.exemptions),
        archive: None,
    };
    MaintenancePolicy {
        run: policy.run.clone(),
        retention: all.into_iter().map(rule).collect(),
        reindex: ReindexRule { enabled: false, ..ReindexRule::default() },
        ..MaintenancePolicy::default()
    }
}

fn exempt(exemptions: Vec<retain::Exemption>) -> Exempt {
    let one = |exemption: retain::Exemption| Exemption {
        why: exemption.why,
        condition: exemption.condition.replace(retain::TABLE, Exemption::TABLE),
    };
    // Among them is each row that a foreign key refers to.
    Exempt { reasons: exemptions.into_iter().map(one).collect(), is_unreferenced: true }
}
