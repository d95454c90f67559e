//! Keys of single persons: by policy, by `dbopt re-encrypt`, and erased by `dbopt keys destroy --subject`.

mod support;

use std::{
    io::{Read as _, Write as _},
    process::Stdio,
};

use dbopt_crypto::SubjectId;
use dbopt_testkit::{Cluster, Database};
use serde_json::{Value, json};
use support::{
    command,
    customers::{block_on, cipher, connect, re_encrypt},
    dbopt,
    keys::Place,
};

/// Visits of persons; every tenth names nobody, and some are empty.
const SCHEMA: &str = "
    CREATE TABLE visit (id bigint PRIMARY KEY, person text, note text, note_sealed bytea, note_term bytea);
    INSERT INTO visit (id, person, note)
        SELECT n, CASE WHEN n % 10 <> 0 THEN 'person' || n % 7 END, CASE WHEN n % 3 <> 0 THEN 'Note ' || n END
        FROM generate_series(1, 210) n;
    CREATE INDEX ON visit (note_term);";

const RULES: &str = "[key.customer]\nrotate = '365d'\n[key.lookup]\nalgorithm = 'hmac-sha-256'\nrotate = '365d'\n\
    [[column]]\ntable = 'public.visit'\ncolumn = 'note_sealed'\nplain = 'note'\nkey = 'customer'\nrow = ['id']\n\
    distinct = 1000000\n{subject}[[column.index]]\ncolumn = 'note_term'\nkey = 'lookup'\nform = 'folded'\nbits = 64\nversion = 1\n";
const SUBJECT: &str = "subject = 'person'\n";

fn rules(subject: &str) -> String {
    RULES.replace("{subject}", subject)
}

fn clinic<'a>(cluster: &'a Cluster, subject: &str) -> (Database<'a>, String, Place) {
    let database = cluster.database();
    database.execute(SCHEMA);
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    let place = Place::with(&rules(subject));
    place.json(&["new"]);
    (database, target, place)
}

/// Which notes a new process can read, by person.
fn readable(place: &Place, target: &str) -> Vec<(String, usize)> {
    let cipher = cipher(place);
    let field = &cipher.fields()[0];
    let table = field.subjects().expect("the column has persons");
    block_on(async {
        let client = connect(target).await;
        let sql =
            "SELECT id::text, person, note_sealed FROM visit WHERE note_sealed IS NOT NULL AND person IS NOT NULL";
        let mut all = std::collections::BTreeMap::<String, usize>::new();
        for row in client.query(sql, &[]).await.expect("rows") {
            let (id, person, sealed): (&str, &str, &[u8]) = (row.get(0), row.get(1), row.get(2));
            let subject = SubjectId::of(person);
            let keys = table.find(&client, &[subject].into()).await.expect("answered");
            let opened = keys.get(&subject).and_then(|key| field.open_of(key, &[id], sealed).ok());
            if let Some(opened) = opened {
                assert_eq!(opened.as_slice(), format!("Note {id}").as_bytes());
                *all.entry(person.to_owned()).or_default() += 1;
            }
        }
        all.into_iter().collect()
    })
}

/// Values of persons, of those 126 that name somebody.
fn each(without: &[&str]) -> Vec<(String, usize)> {
    (0..7).map(|n| (format!("person{n}"), 18)).filter(|(name, _)| !without.contains(&name.as_str())).collect()
}

