//! `gdpr init`, `lint` and `plan` on schemas of real applications, which are given as a folder and are no part of the project.
//!
//! The truth for guessed references is what the schemas declare: the foreign keys are taken out of the catalogue, guessed again, and
//! compared. A guess of columns without a foreign key is not judged; nobody says whether it is right.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use dbopt_catalog::{Catalog, ConstraintKind, live};
use dbopt_gdpr::{
    GdprPolicy, Graph, ReferenceKind,
    infer::{Confidence, references},
};
use dbopt_testkit::{Cluster, Database};
use serde_json::Value;
use tokio_postgres::NoTls;

use super::super::say;

/// The design's target for any schema.
const TARGET: Duration = Duration::from_secs(2);

/// Runs the part.
pub(super) async fn run(dbopt: &Path, folder: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("cannot read `{}`", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|end| end == "sql"));
    files.sort();
    anyhow::ensure!(!files.is_empty(), "`{}` has no file that ends in .sql", folder.display());
    let mut schemas = Vec::new();
    for file in &files {
        schemas.push(schema(dbopt, file).await?);
    }
    say(
        "| schema | tables | statements left out | init s | of it guessing s | guesses high / medium / low | lint s, left to say | plan s, exit |",
    );
    say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for schema in &schemas {
        say(&schema.line());
    }
    say(
        "\n| schema | foreign keys | found again: high / medium / low | recall | precision, all and without low | not judged |",
    );
    say("| --- | ---: | ---: | ---: | ---: | ---: |");
    for schema in &schemas {
        say(&schema.agreement.line(&schema.name));
    }
    for schema in &schemas {
        say(&format!("\n{}: guessed and not declared, without low ones", schema.name));
        for guess in &schema.listed {
            say(&format!("  {guess}"));
        }
        for wrong in &schema.agreement.wrong {
            say(&format!("  other than declared: {wrong}"));
        }
        for missed in &schema.agreement.missed {
            say(&format!("  declared and not guessed: {missed}"));
        }
    }
    let slow: Vec<_> = schemas.iter().filter(|schema| schema.init > TARGET).map(|schema| &*schema.name).collect();
    say(&format!(
        "\nover {} s: {}",
        TARGET.as_secs(),
        if slow.is_empty() { "none".to_owned() } else { slow.join(", ") }
    ));
    Ok(())
}

/// What came of a schema.
struct Schema {
    name: String,
    tables: u64,
    left_out: usize,
    init: Duration,
    guessing: f64,
    guesses: [usize; 3],
    listed: Vec<String>,
    lint: Duration,
    left: usize,
    plan: Duration,
    plan_exit: String,
    agreement: Agreement,
}

impl Schema {
    fn line(&self) -> String {
        let [high, medium, low] = self.guesses;
        format!(
            "| {} | {} | {} | {:.2} | {:.3} | {high} / {medium} / {low} | {:.2}, {} | {:.2}, {} |",
            self.name,
            self.tables,
            self.left_out,
            self.init.as_secs_f64(),
            self.guessing,
            self.lint.as_secs_f64(),
            self.left,
            self.plan.as_secs_f64(),
            self.plan_exit
        )
    }
}

