//! `dbopt maintain run`

use std::sync::Arc;

use dbopt_maintain::{
    Facts, MaintenancePolicy,
    actions::Leftovers,
    plan::{Item, Plan, Prediction},
};
use dbopt_run::{Action, Event, Report, Runner};
use jiff::Timestamp;

use super::{gather, log::Log, notify, policy, refuse_other, targets, worse};
use crate::{
    cli::{Connection, MaintainRun},
    commands::{Context, connect, read, runner},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::{
        SCHEMA_VERSION,
        finding::FindingView,
        maintain::{DoneView, PlansView, RunView, RunsView},
    },
};

/// Does what is due, or what a saved plan says.
pub(super) fn run(context: &Context, args: &MaintainRun) -> Result<Exit, Failure> {
    let policy = policy(context, &args.of)?;
    let mut view = RunsView::default();
    let saved = args.plan.as_deref().map(saved).transpose().inspect_err(|failure| {
        // Nobody looks at standard error every night.
        view.exit_code = failure.exit.code();
        view.runs.push(RunView {
            database: args.of.connection.dbname.clone().unwrap_or_default(),
            exit_code: failure.exit.code(),
            error: Some(failure.message.clone()),
            ..RunView::default()
        });
        tell(context, &policy, &view, failure.exit);
    })?;
    let mut log = Log::new(context, args.log);
    let mut worst = Exit::Done;
    for target in targets(&args.of, &policy) {
        let mut one = RunView::default();
        let result =
            connect::block_on(one_database(context, args, (&target, &policy), saved.as_ref(), &mut log, &mut one));
        let exit = match result {
            Ok(exit) => exit,
            Err(failure) => {
                context.stderr.failure(&failure);
                one.error = Some(failure.message);
                failure.exit
            }
        };
        one.exit_code = exit.code();
        log.end(exit.code(), one.error.as_deref());
        view.runs.push(one);
        worst = worse(worst, exit);
    }
    drop(log);
    view.exit_code = worst.code();
    tell(context, &policy, &view, worst);
    output::report(&context.global, args.format, None, &view, document::maintain::runs)?;
    Ok(worst)
}

/// Tells whom the policy says about a run.
fn tell(context: &Context, policy: &MaintenancePolicy, view: &RunsView, exit: Exit) {
    if let Some(finding) = policy.notify.as_ref().and_then(|notify| notify::tell(notify, view, exit)) {
        context.stderr.findings(&[finding]);
    }
}

/// The plans of a file.
fn saved(file: &str) -> Result<PlansView, Failure> {
    let (name, text) = read::text(file)?;
    let refuse = |why: String| {
        Failure::usage(format!("`{name}` is no plan: {why}")).hint("give what `dbopt maintain plan --save` wrote")
    };
    let saved: PlansView = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    if saved.schema_version != SCHEMA_VERSION {
        return Err(refuse(format!("it has format {}, and this dbopt reads {SCHEMA_VERSION}", saved.schema_version)));
    }
    Ok(saved)
}

