//! The server's version and role, and the connection to it.

use dbopt_report::number;

use super::{Area, Check, Facts, Verdict};

pub(super) fn check(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![version(facts), role(facts), connection(facts)];
    checks.extend(space(facts));
    checks
}

fn version(facts: &Facts) -> Check {
    let found = format!("PostgreSQL {}", facts.version_text());
    let check = |verdict| Check::new(Area::Server, "version", verdict, found.clone());
    match facts.version {
        ..140_000 => check(Verdict::Limited).help("dbopt is tested with PostgreSQL 14 to 18."),
        140_000..140_004 => check(Verdict::Missing)
            .commands(&["apply"])
            .help("CREATE INDEX CONCURRENTLY can corrupt indexes in 14.0 to 14.3: update to 14.4 or later."),
        _ => check(Verdict::Good),
    }
}

fn role(facts: &Facts) -> Check {
    if facts.standby {
        return Check::new(Area::Server, "role", Verdict::Missing, "a standby, which cannot be changed")
            .commands(&["apply", "migrate"])
            .help("Connect to the primary for these; reading commands work here, and spare the primary.");
    }
    Check::new(Area::Server, "role", Verdict::Good, "a primary")
}

fn connection(facts: &Facts) -> Check {
    let local = facts.server.starts_with('/')
        || ["localhost:", "127.0.0.1:", "[::1]:", "::1:"].iter().any(|host| facts.server.starts_with(host));
    let name = "connection";
    if facts.encrypted {
        Check::new(Area::Server, name, Verdict::Good, format!("encrypted, to {}", facts.server))
    } else if local {
        Check::new(Area::Server, name, Verdict::Good, format!("on this machine, to {}", facts.server))
    } else {
        Check::new(Area::Server, name, Verdict::Limited, format!("not encrypted, to {}", facts.server))
            .help("Ask for TLS with sslmode=verify-full; sslmode=require encrypts without proof of who answers.")
    }
}

/// Space for new indexes, when it can be seen from here.
fn space(facts: &Facts) -> Option<Check> {
    const LEAST_SHARE: f64 = 0.1;
    let free = facts.free_bytes?;
    let found = format!("{} free beside a database of {}", number::bytes(free), number::bytes(facts.bytes));
    let check = Check::new(Area::Server, "space", Verdict::Good, found).commands(&["apply"]);
    Some(if free >= LEAST_SHARE * facts.bytes {
        check
    } else {
        Check { verdict: Verdict::Limited, ..check }
            .help("A new index needs its size, and sorting it the same again for a while.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(facts: &Facts) -> Vec<Verdict> {
        check(facts).iter().map(|check| check.verdict).collect()
    }

    #[test]
    fn versions_that_corrupt_indexes_are_refused() {
        let facts = |version| Facts { version, server: "/tmp/.s.PGSQL.5432".to_owned(), ..Facts::default() };
        assert_eq!(verdicts(&facts(140_003))[0], Verdict::Missing);
        assert_eq!(verdicts(&facts(140_004))[0], Verdict::Good);
        assert_eq!(verdicts(&facts(130_010))[0], Verdict::Limited);
    }

    #[test]
    fn a_remote_connection_should_be_encrypted() {
        let facts = |server: &str, encrypted| Facts { server: server.to_owned(), encrypted, ..Facts::default() };
        assert_eq!(connection(&facts("db.example:5432", false)).verdict, Verdict::Limited);
        assert_eq!(connection(&facts("db.example:5432", true)).verdict, Verdict::Good);
        assert_eq!(connection(&facts("localhost:5432", false)).verdict, Verdict::Good);
    }

    #[test]
    fn little_space_is_said() {
        let facts = |free| Facts { free_bytes: Some(free), bytes: 1e9, ..Facts::default() };
        assert_eq!(space(&facts(5e7)).map(|check| check.verdict), Some(Verdict::Limited));
        assert_eq!(space(&facts(5e9)).map(|check| check.verdict), Some(Verdict::Good));
        assert_eq!(space(&Facts::default()), None);
    }
}
