//! `dbopt password`, which needs no server.

mod support;

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use support::{Ran, command, dbopt, ran};

const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2";

fn piped(mut command: Command, input: &str) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // A program that refuses its arguments has not read its input.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    ran(child.wait_with_output().expect("it ends"))
}

fn password(args: &[&str], input: &str) -> Ran {
    let mut command = command();
    command.arg("password").args(args);
    piped(command, input)
}

#[test]
fn a_password_is_hashed_and_verified() {
    let hashed = password(&["hash"], "correct horse\n");
    assert_eq!(hashed.code, 0, "{}", hashed.stderr);
    let hash = hashed.stdout.trim();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    let right = password(&["verify", hash], "correct horse\r\n");
    assert_eq!((right.code, &*right.stdout, &*right.stderr), (0, "right\n", ""));
    let wrong = password(&["verify", hash], "correct house");
    assert_eq!((wrong.code, &*wrong.stdout), (1, "wrong\n"));
    let outdated = password(&["verify", BCRYPT], "abc");
    assert_eq!((outdated.code, &*outdated.stdout), (0, "right\n"));
    assert!(outdated.stderr.contains("outdated-hash"), "{}", outdated.stderr);
}

#[test]
fn a_hash_can_come_from_a_file_and_a_policy_can_refuse_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let hash = write("hash", &format!("{BCRYPT}\n"));
    assert_eq!(password(&["verify", "--hash-file", &hash], "abc\n").code, 0);
    let policy = write("p.toml", "policy = 'passwords'\nversion = 1\naccept = []\n");
    let refused = password(&["verify", "--hash-file", &hash, "--policy", &policy], "abc\n");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("bcrypt, which the policy does not accept"), "{}", refused.stderr);
    // The shipped policy has a pepper, which is not here.
    let refused = password(&["hash", "--policy", "policies/passwords.toml"], "correct horse\n");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("environment variable `DBOPT_PEPPER_P1` is not set"), "{}", refused.stderr);
    let mut with = command();
    with.env("DBOPT_PEPPER_P1", "6b1d".repeat(16)).args(["password", "hash", "--policy", "policies/passwords.toml"]);
    let hashed = piped(with, "correct horse\n");
    assert!(hashed.stdout.contains(",keyid=cDE$"), "{} {}", hashed.stdout, hashed.stderr);
}

#[test]
fn what_cannot_be_done_is_said_without_the_password() {
    for (args, input, expected) in [
        (&["hash"][..], "hunter2\n", "the password is too short"),
        (&["hash"], "", "standard input is empty"),
        (&["verify", "hunter2"], "hunter2\n", "the stored text is no hash of a password"),
        (&["verify", "--hash-file", "-"], "hunter2\n", "where the password does"),
        (&["verify"], "hunter2\n", "required"),
        (&["calibrate", "--memory", "1MB"], "", "not enough for any hash"),
        (&["calibrate", "--memory", "much"], "", "no size"),
    ] {
        let run = password(args, input);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(expected) && !run.stderr.contains("hunter2"), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn a_cost_for_this_machine_is_proposed() {
    let run = dbopt(&["password", "calibrate", "--target", "30s", "--memory", "8MB", "--format", "json"]);
    let found = run.json();
    let (best, proposals) = (&found["best"], found["proposals"].as_array().expect("proposals"));
    assert_eq!((&best["memory_kb"], proposals.len()), (&7_168.into(), 1));
    assert!(best["passes"].as_u64().is_some_and(|passes| (5..=24).contains(&passes)), "{best}");
    let slow = dbopt(&["password", "calibrate", "--target", "0s", "--memory", "8MB"]);
    assert_eq!(slow.code, 1);
    assert!(slow.stdout.contains("too slow") && slow.stdout.contains("a hash that costs less is weak"));
}
