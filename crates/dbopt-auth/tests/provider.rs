//! The provider for `jsonwebtoken`, which a process can install once; and that crate as a second opinion on ours.

use std::{collections::HashMap, sync::Once, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dbopt_auth::{Grant, KeySet, PROVIDER, TokenConfig, TokenKey, Tokens};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto};
use serde_json::Value;

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| PROVIDER.install_default().expect("no other is installed"));
}

fn check(token: &str, key: &DecodingKey, algorithm: Algorithm) {
    install();
    let (message, signature) = token.rsplit_once('.').expect("parts");
    assert!(crypto::verify(signature, message.as_bytes(), key, algorithm).expect("a key"));
    assert!(!crypto::verify(signature, format!("{message}x").as_bytes(), key, algorithm).expect("a key"));
    let other = crypto::verify(&signature.replace('A', "B"), message.as_bytes(), key, algorithm);
    assert!(!signature.contains('A') || !other.is_ok_and(|right| right));
}

const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// RFC 7515, appendices A.1 to A.3.
#[test]
fn the_examples_of_rfc_7515_are_right() {
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let token =
        format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    check(&token, &DecodingKey::from_secret(&URL_SAFE_NO_PAD.decode(secret).expect("base64")), Algorithm::HS256);

    let modulus = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SF\
                   d2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTB\
                   EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2\
                   PAcDTW9gb54h4FRWyuXpoQ";
    let token = format!(
        "eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2\
         Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN938\
         3LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igc\
         N_IoypGlUPQGe77Rw"
    );
    check(&token, &DecodingKey::from_rsa_components(modulus, "AQAB").expect("a key"), Algorithm::RS256);

    let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let token = format!(
        "eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    check(&token, &DecodingKey::from_ec_components(x, y).expect("a key"), Algorithm::ES256);
}

/// RFC 8037, appendix A.4.
#[test]
fn the_example_of_rfc_8037_is_right() {
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijc\
                 NR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let key = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("a key");
    check(token, &key, Algorithm::EdDSA);
}

/// What we issue, `jsonwebtoken` accepts with our public keys; and the other way round.
#[test]
fn jsonwebtoken_agrees() {
    install();
    let config = TokenConfig::new("https://id.example", "orders");
    let pem = include_bytes!("keys/p256.pem");
    let key = || TokenKey::parse("k1", Algorithm::ES256, pem).expect("a key");
    let ours = Tokens::new(config, KeySet::new([key()], Some("k1")).expect("keys"));
    let now = SystemTime::now();
    let (token, claims) = ours.issue(&Grant::new("user-7").roles(["viewer"]), now).expect("a token");

    let set = ours.keys().jwks(now);
    let public = DecodingKey::from_jwk(set.find("k1").expect("a key")).expect("a key");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["orders"]);
    validation.set_issuer(&["https://id.example"]);
    let theirs = jsonwebtoken::decode::<HashMap<String, Value>>(&token, &public, &validation).expect("right").claims;
    assert_eq!((&theirs["sub"], &theirs["jti"]), (&claims.grant.subject.clone().into(), &claims.id.clone().into()));

    let der = {
        use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
        PrivateKeyDer::from_pem_slice(pem).expect("a key").secret_der().to_vec()
    };
    let header = Header { typ: Some("at+jwt".to_owned()), kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) };
    let made = jsonwebtoken::encode(&header, &theirs, &EncodingKey::from_ec_der(&der)).expect("a token");
    assert_eq!(ours.verify(&made, now).expect("right").claims(), &claims);
    // It asks for the family of the key, and so do we.
    assert!(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &theirs, &EncodingKey::from_ec_der(&der)).is_err());
    assert!((PROVIDER.verifier_factory)(&Algorithm::HS256, &public).is_err());
}
