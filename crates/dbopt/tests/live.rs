//! Commands against a real server.

mod support;

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    time::Instant,
};

use dbopt_testkit::{Cluster, Database};
use support::dbopt;

/// Two related tables with rows enough that a missing index is felt, and a duplicate index.
const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, status text NOT NULL,
                         note text);
    CREATE INDEX orders_status ON orders (status);
    CREATE INDEX orders_status_again ON orders (status);
    INSERT INTO customers SELECT n, 'user' || n || '@example.org' FROM generate_series(1, 2000) n;
    INSERT INTO orders SELECT n, 1 + n * 7919 % 2000, CASE WHEN n % 50 = 0 THEN 'open' ELSE 'done' END, repeat('x', 80)
        FROM generate_series(1, 100000) n;
    ANALYZE;";

/// Looks orders up by a column that has no index.
fn workload(times: usize) -> String {
    (0..times).fold(String::new(), |mut sql, n| {
        let _ = writeln!(sql, "SELECT id, note FROM orders WHERE customer_id = {};", 1 + n * 37 % 2000);
        sql
    })
}

fn logging_cluster() -> Cluster {
    Cluster::builder()
        .setting("log_min_duration_statement", "0")
        .setting("log_line_prefix", "%m [%p] %q%u@%d ")
        .setting("shared_preload_libraries", "pg_stat_statements")
        .start()
        .expect("a cluster starts")
}

/// Runs statements one by one in one session; returns the seconds they took.
fn run(database: &Database<'_>, sql: &str) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let config = database.conn_string();
        let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.expect("a session");
        let connection = tokio::spawn(connection);
        let since = Instant::now();
        for statement in sql.lines() {
            client.simple_query(statement).await.expect("the statement runs");
        }
        let seconds = since.elapsed().as_secs_f64();
        drop(client);
        connection.await.expect("the task ends").expect("the session ends well");
        seconds
    })
}

/// Everything in the catalogues that a command could have changed, and the rows.
fn state(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let query = "
        SELECT 'class', md5(string_agg(c::text, '|' ORDER BY oid)) FROM pg_class c
        UNION ALL SELECT 'index', md5(string_agg(i::text, '|' ORDER BY indexrelid)) FROM pg_index i
        UNION ALL SELECT 'attribute', md5(string_agg(a::text, '|' ORDER BY attrelid, attnum)) FROM pg_attribute a
        UNION ALL SELECT 'statistic', md5(string_agg(s::text, '|' ORDER BY starelid, staattnum)) FROM pg_statistic s
        UNION ALL SELECT 'extension', md5(string_agg(e::text, '|' ORDER BY oid)) FROM pg_extension e
        UNION ALL SELECT 'proc', md5(string_agg(p::text, '|' ORDER BY oid)) FROM pg_proc p
        UNION ALL SELECT 'roles', md5(string_agg(r::text, '|' ORDER BY oid)) FROM pg_roles r
        UNION ALL SELECT 'settings', md5(string_agg(s::text, '|' ORDER BY s::text)) FROM pg_db_role_setting s
        UNION ALL SELECT 'orders', md5(string_agg(o::text, '|' ORDER BY id)) FROM orders o
        UNION ALL SELECT 'customers', md5(string_agg(c::text, '|' ORDER BY id)) FROM customers c";
    database.query(query)
}

fn log_of(cluster: &Cluster) -> String {
    path(cluster.log_path())
}

