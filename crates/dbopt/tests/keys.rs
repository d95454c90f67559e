//! `dbopt keys`.

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
};

use rustix::pty::OpenptFlags;
use serde_json::{Value, json};
use support::{
    command, dbopt,
    keys::{COLUMNS, OTHER_KEK, Place},
};

fn states(view: &Value) -> Vec<String> {
    let keys = view["keys"].as_array().expect("keys");
    keys.iter()
        .map(|key| {
            format!(
                "{} {} {}",
                key["number"],
                key["purpose"].as_str().expect("text"),
                key["state"].as_str().expect("text")
            )
        })
        .collect()
}

#[test]
fn keys_are_made_follow_each_other_and_go() {
    let place = Place::new();
    place.keys(&["list"]).fails(2, "there is no key ring");
    let made = place.json(&["new"]);
    assert_eq!((&made["name"], &made["changed"]), (&json!("shop"), &json!([1, 2])));
    assert_eq!(states(&made), ["1 customer active", "2 lookup active"]);
    assert_eq!(made["keys"][0]["kek"], "kek-1");
    place.keys(&["new"]).fails(2, "each purpose of the policy has keys already");
    place.keys(&["new", "customer"]).fails(2, "purpose `customer` has keys already");
    place.keys(&["new", "customr"]).fails(2, "did you mean `customer`?");

    let rotated = place.json(&["rotate", "customer"]);
    assert_eq!(states(&rotated), ["1 customer retired", "2 lookup active", "3 customer active"]);
    assert_eq!(rotated["keys"][2]["generation"], 2);
    // Nothing is due: the keys are new.
    assert_eq!(place.json(&["rotate", "--due"])["changed"], json!([]));
    let retired = place.json(&["retire", "3"]);
    assert_eq!(states(&retired)[2], "3 customer retired");
    place.keys(&["retire", "3"]).fails(2, "key 3 is retired already");
    place.keys(&["retire", "9"]).fails(2, "the key ring has no key 9");
    let list = place.keys(&["list"]);
    assert_eq!(list.code, 0);
    assert!(list.stdout.contains("Key ring shop") && list.stdout.contains("xchacha20-poly1305"), "{}", list.stdout);
}

#[test]
fn a_key_is_destroyed_after_two_answers_and_a_record() {
    let place = Place::new();
    place.json(&["new"]);
    place.json(&["rotate", "customer"]);
    let audit = place.path("audit.jsonl").display().to_string();
    let ring = || fs::read(place.path("ring/shop.keys")).expect("a ring");
    place.keys(&["destroy", "1"]).fails(2, "a key is not destroyed without a record of it");
    place.keys(&["destroy", "1", "--audit", &audit]).fails(2, "services may still seal by it");
    place.age();
    let before = ring();
    place.keys(&["destroy", "1", "--audit", &audit]).fails(2, "it was not looked whether values are under the key");
    let some = ["destroy", "1", "--audit", &audit, "--lose-values"];
    // Nobody is at a terminal here, and one answer is not enough.
    place.keys(&some).fails(2, "nobody is there to be asked");
    place.keys(&[&some[..], &["--yes"]].concat()).fails(2, "nobody is there to be asked");
    place.keys(&["destroy", "3", "--audit", &audit, "--lose-values", "--yes", "--yes"]).fails(2, "key 3 is active");
    assert_eq!(ring(), before);
    assert!(!place.path("audit.jsonl").exists());
    // What cannot be recorded is not done.
    fs::create_dir(place.path("folder")).expect("a folder");
    let folder = place.path("folder").display().to_string();
    let unrecorded = place.keys(&["destroy", "1", "--audit", &folder, "--lose-values", "--yes", "--yes"]);
    assert_eq!((unrecorded.code, ring()), (2, before), "{}", unrecorded.stderr);

    let done = place.json(&[&some[..], &["--yes", "--yes"]].concat());
    assert_eq!(states(&done)[0], "1 customer destroyed");
    let records: Vec<Value> = fs::read_to_string(&audit)
        .expect("records")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let details = |at: usize| -> Value {
        match &records[at]["details"] {
            Value::String(text) => serde_json::from_str(text).expect("JSON"),
            other => other.clone(),
        }
    };
    assert_eq!(records.len(), 2);
    assert_eq!(
        (&records[0]["action"], &details(0)["stage"], &details(0)["number"]),
        (&json!("keys.destroy"), &json!("begun"), &json!(1))
    );
    assert_eq!((&details(1)["stage"], &details(1)["outcome"]), (&json!("ended"), &json!("done")));
    assert_eq!(dbopt(&["audit", "verify", "--file", &audit]).code, 0);
    place.keys(&[&some[..], &["--yes", "--yes"]].concat()).fails(2, "key 1 is destroyed already");
}