#[test]
fn a_person_is_erased_and_nobody_else() {
    let cluster = Cluster::builder().setting("log_statement", "all").start().expect("a cluster");
    let (database, target, place) = clinic(&cluster, SUBJECT);
    let destroy = |name: &str| place.keys(&["destroy", "--subject", name, "-d", &target, "--yes", "--yes"]);
    destroy("person3").fails(2, "the person has no key of purpose `customer`");

    // Those who name nobody are left, and that is said.
    let ran = place.run(&["re-encrypt", "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    let done: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let column = &done["tables"][0]["columns"][0];
    assert_eq!((&column["sealed"], &column["of_persons"], &column["verified"]), (&json!(126), &json!(126), &json!([])));
    assert_eq!(column["unopened"], json!([{ "why": "no-subject", "values": 14 }]), "{column}");
    assert_eq!(database.value("SELECT count(*) FROM visit WHERE note IS NOT NULL AND person IS NOT NULL"), "0");
    database.execute("DELETE FROM visit WHERE person IS NULL");
    assert_eq!(readable(&place, &target), each(&[]));
    let again = re_encrypt(&place, &target, &[]);
    assert_eq!(
        (&again["tables"][0]["outcome"], &again["tables"][0]["columns"][0]["of_persons"]),
        (&json!("skipped"), &json!(126))
    );

    // A value that would stay readable holds it up.
    database.execute("UPDATE visit SET note = 'new' WHERE id = 3");
    destroy("person3").fails(2, "1 values of the person are in plain");
    database
        .execute("UPDATE visit SET note = NULL WHERE id = 3; DELETE FROM visit WHERE id = 3 AND note_sealed IS NULL");
    place.keys(&["destroy", "--subject", "person3", "-d", &target, "--yes"]).fails(2, "nobody is there to be asked");
    assert_eq!(readable(&place, &target), each(&[]));

    let gone =
        place.keys(&["destroy", "--subject", "person3", "-d", &target, "--yes", "--yes", "--format", "json"]).json();
    assert_eq!((&gone["values"], &gone["terms"]), (&json!(18), &json!(18)));
    assert_eq!(readable(&place, &target), each(&["person3"]));
    let number = &gone["number"];
    let records = "SELECT count(*) FROM dbopt.audit_record WHERE action = 'keys.destroy-subject' AND details::jsonb->>'number' = ";
    assert_eq!(database.value(&format!("{records}'{number}'")), "2");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.audit_record r WHERE r::text LIKE '%person3%'"), "0");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.subject_key"), "6");
    destroy("person3").fails(2, "the person has no key");

    // The terms of what is erased go, what is erased is told, and no run takes offence.
    let due = place.keys(&["status", "-d", &target, "--fail-on", "error"]);
    assert!(due.stdout.contains("18 values of `public.visit.note_sealed` are erased"), "{}", due.stdout);
    let done = re_encrypt(&place, &target, &[]);
    let column = &done["tables"][0]["columns"][0];
    assert_eq!((&column["terms"], &column["unopened"]), (&json!(18), &json!([{ "why": "erased", "values": 18 }])));
    assert_eq!(database.value("SELECT count(note_term) FROM visit WHERE person = 'person3'"), "0");
    assert_eq!(database.value("SELECT count(note_term) FROM visit WHERE person <> 'person3'"), "108");
    assert_eq!(readable(&place, &target), each(&["person3"]));

    // The server's log has the name from nobody but this test.
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    let own = ["INSERT INTO visit", "WHERE person", "person <>"];
    let told: Vec<_> = log.lines().filter(|line| line.contains("person3")).collect();
    assert!(
        told.iter().all(|line| own.iter().any(|own| line.contains(own)) || line.contains("r::text LIKE")),
        "{told:?}"
    );
    assert_eq!(dbopt(&["audit", "verify", "-d", &target]).code, 0);
}

