//! What is freed holds no key and no opened value any more.
//!
//! The allocator looks through each block before it frees it. What is on the stack it cannot see.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell as Flag,
    io::{Read as _, Write as _},
    slice,
};

use dbopt_crypto::{
    Algorithm, Cell, DataKey, Encrypted, FernetReader, FileSource, Key, KeyId, KeyKind, KeyNumber, KeyProvider,
    KeyRing, KeySource as _, Keyring, LocalProvider, NewKey, ServiceProvider, StandIn, SubjectKeys,
};

/// Sixteen bytes that nothing else has; a secret begins with them, twice.
const MARK: [u8; 16] = *b"secret-4711-mark";
const CELL: Cell<'static> = Cell::new("public.customer", "email", &["42"]);

struct Watching;

thread_local! {
    /// What is looked for, and how often it was found. Another thread has its own.
    static FOUND: Flag<Option<usize>> = const { Flag::new(None) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe, and only it sees what is freed")]
// SAFETY: it hands everything on to the system's allocator, and reads only blocks that are still allocated.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that no byte is read that was never written.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Ok(Some(count)) = FOUND.try_with(Flag::get) {
            let bytes = unsafe { slice::from_raw_parts(block, layout.size()) };
            if bytes.windows(MARK.len()).any(|window| window == MARK) {
                FOUND.set(Some(count + 1));
            }
        }
        unsafe { System.dealloc(block, layout) }
    }
    // `realloc` is the default: a new block, a copy, and `dealloc` of the old one.
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// How many freed blocks held the mark.
fn leaks(run: impl FnOnce()) -> usize {
    FOUND.set(Some(0));
    run();
    FOUND.take().unwrap_or_default()
}

fn secret() -> Vec<u8> {
    [MARK, MARK].concat()
}

fn key() -> Key {
    Key::new(secret()).expect("a key")
}

fn data_key() -> DataKey {
    DataKey::try_from(&key()).expect("32 bytes")
}

fn number(number: u32) -> KeyNumber {
    KeyNumber::new(number).expect("above zero")
}

#[test]
fn the_watch_sees_what_is_not_wiped() {
    assert_eq!(leaks(|| drop(secret())), 1);
    assert_eq!(
        leaks(|| {
            let mut grown = secret();
            grown.reserve(1_000);
            grown.fill(0);
        }),
        1
    );
}

#[test]
fn keys_are_wiped_however_they_are_read() {
    let hex: String = secret().iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create(true).open(&path).and_then(|mut file| file.write_all(hex.as_bytes())).expect("written");
    assert_eq!(
        leaks(|| {
            drop(Key::parse(hex.as_bytes()).expect("a key"));
            drop(FileSource::new(&path).load().expect("a key").clone());
            drop(data_key().clone());
            // Too short, so it is no key, and a part of a secret all the same.
            Key::parse(&hex.as_bytes()[..32]).expect_err("too short");
            Key::new(MARK.to_vec()).expect_err("too short");
        }),
        0
    );
}

#[test]
fn rings_and_providers_are_wiped() {
    for algorithm in [Algorithm::XChaCha20Poly1305, Algorithm::Aes256Gcm] {
        let rings = || {
            // So many that the map moves what it holds.
            let add = |ring: KeyRing, n| ring.with(number(n), algorithm, n == 50, &data_key()).expect("a ring");
            let ring = (1..=50).fold(KeyRing::new(), add);
            let sealed = ring.seal(&CELL, b"value").expect("sealed");
            drop(ring.open(&CELL, &sealed).expect("opened"));
        };
        assert_eq!(leaks(rings), 0, "{algorithm:?}");
    }
    let id = |n: u32| KeyId::new(&format!("kek-{n}")).expect("a name");
    let providers = || {
        let provider = (1..50).fold(LocalProvider::new(id(0), &key()), |all, n| all.with_previous(id(n), &key()));
        let service = ServiceProvider::new(id(0), StandIn::new().expect("a key"));
        let ring = Keyring::new(id(1));
        let place = ring.place(id(1), KeyKind::Encrypt(Algorithm::default()));
        for provider in [&provider as &dyn KeyProvider, &service] {
            let wrapped = provider.wrap(&place, &data_key()).expect("wrapped");
            drop(provider.unwrap(&place, &wrapped).expect("unwrapped"));
        }
        drop(NewKey::make(place, &provider).expect("a key"));
    };
    assert_eq!(leaks(providers), 0);
}

#[test]
fn opened_values_are_wiped() {
    let ring = KeyRing::new().with(number(1), Algorithm::default(), true, &data_key()).expect("a ring");
    let values = || {
        let sealed = ring.seal(&CELL, &MARK).expect("sealed");
        drop(ring.open(&CELL, &sealed).expect("opened"));
        let mut changed = sealed.clone();
        changed[40] ^= 1;
        ring.open(&CELL, &changed).expect_err("changed");
        let typed = Encrypted::<String>::seal(&ring, &CELL, &String::new()).expect("sealed");
        drop(typed.open(&ring, &CELL).expect("opened"));
    };
    assert_eq!(leaks(values), 0);
    let streams = || {
        let mut writer = ring.seal_stream(&CELL, Vec::new()).expect("a stream");
        for _ in 0..10_000 {
            writer.write_all(&MARK).expect("written");
        }
        let sealed = writer.finish().expect("finished");
        let mut reader = ring.open_stream(&CELL, &sealed[..]).expect("a stream");
        reader.read_exact(&mut [0; 100]).expect("opened");
    };
    assert_eq!(leaks(streams), 0);
    let subjects = || {
        let subjects = SubjectKeys::default();
        let wrapped = subjects.make(&ring, "42", KeyNumber::FIRST).expect("a key");
        let own = subjects.open(&ring, "42", &wrapped).expect("a ring");
        let sealed = own.seal(&CELL, &MARK).expect("sealed");
        drop(own.open(&CELL, &sealed).expect("opened"));
    };
    assert_eq!(leaks(subjects), 0);
}

#[test]
fn fernet_keys_are_wiped() {
    let text = "c2VjcmV0LTQ3MTEtbWFya3NlY3JldC00NzExLW1hcms=";
    let many = vec![text.as_bytes(); 20];
    assert_eq!(leaks(|| drop(FernetReader::new(many.iter().copied()).expect("keys"))), 0);
}
