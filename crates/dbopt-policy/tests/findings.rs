//! What people see of a bad policy, with a sample kind of every sort of key.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use dbopt_finding::{Finding, Severity};
use dbopt_policy::{
    Bytes, Kind, Options, Policy, Rate, SecretRef, Table, TableSelector, Window, Windows, check, check_text, load,
    parse,
};

/// Settings such as a runner has.
#[derive(Debug)]
#[expect(dead_code, reason = "the fields show what a domain crate keeps; the tests look at few of them")]
struct Run {
    target: String,
    key: Option<SecretRef>,
    tables: Vec<TableSelector>,
    mode: Mode,
    windows: Windows,
    locks: Locks,
    classes: Vec<(String, Rate)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Careful,
    Fast,
}

#[derive(Debug)]
#[expect(dead_code, reason = "as above")]
struct Locks {
    timeout: Duration,
    tries: u32,
    wal: Bytes,
}

impl Policy for Run {
    const KIND: &'static str = "sample";
    const ABOUT: &'static str = "How work is run.";

    fn read(table: &Table<'_>) -> Option<Self> {
        let target = table.required("target", "The database.");
        let key = table.optional("key", "The key of pseudonyms.");
        let tables = table.or("tables", "The tables it touches.", Vec::new());
        let mode = table.choice("mode", "How careful it is.", &[("careful", Mode::Careful), ("fast", Mode::Fast)]);
        let windows = Windows(table.sections("window", "When it may run.", Window::read));
        let locks = table.section("locks", "How it waits for locks.", |table| Locks {
            timeout: table.or("timeout", "How long it waits for a lock.", Duration::from_secs(2)),
            tries: table.or("tries", "How often it tries.", 5),
            wal: table.or("wal", "Most WAL a step may write.", Bytes(1 << 30)),
        });
        let classes = table.named("class", "Limits by class.", |_, table| table.required("rate", "How many steps."));
        Some(Self { target: target?, key, tables, mode: mode.unwrap_or(Mode::Careful), windows, locks, classes })
    }
}

const HEADER: &str = "policy = \"sample\"\nversion = 1\ntarget = \"db\"\n";

/// Settings without a secret.
#[derive(Debug)]
struct Plain;

impl Policy for Plain {
    const KIND: &'static str = "plain";
    const ABOUT: &'static str = "How little there is.";

    fn read(table: &Table<'_>) -> Option<Self> {
        table.required::<u32>("rate", "How often.").map(|_| Self)
    }
}

/// Findings as lines: place, code, message, source line, help.
fn lines(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let _ = writeln!(out, "{finding} [{}]", finding.code);
        if let Some(snippet) = finding.place.as_ref().and_then(|place| place.snippet.as_ref()) {
            let _ = writeln!(out, "    | {snippet}");
        }
        if let Some(help) = &finding.help {
            let _ = writeln!(out, "    {help}");
        }
    }
    out
}

fn refused(text: impl AsRef<[u8]>) -> String {
    lines(&parse::<Run>(text, "run.toml").expect_err("a bad policy").findings)
}

fn refused_body(body: &str) -> String {
    refused(format!("{HEADER}{body}"))
}

