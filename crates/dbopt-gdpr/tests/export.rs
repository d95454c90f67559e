//! What a person is given, and that it is always the same.

mod support;

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::atomic::{AtomicBool, Ordering},
};

use dbopt_gdpr::{
    GdprPolicy, TableName,
    export::{self, Archive, Article, Folder, Lock, Manifest, Opener, Options, Sink},
};
use dbopt_testkit::{Cluster, Database};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use support::{client, graph, policy, reference, tables};
use tokio_postgres::{Client, IsolationLevel};

/// Files by name.
#[derive(Debug, Default, PartialEq)]
struct Files(BTreeMap<String, Vec<u8>>, Vec<String>);

impl Sink for Files {
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, size);
        self.1.push(name.to_owned());
        assert!(self.0.insert(name.to_owned(), bytes).is_none(), "a file is there once");
        Ok(())
    }
}

impl Files {
    fn text(&self, name: &str) -> &str {
        let names = || self.0.keys().collect::<Vec<_>>();
        let bytes = self.0.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", names()));
        std::str::from_utf8(bytes).expect("UTF-8")
    }
}

fn as_of() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

async fn into(
    client: &mut Client,
    policy: &GdprPolicy,
    key: &str,
    article: Article,
    opener: Option<&dyn Opener>,
    sink: &mut dyn Sink,
) -> Result<Manifest, export::Error> {
    let graph = graph(client, policy).await;
    assert_eq!(graph.findings, [], "the policy fits");
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await.expect("a transaction");
    let scratch = tempfile::tempdir().expect("a folder");
    let options = Options { as_of: as_of(), article, scratch: scratch.path(), opener };
    let subject = policy.subject(None).expect("there is one");
    let key = [key.to_owned()];
    export::write(&transaction, (&graph, policy), (subject, &key), &options, sink).await
}

async fn given(client: &mut Client, policy: &GdprPolicy, article: Article) -> (Manifest, Files) {
    let mut files = Files::default();
    let manifest = into(client, policy, "1", article, None, &mut files).await.expect("a package");
    (manifest, files)
}

fn missing(manifest: &Manifest) -> String {
    let line = |one: &export::Missing| {
        let of = [one.table.clone(), one.column.clone(), one.rows.map(|rows| rows.to_string())];
        format!("{}: {}", of.into_iter().flatten().collect::<Vec<_>>().join(" "), one.why)
    };
    manifest.missing.iter().filter(|one| one.table.is_some()).map(line).collect::<Vec<_>>().join("\n")
}

/// A shop with rows of each class.
const SHOP: &str = "
    CREATE TABLE customer (id int PRIMARY KEY, email text, score int, employer text);
    COMMENT ON TABLE customer IS 'Accounts <b>of</b> people';
    COMMENT ON COLUMN customer.email IS 'Where we write to';
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int REFERENCES customer, note text);
    CREATE TABLE message (id int PRIMARY KEY, sender_id int REFERENCES customer, recipient_id int REFERENCES customer,
        body text, draft text);
    CREATE TABLE visit (customer_id int REFERENCES customer, page text);
    INSERT INTO customer VALUES (1, 'ann@example.org', 7, 'ACME'), (2, 'bob@example.org', 9, 'Initech');
    INSERT INTO orders SELECT n, 1 + n % 2, 'order ' || n FROM generate_series(1, 24) n;
    INSERT INTO message VALUES (1, 1, 2, 'to Bob', 'd1'), (2, 2, 1, 'to Ann', 'd2'), (3, 1, 1, 'to myself', 'd3'), (4, 2, 2, 'no', 'd4');
    INSERT INTO visit VALUES (1, '/b'), (1, '/a'), (2, '/c'), (1, '/a');";

