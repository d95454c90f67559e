//! Tests of the policy.

use std::time::{Duration, SystemTime};

use super::*;
use crate::{Grant, MemorySessions};

fn read(body: &str) -> Result<(AccessPolicy, Vec<String>), Vec<String>> {
    let text = format!("policy = 'access'\nversion = 1\n{body}");
    let codes = |findings: &[dbopt_finding::Finding]| findings.iter().map(|finding| finding.code.to_string()).collect();
    match dbopt_policy::parse::<AccessPolicy>(text, "a.toml") {
        Ok(loaded) => Ok((loaded.policy, codes(&loaded.findings))),
        Err(refused) => Err(codes(&refused.findings)),
    }
}

const TOKEN: &str = "[token]\nissuer = 'id'\naudience = 'orders'\n";

#[test]
fn each_key_has_its_effect() {
    let (policy, weak) = read(
        "permissions = ['orders:read', 'orders:write']\n\
         [token]\nissuer = 'id'\naudience = 'orders'\nkind = 'JWT'\nlifetime = '5m'\nlongest = '10m'\nleeway = '5s'\n\
         most_bytes = '4kB'\nsigning = 'k2'\n\
         key.k1 = { algorithm = 'ES256', secret = 'file:k1.pem', until = '2026-12-01T00:00:00Z' }\n\
         key.k2 = { algorithm = 'EdDSA', secret = 'file:k2.pem' }\n\
         [session]\nidle = '1h'\nlongest = '2d'\ngrace = '0s'\nkey_of_new = 'r2'\n\
         key.r1.secret = 'env:R1'\nkey.r2.secret = 'env:R2'\nkey.r3.secret = 'env:R3'\n\
         [role.viewer]\npermissions = ['orders:read']\n\
         [role.admin]\ninherits = ['viewer']\npermissions = ['orders:*']\nall_tenants = true\n",
    )
    .expect("good");
    assert_eq!(weak, [""; 0]);
    let config = policy.token.as_ref().expect("tokens");
    assert_eq!((&*config.issuer, &*config.audience, &*config.kind), ("id", "orders", "JWT"));
    let seconds = [config.lifetime, config.longest, config.leeway].map(|time| time.as_secs());
    assert_eq!((seconds, config.most_bytes), ([300, 600, 5], 4096));
    assert_eq!(policy.signing.as_deref(), Some("k2"));
    let ends: Vec<_> = policy.keys.iter().map(|key| (&*key.id, key.algorithm, key.until.is_some())).collect();
    assert_eq!(ends, [("k1", Algorithm::ES256, true), ("k2", Algorithm::EdDSA, false)]);
    let session = policy.session;
    let seconds = [session.idle, session.longest, session.grace].map(|time| time.as_secs());
    assert_eq!(seconds, [3_600, 2 * 86_400, 0]);
    assert_eq!(policy.refresh.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["r2", "r1", "r3"]);
    let write = policy.matrix.permission("orders:write").expect("a permission");
    assert!(policy.matrix.allows_in(&["admin"], write, None, "acme") && !policy.matrix.allows(&["viewer"], write));
}

#[test]
fn weak_choices_are_told() {
    let weak = |body: &str| read(body).expect("valid").1;
    assert_eq!(weak(TOKEN), [""; 0]);
    assert_eq!(weak(&format!("{TOKEN}longest = '30d'")), ["long-lifetime"]);
    assert_eq!(weak(&format!("{TOKEN}leeway = '1h'")), ["wide-leeway"]);
    assert_eq!(weak("session.longest = '3650d'"), ["long-session"]);
    assert_eq!(weak("session.grace = '1h'"), ["long-grace"]);
    assert_eq!(weak("permissions = ['a:b']"), ["unused-permission"]);
    assert_eq!(weak("[role.nothing]"), ["empty-role"]);
    let two = format!(
        "{TOKEN}signing = 'k2'\nkey.k1 = {{ algorithm = 'HS256', secret = 'env:A' }}\nkey.k2 = {{ algorithm = 'HS256', secret = 'env:B' }}"
    );
    assert_eq!(weak(&two), ["endless-key"]);
}

