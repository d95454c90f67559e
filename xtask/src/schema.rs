//! `cargo xtask schema`: writes the JSON Schemas of what dbopt prints and reads into docs/schemas.
//!
//! The schemas come out of the program itself, so they are those of the types that it serialises.

use anyhow::Context as _;

use crate::metadata::Metadata;
use crate::shell::{capture, cargo, say};

/// The formats that have a schema, by the name under which `dbopt schema` knows them.
const NAMES: [&str; 33] = [
    "advice",
    "apply",
    "audit",
    "doctor",
    "explain",
    "gdpr-erase",
    "gdpr-export",
    "gdpr-init",
    "gdpr-lint",
    "gdpr-manifest",
    "gdpr-plan",
    "gdpr-record",
    "gdpr-replay",
    "gdpr-request",
    "gdpr-residue",
    "gdpr-status",
    "gdpr-verify",
    "keys",
    "keys-destroy-subject",
    "keys-status",
    "limits-check",
    "limits-simulate",
    "logs",
    "maintain-plan",
    "maintain-run",
    "maintain-status",
    "migrate",
    "password-calibrate",
    "policy",
    "policy-drift",
    "re-encrypt",
    "snapshot",
    "token",
];

/// Whether to write the schemas or to look whether they are up to date.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing, and fail when a schema is not what the program prints
    #[arg(long)]
    check: bool,
}

/// Writes the schemas, or checks them.
pub(crate) fn schema(args: &Args) -> anyhow::Result<()> {
    let folder = Metadata::load()?.root.join("docs/schemas");
    let mut stale = Vec::new();
    for name in NAMES {
        let file = folder.join(format!("{name}.schema.json"));
        let current = capture(cargo().args(["run", "--quiet", "--package", "dbopt", "--", "schema", name]))?;
        if args.check {
            if std::fs::read_to_string(&file).ok().as_deref() != Some(&*current) {
                stale.push(file.display().to_string());
            }
            continue;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(&file, current).with_context(|| format!("cannot write {}", file.display()))?;
        say(format!("wrote {}", file.display()));
    }
    anyhow::ensure!(stale.is_empty(), "not up to date, run `cargo xtask schema`: {}", stale.join(", "));
    Ok(())
}
