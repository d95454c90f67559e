//! One contract for both stores, and what each has of its own.

use std::fs;
use std::io::Write as _;

use dbopt_audit::{Entry, Error, FileStore, Hash, PostgresStore, Range, Record, Store, Verifier, append_in};
use dbopt_crypto::{Key, KeyId, Pseudonymizer};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::{Cluster, Database};
use serde_json::json;

async fn session(conn_string: &str) -> Session {
    let args = ConnectArgs { database: Some(conn_string), ..Default::default() };
    let settings = Settings::resolve(&args, &Environment::default()).expect("the settings are good");
    Session::connect(&settings, &SessionProfile::default()).await.expect("a session")
}

async fn migrated() -> Database<'static> {
    let database = Cluster::shared().database();
    dbopt_migrate::up(&mut session(&database.conn_string()).await).await.expect("it migrates");
    database
}

async fn postgres(database: &Database<'_>) -> PostgresStore {
    PostgresStore::new(session(&database.conn_string()).await)
}

fn entry(number: usize) -> Entry {
    let details = json!({ "n": number, "text": "ü \u{1} \"" });
    Entry::new("runner", "apply.create-index", details.as_object().expect("an object")).expect("an entry")
}

async fn all(store: &mut impl Store, range: Range) -> Vec<Record> {
    let mut records = Vec::new();
    store.read(range, &mut |record| records.push(record.expect("a record").clone())).await.expect("it is read");
    records
}

fn assert_whole(records: &[Record]) {
    let mut verifier = Verifier::new(1, &[]);
    records.iter().for_each(|record| verifier.record(record));
    assert_eq!(verifier.finish().faults, []);
}

/// What every store keeps to.
async fn contract(store: &mut impl Store) {
    let key = Key::new((0..32).collect()).expect("a key");
    let subject = Pseudonymizer::new(KeyId::new("k").expect("a name"), &key).pseudonym("audit.subject", b"42");
    let first = store.append(&entry(0)).await.expect("it is appended");
    assert_eq!((first.sequence, first.previous), (1, Hash::ZERO));
    let mut appended = vec![first];
    for number in 1..5 {
        let record = store.append(&entry(number).about(&subject)).await.expect("it is appended");
        assert_eq!(store.head().await.expect("the head"), Some(record.clone()));
        appended.push(record);
    }
    let read = all(store, Range::ALL).await;
    assert_eq!(read, appended);
    assert_whole(&read);
    assert_eq!(read[1].subject.as_deref(), Some(&*subject.to_string()));
    let part = all(store, Range { first: 2, last: 3, ..Range::ALL }).await;
    assert_eq!(part, appended[1..3]);
    let since = all(store, Range { since: appended[3].time, ..Range::ALL }).await;
    assert_eq!(since.last(), appended.last());
    assert!(since.iter().all(|record| record.time >= appended[3].time));
}

#[tokio::test]
async fn the_file_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    contract(&mut FileStore::new(folder.path().join("audit.jsonl"))).await;
}

#[tokio::test]
async fn the_table_keeps_the_contract() {
    let database = migrated().await;
    let mut store = postgres(&database).await;
    assert_eq!(store.head().await.expect("the head"), None);
    contract(&mut store).await;
}

#[tokio::test]
async fn writers_of_a_table_never_fork_the_chain() {
    let database = migrated().await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let conn_string = database.conn_string();
            tokio::spawn(async move {
                let mut store = PostgresStore::new(session(&conn_string).await);
                for number in 0..100 {
                    store.append(&entry(writer * 1000 + number)).await.expect("it is appended");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("the writer ends");
    }
    let records = all(&mut postgres(&database).await, Range::ALL).await;
    assert_eq!(records.len(), 800);
    assert_whole(&records);
}

#[test]
fn writers_of_a_file_never_fork_the_chain() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let mut store = FileStore::new(&path);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                for number in 0..25 {
                    runtime.block_on(store.append(&entry(writer * 1000 + number))).expect("it is appended");
                }
            });
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let records = runtime.block_on(all(&mut FileStore::new(&path), Range::ALL));
    assert_eq!(records.len(), 100);
    assert_whole(&records);
}