#[test]
fn faults_are_told() {
    let faults = |body: &str| read(body).expect_err("faults");
    assert_eq!(faults("[token]"), ["missing-key", "missing-key"]);
    assert_eq!(faults("[token]\nissuer = ''\naudience = ' '"), ["bad-value", "bad-value"]);
    assert_eq!(faults(&format!("{TOKEN}lifetime = '2h'\nlongest = '1h'")), ["contradiction"]);
    assert_eq!(faults(&format!("{TOKEN}lifetime = '500ms'")), ["out-of-range"]);
    assert_eq!(faults(&format!("{TOKEN}most_bytes = '1MB'")), ["out-of-range"]);
    assert_eq!(faults(&format!("{TOKEN}signing = 'k1'")), ["unknown-key-name"]);
    assert_eq!(faults(&format!("{TOKEN}key.k1 = {{ algorithm = 'none', secret = 'env:A' }}")), ["bad-value"]);
    assert_eq!(faults(&format!("{TOKEN}key.k1 = {{ secret = 'hunter2' }}")), ["missing-key", "bad-secret"]);
    assert_eq!(
        faults(&format!("{TOKEN}key.k1 = {{ algorithm = 'HS256', secret = 'env:A', until = 'soon' }}")),
        ["bad-time"]
    );
    let shared = format!(
        "{TOKEN}key.k1 = {{ algorithm = 'HS256', secret = 'env:A' }}\nkey.k2 = {{ algorithm = 'RS256', secret = 'env:A' }}"
    );
    assert_eq!(faults(&shared), ["shared-key"]);
    assert_eq!(faults("session = { idle = '2d', longest = '1d' }"), ["contradiction"]);
    assert_eq!(faults("session.key_of_new = 'r1'"), ["unknown-key-name"]);
    assert_eq!(faults("session.key = { a.secret = 'env:A', b.secret = 'env:B' }"), ["missing-key"]);
    assert_eq!(
        faults("permissions = ['Orders', 'a:b', 'a:b']\nrole.r.permissions = ['a:*']"),
        ["bad-permission", "same-permission"]
    );
    assert_eq!(
        faults("permissions = ['a:b']\n[role.r]\npermissions = ['c:*']\ninherits = ['x']"),
        ["unknown-permission", "unknown-role"]
    );
    assert_eq!(faults("[role.a]\ninherits = ['b']\n[role.b]\ninherits = ['a']"), ["role-cycle"]);
}

#[test]
fn a_route_that_nothing_protects_is_told() {
    let routes = "permissions = ['orders:read']\nrole.r.permissions = ['orders:*']\n";
    let route = |body: &str| read(&format!("{routes}[[route]]\n{body}"));
    let (policy, weak) = route("methods = ['GET']\npath = '/orders'\npermission = 'orders:read'").expect("good");
    assert_eq!(weak, [""; 0]);
    let found = policy.routes.expect("routes");
    assert_eq!(found.find("GET", "/orders"), Some(&crate::Asks::Permission("orders:read".to_owned())));
    let faults = |body: &str| route(body).expect_err("faults");
    assert_eq!(faults("methods = ['GET']\npath = '/orders'"), ["unprotected-route"]);
    assert_eq!(faults("methods = ['GET']\npath = '/orders'\npublic = false"), ["unprotected-route"]);
    assert_eq!(faults("methods = ['GET']\npath = '/orders'\npermission = 'orders:raed'"), ["unknown-permission"]);
    assert_eq!(faults("methods = ['GET']\npath = '/o'\npermission = 'orders:read'\npublic = true"), ["contradiction"]);
    assert_eq!(faults("methods = ['LIST']\npath = '/o'\npublic = true"), ["bad-value"]);
    assert_eq!(faults("methods = []\npath = '/o'\npublic = true"), ["bad-value"]);
    assert_eq!(faults("methods = ['GET']\npath = 'o'\npublic = true"), ["bad-route"]);
    let twice = "methods = ['GET', 'POST']\npath = '/{a}'\npublic = true\n[[route]]\nmethods = ['POST']\npath = '/{b}'\nauthenticated = true";
    assert_eq!(faults(twice), ["same-route"]);
    let (_, weak) = route("methods = ['GET']\npath = '/{*all}'\npublic = true").expect("valid");
    assert_eq!(weak, ["public-rest"]);
    assert!(read(routes).expect("good").0.routes.is_none());
}

