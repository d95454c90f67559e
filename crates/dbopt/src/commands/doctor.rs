//! `dbopt doctor`

use dbopt_pg::SessionProfile;

use super::{Context, connect};
use crate::{
    cli::{Doctor, DoctorFailOn},
    doctor::{self, Check, Machine, Verdict},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::doctor::DoctorView,
};

/// Checks this machine, and a database when one is named.
pub(crate) fn run(context: &Context, args: &Doctor) -> Result<Exit, Failure> {
    let facts = if args.connection.is_given() {
        let facts = connect::block_on(async {
            let profile = SessionProfile { search_path: Some(Vec::new()), ..SessionProfile::reading() };
            let session = connect::open_as(context, &args.connection, &profile).await?;
            connect::or_interrupted(context, doctor::read(&session)).await?.map_err(connect::failure)
        })?;
        Some(facts)
    } else {
        None
    };
    let wanted = |check: &Check| {
        args.commands.is_empty() || args.commands.iter().any(|command| check.commands.contains(&command.name()))
    };
    let checks = doctor::check(&Machine::look(), facts.as_ref()).into_iter().filter(wanted).collect();
    let view = DoctorView::new(checks, facts.as_ref());
    output::report(&context.global, args.format, None, &view, document::doctor::document)?;
    let worst = view.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Good);
    let fails = match args.fail_on {
        DoctorFailOn::Missing => worst == Verdict::Missing,
        DoctorFailOn::Limited => worst != Verdict::Good,
        DoctorFailOn::Never => false,
    };
    Ok(if fails { Exit::Findings } else { Exit::Done })
}
