//! TLS and authentication against servers with certificates of their own.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use common::open;
use dbopt_pg::Error;
use dbopt_testkit::Cluster;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SerialNumber,
};

/// A server for `localhost`, signed by an authority, and the files a client may have.
struct Server {
    cluster: Cluster,
    files: tempfile::TempDir,
}

const SERIAL: u64 = 42;

impl Server {
    fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let files = tempfile::tempdir().expect("a temporary folder");
        let (authority, authority_pem) = authority("the authority");
        let (_, stranger_pem) = authority_of_strangers();
        let (server_pem, server_key) = signed("localhost", &authority);
        let (client_pem, client_key) = signed("cert_user", &authority);
        let write = |name: &str, text: &str| {
            let path = files.path().join(name);
            fs::write(&path, text).expect("a file can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions can be set");
        };
        write("root.crt", &authority_pem);
        write("stranger.crt", &stranger_pem);
        write("client.crt", &client_pem);
        write("client.key", &client_key);
        write("revoked.crl", &revocation_list(&authority));
        write("pgpass", "localhost:*:*:scram_user:right\n");
        let cluster = Cluster::builder()
            .listen_on_loopback()
            .setting("ssl", "on")
            .setting("ssl_ca_file", "root.crt")
            .setting("password_encryption", "scram-sha-256")
            .file("server.crt", server_pem)
            .file("server.key", server_key)
            .file("root.crt", authority_pem)
            .hba("host all postgres 127.0.0.1/32 trust")
            .hba("hostssl all tls_only 127.0.0.1/32 trust")
            .hba("hostnossl all plain_only 127.0.0.1/32 trust")
            .hba("host all scram_user 127.0.0.1/32 scram-sha-256")
            .hba("hostssl all cert_user 127.0.0.1/32 cert")
            .start()
            .expect("a server with TLS");
        cluster.execute(
            "postgres",
            "CREATE ROLE tls_only LOGIN; CREATE ROLE plain_only LOGIN; CREATE ROLE cert_user LOGIN;
             CREATE ROLE scram_user LOGIN PASSWORD 'right'",
        );
        Self { cluster, files }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// A connection string with `{name}` standing for the client's file of that name.
    fn conn_string(&self, rest: &str) -> String {
        let folder = self.files.path().display();
        let rest = rest.replace('{', &format!("{folder}/")).replace('}', "");
        let host = if rest.contains("host=") { "" } else { "host=localhost" };
        format!("{host} hostaddr=127.0.0.1 port={} dbname=postgres {rest}", self.cluster.port())
    }
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("a key");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    (Issuer::new(params, key), pem)
}

fn authority_of_strangers() -> (Issuer<'static, KeyPair>, String) {
    authority("somebody else")
}