fn shop() -> GdprPolicy {
    let body = [
        "[purpose.contract]\nabout = 'To deliver'\nbasis = 'contract'\nrecipients = ['the <carrier>']\n".to_owned(),
        "[purpose.marketing]\nabout = 'To sell more'\nbasis = 'legitimate-interests'\ntransfers = ['Ads Inc., clauses']\n".to_owned(),
        "[[table]]\nname = 'public.customer'\nclass = 'owned'\nabout = 'Who you are'\npurpose = 'contract'\nplain = ['id']
         column.email = { about = 'Your address', erase = 'null' }
         column.employer = { erase = 'null', purpose = 'marketing' }
         column.score = { erase = 'null', provided = false }\n"
            .to_owned(),
        "[[table]]\nname = 'public.orders'\nclass = 'owned'\npurpose = 'contract'\nplain = ['id', 'customer_id']
         column.note = { erase = 'null' }\nretention = { column = 'id', keep = '30d' }\n"
            .to_owned(),
        "[[table]]\nname = 'public.message'\nclass = 'shared'\npurpose = 'contract'\nplain = ['id', 'sender_id', 'recipient_id']
         column.body = { erase = 'redact' }\ncolumn.draft = { erase = 'redact', provided = false }\n"
            .to_owned(),
        "[[table]]\nname = 'public.visit'\nclass = 'owned'\npurpose = 'marketing'\nplain = ['customer_id']
         column.page = { erase = 'null' }\n"
            .to_owned(),
        reference("orders", "customer_id", "customer", "class = 'owned'"),
        reference("message", "sender_id", "customer", "class = 'shared'\nerase = 'detach'"),
        reference("message", "recipient_id", "customer", "class = 'about'\nerase = 'detach'"),
        reference("visit", "customer_id", "customer", "class = 'owned'"),
    ];
    policy(&body.concat())
}

async fn shop_database() -> (Database<'static>, Client) {
    let database = Cluster::shared().database();
    database.execute(SHOP);
    let client = client(&database).await;
    (database, client)
}

