//! How much memory an export takes. Alone in its program, because that is what is measured.

mod support;

use std::io;

use dbopt_gdpr::export::{self, Archive, Article, Options};
use dbopt_testkit::Cluster;
use support::{client, graph, policy, reference, tables};
use tokio_postgres::IsolationLevel;

/// The most memory that the process ever had, in kilobytes.
fn most() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Counts what is written, and keeps none of it.
#[derive(Default)]
struct Counted(u64);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// 5 MB of rows of one person, each in two files: 1,000 rows of 5 kB. A program that is not optimised seals them slowly.
#[tokio::test]
async fn rows_are_not_gathered() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer VALUES (1), (2);
         CREATE TABLE letter (id int PRIMARY KEY, customer_id int REFERENCES customer, body text);
         ALTER TABLE letter ALTER body SET STORAGE EXTERNAL;
         INSERT INTO letter SELECT n, 1, repeat('lorem ipsum ', 420) FROM generate_series(1, 1000) n;
         CREATE INDEX ON letter (customer_id)",
    );
    let body = format!(
        "{}[[table]]\nname = 'public.letter'\nclass = 'owned'\nplain = ['id', 'customer_id']\ncolumn.body.erase = 'null'\n{}",
        tables("owned", "customer"),
        reference("letter", "customer_id", "customer", "class = 'owned'")
    );
    let (policy, mut client) = (policy(&body), client(&database).await);
    let graph = graph(&client, &policy).await;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await.expect("a transaction");
    let scratch = tempfile::tempdir().expect("a folder");
    let as_of = "2026-11-21T12:00:00Z".parse().expect("a time");
    let options = Options { as_of, article: Article::Access, scratch: scratch.path(), opener: None };
    let (subject, key) = (policy.subject(None).expect("there is one"), ["1".to_owned()]);
    let mut archive = Archive::new(Counted::default(), as_of);
    let before = most();
    let manifest = export::write(&transaction, (&graph, &policy), (subject, &key), &options, &mut archive).await;
    let grown = most() - before;
    let written = archive.finish().expect("written").0;
    assert_eq!(manifest.expect("a package").tables.iter().map(|table| table.rows).sum::<u64>(), 1_001);
    assert!(written > 10_000_000, "{written}");
    assert!(grown < 5 * 1024, "{grown} kB more");
    assert_eq!(std::fs::read_dir(scratch.path()).expect("a folder").count(), 0, "nothing is left");
}
