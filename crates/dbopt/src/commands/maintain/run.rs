//! `dbopt maintain run`

use std::sync::Arc;

use dbopt_maintain::{
    MaintenancePolicy,
    actions::Leftovers,
    plan::{Item, Plan, Prediction},
};
use dbopt_run::{Action, Event, Fate, Report, Runner};
use jiff::Timestamp;

use super::{gather, log::Log, notify, policy, refuse_other, targets};
use crate::{
    cli::{Connection, MaintainRun},
    commands::{Context, connect, read, runner},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::{
        finding::FindingView,
        maintain::{DoneView, PlansView, RunView, RunsView},
    },
};

/// Does what is due, or what a saved plan says.
pub(super) fn run(context: &Context, args: &MaintainRun) -> Result<Exit, Failure> {
    let policy = policy(context, &args.of)?;
    let saved = args.plan.as_deref().map(saved).transpose()?;
    let mut log = Log::new(context, args.log);
    let mut view = RunsView::default();
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
    if let Some(finding) = policy.notify.as_ref().and_then(|notify| notify::tell(notify, &view, worst)) {
        context.stderr.findings(&[finding]);
    }
    output::report(&context.global, args.format, None, &view, document::maintain::runs)?;
    Ok(worst)
}

/// The plans of a file.
fn saved(file: &str) -> Result<PlansView, Failure> {
    let (name, text) = read::text(file)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("`{name}` is no plan: {error}")).hint("give what `dbopt maintain plan --save` wrote")
    })
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
    let plan = chosen(&gathered, policy, saved)?;
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
    let left = repairs.iter().any(|repair| matches!(repair.fate, Fate::Kept(_) | Fate::Foreign(_)));
    Ok(match runner::exit(&reports) {
        Exit::Done if left || !refused.is_empty() || plan.notes.iter().any(|note| note.is_trouble()) => Exit::Partial,
        exit => exit,
    })
}

/// The saved plan for this database, or what is due now.
fn chosen(gathered: &gather::Gathered, policy: &MaintenancePolicy, saved: Option<&PlansView>) -> Result<Plan, Failure> {
    let Some(saved) = saved else { return Ok(gathered.plan(policy)) };
    let database = &gathered.facts.server.database;
    let Some(plan) = saved.plans.iter().find(|plan| plan.database == *database) else {
        let names: Vec<String> = saved.plans.iter().map(|plan| format!("`{}`", plan.database)).collect();
        return Err(Failure::usage(format!("the plan is not for the database `{database}`, and nothing was done"))
            .hint(format!("it is for {}", names.join(", "))));
    };
    plan.confirm(&gathered.facts).map_err(|why| {
        Failure::usage(format!("the plan cannot be used, and nothing was done: {why}"))
            .hint("plan again with `dbopt maintain plan --save`")
    })?;
    Ok(plan.clone())
}

/// The items that still fit the database and their actions, and those that do not, with why.
type Fitting<'a> = (Vec<&'a Item>, Vec<Box<dyn Action>>, Vec<(&'a Item, String)>);

fn fitting<'a>(gathered: &gather::Gathered, plan: &'a Plan, leftovers: Leftovers) -> Fitting<'a> {
    let (mut items, mut actions, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for item in &plan.items {
        match (item.stale(&gathered.facts), item.work.action_with(leftovers)) {
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

/// The worse of two ends: what a person has to see to first.
fn worse(one: Exit, other: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Done => 0,
        Exit::Findings => 1,
        Exit::Deferred => 2,
        Exit::Blocked => 3,
        Exit::Locked => 4,
        Exit::Partial => 5,
        Exit::Connection => 6,
        Exit::Usage => 7,
        Exit::Interrupted => 8,
        Exit::Internal => 9,
    };
    if rank(other) > rank(one) { other } else { one }
}
