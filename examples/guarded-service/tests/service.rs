//! The service as its clients see it.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
};
use tower_service::Service as _;

/// The shipped policies, with secrets in files that only a test has.
fn service() -> (tempfile::TempDir, Router) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
    };
    for name in ["access.toml", "passwords.toml", "ratelimit.toml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a policy");
        write(
            name,
            &text.replace("env:GUARDED_TOKEN_KEY", "file:token").replace("env:GUARDED_REFRESH_KEY", "file:refresh"),
        );
    }
    write("token", &"6b1d".repeat(16));
    write("refresh", &"f00d".repeat(16));
    let service = guarded_service::service(folder.path()).expect("a service");
    (folder, service)
}

async fn ask(service: &Router, method: &str, path: &str, token: &str, body: &str) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let mut request = request.body(Body::from(body.to_owned())).expect("a request");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 7))));
    let response = service.clone().call(request).await.expect("an answer");
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

/// Access and refresh token of an answer.
fn pair(answer: &(StatusCode, String)) -> (String, String) {
    assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
    let answer: serde_json::Value = serde_json::from_str(&answer.1).expect("JSON");
    let text = |name: &str| answer[name].as_str().expect("text").to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn login(service: &Router, name: &str) -> (String, String) {
    pair(&ask(service, "POST", "/login", "", &format!("{name}\ncorrect horse {name}\n")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gate_does_its_part() {
    let (_folder, service) = service();
    let get = async |path: &str, token: &str| ask(&service, "GET", path, token, "").await;
    assert_eq!(get("/orders/acme", "").await.0, StatusCode::UNAUTHORIZED);
    let (ann, _) = login(&service, "ann").await;
    // bob's hash is one of bcrypt; it is replaced, and he gets in again.
    login(&service, "bob").await;
    let (bob, _) = login(&service, "bob").await;
    assert_eq!(get("/orders/acme", &bob).await, (StatusCode::OK, "no orders of acme for bob\n".to_owned()));
    assert_eq!(get("/orders/other", &ann).await.0, StatusCode::NOT_FOUND, "another tenant's");
    assert_eq!(get("/orders/acme", &format!("{bob}x")).await.0, StatusCode::UNAUTHORIZED);
    // Three a minute for each user: the fourth is too many, and others are not concerned.
    assert_eq!(get("/orders/acme", &bob).await.0, StatusCode::OK);
    assert_eq!(get("/orders/acme", &bob).await.0, StatusCode::OK);
    assert_eq!(get("/orders/acme", &bob).await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(get("/orders/acme", &ann).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_put_out_is_out_at_once_and_may_come_back() {
    let (_folder, service) = service();
    let post = async |path: &str, token: &str, body: &str| ask(&service, "POST", path, token, body).await;
    let (ann, _) = login(&service, "ann").await;
    let (bob, refresh) = login(&service, "bob").await;
    let (eve, _) = login(&service, "eve").await;
    assert_eq!(post("/users/ann/revoke", &bob, "").await.0, StatusCode::FORBIDDEN);
    assert_eq!(post("/users/bob/revoke", &eve, "").await.0, StatusCode::NOT_FOUND, "an admin of another tenant");
    assert_eq!(post("/users/bob/revoke", &ann, "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask(&service, "GET", "/orders/acme", &bob, "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(post("/refresh", "", &refresh).await, (StatusCode::UNAUTHORIZED, "the token is not valid\n".to_owned()));
    let (bob, refresh) = login(&service, "bob").await;
    assert_eq!(ask(&service, "GET", "/orders/acme", &bob, "").await.0, StatusCode::OK);
    let (_, next) = pair(&post("/refresh", "", &refresh).await);
    // The used one again: a copy was made, and nobody stays in with either.
    assert_eq!(post("/refresh", "", &refresh).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(post("/refresh", "", &next).await.0, StatusCode::UNAUTHORIZED);
    let (_, refresh) = login(&service, "bob").await;
    assert_eq!(post("/logout", "", &refresh).await.0, StatusCode::NO_CONTENT);
    assert_eq!(post("/refresh", "", &refresh).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_limited_and_says_nothing_of_who_exists() {
    let (_folder, service) = service();
    let guess = async |name: &str| ask(&service, "POST", "/login", "", &format!("{name}\nwrong")).await;
    assert_eq!(guess("ann").await, guess("nobody").await);
    for _ in 0..4 {
        assert_eq!(guess("ann").await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(guess("ann").await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(guess(" ANN ").await.0, StatusCode::TOO_MANY_REQUESTS, "another spelling is the same account");
}
