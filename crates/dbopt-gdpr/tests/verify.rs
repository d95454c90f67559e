//! What is found of a person's identifiers on a real server, and what is not.

mod support;

use dbopt_gdpr::{
    GdprPolicy,
    verify::{Identifier, Report, ScanOptions, Search, scan},
};
use dbopt_testkit::{Cluster, Database};
use std::time::Duration;

async fn search_as(
    database: &Database<'_>,
    policy: &GdprPolicy,
    role: Option<&str>,
    lines: &str,
    keys: usize,
) -> Report {
    let mut client = support::client(database).await;
    if let Some(role) = role {
        client.batch_execute(&format!("SET ROLE {role}")).await.expect("a role");
    }
    let identifiers = Identifier::lines(lines, policy.subject(None)).expect("lines");
    let search = Search::new(identifiers, policy.verify.shortest, policy.verify.hashes).expect("a search");
    let mut report = scan(&mut client, Vec::new(), policy, &search, ScanOptions { keys }).await.expect("a report");
    if role.is_none() {
        // Two sessions find the same.
        let mut more = support::client(database).await;
        let mut two =
            scan(&mut client, vec![&mut more], policy, &search, ScanOptions { keys }).await.expect("a report");
        report.scanned.iter_mut().chain(&mut two.scanned).for_each(|scanned| scanned.took = Duration::ZERO);
        assert_eq!(report, two);
    }
    report
}

async fn search(database: &Database<'_>, body: &str, lines: &str) -> Report {
    search_as(database, &support::policy(body), None, lines, 10).await
}

