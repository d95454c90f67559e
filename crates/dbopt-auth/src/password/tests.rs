//! Tests of hashing and verifying.

use std::time::Instant;

use dbopt_crypto::{Key, KeyId};

use super::*;

/// A cost that only tests may have.
fn config() -> PasswordConfig {
    PasswordConfig { cost: Cost::new(64, 2, 1).expect("a cost"), ..PasswordConfig::default() }
}

fn passwords(config: PasswordConfig) -> Passwords {
    Passwords::new(config).expect("random bytes")
}

fn check(stored: &str, password: &[u8], expected: Result<bool, StoredError>) {
    let verdict = passwords(config()).verify(password, Some(stored));
    let expected = expected.map_err(PasswordError::Stored);
    assert_eq!(verdict.map(|verdict| verdict.is_right()), expected, "{stored}");
}

fn pepper(name: &str, byte: u8) -> (KeyId, Key) {
    (KeyId::new(name).expect("a name"), Key::new((0..32).map(|at| at ^ byte).collect()).expect("a key"))
}

fn peppers(keys: &[(KeyId, Key)], active: Option<&str>) -> Peppers {
    let active = active.map(|name| KeyId::new(name).expect("a name"));
    Peppers::new(keys.to_vec(), active).expect("peppers")
}

/// The answers of the reference implementation to its own tests (`src/test.c` of
/// <https://github.com/P-H-C/phc-winner-argon2>).
#[test]
fn the_reference_answers_of_argon2_are_right() {
    const ANSWERS: [&str; 9] = [
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=262144,t=2,p=1$c29tZXNhbHQ$eP4eyR+zqlZX1y5xCFTkw9m5GYx0L5YWwvCFvtlbLow",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg",
        "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$kCXUjmjvc5XMqQedpMTsOv+zyJEf5PhtGiUghW9jFyw",
        // Version 16, which had no version in its text at first.
        "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
    ];
    for stored in ANSWERS {
        check(stored, b"password", Ok(true));
        check(stored, b"passwore", Ok(false));
    }
    let other = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94";
    check(other, b"differentpassword", Ok(true));
}

/// And its name stands in the text.
#[test]
fn a_pepper_is_argon2s_secret() {
    let hashed = passwords(PasswordConfig { peppers: peppers(&[pepper("p1", 3)], Some("p1")), ..config() });
    let stored = hashed.hash(b"correct horse").expect("a hash");
    let parsed = Stored::parse(&stored).expect("a hash");
    let Stored::Argon2 { cost, salt, hash, pepper: Some(name), .. } = parsed else { panic!("{stored}") };
    assert_eq!(name, "p1");
    let (_, key) = pepper("p1", 3);
    let parameters = Params::new(cost.memory(), cost.passes(), 1, Some(32)).expect("parameters");
    let argon2 = Argon2::new_with_secret(key.bytes(), Algorithm::Argon2id, Version::V0x13, parameters);
    let mut expected = [0; 32];
    argon2.expect("a secret").hash_password_into(b"correct horse", &salt, &mut expected).expect("a hash");
    assert_eq!(hash, expected);
}

/// bcrypt's are libxcrypt's; the others Python's hashlib's, which is OpenSSL's.
const LEGACY: [(&str, &[u8]); 6] = [
    ("$2b$04$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2", b"abc"),
    ("$2a$04$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2", b"abc"),
    ("$2y$05$abcdefghijklmnopqrstuuQNr.NUko7cjRuTOhPz.WP0eA4f4.Xuq", "p\u{e4}ss".as_bytes()),
    ("$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M", b"correct horse"),
    (
        "$pbkdf2-sha512$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$OM0FAoIqCVK1sWtxDiffVlBejtLa+ks4TP71JiecwuSZCG8iLbnlIEPOMoVX+i2B2wkSxjQ8CRGR9OkNGuIPMQ",
        b"correct horse",
    ),
    ("$scrypt$ln=10,r=8,p=2$MDEyMzQ1Njc4OWFiY2RlZg$I4YuHpx/6xJJ4+sk74hQU+KhW++gPE8aHzXbHijxgzg", b"correct horse"),
];

