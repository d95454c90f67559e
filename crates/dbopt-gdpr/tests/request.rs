//! Requests of persons: what the audit record says of them, and what it refuses.

mod support;

use dbopt_crypto::{Key, KeyId, Pseudonym, Pseudonymizer};
use dbopt_gdpr::{
    RequestRule,
    request::{Asked, Done, Outcome, Request, RequestError, Right, close, extend, open, requests},
};
use dbopt_migrate::up;
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::{Cluster, Database};
use jiff::{Timestamp, civil::Date};
use support::{client, policy};
use tokio_postgres::{Client, IsolationLevel};

struct Desk<'a> {
    database: Database<'a>,
    client: Client,
    calendar: RequestRule,
}

impl<'a> Desk<'a> {
    async fn new(cluster: &'a Cluster) -> Self {
        let database = cluster.database();
        let target = database.conn_string();
        let args = ConnectArgs { database: Some(&target), ..ConnectArgs::default() };
        let settings = Settings::resolve(&args, &Environment::default()).expect("settings");
        let mut session = Session::connect(&settings, &SessionProfile::default()).await.expect("a session");
        up(&mut session).await.expect("migrated");
        let calendar = policy("[requests]\nzone = 'Europe/Berlin'\nholidays = ['12-25']\n").requests;
        Self { client: client(&database).await, database, calendar }
    }

    async fn open(&mut self, who: &str, right: Right, received: &str, now: &str) -> Result<u64, RequestError> {
        let asked = Asked { subject: &person(who), rule: "customer", right, received: day(received) };
        open(&mut self.client, &self.calendar, &asked, at(now)).await.map(|request| request.id)
    }

    async fn extend(&mut self, id: u64, reason: &str, now: &str) -> Result<Request, RequestError> {
        extend(&mut self.client, &self.calendar, id, reason, at(now)).await
    }

    async fn close(&mut self, id: u64, outcome: Outcome, reason: Option<&str>) -> Result<Request, RequestError> {
        close(&mut self.client, &self.calendar, id, outcome, reason).await
    }

    async fn all(&mut self, with_closed: bool) -> (Vec<Request>, Vec<u64>) {
        let transaction = self.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let transaction = transaction.read_only(true).start().await.expect("a transaction");
        requests(&transaction, &self.calendar, with_closed).await.expect("they are read")
    }

    fn records(&self) -> String {
        self.database.value("SELECT count(*) FROM dbopt.audit_record")
    }

    /// A record as an export or an erasure leaves it.
    async fn done(&mut self, who: &str, action: &str, details: &str) {
        let details = serde_json::from_str(details).expect("an object");
        let entry = dbopt_audit::Entry::new("test", action, &details).expect("an entry").about(&person(who));
        let transaction = self.client.transaction().await.expect("a transaction");
        dbopt_audit::append_in(&transaction, &entry).await.expect("appended");
        transaction.commit().await.expect("committed");
    }
}

fn person(who: &str) -> Pseudonym {
    let key = Key::parse("0123456789abcdef".repeat(4).as_bytes()).expect("a key");
    Pseudonymizer::new(KeyId::new("k1").expect("a name"), &key).pseudonym("gdpr.subject", who.as_bytes())
}

fn day(text: &str) -> Option<Date> {
    (!text.is_empty()).then(|| text.parse().expect("a day"))
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[tokio::test]
async fn a_request_is_what_the_audit_record_says() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let mut desk = Desk::new(&cluster).await;
    // In Berlin it is the next day already.
    let id = desk.open("ann", Right::Access, "", "2026-11-22T23:30:00Z").await.expect("opened");
    let (all, strange) = desk.all(false).await;
    let [request] = &*all else { panic!("{all:?}") };
    assert_eq!((request.id, &*request.rule, request.right, &*strange), (id, "customer", Right::Access, [].as_slice()));
    assert_eq!(request.subject, person("ann").to_string());
    assert_eq!(
        (request.received, request.due(&desk.calendar)),
        (day("2026-11-23").unwrap(), day("2026-12-23").unwrap())
    );

    let extended = desk.extend(id, " There were many requests. ", "2026-12-23T22:59:59Z").await.expect("extended");
    assert_eq!(extended.due(&desk.calendar), day("2027-02-23").unwrap());
    assert_eq!(extended.extended.as_ref().map(|(_, reason)| &**reason), Some("There were many requests."));
    assert_eq!(desk.all(false).await.0, [extended]);

    let closed = desk.close(id, Outcome::Refused, Some("It is no person of ours.")).await.expect("closed");
    let end = closed.closed.as_ref().expect("an end");
    assert_eq!((end.outcome, end.reason.as_deref()), (Outcome::Refused, Some("It is no person of ours.")));
    assert_eq!((desk.all(false).await.0, desk.all(true).await.0), (Vec::new(), vec![closed]));
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    assert!(!log.contains("no person of ours"), "reasons are parameters");
}

