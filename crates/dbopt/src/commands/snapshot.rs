//! `dbopt snapshot`

use dbopt_catalog::{RedactionKey, redact, snapshot};

use super::{Context, catalogue, connect, read};
use crate::{cli::Snapshot, exit::Exit, failure::Failure, output};

/// Writes what the planner knows of a database to a file.
pub(crate) fn run(context: &Context, args: &Snapshot) -> Result<Exit, Failure> {
    let key = if args.redact { Some(redaction_key(args.redact_key.as_deref())?) } else { None };
    let (mut catalog, findings) = connect::block_on(async {
        let session = connect::open(context, &args.connection).await?;
        catalogue::live(context, &session, &args.schemas).await
    })?;
    context.stderr.findings(&findings);
    if catalog.tables.is_empty() {
        return Err(Failure::usage("no table was found, so there is nothing to write")
            .hint("check the database and the schemas named by -n"));
    }
    if let Some(key) = key {
        catalog = redact(&catalog, &key);
    }
    let mut bytes = Vec::new();
    snapshot::write(&catalog, &mut bytes)
        .map_err(|error| Failure::internal().detail(format!("the snapshot could not be encoded: {error}")))?;
    output::data(args.output.as_deref(), &String::from_utf8_lossy(&bytes))?;
    Ok(Exit::Done)
}

/// The key of the hashes: a file's bytes, or a random key that nobody keeps.
fn redaction_key(file: Option<&str>) -> Result<RedactionKey, Failure> {
    let Some(file) = file else {
        return RedactionKey::random().map_err(|error| Failure::usage(error.to_string()));
    };
    RedactionKey::new(read::bytes(file)?.trim_ascii()).map_err(|error| {
        Failure::usage(format!("the key in `{file}` cannot be used: {error}"))
            .hint("make one with `head -c 32 /dev/urandom | base64 > FILE`")
    })
}
