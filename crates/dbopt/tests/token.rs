//! `dbopt token`, which needs no server.

mod support;

use std::{io::Write as _, os::unix::fs::PermissionsExt as _, process::Stdio};

use support::{Ran, command, ran};

/// A folder with a policy and its key.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
    };
    write("secret", &"6b1d".repeat(16));
    let policy = "policy = 'access'\nversion = 1\npermissions = ['orders:read', 'orders:write']\n\
                  [token]\nissuer = 'id'\naudience = 'orders'\nsigning = 'k1'\n\
                  key.k1 = { algorithm = 'HS256', secret = 'file:secret' }\n\
                  [role.viewer]\npermissions = ['orders:read']\n\
                  [role.admin]\ninherits = ['viewer']\npermissions = ['orders:write']\n";
    write("access.toml", policy);
    write("other.toml", &policy.replace("'orders'\n", "'billing'\n"));
    folder
}

fn token(folder: &tempfile::TempDir, args: &[&str], input: &str) -> Ran {
    let mut child = command()
        .current_dir(folder.path())
        .arg("token")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A program that refuses its arguments has not read its input.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    ran(child.wait_with_output().expect("it ends"))
}

fn issued(folder: &tempfile::TempDir, args: &[&str]) -> String {
    let args = [&["issue", "--policy", "access.toml", "--subject", "user-7"], args].concat();
    let run = token(folder, &args, "");
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout
}

#[test]
fn what_is_issued_is_verified_with_the_reason_of_each_answer() {
    let folder = folder();
    let issued = issued(&folder, &["--tenant", "acme", "--role", "admin"]);
    let run = token(&folder, &["verify", "--policy", "access.toml"], &issued);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("The token is right.") && run.stdout.contains("user-7"), "{}", run.stdout);
    let asked = |tenant: &str, permission: &str| {
        let args =
            ["verify", "--policy", "access.toml", "--permission", permission, "--tenant", tenant, "--format", "json"];
        let run = token(&folder, &args, &format!("Bearer {issued}"));
        let answer: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        (run.code, answer["decision"]["why"].as_str().expect("text").to_owned())
    };
    assert_eq!(
        asked("acme", "orders:read"),
        (0, "allowed: role `admin` inherits from `viewer`, which is given `orders:read`".to_owned())
    );
    assert_eq!(asked("other", "orders:read"), (1, "denied: it belongs to another tenant".to_owned()));
    assert_eq!(asked("acme", "orders:delete"), (1, "denied: there is no such permission".to_owned()));
}

#[test]
fn what_is_refused_is_refused_with_its_reason() {
    let folder = folder();
    let issued = issued(&folder, &[]);
    let check = |policy: &str, text: &str, reason: &str| {
        let run = token(&folder, &["verify", "--policy", policy, "--format", "json"], text);
        assert_eq!(run.code, 1, "{}", run.stderr);
        let answer: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        assert_eq!((&answer["verified"], &answer["reason"]), (&false.into(), &reason.into()));
    };
    check("other.toml", &issued, "audience");
    check("access.toml", &issued.replacen('.', ".e30.", 1), "parts");
    let (message, tag) = issued.trim().rsplit_once('.').expect("parts");
    let reversed: String = tag.chars().rev().collect();
    check("access.toml", &format!("{message}.A{}", &reversed[1..reversed.len() - 1].to_owned()), "base64");
    check("access.toml", &format!("{message}."), "signature");
    check("access.toml", "eyJhbGciOiJub25lIn0.e30.", "unsigned");
}

#[test]
fn a_token_is_shown_and_said_to_be_unverified() {
    let folder = folder();
    let shown = token(&folder, &["inspect"], "eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDAwMDB9.");
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for part in ["anybody could have written it", "none", "1800000000 (2027-01-15T08:00:00Z)"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let none = token(&folder, &["inspect"], "hunter2");
    assert_eq!(none.code, 1);
    assert!(none.stdout.contains("no token") && !none.stdout.contains("hunter2"), "{}", none.stdout);
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = folder();
    let run = token(&folder, &["issue", "--policy", "access.toml", "--subject", "u", "--role", "admn"], "");
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains("no role `admn`") && run.stderr.contains("`admin`"), "{}", run.stderr);
    for (args, expected) in [
        (&["issue", "--policy", "access.toml", "--subject", ""][..], "the claim `sub`"),
        (&["issue", "--policy", "none.toml", "--subject", "u"], "cannot be used"),
        (&["verify", "--policy", "access.toml", "--tenant", "a"], "--permission"),
        (&["verify", "--policy", "access.toml"], "standard input is empty"),
    ] {
        let run = token(&folder, args, "");
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    }
    let key = folder.path().join("secret");
    std::fs::write(&key, "hunter2hunter2").expect("written");
    let run = token(&folder, &["issue", "--policy", "access.toml", "--subject", "u"], "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("key `k1` cannot be used") && !run.stderr.contains("hunter2"), "{}", run.stderr);
}
