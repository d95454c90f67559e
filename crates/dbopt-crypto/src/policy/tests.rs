use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use dbopt_finding::Finding;
use jiff::Timestamp;

use super::*;
use crate::{Algorithm, Form, Key, KeyKind, Keyring, LocalProvider, NewKey};

const HEAD: &str = "policy = 'encryption'\nversion = 1\n";
const KEYS: &str = "keyring = 'shop.keys'\n[kek]\nname = 'kek-1'\nkey = 'env:KEK'\n\
    [key.customer]\nrotate = '365d'\n[key.lookup]\nalgorithm = 'hmac-sha-256'\nrotate = '365d'\n";
const COLUMN: &str = "[[column]]\ntable = 'public.customer'\ncolumn = 'email'\nkey = 'customer'\nrow = ['id']\n";
const INDEX: &str = "distinct = 1000000\n[[column.index]]\ncolumn = 'email_term'\nkey = 'lookup'\nform = 'folded'\nbits = 64\nversion = 1\n";

fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// The policy and what is weak about it, or what is wrong.
fn read(body: &str) -> Result<(EncryptionPolicy, Vec<String>), Vec<String>> {
    match dbopt_policy::parse::<EncryptionPolicy>(format!("{HEAD}{body}"), "e.toml") {
        Ok(loaded) => Ok((loaded.policy, shown(&loaded.findings))),
        Err(refused) => Err(shown(&refused.findings)),
    }
}

fn good() -> EncryptionPolicy {
    let (policy, findings) = read(&format!("{KEYS}{COLUMN}{INDEX}")).expect("good");
    assert_eq!(findings, [""; 0]);
    policy
}

#[test]
fn the_shipped_policy_is_good() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/encryption.toml");
    let options = dbopt_policy::Options { secrets: false };
    let shipped = dbopt_policy::load_with::<EncryptionPolicy>(path, options).expect("good");
    assert_eq!(shown(&shipped.findings), [""; 0]);
    let policy = shipped.policy;
    assert_eq!(policy.keks[0].source, KekSource::File("/etc/dbopt/kek.key".into()));
    let email = policy.column("public", "customer", "email_sealed").expect("a column");
    assert_eq!(email.plain.as_deref(), Some("email"));
    assert_eq!(email.indexes[0].written, IndexVersion { version: 1, form: Form::Folded, bits: 64 });
}

