//! `cargo xtask fuzz`: runs the fuzz targets, each from what the repository holds of its kind.
//!
//! cargo-fuzz asks for a nightly compiler because it needs a sanitizer. `RUSTC_BOOTSTRAP` lets the compiler at hand do the
//! same, so that a fault is found in what is shipped and no second toolchain is wanted.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::metadata::Metadata;
use crate::shell::{capture, cargo, run, say};

/// What to fuzz.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The target; all of them, one after another, when it is not given
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// Files that a target starts from: where they are, and how their names end.
const SEEDS: &[(&str, &[(&str, &str)])] = &[
    ("analyze", &[("examples/shop", ".sql"), ("crates/dbopt-catalog/tests/common", ".sql")]),
    ("audit", &[("fuzz/seeds/audit", "")]),
    ("auth", &[("fuzz/seeds/auth", "")]),
    ("connection", &[("fuzz/seeds/connection", "")]),
    ("ddl", &[("examples/shop", ".sql"), ("crates/dbopt-catalog/tests/common", ".sql")]),
    ("explain", &[("examples/shop", "plan.json"), ("examples/shop", "plan.txt"), ("crates/dbopt-plan/tests/data", "")]),
    ("keyring", &[("fuzz/seeds/keyring", "")]),
    (
        "log",
        &[
            ("examples/shop", ".log"),
            ("examples/shop", ".csv"),
            ("examples/shop", "workload.sql"),
            ("fuzz/seeds/log", ""),
        ],
    ),
    ("policy", &[("policies", ".toml"), ("fuzz/seeds/policy", "")]),
    ("sealed", &[("fuzz/seeds/sealed", "")]),
    ("snapshot", &[("fuzz/seeds/snapshot", "")]),
    ("tokens", &[("examples/shop", ".sql"), ("crates/dbopt-catalog/tests/common", ".sql")]),
    ("traffic", &[("examples/limits", ".log"), ("examples/limits", ".csv")]),
];

/// A seed is cut at a line's end to this many bytes, since a short input is run more often.
const SEED_BYTES: usize = 16 << 10;
/// Pieces of one file.
const SEED_PIECES: usize = 4;

/// Runs the targets and fails with the first that finds something.
pub(crate) fn fuzz(args: &Args) -> anyhow::Result<()> {
    let root = Metadata::load()?.root;
    let targets = targets(&root)?;
    let chosen = match &args.target {
        None => targets,
        Some(target) if targets.contains(target) => vec![target.clone()],
        Some(target) => bail!("no fuzz target `{target}`; there are {}", targets.join(", ")),
    };
    if capture(cargo().args(["fuzz", "--version"])).is_err() {
        bail!("cargo-fuzz is missing; install it by: cargo install cargo-fuzz --locked");
    }
    for target in chosen {
        seed(&root, &target)?;
        say(format!("fuzzing {target} for {} s", args.seconds));
        let mut command: Command = cargo();
        command.args(["fuzz", "run", &target, "--", "-timeout=10", "-rss_limit_mb=2048"]);
        command.arg(format!("-max_total_time={}", args.seconds)).arg("-print_final_stats=1");
        run(command.current_dir(&root).env("RUSTC_BOOTSTRAP", "1"))?;
    }
    Ok(())
}

/// The targets by name, in order.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let names = files(&root.join("fuzz/fuzz_targets"), ".rs")?;
    Ok(names.iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect())
}

/// Puts a target's seeds into its corpus.
fn seed(root: &Path, target: &str) -> anyhow::Result<()> {
    let corpus = root.join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let sources = SEEDS.iter().find(|(name, _)| *name == target).map(|(_, sources)| *sources);
    let sources = sources.with_context(|| format!("`{target}` has no seeds in xtask/src/fuzz.rs"))?;
    for (folder, ending) in sources {
        for file in files(&root.join(folder), ending)? {
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            for (number, piece) in pieces(&bytes).take(SEED_PIECES).enumerate() {
                std::fs::write(corpus.join(format!("seed-{number}-{name}")), piece)?;
            }
        }
    }
    Ok(())
}

/// A text in pieces of whole lines.
fn pieces(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let most = bytes.len().min(SEED_BYTES);
        let line_end = bytes[..most].iter().rposition(|byte| *byte == b'\n').map_or(most, |at| at + 1);
        let (piece, rest) = bytes.split_at(if most == bytes.len() { most } else { line_end });
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The files of a folder whose names end like this, in order.
fn files(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.is_file() && file.to_string_lossy().ends_with(ending));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds() {
        let root = Metadata::load().expect("cargo knows the workspace").root;
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).expect("the targets' manifest");
        for target in targets(&root).expect("the folder of targets") {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
            let sources = SEEDS.iter().find(|(name, _)| *name == target).map(|(_, sources)| *sources);
            for (folder, ending) in sources.unwrap_or_default() {
                assert!(!files(&root.join(folder), ending).expect("a folder").is_empty(), "{folder}/*{ending}");
            }
            assert!(sources.is_some(), "{target} has no seeds");
        }
    }

    #[test]
    fn pieces_are_whole_lines_and_nothing_is_lost() {
        let text = "line\n".repeat(SEED_BYTES);
        let pieces: Vec<&[u8]> = pieces(text.as_bytes()).collect();
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.ends_with(b"\n") && piece.len() <= SEED_BYTES));
        assert_eq!(pieces.concat(), text.as_bytes());
    }
}