#[test]
fn keys_are_wrapped_anew_by_a_new_key_encryption_key() {
    let place = Place::new();
    place.json(&["new"]);
    place.private("kek2", OTHER_KEK);
    place.policy(&place.kek("kek-2", "kek2"), COLUMNS);
    place.keys(&["rewrap"]).fails(2, "there is no key-encryption key `kek-1` here");
    let previous = format!("[[kek.previous]]\n{}", place.kek("kek-1", "kek"));
    place.policy(&format!("{}{previous}", place.kek("kek-2", "kek2")), COLUMNS);
    let wrapped = place.json(&["rewrap"]);
    assert_eq!((&wrapped["changed"], &wrapped["keys"][0]["kek"]), (&json!([1, 2]), &json!("kek-2")));
    assert_eq!(place.json(&["rewrap"])["changed"], json!([]));
    // The old one is not needed any more.
    place.policy(&place.kek("kek-2", "kek2"), COLUMNS);
    assert_eq!(place.json(&["rotate", "lookup"])["changed"], json!([3]));
}

#[test]
fn the_status_says_what_is_due() {
    let place = Place::new();
    place.json(&["new", "lookup", "--ring", "other"]);
    place.keys(&["new", "--ring", "another"]).fails(2, "its name is `other`");
    let status = place.keys(&["status", "--format", "json"]);
    assert_eq!(status.code, 1);
    let view: Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(view["findings"][0]["code"], "no-active-key");
    assert_eq!(place.keys(&["status", "--fail-on", "never"]).code, 0);
    place.json(&["new"]);
    let good = place.keys(&["status"]);
    assert_eq!(good.code, 0, "{}", good.stdout);
    assert!(good.stdout.contains("Nothing is due."), "{}", good.stdout);
}

#[test]
fn a_ring_that_others_can_read_or_change_is_not_used() {
    let place = Place::new();
    place.json(&["new"]);
    let ring = place.path("ring/shop.keys");
    let lock = fs::File::options().write(true).open(place.path("ring/shop.keys.lock")).expect("the lock's file");
    lock.lock().expect("locked");
    place.keys(&["rotate", "customer"]).fails(75, "is being changed by another program");
    // Reading needs no lock.
    assert_eq!(place.keys(&["list"]).code, 0);
    drop(lock);
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o640)).expect("changed");
    place.keys(&["list"]).fails(2, "chmod 600");
}

/// Runs a command with a person at its terminal, who answers each question; its exit code, and what was on the terminal.
fn typed(args: &[&str], answers: &[&str]) -> (i32, String) {
    let terminal = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    rustix::pty::grantpt(&terminal).expect("granted");
    rustix::pty::unlockpt(&terminal).expect("unlocked");
    let name = rustix::pty::ptsname(&terminal, Vec::new()).expect("a name");
    let end =
        || fs::File::options().read(true).write(true).open(name.to_str().expect("a path")).expect("the other end");
    let mut child =
        command().args(args).stdin(end()).stdout(Stdio::null()).stderr(end()).spawn().expect("the binary starts");
    let mut terminal = fs::File::from(terminal);
    for answer in answers {
        terminal.write_all(format!("{answer}\n").as_bytes()).expect("typed");
    }
    let code = child.wait().expect("ended").code().expect("an exit code");
    // The other end is closed, which a terminal tells by an error behind what is there.
    let (mut shown, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = terminal.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..read]);
    }
    (code, String::from_utf8(shown).expect("UTF-8"))
}

