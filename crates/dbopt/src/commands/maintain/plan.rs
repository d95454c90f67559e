//! `dbopt maintain plan`

use super::{each, gather, policy, refuse_other, targets};
use crate::{
    cli::{Connection, MaintainPlan},
    commands::{Context, connect, runner},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::maintain::PlansView,
};

/// Says what would be done.
pub(super) fn run(context: &Context, args: &MaintainPlan) -> Result<Exit, Failure> {
    let policy = policy(context, &args.of)?;
    let look = |target: &Connection| {
        connect::block_on(async {
            let mut session = gather::open(context, target).await?;
            let read = gather::Gathered::read(&mut session, &policy, dbopt_maintain::plan::plan);
            let mut gathered = connect::or_interrupted(context, read).await?.map_err(gather::failure)?;
            refuse_other(&policy, &gathered.facts.server.database)?;
            let foreseen = gathered.foreseen(&session, &policy);
            let foreseen = connect::or_interrupted(context, foreseen).await?;
            let plan = foreseen.map_err(|error| runner::failure(error, target))?;
            session.close().await;
            Ok(plan)
        })
    };
    let (plans, worst) = each(context, &targets(&args.of, &policy), look)?;
    let view = PlansView { plans, ..PlansView::default() };
    if let Some(file) = &args.save {
        output::json(Some(file), &view)?;
    }
    output::report(&context.global, args.format, None, &view, document::maintain::plans)?;
    Ok(worst)
}