#[tokio::test]
async fn a_writer_that_is_killed_leaves_no_gap() {
    let database = migrated().await;
    let mut store = postgres(&database).await;
    store.append(&entry(0)).await.expect("it is appended");
    for number in 1..5 {
        let mut victim = session(&database.conn_string()).await;
        let pid: i32 = victim.query("SELECT pg_backend_pid()", &[]).await.expect("its process")[0].get(0);
        let transaction = victim.client_mut().transaction().await.expect("a transaction");
        append_in(&transaction, &entry(1000 + number)).await.expect("it is appended");
        // Another writer waits for the one that is about to die.
        let mut waiting = postgres(&database).await;
        let waiter = tokio::spawn(async move { waiting.append(&entry(number)).await });
        database.execute(&format!("SELECT pg_terminate_backend({pid})"));
        let record = waiter.await.expect("the task ends").expect("it is appended");
        assert_eq!(record.sequence, number as u64 + 1);
        drop(transaction);
    }
    let records = all(&mut store, Range::ALL).await;
    assert_eq!(records.len(), 5);
    assert_whole(&records);
}

#[tokio::test]
async fn a_record_goes_the_way_of_the_callers_transaction() {
    let database = migrated().await;
    let mut session = session(&database.conn_string()).await;
    for (number, commits) in [(1, false), (2, true)] {
        let transaction = session.client_mut().transaction().await.expect("a transaction");
        let record = append_in(&transaction, &entry(number)).await.expect("it is appended");
        assert_eq!(record.sequence, 1);
        if commits {
            transaction.commit().await.expect("it commits");
        } else {
            transaction.rollback().await.expect("it is rolled back");
        }
    }
    assert_eq!(all(&mut postgres(&database).await, Range::ALL).await.len(), 1);
}

#[tokio::test]
async fn a_stale_snapshot_cannot_fork_the_chain() {
    let database = migrated().await;
    let mut stale = session(&database.conn_string()).await;
    let builder = stale.client_mut().build_transaction();
    let builder = builder.isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let transaction = builder.start().await.expect("a transaction");
    transaction.query("SELECT count(*) FROM dbopt.audit_record", &[]).await.expect("it sees an empty table");
    postgres(&database).await.append(&entry(0)).await.expect("it is appended");
    let error = append_in(&transaction, &entry(1)).await.expect_err("number 1 is taken");
    assert!(matches!(&error, Error::Statement(error) if error.code().is_some_and(|code| code.code() == "23505")));
}

#[tokio::test]
async fn nobody_changes_the_table() {
    let database = migrated().await;
    postgres(&database).await.append(&entry(0)).await.expect("it is appended");
    let name = format!("runner_{}", database.name());
    database.execute(&format!(
        "CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA dbopt TO {name}; GRANT SELECT, INSERT ON dbopt.audit_record TO {name}"
    ));
    let runner = database.conn_string().replace("user=postgres", &format!("user={name}"));
    for (conn_string, reason) in [(database.conn_string(), "append-only"), (runner.clone(), "permission denied")] {
        let session = session(&conn_string).await;
        for sql in [
            "UPDATE dbopt.audit_record SET actor = 'x'",
            "UPDATE dbopt.audit_record SET actor = 'x' WHERE false",
            "DELETE FROM dbopt.audit_record",
            "TRUNCATE dbopt.audit_record",
            "INSERT INTO dbopt.audit_record SELECT * FROM dbopt.audit_record ON CONFLICT (sequence) DO UPDATE SET actor = 'x'",
        ] {
            let error = session.batch(sql).await.expect_err(sql);
            assert!(error.to_string().contains(reason), "{sql}: {error}");
        }
    }
    let mut store = PostgresStore::new(session(&runner).await);
    store.append(&entry(1)).await.expect("the runner may append");
    assert_whole(&all(&mut store, Range::ALL).await);
}

