//! What cargo knows about the workspace.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use crate::shell::{capture, cargo};

/// The workspace's packages.
pub(crate) struct Metadata {
    /// The folder of the workspace's manifest.
    pub(crate) root: PathBuf,
    pub(crate) target_folder: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a package depends on directly.
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Whether it is needed for tests alone.
    pub(crate) is_dev: bool,
}

impl Metadata {
    pub(crate) fn load() -> anyhow::Result<Self> {
        let text = capture(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
        let json: Value = serde_json::from_str(&text)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata has another form");
        let list = |value: &Value| value.as_array().cloned().context("cargo metadata has another form");
        let dependency = |value: &Value| -> anyhow::Result<Dependency> {
            Ok(Dependency { name: text(&value["name"])?, is_dev: value["kind"] == "dev" })
        };
        let package = |value: &Value| -> anyhow::Result<Package> {
            let dependencies = list(&value["dependencies"])?.iter().map(dependency).collect::<Result<_, _>>()?;
            Ok(Package { name: text(&value["name"])?, dependencies })
        };
        Ok(Self {
            root: text(&json["workspace_root"])?.into(),
            target_folder: text(&json["target_directory"])?.into(),
            packages: list(&json["packages"])?.iter().map(package).collect::<Result<_, _>>()?,
        })
    }
}
