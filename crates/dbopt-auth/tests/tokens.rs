//! Tokens that are right, and a table of those that are not: each refused, for its own reason. The keys of `tests/keys` were made by
//! OpenSSL for these tests alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dbopt_auth::{Claims, Grant, InvalidKey, InvalidKeys, IssueError, KeySet, Reason, TokenConfig, TokenKey, Tokens};
use jsonwebtoken::Algorithm;
use ring::hmac;
use serde_json::{Map, Value, json};

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("keys/", $name, ".pem"))
    };
}

fn now() -> SystemTime {
    at(NOW)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key(id: &str, algorithm: Algorithm, text: &[u8]) -> TokenKey {
    TokenKey::parse(id, algorithm, text).expect("a key")
}

fn config() -> TokenConfig {
    TokenConfig::new("https://id.example", "orders")
}

/// A secret that signs, and a public key that does not.
fn tokens() -> Tokens {
    let keys = [
        key("h1", Algorithm::HS256, SECRET.as_bytes()),
        key("old", Algorithm::HS256, "ab01".repeat(16).as_bytes()).until(at(NOW)),
        key("e1", Algorithm::EdDSA, pem!("ed25519.pub")),
        key("r1", Algorithm::RS256, pem!("rsa.pub")),
    ];
    Tokens::new(config(), KeySet::new(keys, Some("h1")).expect("keys"))
}

fn grant() -> Grant {
    Grant::new("user-7").tenant("acme").roles(["analyst", "viewer"])
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of any header and claims, with the signature that the key `h1` makes.
fn signed(header: &str, claims: &str) -> String {
    signed_parts(&encode(header), &encode(claims))
}

fn signed_parts(header: &str, claims: &str) -> String {
    let secret: Vec<u8> = (0..32).collect();
    let message = format!("{header}.{claims}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

const HEADER: &str = r#"{"alg":"HS256","kid":"h1","typ":"at+jwt"}"#;

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "sub": "user-7", "aud": "orders", "iat": NOW - 60, "exp": NOW + 600, "jti": "t1",
    })
}

/// The right claims with one changed, or without it.
fn with(name: &str, value: Option<Value>) -> String {
    let mut claims = claims();
    let object = claims.as_object_mut().expect("an object");
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
    claims.to_string()
}

fn check(token: &str, expected: Result<(), Reason>) {
    let answer = tokens().verify(token, now());
    assert_eq!(answer.map(drop).map_err(|refused| refused.reason()), expected, "{token:.200}");
}

#[test]
fn the_token_that_all_others_are_made_from_is_right() {
    check(&signed(HEADER, &claims().to_string()), Ok(()));
    for (name, value) in [
        ("aud", json!(["billing", "orders"])),
        ("exp", json!(NOW as f64 + 600.5)),
        ("exp", json!(NOW - 29)),
        ("nbf", json!(NOW + 30)),
        ("iat", json!(NOW + 30)),
        ("roles", json!([])),
        ("more", json!({"any": ["thing"]})),
    ] {
        check(&signed(HEADER, &with(name, Some(value))), Ok(()));
    }
    // Neither prefix nor case of `typ` matters, and what is not understood is ignored (RFC 7515, section 4).
    check(&signed(r#"{"alg":"HS256","kid":"h1","typ":"application/AT+JWT","x":1}"#, &claims().to_string()), Ok(()));
}

#[test]
fn each_wrong_header_is_refused_for_its_reason() {
    use Reason::*;
    let long = "k".repeat(65);
    let own = |name: &str, value: Value| {
        let mut header: Map<String, Value> = serde_json::from_str(HEADER).expect("JSON");
        header.insert(name.to_owned(), value);
        Value::Object(header).to_string()
    };
    let cases = [
        (own("alg", json!("none")), Unsigned),
        (own("alg", json!("None")), Unsigned),
        (own("alg", json!("NONE")), Unsigned),
        (own("alg", json!("nOnE")), Unsigned),
        (own("alg", json!(" none ")), Unsigned),
        (r#"{"kid":"h1","typ":"at+jwt"}"#.to_owned(), MissingAlgorithm),
        (own("alg", json!(null)), MissingAlgorithm),
        (own("alg", json!(["HS256"])), MissingAlgorithm),
        (own("alg", json!("")), UnknownAlgorithm),
        (own("alg", json!("hs256")), UnknownAlgorithm),
        (own("alg", json!("HS1")), UnknownAlgorithm),
        (own("alg", json!("ES256K")), UnknownAlgorithm),
        (own("alg", json!("RSA1_5")), UnknownAlgorithm),
        // The same family, and another: RS/HS confusion from both sides.
        (own("alg", json!("HS512")), OtherAlgorithm),
        (own("alg", json!("RS256")), OtherFamily),
        (own("kid", json!("r1")), OtherFamily),
        (own("kid", json!("e1")), OtherFamily),
        (r#"{"alg":"PS256","kid":"r1","typ":"at+jwt"}"#.to_owned(), OtherAlgorithm),
        (r#"{"alg":"ES256","kid":"e1","typ":"at+jwt"}"#.to_owned(), OtherFamily),
        (r#"{"alg":"HS256","typ":"at+jwt"}"#.to_owned(), MissingKey),
        (own("kid", json!("h2")), UnknownKey),
        (own("kid", json!("H1")), UnknownKey),
        (own("kid", json!("old")), EndedKey),
        (own("kid", json!("")), KeyForm),
        (own("kid", json!(1)), KeyForm),
        (own("kid", json!(null)), KeyForm),
        (own("kid", json!("../../dev/null")), KeyForm),
        (own("kid", json!("h1' UNION SELECT 'x")), KeyForm),
        (own("kid", json!("h1\u{0}")), KeyForm),
        (own("kid", json!("h1\n")), KeyForm),
        (own("kid", json!("..")), KeyForm),
        (own("kid", json!(long)), KeyForm),
        (own("crit", json!(["exp"])), Critical),
        (own("crit", json!([])), Critical),
        (own("crit", json!(null)), Critical),
        (own("b64", json!(false)), Unencoded),
        (own("b64", json!(true)), Unencoded),
        (own("jku", json!("https://evil.example/jwks")), OwnKey),
        (own("x5u", json!("https://evil.example/cert")), OwnKey),
        (own("jwk", json!({"kty": "oct", "k": "AAAA"})), OwnKey),
        (own("x5c", json!(["MIIB"])), OwnKey),
        (own("zip", json!("DEF")), Encrypted),
        (own("enc", json!("A128GCM")), Encrypted),
        (r#"{"alg":"HS256","kid":"h1"}"#.to_owned(), Type),
        (own("typ", json!("JWT")), Type),
        (own("typ", json!("rt+jwt")), Type),
        (own("typ", json!("application/application/at+jwt")), Type),
        (own("typ", json!(7)), Type),
        (r#"{"alg":"HS256","alg":"none","kid":"h1","typ":"at+jwt"}"#.to_owned(), Duplicate),
        (r#"{"alg":"HS256","kid":"h1","typ":"at+jwt","\u006bid":"h2"}"#.to_owned(), Duplicate),
        ("[]".to_owned(), Json),
        ("".to_owned(), Json),
        (format!("{HEADER} {{}}"), Json),
        (own("x", serde_json::from_str(&format!("{}{}", "[".repeat(20), "]".repeat(20))).expect("JSON")), Nesting),
    ];
    for (header, reason) in cases {
        check(&signed(&header, &claims().to_string()), Err(reason));
    }
}

#[test]
fn each_wrong_claim_is_refused_for_its_reason() {
    use Reason::*;
    let cases = [
        ("iss", None, MissingClaim("iss")),
        ("aud", None, MissingClaim("aud")),
        ("exp", None, MissingClaim("exp")),
        ("iat", None, MissingClaim("iat")),
        ("sub", None, MissingClaim("sub")),
        ("jti", None, MissingClaim("jti")),
        ("iss", Some(json!(["https://id.example"])), ClaimForm("iss")),
        ("iss", Some(json!(null)), ClaimForm("iss")),
        ("iss", Some(json!("https://id.example/")), Issuer),
        ("aud", Some(json!(7)), ClaimForm("aud")),
        ("aud", Some(json!([7, "orders"])), ClaimForm("aud")),
        ("aud", Some(json!({"orders": true})), ClaimForm("aud")),
        ("aud", Some(json!([])), Audience),
        ("aud", Some(json!("Orders")), Audience),
        ("aud", Some(json!("orders-and-more")), Audience),
        ("sub", Some(json!("")), ClaimForm("sub")),
        ("sub", Some(json!(7)), ClaimForm("sub")),
        ("sub", Some(json!("a\u{0}b")), ClaimForm("sub")),
        ("sub", Some(json!("x".repeat(257))), ClaimForm("sub")),
        ("jti", Some(json!("")), ClaimForm("jti")),
        ("jti", Some(json!([])), ClaimForm("jti")),
        ("exp", Some(json!("1900000000")), ClaimForm("exp")),
        ("exp", Some(json!(null)), ClaimForm("exp")),
        ("exp", Some(json!(-1)), ClaimForm("exp")),
        ("exp", Some(json!(NOW - 30)), Expired),
        ("exp", Some(json!(0)), Expired),
        // In the year 33658, and past all numbers.
        ("exp", Some(json!(1_000_000_000_000_u64)), Lifetime),
        ("exp", Some(json!(u64::MAX)), Lifetime),
        ("exp", Some(json!(1e300)), Lifetime),
        ("exp", Some(json!(NOW - 60 + 3_601)), Lifetime),
        ("iat", Some(json!(0)), Lifetime),
        ("iat", Some(json!(NOW + 31)), IssuedAhead),
        ("iat", Some(json!("now")), ClaimForm("iat")),
        ("nbf", Some(json!(NOW + 31)), NotYet),
        ("nbf", Some(json!("later")), ClaimForm("nbf")),
        ("nbf", Some(json!(true)), ClaimForm("nbf")),
        ("tenant", Some(json!(["acme"])), ClaimForm("tenant")),
        ("tenant", Some(json!("")), ClaimForm("tenant")),
        ("roles", Some(json!("admin")), ClaimForm("roles")),
        ("roles", Some(json!(["admin", null])), ClaimForm("roles")),
        ("roles", Some(json!(vec!["r"; 65])), ClaimForm("roles")),
        ("epoch", Some(json!(-1)), ClaimForm("epoch")),
        ("deep", Some(serde_json::from_str(&format!("{}{}", "[".repeat(20), "]".repeat(20))).expect("JSON")), Nesting),
    ];
    for (name, value, reason) in cases {
        check(&signed(HEADER, &with(name, value)), Err(reason));
    }
    // What ends before it begins.
    let mut backwards = claims();
    backwards["iat"] = json!(NOW + 20);
    backwards["exp"] = json!(NOW + 10);
    check(&signed(HEADER, &backwards.to_string()), Err(Lifetime));
    let doubled = claims().to_string().replacen('{', r#"{"sub":"admin","#, 1);
    check(&signed(HEADER, &doubled), Err(Duplicate));
    check(&signed(HEADER, r#""claims""#), Err(Json));
}

#[test]
fn each_wrong_form_is_refused_for_its_reason() {
    use Reason::*;
    let right = signed(HEADER, &claims().to_string());
    let (message, tag) = right.rsplit_once('.').expect("parts");
    let (header, body) = message.split_once('.').expect("parts");
    for (token, reason) in [
        (String::new(), Parts),
        ("a".to_owned(), Parts),
        (message.to_owned(), Parts),
        (format!("{right}."), Parts),
        (format!("{right}.x"), Parts),
        (format!("{message}."), Signature),
        (format!("{message}.{}", &tag[..tag.len() - 4]), Signature),
        (format!("{right}="), Base64),
        (format!("{right}\n"), Base64),
        (format!(" {right}"), Base64),
        (format!("{header}=.{body}.{tag}"), Base64),
        (right.replace('_', "/").replace('-', "+") + "+", Base64),
        ("x".repeat(8 * 1024 + 1), TooLong),
        ("x.".repeat(5 << 20), TooLong),
        (format!(".{body}.{tag}"), Json),
    ] {
        check(&token, Err(reason));
    }
    // 32 bytes have 43 digits, of which the last says two bits of nothing.
    let last = tag.chars().last().expect("a digit");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).expect("a digit");
    let other = alphabet.chars().nth(at + 1).expect("one more");
    check(&format!("{message}.{}{other}", &tag[..tag.len() - 1]), Err(Base64));
    // A claims part that is not canonical, though rightly signed.
    let sloppy = format!("{}.{}", header, encode("{}") + "=");
    assert!(sloppy.ends_with('='));
    check(&signed_parts(header, &(encode("{} ") + "=")), Err(Base64));
}

/// The signature is looked at before the claims are.
#[test]
fn whatever_is_altered_the_signature_is_wrong() {
    let right = signed(HEADER, &claims().to_string());
    let other = signed(HEADER, &with("sub", Some(json!("admin"))));
    let (message, _) = other.rsplit_once('.').expect("parts");
    let (_, tag) = right.rsplit_once('.').expect("parts");
    check(&format!("{message}.{tag}"), Err(Reason::Signature));
    // The public key as an HMAC secret, under the name of either key.
    let public = hmac::Key::new(hmac::HMAC_SHA256, pem!("rsa.pub"));
    for (kid, reason) in [("r1", Reason::OtherFamily), ("h1", Reason::Signature)] {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"at+jwt"}}"#);
        let message = format!("{}.{}", encode(&header), encode(&claims().to_string()));
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&public, message.as_bytes()));
        check(&format!("{message}.{tag}"), Err(reason));
    }
    // An empty signature, and the empty secret's.
    let empty = hmac::Key::new(hmac::HMAC_SHA256, b"");
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&empty, message.as_bytes()));
    check(&format!("{message}.{tag}"), Err(Reason::Signature));
}

/// Each algorithm with the key that signs and the one that verifies.
fn algorithms() -> Vec<(Algorithm, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for (algorithm, bytes) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let secret: String = (0..bytes).map(|byte| format!("{byte:02x}")).collect();
        all.push((algorithm, secret.clone().into_bytes(), secret.into_bytes()));
    }
    for (algorithm, private, public) in [
        (Algorithm::ES256, &pem!("p256")[..], &pem!("p256.pub")[..]),
        (Algorithm::ES384, pem!("p384"), pem!("p384.pub")),
        (Algorithm::EdDSA, pem!("ed25519"), pem!("ed25519.pub")),
    ] {
        all.push((algorithm, private.to_vec(), public.to_vec()));
    }
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        all.push((algorithm.parse().expect("an algorithm"), pem!("rsa").to_vec(), pem!("rsa.pub").to_vec()));
    }
    all
}

#[test]
fn each_algorithm_signs_and_verifies() {
    for (algorithm, private, public) in algorithms() {
        let issuer = Tokens::new(config(), KeySet::new([key("k", algorithm, &private)], Some("k")).expect("keys"));
        let verifier = Tokens::new(config(), KeySet::new([key("k", algorithm, &public)], None).expect("keys"));
        let (token, claims) = issuer.issue(&grant(), now()).expect("a token");
        let verified = verifier.verify(&token, now()).expect("right");
        assert_eq!((verified.claims(), verified.grant()), (&claims, &grant()), "{algorithm:?}");
        assert_eq!((claims.issued, claims.expires), (NOW, NOW + 900));
        // Each bit of the signature counts.
        let (message, tag) = token.rsplit_once('.').expect("parts");
        let tag = URL_SAFE_NO_PAD.decode(tag).expect("base64");
        for at in [0, tag.len() / 2, tag.len() - 1] {
            let mut altered = tag.clone();
            altered[at] ^= 1;
            let altered = format!("{message}.{}", URL_SAFE_NO_PAD.encode(altered));
            let refused = verifier.verify(&altered, now()).expect_err("altered");
            assert_eq!(refused.reason(), Reason::Signature, "{algorithm:?} {at}");
        }
        if algorithm != Algorithm::HS256 && !matches!(algorithm, Algorithm::HS384 | Algorithm::HS512) {
            assert_eq!(verifier.issue(&grant(), now()).map(drop), Err(IssueError::NoKey));
        }
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    let refused = |id: &str, algorithm, text: &[u8]| TokenKey::parse(id, algorithm, text).expect_err("no key");
    use Algorithm::*;
    assert_eq!(refused("k", HS256, b""), InvalidKey::Short(32));
    assert_eq!(refused("k", HS256, "00".repeat(31).replacen('0', "1", 1).as_bytes()), InvalidKey::Short(32));
    assert_eq!(refused("k", HS384, SECRET.as_bytes()), InvalidKey::Short(48));
    assert_eq!(refused("k", HS512, &SECRET.repeat(2).as_bytes()[..126]), InvalidKey::Short(64));
    assert_eq!(refused("k", HS256, "00".repeat(32).as_bytes()), InvalidKey::Secret);
    assert_eq!(refused("k", HS256, b"correct horse battery staple"), InvalidKey::Secret);
    assert_eq!(refused("k", HS256, pem!("rsa.pub")), InvalidKey::NotASecret);
    assert_eq!(refused("k", HS256, br#"{"kty":"RSA"}"#), InvalidKey::NotASecret);
    assert_eq!(refused("k", RS256, SECRET.as_bytes()), InvalidKey::Pem);
    assert_eq!(refused("k", RS256, pem!("rsa1024")), InvalidKey::Algorithm);
    assert_eq!(refused("k", RS256, pem!("ed25519")), InvalidKey::Algorithm);
    assert_eq!(refused("k", RS256, pem!("p256.pub")), InvalidKey::Algorithm);
    assert_eq!(refused("k", ES256, pem!("p384")), InvalidKey::Algorithm);
    assert_eq!(refused("k", ES256, pem!("p384.pub")), InvalidKey::Algorithm);
    assert_eq!(refused("k", EdDSA, pem!("p256.pub")), InvalidKey::Algorithm);
    for name in ["", "a/b", "..", "a b", "ä", &"a".repeat(65)] {
        assert_eq!(refused(name, HS256, SECRET.as_bytes()), InvalidKey::Name, "{name}");
    }
    assert!(!format!("{:?}", key("k", HS256, SECRET.as_bytes())).contains("00"));
}

#[test]
fn a_set_of_keys_that_contradict_each_other_is_refused() {
    let secret = |id| key(id, Algorithm::HS256, SECRET.as_bytes());
    let refused = |keys: Vec<TokenKey>, signing| KeySet::new(keys, signing).expect_err("no set");
    assert_eq!(refused(vec![secret("a"), secret("a")], None), InvalidKeys::SameName("a".into()));
    assert_eq!(refused(vec![secret("a")], Some("b")), InvalidKeys::Missing("b".into()));
    let public = key("p", Algorithm::EdDSA, pem!("ed25519.pub"));
    assert_eq!(refused(vec![public], Some("p")), InvalidKeys::CannotSign("p".into()));
    let two = vec![key("a", Algorithm::RS256, pem!("rsa")), key("b", Algorithm::PS256, pem!("rsa.pub"))];
    assert_eq!(refused(two, None), InvalidKeys::SharedKey("a".into(), "b".into()));
}

#[test]
fn a_key_is_changed_with_an_overlap() {
    let mut keys = KeySet::new([key("k1", Algorithm::EdDSA, pem!("ed25519"))], Some("k1")).expect("keys");
    let tokens = |keys| Tokens::new(config(), keys);
    let (old, _) = tokens(KeySet::new([key("k1", Algorithm::EdDSA, pem!("ed25519"))], Some("k1")).expect("keys"))
        .issue(&grant(), now())
        .expect("a token");
    let end = NOW + 3_600 + 30;
    keys.rotate(key("k2", Algorithm::ES256, pem!("p256")), at(end)).expect("rotated");
    assert_eq!(
        keys.rotate(key("k3", Algorithm::ES256, pem!("p256.pub")), at(end)).expect_err("it cannot sign"),
        InvalidKeys::CannotSign("k3".into())
    );
    let names = |keys: &KeySet, now| -> Vec<String> {
        keys.jwks(at(now)).keys.into_iter().filter_map(|key| key.common.key_id).collect()
    };
    assert_eq!(names(&keys, NOW), ["k1", "k2"]);
    assert_eq!(names(&keys, end), ["k2"]);
    let all = tokens(keys);
    assert!(all.verify(&old, now()).is_ok());
    let (new, _) = all.issue(&grant(), now()).expect("a token");
    assert!(new.starts_with(&encode(r#"{"typ":"at+jwt","alg":"ES256","kid":"k2""#)[..30]), "{new}");
    assert!(all.verify(&new, now()).is_ok());
    assert_eq!(all.verify(&old, at(end)).expect_err("ended").reason(), Reason::EndedKey);
    let mut keys = KeySet::new([key("k1", Algorithm::EdDSA, pem!("ed25519")).until(now())], None).expect("keys");
    keys.forget_ended(now());
    assert!(keys.keys().is_empty());
}

/// RFC 7517 and RFC 7518, section 6, and RFC 8037: public keys alone.
#[test]
fn a_jwk_set_has_no_secret() {
    let keys = [
        key("h", Algorithm::HS256, SECRET.as_bytes()),
        key("e", Algorithm::EdDSA, pem!("ed25519")),
        key("p", Algorithm::ES256, pem!("p256")),
        key("q", Algorithm::ES384, pem!("p384")),
        key("r", Algorithm::RS256, pem!("rsa")),
    ];
    let set = KeySet::new(keys, Some("h")).expect("keys").jwks(now());
    let text = serde_json::to_value(&set).expect("JSON");
    let names: Vec<_> = text["keys"].as_array().expect("keys").iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(names, ["e", "p", "q", "r"]);
    for key in text["keys"].as_array().expect("keys") {
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{key}");
        }
    }
    // Whoever reads the set verifies what was signed: by jsonwebtoken's own reading of it.
    assert!(set.keys.iter().all(|key| jsonwebtoken::DecodingKey::from_jwk(key).is_ok()));
}

#[test]
fn what_no_token_can_carry_is_not_issued() {
    let issue = |grant: Grant| tokens().issue(&grant, now()).map(drop);
    assert_eq!(issue(Grant::new("")), Err(IssueError::Grant(Reason::ClaimForm("sub"))));
    assert_eq!(issue(Grant::new("a\nb")), Err(IssueError::Grant(Reason::ClaimForm("sub"))));
    assert_eq!(issue(Grant::new("a").tenant("")), Err(IssueError::Grant(Reason::ClaimForm("tenant"))));
    assert_eq!(issue(Grant::new("a").roles(vec!["r"; 65])), Err(IssueError::Grant(Reason::ClaimForm("roles"))));
    assert_eq!(issue(Grant::new("a").roles(vec!["r".repeat(256); 60])), Err(IssueError::TooLong));
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    fn name() -> impl Strategy<Value = String> {
        "[^\\p{Cc}]{1,40}"
    }

    proptest! {
        #[test]
        fn what_is_issued_is_verified_as_it_was_and_when_it_was(
            subject in name(), tenant in proptest::option::of(name()), roles in prop::collection::vec(name(), 0..5),
            later in 0_u64..2_000,
        ) {
            let grant = Grant { subject, tenant, roles };
            let (token, claims): (String, Claims) = tokens().issue(&grant, now()).expect("a token");
            let answer = tokens().verify(&token, at(NOW + later));
            if later < 900 + 30 {
                let answer = answer.expect("right");
                prop_assert_eq!(answer.claims(), &claims);
            } else {
                prop_assert_eq!(answer.expect_err("late").reason(), Reason::Expired);
            }
        }

        #[test]
        fn a_token_with_any_byte_changed_is_refused(at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
            let (token, _) = tokens().issue(&grant(), now()).expect("a token");
            let mut bytes = token.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert!(tokens().verify(&String::from_utf8(bytes).expect("text"), now()).is_err());
        }

        #[test]
        fn any_text_is_read(text in "[a-zA-Z0-9._=-]{0,300}") {
            prop_assert!(tokens().verify(&text, now()).is_err());
        }

        #[test]
        fn any_claims_are_read(text in r#"\{("(sub|exp|aud)":([0-9e.+-]{1,8}|"[a-z]{0,5}"|\[\]|null),?){0,4}\}"#) {
            prop_assert!(tokens().verify(&signed(HEADER, &text), now()).is_err());
        }
    }
}