async fn one_database(
    context: &Context,
    args: &MaintainRun,
    (target, policy): (&Connection, &MaintenancePolicy),
    saved: Option<&PlansView>,
    log: &mut Log,
    view: &mut RunView,
) -> Result<Exit, Failure> {
    let settings = connect::settings(context, target)?;
    settings.dbname().clone_into(&mut view.database);
    log.turn_to(settings.dbname());
    refuse_other(policy, settings.dbname())?;
    let mut options = policy.run.options.clone();
    options.stop.until = runner::closes(&policy.run.windows, Timestamp::now())?;
    options.stop.flag = Arc::clone(context.interrupt.flag());
    if args.stop_file.is_some() {
        options.stop.file.clone_from(&args.stop_file);
    }
    // A plan that is refused is no run: nothing is written down, and nothing has died.
    if let Some(saved) = saved {
        let mut session = gather::open(context, target).await?;
        let facts = connect::or_interrupted(context, Facts::load(&mut session)).await?.map_err(gather::failure)?;
        session.close().await;
        confirmed(&facts, policy, saved)?;
    }
    let failed = |error| runner::failure(error, target);
    let started = connect::or_interrupted(context, Runner::start(&settings, "maintain", options)).await?;
    let mut run = started.map_err(failed)?;
    view.run = Some(run.run());
    let repairs = dbopt_maintain::actions::repair(&mut run).await.map_err(failed)?;
    view.repairs.extend(repairs.iter().map(Into::into));
    // The facts are read after the repairs, and before anything else is changed.
    let mut session = gather::open(context, target).await?;
    let gathered = gather::Gathered::read(&mut session, policy).await.map_err(gather::failure)?;
    session.close().await;
    let plan = match saved {
        Some(saved) => confirmed(&gathered.facts, policy, saved)?.clone(),
        None => gathered.plan(policy),
    };
    view.notes.extend(plan.notes.iter().cloned());
    let leftovers = if args.drop_leftovers { Leftovers::Drop } else { Leftovers::Refuse };
    let (items, mut actions, refused) = fitting(&gathered, &plan, leftovers);
    let unseen = runner::unseen(run.unseen(&actions).await.map_err(failed)?);
    context.stderr.findings(&unseen);
    view.findings.extend(unseen.iter().map(FindingView::from));
    log.begin(run.run(), actions.len());
    let mut reports: Vec<Report> = Vec::new();
    let executed = run
        .execute(&mut actions, &mut |event| {
            log.event(&event);
            if let Event::Ended(report) = event {
                reports.push(report.clone());
            }
        })
        .await;
    // What was done is told whatever ended the run.
    view.steps.extend(items.iter().zip(&reports).map(|(item, report)| DoneView::new(item, report)));
    view.steps.extend(refused.iter().map(|(item, why)| DoneView::refused(item, why)));
    executed.map_err(failed)?;
    run.finish(&reports).await.map_err(failed)?;
    let left = runner::is_left(&repairs);
    Ok(match runner::exit(&reports) {
        Exit::Done if left || !refused.is_empty() || plan.notes.iter().any(|note| note.is_trouble()) => Exit::Partial,
        exit => exit,
    })
}

/// The saved plan for this database, when it is one that this program made, and takes away no more than the policy lets go.
fn confirmed<'a>(facts: &Facts, policy: &MaintenancePolicy, saved: &'a PlansView) -> Result<&'a Plan, Failure> {
    let database = &facts.server.database;
    let Some(plan) = saved.plans.iter().find(|plan| plan.database == *database) else {
        let names: Vec<String> = saved.plans.iter().map(|plan| format!("`{}`", plan.database)).collect();
        return Err(Failure::usage(format!("the plan is not for the database `{database}`, and nothing was done"))
            .hint(format!("it is for {}", names.join(", "))));
    };
    let refuse = |why| Failure::usage(format!("the plan cannot be used, and nothing was done: {why}"));
    plan.confirm(facts).map_err(|why| refuse(why).hint("plan again with `dbopt maintain plan --save`"))?;
    plan.permit(facts, policy).map_err(|why| {
        refuse(why).hint("give the policy that it was planned by, or plan again with `dbopt maintain plan --save`")
    })?;
    Ok(plan)
}

/// The items that still fit the database and their actions, and those that do not, with why.
type Fitting<'a> = (Vec<&'a Item>, Vec<Box<dyn Action>>, Vec<(&'a Item, String)>);

fn fitting<'a>(gathered: &gather::Gathered, plan: &'a Plan, leftovers: Leftovers) -> Fitting<'a> {
    let (mut items, mut actions, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for item in &plan.items {
        match (item.stale(&gathered.facts), plan.action(item, leftovers, gathered.facts.server.now)) {
            (Some(why), _) => refused.push((item, why)),
            (None, mut action) => {
                // A guessed time is for people: nothing is put off because of it.
                action.step_mut().seconds =
                    item.predicted_seconds.filter(|_| item.prediction != Some(Prediction::Guess));
                items.push(item);
                actions.push(action);
            }
        }
    }
    (items, actions, refused)
}