fn path(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

/// Whether the tests' server has an extension to create.
fn create_extension(cluster: &Cluster, database: &Database<'_>, name: &str) -> bool {
    let has = cluster.has_extension(name);
    if has {
        database.execute(&format!("CREATE EXTENSION {name}"));
    }
    has
}

#[test]
fn applied_advice_makes_the_workload_faster_and_advising_changes_nothing() {
    let cluster = logging_cluster();
    let database = cluster.database();
    let has_hypopg = create_extension(&cluster, &database, "hypopg");
    database.execute(SCHEMA);
    database.execute(
        "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    );
    let slow = run(&database, &workload(150));
    let before = state(&database);

    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("postgresql.log");
    std::fs::copy(log_of(&cluster), &log).expect("the log is there");
    let reader = format!("{} user=reader", database.conn_string().replace("user=postgres", ""));
    let ran = dbopt(&["advise", &path(&log), "-d", &reader, "--format", "json"]);
    let advice = ran.json();
    let snapshot = path(folder.path().join("snapshot.json"));
    assert_eq!(dbopt(&["snapshot", "-d", &reader, "-o", &snapshot]).code, 0);
    assert_eq!(state(&database), before, "advise or snapshot changed the database");

    let index = &advice["create"][0];
    assert_eq!(
        (index["table"].as_str(), index["keys"][0].as_str()),
        (Some("orders"), Some("customer_id")),
        "{advice:#}"
    );
    assert_eq!(index["engine"], if has_hypopg { "hypopg" } else { "model" });
    let duplicates =
        advice["drop"].as_array().expect("a list").iter().filter(|drop| drop["reason"] == "duplicate").count();
    assert_eq!(duplicates, 1, "{advice:#}");
    let offline = dbopt(&["advise", &path(&log), "--snapshot", &snapshot, "--format", "json"]).json();
    assert_eq!(offline["create"][0]["keys"], index["keys"], "offline advice differs from live advice");

    let script = dbopt(&["advise", &path(&log), "-d", &reader, "--format", "sql"]);
    assert_eq!(script.code, 0, "{}", script.stderr);
    for statement in script.stdout.lines().filter(|line| !line.is_empty() && !line.starts_with(['-', '\\'])) {
        database.execute(statement);
    }
    let size = database.value(&format!("SELECT pg_relation_size('{}')::text", index["name"].as_str().expect("a name")));
    let size: f64 = size.parse().expect("a number");
    let predicted = index["bytes"].as_f64().expect("a number");
    assert!((predicted / size - 1.0).abs() < 0.15, "predicted {predicted}, built {size}");
    let fast = run(&database, &workload(150));
    assert!(slow > 5.0 * fast, "{slow} s before, {fast} s after");

    let all = std::fs::read(log_of(&cluster)).expect("the log is there");
    let known = std::fs::metadata(&log).expect("its first part is there").len() as usize;
    std::fs::write(&log, &all[known..]).expect("a file can be written");
    let again = dbopt(&["advise", &path(&log), "-d", &reader, "--format", "json"]).json();
    assert_eq!((&again["create"], &again["drop"]), (&serde_json::json!([]), &serde_json::json!([])), "{again:#}");
}

#[test]
fn without_hypopg_the_model_answers_and_says_so() {
    let database = Cluster::shared().database();
    database.execute(SCHEMA);
    let folder = tempfile::tempdir().expect("a folder");
    let sql = path(folder.path().join("workload.sql"));
    std::fs::write(&sql, workload(3)).expect("the file is written");
    let ran = dbopt(&["advise", "--sql", &sql, "-d", &database.conn_string(), "--format", "json"]);
    let advice = ran.json();
    assert_eq!(advice["create"][0]["engine"], "model");
    assert!(ran.stderr.contains("HypoPG"), "{}", ran.stderr);
    let ran = dbopt(&["advise", "--sql", &sql, "-d", &database.conn_string(), "--engine", "hypopg"]);
    ran.fails(2, "HypoPG");
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}

#[test]
fn a_role_without_rights_is_told_what_to_grant() {
    let database = Cluster::shared().database();
    database.execute(SCHEMA);
    let role = format!("nobody_{}", database.name());
    database.execute(&format!("CREATE ROLE {role} LOGIN"));
    let dsn = format!("{} user={role}", database.conn_string().replace("user=postgres", ""));
    let ran = dbopt(&["snapshot", "-d", &dsn]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("GRANT SELECT"), "{}", ran.stderr);
}

#[test]
fn statements_of_the_server_are_a_workload() {
    let cluster = logging_cluster();
    let database = cluster.database();
    if !create_extension(&cluster, &database, "pg_stat_statements") {
        // Servers without contrib cannot be asked.
        return;
    }
    database.execute(SCHEMA);
    // Loading the tables is no part of the workload.
    database.execute("SELECT pg_stat_statements_reset()");
    run(&database, &workload(50));
    let advice = dbopt(&["advise", "--pg-stat-statements", "-d", &database.conn_string(), "--format", "json"]).json();
    assert_eq!(advice["create"][0]["keys"][0], "customer_id", "{advice:#}");
    let other = Cluster::shared().database();
    dbopt(&["advise", "--pg-stat-statements", "-d", &other.conn_string()]).fails(2, "pg_stat_statements");
}

#[test]
fn a_wrong_database_or_user_is_one_clear_error() {
    let cluster = Cluster::shared();
    dbopt(&["snapshot", "-d", &cluster.conn_string("no_such_database")]).fails(3, "no_such_database");
    let dsn = format!("{} user=no_such_user", cluster.conn_string("postgres").replace("user=postgres", ""));
    dbopt(&["snapshot", "-d", &dsn]).fails(3, "no_such_user");
}

#[test]
fn an_empty_database_is_no_empty_success() {
    let database = Cluster::shared().database();
    dbopt(&["snapshot", "-d", &database.conn_string()]).fails(2, "no table");
}

/// Passes bytes on in both directions until the server has sent so many, then breaks the connection.
fn breaking_proxy(server_port: u16, bytes: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("the client comes");
        let server = TcpStream::connect(("127.0.0.1", server_port)).expect("the server is there");
        let (mut from_client, mut to_server) =
            (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let (mut server, mut client) = (server, client);
        let mut passed = 0;
        let mut buffer = [0; 512];
        while passed < bytes {
            match server.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    passed += read;
                    if client.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    });
    port
}

#[test]
fn a_connection_that_breaks_in_the_middle_is_an_error() {
    let cluster = Cluster::builder().listen_on_loopback().start().expect("a cluster starts");
    let database = cluster.database();
    database.execute(SCHEMA);
    let server_port = cluster.port();
    for bytes in [0, 300, 2_000, 6_000] {
        let port = breaking_proxy(server_port, bytes);
        let dsn = format!("postgresql://postgres@127.0.0.1:{port}/{}?sslmode=disable", database.name());
        let ran = dbopt(&["snapshot", "-d", &dsn]);
        assert_eq!(ran.code, 3, "after {bytes} bytes: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}
