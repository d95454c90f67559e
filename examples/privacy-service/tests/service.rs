//! Starts the service on a free port of the loopback interface, with a PostgreSQL of its own, and asks it as a client would.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::{Cluster, Database};

/// How long something may take that takes a second at most.
const PATIENCE: Duration = Duration::from_secs(20);

struct Service {
    process: Child,
    address: SocketAddr,
    log: Receiver<String>,
}

impl Service {
    fn start(database: &Database<'_>) -> Self {
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/gdpr.toml");
        let mut process = Command::new(env!("CARGO_BIN_EXE_privacy-service"))
            .args([&database.conn_string(), policy, "127.0.0.1:0"])
            .env("PRIVACY_SERVICE_KEY", "bm90IGEgc2VjcmV0LCBidXQgb2YgMzIgYnl0ZXMuLi4=")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let stderr = BufReader::new(process.stderr.take().expect("piped"));
        let (sender, log) = channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let address = loop {
            let line = log.recv_timeout(PATIENCE).expect("it says where it listens");
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.parse().expect("an address");
            }
        };
        Self { process, address, log }
    }

    /// The status and the body of an answer.
    fn ask(&self, line: &str, body: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let length = body.len();
        write!(stream, "{line} HTTP/1.0\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
            .expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), answer.split_off(end + 4))
    }

    fn text(&self, line: &str, body: &str) -> (u16, String) {
        let (status, body) = self.ask(line, body);
        (status, String::from_utf8(body).expect("a text"))
    }

    fn logged(&self) -> String {
        self.log.recv_timeout(PATIENCE).expect("it says why")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_given_everything_and_erased_as_approved() {
    let database = Cluster::shared().database();
    let text = database.conn_string();
    let settings =
        Settings::resolve(&ConnectArgs { database: Some(&text), ..Default::default() }, &Environment::default());
    let profile = SessionProfile { read_only: false, ..SessionProfile::reading() };
    let mut session = Session::connect(&settings.expect("settings"), &profile).await.expect("a session");
    dbopt_migrate::up(&mut session).await.expect("migrated");
    let service = Service::start(&database);
    database.execute(
        "INSERT INTO customer (email) VALUES ('jo@example.org'), ('ann@example.org');
         INSERT INTO orders (customer_id, note) VALUES (1, 'with a bow'), (2, NULL);
         INSERT INTO message (sender_id, recipient_id, body) VALUES (1, 2, 'hello')",
    );

    let owner = age::x25519::Identity::generate();
    let (status, sealed) = service.ask("POST /customers/1/data", &owner.to_public().to_string());
    assert_eq!(status, 200);
    let mut package = String::new();
    let opened =
        age::Decryptor::new(&*sealed).expect("a package").decrypt(std::iter::once(&owner as &dyn age::Identity));
    opened.expect("for its owner").read_to_string(&mut package).expect("texts");
    for value in ["jo@example.org", "with a bow", "hello", "manifest.json"] {
        assert!(package.contains(value), "{value}");
    }
    assert!(!package.contains("ann@example.org"));
    assert_eq!(service.text("POST /customers/1/data", "nobody").0, 400);
    assert_eq!(service.text("POST /customers/7/data", &owner.to_public().to_string()), (404, String::new()));
    service.logged();
    assert_eq!(service.text("GET /customers/x/erasure", ""), (404, String::new()));
    service.logged();

    let approval = || {
        let (status, plan) = service.text("GET /customers/1/erasure", "");
        assert_eq!((status, plan.contains(r#""refused":false"#)), (200, true), "{plan}");
        plan.split(r#""approval":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("an approval").to_owned()
    };
    let seen = approval();
    database.execute("INSERT INTO orders (customer_id) VALUES (1)");
    assert_eq!(service.text("POST /customers/1/erasure", &seen), (409, String::new()));
    let seen = approval();
    let (status, done) = service.text("POST /customers/1/erasure", &seen);
    assert!(status == 200 && done.contains(r#""deleted":3,"changed":1,"was_done":false"#), "{status} {done}");
    let (status, again) = service.text("POST /customers/1/erasure", &seen);
    assert!(status == 200 && again.contains(r#""was_done":true"#), "{status} {again}");
    let left = "SELECT concat_ws(' ', (SELECT string_agg(email, ' ') FROM customer), (SELECT count(*) FROM orders), \
                (SELECT concat(sender_id, '-', recipient_id, ' ', body) FROM message))";
    assert_eq!(database.value(left), "ann@example.org 1 -2 hello");
    let records = "SELECT string_agg(action, ' ' ORDER BY sequence) FROM dbopt.audit_record WHERE subject IS NOT NULL";
    assert_eq!(database.value(records), "gdpr.export gdpr.erase gdpr.erase");

    // What the policy does not speak of is not passed over.
    database.execute("CREATE TABLE visit (customer_id bigint REFERENCES customer, page text)");
    assert_eq!(service.text("GET /customers/2/erasure", ""), (500, String::new()));
}
