//! What is made from the program itself: completions, man pages and JSON Schemas.

use clap::CommandFactory;

use crate::{
    cli::{Cli, SchemaOf},
    exit::Exit,
    failure::Failure,
    output, view,
};

/// Prints a completion script.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dbopt", &mut script);
    output::data(None, &String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// Writes a man page for dbopt and one for each of its commands.
pub(crate) fn man(folder: &str) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::file("write man pages to", folder, &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut command = Cli::command();
    command.build();
    let pages = std::iter::once(command.clone()).chain(command.get_subcommands().cloned());
    for page in pages {
        let name = if page.get_name() == "dbopt" { "dbopt".to_owned() } else { format!("dbopt-{}", page.get_name()) };
        let file = std::fs::File::create(format!("{folder}/{name}.1")).map_err(failed)?;
        clap_mangen::Man::new(page).title(name).render(&mut &file).map_err(failed)?;
    }
    Ok(Exit::Done)
}

/// Prints the JSON Schema of an output format.
pub(crate) fn schema(of: SchemaOf) -> Result<Exit, Failure> {
    let schema = match of {
        SchemaOf::Advice => schemars::schema_for!(view::advise::AdviceView).to_value(),
        SchemaOf::Apply => schemars::schema_for!(view::apply::ApplyView).to_value(),
        SchemaOf::Audit => schemars::schema_for!(view::audit::VerifyView).to_value(),
        SchemaOf::Doctor => schemars::schema_for!(view::doctor::DoctorView).to_value(),
        SchemaOf::Explain => schemars::schema_for!(view::explain::ExplainView).to_value(),
        SchemaOf::GdprErase => schemars::schema_for!(view::gdpr_erase::GdprEraseView).to_value(),
        SchemaOf::GdprExport => schemars::schema_for!(view::gdpr_export::GdprExportView).to_value(),
        SchemaOf::GdprInit => schemars::schema_for!(view::gdpr_init::GdprInitView).to_value(),
        SchemaOf::GdprLint => schemars::schema_for!(view::gdpr::LintView).to_value(),
        SchemaOf::GdprManifest => schemars::schema_for!(dbopt_gdpr::export::Manifest).to_value(),
        SchemaOf::GdprPlan => schemars::schema_for!(view::gdpr::GdprPlanView).to_value(),
        SchemaOf::GdprRecord => schemars::schema_for!(view::gdpr_record::RecordView).to_value(),
        SchemaOf::GdprReplay => schemars::schema_for!(view::gdpr_erase::GdprReplayView).to_value(),
        SchemaOf::GdprRequest => schemars::schema_for!(view::gdpr_request::OneRequestView).to_value(),
        SchemaOf::GdprResidue => schemars::schema_for!(view::gdpr_verify::ResidueView).to_value(),
        SchemaOf::GdprStatus => schemars::schema_for!(view::gdpr_request::GdprStatusView).to_value(),
        SchemaOf::GdprVerify => schemars::schema_for!(view::gdpr_verify::VerifyReportView).to_value(),
        SchemaOf::Keys => schemars::schema_for!(view::keys::KeysView).to_value(),
        SchemaOf::KeysDestroySubject => schemars::schema_for!(view::keys::ErasedView).to_value(),
        SchemaOf::KeysStatus => schemars::schema_for!(view::keys::KeysStatusView).to_value(),
        SchemaOf::LimitsCheck => schemars::schema_for!(view::limits::LimitsView).to_value(),
        SchemaOf::LimitsSimulate => schemars::schema_for!(view::simulation::SimulationView).to_value(),
        SchemaOf::Logs => schemars::schema_for!(view::logs::LogsView).to_value(),
        SchemaOf::MaintainPlan => schemars::schema_for!(view::maintain::PlansView).to_value(),
        SchemaOf::MaintainRun => schemars::schema_for!(view::maintain::RunsView).to_value(),
        SchemaOf::MaintainStatus => schemars::schema_for!(view::maintain::StatusView).to_value(),
        SchemaOf::Migrate => schemars::schema_for!(view::migrate::MigrateView).to_value(),
        SchemaOf::PasswordCalibrate => schemars::schema_for!(view::password::CalibrateView).to_value(),
        SchemaOf::Policy => schemars::schema_for!(view::policy::PolicyView).to_value(),
        SchemaOf::PolicyDrift => schemars::schema_for!(view::drift::DriftView).to_value(),
        SchemaOf::ReEncrypt => schemars::schema_for!(view::re_encrypt::ReEncryptView).to_value(),
        SchemaOf::Snapshot => dbopt_catalog::snapshot::schema(),
        SchemaOf::Token => schemars::schema_for!(view::token::TokenView).to_value(),
    };
    output::json(None, &schema)?;
    Ok(Exit::Done)
}