#[test]
fn keys_of_persons_follow_the_ring_and_end_with_it() {
    let cluster = Cluster::shared();
    // It begins without persons.
    let (database, target, place) = clinic(cluster, "");
    database.execute("DELETE FROM visit WHERE person IS NULL");
    re_encrypt(&place, &target, &[]);
    place.policy(&place.kek("kek-1", "kek"), &rules(SUBJECT));
    let due = place.keys(&["status", "-d", &target]);
    assert!(
        due.stdout.contains("126 values of `public.visit.note_sealed` are not under keys of persons yet"),
        "{}",
        due.stdout
    );
    let done = re_encrypt(&place, &target, &[]);
    let column = &done["tables"][0]["columns"][0];
    assert_eq!(
        (&column["resealed"], &column["of_persons"], &column["rewrapped"]),
        (&json!(126), &json!(126), &json!(0))
    );
    assert_eq!(readable(&place, &target), each(&[]));

    // What a backup has of a person's key ends with the key that wraps it.
    database.execute("CREATE TABLE backup AS TABLE dbopt.subject_key");
    place.keys(&["destroy", "--subject", "person5", "-d", &target, "--yes", "--yes", "--format", "json"]).json();
    place.json(&["rotate", "customer"]);
    let due = place.keys(&["status", "-d", &target]);
    assert!(due.stdout.contains("6 keys of persons are wrapped by key 1, which is not active"), "{}", due.stdout);
    place.age();
    let held = ["destroy", "1", "-d", &target, "--yes", "--yes"];
    place.keys(&held).fails(2, "6 values, terms or keys of persons are under key 1");
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["rewrapped"], json!(6));
    let destroyed = place.keys(&held);
    assert_eq!(destroyed.code, 0, "{}", destroyed.stderr);
    assert_eq!(readable(&place, &target), each(&["person5"]));
    database.execute(
        "INSERT INTO dbopt.subject_key SELECT * FROM backup b WHERE NOT EXISTS (
             SELECT FROM dbopt.subject_key k WHERE k.subject = b.subject)",
    );
    assert_eq!(readable(&place, &target), each(&["person5"]), "the copy of the key is worth nothing");

    // A row that was given to another person, without its value.
    database.execute("UPDATE visit SET person = 'person2' WHERE id = 1");
    let ran = place.run(&["re-encrypt", "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 6, "{}", ran.stdout);
    assert!(ran.stdout.contains("\"rejected\""), "{}", ran.stdout);
    // And a policy that no longer says whose the values are.
    place.policy(&place.kek("kek-1", "kek"), &rules(""));
    let ran = place.run(&["re-encrypt", "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 6, "{}", ran.stdout);
    assert!(ran.stdout.contains("\"no-subject\""), "{}", ran.stdout);
}

#[test]
fn who_is_meant_is_to_be_said() {
    let cluster = Cluster::shared();
    let (database, target, place) = clinic(cluster, SUBJECT);
    place.keys(&["destroy", "--subject", "x", "--yes", "--yes"]).fails(2, "--dbname");
    place.keys(&["destroy", "-d", &target]).fails(2, "required");
    let other = ["destroy", "--subject", "x", "--purpose", "lookup", "-d", &target];
    place.keys(&other).fails(2, "no column with `subject` has keys of purpose `lookup`");
    // The name can come from standard input, and is in no list of processes then.
    re_encrypt_but_nobodies(&database, &place, &target);
    let mut run = command();
    run.args(["keys", "destroy", "--subject", "-", "-d", &target, "--yes", "--yes", "--policy"])
        .arg(place.path("e.toml"));
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    run.stdin.take().expect("a pipe").write_all(b"person1\n").expect("written");
    let mut told = String::new();
    run.stdout.take().expect("a pipe").read_to_string(&mut told).expect("read");
    assert!(run.wait().expect("ended").success());
    assert!(told.contains("18 values open nowhere any more") && !told.contains("person1"), "{told}");
    assert_eq!(readable(&place, &target), each(&["person1"]));
    // Without the table there is nothing to work with.
    database.execute("DROP TABLE dbopt.subject_key");
    place.run(&["re-encrypt", "-d", &target]).fails(2, "no-subject-keys");
    place.policy(&place.kek("kek-1", "kek"), &rules("subject = 'nobody'\n"));
    place.run(&["re-encrypt", "-d", &target]).fails(2, "there is no column `public.visit.nobody`");
    place.policy(&place.kek("kek-1", "kek"), &rules("subject = 'note'\n"));
    place.run(&["re-encrypt", "-d", &target]).fails(2, "`note` of `public.visit` has two meanings");
}

fn re_encrypt_but_nobodies(database: &Database<'_>, place: &Place, target: &str) {
    database.execute("DELETE FROM visit WHERE person IS NULL");
    re_encrypt(place, target, &[]);
}

const PERSONS: &str = "policy = 'gdpr'\nversion = 1\npseudonym = { id = 'test', key = 'env:GDPR_KEY' }\n\
    [purpose.care]\nabout = 'To care.'\nbasis = 'contract'\n\
    [[subject]]\nname = 'patient'\ntable = 'public.patient'\nkey = ['name']\n\
    [[table]]\nname = 'public.patient'\nclass = 'owned'\npurpose = 'care'\nplain = ['name']\n\
    [[table]]\nname = 'public.visit'\nclass = 'owned'\npurpose = 'care'\nplain = ['id', 'person', 'note', 'note_term']\n\
    column.note_sealed = { about = 'What was noted.', erase = 'encrypt' }\n\
    [[reference]]\nfrom = 'public.visit'\ncolumns = ['person']\nto = 'public.patient'\nclass = 'owned'\n";

#[test]
fn what_is_under_the_key_of_a_person_is_exported_to_the_person() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let (database, target, place) = clinic(&cluster, SUBJECT);
    database.execute(
        "DELETE FROM visit WHERE person IS NULL; CREATE TABLE patient (name text PRIMARY KEY);
         INSERT INTO patient SELECT DISTINCT person FROM visit; ALTER TABLE visit ADD FOREIGN KEY (person) REFERENCES patient",
    );
    re_encrypt(&place, &target, &[]);
    std::fs::write(place.path("gdpr.toml"), PERSONS).expect("written");
    let export = |to: &str, encryption: bool| {
        let mut command = command();
        command.env("GDPR_KEY", "0123456789abcdef".repeat(4)).args([
            "gdpr",
            "export",
            "-d",
            &target,
            "--subject",
            "person3",
        ]);
        command.arg("--policy").arg(place.path("gdpr.toml")).args(["--plain", "--folder", "-o"]).arg(place.path(to));
        if encryption {
            command.arg("--encryption-policy").arg(place.path("e.toml"));
        }
        let ran = support::ran(command.output().expect("it starts"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stdout.contains("Note ") && !ran.stderr.contains("Note "), "{ran:?}");
        let rows = std::fs::read_to_string(place.path(to).join("data/public.visit.jsonl")).expect("rows");
        let page = std::fs::read_to_string(place.path(to).join("index.html")).expect("a page");
        (rows, page)
    };
    let (rows, _) = export("open", true);
    for row in rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
        let id = row["id"].as_u64().expect("a number");
        let note = if id % 3 == 0 { Value::Null } else { json!(format!("Note {id}")) };
        assert_eq!((&row["person"], &row["note_sealed"]), (&json!("person3"), &note));
    }
    assert_eq!(rows.matches("\"Note ").count(), 18);
    let (rows, page) = export("closed", false);
    assert!(!rows.contains("Note ") && page.contains("note_sealed"), "{page}");
    // After the key is gone, nobody can open them, and the package says so.
    place.run(&["keys", "destroy", "--subject", "person3", "-d", &target, "--yes", "--yes"]);
    assert_eq!(database.value("SELECT count(*) FROM dbopt.subject_key"), "6");
    let (rows, page) = export("gone", true);
    assert!(!rows.contains("Note ") && page.contains("does not open"), "{page}");
}