#[tokio::test]
async fn what_may_not_be_is_not_recorded() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let mut desk = Desk::new(&cluster).await;
    let future = desk.open("ann", Right::Access, "2026-11-24", "2026-11-23T12:00:00Z").await;
    assert!(matches!(future, Err(RequestError::Future(_))), "{future:?}");
    let id = desk.open("ann", Right::Access, "2026-11-23", "2026-11-23T12:00:00Z").await.expect("opened");
    let late = desk.extend(id, "why", "2026-12-23T23:00:00Z").await;
    assert!(matches!(late, Err(RequestError::Late { .. })), "{late:?}");
    for reason in ["", "  ", "a\nb", &"x".repeat(1001)] {
        let bad = desk.extend(id, reason, "2026-12-01T00:00:00Z").await;
        assert!(matches!(bad, Err(RequestError::Reason)), "{bad:?}");
    }
    // A number may be that of another record, or of none.
    desk.done("ann", "gdpr.export", "{}").await;
    for unknown in [0, id + 1, 99, u64::MAX] {
        let closed = desk.close(unknown, Outcome::Done, None).await;
        assert!(matches!(closed, Err(RequestError::Unknown(_))), "{closed:?}");
    }
    assert_eq!(desk.records(), "2");
    let extended = desk.extend(id, "why", "2026-12-01T00:00:00Z").await.expect("extended");
    let unknown = desk.close(id + 2, Outcome::Done, None).await;
    assert!(
        matches!(unknown, Err(RequestError::Unknown(_))),
        "the number of an extension is no request's: {unknown:?}"
    );
    let again = desk.extend(id, "why", "2026-12-02T00:00:00Z").await;
    assert!(matches!(again, Err(RequestError::Extended(_))), "{again:?}");
    desk.close(id, Outcome::Withdrawn, None).await.expect("closed");
    let closed = desk.close(id, Outcome::Done, None).await;
    assert!(matches!(closed, Err(RequestError::Closed(_))), "{closed:?}");
    let closed = desk.extend(id, "why", "2026-12-02T00:00:00Z").await;
    assert!(matches!(closed, Err(RequestError::Closed(_))), "{closed:?}");
    assert_eq!((desk.records(), extended.id), ("4".to_owned(), id));
}

#[tokio::test]
async fn of_two_who_close_a_request_at_once_one_does() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let mut desk = Desk::new(&cluster).await;
    for _ in 0..10 {
        let id = desk.open("ann", Right::Access, "", "2026-11-23T12:00:00Z").await.expect("opened");
        let mut other = client(&desk.database).await;
        let calendar = desk.calendar.clone();
        let (one, two) = tokio::join!(
            desk.close(id, Outcome::Done, None),
            close(&mut other, &calendar, id, Outcome::Refused, Some("no"))
        );
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    }
    assert_eq!(desk.records(), "20");
    assert_eq!(desk.all(true).await.1, [0; 0]);
}

#[tokio::test]
async fn what_was_done_since_is_told_and_nothing_else() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let mut desk = Desk::new(&cluster).await;
    let now = Timestamp::now().to_string();
    let erased = r#"{"stage": "ended", "outcome": "done"}"#;
    desk.done("ann", "gdpr.erase", r#"{"stage": "begun"}"#).await;
    desk.done("ann", "gdpr.erase", r#"{"stage": "ended", "outcome": "rolled-back"}"#).await;
    desk.done("bob", "gdpr.erase", erased).await;
    desk.done("ann", "gdpr.export", r#"{"article": 15}"#).await;
    let old = desk.open("ann", Right::Portability, "2020-01-01", &now).await.expect("opened");
    let id = desk.open("ann", Right::Access, "", &now).await.expect("opened");
    desk.done("ann", "gdpr.erase", erased).await;
    let done = |request: &Request| request.answers.iter().map(|answer| answer.done).collect::<Vec<_>>();
    let (all, _) = desk.all(false).await;
    let both = [Done::Export { article: 15 }, Done::Erasure];
    assert_eq!(
        all.iter().map(|request| (request.id, done(request))).collect::<Vec<_>>(),
        [(old, both.to_vec()), (id, both.to_vec())]
    );
    let is_answered = |right: Right| both.map(|done| right.is_answered_by(done));
    assert_eq!(is_answered(Right::Access), [Some(true), Some(false)]);
    assert_eq!(is_answered(Right::Portability), [Some(false), Some(false)]);
    assert_eq!(is_answered(Right::Erasure), [Some(false), Some(true)]);
    assert_eq!(is_answered(Right::Objection), [None, None]);
    assert_eq!(done(&desk.close(id, Outcome::Done, None).await.expect("closed")), both);
    // What was done long before a request came is no answer to it.
    desk.database.execute(
        "ALTER TABLE dbopt.audit_record DISABLE TRIGGER USER;
         UPDATE dbopt.audit_record SET time = time - interval '3 days' WHERE action = 'gdpr.export';
         UPDATE dbopt.audit_record SET time = 'infinity' WHERE action = 'gdpr.erase' AND details LIKE '%done%'",
    );
    let (all, _) = desk.all(true).await;
    assert_eq!(all.iter().map(|request| request.answers.len()).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test]
async fn records_that_say_nothing_known_are_told() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let mut desk = Desk::new(&cluster).await;
    let id = desk.open("ann", Right::Access, "", "2026-11-23T12:00:00Z").await.expect("opened");
    desk.done(
        "ann",
        "gdpr.request",
        r#"{"stage": "opened", "right": "to party", "rule": "c", "received": "2026-11-23"}"#,
    )
    .await;
    desk.done("ann", "gdpr.request", r#"{"stage": "opened", "right": "access", "rule": "c", "received": "yesterday"}"#)
        .await;
    desk.done("bob", "gdpr.request", &format!(r#"{{"stage": "closed", "request": {id}, "outcome": "done"}}"#)).await;
    desk.done("ann", "gdpr.request", r#"{"stage": "closed", "request": 77, "outcome": "done"}"#).await;
    desk.done("ann", "gdpr.request", &format!(r#"{{"stage": "paused", "request": {id}}}"#)).await;
    let (all, strange) = desk.all(false).await;
    assert_eq!((all.len(), &*strange), (1, [2, 3, 4, 5, 6].as_slice()));
}
