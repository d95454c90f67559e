//! Searching the whole database for a person's identifiers, beside `COPY … | grep -iF`.
//!
//! The peer is what an administrator would do: psql writes the same tables as text, and grep looks for one spelling of one value,
//! in the locale in which it is quickest. Both read from the server's or the system's cache.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use dbopt_gdpr::verify::{Identifier, Report, ScanOptions, Search, scan};
use dbopt_gdpr::{GdprPolicy, Match};

use super::super::say;
use super::shop::{Shop, median};

/// What is looked for.
const EMAIL: &str = "zoë.lee-4711@example.org";

/// How it was written, as SQL; what makes it findable where that is not the usual.
const WRITTEN: &[(&str, &str)] = &[
    ("as it is", "'zoë.lee-4711@example.org'"),
    ("in capital letters", "'ZOË.LEE-4711@EXAMPLE.ORG'"),
    ("with blanks around", "'   zoë.lee-4711@example.org  '"),
    ("with a name before", "'Zoë Lee <zoë.lee-4711@example.org>'"),
    ("in a link", "'mailto:zoë.lee-4711@example.org?subject=order'"),
    ("its letters composed otherwise (NFD)", "normalize('zoë.lee-4711@example.org', NFD)"),
    ("with escapes of URLs", "'https://x.test/?m=zo%C3%AB.lee-4711%40example.org&n=1'"),
    ("with escapes of JSON, as text", "'{\"m\": \"zo\\u00eb.lee-4711\\u0040example.org\"}'"),
    ("with entities of HTML", "'<a>zo&#235;.lee-4711&#64;example.org</a>'"),
    ("with a tag (`match = plus-tag`)", "'zoë.lee-4711+shop@example.org'"),
    ("with another dot (`match = dots`)", "'z.oë.lee-4711@example.org'"),
    ("MD5, hexadecimal (`hashes`)", "md5('zoë.lee-4711@example.org')"),
    ("SHA-256, hexadecimal (`hashes`)", "encode(sha256(convert_to('zoë.lee-4711@example.org', 'UTF8')), 'hex')"),
    ("in base64 (`hashes`)", "encode(convert_to('to: zoë.lee-4711@example.org', 'UTF8'), 'base64')"),
];

/// Of these, the first are ways of writing it, and the others are made of it.
const WAYS_OF_WRITING: usize = 11;