#[tokio::test]
async fn access_gives_all_of_the_person_and_nothing_of_others() {
    let (_database, mut client) = shop_database().await;
    let (manifest, files) = given(&mut client, &shop(), Article::Access).await;
    insta::assert_snapshot!(files.text("data/public.customer.jsonl"), @r#"{"id":1,"email":"ann@example.org","score":7,"employer":"ACME"}"#);
    // Who the other is stays out; what the person did not provide stays out of what is not the person's alone.
    insta::assert_snapshot!(files.text("data/public.message.jsonl"), @r#"
    {"id":1,"sender_id":1,"body":"to Bob"}
    {"id":2,"recipient_id":1,"body":"to Ann"}
    {"id":3,"sender_id":1,"recipient_id":1,"body":"to myself"}
    "#);
    insta::assert_snapshot!(files.text("data/public.message.csv").replace("\r\n", "\n"), @r#"
    "id","sender_id","recipient_id","body","draft"
    1,1,,"to Bob",
    2,,1,"to Ann",
    3,1,1,"to myself",
    "#);
    // Numbers are in their order, and rows without a key in that of what they say.
    let ids: Vec<&str> =
        files.text("data/public.orders.csv").lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(ids, ["2", "4", "6", "8", "10", "12", "14", "16", "18", "20", "22", "24"]);
    insta::assert_snapshot!(files.text("data/public.visit.jsonl"), @r#"
    {"customer_id":1,"page":"/a"}
    {"customer_id":1,"page":"/a"}
    {"customer_id":1,"page":"/b"}
    "#);
    insta::assert_snapshot!(missing(&manifest), @"
    public.message draft 3: left out of rows that are not the person's alone
    public.message recipient_id 1: it is a reference by which these rows were not found
    public.message sender_id 1: it is a reference by which these rows were not found
    ");
    let counts: Vec<_> =
        manifest.tables.iter().map(|table| (&*table.name, table.owned, table.shared, table.others)).collect();
    assert_eq!(counts, [("customer", 1, 0, 0), ("message", 0, 2, 1), ("orders", 12, 0, 0), ("visit", 3, 0, 0)]);
    assert!(!format!("{files:?}").contains("bob@example.org"));
}

#[tokio::test]
async fn portability_gives_what_was_provided_for_a_contract_or_by_consent() {
    let (_database, mut client) = shop_database().await;
    let (manifest, files) = given(&mut client, &shop(), Article::Portability).await;
    insta::assert_snapshot!(files.text("data/public.customer.jsonl"), @r#"{"id":1,"email":"ann@example.org"}"#);
    insta::assert_snapshot!(files.text("data/public.message.jsonl"), @r#"
    {"id":1,"sender_id":1,"body":"to Bob"}
    {"id":3,"sender_id":1,"recipient_id":1,"body":"to myself"}
    "#);
    insta::assert_snapshot!(missing(&manifest), @"
    public.customer employer: it is not processed on the ground of consent or a contract
    public.customer score: it was not provided by the person
    public.message 1: these rows are others', who wrote them about the person
    public.message draft: it was not provided by the person
    public.message recipient_id 1: it is a reference by which these rows were not found
    public.visit 3: nothing in it was provided by the person on the ground of consent or a contract
    ");
}

#[tokio::test]
async fn the_manifest_and_the_page_say_what_there_is() {
    let (_database, mut client) = shop_database().await;
    let (manifest, files) = given(&mut client, &shop(), Article::Access).await;
    let mut sorted = files.1.clone();
    sorted.sort();
    assert_eq!(files.1, sorted, "files come in the order of their names");
    let read: Manifest = serde_json::from_str(files.text("manifest.json")).expect("a manifest");
    assert_eq!(read, manifest);
    for file in &manifest.files {
        let bytes = &files.0[&file.name];
        let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((file.size, &file.sha256), (bytes.len() as u64, &hash));
    }
    assert_eq!(manifest.files.len(), files.0.len() - 1, "all but the manifest itself");
    let page = files.text("index.html");
    for part in [
        "<html lang=\"en\">",
        "<time><bdi>2026-03-01T12:00:00Z</bdi></time>",
        "<caption>Columns of <bdi>public.customer</bdi></caption>",
        "Accounts &lt;b&gt;of&lt;/b&gt; people",
        "Where we write to",
        "Your address",
        "a contract with you (Article 6(1)(b))",
        "the &lt;carrier&gt;",
        "Ads Inc., clauses",
        "30d after id",
        "You did not give it yourself.",
        "left out of rows that are not the person",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("ann@example.org"));
}

#[tokio::test]
async fn a_rerun_is_the_same_whatever_the_session_and_whoever_writes() {
    let (database, mut client) = shop_database().await;
    database.execute(
        "CREATE TABLE moment (at timestamptz, day date, span interval, price money, part float8, raw bytea, kind regclass, customer_id int
             REFERENCES customer, PRIMARY KEY (at, day));
         INSERT INTO moment SELECT '2024-03-01 10:00+02'::timestamptz + n * interval '7 h', '2024-05-06'::date + n, '1 mon -2 days 3.5 s', 1234.5,
             1.0 / 3, '\\x00ff', 'customer', 1 FROM generate_series(1, 20) n;",
    );
    let mut with_moments = shop();
    let more = policy(
        &[tables("owned", "moment"), reference("moment", "customer_id", "customer", "class = 'owned'")].concat(),
    );
    with_moments.tables.extend(more.tables);
    with_moments.references.extend(more.references);
    let (_, expected) = given(&mut client, &with_moments, Article::Access).await;
    insta::assert_snapshot!(expected.text("data/public.moment.jsonl").lines().next().expect("a row"), @r#"{"at":"2024-03-01 15:00:00+00","day":"2024-05-07","span":"P1M-2DT3.5S","price":"$1,234.50","part":0.3333333333333333,"raw":"\\x00ff","kind":"public.customer","customer_id":1}"#);

    static STOP: AtomicBool = AtomicBool::new(false);
    let writer = support::client(&database).await;
    let writing = tokio::spawn(async move {
        while !STOP.load(Ordering::Relaxed) {
            // What is Bob's, and places of what is Ann's: its rows move, and say the same.
            let sql = "INSERT INTO orders SELECT max(id) + 1, 2, 'later' FROM orders; UPDATE visit SET page = page; \
                       UPDATE customer SET score = score + 1 WHERE id = 2";
            writer.batch_execute(sql).await.expect("it writes");
        }
    });
    for settings in [
        "SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = -5",
        "SET DateStyle = 'SQL, DMY'; SET bytea_output = 'escape'; SET quote_all_identifiers = on; SET search_path = public",
    ] {
        let mut other = support::client(&database).await;
        other.batch_execute(settings).await.expect("set");
        let (_, files) = given(&mut other, &with_moments, Article::Access).await;
        for (name, bytes) in &expected.0 {
            assert_eq!(String::from_utf8_lossy(&files.0[name]), String::from_utf8_lossy(bytes), "{name}");
        }
        assert_eq!(files, expected);
    }
    STOP.store(true, Ordering::Relaxed);
    writing.await.expect("it ends");
}

#[tokio::test]
async fn the_session_has_its_settings_back() {
    let (database, mut client) = shop_database().await;
    client.batch_execute("SET TimeZone = 'Asia/Kathmandu'; SET search_path = public").await.expect("set");
    let (policy, scratch) = (shop(), tempfile::tempdir().expect("a folder"));
    let graph = graph(&client, &policy).await;
    let options = Options { as_of: as_of(), article: Article::Access, scratch: scratch.path(), opener: None };
    let (subject, key) = (policy.subject(None).expect("there is one"), ["1".to_owned()]);
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start().await.expect("begun");
    let mut files = Files::default();
    export::write(&transaction, (&graph, &policy), (subject, &key), &options, &mut files).await.expect("a package");
    let row = transaction.query_one("SELECT current_setting('TimeZone') || ' ' || current_setting('search_path')", &[]);
    assert_eq!(row.await.expect("a row").get::<_, &str>(0), "Asia/Kathmandu public");
    transaction.rollback().await.expect("ended");
    // Several moments are no snapshot.
    let transaction = client.transaction().await.expect("begun");
    let refused = export::write(&transaction, (&graph, &policy), (subject, &key), &options, &mut files).await;
    assert!(matches!(refused, Err(export::Error::Isolation)));
    drop(database);
}

#[tokio::test]
async fn every_type_and_every_name_has_its_form() {
    let (database, mut client) = shop_database().await;
    database.execute(
        r#"CREATE TYPE mood AS ENUM ('sad', 'so, so'); CREATE DOMAIN percent AS numeric CHECK (VALUE <= 100);
        CREATE TYPE pair AS (a int, b text); CREATE DOMAIN tags AS text[];
        CREATE CAST (mood AS text) WITH INOUT AS ASSIGNMENT;
        CREATE TABLE odd (customer_id int REFERENCES customer, n numeric, f float4, big bigint, t timestamptz, d date, b bytea, a int[],
            aa text[], r int4range, m int4multirange, j json, jb jsonb, x xml, p pair, ps pair[], e mood, dom percent, tg tags, s text, c char(5), i interval,
            net inet, bits bit(3), u uuid, yes bool, v tsvector, PRIMARY KEY (customer_id));
        INSERT INTO odd VALUES (1, 'NaN', '-Infinity', 9223372036854775807, 'infinity', '0044-03-15 BC', '\x00ff0a', '{1,NULL,3}',
            '{"a,b","q\"\\",NULL,NULL}', '[1,5)', '{[1,3),[5,7)}', '{"a" : 1, "a":2,
              "b": " x "}', '{"z": 1e20, "y": [true, null]}', '<a>é</a>', '(7,"x y")', '{"(1,)"}', 'so, so', 12.50, '{x,"y z"}', '=cmd|'' /C calc''!A0', 'ab', '1 day',
            '10.0.0.1', B'101', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', true, to_tsvector('simple', 'one two'));
        CREATE TABLE letters (id int PRIMARY KEY, customer_id int REFERENCES customer, s text);
        INSERT INTO letters VALUES (1, 1, 'a' || (SELECT string_agg(chr(n), '') FROM generate_series(1, 31) n) || chr(127) || 'z'),
            (2, 1, E'\u202Eabc \U0001F600 "quoted", it''s\r\nnew'), (3, 1, ''), (4, 1, NULL), (5, 1, '+1'), (6, 1, '\N');
        CREATE TABLE "Letters" (id int PRIMARY KEY, customer_id int REFERENCES customer);
        CREATE TABLE "../../../tmp/x" (id int PRIMARY KEY, customer_id int REFERENCES customer, "a""b,=1" text);
        CREATE TABLE "con" (id int PRIMARY KEY, customer_id int REFERENCES customer);
        INSERT INTO "Letters" VALUES (1, 1); INSERT INTO con VALUES (1, 1); INSERT INTO "../../../tmp/x" VALUES (1, 1, 'v');"#,
    );
    let names = ["odd", "letters", "Letters", "../../../tmp/x", "con"];
    let body: String = names
        .iter()
        .map(|name| {
            let quoted =
                if name.contains('.') || *name == "Letters" { format!("\"{name}\"") } else { (*name).to_owned() };
            tables("owned", &quoted) + &reference(&quoted, "customer_id", "customer", "class = 'owned'")
        })
        .collect();
    let mut policy = shop();
    let more = support::policy(&body);
    policy.tables.extend(more.tables);
    policy.references.extend(more.references);
    let (_, files) = given(&mut client, &policy, Article::Access).await;
    let odd: serde_json::Value = serde_json::from_str(files.text("data/public.odd.jsonl")).expect("JSON");
    insta::assert_snapshot!(files.text("data/public.odd.jsonl").replace(",\"", ",\n\""), @r##"
    {"customer_id":1,
    "n":"NaN",
    "f":"-Infinity",
    "big":9223372036854775807,
    "t":"infinity",
    "d":"0044-03-15 BC",
    "b":"\\x00ff0a",
    "a":[1,null,3],
    "aa":["a,b",
    "q\"\\",null,null],
    "r":"[1,5)",
    "m":"{[1,3),[5,7)}",
    "j":{"a":1,
    "a":2,
    "b":" x "},
    "jb":{"y":[true,null],
    "z":100000000000000000000},
    "x":"<a>é</a>",
    "p":"(7,\"x y\")",
    "ps":"{\"(1,)\"}",
    "e":"so, so",
    "dom":12.50,
    "tg":["x",
    "y z"],
    "s":"=cmd|' /C calc'!A0",
    "c":"ab   ",
    "i":"P1D",
    "net":"10.0.0.1",
    "bits":"101",
    "u":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "yes":true,
    "v":"'one':1 'two':2"}
    "##);
    assert_eq!(odd["jb"]["y"][0], true);
    insta::assert_snapshot!(files.text("data/public.odd.csv").lines().nth(1).expect("a row"), @r#"1,NaN,-Infinity,9223372036854775807,"infinity","0044-03-15 BC","\x00ff0a","{1,NULL,3}","{""a,b"",""q\""\\"",NULL,NULL}","[1,5)","{[1,3),[5,7)}","{""a"" : 1, ""a"":2,"#);
    let lines: Vec<serde_json::Value> =
        files.text("data/public.letters.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let controls: String = (1..=31).map(char::from).collect();
    assert_eq!(lines[0]["s"], format!("a{controls}\u{7f}z"));
    assert_eq!(lines[1]["s"], "\u{202e}abc \u{1f600} \"quoted\", it's\r\nnew");
    assert_eq!((&lines[2]["s"], &lines[3]["s"]), (&"".into(), &serde_json::Value::Null));
    let csv = files.text("data/public.letters.csv");
    assert!(csv.ends_with("3,1,\"\"\r\n4,1,\r\n5,1,\"'+1\"\r\n6,1,\"\\N\"\r\n"), "{csv}");
    let mut stems: Vec<String> =
        files.1.iter().filter_map(|name| name.strip_suffix(".csv")).map(str::to_lowercase).collect();
    assert!(stems.iter().all(|stem| !stem.contains("..") && stem.matches('/').count() == 1), "{stems:?}");
    stems.sort();
    stems.dedup();
    assert_eq!(stems.len(), 9);
    let odd_name = files.1.iter().find(|name| name.contains("tmp") && name.ends_with(".csv")).expect("it is there");
    assert_eq!(files.text(odd_name), "\"id\",\"customer_id\",\"a\"\"b,=1\"\r\n1,1,\"v\"\r\n");
}

/// Opens what is `sealed:` in its row.
struct Turned;

impl Opener for Turned {
    fn row(&self, table: &TableName, column: &str) -> Option<Vec<String>> {
        (table.name == "secret" && column == "value").then(|| vec!["id".to_owned()])
    }

    fn open(&self, _: &TableName, _: &str, row: &[&str], sealed: &[u8]) -> Option<Vec<u8>> {
        let bound = format!("{}:", row.join(","));
        sealed.strip_prefix(bound.as_bytes()).map(|value| value.iter().rev().copied().collect())
    }
}

#[tokio::test]
async fn encrypted_columns_and_large_objects_are_opened_or_missing() {
    let (database, mut client) = shop_database().await;
    database.execute(
        "CREATE TABLE secret (id int PRIMARY KEY, customer_id int REFERENCES customer, value bytea, photo oid);
         INSERT INTO secret VALUES (1, 1, '1:terces', lo_from_bytea(0, convert_to(repeat('photo ', 100000), 'UTF8'))),
             (2, 1, '9:moved', 4000000000), (3, 1, NULL, NULL);",
    );
    let mut policy = shop();
    let more = support::policy(
        &[
            "[[table]]\nname = 'public.secret'\nclass = 'owned'\nplain = ['id', 'customer_id']
           column.value = { erase = 'encrypt' }\ncolumn.photo = { erase = 'null' }\n"
                .to_owned(),
            reference("secret", "customer_id", "customer", "class = 'owned'"),
        ]
        .concat(),
    );
    policy.tables.extend(more.tables);
    policy.references.extend(more.references);
    let (manifest, files) = given(&mut client, &policy, Article::Access).await;
    let objects: Vec<_> = files.1.iter().filter(|name| name.contains(".objects/")).collect();
    assert_eq!(objects.len(), 1);
    assert_eq!(files.text(objects[0]), "photo ".repeat(100_000));
    assert!(!files.text("data/public.secret.csv").contains("value"));
    insta::assert_snapshot!(missing(&manifest), @"
    public.message draft 3: left out of rows that are not the person's alone
    public.message recipient_id 1: it is a reference by which these rows were not found
    public.message sender_id 1: it is a reference by which these rows were not found
    public.secret 1: there is no such large object
    public.secret value: it is encrypted, and no keys were given to open it
    ");
    let mut files = Files::default();
    let opened = into(&mut client, &policy, "1", Article::Access, Some(&Turned), &mut files).await.expect("a package");
    let lines: Vec<_> =
        files.text("data/public.secret.jsonl").lines().map(|line| line.split(",\"photo").next()).collect();
    assert_eq!(
        lines,
        [
            Some(r#"{"id":1,"customer_id":1,"value":"secret""#),
            Some(r#"{"id":2,"customer_id":1"#),
            Some(r#"{"id":3,"customer_id":1,"value":null"#),
        ]
    );
    assert!(missing(&opened).contains("public.secret value 1: it is encrypted and does not open"));
}

#[tokio::test]
async fn who_is_not_there_gets_nothing_and_is_not_named() {
    let (_database, mut client) = shop_database().await;
    let mut files = Files::default();
    let error = into(&mut client, &shop(), "4711", Article::Access, None, &mut files).await.expect_err("nobody");
    insta::assert_snapshot!(error, @"there is no `customer` with this key");
    assert_eq!(files.0.len(), 0);
    let (_database, mut client) = shop_database().await;
    let error = into(&mut client, &shop(), "ann's", Article::Access, None, &mut files).await.expect_err("no number");
    insta::assert_snapshot!(error, @"this is no key of `customer`");
}

#[tokio::test]
async fn a_table_that_the_policy_does_not_know_is_said_to_be_missing() {
    let (database, mut client) = shop_database().await;
    database.execute("CREATE TABLE new_one (id int PRIMARY KEY, customer_id int)");
    let (manifest, _) = given(&mut client, &shop(), Article::Access).await;
    assert!(missing(&manifest).contains("public.new_one: the policy does not say whose the rows of this table are"));
}

#[tokio::test]
async fn a_long_table_comes_in_parts_that_follow_each_other() {
    let (database, mut client) = shop_database().await;
    database.execute(
        "CREATE TABLE log (id bigint PRIMARY KEY, customer_id int REFERENCES customer);
         INSERT INTO log SELECT 50000 - n, 1 FROM generate_series(1, 100000) n; CREATE INDEX ON log (customer_id)",
    );
    let mut policy = shop();
    let more = support::policy(
        &[tables("owned", "log"), reference("log", "customer_id", "customer", "class = 'owned'")].concat(),
    );
    policy.tables.extend(more.tables);
    policy.references.extend(more.references);
    let (manifest, files) = given(&mut client, &policy, Article::Access).await;
    assert_eq!(manifest.tables.iter().find(|table| table.name == "log").map(|table| table.rows), Some(100_000));
    let ids = files.text("data/public.log.csv").lines().skip(1).map(|line| line.split(',').next().expect("an id"));
    assert!(ids.eq((-50_000..50_000).map(|id: i32| id.to_string())), "all rows, in order");
}

#[tokio::test]
async fn a_sealed_archive_opens_and_is_what_the_manifest_says() {
    let (_database, mut client) = shop_database().await;
    let identity = age::x25519::Identity::generate();
    let lock = Lock::recipients(&identity.to_public().to_string()).expect("a recipient");
    let mut archives = Vec::new();
    for _ in 0..2 {
        let mut archive = Archive::new(lock.seal(Vec::new()).expect("begun"), as_of());
        into(&mut client, &shop(), "1", Article::Access, None, &mut archive).await.expect("a package");
        archives.push(archive.finish().and_then(export::Sealed::finish).expect("ended"));
    }
    assert!(archives[0] != archives[1], "age is not the same twice");
    let open = |bytes: &[u8]| {
        let mut tar = Vec::new();
        let decryptor = age::Decryptor::new(bytes).expect("age's format");
        let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).expect("it opens");
        reader.read_to_end(&mut tar).expect("whole");
        tar
    };
    let tar = open(&archives[0]);
    assert!(tar == open(&archives[1]), "the plain text is");
    assert!(!String::from_utf8_lossy(&archives[0]).contains("ann@example.org"));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.tar"), &tar).expect("written");
    let status = std::process::Command::new("tar").args(["-x", "-f", "a.tar"]).current_dir(folder.path()).status();
    assert!(status.expect("tar runs").success());
    let manifest = std::fs::read(folder.path().join("manifest.json")).expect("there");
    let manifest: Manifest = serde_json::from_slice(&manifest).expect("a manifest");
    for file in &manifest.files {
        let bytes = std::fs::read(folder.path().join(&file.name)).expect("it is there");
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((file.size, &file.sha256), (bytes.len() as u64, &hash));
    }
}

#[tokio::test]
async fn a_folder_is_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_database, mut client) = shop_database().await;
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("package");
    let mut folder = Folder::create(&path).expect("made");
    into(&mut client, &shop(), "1", Article::Access, None, &mut folder).await.expect("a package");
    let mode = |name: &str| std::fs::metadata(path.join(name)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(
        [mode("."), mode("data"), mode("manifest.json"), mode("data/public.orders.csv")],
        [0o700, 0o700, 0o600, 0o600]
    );
    assert!(Folder::create(&path).is_err(), "never over what is there");
}
