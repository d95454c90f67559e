//! `dbopt gdpr plan`

use dbopt_gdpr::{GdprPolicy, Graph};
use jiff::Timestamp;

use super::{failure, key, pseudonymizer, subject};
use crate::{
    cli::gdpr::GdprPlan,
    commands::{Context, catalogue, connect, load, re_encrypt},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr::GdprPlanView,
};

/// Says what erasing a person would do.
pub(super) fn run(context: &Context, args: &GdprPlan) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.person.under.policy, true)?;
    let pseudonyms = pseudonymizer(&policy)?;
    let subject = subject(&policy, args.person.rule.as_deref())?;
    let key = key(&args.person.subject)?;
    let view = connect::block_on(async {
        let mut session = connect::open_as(context, &args.person.under.connection, &re_encrypt::counting()).await?;
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