#[test]
fn a_person_is_asked_twice_before_a_key_is_destroyed() {
    let place = Place::new();
    place.json(&["new"]);
    place.json(&["rotate", "customer"]);
    place.age();
    let (policy, audit) = (place.path("e.toml").display().to_string(), place.path("audit").display().to_string());
    let destroy = ["keys", "destroy", "1", "--policy", &policy, "--audit", &audit, "--lose-values"];
    let is_there = || place.json(&["list"])["keys"][0]["state"] == "retired";
    for answers in [&["3", "destroy"][..], &["1", "yes"], &["", ""], &["1", "DESTROY"]] {
        let (code, shown) = typed(&destroy, answers);
        assert_eq!(code, 2, "{shown}");
        assert!(shown.contains("the answer was another one, and nothing was destroyed"), "{shown}");
        assert!(is_there() && !place.path("audit").exists(), "{answers:?}");
    }
    let (code, shown) = typed(&destroy, &["1", "destroy"]);
    assert_eq!(code, 0, "{shown}");
    let question =
        "Key 1 of purpose `customer` goes for good; all values that are under it are lost with it. Type its number: ";
    assert!(shown.contains(question) && shown.contains("Type `destroy` to destroy it: "), "{shown}");
    assert!(!is_there());
    assert_eq!(dbopt(&["audit", "verify", "--file", &audit]).code, 0);
    // One question is left when one is answered before.
    place.json(&["rotate", "customer"]);
    place.age();
    let destroy = ["keys", "destroy", "3", "--policy", &policy, "--audit", &audit, "--lose-values", "--yes"];
    let (code, shown) = typed(&destroy, &["destroy"]);
    assert!(code == 0 && !shown.contains("Type its number"), "{shown}");
}

#[test]
fn a_ring_that_was_lost_or_cut_off_is_not_made_anew_by_chance() {
    let place = Place::new();
    place.json(&["new"]);
    let ring = place.path("ring/shop.keys");
    let whole = fs::read(&ring).expect("a ring");
    fs::remove_file(&ring).expect("gone");
    place.keys(&["rotate", "customer"]).fails(2, "if values are sealed already, restore a copy of it");
    place.private("ring/shop.keys", std::str::from_utf8(&whole[..whole.len() / 2]).expect("text"));
    for command in [&["list"][..], &["new"], &["rotate", "customer"]] {
        place.keys(command).fails(2, "is no key ring");
    }
    place.keys(&["list"]).fails(2, "restore a copy of it; without it, what its keys have sealed is lost");
    // Who makes a ring is not told to make one, whatever else is wrong.
    fs::remove_file(&ring).expect("gone");
    fs::remove_file(place.path("kek")).expect("gone");
    let refused = place.keys(&["new"]);
    refused.fails(2, "missing-secret");
    assert!(!refused.stderr.contains("Run `dbopt keys new`"), "{}", refused.stderr);
}

#[test]
fn a_change_is_not_recorded_on_a_standby() {
    let place = Place::new();
    place.json(&["new"]);
    let standby = dbopt_testkit::Cluster::builder().standby().start().expect("a standby");
    let target = standby.conn_string("postgres");
    place
        .keys(&["rotate", "customer", "-d", &target])
        .fails(2, "the server is a standby, where nothing can be recorded");
    assert_eq!(place.json(&["list"])["keys"].as_array().map(Vec::len), Some(2));
}
