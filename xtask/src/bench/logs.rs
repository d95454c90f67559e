//! `cargo xtask bench logs`: how fast logs are read, in how much memory, and whether the counts are right, beside
//! pgBadger on the same files.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::measure::{self, Used};
use super::say;
use super::synth::{self, Truth};
use crate::example::shop::Format;

/// What `cargo xtask bench logs` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Size of each log in megabytes (10^6 bytes)
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    mb: u64,
    /// Do not run pgBadger, which takes a minute for every 100 megabytes or so
    #[arg(long)]
    no_peer: bool,
    /// Runs of dbopt on each file; the one with the least processor time counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
}

/// One file to read.
struct Case {
    name: &'static str,
    format: Format,
    bytes: u64,
    shapes: u64,
}

/// What a program says that a log holds; what it does not say is absent.
#[derive(Debug, Default)]
struct Counts {
    calls: Option<u64>,
    ms: Option<f64>,
    classes: Option<u64>,
    errors: Option<u64>,
    temp_files: Option<u64>,
    lock_waits: Option<u64>,
}

/// Runs the bench.
pub(crate) fn run(dbopt: &Path, args: &Args) -> Result<()> {
    let peer = !args.no_peer && pgbadger_is_here();
    if !args.no_peer && !peer {
        say("pgbadger is not installed (Debian: apt-get install pgbadger); only dbopt is measured");
    }
    let folder = tempfile::tempdir()?;
    let bytes = args.mb * 1_000_000;
    let case = |name, format, bytes, shapes| Case { name, format, bytes, shapes };
    let cases = [
        case("stderr, 50 statements", Format::Stderr, bytes, 50),
        case("csvlog, 50 statements", Format::Csv, bytes, 50),
        case("jsonlog, 50 statements", Format::Json, bytes, 50),
        case("stderr, 60,000 statements", Format::Stderr, 28_000_000, 60_000),
    ];
    say("| log | MB | program | CPU s | MB per CPU s | wall s | peak MiB |");
    say("| --- | ---: | --- | ---: | ---: | ---: | ---: |");
    let mut counted = Vec::new();
    for case in cases {
        let path = folder.path().join("bench").with_extension(case.format.collected_as());
        let file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        let truth = synth::write(file, case.format, case.bytes, case.shapes)?;
        // Once unmeasured, so that every run finds the file in memory.
        drop(fs::read(&path)?);
        let mut rows = Vec::new();
        for (name, jobs) in [("dbopt -j 1", "1"), ("dbopt -j 2", "2")] {
            let used = best(args.runs, || dbopt_logs(dbopt, &path, jobs))?;
            print(&case, &truth, name, &used, rows.first());
            let counts = dbopt_counts(&used.stdout).with_context(|| format!("{name} on {}", case.name))?;
            rows.push(used);
            counted.push((case.name, name, truth, counts));
        }
        if peer {
            let used = pgbadger(&path, case.format)?;
            print(&case, &truth, "pgbadger", &used, rows.first());
            counted.push((case.name, "pgbadger", truth, pgbadger_counts(&used.stdout)?));
        }
        fs::remove_file(&path)?;
    }
    say("\nCounts against the truth (the time of statements with that of their bind messages, in ms):\n");
    say("| log | program | calls | time | classes | errors | temp files | lock waits |");
    say("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (case, program, truth, counts) in &counted {
        print_counts(case, program, truth, counts);
    }
    Ok(())
}

fn best(runs: u32, mut run: impl FnMut() -> Result<Used>) -> Result<Used> {
    let mut best = run()?;
    for _ in 1..runs {
        let used = run()?;
        if used.cpu < best.cpu {
            best = used;
        }
    }
    Ok(best)
}

fn print(case: &Case, truth: &Truth, program: &str, used: &Used, first: Option<&Used>) {
    let mb = truth.bytes as f64 / 1e6;
    let cpu = used.cpu.as_secs_f64();
    let rate = mb / cpu.max(0.005);
    let beside = match first {
        Some(first) if program == "pgbadger" => format!(" (dbopt: {:.0} ×)", cpu / first.cpu.as_secs_f64().max(0.005)),
        Some(first) => format!(" ({:.2} × as fast)", first.wall.as_secs_f64() / used.wall.as_secs_f64()),
        None => String::new(),
    };
    say(&format!(
        "| {} | {mb:.0} | {program} | {cpu:.2} | {rate:.1} | {:.2}{beside} | {:.0} |",
        case.name,
        used.wall.as_secs_f64(),
        used.peak as f64 / 1_048_576.0
    ));
}