#[test]
fn legacy_hashes_are_verified_and_replaced() {
    let passwords = passwords(config());
    for (stored, password) in LEGACY {
        let Ok(Verdict::Right { replacement: Some(new) }) = passwords.verify(password, Some(stored)) else {
            panic!("{stored}")
        };
        assert_eq!(passwords.verify(password, Some(&new)), Ok(Verdict::Right { replacement: None }));
        check(stored, b"wrong horse", Ok(false));
    }
}

#[test]
fn a_policy_can_end_an_algorithm() {
    let kinds = [Legacy::Bcrypt, Legacy::Pbkdf2, Legacy::Scrypt];
    for (stored, password) in LEGACY {
        let passwords = passwords(PasswordConfig { legacy: Vec::new(), ..config() });
        let error = passwords.verify(password, Some(stored)).expect_err("not accepted");
        assert!(
            matches!(error, PasswordError::Stored(StoredError::NotAccepted(of)) if kinds.contains(&of)),
            "{stored}"
        );
    }
}

/// bcrypt reads 72 bytes, and repeats what is shorter with a zero byte behind it.
#[test]
fn what_bcrypt_cannot_tell_apart_is_never_right() {
    let long = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i";
    check(long, &[b'x'; 72], Ok(true));
    check(long, &[b'x'; 73], Ok(false));
    let (abc, _) = LEGACY[0];
    // The crate alone would say that this is the password.
    assert!(bcrypt::verify(b"abc\0abc", abc).expect("a hash"));
    check(abc, b"abc\0abc", Ok(false));
}