fn lines(report: &Report) -> String {
    let mut lines: Vec<_> = report
        .hits
        .iter()
        .map(|hit| {
            let keys: Vec<_> = hit.keys.iter().map(|key| key.join(",")).collect();
            format!(
                "{hit:?} [{}]{}",
                keys.join(" "),
                hit.kept.as_ref().map(|why| format!(" kept: {why}")).unwrap_or_default()
            )
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

/// How an address comes to be written, in SQL, and as what it is found.
const VARIANTS: &[(&str, &str)] = &[
    ("'ann.lee@example.org'", "as written"),
    ("'Ann.Lee@EXAMPLE.org'", "as written"),
    ("'  ann.lee@example.org '", "as written"),
    ("'Ann Lee <ann.lee@example.org>'", "as written"),
    ("'mailto:ann.lee@example.org?subject=x'", "as written"),
    ("'https://x.test/?m=ann.lee%40example.org&n=1'", "url encoding"),
    (r#"'{"m": "ann.lee\u0040example.org"}'"#, "json escapes"),
    ("'&lt;ann.lee&#64;example.org&gt;'", "html entities"),
    ("'To: =3Cann.lee=40example.org=3E'", "quoted-printable"),
    ("md5('ann.lee@example.org')", "md5"),
    ("encode(sha256('ann.lee@example.org'), 'hex')", "sha-256"),
    ("encode('m=ann.lee@example.org', 'base64')", "base64"),
];

/// Columns that hold a text, and how one gets into them.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("t", "text", "v"),
    ("v", "varchar(200)", "v"),
    ("c", "char(120)", "v"),
    ("d", "label", "v"),
    ("j", "json", "json_build_object('x', v)"),
    ("b", "jsonb", "jsonb_build_object('x', jsonb_build_array(1, v))"),
    ("jk", "jsonb", "jsonb_build_object(v, 1)"),
    ("x", "xml", "xmlelement(name a, xmlattributes(v AS b))"),
    ("a", "text[]", "ARRAY['first', v, 'last']"),
    ("y", "bytea", r"'\x00ff00'::bytea || convert_to(v, 'UTF8') || '\x00'::bytea"),
    ("p", "pair", "ROW(1, v)::pair"),
    ("ap", "pair[]", "ARRAY[ROW(1, v)::pair, NULL]"),
];

#[tokio::test]
async fn each_way_of_writing_is_found_in_each_type_of_column() {
    let database = Cluster::shared().database();
    let has_hstore = Cluster::shared().has_extension("hstore");
    let mut columns = COLUMNS.to_vec();
    if has_hstore {
        database.execute("CREATE EXTENSION hstore; CREATE EXTENSION citext");
        columns.extend([("h", "hstore", "hstore('key', v)"), ("ci", "citext", "v")]);
    }
    database.execute("CREATE DOMAIN label AS text; CREATE TYPE pair AS (n int, s text)");
    let definitions: Vec<_> = columns.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    database.execute(&format!(
        "CREATE TABLE note (id int PRIMARY KEY, n bigint, at timestamptz, {})",
        definitions.join(", ")
    ));
    let values: Vec<_> = columns.iter().map(|(_, _, sql)| *sql).collect();
    for (id, (sql, _)) in VARIANTS.iter().enumerate() {
        database.execute(&format!(
            "INSERT INTO note SELECT {id}, 1, now(), {} FROM (SELECT {sql} AS v) s",
            values.join(", ")
        ));
    }
    database.execute(&format!(
        "INSERT INTO note SELECT 100 + g, 1, now(), {} FROM generate_series(1, 300) g, LATERAL (SELECT 'x' || md5(g::text) || '@example.org' AS v) s",
        values.join(", ")
    ));
    let body = "[verify]\nstatistics = false\n";
    let report = search(&database, body, "email=Ann.Lee@example.org\n").await;
    let mut missing = Vec::new();
    for (id, (sql, variant)) in VARIANTS.iter().enumerate() {
        for (column, kind, _) in &columns {
            let is_it = |hit: &&dbopt_gdpr::verify::Hit| {
                hit.column == *column && hit.keys.iter().any(|key| *key[0] == *id.to_string())
            };
            let found: Vec<_> = report.hits.iter().filter(is_it).map(|hit| hit.variant.name()).collect();
            // jsonb has no escapes, but those of a string within a string; xml writes `&` as it must.
            if found.is_empty() || (!matches!(*column, "x") && !found.contains(variant)) {
                missing.push(format!("{sql} in {kind}: {found:?}"));
            }
        }
    }
    assert_eq!(missing, [] as [String; 0]);
    let others: Vec<_> = report.hits.iter().flat_map(|hit| &hit.keys).filter(|key| key[0].len() > 2).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn what_only_looks_alike_is_not_counted() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE note (id int PRIMARY KEY, t text, a text[]);
         INSERT INTO note (id, t) VALUES (1, 'joann@example.org'), (2, 'ann@example.org.uk'), (3, 'ann@example.com'), (4, 'lee.ann@example.org'),
             (5, 'ann+news@example.org'), (6, 'a.nn@example.org'), (7, md5('bob@example.org')), (8, 'ann at example.org'), (9, 'éann@example.org'),
             (10, 'ann@example.organic'), (11, E'x\\nann@example.org'), (12, '(ann@example.org).'), (13, 'q=%22ann@example.org%22'), (14, 'ann@example.org-'),
             (15, 'anne@example.org');
         INSERT INTO note VALUES (20, NULL, ARRAY[repeat('z', 97), 'ann@example.org' || repeat(' ', 97 - 15), 'x'])",
    );
    let body = "[verify]\nstatistics = false\n";
    insta::assert_snapshot!(lines(&search(&database, body, "email=ann@example.org").await), @r#"
    public.note.a email as written: 1+0 [20]
    public.note.t email as written: 4+5 [11 12 13 14]
    "#);
    let same = "[[subject.identifier]]\nname = 'email'\ncolumn = 'email'\nmatch = ['case', 'plus-tag', 'dots']\n[verify]\nstatistics = false\n";
    insta::assert_snapshot!(lines(&search(&database, same, "email=ann+shop@example.org").await), @r#"
    public.note.a email same address: 1+0 [20]
    public.note.t email same address: 6+0 [5 6 11 12 13 14]
    "#);
    let exact = "[[subject.identifier]]\nname = 'email'\ncolumn = 'email'\nmatch = []\n[verify]\nstatistics = false\n";
    insta::assert_snapshot!(lines(&search(&database, exact, "email=ANN@example.org").await), @"");
}

#[tokio::test]
async fn letters_beyond_ascii_are_found_however_they_are_composed() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE note (id int PRIMARY KEY, t text);
         INSERT INTO note VALUES (1, 'ZOË MÜLLER'), (2, normalize('Frau Zoë Müller,', NFD)), (3, 'Zo%C3%AB+M%C3%BCller'), (4, '\"Zo\\u00eb M\\u00fcller\"'),
             (5, 'Zo=C3=AB M=C3=BCller'), (6, 'Zo&#235; M&#252;ller'), (7, 'Zoe Muller'), (8, md5('zoë müller'))",
    );
    let report = search(&database, "[verify]\nstatistics = false\n", "name=Zoë Müller").await;
    insta::assert_snapshot!(lines(&report), @r#"
    public.note.t name as written: 1+0 [1]
    public.note.t name html entities: 1+0 [6]
    public.note.t name json escapes: 1+0 [4]
    public.note.t name md5: 1+0 [8]
    public.note.t name quoted-printable: 1+0 [5]
    public.note.t name unicode form: 1+0 [2]
    public.note.t name url encoding: 1+0 [3]
    "#);
}

#[tokio::test]
async fn copies_beside_the_tables_are_searched() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE customer (id int PRIMARY KEY, email text);
         INSERT INTO customer SELECT g, 'user' || g || '@example.org' FROM generate_series(1, 50) g;
         CREATE TABLE parted (id int, t text) PARTITION BY RANGE (id);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
         INSERT INTO parted VALUES (1, 'user7@example.org');
         CREATE MATERIALIZED VIEW seen AS SELECT * FROM customer;
         ANALYZE customer;
         DELETE FROM customer WHERE id = 7;
         COMMENT ON TABLE customer IS 'asked for by user7@example.org';
         CREATE TYPE who AS ENUM ('nobody', 'user7@example.org');
         SELECT lo_from_bytea(4711, convert_to(repeat('x', 262140) || ' user7@example.org ' || repeat('y', 600000), 'UTF8'));
         SELECT lo_from_bytea(4712, 'user7@example.org'::bytea);
         CREATE TABLE big (t text, y bytea); ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
         INSERT INTO big VALUES (repeat('lorem ', 3000000) || 'user7@example.org', NULL), ('{\"broken\": \"user7@example.org', '\\x0000');",
    );
    let body = "[[table]]\nname = 'public.parted'\nclass = 'owned'\nerase = 'keep'\nkeep = { basis = 'tax', until = '2040-12-31' }\n";
    let report = search(&database, body, "email=user7@example.org").await;
    insta::assert_snapshot!(lines(&report), @r#"
    large objects.data email as written: 2+0 [4712 4711]
    pg_description.description of table public.customer email as written: 1+0 [table public.customer]
    pg_enum.enumlabel of public.who email as written: 1+0 [public.who]
    pg_stats.histogram_bounds of public.customer.email email as written: 1+0 [public.customer.email]
    public.big.t email as written: 2+0 [(0,1) (0,2)]
    public.parted_1.t email as written: 1+0 [(0,1)] kept: tax, until 2040-12-31
    public.seen.email email as written: 1+0 [(0,7)]
    "#);
    assert!(!report.is_clean() && report.is_complete(), "{:?}", report.skipped);
}

#[tokio::test]
async fn numbers_uuids_and_addresses_are_searched_where_a_value_is_one() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE visit (id bigint PRIMARY KEY, phone bigint, device uuid, ip inet, other int[]);
         INSERT INTO visit VALUES (1, 491701234567, '0b4e7f7e-3d1c-4f57-9a49-1c9d6a8f2f10', '192.0.2.77', '{77,1234567}')",
    );
    let given = "phone=491701234567\ndevice=0B4E7F7E-3D1C-4F57-9A49-1C9D6A8F2F10\nip=192.0.2.77\n";
    insta::assert_snapshot!(lines(&search(&database, "[verify]\nstatistics = false\n", given).await), @r#"
    public.visit.device device as written: 1+0 [1]
    public.visit.ip ip as written: 1+0 [1]
    public.visit.phone phone as written: 1+0 [1]
    "#);
}

#[tokio::test]
async fn what_was_not_searched_is_said() {
    let database = Cluster::shared().database();
    let role = format!("reader_{}", database.name());
    database.execute(&format!(
        "CREATE TABLE hidden (t text); CREATE TABLE half (id int, t text, s text); CREATE TABLE guarded (t text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
         CREATE TABLE numbers (id int); CREATE TABLE left_out (t text); CREATE MATERIALIZED VIEW empty AS SELECT 'x'::text AS t WITH NO DATA;
         CREATE SCHEMA closed; CREATE TABLE closed.t (t text); CREATE TABLE open (t text);
         SELECT lo_from_bytea(0, 'x'); CREATE ROLE {role};
         GRANT SELECT ON guarded, numbers, left_out, empty, open, closed.t TO {role}; GRANT SELECT (id, t) ON half TO {role};"
    ));
    let policy = support::policy("[verify]\nexclude = ['public.left_out']\nstatistics = false\n");
    let report = search_as(&database, &policy, Some(&role), "email=ann@example.org\nnick=ann", 0).await;
    let skipped: Vec<_> = report
        .skipped
        .iter()
        .map(|one| format!("{} {}: {}", if one.expected { "-" } else { "!" }, one.place, one.why))
        .collect();
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    insta::assert_snapshot!(skipped.join("\n"), @r#"
    ! closed.t: this role may not use its schema
    - public.empty: it is not populated
    ! public.guarded: row-level security may hide rows from this role
    ! public.half.s: this role may not read it
    ! public.hidden.t: this role may not read it
    - public.left_out: the policy leaves it out
    - public.numbers: no column of it can hold the values
    - pg_stats: the policy leaves statistics out
    ! large objects: this role may not read 1 of them
    ! identifier `nick`: shorter than 4 characters, as the policy says
    "#);
    let scanned: Vec<_> = report.scanned.iter().map(|one| format!("{} {:?}", one.place, one.columns)).collect();
    insta::assert_snapshot!(scanned.join("\n"), @r#"
    public.half ["t"]
    public.open ["t"]
    pg_description ["description"]
    pg_enum ["enumlabel"]
    "#);
    assert!(report.is_clean() && !report.is_complete());
}

#[tokio::test]
async fn no_value_reaches_the_server_or_a_report() {
    let cluster = Cluster::builder().setting("log_statement", "all").setting("log_min_duration_statement", "0").start();
    let cluster = cluster.expect("a cluster");
    let database = cluster.database();
    database.execute("CREATE TABLE note (id int PRIMARY KEY, t text)");
    // It gets in where the log does not see it.
    let client = support::client(&database).await;
    client.batch_execute("INSERT INTO note SELECT 1, chr(122) || 'elda@' || 'example.org'").await.expect("a row");
    let report = search(&database, "", "email=zelda@example.org").await;
    assert_eq!(report.hits.iter().map(|hit| hit.rows).sum::<u64>(), 1);
    let log = std::fs::read_to_string(cluster.log_path()).expect("a log");
    assert!(log.contains("COPY (SELECT t.ctid"), "the log has what was done");
    assert!(!log.contains("zelda") && !format!("{report:?}").contains("zelda"), "and not for whom");
}
