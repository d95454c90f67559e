//! `cargo xtask deps`: arrows between crates point down only, and what services embed opens no socket by default.

use anyhow::bail;

use crate::metadata::Metadata;
use crate::shell::{capture, cargo, say};

/// The floors of docs/architecture.md. A crate may use crates of lower floors. `dbopt-finding` is the ground under
/// them all, because whatever reads outside text reports with it; on it lies `dbopt-policy`, which knows no kind of policy, so
/// that a crate of any floor can have one.
const FLOORS: &[(&str, i8)] = &[
    ("dbopt-finding", -2),
    ("dbopt-policy", -1),
    ("dbopt-sql", 0),
    ("dbopt-pg", 0),
    ("dbopt-crypto", 0),
    ("dbopt-plan", 1),
    ("dbopt-catalog", 1),
    ("dbopt-migrate", 1),
    ("dbopt-audit", 1),
    ("dbopt-report", 1),
    ("dbopt-workload", 2),
    ("dbopt-ratelimit", 2),
    ("dbopt-auth", 2),
    ("dbopt-run", 2),
    ("dbopt-cache", 2),
    ("dbopt-access", 3),
    ("dbopt-advisor", 3),
    ("dbopt-maintain", 3),
    ("dbopt-reencrypt", 3),
    ("dbopt-gdpr", 3),
    ("dbopt-hypopg", 4),
    ("dbopt-server", 4),
    ("dbopt", 5),
];

/// Crates for development and examples, which no product may need.
const DEVELOPMENT: &[&str] =
    &["dbopt-testkit", "encrypted-column", "guarded-service", "limited-service", "privacy-service", "xtask"];

/// Crates that only compute, and so have no use for a runtime.
const WITHOUT_RUNTIME: &[&str] = &["dbopt-sql", "dbopt-plan", "dbopt-advisor", "dbopt-workload"];

/// What a service embeds with its default features, which then bring neither a runtime, nor a database driver, nor HTTP.
const EMBEDDED: &[&str] = &["dbopt-auth", "dbopt-crypto", "dbopt-ratelimit"];

/// Crates of the kind that [`EMBEDDED`] ones do not bring: runtimes, drivers, HTTP and TLS.
const SOCKETS: &[&str] = &[
    "async-std",
    "axum",
    "diesel",
    "fred",
    "h2",
    "http",
    "hyper",
    "mio",
    "mysql_async",
    "native-tls",
    "openssl",
    "postgres",
    "postgres-protocol",
    "redis",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "sqlx-core",
    "tokio",
    "tokio-postgres",
    "tonic",
    "tower",
    "tower-http",
    "tower-layer",
    "tower-service",
    "ureq",
];

/// Checks the arrows and fails with all that point the wrong way.
pub(crate) fn deps() -> anyhow::Result<()> {
    let mut faults = upward_arrows(&Metadata::load()?);
    for name in WITHOUT_RUNTIME {
        let tree = capture(cargo().args(["tree", "--package", name, "--edges", "normal", "--prefix", "none"]))?;
        if tree.lines().any(|line| line.starts_with("tokio ")) {
            faults.push(format!("`{name}` needs tokio, though it only computes"));
        }
    }
    for name in EMBEDDED {
        let tree = capture(cargo().args(["tree", "--package", name, "--edges", "normal"]))?;
        say(tree.trim_end());
        faults
            .extend(sockets(&tree).into_iter().map(|other| format!("`{name}` brings `{other}` to whoever embeds it")));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    say("all arrows point down");
    Ok(())
}

/// The crates of [`SOCKETS`] in a tree, as `cargo tree` draws it.
fn sockets(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.trim_start_matches(['│', '├', '└', '─', ' ']).split(' ').next());
    names.filter(|name| SOCKETS.contains(name)).collect()
}

fn upward_arrows(metadata: &Metadata) -> Vec<String> {
    let floor = |name: &str| FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor);
    let mut faults = Vec::new();
    for package in metadata.packages.iter().filter(|package| !DEVELOPMENT.contains(&package.name.as_str())) {
        let Some(own) = floor(&package.name) else {
            faults.push(format!("`{}` has no floor; see docs/architecture.md and xtask/src/deps.rs", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| !dependency.is_dev) {
            let name = &dependency.name;
            if DEVELOPMENT.contains(&name.as_str()) {
                faults.push(format!("`{}` needs `{name}` outside of tests", package.name));
            }
            if floor(name).is_some_and(|other| other >= own) {
                faults.push(format!("`{}` is not above `{name}`, which it uses", package.name));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Dependency, Package};

    #[test]
    fn arrows_of_the_workspace_point_down() {
        deps().expect("the workspace keeps to its floors");
    }

    #[test]
    fn sockets_are_found() {
        let tree = "own v0.1.0 (/work)\n├── governor v0.10.4\n│   └── redis v1.0.0\n└── tokio-postgres v0.7.18 (*)\n";
        assert_eq!(sockets(tree), ["redis", "tokio-postgres"]);
    }

    #[test]
    fn wrong_arrows_are_found() {
        let package = |name: &str, dependencies: &[(&str, bool)]| Package {
            name: name.to_owned(),
            dependencies: dependencies
                .iter()
                .map(|(name, is_dev)| Dependency { name: (*name).to_owned(), is_dev: *is_dev })
                .collect(),
        };
        let metadata = Metadata {
            root: ".".into(),
            target_folder: "target".into(),
            packages: vec![
                package("dbopt-plan", &[("dbopt-sql", false), ("dbopt-workload", true), ("serde", false)]),
                package("dbopt-sql", &[("dbopt-pg", false), ("dbopt-testkit", false)]),
                package("dbopt-new", &[]),
                package("xtask", &[("dbopt", false)]),
            ],
        };
        assert_eq!(
            upward_arrows(&metadata),
            [
                "`dbopt-sql` is not above `dbopt-pg`, which it uses",
                "`dbopt-sql` needs `dbopt-testkit` outside of tests",
                "`dbopt-new` has no floor; see docs/architecture.md and xtask/src/deps.rs",
            ]
        );
    }
}
