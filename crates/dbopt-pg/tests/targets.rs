//! Several servers: which one is taken, and when the search ends.

mod common;

use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::open;
use dbopt_pg::Error;
use dbopt_testkit::Cluster;

/// A primary, a standby and a primary that is read-only by default, by their sockets.
struct Servers {
    primary: &'static Cluster,
    standby: Cluster,
    read_only: Cluster,
}

impl Servers {
    fn shared() -> &'static Self {
        static SERVERS: OnceLock<Servers> = OnceLock::new();
        SERVERS.get_or_init(|| Self {
            primary: Cluster::shared(),
            standby: Cluster::builder().standby().start().expect("a standby"),
            read_only: Cluster::builder().setting("default_transaction_read_only", "on").start().expect("a server"),
        })
    }

    fn folder(&self, name: char) -> String {
        match name {
            'p' => self.primary.socket_dir().display().to_string(),
            's' => self.standby.socket_dir().display().to_string(),
            'r' => self.read_only.socket_dir().display().to_string(),
            _ => "/nonexistent".to_owned(),
        }
    }
}

/// Tries servers by their letters, and gives the letter of the one taken or the error.
async fn taken(letters: &str, rest: &str) -> Result<char, Error> {
    let servers = Servers::shared();
    let hosts: Vec<String> = letters.chars().map(|letter| servers.folder(letter)).collect();
    let session = open(&format!("host={} {rest}", hosts.join(",")), &[]).await?;
    let letter = letters.chars().find(|letter| session.server().starts_with(&servers.folder(*letter)));
    Ok(letter.expect("the server is one of those given"))
}

async fn check(letters: &str, attrs: &str, expected: char) {
    let letter = taken(letters, &format!("target_session_attrs={attrs}")).await;
    assert_eq!(letter.ok(), Some(expected), "{letters} {attrs}");
}

#[tokio::test]
async fn the_first_server_of_the_wanted_kind_is_taken() {
    check("spr", "any", 's').await;
    check("xspr", "any", 's').await;
    check("srp", "read-write", 'p').await;
    check("prs", "read-only", 'r').await;
    check("psr", "read-only", 's').await;
    check("srp", "primary", 'r').await;
    check("prs", "standby", 's').await;
    check("prs", "prefer-standby", 's').await;
    check("xpr", "prefer-standby", 'p').await;
    let random = taken("psr", "load_balance_hosts=random").await.expect("a server");
    assert!("psr".contains(random));
}

#[tokio::test]
async fn all_failures_are_told_when_no_server_will_do() {
    let error = taken("xs", "target_session_attrs=read-write").await.expect_err("no server");
    let Error::NoServer(errors) = &error else { panic!("{error:?}") };
    assert!(
        matches!(errors.as_slice(), [Error::Unreachable { .. }, Error::NotSuitable { wanted: "read-write", .. }]),
        "{errors:?}"
    );
    assert_eq!(error.hint().as_deref(), Some("is the server running there and accepting connections?"));
}

/// "If a connection is established successfully, but authentication fails, the remaining hosts in the list are not
/// tried" (libpq-connect, 34.1.1.3).
#[tokio::test]
async fn a_refusal_ends_the_search() {
    let error = taken("ps", "user=nobody_known").await.expect_err("an unknown user");
    assert!(matches!(error, Error::Authentication { .. }), "{error:?}");
    let error = taken("ps", "dbname=nothing_known").await.expect_err("an unknown database");
    assert_eq!(error.sqlstate(), Some("3D000"), "{error:?}");
}

#[tokio::test]
async fn a_silent_listener_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let start = Instant::now();
    let error = open(&format!("host=127.0.0.1 port={port} connect_timeout=1"), &[]).await.expect_err("silence");
    assert!(matches!(error, Error::ConnectTimeout { seconds: 1, .. }), "{error:?}");
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let error = open(&format!("host=127.0.0.1 port={port} password=hunter2"), &[]).await.expect_err("nothing there");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
