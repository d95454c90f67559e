//! `dbopt keys status`

use dbopt_finding::{Finding, Severity};
use jiff::Timestamp;

use dbopt_crypto::EncryptionPolicy;
use dbopt_reencrypt::{Catalogue, Counted};

use super::{policy, unread};
use crate::{
    cli::{
        Connection,
        keys::{KeysFailOn, KeysStatus},
    },
    commands::{Context, connect, re_encrypt},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::keys::KeysStatusView,
};

/// Says how keys stand, and with a database what is under which.
pub(super) fn run(context: &Context, args: &KeysStatus) -> Result<Exit, Failure> {
    let policy = policy(context, &args.of, false)?;
    let keyring = policy.keyring_file().read().map_err(|error| unread(error, &policy))?;
    let mut findings: Vec<Finding> = policy.review_keys(&keyring, Timestamp::now());
    let mut counted = Vec::new();
    if args.connection.is_given() {
        let (catalogue, found) = look(context, &args.connection, &policy)?;
        findings.extend(policy.review_database(&catalogue.facts));
        findings.extend(found.iter().flat_map(|column| column.review(&keyring)));
        counted = found;
    }
    let view = KeysStatusView::new(&policy.keyring, &keyring, &counted, &findings);
    output::report(&context.global, args.of.format, None, &view, |view| document::keys::status(view, &findings))?;
    let worst = findings.iter().map(|finding| finding.severity).max();
    let fails = match args.fail_on {
        KeysFailOn::Warning => Some(Severity::Warning),
        KeysFailOn::Error => Some(Severity::Error),
        KeysFailOn::Never => None,
    };
    Ok(if fails.is_some_and(|fails| worst >= Some(fails)) { Exit::Findings } else { Exit::Done })
}

/// What a database says of the policy's columns, and what is in them.
pub(super) fn look(
    context: &Context,
    connection: &Connection,
    policy: &EncryptionPolicy,
) -> Result<(Catalogue, Vec<Counted>), Failure> {
    connect::block_on(async {
        let session = connect::open_as(context, connection, &re_encrypt::counting()).await?;
        let look = async {
            let catalogue = Catalogue::load(&session, policy).await?;
            let counted = dbopt_reencrypt::count(&session, policy, &catalogue).await?;
            Ok((catalogue, counted))
        };
        let looked = connect::or_interrupted(context, look).await?.map_err(re_encrypt::failure);
        session.close().await;
        looked
    })
}
