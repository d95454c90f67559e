//! `dbopt audit` on real stores.

mod support;

use std::{fs, path::Path};

use dbopt_audit::{Entry, FileStore, PostgresStore, Store};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::{Cluster, Database};
use support::dbopt;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

async fn fill(store: &mut impl Store, records: usize) {
    for _ in 0..records {
        let entry = Entry::new("runner", "apply.create-index", &serde_json::Map::new()).expect("an entry");
        store.append(&entry).await.expect("it is appended");
    }
}

fn table(records: usize) -> Database<'static> {
    let database = Cluster::shared().database();
    assert_eq!(dbopt(&["migrate", "up", "-d", &database.conn_string()]).code, 0);
    block_on(async {
        let target = database.conn_string();
        let args = ConnectArgs { database: Some(&target), ..Default::default() };
        let settings = Settings::resolve(&args, &Environment::default()).expect("the settings are good");
        let session = Session::connect(&settings, &SessionProfile::default()).await.expect("a session");
        fill(&mut PostgresStore::new(session), records).await;
    });
    database
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn an_intact_table_is_verified_anchored_and_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (anchors, copy, part) = (folder.path().join("anchors"), folder.path().join("copy"), folder.path().join("part"));
    let (anchors, copy, part) = (text(&anchors), text(&copy), text(&part));
    let database = table(10);
    let target = database.conn_string();

    let verified = dbopt(&["audit", "verify", "-d", &target, "--format", "json"]).json();
    assert_eq!((&verified["intact"], &verified["records"]), (&true.into(), &10.into()));
    let anchored = dbopt(&["audit", "anchor", "-d", &target, "--to", &anchors]);
    assert_eq!(anchored.code, 0, "{}", anchored.stderr);
    assert_eq!(fs::read_to_string(&anchors).expect("the anchors"), anchored.stdout);
    let verified = dbopt(&["audit", "verify", "-d", &target, "--anchor", &anchors, "--format", "json"]).json();
    assert_eq!(verified["anchors_confirmed"], 1);

    assert_eq!(dbopt(&["audit", "export", "-d", &target, "-o", &copy]).code, 0);
    let verified = dbopt(&["audit", "verify", "--file", &copy, "--anchor", &anchors]);
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    assert!(verified.stdout.contains("intact: 10 records read, the head is 10"), "{}", verified.stdout);

    assert_eq!(dbopt(&["audit", "export", "-d", &target, "--first", "4", "--last", "7", "-o", &part]).code, 0);
    assert_eq!(dbopt(&["audit", "verify", "--file", &part, "--first", "4"]).code, 0);
    assert_eq!(dbopt(&["audit", "verify", "--file", &part]).code, 1);
    dbopt(&["audit", "export", "-d", &target, "--since", "2999-01-01T00:00:00Z"]).fails(2, "no record is within");
    assert_eq!(dbopt(&["audit", "verify", "-d", &target, "--first", "4"]).code, 0);
    let absent = dbopt(&["audit", "verify", "-d", &target, "--first", "100000"]);
    assert!(absent.code == 1 && absent.stdout.contains("record 100000 is missing"), "{}", absent.stdout);
}

/// What was emptied is not intact.
#[test]
fn no_record_at_all_is_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("empty");
    fs::write(&file, "").expect("a file");
    let verified = dbopt(&["audit", "verify", "--file", &text(&file)]);
    assert_eq!(verified.code, 1, "{}", verified.stderr);
    assert!(verified.stdout.contains("nothing to verify: 0 records read"), "{}", verified.stdout);
    let database = table(0);
    assert_eq!(dbopt(&["audit", "verify", "-d", &database.conn_string()]).code, 1);
}

#[test]
fn tampering_is_1_and_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let anchors = text(&folder.path().join("anchors"));
    let database = table(10);
    let target = database.conn_string();
    assert_eq!(dbopt(&["audit", "anchor", "-d", &target, "--to", &anchors]).code, 0);
    database.execute(
        "ALTER TABLE dbopt.audit_record DISABLE TRIGGER ALL; DELETE FROM dbopt.audit_record WHERE sequence IN (4, 10);
         UPDATE dbopt.audit_record SET actor = 'x' WHERE sequence = 7",
    );
    let found = dbopt(&["audit", "verify", "-d", &target, "--anchor", &anchors]);
    assert_eq!(found.code, 1, "{}", found.stderr);
    for message in ["record 4 is missing", "record 7 was changed", "ends at 9, but 10 was anchored"] {
        assert!(found.stdout.contains(message), "{}", found.stdout);
    }
}