/// The owner can switch the guard off; the chain tells.
#[tokio::test]
async fn what_an_owner_changes_in_the_table_is_found() {
    let database = migrated().await;
    let mut store = postgres(&database).await;
    for number in 0..10 {
        store.append(&entry(number)).await.expect("it is appended");
    }
    database.execute(
        "ALTER TABLE dbopt.audit_record DISABLE TRIGGER ALL;
         UPDATE dbopt.audit_record SET time = time + interval '1 microsecond' WHERE sequence = 3;
         DELETE FROM dbopt.audit_record WHERE sequence = 6;
         UPDATE dbopt.audit_record SET details = E'{}\\n{}' WHERE sequence = 8",
    );
    let mut verifier = Verifier::new(1, &[]);
    let each = &mut |record: Option<&Record>| match record {
        Some(record) => verifier.record(record),
        None => verifier.unreadable(),
    };
    store.read(Range::ALL, each).await.expect("it is read");
    let faults: Vec<String> = verifier.finish().faults.iter().map(|fault| format!("{:?}", fault.kind)).collect();
    assert_eq!(faults, ["Changed { sequence: 3 }", "Missing { first: 6, last: 6 }", "Unreadable"]);
}

#[tokio::test]
async fn a_torn_line_is_reported_and_repaired_on_request_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let mut store = FileStore::new(&path);
    for number in 0..3 {
        store.append(&entry(number)).await.expect("it is appended");
    }
    assert_eq!(store.repair("admin").expect("nothing to do"), None);
    let whole = fs::read(&path).expect("the file");
    let line = whole.split_inclusive(|byte| *byte == b'\n').next_back().expect("a line");
    for length in [1, line.len() / 2, line.len() - 1] {
        fs::write(&path, &whole).expect("the file is written");
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("the file");
        file.write_all(&line[..length]).expect("a torn write");
        let error = store.append(&entry(9)).await.expect_err("it is torn");
        assert!(matches!(error, Error::Torn { bytes, .. } if bytes == length as u64), "{error}");
        let mut unreadable = 0;
        store.read(Range::ALL, &mut |record| unreadable += u32::from(record.is_none())).await.expect("it is read");
        assert_eq!(unreadable, 1);

        let repair = store.repair("admin").expect("it is repaired").expect("there was something to do");
        assert_eq!(fs::read(repair.kept_in.expect("they are kept")).expect("the bytes"), line[..length]);
        assert_eq!((repair.record.sequence, repair.record.action.as_str()), (4, "audit.repair"));
        store.append(&entry(3)).await.expect("it is appended");
        let records = all(&mut store, Range::ALL).await;
        assert_eq!(records.len(), 5);
        assert_whole(&records);
    }
}

/// It may have been anchored, or lost its end in an editor.
#[tokio::test]
async fn a_whole_record_without_its_line_end_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let mut store = FileStore::new(&path);
    for number in 0..3 {
        store.append(&entry(number)).await.expect("it is appended");
    }
    let head = store.head().await.expect("it is read").expect("a head");
    let whole = fs::read(&path).expect("the file");
    fs::write(&path, whole.trim_ascii_end()).expect("the file is written");
    let repair = store.repair("admin").expect("it is repaired").expect("there was something to do");
    assert_eq!((repair.kept_in, repair.record.sequence), (None, 4));
    let records = all(&mut store, Range::ALL).await;
    assert_whole(&records);
    assert_eq!((records.len(), &records[2]), (4, &head));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[tokio::test]
async fn nothing_is_chained_to_a_damaged_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let mut store = FileStore::new(&path);
    store.append(&entry(0)).await.expect("it is appended");
    let changed = fs::read_to_string(&path).expect("the file").replace("runner", "burner");
    fs::write(&path, changed).expect("the file is written");
    assert!(matches!(store.append(&entry(1)).await, Err(Error::Damaged)));
    for garbage in ["\n", "{}\n", "x\n"] {
        fs::write(&path, garbage).expect("the file is written");
        assert!(matches!(store.append(&entry(1)).await, Err(Error::Damaged)), "{garbage:?}");
    }
}
