//! `dbopt policy`

use std::path::Path;

use dbopt_finding::{Finding, Severity};
use dbopt_policy::{Checked, Options, check, check_text};
use dbopt_report::{Document, gcc, github, gitlab, sarif};

use super::{Context, drift};
use crate::{
    cli::{Policy, PolicyCheck, PolicyFailOn, PolicyFormat},
    exit::Exit,
    failure::Failure,
    output,
    policies::{self, KINDS},
    view::policy::{CheckedView, PolicyView},
};

/// Checks policies, prints the JSON Schema of a kind, or holds a database to one.
pub(crate) fn run(context: &Context, command: &Policy) -> Result<Exit, Failure> {
    match command {
        Policy::Check(args) => check_all(context, args),
        Policy::Sql(args) => drift::sql(args),
        Policy::Drift(args) => drift::drift(context, args),
        Policy::Schema { kind } => {
            let kind = policies::kind(kind).ok_or_else(|| Failure::usage(format!("there is no policy `{kind}`")))?;
            output::json(None, &kind.schema())?;
            Ok(Exit::Done)
        }
    }
}

fn check_all(context: &Context, args: &PolicyCheck) -> Result<Exit, Failure> {
    let (mut findings, mut policies, mut unreadable) = (Vec::new(), Vec::new(), false);
    for file in &args.files {
        let checked = check_one(file, args)?;
        let usable = checked.findings.iter().all(|finding| finding.severity != Severity::Error);
        policies.push(CheckedView { file: file.clone(), kind: checked.kind.map(str::to_owned), usable });
        unreadable |= checked.unreadable;
        findings.extend(checked.findings);
    }
    print(context, args, policies, &findings)?;
    let worst = findings.iter().map(|finding| finding.severity).max();
    let fails = match args.fail_on {
        PolicyFailOn::Error => Severity::Error,
        PolicyFailOn::Warning => Severity::Warning,
    };
    Ok(match worst {
        _ if unreadable => Exit::Usage,
        Some(worst) if worst >= fails => Exit::Findings,
        _ => Exit::Done,
    })
}

fn check_one(file: &str, args: &PolicyCheck) -> Result<Checked, Failure> {
    if file != "-" {
        return Ok(check(Path::new(file), KINDS, Options { secrets: !args.no_secrets }));
    }
    let mut text = Vec::new();
    // One byte more than is allowed, so that too much is seen to be too much.
    let mut input = std::io::Read::take(std::io::stdin().lock(), dbopt_policy::MOST_BYTES + 1);
    std::io::Read::read_to_end(&mut input, &mut text).map_err(|error| Failure::file("read", "<stdin>", &error))?;
    Ok(check_text(&text, "<stdin>", KINDS))
}

fn print(
    context: &Context,
    args: &PolicyCheck,
    policies: Vec<CheckedView>,
    findings: &[Finding],
) -> Result<(), Failure> {
    match args.format {
        PolicyFormat::Terminal => {
            let view = PolicyView::new(policies, findings);
            let mut document = Document::default();
            document.findings(findings.to_vec());
            document.paragraph(summary(&view));
            output::text(&context.global, None, &document)
        }
        PolicyFormat::Json => output::json(None, &PolicyView::new(policies, findings)),
        PolicyFormat::Sarif => output::data(None, &sarif::print(findings, env!("CARGO_PKG_VERSION"))),
        PolicyFormat::Github => output::data(None, &github::print(findings)),
        PolicyFormat::Gitlab => output::data(None, &gitlab::print(findings)),
        PolicyFormat::Gcc => output::data(None, &gcc::print(findings)),
    }
}

fn summary(view: &PolicyView) -> String {
    let counted = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let policies = counted(view.policies.len(), "policy", "policies");
    if view.findings.is_empty() {
        return format!("{policies} checked, nothing found.");
    }
    let errors = counted(view.errors, "error", "errors");
    let warnings = counted(view.warnings, "warning", "warnings");
    format!("{policies} checked: {errors}, {warnings}.")
}
