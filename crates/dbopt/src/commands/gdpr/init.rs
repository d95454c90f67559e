//! `dbopt gdpr init`

use std::time::{Duration, Instant};

use dbopt_catalog::{Catalog, Relkind};
use dbopt_gdpr::{
    TableName,
    infer::{Draft, InferError, Inferred, SampleOptions, Unsampled, infer, sample},
};
use dbopt_policy::TableSelector;

use super::failure;
use crate::{
    cli::gdpr::GdprInit,
    commands::{Context, catalogue, connect},
    document,
    exit::Exit,
    failure::Failure,
    file, output,
    view::gdpr_init::GdprInitView,
};

/// Writes a first policy.
pub(super) fn run(context: &Context, args: &GdprInit) -> Result<Exit, Failure> {
    let to = args.output.as_deref().filter(|name| *name != "-");
    if let Some(name) = to {
        file::refuse_existing(name)?;
    }
    let (inferred, unsampled, seconds) = look(context, args)?;
    let since = Instant::now();
    let draft = Draft::new(&inferred, args.minimum.into());
    let seconds = seconds + since.elapsed().as_secs_f64();
    if let Some(name) = to {
        file::write_new(name, &draft.text)?;
    }
    if to.is_none() && args.format.is_none() {
        output::data(None, &draft.text)?;
    } else {
        let view = GdprInitView::new(&inferred, &draft, &unsampled, to, seconds);
        let format = args.format.unwrap_or(crate::cli::ReportFormat::Table);
        output::report(&context.global, format, None, &view, document::gdpr_init::init)?;
    }
    Ok(Exit::Done)
}

/// What is inferred of a file, or of a database and maybe its values; and the seconds it took besides reading the catalogue.
fn look(context: &Context, args: &GdprInit) -> Result<(Inferred, Vec<Unsampled>, f64), Failure> {
    let file = match (&args.snapshot, &args.ddl) {
        (Some(file), _) => Some(catalogue::snapshot(file)?),
        (_, Some(file)) => Some(catalogue::ddl(file)?),
        _ => None,
    };
    if let Some((catalog, findings)) = file {
        context.stderr.findings(&findings);
        let since = Instant::now();
        return Ok((inferred(args, &catalog)?, Vec::new(), since.elapsed().as_secs_f64()));
    }
    connect::block_on(async {
        let mut session = connect::open(context, &args.connection).await?;
        let (catalog, _) = catalogue::live(context, &session, &[]).await?;
        let since = Instant::now();
        let mut inferred = inferred(args, &catalog)?;
        let mut unsampled = Vec::new();
        if let Some(rows) = args.sample {
            let options = SampleOptions { rows: rows.get(), timeout: TIMEOUT };
            let sampling = sample(session.client_mut(), &mut inferred, options);
            unsampled = connect::or_interrupted(context, sampling).await?.map_err(failure)?;
        }
        session.close().await;
        Ok((inferred, unsampled, since.elapsed().as_secs_f64()))
    })
}

fn inferred(args: &GdprInit, catalog: &Catalog) -> Result<Inferred, Failure> {
    let subjects = args.subject.iter().map(|name| table(catalog, name)).collect::<Result<Vec<_>, _>>()?;
    infer(catalog, &subjects).map_err(|error| {
        let hint = match &error {
            InferError::NoSubject => "name the table with a row for each person by `--subject SCHEMA.TABLE`",
            InferError::NoKey(_) => "give the table a primary key, or name another one by `--subject`",
            _ => "name a table as `schema.table`",
        };
        Failure::usage(error.to_string()).hint(hint)
    })
}

/// The table of a name, with its schema or along the search path.
fn table(catalog: &Catalog, name: &str) -> Result<TableName, Failure> {
    if let Ok(selector) = TableSelector::parse(name)
        && let Some((schema, table)) = selector.exact()
    {
        return Ok(TableName::new(schema, table));
    }
    let known = catalog.find(None, name).map(|id| catalog.table(id)).filter(|table| table.kind != Relkind::View);
    known
        .map(|table| TableName::new(&table.schema, &table.name))
        .ok_or_else(|| Failure::usage(format!("there is no table `{name}`")).hint("name a table as `schema.table`"))
}

/// How long a sample of one table may take.
const TIMEOUT: Duration = Duration::from_secs(5);
