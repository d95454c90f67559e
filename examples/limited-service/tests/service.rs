//! Starts the service on a free port of the loopback interface, and asks it as a client would.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// How long something may take that takes a second at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running service.
struct Service {
    process: Child,
    address: SocketAddr,
    log: Receiver<String>,
}

impl Service {
    fn start(policy: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limited-service"));
        command.arg(policy).arg("127.0.0.1:0").stdin(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("started");
        let stderr = BufReader::new(process.stderr.take().expect("piped"));
        let (sender, log) = channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let line = log.recv_timeout(PATIENCE).expect("a first line");
        let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        Self { process, address: address.expect("an address"), log }
    }

    /// Begins a request; `head` is its first line without the version, and its headers.
    fn begin(&self, head: &str, body: &str) -> TcpStream {
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let length = body.len();
        let headers = headers.replace('\n', "\r\n") + if headers.is_empty() { "" } else { "\r\n" };
        write!(
            stream,
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
        .expect("sent");
        stream
    }

    fn ask(&self, head: &str) -> Answer {
        self.send(head, "")
    }

    fn send(&self, head: &str, body: &str) -> Answer {
        let mut text = String::new();
        self.begin(head, body).read_to_string(&mut text).expect("an answer");
        Answer::new(&text)
    }

    /// Waits for a line of the log.
    fn wait_for(&self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(rest).unwrap_or_else(|_| panic!("no `{part}` in the log"));
            if line.contains(part) {
                return;
            }
        }
    }

    /// Ends the service, and gives the rest of its log.
    fn end(mut self) -> String {
        self.process.kill().expect("killed");
        self.log.iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already when the test did not fail.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn new(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into()));
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    fn number(&self, name: &str) -> u32 {
        let value = self.header(name);
        value.parse().unwrap_or_else(|_| panic!("`{name}: {value}` is no number"))
    }
}

/// The policy that is beside the service.
fn example() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/ratelimit.toml"))
}

