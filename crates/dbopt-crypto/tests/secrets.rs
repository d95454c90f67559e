//! Nothing that is printed holds a key or a value: no `Debug`, no error, no message of a panic.

use std::{
    fmt::{Debug, Display},
    io::Write as _,
    panic,
    sync::{Arc, Mutex},
};

use dbopt_crypto::{
    Algorithm, BlindIndex, Cell, CommandSource, DataKey, Encrypted, EnvironmentSource, FernetReader, FileSource, Form,
    Key, KeyId, KeyKind, KeyNumber, KeyProvider as _, KeyRing, KeySource as _, Keyring, KeyringFile, LocalProvider,
    NewKey, Pseudonymizer, ServiceProvider, StandIn, SubjectKeys, WrappedKey,
};

/// The key, which is also the value.
const SECRET: &str = "hunter2!hunter2!hunter2!hunter2!";
const CELL: Cell<'static> = Cell::new("public.customer", "email", &["42"]);

/// All that was printed, with what it was.
#[derive(Default)]
struct Printed(Vec<(&'static str, String)>);

impl Printed {
    fn debug(&mut self, what: &'static str, value: impl Debug) {
        self.0.push((what, format!("{value:?} {value:#?}")));
    }

    fn error<T>(&mut self, what: &'static str, result: Result<T, impl Debug + Display>) {
        match result {
            Ok(_) => panic!("{what} did not fail"),
            Err(error) => self.0.push((what, format!("{error} {error:?} {error:#?}"))),
        }
    }

    /// Fails when the secret is there: as it is, or in hexadecimal, base64 or the decimal numbers of a list.
    fn check(self) {
        let hex: String = SECRET.bytes().take(8).map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{:?}", &SECRET.as_bytes()[..4]);
        for (what, text) in self.0 {
            let flat: String = text.split_whitespace().collect();
            let forms = ["hunter2", "aHVudGVy", &hex, &hex.to_uppercase(), list.trim_matches(['[', ']'])];
            for form in forms {
                let form = form.replace(' ', "");
                assert!(!flat.contains(&form), "{what} shows `{form}`: {text}");
            }
        }
    }
}

fn key() -> Key {
    Key::new(SECRET.into()).expect("a key")
}

fn id(name: &str) -> KeyId {
    KeyId::new(name).expect("a name")
}

fn ring() -> KeyRing {
    let key = DataKey::try_from(&key()).expect("32 bytes");
    KeyRing::new().with(KeyNumber::FIRST, Algorithm::default(), true, &key).expect("a ring")
}

#[test]
fn what_is_printed_shows_no_secret() {
    let (mut printed, ring) = (Printed::default(), ring());
    printed.debug("Key", key());
    printed.debug("DataKey", DataKey::try_from(&key()));
    printed.debug("KeyRing", &ring);
    printed.debug("Encrypted", Encrypted::seal(&ring, &CELL, &SECRET.to_owned()));
    printed.debug("SealWriter", ring.seal_stream(&CELL, Vec::new()));
    printed.debug("BlindIndex", BlindIndex::new(&key(), "t", "c", 1, Form::Exact, 64));
    printed.debug("Pseudonymizer", Pseudonymizer::new(id("audit"), &key()));
    printed.debug("SubjectKeys", SubjectKeys::default());
    let local = LocalProvider::new(id("kek-1"), &key());
    printed.debug("LocalProvider", &local);
    let keyring = Keyring::new(id("shop"));
    let new = NewKey::make(keyring.place(id("customer"), KeyKind::Index), &local).expect("a key");
    printed.debug("NewKey", &new);
    printed.debug("Keyring", keyring.with_new(new, jiff::Timestamp::UNIX_EPOCH));
    printed.debug("ServiceProvider", ServiceProvider::new(id("kms"), StandIn::new().expect("a key")));
    let fernet = "aHVudGVyMiFodW50ZXIyIWh1bnRlcjIhaHVudGVyMiE=";
    printed.debug("FernetReader", FernetReader::new([fernet.as_bytes()]));
    printed.check();
}

#[test]
fn errors_show_no_secret() {
    let (mut printed, ring) = (Printed::default(), ring());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    std::fs::write(&path, SECRET).expect("written");
    printed.error("an open file", FileSource::new(&path).load());
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("changed");
    printed.error("a file", FileSource::new(&path).load());
    printed.error("a key ring", KeyringFile::new(&path).read());
    printed.error("a variable", EnvironmentSource::new("CARGO_PKG_NAME").load());
    printed.error("a program", CommandSource::new("echo", [SECRET]).load());
    printed.error("a failing program", CommandSource::new("sh", ["-c", &format!("echo {SECRET}; exit 1")]).load());
    printed.error("a text", Key::parse(SECRET.as_bytes()));
    printed.error("a name", KeyId::new(&format!("{SECRET}!")));
    printed.error("a wrapped key", WrappedKey::parse(SECRET));
    printed.error("a document", Keyring::parse(format!("{{\"keyring\": \"{SECRET}\"}}").as_bytes()));
    printed.error("a token", FernetReader::new([]).expect("none").open(SECRET.as_bytes()));
    printed.error("a plain value", ring.open(&CELL, SECRET.as_bytes()));
    let sealed = ring.seal(&CELL, SECRET.as_bytes()).expect("sealed");
    printed.error("a moved value", ring.open(&Cell::new("public.customer", "phone", &["42"]), &sealed));
    let wrong = Encrypted::<i64>::from_sealed(sealed);
    printed.error("a value of another type", wrong.open(&ring, &CELL));
    let local = LocalProvider::new(id("kek-1"), &key());
    let place = Keyring::new(id("shop")).place(id("customer"), KeyKind::Index);
    let wrapped = local.wrap(&place, &DataKey::try_from(&key()).expect("32 bytes")).expect("wrapped");
    let other = Keyring::new(id("other")).place(id("customer"), KeyKind::Index);
    printed.error("a moved key", local.unwrap(&other, &wrapped));
    let kms = id("kms");
    printed.error(
        "a key of a file for a service",
        ServiceProvider::new(kms, StandIn::new().expect("a key")).unwrap(&place, &wrapped),
    );
    printed.check();
}

/// Who unwraps a failure without thinking puts it into the log of panics.
#[test]
fn panics_show_no_secret() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    panic::set_hook(Box::new(move |info| {
        let _ = writeln!(hook.lock().expect("no panic before"), "{info}");
    }));
    let ring = ring();
    let failures: [Box<dyn FnOnce() + panic::UnwindSafe>; 3] = [
        Box::new(|| drop(Key::parse(SECRET.as_bytes()).expect("a key"))),
        Box::new(panic::AssertUnwindSafe(|| drop(ring.open(&CELL, SECRET.as_bytes()).expect("a value")))),
        Box::new(|| assert!(Key::parse(SECRET.as_bytes()).is_ok(), "{:?}", key())),
    ];
    let count = failures.into_iter().filter_map(|failure| panic::catch_unwind(failure).err()).count();
    let _ = panic::take_hook();
    let told = String::from_utf8(told.lock().expect("no panic").clone()).expect("UTF-8");
    assert_eq!(count, 3);
    assert!(told.contains("a key: Encoding") && told.contains("a value: Envelope"), "{told}");
    let mut printed = Printed::default();
    printed.0.push(("a panic", told));
    printed.check();
}
