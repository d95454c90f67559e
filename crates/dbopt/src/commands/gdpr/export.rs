//! `dbopt gdpr export`

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use dbopt_audit::Entry;
use dbopt_crypto::{EncryptionPolicy, Field, FieldCipher, KeyId, KeyRing, Pseudonym, SubjectId, SubjectTableError};
use dbopt_finding::{Finding, Severity};
use dbopt_gdpr::{
    Error as Walk, GdprPolicy, Graph, Subject, SubjectRule, TableName,
    export::{self, Article, Error, Lock, Manifest, Opener, Options},
};
use serde_json::{Map, json};
use tokio_postgres::GenericClient;

use super::{
    package::{Package, Shape},
    pseudonymizer, subject,
};
use crate::{
    cli::gdpr::GdprExport,
    commands::{Context, audit, catalogue, connect, keys, load, migrate, re_encrypt, read, secret},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr_export::GdprExportView,
};

/// The migration that makes the table of audit records.
const MIGRATION: u32 = 2;

/// The migration that makes the table of keys of persons.
const KEYS: u32 = 7;

/// Writes everything of a person to a package.
pub(super) fn run(context: &Context, args: &GdprExport) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.person.under.policy, true)?;
    let pseudonyms = pseudonymizer(&policy)?;
    let rule = subject(&policy, args.person.rule.as_deref())?;
    let key = super::key(&args.person.subject)?;
    let mut opener = args.encryption_policy.as_deref().map(opener).transpose()?;
    let lock = lock(args)?;
    let to = args.output.display().to_string();
    if args.output.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!("`{to}` is there already, and nothing was written"))
            .hint("a package is never written over anything; name another file"));
    }
    let shape = match &lock {
        Some(lock) => Shape::Sealed(lock),
        None if args.folder => Shape::Folder,
        None => Shape::Plain,
    };
    let (manifest, who) = connect::block_on(async {
        let mut session =
            connect::open_noticing_cuts(context, &args.person.under.connection, &re_encrypt::counting()).await?;
        if args.audit.is_none() {
            migrate::require(&session, MIGRATION, &args.person.under.connection).await?;
        }
        let (catalog, _) = catalogue::live(context, &session, &[]).await?;
        let graph = Graph::new(catalog, &policy);
        let uncovered = graph.uncovered(&policy);
        if !args.uncovered && uncovered.iter().any(|finding| finding.severity == Severity::Error) {
            let message = "the policy does not cover this database, and something could be missed";
            let hint =
                "mend the policy (`dbopt gdpr lint`), or write `--uncovered` and have the gaps listed in the package";
            return Err(Failure::new(Exit::Findings, message).findings(uncovered).hint(hint));
        }
        let table = graph.find(&rule.table).ok_or_else(|| failure(Walk::NoSubject(rule.name.clone()).into()))?;
        let person =
            Subject { rule: rule.name.clone(), table, key: key.iter().map(|text| Box::from(&**text)).collect() };
        let who = dbopt_gdpr::pseudonym(&pseudonyms, &person);
        let has_persons = opener.as_ref().is_some_and(Columns::has_persons);
        if has_persons {
            migrate::require(&session, KEYS, &args.person.under.connection).await?;
        }
        let transaction = session.read_only().await.map_err(connect::failure)?;
        if let Some(opener) = opener.as_mut().filter(|_| has_persons) {
            let unopened = opener.fetch(&transaction, &key).await?;
            context.stderr.findings(unopened.as_slice());
        }
        let now = export::now(&transaction).await.map_err(failure)?;
        let as_of = args.as_of.unwrap_or(now);
        let unwritten = |error: io::Error| Failure::file("write", &to, &error);
        let mut package = Package::create(&args.output, &shape, as_of).map_err(unwritten)?;
        let options = Options {
            as_of,
            article: article(args),
            scratch: Package::folder(&args.output),
            opener: opener.as_ref().map(|opener| opener as &dyn Opener),
        };
        let writing = export::write(&transaction, (&graph, &policy), (rule, &key), &options, &mut package);
        let manifest = connect::or_interrupted(context, writing).await?.map_err(failure)?;
        drop(transaction);
        session.close().await;
        let whole = package.finish().map_err(unwritten)?;
        // Nothing leaves that is not recorded.
        record(context, args, rule, &who, &manifest).await?;
        whole.publish().map_err(unwritten)?;
        Ok((manifest, who))
    })?;
    let view = GdprExportView::new(&manifest, &who, &to, sealing(args));
    output::report(&context.global, args.format, None, &view, document::gdpr_export::document)?;
    Ok(Exit::Done)
}

fn article(args: &GdprExport) -> Article {
    if args.article == 20 { Article::Portability } else { Article::Access }
}

