//! `dbopt policy`, which needs no server.

mod support;

use std::io::Write;

use support::{command, dbopt, ran};

const GOOD: &str = "policy = 'run'\nversion = 1\n";
const BAD: &str = "policy = 'run'\nversion = 1\n[locks]\ntimeout = '1 parsec'\ntreis = 3\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("good.toml"), GOOD).expect("written");
    std::fs::write(folder.path().join("bad.toml"), BAD).expect("written");
    folder
}

fn check(folder: &tempfile::TempDir, args: &[&str]) -> support::Ran {
    ran(command().current_dir(folder.path()).args(["policy", "check"]).args(args).output().expect("it starts"))
}

#[test]
fn the_shipped_policies_are_good() {
    let run = dbopt(&["policy", "check", "policies/run.toml"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "1 policy checked, nothing found.\n"), "{}", run.stderr);
    // Its keys are on no machine.
    let run = dbopt(&["policy", "check", "--no-secrets", "policies/encryption.toml"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "1 policy checked, nothing found.\n"), "{}", run.stderr);
}

#[test]
fn keys_that_others_can_read_are_found() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder();
    let policy = "policy = 'encryption'\nversion = 1\nkeyring = 'shop.keys'\n[kek]\nname = 'kek-1'\nkey = 'file:kek'\n";
    std::fs::write(folder.path().join("encryption.toml"), policy).expect("written");
    let kek = folder.path().join("kek");
    std::fs::write(&kek, "0123456789abcdef".repeat(4)).expect("written");
    std::fs::set_permissions(&kek, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let run = check(&folder, &["encryption.toml"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("[open-secret]") && !run.stdout.contains("0123456789abcdef"), "{}", run.stdout);
    std::fs::set_permissions(&kek, std::fs::Permissions::from_mode(0o600)).expect("changed");
    assert_eq!(check(&folder, &["encryption.toml"]).code, 0);
    std::fs::write(&kek, "0123456789abcdef").expect("written");
    let run = check(&folder, &["encryption.toml"]);
    assert!(run.code == 1 && run.stdout.contains("[short-key]"), "{}", run.stdout);
}

#[test]
fn weak_choices_fail_when_asked_to() {
    let folder = folder();
    let weak = "policy = 'maintenance'\nversion = 1\n[vacuum]\ntruncate = true\n";
    std::fs::write(folder.path().join("weak.toml"), weak).expect("written");
    let run = check(&folder, &["weak.toml"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.contains("weak.toml:4:12: giving pages back takes"), "{}", run.stdout);
    assert!(run.stdout.contains("[truncate-locks]") && run.stdout.contains("0 errors, 1 warning."), "{}", run.stdout);
    assert_eq!(check(&folder, &["weak.toml", "--fail-on", "warning"]).code, 1);
}

#[test]
fn findings_are_printed_in_every_format() {
    let folder = folder();
    let terminal = check(&folder, &["good.toml", "bad.toml"]);
    assert_eq!(terminal.code, 1);
    for part in ["bad.toml:4:11: duration `1 parsec`", "[bad-duration]", "  4 | timeout", "Did you mean `tries`?"] {
        assert!(terminal.stdout.contains(part), "{}", terminal.stdout);
    }
    assert!(terminal.stdout.ends_with("2 policies checked: 2 errors, 0 warnings.\n"), "{}", terminal.stdout);

    let json = |format| {
        let run = check(&folder, &["bad.toml", "--format", format]);
        assert_eq!(run.code, 1);
        serde_json::from_str::<serde_json::Value>(&run.stdout).expect("JSON")
    };
    let view = json("json");
    assert_eq!((&view["errors"], &view["policies"][0]["usable"]), (&2.into(), &false.into()));
    assert_eq!((&view["findings"][1]["line"], &view["findings"][1]["column"]), (&5.into(), &1.into()));
    let region = &json("sarif")["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&5.into(), &1.into()));
    assert_eq!(json("gitlab")[1]["location"], serde_json::json!({ "path": "bad.toml", "lines": { "begin": 5 } }));

    let github = check(&folder, &["bad.toml", "--format", "github"]).stdout;
    assert!(github.contains("::error file=bad.toml,line=5,col=1,title=unknown-key::unknown key `treis`"), "{github}");
    let gcc = check(&folder, &["bad.toml", "--format", "gcc"]).stdout;
    assert!(gcc.contains("bad.toml:5:1: error: unknown key `treis` in `locks` [unknown-key]\n"), "{gcc}");
}

#[test]
fn what_cannot_be_read_is_2() {
    let folder = folder();
    let run = check(&folder, &["no.toml", "good.toml"]);
    assert_eq!(run.code, 2);
    assert!(run.stdout.contains("no.toml") && run.stdout.contains("no such file"), "{}", run.stdout);
    assert_eq!(check(&folder, &["."]).code, 2);
    assert_eq!(check(&folder, &[]).code, 2);
    dbopt(&["policy", "schema", "rnu"]).fails(2, "run");
}

#[test]
fn standard_input_is_checked() {
    let mut child = command();
    child.args(["policy", "check", "-"]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = child.stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(BAD.as_bytes()).expect("written");
    let run = ran(child.wait_with_output().expect("it ends"));
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("<stdin>:5:1:"), "{}", run.stdout);
}

#[test]
fn the_schema_of_a_kind_is_printed() {
    let schema = dbopt(&["policy", "schema", "run"]).json();
    assert_eq!(schema["properties"]["policy"]["const"], "run");
    let encryption = dbopt(&["policy", "schema", "encryption"]).json();
    let column = &encryption["properties"]["column"]["items"]["properties"];
    assert_eq!(column["index"]["items"]["properties"]["bits"]["type"], "integer");
    assert_eq!(
        schema["properties"]["throttle"]["properties"]["probe"]["required"],
        serde_json::json!(["sql", "longest"])
    );
}
