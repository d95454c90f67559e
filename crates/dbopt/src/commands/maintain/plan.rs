//! `dbopt maintain plan`

use super::{each, gather, policy, refuse_other, targets};
use crate::{
    cli::{Connection, MaintainPlan},
    commands::{Context, connect},
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
            let read = gather::Gathered::read(&mut session, &policy);
            let gathered = connect::or_interrupted(context, read).await?.map_err(gather::failure)?;
            session.close().await;
            refuse_other(&policy, &gathered.facts.server.database)?;
            Ok(gathered.plan(&policy))
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