#[test]
fn a_torn_file_is_repaired_by_an_explicit_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let file = text(&path);
    dbopt(&["audit", "verify", "--file", &file]).fails(2, "no such file");
    dbopt(&["audit", "repair", "--file", &file, "--actor", "admin"]).fails(2, "no such file");
    block_on(fill(&mut FileStore::new(&path), 3));
    let mut bytes = fs::read(&path).expect("the file");
    bytes.extend_from_slice(b"{\"v\":1,\"seq");
    fs::write(&path, bytes).expect("the file is written");
    let found = dbopt(&["audit", "verify", "--file", &file, "--format", "json"]);
    assert_eq!(found.code, 1);
    assert!(found.stdout.contains("\"position\": 4") && found.stdout.contains("unreadable"), "{}", found.stdout);
    dbopt(&["audit", "anchor", "--file", &file, "--to", "/dev/null"]).fails(2, "torn line of 11 bytes");
    assert_eq!(dbopt(&["audit", "export", "--file", &file]).code, 6);
    let repaired = dbopt(&["audit", "repair", "--file", &file, "--actor", "admin"]);
    assert!(repaired.stdout.contains("recorded that as record 4"), "{}", repaired.stdout);
    assert_eq!(dbopt(&["audit", "verify", "--file", &file]).code, 0);
}

#[test]
fn anchors_go_to_a_command_that_must_end_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, kept) = (folder.path().join("audit.jsonl"), folder.path().join("kept"));
    block_on(fill(&mut FileStore::new(&path), 2));
    let file = text(&path);
    let anchored = dbopt(&["audit", "anchor", "--file", &file, "--command", &format!("cat > {}", text(&kept))]);
    assert_eq!(anchored.code, 0, "{}", anchored.stderr);
    assert_eq!(dbopt(&["audit", "verify", "--file", &file, "--anchor", &text(&kept)]).code, 0);
    dbopt(&["audit", "anchor", "--file", &file, "--command", "cat > /dev/null; exit 3"]).fails(6, "exit status: 3");
    dbopt(&["audit", "anchor", "--file", &file]).fails(2, "required");
    dbopt(&["audit", "verify", "--file", &file, "--anchor", &file]).fails(2, "is not an anchor");
}

/// Where earlier anchors are at hand, a chain that was cut off is not anchored as if nothing had happened.
#[test]
fn what_contradicts_an_earlier_anchor_is_1_and_not_anchored() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, kept) = (folder.path().join("audit.jsonl"), folder.path().join("kept"));
    let (file, anchors) = (text(&path), text(&kept));
    let anchor = || dbopt(&["audit", "anchor", "--file", &file, "--to", &anchors]);
    block_on(fill(&mut FileStore::new(&path), 2));
    let first = anchor();
    assert_eq!(anchor().stdout, first.stdout);
    assert_eq!(fs::read_to_string(&kept).expect("the anchors"), first.stdout, "the same head is anchored once");
    block_on(fill(&mut FileStore::new(&path), 1));
    assert_eq!(anchor().code, 0);
    let both = fs::read_to_string(&kept).expect("the anchors");
    assert_eq!(both.lines().count(), 2);

    fs::write(&path, "").expect("emptied");
    anchor().fails(1, "the record ends at 0, but 3 was anchored");
    block_on(fill(&mut FileStore::new(&path), 1));
    anchor().fails(1, "the record ends at 1, but 3 was anchored");
    block_on(fill(&mut FileStore::new(&path), 2));
    anchor().fails(1, "record 3 is not the anchored one");
    assert_eq!(fs::read_to_string(&kept).expect("the anchors"), both);
    dbopt(&["audit", "anchor", "--file", &file, "--to", &file]).fails(2, "is an input");
}

#[test]
fn a_database_without_the_table_is_2_with_the_hint() {
    let database = Cluster::shared().database();
    let ran = dbopt(&["audit", "verify", "-d", &database.conn_string()]);
    ran.fails(2, "lacks migration 1");
    assert!(ran.stderr.contains("hint: run `dbopt migrate up -d"), "{}", ran.stderr);
}