/// A copy of a key is the same key, and one that is none is told before a service starts with it.
#[test]
fn keys_are_looked_at_where_they_are() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = std::env::temp_dir().join(format!("dbopt-access-keys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let check = |one: &str, other: &str, second: &str, secrets: bool| {
        for (name, secret) in [("one", one), ("other", other)] {
            let path = folder.join(name);
            std::fs::write(&path, secret).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
        }
        let path = folder.join("access.toml");
        let text = format!(
            "policy = 'access'\nversion = 1\n{TOKEN}key.k1 = {{ algorithm = 'RS256', secret = 'file:one' }}\n\
             key.k2 = {{ algorithm = '{second}', secret = 'file:other' }}\n"
        );
        std::fs::write(&path, text).expect("written");
        match dbopt_policy::load_with::<AccessPolicy>(&path, dbopt_policy::Options { secrets }) {
            Ok(loaded) => loaded.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            Err(refused) => refused.findings.iter().map(|finding| finding.code.to_string()).collect(),
        }
    };
    let (private, public) = (include_str!("../../tests/keys/rsa.pem"), include_str!("../../tests/keys/rsa.pub.pem"));
    assert_eq!(check(private, public, "PS256", true), ["shared-key"]);
    assert_eq!(check(private, public, "PS256", false), [""; 0]);
    assert_eq!(check(private, public, "RS256", true), [""; 0], "two names of one key are one key");
    assert_eq!(check(private, public, "ES256", true), ["bad-key"]);
    std::fs::remove_dir_all(folder).expect("removed");
}

/// The shipped policy, with keys that a test may have.
#[tokio::test]
async fn the_shipped_policy_works() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/access.toml");
    let options = dbopt_policy::Options { secrets: false };
    let mut policy = dbopt_policy::load_with::<AccessPolicy>(path, options).expect("good").policy;
    assert!(policy.keys().is_err(), "its keys are not here");
    let folder = std::env::temp_dir().join(format!("dbopt-access-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("written");
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
        SecretRef::File(path)
    };
    policy.keys.retain(|key| Some(&key.id) == policy.signing.as_ref());
    policy.keys[0].secret = write("token.pem", include_bytes!("../../tests/keys/ed25519.pem"));
    policy.refresh[0].1 = write("refresh", "6b1d".repeat(16).as_bytes());
    policy.refresh.truncate(1);
    let sessions = policy.sessions(MemorySessions::new(10)).expect("keys");
    let pair = sessions.begin(&Grant::new("user-7").tenant("acme").roles(["analyst"])).await.expect("a pair");
    let verified = sessions.verify(&pair.access).await.expect("right");
    let identity = crate::Identity::new(verified, std::sync::Arc::new(policy.matrix.clone()));
    assert!(identity.allows("reports:read") && identity.allows_in("orders:read", "acme"));
    assert!(!identity.allows_in("orders:read", "other") && !identity.allows("users:manage"));
    assert!(
        pair.claims.expires - pair.claims.issued <= 3_600
            && SystemTime::now() > SystemTime::UNIX_EPOCH + Duration::from_secs(pair.claims.issued)
    );
    std::fs::remove_dir_all(folder).expect("removed");
}
