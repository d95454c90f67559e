//! `dbopt maintain run`

use std::{path::Path, sync::Arc};

use dbopt_maintain::{
    Facts, MaintenancePolicy,
    actions::Leftovers,
    plan::{Item, Note, Pace, Plan, Prediction, still_held},
};
use dbopt_run::{Action, Outcome, Report, Runner};
use jiff::Timestamp;

use super::{gather, log::Log, notify, policy, refuse_other, targets, worse};
use crate::{
    cli::{Connection, MaintainRun, RunLog},
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
    let mut log = Log::new(context);
    let mut worst = Exit::Done;
    for target in targets(&args.of, &policy) {
        let job = Job {
            command: "maintain",
            target: &target,
            policy: &policy,
            planner: dbopt_maintain::plan::plan,
            saved: saved.as_ref(),
            stop_file: args.stop_file.as_deref(),
            leftovers: if args.drop_leftovers { Leftovers::Drop } else { Leftovers::Refuse },
        };
        let (one, exit) = one_database(context, &job, &mut log);
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
    if let Some(finding) =
        policy.notify.as_ref().and_then(|notify| notify::tell(notify, view, exit, context.stderr.log() == RunLog::Json))
    {
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

/// What is done in one database.
pub(crate) struct Job<'a> {
    /// The command, as in `dbopt.run`.
    pub(crate) command: &'static str,
    pub(crate) target: &'a Connection,
    pub(crate) policy: &'a MaintenancePolicy,
    pub(crate) planner: gather::Planner,
    pub(crate) saved: Option<&'a PlansView>,
    pub(crate) stop_file: Option<&'a Path>,
    pub(crate) leftovers: Leftovers,
}

/// Does a job, and tells of it whatever comes of it.
pub(crate) fn one_database(context: &Context, job: &Job<'_>, log: &mut Log) -> (RunView, Exit) {
    let mut view = RunView::default();
    let exit = match connect::block_on(work(context, job, log, &mut view)) {
        Ok(exit) => exit,
        Err(failure) => {
            context.stderr.failure(&failure);
            view.error = Some(failure.message);
            failure.exit
        }
    };
    view.exit_code = exit.code();
    log.end(exit.code(), view.error.as_deref());
    (view, exit)
}

async fn work(context: &Context, job: &Job<'_>, log: &mut Log, view: &mut RunView) -> Result<Exit, Failure> {
    let Job { command, target, policy, planner, saved, stop_file, leftovers } = *job;
    let settings = connect::settings(context, target)?;
    settings.dbname().clone_into(&mut view.database);
    log.turn_to(settings.dbname());
    refuse_other(policy, settings.dbname())?;
    let mut options = policy.run.options.clone();
    options.stop.until = runner::closes(&policy.run.windows, Timestamp::now())?;
    options.stop.flag = Arc::clone(context.interrupt.flag());
    if let Some(file) = stop_file {
        options.stop.file = Some(file.to_owned());
    }
    // A plan that is refused is no run: nothing is written down, and nothing has died.
    if let Some(saved) = saved {
        let mut session = gather::open(context, target).await?;
        let facts = connect::or_interrupted(context, Facts::load(&mut session)).await?.map_err(gather::failure)?;
        session.close().await;
        confirmed(&facts, policy, saved)?;
    }
    let failed = |error| runner::failure(error, target);
    let started = connect::or_interrupted(context, Runner::start(&settings, command, options)).await?;
    let mut run = started.map_err(failed)?;
    view.run = Some(run.run());
    let repairs = dbopt_maintain::actions::repair(&mut run).await.map_err(failed)?;
    view.repairs.extend(repairs.iter().map(Into::into));
    // The facts are read after the repairs, and before anything else is changed.
    let mut session = gather::open(context, target).await?;
    let gathered = gather::Gathered::read(&mut session, policy, planner).await.map_err(gather::failure)?;
    session.close().await;
    let plan = match saved {
        Some(saved) => confirmed(&gathered.facts, policy, saved)?.clone(),
        None => gathered.plan(policy),
    };
    // What a saved plan noted is of the day when it was made.
    let notes = gathered.plan(policy).notes;
    let is_trouble = notes.iter().any(Note::is_trouble);
    view.notes.extend(notes.into_iter().filter(|note| !is_answered(note)));
    let (mut items, mut actions, refused) = fitting(&gathered, &plan, leftovers);
    let unseen = runner::unseen(run.unseen(&actions).await.map_err(failed)?);
    context.stderr.findings(&unseen);
    view.findings.extend(unseen.iter().map(FindingView::from));
    log.begin(run.run(), actions.len());
    let mut reports: Vec<Report> = Vec::new();
    let mut pace = Pace::default();
    let mut executed = Ok(());
    for (item, action) in items.iter_mut().zip(&mut actions) {
        if let Some(seconds) = pace.guess(item, &gathered.facts) {
            (item.predicted_seconds, item.prediction) = (Some(seconds), Some(Prediction::Guess));
        }
        log.expect(item);
        let done = run.execute(std::slice::from_mut(action), &mut |event| log.event(&event)).await;
        match done {
            Ok(done) => reports.extend(done),
            Err(error) => {
                executed = Err(failed(error));
                break;
            }
        }
        if let Some(report) = reports.last().filter(|report| report.outcome == Outcome::Done) {
            pace.learn(item, &gathered.facts, report.seconds);
        }
    }
    // What was done is told whatever ended the run.
    view.steps.extend(items.iter().zip(&reports).map(|(item, report)| DoneView::new(item, report)));
    view.steps.extend(refused.iter().map(|(item, why)| DoneView::refused(item, why)));
    executed?;
    let vacuumed: Vec<u32> = items.iter().map(|item| item.work.table().oid).collect();
    let held = still_held(run.session(), policy, &vacuumed).await;
    view.notes.extend(held.map_err(gather::failure)?);
    run.finish(&reports).await.map_err(failed)?;
    let left = runner::is_left(&repairs);
    Ok(match runner::exit(&reports) {
        Exit::Done if left || is_trouble || !refused.is_empty() => Exit::Partial,
        exit => exit,
    })
}

/// Whether a note of a plan is about what the run has tried, and its steps or a later look tell how that went.
fn is_answered(note: &Note) -> bool {
    matches!(note.code.as_str(), "too-many" | "locked" | "horizon-held")
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

/// The items that fit the policy and still fit the database, with their actions, and those that do not, with why.
type Fitting<'a> = (Vec<Item>, Vec<Box<dyn Action>>, Vec<(&'a Item, String)>);

fn fitting<'a>(gathered: &gather::Gathered, plan: &'a Plan, leftovers: Leftovers) -> Fitting<'a> {
    let (mut items, mut actions, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for item in &plan.items {
        let why = item.refused.clone().or_else(|| item.stale(&gathered.facts));
        match (why, plan.action(item, leftovers, gathered.facts.server.now)) {
            (Some(why), _) => refused.push((item, why)),
            (None, mut action) => {
                // A guessed time is for people: nothing is put off because of it.
                action.step_mut().seconds =
                    item.predicted_seconds.filter(|_| item.prediction != Some(Prediction::Guess));
                items.push(item.clone());
                actions.push(action);
            }
        }
    }
    (items, actions, refused)
}