fn print_counts(case: &str, program: &str, truth: &Truth, counts: &Counts) {
    let exact = |found: Option<u64>, truth: u64| match found {
        Some(found) if found == truth => format!("{found} ✓"),
        Some(found) => format!("{found} ✗ ({truth})"),
        None => "–".to_owned(),
    };
    let time = (truth.call_us + truth.bind_us) as f64 / 1000.0;
    let ms = match counts.ms {
        // Sums of thousandths in binary fractions.
        Some(ms) if (ms - time).abs() <= 0.01 => format!("{ms:.0} ✓"),
        Some(ms) => format!("{ms:.0} ✗ ({time:.0})"),
        None => "–".to_owned(),
    };
    say(&format!(
        "| {case} | {program} | {} | {ms} | {} | {} | {} | {} |",
        exact(counts.calls, truth.calls),
        exact(counts.classes, truth.classes),
        exact(counts.errors, truth.errors),
        exact(counts.temp_files, truth.temp_files),
        exact(counts.lock_waits, truth.lock_waits),
    ));
}

fn dbopt_logs(dbopt: &Path, log: &Path, jobs: &str) -> Result<Used> {
    let mut command = Command::new(dbopt);
    measure::run(command.args(["logs", "--quiet", "--format", "json", "--jobs", jobs]).arg(log))?.success()
}

fn dbopt_counts(report: &[u8]) -> Result<Counts> {
    let report: Value = serde_json::from_slice(report)?;
    let events = &report["events"];
    let errors = report["errors"].as_array().context("the report has no `errors`")?;
    Ok(Counts {
        calls: report["calls"].as_u64(),
        ms: report["total_ms"].as_f64(),
        classes: report["classes"].as_u64().map(|classes| classes + report["other_classes"].as_u64().unwrap_or(0)),
        errors: Some(errors.iter().filter_map(|error| error["count"].as_u64()).sum()),
        temp_files: events["temp_files"].as_u64(),
        lock_waits: events["lock_waits"].as_u64(),
    })
}

fn pgbadger_is_here() -> bool {
    Command::new("pgbadger").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn pgbadger(log: &Path, format: Format) -> Result<Used> {
    // pgBadger reads jsonlog under the name of the extension that first wrote it.
    let format = match format {
        Format::Stderr => "stderr",
        Format::Csv => "csv",
        Format::Json => "jsonlog",
    };
    let folder = tempfile::tempdir()?;
    let report: PathBuf = folder.path().join("report.json");
    let mut command = Command::new("pgbadger");
    command.args(["--quiet", "--format", format, "--extension", "json", "--jobs", "1", "--outfile"]).arg(&report);
    if format == "stderr" {
        command.args(["--prefix", synth::PREFIX]);
    }
    let mut used = measure::run(command.arg(log))?.success()?;
    used.stdout = fs::read(&report).with_context(|| format!("pgbadger wrote no report: {}", used.stderr.trim()))?;
    Ok(used)
}

fn pgbadger_counts(report: &[u8]) -> Result<Counts> {
    let report: Value = serde_json::from_slice(report)?;
    let overall = &report["overall_stat"]["postgres"];
    // Some of its numbers are written as text.
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let whole = |value: &Value| number(value).map(|number| number as u64);
    let duration = &overall["queries_duration"];
    let parts = duration.as_object().map(|parts| parts.values().filter_map(number).sum());
    Ok(Counts {
        calls: whole(&overall["queries_number"]),
        ms: number(duration).or(parts),
        classes: report["normalyzed_info"]["postgres"].as_object().map(|classes| classes.len() as u64),
        errors: whole(&overall["errors_number"]),
        temp_files: whole(&report["tempfile_info"]["postgres"]["count"]),
        lock_waits: None,
    })
}
