//! How much memory a search takes. Alone in its program, because that is what is measured.

mod support;

use dbopt_gdpr::verify::{Identifier, ScanOptions, Search, scan};
use dbopt_testkit::Cluster;

/// The most memory that the process ever had, in kilobytes.
fn most() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
async fn rows_are_not_gathered() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE note (id int PRIMARY KEY, t text);
         INSERT INTO note SELECT g, 'user' || g || '@example.org ' || repeat('lorem ipsum ', 50) FROM generate_series(1, 100000) g",
    );
    let policy = support::policy("[verify]\nstatistics = false\n");
    let mut client = support::client(&database).await;
    let identifiers = Identifier::lines("email=user99999@example.org\nother=user1", None).expect("lines");
    let search = Search::new(identifiers, 4, true).expect("a search");
    let before = most();
    let report = scan(&mut client, Vec::new(), &policy, &search, ScanOptions { keys: 5 }).await.expect("a report");
    let grown = most() - before;
    let bytes: u64 = report.scanned.iter().map(|scanned| scanned.bytes).sum();
    assert!(bytes > 60_000_000, "{bytes}");
    assert!(grown < 16 * 1024, "{grown} kB more");
    let rows: Vec<_> = report.hits.iter().map(|hit| (hit.identifier.as_str(), hit.rows, hit.within)).collect();
    assert_eq!(rows, [("email", 1, 0), ("other", 1, 11_111)]);
}
