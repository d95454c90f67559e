//! `dbopt gdpr residue`

use dbopt_gdpr::{
    GdprPolicy,
    residue::{ResidueOptions, Stays, residue},
};
use jiff::{SignedDuration, Timestamp};

use super::failure;
use crate::{
    cli::gdpr::GdprResidue,
    commands::{Context, connect, load},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr_verify::ResidueView,
};

/// Says where erased values may still be.
pub(super) fn run(context: &Context, args: &GdprResidue) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.under.policy, false)?;
    let backups = args.backups_kept.map(SignedDuration::try_from).transpose();
    let backups = backups.map_err(|_| Failure::usage("`--backups-kept` is longer than any time"))?;
    let options = ResidueOptions { since: args.since, now: Timestamp::now(), backups };
    let found = connect::block_on(async {
        let mut session = connect::open(context, &args.under.connection).await?;
        let transaction = session.read_only().await.map_err(connect::failure)?;
        let found =
            connect::or_interrupted(context, residue(&transaction, &policy, options)).await?.map_err(failure)?;
        drop(transaction);
        session.close().await;
        Ok(found)
    })?;
    output::report(&context.global, args.format, None, &ResidueView::new(&found), document::gdpr_verify::residue)?;
    let is_left = found.iter().any(|one| one.stays != Stays::Gone);
    Ok(if is_left { Exit::Findings } else { Exit::Done })
}
