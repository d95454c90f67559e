//! Which source wins, and what is refused.

use super::*;

fn resolve(database: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let args = ConnectArgs { database: Some(database), ..ConnectArgs::default() };
    Settings::resolve(&args, &Environment::new(variables.iter().copied(), "me"))
}

fn check(database: &str, variables: &[(&str, &str)], expected: &str) {
    let shown = resolve(database, variables).map_or_else(|error| error.to_string(), |settings| settings.to_string());
    assert_eq!(shown, expected, "{database}");
}

#[test]
fn what_was_typed_wins_over_the_environment() {
    check("shop", &[("PGHOST", "h"), ("PGPORT", "7")], "database `shop` as `me` on h:7");
    check("host=a", &[("PGHOST", "h"), ("PGUSER", "u")], "database `u` as `u` on a:5432");
    check("postgres://x@a/d", &[("PGUSER", "u"), ("PGDATABASE", "b")], "database `d` as `x` on a:5432");
    check("", &[("PGHOST", "h"), ("PGDATABASE", "b")], "database `me` as `me` on h:5432");
    check("host=a,b port=1,2 user=''", &[], "database `me` as `me` on a:1, b:2");
}

#[test]
fn the_connection_string_wins_over_options() {
    let args = ConnectArgs { database: Some("host=a"), host: Some("b"), port: Some("9"), ..ConnectArgs::default() };
    let settings = Settings::resolve(&args, &Environment::new([], "me")).expect("settings");
    assert_eq!(settings.to_string(), "database `me` as `me` on a:9");
}

#[test]
fn faults_name_their_source() {
    check("shop", &[("PGPORT", "x")], "invalid port number (from environment variable PGPORT)");
    check("host=h sslmode=maybe", &[], "invalid value `maybe` of `sslmode` (from the connection string)");
    check(
        "host=h connect_timeout=soon",
        &[],
        "invalid number `soon` of `connect_timeout` (from the connection string)",
    );
    check(
        "host=h gssencmode=require",
        &[],
        "this value of the connection parameter `gssencmode` is not supported (from the connection string)",
    );
    check(
        "host=h require_auth=scram-sha-256",
        &[],
        "the connection parameter `require_auth` is not supported (from the connection string)",
    );
    check(
        "host=h gssencmode=prefer krbsrvname=x client_encoding=LATIN1 require_auth=''",
        &[],
        "database `me` as `me` on h:5432",
    );
    check(
        "host=h sslmode=require sslrootcert=system",
        &[],
        "this `sslmode` is too weak for `sslrootcert=system` (from the connection string)",
    );
    check(
        "host=h sslnegotiation=direct",
        &[],
        "this `sslmode` is too weak for `sslnegotiation=direct` (from the connection string)",
    );
    check("hots=h", &[], "unknown connection parameter `hots` at character 1 (from the connection string)");
}

#[test]
fn the_default_sslmode_depends_on_the_root_certificates() {
    let mode = |database, variables: &[(&str, &str)]| resolve(database, variables).expect("settings").tls.mode;
    assert_eq!(mode("host=h", &[]), SslMode::Prefer);
    assert_eq!(mode("host=h", &[("PGSSLROOTCERT", "system")]), SslMode::VerifyFull);
    assert_eq!(mode("host=h sslmode=disable", &[("PGSSLROOTCERT", "system")]), SslMode::Disable);
    assert_eq!(mode("host=h", &[("PGREQUIRESSL", "1")]), SslMode::Require);
    assert_eq!(mode("host=h", &[("PGREQUIRESSL", "1"), ("PGSSLMODE", "allow")]), SslMode::Allow);
}

