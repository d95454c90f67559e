//! Starts the service on a free port of the loopback interface, with a PostgreSQL of its own, and asks it as a client would.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use dbopt_testkit::Cluster;

/// How long something may take that takes a second at most.
const PATIENCE: Duration = Duration::from_secs(20);

struct Service {
    process: Child,
    address: SocketAddr,
    log: Receiver<String>,
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_encrypted-column"));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("it runs")
}

impl Service {
    fn start(database: &str, policy: &str) -> Self {
        let mut process = program(&["serve", database, policy, "127.0.0.1:0"]).spawn().expect("started");
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
    fn ask(&self, line: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let length = body.len();
        write!(stream, "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
            .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.trim().to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn addresses_are_kept_sealed_found_and_moved_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("encryption.toml");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("encryption.toml"), &policy).expect("copied");
    let policy = policy.to_str().expect("UTF-8");
    let database = Cluster::shared().database();
    let made = run(&["init", policy]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(!run(&["init", policy]).status.success(), "keys are never overwritten");

    let service = Service::start(&database.conn_string(), policy);
    assert_eq!(service.ask("POST /customers", "Jo@Example.org\n"), (201, "1".to_owned()));
    assert_eq!(service.ask("POST /customers", "ann@example.org"), (201, "2".to_owned()));
    assert_eq!(service.ask("GET /customers/1", ""), (200, "Jo@Example.org".to_owned()));
    assert_eq!(service.ask("GET /find/jo@example.org", ""), (200, "1".to_owned()));
    assert_eq!(service.ask("GET /find/nobody@example.org", ""), (200, String::new()));
    assert_eq!(service.ask("PUT /customers/2/email", "ann@example.com").0, 204);
    assert_eq!(service.ask("GET /find/ann@example.org", ""), (200, String::new()));
    assert_eq!(service.ask("GET /customers/3", "").0, 404);
    let plain = "SELECT count(*) FROM public.customer WHERE position('xample'::bytea IN email || email_term) > 0";
    assert_eq!(database.value(plain), "0");

    // A second service with a new key: both read what either writes.
    assert!(run(&["rotate", policy]).status.success());
    let second = Service::start(&database.conn_string(), policy);
    assert_eq!(second.ask("PUT /customers/1/email", "jo@example.net").0, 204);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(service.ask("GET /customers/1", ""), (200, "jo@example.net".to_owned()));
    assert_eq!(second.ask("GET /find/ANN@example.com", ""), (200, "2".to_owned()));
    let keys = "SELECT string_agg(DISTINCT get_byte(email, 5)::text, ' ' ORDER BY get_byte(email, 5)::text) FROM public.customer";
    assert_eq!(database.value(keys), "1 3");

    // Somebody with access to the table gives one customer the address of another.
    database
        .execute("UPDATE public.customer SET email = (SELECT email FROM public.customer WHERE id = 1) WHERE id = 2");
    assert_eq!(service.ask("GET /customers/2", ""), (500, String::new()));
    let told = service.log.recv_timeout(PATIENCE).expect("it tells why");
    assert_eq!(told, "the value was changed, or sealed for another cell");
}
