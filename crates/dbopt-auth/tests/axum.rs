//! The layer and the extractors in front of an axum service.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
    routing::get,
};
use dbopt_auth::{
    Asks, Grant, Identity, KeySet, Matrix, Role, Route, Routes, TokenConfig, TokenKey, Tokens, axum::Require,
    tower::AuthLayer,
};
use tower_service::Service as _;

dbopt_auth::permission!(ReadOrders = "orders:read");
dbopt_auth::permission!(Misspelt = "order:read");

fn matrix() -> Matrix {
    let roles = [Role::new("viewer", ["orders:read"]), Role::new("admin", ["*"]).inherits(["viewer"])];
    Matrix::new(["orders:read", "users:manage"], roles).expect("a matrix")
}

fn tokens() -> Tokens {
    let secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let key = TokenKey::parse("k1", jsonwebtoken::Algorithm::HS256, secret.as_bytes()).expect("a key");
    Tokens::new(TokenConfig::new("id", "orders"), KeySet::new([key], Some("k1")).expect("keys"))
}

async fn orders(Require { identity, .. }: Require<ReadOrders>) -> String {
    format!("{} of {}", identity.subject(), identity.tenant().unwrap_or("nobody"))
}

fn service() -> (AuthLayer<Tokens>, Router) {
    let layer = AuthLayer::new(Arc::new(tokens()), matrix());
    let inside = Router::new()
        .route("/orders", get(orders))
        .route("/misspelt", get(async |_: Require<Misspelt>| "never"))
        .route("/me", get(async |identity: Identity| identity.subject().to_owned()))
        .layer(layer.clone());
    let admin = Router::new().route("/admin", get(async || "restarted")).layer(layer.require("users:manage"));
    let outside = Router::new()
        .route("/open", get(async |who: Option<Identity>| if who.is_some() { "somebody" } else { "anybody" }))
        .route("/forgotten", get(orders));
    (layer, inside.merge(admin).merge(outside))
}