#[test]
fn numbers_and_names_have_libpqs_defaults() {
    let settings =
        resolve("host=h connect_timeout=0 keepalives=0 keepalives_idle=7 tcp_user_timeout=50", &[]).expect("settings");
    assert_eq!(settings.connect_timeout, None);
    assert!(!settings.keepalives.enabled);
    assert_eq!(settings.keepalives.idle, Some(Duration::from_secs(7)));
    assert_eq!(settings.keepalives.user_timeout, Some(Duration::from_millis(50)));
    // What was given stays, the rest is filled in.
    let noticing = settings.clone().noticing_cuts(Duration::from_secs(30)).keepalives;
    assert_eq!((noticing.enabled, noticing.idle), (false, Some(Duration::from_secs(7))));
    assert_eq!((noticing.interval, noticing.count), (Some(Duration::from_secs(5)), Some(3)));
    assert_eq!(noticing.user_timeout, Some(Duration::from_millis(50)));
    assert_eq!(settings.application_name, "dbopt");
    assert_eq!(resolve("fallback_application_name=x", &[]).expect("settings").application_name, "x");
    assert_eq!(resolve("fallback_application_name=x", &[("PGAPPNAME", "y")]).expect("settings").application_name, "y");
}

/// A home folder with these files, which only the owner can read.
fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = home.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions can be set");
    }
    home
}

#[test]
fn a_service_stands_between_the_string_and_the_environment() {
    let home = home(&[(".pg_service.conf", "[prod]\nhost=s\nport=6\nuser=serviceuser\n")]);
    let at = home.path().to_str().expect("a UTF-8 path");
    let environment = [("HOME", at), ("PGHOST", "h"), ("PGDATABASE", "b"), ("PGSYSCONFDIR", at)];
    check("service=prod port=5", &environment, "database `b` as `serviceuser` on s:5");
    let by_variable = [("HOME", at), ("PGSERVICE", "prod")];
    check("shop", &by_variable, "database `shop` as `serviceuser` on s:6");
    check("service=none", &environment, "service `none` is not defined");
    let elsewhere = [("PGSERVICEFILE", "/nonexistent"), ("PGSYSCONFDIR", at)];
    fs::write(home.path().join("pg_service.conf"), "[site]\nhost=w\n").expect("a file can be written");
    check("service=site", &elsewhere, "database `me` as `me` on w:5432");
}

#[test]
fn passwords_come_from_the_password_file_for_each_host() {
    let home = home(&[(".pgpass", "a:*:*:*:for-a\n*:7:shop:me:for-seven\nlocalhost:*:*:*:for-socket\n")]);
    let at = home.path().to_str().expect("a UTF-8 path");
    let passwords = |database: &str| -> Vec<Option<String>> {
        let settings = resolve(database, &[("HOME", at)]).expect("settings");
        assert_eq!(settings.notices(), []);
        settings.passwords.iter().map(|password| password.as_ref().map(|p| p.reveal().to_owned())).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(passwords("dbname=shop host=a,b,c port=1,7,8"), [some("for-a"), some("for-seven"), None]);
    assert_eq!(passwords("host=a password=given"), [some("given")]);
    assert_eq!(passwords("dbname=x"), [some("for-socket")]);
}

#[test]
fn a_password_file_open_to_others_is_ignored_with_a_notice() {
    let home = home(&[("pass", "*:*:*:*:x")]);
    let path = home.path().join("pass");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("permissions can be set");
    let settings = resolve("host=h", &[("PGPASSFILE", path.to_str().expect("a UTF-8 path"))]).expect("settings");
    assert_eq!(settings.passwords, [None]);
    let [notice] = settings.notices() else { panic!("one notice: {:?}", settings.notices()) };
    assert!(notice.message.ends_with("is ignored: group or others have access to it"), "{}", notice.message);
    assert_eq!(notice.hint, Some(format!("chmod 0600 {}", path.display())));
}

#[test]
fn no_password_is_printed() {
    let args = ConnectArgs { database: Some("host=h password=hunter2"), ..ConnectArgs::default() };
    let environment = Environment::new([("PGPASSWORD", "hunter2")], "me");
    let settings = Settings::resolve(&args, &environment).expect("settings");
    let printed = format!("{settings} {settings:?} {environment:?}");
    assert!(!printed.contains("hunter2"), "{printed}");
}