/// The guide's program agrees with ours on every record, and so does the encoding that it gives.
#[test]
fn the_documented_program_verifies_a_file() {
    let guide = fs::read_to_string(support::root().join("docs/audit.md")).expect("the guide");
    let program = guide.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a program");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    block_on(fill(&mut FileStore::new(&path), 5));
    let run = |path: &Path| {
        let mut python = std::process::Command::new("python3");
        python.arg("-c").arg(program).arg(path).output()
    };
    // Python is not needed for anything else, so a machine may be without it.
    let Ok(output) = run(&path) else { return };
    let head = dbopt(&["audit", "verify", "--file", &text(&path), "--format", "json"]).json()["head"].clone();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, format!("5 records, head {}\n", head["hash"].as_str().expect("a hash")));
    let seeds = run(&support::root().join("fuzz/seeds/audit/two.jsonl")).expect("python runs");
    assert!(seeds.status.success(), "{}", String::from_utf8_lossy(&seeds.stderr));
    let seeds = dbopt(&["audit", "verify", "--file", "fuzz/seeds/audit/two.jsonl"]);
    assert_eq!(seeds.code, 0, "{}", seeds.stdout);
    let changed = fs::read_to_string(&path).expect("the file").replacen("runner", "burner", 1);
    fs::write(&path, changed).expect("the file is written");
    assert!(!run(&path).expect("python runs").status.success());
}

#[test]
fn an_output_never_replaces_an_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let (record, link, hard) = (folder.path().join("rec"), folder.path().join("link"), folder.path().join("hard"));
    block_on(fill(&mut FileStore::new(&record), 3));
    std::os::unix::fs::symlink(&record, &link).expect("a link");
    fs::hard_link(&record, &hard).expect("a link");
    let before = fs::read(&record).expect("the record");
    let record = text(&record);
    for output in [record.clone(), text(&link), text(&hard), text(&folder.path().join(".").join("rec"))] {
        dbopt(&["audit", "export", "--file", &record, "-o", &output]).fails(2, "is an input");
        dbopt(&["audit", "anchor", "--file", &record, "--to", &output]).fails(2, "is an input");
        dbopt(&["advise", &record, "-o", &output]).fails(2, "is an input");
        dbopt(&["advise", &record, "--rollback", &output]).fails(2, "is an input");
        dbopt(&["logs", &record, "-o", &output]).fails(2, "is an input");
        dbopt(&["explain", &record, "-o", &output]).fails(2, "is an input");
        dbopt(&["limits", "check", &record, "-o", &output]).fails(2, "is an input");
        dbopt(&["limits", "simulate", "policies/ratelimit.toml", "--traffic", &record, "-o", &output])
            .fails(2, "is an input");
        assert_eq!(fs::read(&record).expect("the record"), before);
    }
    let copy = text(&folder.path().join("copy"));
    assert_eq!(dbopt(&["audit", "export", "--file", &record, "-o", &copy]).code, 0);
    assert_eq!(fs::read(&copy).expect("the copy"), before);
}

#[test]
fn nothing_to_export_is_2_and_replaces_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (record, copy) = (folder.path().join("rec"), text(&folder.path().join("copy")));
    block_on(fill(&mut FileStore::new(&record), 3));
    let record = text(&record);
    fs::write(&copy, "old").expect("written");
    for range in [&["--first", "9999"][..], &["--first", "3", "--last", "2"], &["--since", "2199-01-01T00:00:00Z"]] {
        let mut args = vec!["audit", "export", "--file", &record, "-o", &copy];
        args.extend(range);
        dbopt(&args).fails(2, "no record is within");
    }
    assert_eq!(fs::read_to_string(&copy).expect("the old file"), "old");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
    dbopt(&["audit", "export", "--file", &record, "--since", "yesterday"]).fails(2, "such as `2026-11-01T00:00:00Z`");
    let nowhere = text(&folder.path().join("nope/x"));
    dbopt(&["audit", "anchor", "--file", &record, "--to", &nowhere]).fails(6, &nowhere);
    let bad = dbopt(&["audit", "verify", "--file", &record, "--anchor", &copy]);
    bad.fails(2, "line 1 of");
    assert!(bad.stderr.contains("hint: a file of anchors"), "{}", bad.stderr);
}