/// For whom the package is sealed; none when it is plain.
fn lock(args: &GdprExport) -> Result<Option<Lock>, Failure> {
    let refused = |error: export::RecipientError| Failure::usage(error.to_string());
    if args.plain {
        return Ok(None);
    }
    if !args.recipient.is_empty() {
        return Lock::recipients(&args.recipient.join("\n")).map(Some).map_err(|_| {
            Failure::usage("`--recipient` is no recipient of the form `age1…`")
                .hint("`age-keygen` prints it as the public key; the secret key stays with the recipient")
        });
    }
    if let Some(file) = &args.recipients_file {
        let (_, text) = read::text(file)?;
        return Lock::recipients(&text).map(Some).map_err(|error| Failure::usage(format!("`{file}`: {error}")));
    }
    let phrase = match &args.passphrase_file {
        Some(file) => {
            let bytes = zeroize::Zeroizing::new(fs::read(file).map_err(|error| Failure::file("read", file, &error))?);
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            zeroize::Zeroizing::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
        }
        None => {
            let first = secret::read("Passphrase of the package: ")?;
            if secret::is_typed() && secret::read("Once more: ")? != first {
                return Err(Failure::usage("the passphrases differ"));
            }
            first
        }
    };
    let text = std::str::from_utf8(&phrase).map_err(|_| Failure::usage("the passphrase is no UTF-8"))?;
    Lock::passphrase(text).map(Some).map_err(refused)
}

fn sealing(args: &GdprExport) -> &'static str {
    match (args.plain, args.recipient.is_empty() && args.recipients_file.is_none()) {
        (true, _) => "plain",
        (false, false) => "recipients",
        (false, true) => "passphrase",
    }
}

/// Opens columns by a policy of kind `encryption`.
struct Columns {
    cipher: FieldCipher,
    /// The keys of the person who is exported, by purpose. Values under keys of others stay closed.
    persons: BTreeMap<KeyId, Arc<KeyRing>>,
}

impl Columns {
    /// Whether values of a column are sealed by keys of single persons.
    fn has_persons(&self) -> bool {
        self.cipher.fields().iter().any(|field| field.rule().subject.is_some())
    }

    /// Fetches the keys of a person, who is named in these columns as the policy of persons names them; and says so when there is one that
    /// cannot be used.
    async fn fetch(&mut self, client: &impl GenericClient, key: &[String]) -> Result<Option<Finding>, Failure> {
        let [name] = key else { return Ok(None) };
        let who = SubjectId::of(name);
        let mut finding = None;
        for field in self.cipher.fields() {
            let Some(table) = field.subjects() else { continue };
            match table.find(client, &[who].into()).await {
                Ok(mut found) => {
                    let found = found.remove(&who).map(|ring| (field.rule().purpose.clone(), ring));
                    self.persons.extend(found);
                }
                Err(SubjectTableError::Database(error)) => {
                    let why = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
                    let exit = if error.as_db_error().is_some() { Exit::Partial } else { Exit::Connection };
                    return Err(Failure::new(exit, format!("could not read the keys of persons: {why}")));
                }
                Err(error) => {
                    let help = "what it seals is listed as missing";
                    finding = Some(Finding::warning("closed-key", error.to_string()).help(help));
                }
            }
        }
        Ok(finding)
    }

    fn field(&self, table: &TableName, column: &str) -> Option<&Field> {
        self.cipher.field(&table.schema, &table.name, column)
    }
}

impl Opener for Columns {
    fn row(&self, table: &TableName, column: &str) -> Option<Vec<String>> {
        self.field(table, column).map(|field| field.rule().row.clone())
    }

    fn open(&self, table: &TableName, column: &str, row: &[&str], sealed: &[u8]) -> Option<Vec<u8>> {
        let field = self.field(table, column)?;
        let opened = match self.persons.get(&field.rule().purpose) {
            Some(person) => field.open_of(person, row, sealed),
            None => field.open(row, sealed),
        };
        opened.ok().map(|value| value.to_vec())
    }
}

fn opener(file: &Path) -> Result<Columns, Failure> {
    let policy = load::quiet::<EncryptionPolicy>(file, true)?.policy;
    let store = Arc::new(policy.store().map_err(keys::source)?);
    let cipher = FieldCipher::new(&policy, &store).map_err(re_encrypt::keys_away)?;
    Ok(Columns { cipher, persons: BTreeMap::new() })
}

/// Records the export, durably; the person is there as a pseudonym.
async fn record(
    context: &Context,
    args: &GdprExport,
    rule: &SubjectRule,
    who: &Pseudonym,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    let details = Map::from_iter([
        ("article".to_owned(), json!(manifest.article)),
        ("as-of".to_owned(), json!(manifest.as_of)),
        ("rule".to_owned(), json!(rule.name)),
        ("tables".to_owned(), json!(manifest.tables.len())),
        ("rows".to_owned(), json!(rows)),
        ("files".to_owned(), json!(manifest.files.len() + 1)),
        ("missing".to_owned(), json!(manifest.missing.len())),
        ("sealed".to_owned(), json!(sealing(args))),
    ]);
    let entry = |actor: &str| Ok(Entry::new(actor, "gdpr.export", &details)?.about(who));
    audit::record(context, args.audit.as_deref(), &args.person.under.connection, entry).await.map(drop)
}

/// The failure of an export. It names nobody.
fn failure(error: Error) -> Failure {
    match error {
        Error::Ask(error) => super::failure(error),
        Error::Write(_) => Failure::usage(error.to_string()),
        _ => Failure::new(Exit::Partial, error.to_string()),
    }
}