/// Runs the part.
pub(super) async fn run(shop: &Shop, runs: u64) -> Result<()> {
    // Each stands within a text of somebody else, and within JSON.
    for (at, (_, sql)) in WRITTEN.iter().enumerate() {
        let id = at + 1;
        shop.execute(&format!("UPDATE message SET body = body || ' ' || {sql} WHERE id = {id}"));
        shop.execute(&format!("UPDATE log SET entry = entry || jsonb_build_object('of', {sql}) WHERE id = {id}"));
    }
    shop.execute("VACUUM (ANALYZE) message, log");
    let one = |matching: &[Match]| Identifier { matching: matching.to_vec(), ..Identifier::new("email", EMAIL, None) };
    let usual = one(&[Match::Case, Match::Trim, Match::Nfc]);
    let all = [
        one(&[
            Match::Case,
            Match::Trim,
            Match::Nfc,
            Match::DisplayName,
            Match::UrlEncoding,
            Match::PlusTag,
            Match::Dots,
        ]),
        Identifier::new("name", "Zoë van der Lee", None),
        Identifier::new("phone", "+49 170 999888777", None),
        // These stand in columns of numbers, UUIDs and addresses.
        Identifier::new("number", "999888777666", None),
        Identifier::new("device", "0b8f5a52-7a0e-4c1d-9e57-0d7f3f4d9a11", None),
        Identifier::new("ip", "192.0.2.77", None),
    ];
    let searches = [
        ("one identifier, columns of text and JSON", vec![usual], false, 0.5),
        ("six identifiers, all columns, variants and hashes", all.to_vec(), true, 1.5),
    ];
    say("| search | tables | MB received | dbopt, s | `COPY … \\| grep -iF`, s | ratio | least to most | goal |");
    say("| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |");
    let mut found = BTreeSet::new();
    for (name, identifiers, hashes, goal) in searches {
        let mut policy = shop.policy.clone();
        policy.verify.hashes = hashes;
        // Once before, so that both find the same caches.
        let report = search(shop, &policy, &identifiers, 100).await?.1;
        let tables: Vec<&str> = report
            .scanned
            .iter()
            .map(|scanned| scanned.place.as_str())
            .filter(|place| place.starts_with("public."))
            .collect();
        let (mut own, mut peer, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..runs {
            for is_peer in if round % 2 == 0 { [true, false] } else { [false, true] } {
                if is_peer {
                    peer.push(grep(shop, &tables)?);
                } else {
                    own.push(search(shop, &policy, &identifiers, 0).await?.0);
                }
            }
            ratios.extend(own.last().zip(peer.last()).map(|(own, peer)| own / peer));
        }
        let bytes: u64 = report.scanned.iter().map(|scanned| scanned.bytes).sum();
        let (least, most) =
            (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
        say(&format!(
            "| {name} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {least:.2} to {most:.2} | {goal} |",
            tables.len(),
            bytes as f64 / 1e6,
            median(&own),
            median(&peer),
            median(&ratios)
        ));
        if hashes {
            for hit in report.hits.iter().filter(|hit| matches!(hit.place.as_str(), "public.message" | "public.log")) {
                found.extend(hit.keys.iter().map(|key| (hit.place.clone(), key[0].to_string())));
            }
        }
    }
    say("\n| written | in text | in JSON |");
    say("| --- | --- | --- |");
    let is_in = |place: &str, at: usize| found.contains(&(place.to_owned(), (at + 1).to_string()));
    let word = |is: bool| if is { "found" } else { "**not found**" };
    for (at, (written, _)) in WRITTEN.iter().enumerate() {
        say(&format!("| {written} | {} | {} |", word(is_in("public.message", at)), word(is_in("public.log", at))));
    }
    let count = (0..WAYS_OF_WRITING).filter(|at| is_in("public.message", *at)).count();
    say(&format!("\n{count} of {WAYS_OF_WRITING} ways of writing an address were found (goal: 9).\n"));
    Ok(())
}

/// In two sessions, as the command does.
async fn search(shop: &Shop, policy: &GdprPolicy, identifiers: &[Identifier], keys: usize) -> Result<(f64, Report)> {
    let (mut client, mut second) = (shop.client().await?, shop.client().await?);
    let began = Instant::now();
    let search = Search::new(identifiers.to_vec(), policy.verify.shortest, policy.verify.hashes)?;
    let report = scan(&mut client, vec![&mut second], policy, &search, ScanOptions { keys }).await?;
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(report.is_complete(), "not all was searched: {:?}", report.skipped);
    Ok((seconds, report))
}

/// The peer, in seconds.
fn grep(shop: &Shop, tables: &[&str]) -> Result<f64> {
    let began = Instant::now();
    let mut psql = Command::new(shop.program("psql"));
    psql.args(["-X", "-q", "-d", &shop.target()]);
    for table in tables {
        psql.args(["-c", &format!("COPY {table} TO STDOUT")]);
    }
    let mut psql = psql.stdout(Stdio::piped()).spawn().context("cannot run psql")?;
    let rows = psql.stdout.take().context("psql writes")?;
    let mut grep = Command::new("grep");
    let grep = grep
        .args(["-a", "-i", "-F", "-c", EMAIL])
        .env("LC_ALL", "C")
        .stdin(rows)
        .output()
        .context("cannot run grep")?;
    anyhow::ensure!(psql.wait()?.success(), "psql failed");
    let lines = String::from_utf8_lossy(&grep.stdout).trim().to_owned();
    anyhow::ensure!(lines.parse::<u64>().is_ok_and(|lines| lines > 0), "grep has found `{lines}` lines");
    Ok(began.elapsed().as_secs_f64())
}