async fn ask(router: &Router, path: &str, fields: &[&str]) -> Response<Body> {
    let mut request = Request::builder().uri(path);
    for field in fields {
        request = request.header(header::AUTHORIZATION, *field);
    }
    router.clone().call(request.body(Body::empty()).expect("a request")).await.expect("an answer")
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a body");
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn token(roles: &[&str]) -> String {
    let grant = Grant::new("user-7").tenant("acme").roles(roles.to_vec());
    format!("Bearer {}", tokens().issue(&grant, SystemTime::now()).expect("a token").0)
}

async fn check(path: &str, fields: &[&str], status: StatusCode, challenge: Option<&str>) {
    let response = ask(&service().1, path, fields).await;
    let said = response.headers().get(header::WWW_AUTHENTICATE).map(|value| value.to_str().expect("text").to_owned());
    assert_eq!((response.status(), said.as_deref()), (status, challenge), "{path} {fields:?}");
    if status != StatusCode::OK {
        assert_eq!(text(response).await, "", "the client is not told why");
    }
}

const INVALID: Option<&str> = Some("Bearer error=\"invalid_token\"");
const MALFORMED: Option<&str> = Some("Bearer error=\"invalid_request\"");
const LACKING: Option<&str> = Some("Bearer error=\"insufficient_scope\"");

#[tokio::test]
async fn whoever_may_gets_in() {
    let (_, router) = service();
    assert_eq!(text(ask(&router, "/orders", &[&token(&["viewer"])]).await).await, "user-7 of acme");
    assert_eq!(text(ask(&router, "/admin", &[&token(&["admin"])]).await).await, "restarted");
    assert_eq!(text(ask(&router, "/me", &[&token(&[]).replace("Bearer", "bEARER")]).await).await, "user-7");
    assert_eq!(text(ask(&router, "/open", &[]).await).await, "anybody");
}

#[tokio::test]
async fn whoever_may_not_does_not() {
    let (viewer, other) = (token(&["viewer"]), token(&["other"]));
    check("/orders", &[], StatusCode::UNAUTHORIZED, Some("Bearer")).await;
    check("/orders", &["Basic dXNlcjpwYXNz"], StatusCode::UNAUTHORIZED, Some("Bearer")).await;
    check("/orders", &["Bearer"], StatusCode::BAD_REQUEST, MALFORMED).await;
    check("/orders", &["Bearer "], StatusCode::BAD_REQUEST, MALFORMED).await;
    check("/orders", &[&viewer, &viewer], StatusCode::BAD_REQUEST, MALFORMED).await;
    check("/orders", &["Bearer x.y.z"], StatusCode::UNAUTHORIZED, INVALID).await;
    check("/orders", &[&format!("{viewer}x")], StatusCode::UNAUTHORIZED, INVALID).await;
    check("/orders", &[&other], StatusCode::FORBIDDEN, LACKING).await;
    check("/admin", &[&viewer], StatusCode::FORBIDDEN, LACKING).await;
    // A permission that there is not, nobody has.
    check("/misspelt", &[&token(&["admin"])], StatusCode::FORBIDDEN, LACKING).await;
    // A handler that asks for a permission, behind no layer.
    check("/forgotten", &[&token(&["admin"])], StatusCode::UNAUTHORIZED, Some("Bearer")).await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let past = SystemTime::now() - Duration::from_secs(3_600);
    let (token, _) = tokens().issue(&Grant::new("user-7").roles(["viewer"]), past).expect("a token");
    check("/orders", &[&format!("Bearer {token}")], StatusCode::UNAUTHORIZED, INVALID).await;
}

#[tokio::test]
async fn roles_are_replaced_while_it_runs() {
    let (layer, router) = service();
    let viewer = token(&["viewer"]);
    assert_eq!(ask(&router, "/orders", &[&viewer]).await.status(), StatusCode::OK);
    let none = Matrix::new(["orders:read"], [Role::new("admin", ["orders:read"])]).expect("a matrix");
    layer.replace(none);
    assert_eq!(ask(&router, "/orders", &[&viewer]).await.status(), StatusCode::FORBIDDEN);
}

/// What another layer, or a careless one, left in the request does not count.
#[tokio::test]
async fn nobody_else_says_who_it_is() {
    let (layer, router) = service();
    let mut headers = axum::http::HeaderMap::new();
    headers.insert(header::AUTHORIZATION, token(&["admin"]).parse().expect("a field"));
    let admin = layer.identify(&headers).await.expect("right");
    let mut request = Request::builder().uri("/orders").body(Body::empty()).expect("a request");
    request.extensions_mut().insert(admin);
    let response = router.clone().call(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

/// With routes, each asks for what is written down, and what is forgotten is not reached, though the router has it.
#[tokio::test]
async fn what_is_not_listed_is_refused() {
    let route = |path: &str, asks| Route { methods: vec!["GET".to_owned()], path: path.to_owned(), asks };
    let routes = Routes::new([
        route("/open", Asks::Nothing),
        route("/me", Asks::Token),
        route("/orders/{id}", Asks::Permission("orders:read".to_owned())),
        route("/misspelt", Asks::Permission("order:read".to_owned())),
    ])
    .expect("good");
    let layer = AuthLayer::new(Arc::new(tokens()), matrix()).routes(routes);
    let router = Router::new()
        .route("/open", get(async |who: Option<Identity>| if who.is_some() { "somebody" } else { "anybody" }))
        .route("/me", get(async |identity: Identity| identity.subject().to_owned()))
        .route("/orders/{id}", get(async || "an order"))
        .route("/misspelt", get(async || "never"))
        .route("/forgotten", get(async || "never"))
        .fallback(async || "never")
        .layer(layer);
    let status = async |path: &str, fields: &[&str]| ask(&router, path, fields).await.status();
    let (viewer, nobody) = (token(&["viewer"]), token(&[]));
    // A token is not looked at where none is asked for.
    for fields in [&[][..], &["Bearer nonsense"], &[&*viewer]] {
        let response = ask(&router, "/open", fields).await;
        assert_eq!((response.status(), &*text(response).await), (StatusCode::OK, "anybody"));
    }
    assert_eq!((status("/me", &[]).await, status("/me", &[&nobody]).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    assert_eq!(status("/orders/7", &[&nobody]).await, StatusCode::FORBIDDEN);
    assert_eq!(status("/orders/7", &[&viewer]).await, StatusCode::OK);
    assert_eq!(status("/misspelt", &[&token(&["admin"])]).await, StatusCode::FORBIDDEN);
    for path in ["/forgotten", "/orders", "/orders/7/", "/other", "/open/../forgotten", "/%6de"] {
        assert_eq!(status(path, &[&token(&["admin"])]).await, StatusCode::NOT_FOUND, "{path}");
    }
    let posted = Request::post("/open").body(Body::empty()).expect("a request");
    assert_eq!(router.clone().call(posted).await.expect("an answer").status(), StatusCode::NOT_FOUND);
}