async fn schema(dbopt: &Path, file: &Path) -> Result<Schema> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let cluster = Cluster::shared();
    let database = cluster.database();
    let left_out = load(cluster, &database, file)?;
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("gdpr.toml").display().to_string();
    let target = database.conn_string();
    let ran = Ran::new(dbopt, &["gdpr", "init", "-q", "-d", &target, "-o", &policy, "--format", "json"])?;
    anyhow::ensure!(ran.code == 0, "init of {name} ended with {}: {}", ran.code, ran.said);
    let (view, init) = (ran.json()?, ran.time);
    let checked = Ran::new(dbopt, &["policy", "check", &policy])?;
    anyhow::ensure!(checked.code == 0, "the policy of {name} is none: {}", checked.said);
    let linted = Ran::new(dbopt, &["gdpr", "lint", "-q", "--policy", &policy, "-d", &target, "--format", "json"])?;
    anyhow::ensure!(matches!(linted.code, 0 | 1), "lint of {name} ended with {}: {}", linted.code, linted.said);
    let left = linted.json()?["findings"].as_array().map_or(0, Vec::len);

    let subject = &view["subjects"][0];
    let (table, rule) = (text(&subject["table"]), text(&subject["name"]));
    let key = insert(&database, &table, subject["key"].as_array().map(Vec::as_slice).unwrap_or_default());
    let whom = if key.is_some() { "a person" } else { "an unknown key" };
    let key = key.unwrap_or_else(|| vec!["1".to_owned(); subject["key"].as_array().map_or(1, Vec::len)]);
    // The key guards nothing but this run.
    fs::write(folder.path().join("k"), "hex:8f3a1c0d5e7b92a4463f18d0c7e5b1a29d4c6f0b3e8a7512c9d0e4f6a8b1c3d5")?;
    let with_key = format!("{}\n[pseudonym]\nid = 'k1'\nkey = 'file:k'\n", fs::read_to_string(&policy)?);
    fs::write(&policy, with_key)?;
    restrict(&folder.path().join("k"))?;
    let mut args = vec!["gdpr", "plan", "-q", "--policy", &policy, "-d", &target, "--as", &rule, "--format", "json"];
    for part in &key {
        args.extend(["--subject", part]);
    }
    let planned = Ran::new(dbopt, &args)?;
    anyhow::ensure!(planned.code < 70, "plan of {name} ended with {}: {}", planned.code, planned.said);

    let (client, connection) = tokio_postgres::connect(&target, NoTls).await?;
    let connection = tokio::spawn(connection);
    let (catalog, _) = live::read(&client, &live::ReadOptions::default()).await?;
    drop(client);
    connection.await??;
    let guesses = |confidence: &str| count(&view, |guess| guess["confidence"] == confidence);
    let listed = view["references"].as_array().into_iter().flatten();
    let listed = listed.filter(|guess| guess["confidence"] != "low").map(shown).collect();
    Ok(Schema {
        name,
        tables: view["tables"].as_u64().unwrap_or(0),
        left_out,
        init,
        guessing: view["seconds"].as_f64().unwrap_or(0.0),
        guesses: [guesses("high"), guesses("medium"), guesses("low")],
        listed,
        lint: linted.time,
        left,
        plan: planned.time,
        plan_exit: format!("{} for {whom}", planned.code),
        agreement: Agreement::of(catalog)?,
    })
}

/// Loads a schema as psql does, which goes on after an error, and counts those.
fn load(cluster: &Cluster, database: &Database<'_>, file: &Path) -> Result<usize> {
    let mut psql = cluster.binaries().client("psql");
    psql.args(["-X", "-q", "-d", &database.conn_string(), "-f"]).arg(file);
    let output = psql.output().context("cannot run psql")?;
    Ok(String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.contains("ERROR:")).count())
}

/// Inserts a row with a value for each column that needs one, and gives its key.
fn insert(database: &Database<'_>, table: &str, key: &[Value]) -> Option<Vec<String>> {
    let quoted = table.replace('\'', "''");
    let columns = database.query(&format!(
        "SELECT quote_ident(attname), format_type(atttypid, atttypmod), typcategory::text, attname
         FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
         WHERE attrelid = '{quoted}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
           AND (attnotnull AND NOT atthasdef AND attidentity = '' OR attname IN ({}))",
        key.iter().map(|name| format!("'{}'", text(name).replace('\'', "''"))).collect::<Vec<_>>().join(", ")
    ));
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in columns {
        let [Some(name), Some(kind), Some(category), _] = &*column else { return None };
        let value = match (kind.as_str(), category.as_str()) {
            ("uuid", _) => "gen_random_uuid()".to_owned(),
            ("json" | "jsonb", _) => format!("'{{}}'::{kind}"),
            ("inet" | "cidr", _) => "'192.0.2.1'".to_owned(),
            (_, "N") => format!("1::{kind}"),
            (_, "S") => format!("'x'::{kind}"),
            (_, "D") => "now()".to_owned(),
            (_, "B") => "false".to_owned(),
            (_, "A") => "'{}'".to_owned(),
            (_, "E") => format!("(enum_range(NULL::{kind}))[1]"),
            _ => return None,
        };
        names.push(name.clone());
        values.push(value);
    }
    let returned: Vec<_> = key.iter().map(|name| format!("\"{}\"::text", text(name).replace('"', "\"\""))).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES ({}) RETURNING {}",
        names.join(", "),
        values.join(", "),
        returned.join(", ")
    );
    // A trigger or a check may refuse it.
    let mut psql = database.cluster().binaries().client("psql");
    psql.args(["-X", "-q", "-A", "-t", "-F", "\t", "-d", &database.conn_string(), "-c", &sql]);
    let output = psql.output().ok().filter(|output| output.status.success())?;
    let line = String::from_utf8(output.stdout).ok()?;
    Some(line.trim_end().split('\t').map(str::to_owned).collect())
}