#[test]
fn all_that_can_be_said_is_read() {
    let (policy, findings) = read(
        "keyring = '/keys/shop.keys'\n[kek]\nname = 'kms-2'\nservice = ['kms', '--region', 'x']\nlongest = '3s'\n\
         [[kek.previous]]\nname = 'kek-1'\ncommand = ['pass', 'show', 'kek']\n\
         [[kek.previous]]\nname = 'kek-0'\nkey = 'env:KEK'\n\
         [key.a]\nalgorithm = 'aes-256-gcm'\nrotate = '1w'\n[key.b]\nalgorithm = 'hmac-sha-256'\nrotate = '90d'\n\
         [[column]]\ntable = 'My.\"Table\"'\ncolumn = 'E mail'\nkey = 'a'\nrow = ['id', 'part']\nplain = 'old'\ndistinct = 200\n\
         [[column.index]]\ncolumn = 'term'\nkey = 'b'\nform = 'prefix'\nlength = 4\nbits = 5\nversion = 3\n\
         [[column.index.previous]]\nform = 'digits'\nbits = 100\nversion = 2\n",
    )
    .expect("good");
    assert_eq!(findings, [""; 0]);
    let ten = std::time::Duration::from_secs(10);
    let program = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let sources: Vec<_> = policy.keks.into_iter().map(|kek| (kek.name.to_string(), kek.source)).collect();
    assert_eq!(
        sources,
        [
            (
                "kms-2".to_owned(),
                KekSource::Service {
                    command: program(&["kms", "--region", "x"]),
                    longest: std::time::Duration::from_secs(3)
                }
            ),
            ("kek-1".to_owned(), KekSource::Command { command: program(&["pass", "show", "kek"]), longest: ten }),
            ("kek-0".to_owned(), KekSource::Environment("KEK".to_owned())),
        ]
    );
    assert_eq!(policy.keys[0].kind, KeyKind::Encrypt(Algorithm::Aes256Gcm));
    let column = &policy.columns[0];
    assert_eq!(column.name(), "my.\"Table\".\"E mail\"");
    assert_eq!((column.row.len(), column.plain.as_deref(), column.distinct), (2, Some("old"), Some(200)));
    let versions: Vec<_> = column.indexes[0].versions().collect();
    assert_eq!(
        versions,
        [
            IndexVersion { version: 3, form: Form::Prefix(4), bits: 5 },
            IndexVersion { version: 2, form: Form::Digits, bits: 100 },
        ]
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let faults = read(
        "[kek]\nname = 'KEK'\nkey = 'hunter2'\nlongest = '3s'\n[[kek.previous]]\nname = 'a'\n\
         [[kek.previous]]\nname = 'b'\nkey = 'env:A'\ncommand = ['x']\n[[kek.previous]]\nname = 'c'\ncommand = []\n\
         [key.customer]\nrotate = '1h'\n[key.Bad]\nrotate = '365d'\n[key.lookup]\nalgorithm = 'hmac-sha-256'\nrotate = '9d'\n\
         [key.odd]\nalgorithm = 'rot13'\nrotate = '9d'\n\
         [[column]]\ntable = 'public.*'\ncolumn = ''\nkey = 'custmer'\nrow = []\n\
         [[column]]\ntable = 'public.a'\ncolumn = 'x'\nkey = 'lookup'\nrow = ['id']\n\
         [[column]]\ntable = 'public.b'\ncolumn = 'x'\nkey = 'customer'\nrow = []\nplain = 'x'\ndistinct = 5000\n\
         [[column.index]]\ncolumn = 'x'\nkey = 'customer'\nform = 'prefix'\nbits = 0\nversion = 0\n\
         [[column.index]]\ncolumn = 't'\nkey = 'lookup'\nform = 'exact'\nlength = 3\nbits = 8\nversion = 256\n\
         [[column.index]]\ncolumn = 't'\nkey = 'lookup'\nform = 'exact'\nbits = 300\nversion = 0\n\
         [[column.index]]\ncolumn = 'u'\nkey = 'lookup'\nform = 'exact'\nbits = 8\nversion = 2\n\
         [[column.index.previous]]\nform = 'exact'\nbits = 8\nversion = 3\n\
         [[column.index.previous]]\nform = 'exact'\nbits = 8\nversion = 2\n",
    )
    .expect_err("bad");
    assert!(!faults.join("").contains("hunter2"));
    insta::assert_snapshot!(faults.join("\n"), @r"
    e.toml:1:1: `keyring` is missing
    e.toml:4:8: a key's name is 1 to 64 characters of `a-z`, `0-9`, `.`, `_` and `-`
    e.toml:5:7: this is no reference to a secret
    e.toml:6:11: `longest` is for programs only
    e.toml:8:8: the key-encryption key is nowhere
    e.toml:10:8: the key is in two places
    e.toml:15:11: `kek.previous.command` names no program
    e.toml:17:10: a new key would follow within a day
    e.toml:18:6: a purpose is named by 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`
    e.toml:24:13: `key.odd.algorithm` cannot be `rot13`
    e.toml:28:10: `column.column` is no name of a column
    e.toml:29:7: there is no purpose `custmer`
    e.toml:34:7: keys of purpose `lookup` do not encrypt
    e.toml:40:7: values are bound to no row, and could be exchanged
    e.toml:41:9: `x` of `public.b` has two meanings
    e.toml:45:7: keys of purpose `customer` do not make terms
    e.toml:46:8: `length` is missing, which a prefix needs
    e.toml:53:10: `length` is for a prefix only
    e.toml:55:11: `column.index.version` cannot be 256
    e.toml:60:8: `bits` cannot be 300
    e.toml:61:11: `version` cannot be 0
    e.toml:68:1: version 3 is not older than the one that is written, or there twice
    e.toml:68:1: version 2 is not older than the one that is written, or there twice
    ");
}

#[test]
fn two_rules_for_a_column_are_refused() {
    let other = COLUMN.replace("'email'", "'phone'") + "plain = 'email'\n";
    let faults = read(&format!("{KEYS}[key.x]\nrotate = '9d'\n{COLUMN}{COLUMN}{other}")).expect_err("bad");
    insta::assert_snapshot!(faults.join("\n"), @r"
    e.toml:7:2: no column uses keys of purpose `lookup`
    e.toml:7:2: no column uses keys of purpose `x`
    e.toml:14:1: two rules are about `public.customer.email`
    ");
}

#[test]
fn weak_choices_are_told_and_can_be_used() {
    let (_, weak) = read(
        "keyring = '/etc/dbopt/shop.keys'\n[kek]\nname = 'kek-1'\nkey = 'file:/etc/dbopt/kek.key'\n\
         [key.customer]\n[key.lookup]\nalgorithm = 'hmac-sha-256'\nrotate = '1000d'\n[key.unused]\nrotate = '1d'\n\
         [[column]]\ntable = 'public.customer'\ncolumn = 'sex'\nkey = 'customer'\nrow = ['id']\ndistinct = 3\n\
         [[column.index]]\ncolumn = 'sex_term'\nkey = 'lookup'\nform = 'exact'\nbits = 8\nversion = 1\n\
         [[column]]\ntable = 'public.customer'\ncolumn = 'country'\nkey = 'customer'\nrow = ['id']\ndistinct = 200\n\
         [[column.index]]\ncolumn = 'country_term'\nkey = 'lookup'\nform = 'exact'\nbits = 6\nversion = 1\n\
         [[column]]\ntable = 'public.customer'\ncolumn = 'name'\nkey = 'customer'\nrow = ['id']\n\
         [[column.index]]\ncolumn = 'name_term'\nkey = 'lookup'\nform = 'prefix'\nlength = 2\nbits = 32\nversion = 1\n",
    )
    .expect("usable");
    insta::assert_snapshot!(weak.join("\n"), @r"
    e.toml:3:11: the key-encryption key is in the folder of what it wraps
    e.toml:7:2: no column uses keys of purpose `unused`
    e.toml:7:6: it is not said when a new key follows
    e.toml:10:10: a key is in use for more than two years
    e.toml:23:8: the index tells 3 values apart, which their frequencies give away
    e.toml:35:8: the index tells 200 values apart, which their frequencies give away
    e.toml:42:1: it is not said how many values the index tells apart
    e.toml:46:10: a prefix of 2 is shared by so many values that its frequency tells it
    ");
}

/// Files are looked at when secrets are: who can read them, and whether they are good keys.
#[test]
fn weak_keys_are_found_and_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
    };
    write("e.toml", &format!("{HEAD}{}{COLUMN}{INDEX}", KEYS.replace("env:KEK", "file:kek")), 0o644);
    let check = || {
        let loaded = dbopt_policy::load::<EncryptionPolicy>(folder.path().join("e.toml"));
        let findings = loaded.map_or_else(|refused| refused.findings, |loaded| loaded.findings);
        let text: Vec<_> = findings.iter().map(|finding| format!("{}: {}", finding.code, finding.message)).collect();
        text.join("\n").replace(&folder.path().display().to_string(), "FOLDER")
    };
    let good = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
    write("kek", good, 0o600);
    insta::assert_snapshot!(check(), @r"
    missing-keys: there is no such key ring yet
    kek-beside-keys: the key-encryption key is in the folder of what it wraps
    ");
    write("shop.keys", &Keyring::new(KeyId::new("shop").expect("a name")).to_json(), 0o600);
    insta::assert_snapshot!(check(), @"kek-beside-keys: the key-encryption key is in the folder of what it wraps");
    write("shop.keys", "hunter2", 0o600);
    insta::assert_snapshot!(check(), @"bad-keys: `FOLDER/shop.keys` is no key ring: it is no JSON (line 1, column 1)");
    write("shop.keys", "hunter2", 0o640);
    write("kek", good, 0o644);
    insta::assert_snapshot!(check(), @r"
    open-keys: key file `FOLDER/shop.keys` has permissions 0640, so that others than its owner can use it
    open-secret: secret file `FOLDER/kek` can be read or changed by others
    ");
    fs::remove_file(folder.path().join("shop.keys")).expect("removed");
    for text in ["aHVudGVyMg==", "hunter2!", &"00".repeat(32)] {
        write("kek", text, 0o600);
        assert!(!check().contains(text));
    }
    write("kek", "aHVudGVyMg==", 0o600);
    assert!(check().contains("short-key: the key is shorter than 32 bytes"), "{}", check());
    write("kek", &"00".repeat(32), 0o600);
    assert!(check().contains("weak-key: all bytes of the key are the same"), "{}", check());
}

#[test]
fn keys_are_fetched_as_the_policy_says() {
    let policy = good();
    let kek = Kek {
        source: KekSource::Command { command: vec!["false".to_owned()], longest: DAY },
        ..policy.keks[0].clone()
    };
    let broken = EncryptionPolicy { keks: vec![kek], ..policy.clone() };
    assert_eq!(
        broken.provider().expect_err("no key").to_string(),
        "program `false` gave no key: it ended with exit code 1"
    );
    let nothing = EncryptionPolicy { keks: Vec::new(), ..policy };
    nothing.provider().expect_err("no key");
}

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// A ring in which each purpose has as many keys, all of the first day.
fn ring(policy: &EncryptionPolicy, generations: &[(&str, u32)]) -> Keyring {
    let provider =
        LocalProvider::new(KeyId::new("kek-1").expect("a name"), &Key::new((0..32).collect()).expect("a key"));
    let mut ring = Keyring::new(KeyId::new("shop").expect("a name"));
    for (purpose, count) in generations {
        let purpose = KeyId::new(purpose).expect("a name");
        let kind = policy.key(&purpose).map_or(KeyKind::Index, |key| key.kind);
        for generation in 0..*count {
            let key = NewKey::make(ring.place(purpose.clone(), kind), &provider).expect("a key");
            let now = Timestamp::UNIX_EPOCH;
            ring = if generation == 0 { ring.with_new(key, now) } else { ring.rotated(key, now) }.expect("changed");
        }
    }
    ring
}

#[test]
fn keys_are_held_against_the_policy() {
    let (policy, day) = (good(), |days: i64| Timestamp::from_second(days * 86_400).expect("in range"));
    let review = |ring: &Keyring, now: Timestamp| {
        let findings = policy.review_keys(ring, now);
        findings.iter().map(|f| format!("{} {}: {}", f.severity, f.code, f.message)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(review(&ring(&policy, &[("customer", 1), ("lookup", 1)]), day(364)), "");
    insta::assert_snapshot!(review(&ring(&policy, &[("customer", 2), ("lookup", 2), ("other", 1)]), day(366)), @r"
    warning overdue-rotation: key 2 of purpose `customer` is 366 days old, and 365 are allowed
    warning overdue-rotation: key 4 of purpose `lookup` is 366 days old, and 365 are allowed
    warning old-index: index `email_term` of `public.customer.email` is written with version 1, whose key is retired
    note unknown-purpose: key 5 is of purpose `other`, of which the policy says nothing
    ");
    insta::assert_snapshot!(review(&ring(&policy, &[]), day(0)), @r"
    error no-active-key: purpose `customer` has no keys
    error no-active-key: purpose `lookup` has no keys
    error no-index-key: index `email_term` of `public.customer.email` is of version 1, and purpose `lookup` has no such key
    ");
    let mut swapped = policy.clone();
    swapped.keys[0].kind = KeyKind::Encrypt(Algorithm::Aes256Gcm);
    swapped.keys[1].kind = KeyKind::Encrypt(Algorithm::Aes256Gcm);
    let findings = swapped.review_keys(&ring(&policy, &[("customer", 1), ("lookup", 1)]), day(0));
    insta::assert_snapshot!(shown(&findings).join("\n"), @r"
    the active key of purpose `customer` is for `xchacha20-poly1305`, not for `aes-256-gcm`
    keys of purpose `lookup` are of another kind than the policy says
    ");
    let retired = ring(&policy, &[("customer", 1), ("lookup", 1)]);
    let retired = retired.with_retired(retired.entries()[0].number, day(1)).expect("changed");
    insta::assert_snapshot!(review(&retired, day(1)), @"error no-active-key: purpose `customer` has no active key");
}

#[test]
fn a_database_is_held_against_the_policy() {
    let mut policy = good();
    policy.columns[0].plain = Some("old".to_owned());
    let column = |name: &str, data_type: &str| ColumnFacts {
        column: name.to_owned(),
        data_type: data_type.to_owned(),
        ..ColumnFacts::default()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut table = TableFacts {
        schema: "public".to_owned(),
        table: "customer".to_owned(),
        columns: vec![
            column("id", "bigint"),
            column("email", "bytea"),
            column("old", "text"),
            column("email_term", "bytea"),
        ],
        keys: vec![names(&["id"])],
    };
    table.columns[3].indexes = names(&["email_term_idx"]);
    let review = |table: &TableFacts, server: ServerFacts| {
        let facts = DatabaseFacts { tables: vec![table.clone()], server };
        shown(&policy.review_database(&facts)).join("\n")
    };
    assert_eq!(review(&table, ServerFacts::default()), "");

    let mut weak = table.clone();
    for at in [1, 2] {
        weak.columns[at].indexes = names(&["email_idx", "email_key"]);
        weak.columns[at].unique = names(&["email_key"]);
        weak.columns[at].foreign_keys = names(&["mail_fkey"]);
        weak.columns[at].has_statistics = true;
    }
    weak.columns[2].distinct = Some(12.0);
    weak.columns[3].indexes.clear();
    weak.keys = vec![names(&["id", "part"])];
    let server =
        ServerFacts { log_statement: "mod".to_owned(), log_min_duration_statement: 0, ..ServerFacts::default() };
    insta::assert_snapshot!(review(&weak, server), @r"
    `public.customer.email` is in foreign key `mail_fkey`, which no sealed value fulfils
    `public.customer.email` is unique by `email_key`, which refuses no sealed value
    `public.customer.email` is indexed by `email_idx`, which finds no sealed value
    values of `public.customer.email` are in the table's statistics
    plain values of `public.customer.old` are in index `email_idx`, too
    plain values of `public.customer.old` are in index `email_key`, too
    plain values of `public.customer.old` are in other tables, too, by foreign key `mail_fkey`
    values of `public.customer.old` are in the table's statistics
    `public.customer.email_term`: the index tells 12 values apart, which their frequencies give away
    `row` of `public.customer.email` is no key of the table
    terms in `public.customer.email_term` are not indexed, so that each search reads all rows
    the server logs values of statements, by `log_statement` and `log_min_duration_statement`
    ");

    table.columns = vec![column("email", "text"), column("old", "text")];
    insta::assert_snapshot!(review(&table, ServerFacts::default()), @r"
    `public.customer.email` is of type `text`, and sealed values and terms are `bytea`
    there is no column `public.customer.id`
    there is no column `public.customer.email_term`
    ");
    table.schema = "other".to_owned();
    insta::assert_snapshot!(review(&table, ServerFacts::default()), @"there is no table `public.customer`");
}

#[test]
fn paths_are_relative_to_the_policy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("e.toml");
    fs::write(&path, format!("{HEAD}{KEYS}{COLUMN}{INDEX}")).expect("written");
    let options = dbopt_policy::Options { secrets: false };
    let loaded = dbopt_policy::load_with::<EncryptionPolicy>(&path, options).expect("good");
    assert_eq!(loaded.policy.keyring_file().path(), Path::new(&folder.path().join("shop.keys")));
}
