//! `cargo xtask setup`: finds or installs what the tests need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use dbopt_testkit::{BIN_VARIABLE, Binaries, Error, RedisBinaries, is_root};

use crate::shell::{capture, run, say};

/// The everyday major first, then what other releases of Debian and Ubuntu offer.
const MAJORS: [u32; 6] = [15, 16, 17, 18, 14, 13];

/// Finds or installs what the tests need, and says what was found.
pub(crate) fn setup() -> anyhow::Result<()> {
    let binaries = server()?;
    say(format!("PostgreSQL {} with HypoPG in {}", binaries.major()?, binaries.folder().display()));
    say(redis()?.version()?);
    Ok(())
}

/// Redis or Valkey, installed if need be and if possible.
pub(crate) fn redis() -> anyhow::Result<RedisBinaries> {
    // These bring the server's program without starting a server on the machine.
    const PACKAGES: [&str; 2] = ["redis-tools", "valkey-tools"];
    match RedisBinaries::find() {
        Err(Error::NoRedis) => {}
        found => return Ok(found?),
    }
    if !is_root()? || !Path::new("/usr/bin/apt-get").exists() {
        bail!("the tests need Redis or Valkey; on Debian or Ubuntu, as root: apt-get install {}", PACKAGES[0]);
    }
    say("installing Redis");
    run(&mut apt_get(&["update", "--quiet"]))?;
    let package = PACKAGES.iter().find(|package| is_offered(package)).context("apt offers neither Redis nor Valkey")?;
    run(apt_get(&["install", "--yes", "--quiet", "--no-install-recommends"]).arg(package))?;
    Ok(RedisBinaries::find()?)
}

/// The server for the everyday tests, installed if need be and if possible.
pub(crate) fn server() -> anyhow::Result<Binaries> {
    let missing = match Missing::find()? {
        Found::Complete(binaries) => return Ok(binaries),
        Found::Incomplete(missing) => missing,
    };
    // A folder that was named on purpose is not to be completed behind the back of whoever named it.
    let named = std::env::var_os(BIN_VARIABLE).is_some_and(|folder| !folder.is_empty());
    let can_install = !named && is_root()? && Path::new("/usr/bin/apt-get").exists();
    if !can_install {
        let packages = missing.packages(15).join(" ");
        bail!(
            "the tests need {missing}; on Debian or Ubuntu, as root: apt-get install {packages}; a server elsewhere is \
             named by its bin folder in {BIN_VARIABLE}"
        );
    }
    say(format!("installing {missing}"));
    missing.install()?;
    match Missing::find()? {
        Found::Complete(binaries) => Ok(binaries),
        Found::Incomplete(missing) => bail!("after the installation the tests still need {missing}"),
    }
}

enum Found {
    Complete(Binaries),
    Incomplete(Missing),
}

/// What the tests lack.
enum Missing {
    Server,
    HypoPg { major: u32 },
}

impl Missing {
    fn find() -> anyhow::Result<Found> {
        let binaries = match Binaries::find() {
            Ok(binaries) => binaries,
            Err(Error::NoServer { .. }) => return Ok(Found::Incomplete(Self::Server)),
            Err(error) => return Err(error.into()),
        };
        let complete = extension_folder(&binaries).is_some_and(|folder| folder.join("hypopg.control").is_file());
        if complete {
            return Ok(Found::Complete(binaries));
        }
        Ok(Found::Incomplete(Self::HypoPg { major: binaries.major()? }))
    }

    /// The Debian packages that bring it, for a server of this major when there is none yet.
    fn packages(&self, major: u32) -> Vec<String> {
        match self {
            Self::Server => vec![format!("postgresql-{major}"), format!("postgresql-{major}-hypopg")],
            Self::HypoPg { major } => vec![format!("postgresql-{major}-hypopg")],
        }
    }

    fn install(&self) -> anyhow::Result<()> {
        run(&mut apt_get(&["update", "--quiet"]))?;
        let offered = |packages: &Vec<String>| packages.iter().all(|package| is_offered(package));
        let packages = MAJORS.iter().map(|major| self.packages(*major)).find(offered);
        let packages = packages.with_context(|| format!("apt offers no {self}"))?;
        let cluster = NoMainCluster::ask()?;
        let mut install = apt_get(&["install", "--yes", "--quiet", "--no-install-recommends"]);
        let result = run(install.args(&packages));
        cluster.forget();
        result
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server => f.write_str("a PostgreSQL server (15, or another of 14 to 18) with HypoPG"),
            Self::HypoPg { major } => write!(f, "HypoPG for PostgreSQL {major}"),
        }
    }
}

/// Keeps Debian's packages from making and starting a server of their own while they are being installed, unless
/// PostgreSQL was on the machine before, whose administrator then has decided about that.
struct NoMainCluster(Option<PathBuf>);

impl NoMainCluster {
    fn ask() -> anyhow::Result<Self> {
        let folder = Path::new("/etc/postgresql-common");
        if folder.exists() {
            return Ok(Self(None));
        }
        let file = folder.join("createcluster.d/dbopt-tests.conf");
        std::fs::create_dir_all(folder.join("createcluster.d"))?;
        std::fs::write(&file, "create_main_cluster = false\n")?;
        Ok(Self(Some(file)))
    }

    /// The question is settled; servers installed later are none of this task's business.
    fn forget(self) {
        if let Some(file) = self.0 {
            // Left behind, the file would do no harm worth failing for.
            let _ = std::fs::remove_file(file);
        }
    }
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
    command
}

fn is_offered(package: &str) -> bool {
    // The candidate is `(none)` for a package that is only mentioned by others.
    capture(Command::new("apt-cache").args(["policy", package])).is_ok_and(|policy| {
        policy.lines().any(|line| line.trim().starts_with("Candidate:") && !line.contains("(none)"))
    })
}

/// Where the control files of extensions are.
fn extension_folder(binaries: &Binaries) -> Option<PathBuf> {
    let share = match capture(binaries.command("pg_config").arg("--sharedir")) {
        Ok(share) => PathBuf::from(share.trim()),
        Err(_) => binaries.folder().parent()?.join("share/postgresql"),
    };
    Some(share.join("extension"))
}