/// How declared foreign keys and guesses agree.
#[derive(Default)]
struct Agreement {
    declared: usize,
    found: [usize; 3],
    wrong_by: [usize; 3],
    unjudged: usize,
    wrong: Vec<String>,
    missed: Vec<String>,
}

impl Agreement {
    fn of(catalog: Catalog) -> Result<Self> {
        let nothing = dbopt_policy::parse::<GdprPolicy>("policy = 'gdpr'\nversion = 1\n", "gdpr.toml");
        let policy = nothing.map_err(|_| anyhow::anyhow!("a policy may say nothing"))?.policy;
        let mut bare = catalog.clone();
        for table in &mut bare.tables {
            table.constraints.retain(|constraint| !matches!(constraint.kind, ConstraintKind::Foreign { .. }));
        }
        let graph = Graph::new(catalog, &policy);
        let mut own = Self { declared: graph.edges.len(), ..Self::default() };
        let guesses: Vec<_> =
            references(&bare).into_iter().filter(|guess| matches!(guess.kind, ReferenceKind::Columns(_))).collect();
        let place = |confidence: Confidence| match confidence {
            Confidence::High => 0,
            Confidence::Medium => 1,
            Confidence::Low => 2,
        };
        let mut judged: BTreeSet<usize> = BTreeSet::new();
        for edge in &graph.edges {
            let (child, parent) = (&graph.node(edge.child).table, &graph.node(edge.parent).table);
            let of = |columns: &[String]| columns.iter().cloned().collect::<BTreeSet<_>>();
            let same =
                |at: &usize| guesses[*at].from == *child && of(guesses[*at].columns()) == of(&edge.child_columns);
            let of_columns: Vec<usize> = (0..guesses.len()).filter(same).collect();
            judged.extend(&of_columns);
            let right = of_columns
                .iter()
                .find(|at| guesses[**at].to == *parent && of(&guesses[**at].key) == of(&edge.parent_columns));
            match right {
                Some(at) => own.found[place(guesses[*at].confidence)] += 1,
                None => own.missed.push(edge.to_string()),
            }
        }
        for (at, guess) in guesses.iter().enumerate() {
            if !judged.contains(&at) {
                own.unjudged += 1;
                continue;
            }
            let is_right = graph.edges.iter().any(|edge| {
                graph.node(edge.child).table == guess.from
                    && graph.node(edge.parent).table == guess.to
                    && edge.child_columns.iter().collect::<BTreeSet<_>>() == guess.columns().iter().collect()
                    && edge.parent_columns.iter().collect::<BTreeSet<_>>() == guess.key.iter().collect()
            });
            if !is_right {
                own.wrong_by[place(guess.confidence)] += 1;
                own.wrong.push(format!(
                    "{} ({}) → {}: {}",
                    guess.from,
                    guess.columns().join(", "),
                    guess.to,
                    guess.confidence.name()
                ));
            }
        }
        Ok(own)
    }

    fn line(&self, name: &str) -> String {
        let [high, medium, low] = self.found;
        let share = |part: usize, rest: usize| match part + rest {
            0 => "none".to_owned(),
            all => format!("{:.1} %", 100.0 * part as f64 / all as f64),
        };
        let found = high + medium + low;
        let wrong: usize = self.wrong_by.iter().sum();
        format!(
            "| {name} | {} | {high} / {medium} / {low} | {} | {}, {} | {} |",
            self.declared,
            share(found, self.declared - found),
            share(found, wrong),
            share(high + medium, self.wrong_by[0] + self.wrong_by[1]),
            self.unjudged
        )
    }
}

/// What a command did.
struct Ran {
    code: i32,
    time: Duration,
    stdout: Vec<u8>,
    said: String,
}

impl Ran {
    fn new(dbopt: &Path, args: &[&str]) -> Result<Self> {
        let since = Instant::now();
        let output = Command::new(dbopt).args(args).output().context("cannot run dbopt")?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(Self { code: output.status.code().unwrap_or(-1), time: since.elapsed(), stdout: output.stdout, said })
    }

    fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.stdout).with_context(|| format!("no JSON: {}", self.said))
    }
}

fn restrict(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o600))?)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn count(view: &Value, wanted: impl Fn(&Value) -> bool) -> usize {
    view["references"].as_array().into_iter().flatten().filter(|guess| wanted(guess)).count()
}

/// A guess on a line.
fn shown(guess: &Value) -> String {
    let columns: Vec<_> = guess["columns"].as_array().into_iter().flatten().map(text).collect();
    format!(
        "{} ({}) → {}: {}, {}",
        text(&guess["from"]),
        columns.join(", "),
        text(&guess["to"]),
        text(&guess["by"]),
        text(&guess["confidence"])
    )
}