/// The findings of a file, with the folder taken out of the text.
fn refused_file(folder: &Path, name: &str) -> String {
    let refused = load::<Run>(folder.join(name)).expect_err("a bad policy");
    lines(&refused.findings).replace(&format!("{}/", folder.display()), "")
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

#[test]
fn a_good_policy_is_read() {
    let text = format!(
        "\u{feff}{HEADER}key = 'env:DBOPT_KEY'\r\ntables = ['public.orders', 'audit.*']\nmode = 'fast'\n\
         [[window]]\ndays = ['sat']\nfrom = '22:00'\nto = '05:00'\nzone = 'Europe/Berlin'\n\
         [locks]\ntimeout = '500ms'\n[class.batch]\nrate = '100/min'\n"
    );
    let loaded = parse::<Run>(text, "run.toml").map_err(|refused| lines(&refused.findings)).expect("good");
    assert!(loaded.findings.is_empty());
    assert_eq!(
        (loaded.policy.mode, loaded.policy.locks.timeout, loaded.policy.locks.tries),
        (Mode::Fast, Duration::from_millis(500), 5)
    );
    assert_eq!(loaded.policy.windows.0[0].to_string(), "sat 22:00-05:00 Europe/Berlin");
    assert_eq!(loaded.policy.classes[0].0, "batch");
}

#[test]
fn wrong_types() {
    insta::assert_snapshot!(refused_body("mode = 1\nwindow = 'now'\ntables = [1, 'public']\nlocks = true\n"), @r#"
    run.toml:4:8: `mode` is a whole number, not a name [wrong-type]
        | mode = 1
        Write `careful` or `fast`.
    run.toml:5:10: `window` is a string, not a list of tables [wrong-type]
        Begin each with `[[window]]`.
    run.toml:6:11: `tables[0]` is a whole number, not a table [wrong-type]
        | tables = [1, 'public']
        Write a table such as `"public.orders"` or `"audit.*"`.
    run.toml:6:14: `public` names no schema [bad-table]
        | tables = [1, 'public']
        Write `schema.table`, with `*` for all and double quotes around names that need them.
    run.toml:7:9: `locks` is a boolean, not a table [wrong-type]
        | locks = true
    "#);
    insta::assert_snapshot!(refused_body("[locks]\ntimeout = 10\ntries = 1.5\nwal = '10'\n[class]\nbatch = '1/s'\n"), @r#"
    run.toml:5:11: `locks.timeout` is a whole number, not a duration [wrong-type]
        | timeout = 10
        Write a duration such as `"10s"` or `"1h30m"`.
    run.toml:6:9: `locks.tries` is a number with a fraction, not a whole number [wrong-type]
        | tries = 1.5
    run.toml:7:7: size `10` has no unit [bad-size]
        | wal = '10'
        Write a size such as `10MB`, with `B`, `kB`, `MB`, `GB` or `TB`.
    run.toml:9:9: `batch` is a string, not a table [wrong-type]
    "#);
    insta::assert_snapshot!(refused_body("[locks]\ntries = -1\n[class.a]\nrate = 99999999999999999999\n"), @r"
    run.toml:5:9: `locks.tries` cannot be -1 [out-of-range]
        | tries = -1
        It is from 0 to 4294967295.
    run.toml:7:8: whole number does not fit in 64 bits [bad-number]
    ");
}

#[test]
fn unknown_keys_with_a_suggestion() {
    insta::assert_snapshot!(refused_body("colour = 'red'\n[locks]\ntiemout = '1s'\n[[window]]\nform = '1:00'\nto = '2:00'\n"), @r#"
    run.toml:4:1: unknown key `colour` [unknown-key]
        Known here: `target`, `key`, `tables`, `mode`, `window`, `locks`, `class`.
    run.toml:6:1: unknown key `tiemout` in `locks` [unknown-key]
        Did you mean `timeout`?
    run.toml:7:1: `window.from` is missing [missing-key]
        | [[window]]
        Write a time of day such as `"22:00"`.
    run.toml:8:1: unknown key `form` in `window` [unknown-key]
        Did you mean `from`?
    "#);
    insta::assert_snapshot!(refused_body("mode = 'fsat'\n"), @r"
    run.toml:4:8: `mode` cannot be `fsat` [bad-value]
        | mode = 'fsat'
        Did you mean `fast`?
    ");
}

#[test]
fn duplicate_keys() {
    insta::assert_snapshot!(refused_body("mode = 'fast'\nmode = 'careful'\n[locks]\ntries = 1\n[locks]\ntries = 2\n"), @r"
    run.toml:5:1: key is defined twice [duplicate-key]
        Keep one of the two.
    run.toml:8:2: key is defined twice [duplicate-key]
        Keep one of the two.
    run.toml:9:1: key is defined twice [duplicate-key]
        Keep one of the two.
    ");
}

#[test]
fn bad_values() {
    insta::assert_snapshot!(refused_body("tables = ['orders']\n[locks]\ntimeout = '10 parsecs'\nwal = '1 TiB'\n"), @r"
    run.toml:4:11: `orders` names no schema [bad-table]
        | tables = ['orders']
        Write `schema.table`, with `*` for all and double quotes around names that need them.
    run.toml:6:11: duration `10 parsecs` has the unknown unit `parsecs` [bad-duration]
        | timeout = '10 parsecs'
        Write whole numbers with units, such as `500ms`, `10s`, `1h30m` or `7 days`.
    run.toml:7:7: size `1 TiB` has the unknown unit `TiB` [bad-size]
        | wal = '1 TiB'
        Write a size such as `10MB`, with `B`, `kB`, `MB`, `GB` or `TB`.
    ");
    insta::assert_snapshot!(refused_body("[[window]]\ndays = ['caturday']\nfrom = '25:00'\nto = '5:00'\nzone = 'Europe/Berln'\n[[window]]\ndays = []\nfrom = '1:00'\nto = '2:00'\n"), @r"
    run.toml:5:9: `caturday` is no day of the week [bad-day]
        | days = ['caturday']
        Did you mean `saturday`?
    run.toml:6:8: `25:00` is no time of day [bad-time]
        | from = '25:00'
        Write hours and minutes such as `22:00`, up to `24:00`.
    run.toml:8:8: time zone `Europe/Berln` is not known on this machine [unknown-zone]
        | zone = 'Europe/Berln'
        Did you mean `Europe/Berlin`?
    run.toml:10:8: this window never opens [bad-window]
        | days = []
        Name a day, or leave `days` out.
    ");
}

#[test]
fn headers() {
    insta::assert_snapshot!(refused(""), @r#"
    run.toml:1:1: `policy` is missing [missing-key]
        Write `policy = "KIND"`, where KIND is `sample`.
    run.toml:1:1: `version` is missing [missing-key]
        Write `version = 1`.
    run.toml:1:1: `target` is missing [missing-key]
        Write a string.
    "#);
    insta::assert_snapshot!(refused("policy = 'smaple'\nversion = 1\n"), @r"
    run.toml:1:10: this is a policy of kind `smaple`, and one of kind `sample` is needed [unknown-kind]
        | policy = 'smaple'
        Did you mean `sample`?
    ");
    insta::assert_snapshot!(refused("policy = 'sample'\nversion = 2\ntarget = 'db'\n"), @r"
    run.toml:2:11: version 2 of `sample` is not known [unknown-version]
        | version = 2
        This dbopt reads version 1.
    ");
    insta::assert_snapshot!(refused("policy = 1\nversion = '1'\ntarget = 'db'\n"), @r#"
    run.toml:1:10: `policy` is a whole number, not the name of a kind [wrong-type]
        | policy = 1
        Write `policy = "KIND"`, where KIND is `sample`.
    run.toml:2:11: `version` is a string, not a whole number [wrong-type]
        | version = '1'
        Write `version = 1`.
    "#);
}

#[test]
fn faults_of_toml_do_not_hide_others() {
    insta::assert_snapshot!(refused("policy = 'sample'\nversion = 1\ntarget = \ncolour = 1\nkey = 'a\n[locks\ntries = 'x'\n"), @r"
    run.toml:3:10: string values must be quoted, expected literal string [bad-toml]
    run.toml:4:1: unknown key `colour` [unknown-key]
        Known here: `target`, `key`, `tables`, `mode`, `window`, `locks`, `class`.
    run.toml:5:9: invalid literal string, expected `'` [bad-toml]
    run.toml:6:7: unclosed table, expected `]` [bad-toml]
    ");
    insta::assert_snapshot!(refused("{\"policy\": \"sample\"}"), @r#"
    run.toml:1:1: invalid key-value pair, expected key [bad-toml]
        This looks like JSON; a policy is written in TOML.
    "#);
}

#[test]
fn encodings() {
    insta::assert_snapshot!(refused(b"policy = 'sample'\nversion = 1 # \xff\n"), @r"
    run.toml:2:15: the file is not UTF-8 [bad-encoding]
        Save it as UTF-8.
    ");
    insta::assert_snapshot!(refused(b"\xff\xfep\0o\0"), @r"
    run.toml:1:1: the file is not UTF-8 [bad-encoding]
        Save it as UTF-8.
    ");
    insta::assert_snapshot!(refused("policy = 'sample'\r\nversion = 1\r\nx = 1\r\n"), @r"
    run.toml:1:1: `target` is missing [missing-key]
        Write a string.
    run.toml:3:1: unknown key `x` [unknown-key]
        Known here: `target`, `key`, `tables`, `mode`, `window`, `locks`, `class`.
    ");
}

#[test]
fn missing_secrets_and_written_ones() {
    let folder = folder(&[("run.toml", &format!("{HEADER}key = 'env:DBOPT_TEST_IS_NOT_SET'\n"))]);
    insta::assert_snapshot!(refused_file(folder.path(), "run.toml"), @r"
    run.toml:4:7: environment variable `DBOPT_TEST_IS_NOT_SET` is not set [missing-secret]
        | key = 'env:DBOPT_TEST_IS_NOT_SET'
    ");
    let kinds = [Kind::of::<Run>()];
    assert!(check(&folder.path().join("run.toml"), &kinds, Options { secrets: false }).findings.is_empty());
    fs::write(folder.path().join("run.toml"), format!("{HEADER}key = 'file:no.key'\n")).expect("written");
    insta::assert_snapshot!(refused_file(folder.path(), "run.toml"), @r"
    run.toml:4:7: there is no secret file `no.key` [missing-secret]
        | key = 'file:no.key'
    ");
    let plain = refused_body("key = 'hunter2'\n");
    insta::assert_snapshot!(plain, @r#"
    run.toml:4:7: this is no reference to a secret [bad-secret]
        Write `"env:NAME"` or `"file:PATH"`; a policy holds no secret itself.
    "#);
    assert!(!plain.contains("hunter2"));
    let beside = refused(format!("{HEADER}locks = {{ x = 1, tries = 'a' }}\nkey = [\n'hunter2', # hunter2\n]\n"));
    assert!(!beside.contains("hunter2") && beside.contains("wrong-type"), "{beside}");
}

/// However a secret got into a policy, and whatever else is wrong there, it is not printed.
#[test]
fn a_written_secret_is_never_shown() {
    let tails = [
        "key = hunter2",
        "key = 'hunter2' x",
        "key = 'hunter2",
        "key 'hunter2'",
        "key: hunter2",
        "kye = 'hunter2'",
        "KEY = 'hunter2'",
        "key = 'env:A'\nkey = 'hunter2'",
        "key = 'env:A', key = 'hunter2'",
        "key = \"\"\"\nhunter2 \\q\n\"\"\"",
        "key = [\nhunter2\n]",
        "key = [\n'hunter2'",
        "key.value = 'hunter2'",
        "locks = 'hunter2'",
        "window = 'hunter2'",
        "window = ['hunter2']",
        "[class]\nbatch = 'hunter2'",
        "[locks]\nkey = 'hunter2'",
    ];
    for tail in tails {
        let shown = refused_body(&format!("{tail}\n"));
        assert!(!shown.contains("hunter2") && !shown.is_empty(), "{tail}:\n{shown}");
    }
    // Nor in a kind that has no place for secrets, nor from a file that is included.
    for tail in ["password = 'hunter2'", "rate = 'hunter2'\nrate = 1", "rate = hunter2", "rate = ['hunter2']"] {
        let text = format!("policy = 'plain'\nversion = 1\n{tail}\n");
        let shown = lines(&parse::<Plain>(&text, "plain.toml").expect_err("a bad policy").findings);
        assert!(!shown.contains("hunter2") && !shown.is_empty(), "{tail}:\n{shown}");
        let including = "policy = 'plain'\nversion = 1\ninclude = ['b.toml', 'c.toml']\n";
        let folder = folder(&[("a.toml", including), ("b.toml", tail), ("c.toml", "rate = 'hunter2'\n")]);
        let shown = lines(&load::<Plain>(folder.path().join("a.toml")).expect_err("a bad policy").findings);
        assert!(!shown.contains("hunter2") && shown.contains("a.toml:3)"), "{tail}:\n{shown}");
    }
    let first = refused("key = 'hunter2'\n");
    assert!(first.contains("`policy` is missing") && !first.contains("hunter2"), "{first}");
    let unknown = check_text(b"key = 'hunter2'\n", "a.toml", &[Kind::of::<Run>(), Kind::of::<Run>()]);
    let unknown = lines(&unknown.findings);
    assert!(unknown.contains("`policy` is missing") && !unknown.contains("hunter2"), "{unknown}");
}

/// A policy from somebody else does not get another file's lines printed.
#[cfg(unix)]
#[test]
fn only_policies_are_included() {
    let folder = folder(&[
        ("run.toml", &format!("include = ['passwords', 'linked.toml', 'mounted.toml']\n{HEADER}")),
        ("passwords", "root:hunter2\n"),
        ("real.toml", "mode = 'fast'\n"),
    ]);
    let link = |to, name| std::os::unix::fs::symlink(to, folder.path().join(name)).expect("linked");
    link("passwords", "linked.toml");
    link("real.toml", "mounted.toml");
    insta::assert_snapshot!(refused_file(folder.path(), "run.toml"), @r"
    run.toml:1:12: `passwords` is no file of TOML [bad-include]
        | include = ['passwords', 'linked.toml', 'mounted.toml']
        Include files whose names end in `.toml`; no other file is opened.
    run.toml:1:25: `linked.toml` is no file of TOML [bad-include]
        | include = ['passwords', 'linked.toml', 'mounted.toml']
        Include files whose names end in `.toml`; no other file is opened.
    ");
}

#[test]
fn includes_join_and_clash() {
    let folder = folder(&[
        ("run.toml", &format!("include = ['a.toml', 'b.toml']\n{HEADER}[locks]\ntries = 1\n")),
        ("a.toml", "include = ['common.toml']\n[locks]\ntimeout = '1s'\n"),
        ("b.toml", "include = ['common.toml']\npolicy = 'sample'\nversion = 1\n"),
        ("common.toml", "mode = 'fast'\n"),
    ]);
    let loaded = load::<Run>(folder.path().join("run.toml")).map_err(|refused| lines(&refused.findings)).expect("good");
    assert_eq!((loaded.policy.mode, loaded.policy.locks.timeout), (Mode::Fast, Duration::from_secs(1)));
    assert_eq!(loaded.files.len(), 5, "with the file that is included twice");
    fs::write(folder.path().join("b.toml"), "mode = 'careful'\n[locks]\ntries = 2\nspeed = 1\n").expect("written");
    insta::assert_snapshot!(refused_file(folder.path(), "run.toml"), @r"
    run.toml:6:1: `locks.tries` is defined twice: here and at b.toml:3:1 [duplicate-key]
        Keep one of the two; an include adds keys and replaces none.
    common.toml:1:1: `mode` is defined twice: here and at b.toml:1:1 (included by a.toml:1) [duplicate-key]
        Keep one of the two; an include adds keys and replaces none.
    b.toml:4:1: unknown key `speed` in `locks` (included by run.toml:1) [unknown-key]
        Known here: `timeout`, `tries`, `wal`.
    ");
}

#[test]
fn cyclic_and_missing_includes() {
    let folder = folder(&[
        ("run.toml", &format!("include = ['a.toml', 'none.toml', 7]\n{HEADER}")),
        ("a.toml", "include = [\n  'b.toml',\n]\n"),
        ("b.toml", "include = ['a.toml']\n"),
        ("self.toml", &format!("include = ['./self.toml']\n{HEADER}")),
    ]);
    insta::assert_snapshot!(refused_file(folder.path(), "run.toml"), @r#"
    run.toml:1:22: could not read the file: no such file: `none.toml` [unreadable-file]
        | include = ['a.toml', 'none.toml', 7]
    run.toml:1:35: `include` is not a list of files [wrong-type]
        | include = ['a.toml', 'none.toml', 7]
        Write a list such as `include = ["base.toml"]`.
    b.toml:1:12: files include each other: `a.toml` → `b.toml` → `a.toml` (included by a.toml:2) [cyclic-include]
        | include = ['a.toml']
        Take one of these includes out.
    "#);
    insta::assert_snapshot!(refused_file(folder.path(), "self.toml"), @r"
    self.toml:1:12: files include each other: `self.toml` → `./self.toml` [cyclic-include]
        | include = ['./self.toml']
        Take one of these includes out.
    ");
    insta::assert_snapshot!(refused_file(folder.path(), "none.toml"), @"none.toml: could not read the file: no such file [unreadable-file]");
    insta::assert_snapshot!(refused("include = ['/etc/passwd']\npolicy = 'sample'\nversion = 1\ntarget = 'a'\n"), @r"
    run.toml:1:1: only a file can include others [bad-include]
        | include = ['/etc/passwd']
        Write the policy to a file and name that.
    ");
}

#[test]
fn a_chain_of_includes_ends() {
    let folder = folder(&[("0.toml", &format!("include = ['1.toml']\n{HEADER}"))]);
    for number in 1..20 {
        fs::write(folder.path().join(format!("{number}.toml")), format!("include = ['{}.toml']\n", number + 1))
            .expect("written");
    }
    insta::assert_snapshot!(refused_file(folder.path(), "0.toml"), @r"
    8.toml:1:12: includes are more than 8 deep or 100 files (included by 7.toml:1) [too-many-includes]
        | include = ['9.toml']
    ");
}

#[test]
fn a_hundred_errors_are_all_told() {
    let mut text = HEADER.to_owned();
    for number in 0..100 {
        let _ = writeln!(text, "key_{number} = {number}");
    }
    let findings = parse::<Run>(&text, "run.toml").expect_err("a bad policy").findings;
    assert_eq!(findings.len(), 100);
    for (number, finding) in findings.iter().enumerate() {
        assert_eq!(finding.message, format!("unknown key `key_{number}`"));
        let position = finding.place.as_ref().and_then(|place| place.position).expect("a place");
        assert_eq!((position.line, position.column), (number as u64 + 4, 1));
    }
    let broken = "= 1\n".repeat(100);
    assert_eq!(parse::<Run>(broken, "run.toml").expect_err("a bad policy").findings.len(), 100);
}

#[test]
fn a_large_file_is_refused_at_once() {
    let folder = folder(&[("small.toml", &format!("include = ['large.toml']\n{HEADER}"))]);
    let large = "# long\n".repeat(10 * 1024 * 1024 / 7 + 1);
    fs::write(folder.path().join("large.toml"), &large).expect("written");
    insta::assert_snapshot!(refused_file(folder.path(), "large.toml"), @r"
    large.toml:1:1: the policy is larger than 10 MB [policy-too-large]
        This is hardly a policy; is it the right file?
    ");
    insta::assert_snapshot!(refused_file(folder.path(), "small.toml"), @r"
    small.toml:1:12: the policy is larger than 10 MB: `large.toml` [policy-too-large]
        | include = ['large.toml']
        This is hardly a policy; is it the right file?
    ");
    insta::assert_snapshot!(refused(&large), @r"
    run.toml:1:1: the policy is larger than 10 MB [policy-too-large]
        This is hardly a policy; is it the right file?
    ");
    let fits = format!("{HEADER}{}", &large[..10 * 1024 * 1024 - HEADER.len()]);
    assert!(parse::<Run>(fits, "run.toml").is_ok());
}

#[test]
fn many_faults_and_keys_are_bounded() {
    let one = |text: String| {
        let findings = parse::<Run>(text, "run.toml").expect_err("a bad policy").findings;
        assert!(findings.len() <= 1_001, "{}", findings.len());
        findings.last().map(ToString::to_string).unwrap_or_default()
    };
    insta::assert_snapshot!(one("=\n".repeat(40_000)), @"39000 more findings are not shown");
    insta::assert_snapshot!(one("a = 1\n".repeat(150_000)), @"run.toml:1:1: the file holds more than 100000 keys and values");
    insta::assert_snapshot!(one(format!("{HEADER}{}", "mode = 1\n".repeat(40_000))), @"39000 more findings are not shown");
}

#[test]
fn deep_nesting_is_refused() {
    insta::assert_snapshot!(refused_body(&format!("tables = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000))), @"run.toml:4:90: tables and lists are nested more than 64 deep [nested-too-deep]");
    insta::assert_snapshot!(refused_body(&format!("locks = {}1{}\n", "{a = ".repeat(70), "}".repeat(70))), @r"
    run.toml:4:329: tables and lists are nested more than 64 deep [nested-too-deep]
    ");
    let dotted = parse::<Run>(format!("{HEADER}{}a = 1\n", "a.".repeat(10_000)), "run.toml").expect_err("a bad policy");
    assert!(dotted.findings.iter().any(|finding| finding.code.0 == "nested-too-deep"));
}

#[test]
fn any_kind_is_checked_by_its_header() {
    let kinds = [Kind::of::<Run>()];
    let good = check_text(HEADER.as_bytes(), "run.toml", &kinds);
    assert_eq!((good.kind, good.findings.len()), (Some("sample"), 0));
    let other = check_text(b"policy = 'other'\nversion = 1\n", "run.toml", &kinds);
    assert_eq!(
        (other.kind, other.findings[0].code.0, other.findings[0].severity),
        (None, "unknown-kind", Severity::Error)
    );
}

#[test]
fn the_schema_says_what_the_reader_reads() {
    let schema = Kind::of::<Run>().schema();
    assert_eq!(schema["anyOf"][1]["required"], serde_json::json!(["target"]));
    assert_eq!(schema["properties"]["mode"]["enum"], serde_json::json!(["careful", "fast"]));
    assert_eq!(schema["properties"]["locks"]["properties"]["tries"]["maximum"], u32::MAX);
    assert_eq!(schema["properties"]["window"]["items"]["required"], serde_json::json!(["from", "to"]));
    assert_eq!(schema["properties"]["class"]["additionalProperties"]["required"], serde_json::json!(["rate"]));
    assert_eq!(schema["properties"]["locks"]["properties"]["timeout"]["description"], "How long it waits for a lock.");
}