#[test]
fn a_hash_is_replaced_when_the_policy_rises_and_not_before() {
    let hash_of = |cost: Cost| passwords(PasswordConfig { cost, ..config() }).hash(b"correct horse").expect("a hash");
    let cost = |memory, passes| Cost::new(memory, passes, 1).expect("a cost");
    let replaced = |stored: &str| match passwords(config()).verify(b"correct horse", Some(stored)) {
        Ok(Verdict::Right { replacement }) => replacement,
        other => panic!("{other:?}"),
    };
    for (stored, outdated) in
        [((64, 2), false), ((64, 3), false), ((128, 2), false), ((64, 1), true), ((63, 2), true), ((512, 1), true)]
    {
        let stored = hash_of(cost(stored.0, stored.1));
        let new = replaced(&stored);
        assert_eq!(new.is_some(), outdated, "{stored}");
        if let Some(new) = new {
            assert!(new.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{new}");
            assert_eq!(replaced(&new), None);
        }
    }
    // A salt of 8 bytes.
    let short = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let verdict = passwords(config()).verify(b"password", Some(short));
    assert!(matches!(verdict, Ok(Verdict::Right { replacement: Some(_) })), "{verdict:?}");
}

#[test]
fn peppers_are_changed_and_taken_off() {
    let (one, two) = (pepper("p1", 1), pepper("p2", 2));
    let with = |keys: &[(KeyId, Key)], active| passwords(PasswordConfig { peppers: peppers(keys, active), ..config() });
    let bare = passwords(config()).hash(b"correct horse").expect("a hash");
    let replaced = |by: &Passwords, stored: &str| match by.verify(b"correct horse", Some(stored)) {
        Ok(Verdict::Right { replacement }) => replacement,
        other => panic!("{other:?}"),
    };
    let first = replaced(&with(std::slice::from_ref(&one), Some("p1")), &bare).expect("it gets a pepper");
    assert!(first.contains(",keyid="));
    let both = with(&[one.clone(), two], Some("p2"));
    let second = replaced(&both, &first).expect("it gets the new pepper");
    assert_eq!(replaced(&both, &second), None);
    let off = replaced(&with(std::slice::from_ref(&one), None), &first).expect("it loses its pepper");
    assert!(!off.contains("keyid"));
    let unknown = with(&[one], Some("p1")).verify(b"correct horse", Some(&second));
    assert_eq!(unknown, Err(PasswordError::Stored(StoredError::UnknownPepper)));
    // The same name with another key is simply wrong.
    let other = with(&[pepper("p1", 9)], Some("p1"));
    assert_eq!(other.verify(b"correct horse", Some(&first)), Ok(Verdict::Wrong));
}

#[test]
fn lengths_are_bounded() {
    let passwords = passwords(PasswordConfig { shortest: 4, longest: 16, ..config() });
    assert_eq!(passwords.hash(b"abc"), Err(PasswordError::TooShort));
    // Characters, not bytes.
    assert_eq!(passwords.hash("\u{e4}\u{e4}".as_bytes()), Err(PasswordError::TooShort));
    assert_eq!(passwords.hash(&[b'x'; 17]), Err(PasswordError::TooLong));
    assert!(passwords.hash(&[b'x'; 16]).is_ok());
    // Whether the user exists makes no difference.
    assert_eq!(passwords.verify(&[b'x'; 17], None), Err(PasswordError::TooLong));
    assert_eq!(passwords.verify(&[b'x'; 17], Some("$2b$")), Err(PasswordError::TooLong));
    let lax = super::Passwords::new(PasswordConfig { shortest: 0, ..config() }).expect("random bytes");
    assert_eq!(lax.hash(b""), Err(PasswordError::TooShort));
}

#[test]
fn what_is_no_hash_says_why() {
    use StoredError::{Algorithm, Malformed, Parameter, TooCostly, UnknownPepper};
    let salt = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let cases: &[(&str, StoredError)] = &[
        ("", Malformed),
        ("hunter2", Malformed),
        ("$", Algorithm),
        ("$6$salt$hash", Algorithm),
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", Malformed),
        ("$argon2id$v=18$m=256,t=2,p=1$SALT", Parameter),
        ("$argon2id$v=19$m=256,t=2$SALT", Parameter),
        ("$argon2id$v=19$m=256,t=2,p=1,x=1$SALT", Parameter),
        ("$argon2id$v=19$m=256,t=2,p=1,data=AAAA$SALT", Parameter),
        ("$argon2id$v=19$m=7,t=2,p=1$SALT", Parameter),
        ("$argon2id$v=19$m=256,t=0,p=1$SALT", Parameter),
        ("$argon2id$v=19$m=256,t=2,p=0$SALT", Parameter),
        ("$argon2id$v=19$m=4294967295,t=2,p=1$SALT", TooCostly),
        ("$argon2id$v=19$m=256,t=4294967295,p=1$SALT", TooCostly),
        ("$argon2id$v=19$m=256,t=2,p=1,keyid=cDk$SALT", UnknownPepper),
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA", Parameter),
        ("$argon2id$v=19$m=256,t=2,p=1$SALT$more", Malformed),
        ("$2b$12$short", Malformed),
        ("$2b$31$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2", TooCostly),
        ("$2b$03$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2", Parameter),
        ("$2b$99$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2", Parameter),
        ("$pbkdf2-sha256$i=0$SALT", Parameter),
        ("$pbkdf2-sha256$i=4000000000$SALT", TooCostly),
        ("$pbkdf2-sha256$i=1000,l=64$SALT", Parameter),
        ("$pbkdf2-sha1$i=1000$SALT", Algorithm),
        ("$scrypt$ln=40,r=8,p=1$SALT", TooCostly),
        ("$scrypt$ln=4000000000,r=8,p=1$SALT", TooCostly),
        ("$scrypt$ln=14,r=4294967295,p=1$SALT", TooCostly),
        ("$scrypt$ln=14,r=8,p=1000$SALT", TooCostly),
        ("$scrypt$ln=0,r=8,p=1$SALT", Parameter),
    ];
    for (stored, expected) in cases {
        check(&stored.replace("SALT", salt), b"password", Err(*expected));
    }
    check(&"$".repeat(600), b"password", Err(Malformed));
}

#[test]
fn neither_a_verdict_nor_passwords_show_what_is_secret() {
    let passwords = passwords(PasswordConfig { peppers: peppers(&[pepper("p1", 1)], Some("p1")), ..config() });
    let verdict = passwords.verify(b"abc", Some(LEGACY[0].0)).expect("a verdict");
    let text = format!("{verdict:?} {passwords:?}");
    assert!(!text.contains("$argon2id") && !text.contains("Key("), "{text}");
}

/// How often medians were compared; each holds that many of both.
const ROUNDS: usize = 5;
const RUNS: usize = 21;

/// Whoever does not exist, whoever's hash cannot be read, and whoever's password is wrong are answered after the same time.
/// Medians of interleaved runs are compared, in the best of some rounds, with much slack: without the dummy hash the ratio would be
/// above a thousand.
#[test]
fn an_unknown_user_takes_as_long() {
    let passwords = passwords(PasswordConfig { cost: Cost::new(4_096, 2, 1).expect("a cost"), ..config() });
    let stored = passwords.hash(b"correct horse").expect("a hash");
    let broken = stored.replace("$m=", "$q=");
    let time = |stored: Option<&str>| {
        let start = Instant::now();
        assert!(!passwords.verify(b"wrong horse", stored).is_ok_and(|verdict| verdict.is_right()));
        start.elapsed()
    };
    let ratios = || {
        let mut times: [Vec<_>; 3] = Default::default();
        for _ in 0..RUNS {
            for (times, stored) in times.iter_mut().zip([Some(&*stored), None, Some(&*broken)]) {
                times.push(time(stored));
            }
        }
        let [known, unknown, broken] = times.map(|mut times| {
            times.sort_unstable();
            times[RUNS / 2].as_secs_f64()
        });
        [unknown / known, broken / known]
    };
    let found: Vec<_> = (0..ROUNDS).map(|_| ratios()).collect();
    let near = |at: usize| found.iter().any(|ratios| (0.8..1.25).contains(&ratios[at]));
    assert!(near(0) && near(1), "{found:?}");
}

#[test]
fn when_there_is_no_place_it_is_said() {
    let config = PasswordConfig { at_once: NonZeroUsize::MIN, waiting: 0, ..config() };
    let passwords = passwords(config);
    let place = passwords.enter().expect("a place");
    assert_eq!(passwords.hash(b"correct horse"), Err(PasswordError::Busy));
    assert_eq!(passwords.verify(b"correct horse", None), Err(PasswordError::Busy));
    drop(place);
    assert!(passwords.hash(b"correct horse").is_ok());
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_password_and_no_other_is_right(password in prop::collection::vec(any::<u8>(), 8..80), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let passwords = passwords(config());
            let stored = passwords.hash(&password);
            // Bytes that are no text count as one character for several.
            prop_assume!(stored.is_ok());
            let stored = stored.expect("a hash");
            prop_assert_eq!(passwords.verify(&password, Some(&stored)), Ok(Verdict::Right { replacement: None }));
            let mut other = password.clone();
            other[at.index(password.len())] ^= 1 << bit;
            prop_assert_eq!(passwords.verify(&other, Some(&stored)), Ok(Verdict::Wrong));
            prop_assert_eq!(passwords.verify(&password[1..], Some(&stored)), Ok(Verdict::Wrong));
        }

        /// Whatever is in the database, it is read without a panic and at a bounded cost.
        #[test]
        fn any_text_is_read(text in "(\\$(argon2id|2b|scrypt|pbkdf2-sha256))?\\$?[a-z0-9=,$]{0,60}") {
            let _ = Stored::parse(&text);
        }
    }
}