/// A certificate for a name, as alternative name and as common name, and its key.
fn signed(name: &str, authority: &Issuer<'static, KeyPair>) -> (String, String) {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(SERIAL));
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

/// A list on which all certificates made by [`signed`] are revoked.
fn revocation_list(authority: &Issuer<'static, KeyPair>) -> String {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(SERIAL),
        revocation_time: rcgen::date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2024, 1, 1),
        next_update: rcgen::date_time_ymd(4000, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(authority).expect("a revocation list").pem().expect("PEM")
}

/// Whether the session is encrypted, or the error and its kind.
async fn outcome(conn_string: &str, variables: &[(&str, &str)]) -> String {
    match open(conn_string, variables).await {
        Ok(session) => {
            let rows = session.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await;
            let encrypted: bool = rows.expect("a row")[0].get(0);
            assert_eq!(session.is_encrypted(), encrypted);
            if encrypted { "tls".to_owned() } else { "plain".to_owned() }
        }
        Err(error) => error.to_string(),
    }
}

async fn check(rest: &str, expected: &str) {
    let shown = outcome(&Server::shared().conn_string(rest), &[]).await;
    // The outcomes of success are whole words; part of an error may look like them.
    let is_success = ["tls", "plain"].contains(&expected);
    assert!(if is_success { shown == expected } else { shown.contains(expected) }, "{rest}: {shown}");
}

#[tokio::test]
async fn modes_without_verification() {
    check("user=postgres sslmode=disable", "plain").await;
    check("user=tls_only sslmode=disable", "did not let user `tls_only` in").await;
    check("user=postgres sslmode=allow", "plain").await;
    check("user=tls_only sslmode=allow", "tls").await;
    check("user=postgres sslmode=prefer", "tls").await;
    check("user=plain_only sslmode=prefer", "plain").await;
    check("user=postgres", "tls").await;
    check("user=postgres sslmode=require", "tls").await;
    check("user=plain_only sslmode=require", "did not let user `plain_only` in").await;
    check("user=postgres host=db.example sslmode=require sslsni=0", "tls").await;
    check("user=postgres sslmode=require ssl_max_protocol_version=TLSv1.2", "tls").await;
    check("user=postgres sslmode=require ssl_min_protocol_version=TLSv1.3", "tls").await;
}

#[tokio::test]
async fn modes_with_verification() {
    check("user=postgres sslmode=verify-ca sslrootcert={root.crt}", "tls").await;
    check("user=postgres sslmode=verify-ca sslrootcert={root.crt} host=db.example", "tls").await;
    check("user=postgres sslmode=verify-ca sslrootcert={stranger.crt}", "not signed by a trusted authority").await;
    check("user=postgres sslmode=verify-ca sslrootcert={nothing.crt}", "nothing.crt` does not exist").await;
    check("user=postgres sslmode=verify-full sslrootcert={root.crt}", "tls").await;
    check("user=postgres sslmode=verify-full sslrootcert={root.crt} host=db.example", "for another host name").await;
    check("user=postgres sslmode=verify-full sslrootcert={stranger.crt}", "not signed by a trusted authority").await;
    check("user=postgres sslmode=verify-full sslrootcert={root.crt} host=''", "needs a host name").await;
    check("user=postgres sslmode=verify-full sslrootcert=system", "not signed by a trusted authority").await;
    check("user=postgres sslmode=verify-ca sslrootcert={client.key}", "holds no PEM certificates").await;
}

/// "If a root CA file exists, the behavior of sslmode=require will be the same as that of verify-ca" (libpq-ssl); the
/// same goes for `prefer`, whose way out is a plain connection.
#[tokio::test]
async fn a_root_certificate_makes_weaker_modes_verify() {
    check("user=postgres sslmode=require sslrootcert={root.crt} host=db.example", "tls").await;
    check("user=postgres sslmode=require sslrootcert={stranger.crt}", "not signed by a trusted authority").await;
    check("user=postgres sslmode=require sslrootcert={nothing.crt}", "tls").await;
    check("user=postgres sslmode=prefer sslrootcert={stranger.crt}", "plain").await;
    let server = Server::shared();
    let home = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(home.path().join(".postgresql")).expect("a folder can be made");
    fs::copy(server.file("stranger.crt"), home.path().join(".postgresql/root.crt")).expect("a file can be copied");
    let variables = [("HOME", home.path().to_str().expect("a UTF-8 path")), ("PGSSLMODE", "require")];
    let shown = outcome(&server.conn_string("user=postgres"), &variables).await;
    assert!(shown.contains("not signed by a trusted authority"), "{shown}");
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    check("user=postgres sslmode=verify-ca sslrootcert={root.crt} sslcrl={revoked.crl}", "has been revoked").await;
    check("user=postgres sslmode=verify-ca sslrootcert={root.crt} sslcrl={nothing.crl}", "cannot read").await;
}

#[tokio::test]
async fn a_client_certificate_lets_its_user_in() {
    let with_key = "user=cert_user sslmode=require sslcert={client.crt} sslkey={client.key}";
    check(with_key, "tls").await;
    check(&format!("{with_key} sslcertmode=disable"), "did not let user `cert_user` in").await;
    check("user=cert_user sslmode=require sslcert={client.crt} sslkey={nothing.key}", "cannot read the private key")
        .await;
    let server = Server::shared();
    let open_key = server.file("open.key");
    fs::copy(server.file("client.key"), &open_key).expect("a file can be copied");
    fs::set_permissions(&open_key, fs::Permissions::from_mode(0o644)).expect("permissions can be set");
    check("user=cert_user sslmode=require sslcert={client.crt} sslkey={open.key}", "others have access").await;
}

#[tokio::test]
async fn passwords_are_checked_and_bound_to_the_channel() {
    check("user=scram_user password=right sslmode=disable", "plain").await;
    check("user=scram_user password=right channel_binding=require", "tls").await;
    check("user=scram_user password=right channel_binding=require sslmode=disable", "did not use channel binding")
        .await;
    check("user=scram_user password=wrong", "password authentication failed").await;
    check("user=scram_user", "wants a password for user `scram_user`, and none was given").await;
    check("user=scram_user passfile={pgpass}", "tls").await;
}

#[tokio::test]
async fn a_statement_is_cancelled_over_tls() {
    let session = open(&Server::shared().conn_string("user=postgres sslmode=require"), &[]).await.expect("a session");
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        session.cancel().await
    };
    let (result, cancelled) = tokio::join!(session.query("SELECT pg_sleep(60)", &[]), cancel);
    cancelled.expect("the request is sent");
    assert!(matches!(result, Err(Error::Cancelled { .. })), "{result:?}");
}

#[tokio::test]
async fn sockets_are_not_encrypted_whatever_the_mode() {
    let cluster = &Server::shared().cluster;
    assert_eq!(outcome(&format!("{} sslmode=verify-full", cluster.conn_string("postgres")), &[]).await, "plain");
}

#[tokio::test]
async fn direct_negotiation_works_with_servers_that_know_it() {
    if Server::shared().cluster.server_version_num() >= 170_000 {
        check("user=postgres sslmode=require sslnegotiation=direct", "tls").await;
    } else {
        check("user=postgres sslmode=require sslnegotiation=direct connect_timeout=5", "TLS with").await;
    }
}

/// As PostgreSQL's documentation makes one ("ssl-tcp", 19.9.5): self-signed, the host in the common name alone.
#[tokio::test]
async fn a_self_signed_certificate_without_alternative_names_can_be_its_own_root() {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let files = tempfile::tempdir().expect("a temporary folder");
    fs::write(files.path().join("root.crt"), &pem).expect("a file can be written");
    let cluster = Cluster::builder().listen_on_loopback().setting("ssl", "on").file("server.crt", pem);
    let cluster = cluster.file("server.key", key.serialize_pem()).start().expect("a server with TLS");
    let root = Path::new(files.path()).join("root.crt");
    let conn_string = |host: &str| {
        let (port, root) = (cluster.port(), root.display());
        format!("host={host} hostaddr=127.0.0.1 port={port} sslmode=verify-full sslrootcert={root}")
    };
    assert_eq!(outcome(&conn_string("localhost"), &[]).await, "tls");
    let shown = outcome(&conn_string("db.example"), &[]).await;
    assert!(shown.contains("for another host name"), "{shown}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_when_tls_is_required() {
    let cluster = Cluster::builder().listen_on_loopback().start().expect("a server");
    let conn_string = |mode: &str| format!("host=127.0.0.1 port={} sslmode={mode}", cluster.port());
    assert_eq!(outcome(&conn_string("prefer"), &[]).await, "plain");
    let shown = outcome(&conn_string("require"), &[]).await;
    assert!(shown.contains("server does not support TLS"), "{shown}");
}