#[test]
fn clients_are_told_of_their_limits_and_kept_to_them() {
    let service = Service::start(example());
    let search = "GET /search/x\nx-api-key: demo-free";
    for remaining in (0..5).rev() {
        let answer = service.ask(search);
        assert_eq!(answer.status, 200);
        let policy = r#""any";q=120;w=60, "search/60s";q=5;w=60, "search/3600s";q=50;w=3600"#;
        assert_eq!(answer.header("ratelimit-policy"), policy);
        assert!(
            answer.header("ratelimit").contains(&format!(r#""search/60s";r={remaining};t="#)),
            "{:?}",
            answer.headers
        );
        assert!(answer.body.contains(&format!("search: {remaining} of 5/60s remain")), "{}", answer.body);
    }
    let refused = service.ask(search);
    assert_eq!((refused.status, refused.header("content-type")), (429, "application/problem+json"));
    let wait = refused.number("retry-after");
    assert!((1..=12).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").contains(&format!(r#""search/60s";r=0;t={wait}"#)), "{:?}", refused.headers);
    let older = ["limit", "remaining", "reset"].map(|name| refused.number(&format!("x-ratelimit-{name}")));
    assert_eq!(older, [5, 0, wait]);
    let problem = concat!(
        r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","#,
        r#""title":"Request cannot be satisfied as assigned quota has been exceeded","#,
        r#""status":429,"detail":"rule `search`: 5/60s is used up","violated-policies":["search/60s"]}"#
    );
    assert_eq!(refused.body, problem);
    // Another topic is the same route; another plan is another limit; who is unknown is not let in.
    assert_eq!(service.ask("GET /search/y\nx-api-key: demo-free").status, 429);
    let pro = service.ask("GET /search/x\nx-api-key: demo-pro");
    assert!(pro.status == 200 && pro.header("ratelimit").contains(r#""search/60s";r=49"#), "{:?}", pro.headers);
    let unknown = service.ask("GET /search/x\nx-api-key: guessed");
    assert!(
        unknown.status == 401 && unknown.header("ratelimit").contains(r#""search/60s";r=4"#),
        "{:?}",
        unknown.headers
    );
    let metrics = service.ask("GET /metrics").body;
    assert!(metrics.contains(r#"rule="search""#) && !metrics.contains("demo-"), "{metrics}");
    let log = service.end();
    assert!(!log.contains("demo-") && !log.contains("guessed"), "{log}");
}

#[test]
fn an_account_is_tried_a_few_times_only() {
    let service = Service::start(example());
    let attempt = |account| service.send("POST /login", account);
    for _ in 0..3 {
        let answer = attempt("zoe@example.org");
        assert_eq!((answer.status, answer.body.as_str()), (401, "wrong password\n"));
    }
    let refused = attempt("Zoe@example.org ");
    assert_eq!(refused.status, 429);
    assert!(refused.body.contains(r#""violated-policies":["login-account/60s"]"#), "{}", refused.body);
    assert!(!refused.body.to_lowercase().contains("zoe"), "{}", refused.body);
    assert_eq!(attempt("max@example.org").status, 401);
    for _ in 0..5 {
        attempt("zoe@example.org");
    }
    assert!(attempt("zoe@example.org").body.contains("#abnormal-usage-detected"));
    let log = service.end();
    assert!(log.contains("`login-account`") && !log.contains("example.org"), "{log}");
}

#[test]
fn an_export_has_its_place_until_its_last_line() {
    let service = Service::start(example());
    let export = "GET /export\nx-api-key: demo-free";
    let mut running = BufReader::new(service.begin(export, ""));
    let mut line = String::new();
    while !line.contains("line 1\n") {
        line.clear();
        assert_ne!(running.read_line(&mut line).expect("a line"), 0, "the export has ended");
    }
    let refused = service.ask(export);
    assert_eq!((refused.status, refused.header("retry-after")), (429, ""));
    assert!(refused.body.contains("rule `export`: 1 are running already"), "{}", refused.body);
    assert_eq!(service.ask("GET /search/x\nx-api-key: demo-free").status, 200, "other routes are as before");
    let mut rest = String::new();
    running.read_to_string(&mut rest).expect("the rest");
    assert!(rest.contains("line 10\n"), "{rest}");
    let next = service.ask(export);
    assert!(next.status == 200 && next.body.contains("line 10\n"), "{}", next.body);
    // A client that goes away gives its place back.
    drop(service.begin(export, ""));
    let deadline = Instant::now() + PATIENCE;
    while service.ask(export).status != 200 {
        assert!(Instant::now() < deadline, "the place is not given back");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_policy_that_changes_is_taken_over_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ratelimit.toml");
    // By renaming, as editors do it.
    let write = |limit: &str| {
        let text = format!("policy = 'ratelimit'\nversion = 1\n[rule.any]\nkey = ['address']\nlimits = ['{limit}']\n");
        let draft = folder.path().join("draft");
        fs::write(&draft, text).expect("written");
        fs::rename(&draft, &file).expect("renamed");
    };
    write("10/h");
    let service = Service::start(&file);
    for _ in 0..5 {
        assert_eq!(service.ask("GET /").header("ratelimit-policy"), r#""any";q=10;w=3600"#);
    }
    write("20/h");
    service.wait_for("rules");
    let answer = service.ask("GET /");
    assert_eq!(answer.header("ratelimit-policy"), r#""any";q=20;w=3600"#);
    // Half of the old limit was used up, and so is half of the new one.
    assert!(answer.header("ratelimit").starts_with(r#""any";r=9;"#), "{:?}", answer.headers);
    write("20/fortnight");
    service.wait_for("the one from before stays");
    service.wait_for("ratelimit.toml:5:");
    assert_eq!(service.ask("GET /").header("ratelimit-policy"), r#""any";q=20;w=3600"#);
    write("1/h");
    service.wait_for("rules");
    assert_eq!(service.ask("GET /").status, 429);
    service.end();
}

#[test]
fn without_a_good_policy_it_does_not_begin() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ratelimit.toml");
    fs::write(&file, "policy = 'ratelimit'\nversion = 1\n[rule.any]\nlimit = ['1/h']\n").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_limited-service")).arg(&file).output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("ratelimit.toml:4:") && said.contains("`limit`"), "{said}");
}
