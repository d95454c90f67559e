//! `dbopt maintain status`

use std::fs::{File, rename};
use std::io::{self, Write};
use std::path::Path;

use dbopt_maintain::status::{Status, metrics};

use super::{each, gather, policy, refuse_other, targets, worse};
use crate::{
    cli::{Connection, MaintainStatus},
    commands::{Context, connect, migrate},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::maintain::StatusView,
};

/// Says how maintenance stands.
pub(super) fn run(context: &Context, args: &MaintainStatus) -> Result<Exit, Failure> {
    let policy = policy(context, &args.of)?;
    let look = |target: &Connection| {
        connect::block_on(async {
            let mut session = gather::open(context, target).await?;
            migrate::require(&session, dbopt_run::MIGRATION, target).await?;
            let look = async {
                let gathered = gather::Gathered::read(&mut session, &policy, dbopt_maintain::plan::plan).await?;
                let plan = gathered.plan(&policy);
                let seen = (&gathered.facts, &gathered.estimates);
                Status::load(&session, &policy, seen, &plan).await
            };
            let status = connect::or_interrupted(context, look).await?.map_err(gather::failure)?;
            session.close().await;
            refuse_other(&policy, &status.database)?;
            Ok(status)
        })
    };
    let (databases, worst) = each(context, &targets(&args.of, &policy), look)?;
    let view = StatusView { databases, ..StatusView::default() };
    if let Some(file) = &args.prometheus {
        let text = metrics(&view.databases);
        at_once(file, &text).map_err(|error| Failure::file("write", &file.display().to_string(), &error))?;
    }
    output::report(&context.global, args.format, None, &view, document::maintain::status)?;
    let is_well = view.databases.iter().all(|status| status.wrong.is_empty());
    Ok(worse(worst, if is_well { Exit::Done } else { Exit::Findings }))
}

/// Writes a file so that whoever reads it sees the old or the new, and never a part. The collector reads files that end in
/// `.prom`, and so not the one that is being written.
fn at_once(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let draft = file.with_file_name(name);
    let write = || {
        let mut to = File::create(&draft)?;
        to.write_all(text.as_bytes())?;
        to.sync_all()?;
        rename(&draft, file)
    };
    write().inspect_err(|_| {
        // Nothing is to be left of it.
        let _ = std::fs::remove_file(&draft);
    })
}
