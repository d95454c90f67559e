//! Keys of persons in a real table: erasing one person makes their values unreadable, and nobody else's.

use std::{collections::BTreeSet, sync::Arc};

use dbopt_crypto::{
    Cell, Key, KeyId, KeyKind, KeyNumber, KeyStore, Keyring, KeyringFile, LocalProvider, NewKey, OpenError, SubjectId,
    SubjectTable, SubjectTableError,
};
use dbopt_testkit::{Cluster, Database};
use jiff::Timestamp;
use tokio_postgres::{Client, NoTls};

const MIGRATION: &str = include_str!("../../../migrations/0007_subject.sql");
const NOTE: Cell<'static> = Cell::new("public.visit", "note", &["7"]);

fn id(name: &str) -> KeyId {
    KeyId::new(name).expect("a name")
}

fn provider() -> LocalProvider {
    let key = Key::parse(b"hex:8f3a1c0d5e7b92a4463f18d0c7e5b1a29d4c6f0b3e8a7512c9d0e4f6a8b1c3d5").expect("a key");
    LocalProvider::new(id("kek-1"), &key)
}

/// A key ring's file, and the table.
struct Place {
    folder: tempfile::TempDir,
    database: Database<'static>,
}

impl Place {
    fn new() -> Self {
        let database = Cluster::shared().database();
        database.execute(&format!("CREATE SCHEMA dbopt; {MIGRATION}"));
        let place = Self { folder: tempfile::tempdir().expect("a folder"), database };
        place.change(|_| Keyring::new(id("shop")));
        place.rotate();
        place
    }

    fn file(&self) -> KeyringFile {
        KeyringFile::new(self.folder.path().join("shop.keys"))
    }

    fn change(&self, change: impl FnOnce(Option<Keyring>) -> Keyring) {
        let locked = self.file().lock().expect("locked");
        locked.replace(&change(locked.read().ok())).expect("written");
    }

    fn rotate(&self) {
        self.change(|ring| {
            let ring = ring.expect("a ring");
            let place = ring.place(id("customer"), KeyKind::Encrypt(dbopt_crypto::Algorithm::default()));
            let key = NewKey::make(place, &provider()).expect("a key");
            let is_first = ring.of(&id("customer")).next().is_none();
            let now = Timestamp::UNIX_EPOCH;
            if is_first { ring.with_new(key, now) } else { ring.rotated(key, now) }.expect("changed")
        });
    }

    fn table(&self) -> SubjectTable {
        SubjectTable::new(Arc::new(KeyStore::new(self.file(), Box::new(provider()))), id("customer"))
    }

    async fn client(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.database.conn_string(), NoTls).await.expect("connected");
        tokio::spawn(connection);
        client
    }
}

fn persons(names: &[&str]) -> BTreeSet<SubjectId> {
    names.iter().map(|name| SubjectId::of(name)).collect()
}

#[tokio::test]
async fn erasing_a_person_leaves_everybody_else() {
    let place = Place::new();
    let (table, mut client) = (place.table(), place.client().await);
    let (ann, bob) = (SubjectId::of("ann@example.org"), SubjectId::of("bob@example.org"));
    assert!(table.find(&client, &[ann].into()).await.expect("answered").is_empty());
    let keys = table.find_or_make(&client, &[ann, bob].into()).await.expect("keys");
    let sealed = |who| keys[who].seal(&NOTE, b"nuts").expect("sealed");
    let (of_ann, of_bob) = (sealed(&ann), sealed(&bob));
    assert_eq!(keys[&bob].open(&NOTE, &of_ann), Err(OpenError::UnknownKey(keys[&ann].active().expect("a key"))));
    assert!(!place.database.value("SELECT string_agg(k::text, '') FROM dbopt.subject_key k").contains("ann"));

    // Not before it is committed, and not by another purpose.
    assert_eq!(SubjectTable::erase(&client, &id("staff"), &ann).await.expect("answered"), None);
    let transaction = client.transaction().await.expect("begun");
    SubjectTable::erase(&transaction, &id("customer"), &ann).await.expect("answered").expect("a key");
    transaction.rollback().await.expect("ended");
    assert_eq!(table.find(&client, &[ann].into()).await.expect("keys").len(), 1);
    let number = SubjectTable::erase(&client, &id("customer"), &ann).await.expect("answered");
    assert_eq!(number, keys[&ann].active());

    // A new process: nothing opens what was Ann's, also not the key that she gets when she comes back.
    let table = place.table();
    let keys = table.find_or_make(&client, &[ann, bob].into()).await.expect("keys");
    assert_eq!(keys[&bob].open(&NOTE, &of_bob).expect("opened").as_slice(), b"nuts");
    assert_eq!(keys[&ann].open(&NOTE, &of_ann), Err(OpenError::UnknownKey(number.expect("a number"))));
    let numbers = [number, keys[&bob].active()].into_iter().flatten().collect();
    let living = table.living(&client, &numbers).await.expect("answered");
    assert_eq!(living.into_iter().collect::<Vec<_>>(), keys[&bob].active().into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn keys_of_persons_follow_the_ring() {
    let place = Place::new();
    let client = place.client().await;
    let names: Vec<String> = (0..1201).map(|number| format!("person {number}")).collect();
    let everybody = persons(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let before = place.table().find_or_make(&client, &everybody).await.expect("keys");
    let kept: Vec<_> = before.iter().map(|(who, key)| (*who, key.seal(&NOTE, b"nuts").expect("sealed"))).collect();
    place.rotate();
    let table = place.table();
    assert_eq!(table.rewrap(&client).await.expect("wrapped"), 1201);
    assert_eq!(table.rewrap(&client).await.expect("wrapped"), 0);
    let two = KeyNumber::new(2).expect("above zero");
    let under = SubjectTable::under(&client, &id("customer")).await.expect("answered");
    assert_eq!(under.into_iter().collect::<Vec<_>>(), [(two, 1201)]);
    place.change(|ring| ring.expect("a ring").with_destroyed(KeyNumber::FIRST, Timestamp::now()).expect("changed"));
    let after = place.table().find(&client, &everybody).await.expect("keys");
    for (who, sealed) in &kept {
        assert_eq!(after[who].open(&NOTE, sealed).expect("opened").as_slice(), b"nuts");
    }
}

#[tokio::test]
async fn the_first_key_of_a_person_is_the_one() {
    let place = Place::new();
    let (one, other) = (place.client().await, place.client().await);
    let everybody = persons(&["1", "2", "3"]);
    let (mine, theirs) = (place.table(), place.table());
    let (mine, theirs) = tokio::join!(mine.find_or_make(&one, &everybody), theirs.find_or_make(&other, &everybody));
    let (mine, theirs) = (mine.expect("keys"), theirs.expect("keys"));
    for who in &everybody {
        let sealed = mine[who].seal(&NOTE, b"nuts").expect("sealed");
        assert_eq!(theirs[who].open(&NOTE, &sealed).expect("opened").as_slice(), b"nuts");
    }
    // A key that was put in another person's place is no key.
    place.database.execute(
        "UPDATE dbopt.subject_key SET wrapped = (SELECT wrapped FROM dbopt.subject_key ORDER BY number DESC LIMIT 1)",
    );
    let error = place.table().find(&one, &everybody).await.expect_err("it is another person's");
    assert!(matches!(error, SubjectTableError::Unwrap(_, OpenError::Rejected)), "{error}");
}
