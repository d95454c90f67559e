//! `dbopt apply`

mod file;
mod key;
mod locked;
mod look;
mod plan;
mod settings;
mod undo;
mod verified;

use dbopt_run::{Action, Error, Event, Report, Runner, Step, predict_seconds};
use indicatif::ProgressBar;

use self::file::File;
use self::plan::Plan;
use super::{Context, catalogue, connect, migrate, runner};
use crate::{
    cli::{Apply, ReportFormat},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::{
        apply::{ApplyView, StepView},
        finding::FindingView,
    },
};

/// Does what an advice says, or takes it back.
pub(crate) fn run(context: &Context, args: &Apply) -> Result<Exit, Failure> {
    let file = File::read(&args.advice)?;
    connect::block_on(run_async(context, args, &file))
}

async fn run_async(context: &Context, args: &Apply, file: &File) -> Result<Exit, Failure> {
    let session = connect::open(context, &args.connection).await?;
    // What the catalogue's statistics lack does not matter here.
    let (catalog, _) = catalogue::live(context, &session, &[]).await?;
    let mut plan = if args.rollback {
        migrate::require(&session, dbopt_run::MIGRATION, &args.connection).await?;
        undo::plan(&session, file, &catalog).await.map_err(|error| runner::failure(error, &args.connection))?
    } else {
        let mut plan = plan::forward(file, &catalog, args.drop);
        if plan.findings.is_empty() {
            plan.findings = look::faults(&session, file).await.map_err(connect::failure)?;
        }
        plan
    };
    if !plan.findings.is_empty() {
        // The catalogue leaves out what it cannot read for somebody's lock.
        let locked = locked::tables(&session, file).await.map_err(connect::failure)?;
        if !locked.is_empty() {
            return Err(Failure::new(Exit::Blocked, "tables of the advice are locked, and nothing was done")
                .findings(locked)
                .hint("run it again when the locks are gone"));
        }
        return Err(Failure::usage("the advice does not fit this database, and nothing was done")
            .findings(std::mem::take(&mut plan.findings)));
    }
    context.stderr.findings(&plan.notes);
    session.close().await;
    if args.dry_run {
        dry_run(context, args, &plan)?;
        return Ok(if plan.notes.is_empty() { Exit::Done } else { Exit::Partial });
    }
    apply(context, args, plan).await
}

/// Prints the statements that would be run.
fn dry_run(context: &Context, args: &Apply, plan: &Plan) -> Result<(), Failure> {
    let mut view = ApplyView::new(true, None);
    view.steps.extend(plan.steps.iter().filter(|step| !step.is_done).map(|step| step.action.step().into()));
    view.findings.extend(plan.notes.iter().map(FindingView::from));
    if args.format == ReportFormat::Table {
        if view.steps.is_empty() {
            return output::data(None, "-- There is nothing to do.\n");
        }
        let statements = view.steps.iter().flat_map(|step| &step.statements);
        return output::data(None, &statements.map(|statement| format!("{statement}\n")).collect::<String>());
    }
    print(context, args, &view)
}

async fn apply(context: &Context, args: &Apply, plan: Plan) -> Result<Exit, Failure> {
    let target = connect::settings(context, &args.connection)?;
    let options = settings::options(context, args)?;
    let failed = |error| runner::failure(error, &args.connection);
    let started = connect::or_interrupted(context, Runner::start(&target, "apply", options)).await?;
    let mut run = started.map_err(failed)?;
    let mut view = ApplyView::new(false, Some(run.run()));
    let repairs = run.repair().await.map_err(failed)?;
    view.repairs.extend(repairs.iter().map(Into::into));
    let mut actions: Vec<Box<dyn Action>> = plan.steps.into_iter().map(|planned| planned.action).collect();
    let unseen = run.unseen(&actions).await.map_err(failed)?;
    let unseen = runner::unseen(unseen);
    context.stderr.findings(&unseen);
    view.findings.extend(plan.notes.iter().chain(&unseen).map(FindingView::from));
    for action in &mut actions {
        predict(&run, &mut **action).await.map_err(failed)?;
    }
    let bar = context.stderr.shows_progress().then(ProgressBar::new_spinner);
    let mut reports: Vec<Report> = Vec::new();
    let mut under_way: Option<Step> = None;
    let executed = run
        .execute(&mut actions, &mut |event| {
            if let Some(bar) = &bar {
                runner::show(bar, &event);
            }
            match event {
                Event::Begun(step) => under_way = Some(step.clone()),
                Event::Ended(report) => {
                    under_way = None;
                    reports.push(report.clone());
                }
                _ => {}
            }
        })
        .await;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    view.steps.extend(reports.iter().map(Into::into));
    if executed.is_err() {
        view.steps.extend(under_way.as_ref().map(StepView::lost));
    }
    // What was done is printed whatever ended the run.
    if executed.is_ok() || !view.steps.is_empty() || !view.repairs.is_empty() {
        print(context, args, &view)?;
    }
    executed.map_err(failed)?;
    run.finish(&reports).await.map_err(failed)?;
    let left = runner::is_left(&repairs);
    Ok(match runner::exit(&reports) {
        Exit::Done if left || !plan.notes.is_empty() => Exit::Partial,
        exit => exit,
    })
}

/// The history knows this server; the advice only guessed.
async fn predict(runner: &Runner, action: &mut dyn Action) -> Result<(), Error> {
    let step = action.step_mut();
    let Some((schema, table)) = step.table.as_ref().filter(|_| step.kind == "create-index") else { return Ok(()) };
    let sql = "SELECT pg_catalog.pg_table_size(c.oid) FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
    let rows = runner.session().query(sql, &[schema, table]).await?;
    if let Some(row) = rows.first()
        && let Some(predicted) = predict_seconds(runner.session(), "create-index", row.get(0)).await?
    {
        step.seconds = Some(predicted.seconds);
    }
    Ok(())
}

fn print(context: &Context, args: &Apply, view: &ApplyView) -> Result<(), Failure> {
    output::report(&context.global, args.format, None, view, document::apply::document)
}
