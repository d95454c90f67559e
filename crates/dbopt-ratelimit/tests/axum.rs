//! The layer and the extractors in a router of axum.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use dbopt_ratelimit::{
    Algorithm, Keyer, Limit, LimitPolicy, Limiter, MemoryConfig, MemoryStore, Options, Part, Proxies, Rule, Rules,
    Trusted, Window,
    axum::{Check, layer},
    tower::{Limited, RateLimitLayer},
};
use governor::clock::FakeRelativeClock;
use tower_service::Service as _;

type Store = MemoryStore<FakeRelativeClock>;
type Limits = RateLimitLayer<Store, FakeRelativeClock>;

fn limits(rules: impl IntoIterator<Item = Rule>) -> (Limits, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let store = MemoryStore::with_clock(MemoryConfig::default(), clock.clone());
    let (rules, options) = (Rules::new(rules).expect("good rules"), Options::with_clock(clock.clone()));
    (layer(Limiter::with(store, rules, Keyer::shared(b"0123456789abcdef"), options)), clock)
}

fn rule<const N: usize>(name: &str, parts: [Part; N], most: u32) -> Rule {
    let most = NonZeroU32::new(most).expect("above zero");
    Rule::new(name, parts, Limit::new(Algorithm::Gcra, [Window::per_minute(most)]).expect("a limit"))
}

fn routes(name: &str, route: &str, rule: Rule) -> Rule {
    Rule { name: name.into(), routes: vec![route.parse().expect("a route")], ..rule }
}

/// Asks for a path, from an address.
async fn ask(router: &Router, path: &str, from: &str) -> Response {
    send(router, Request::get(path), from, "").await
}

async fn send(router: &Router, request: axum::http::request::Builder, from: &str, body: &str) -> Response {
    let peer: SocketAddr = from.parse().expect("an address");
    let request = request.extension(ConnectInfo(peer)).body(Body::from(body.to_owned())).expect("a request");
    router.clone().call(request).await.expect("infallible")
}

async fn text(response: Response) -> String {
    let body = to_bytes(response.into_body(), 1 << 16).await.expect("a body");
    String::from_utf8(body.into()).expect("text")
}

const ONE: &str = "192.0.2.1:1000";

#[tokio::test]
async fn the_route_is_the_pattern_that_was_matched() {
    let by_pattern = routes("user", "/users/{id}", rule("user", [Part::Route], 2));
    let (limits, clock) = limits([by_pattern]);
    let router = Router::new().route("/users/{id}", get(|| async { "hello" })).route("/other", get(|| async {}));
    let router = router.layer(limits);
    assert_eq!(text(ask(&router, "/users/1", ONE).await).await, "hello");
    assert_eq!(ask(&router, "/users/2", ONE).await.status(), 200);
    let refused = ask(&router, "/users/3", ONE).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(ask(&router, "/other", ONE).await.headers().get("ratelimit"), None);
    clock.advance(Duration::from_secs(30));
    assert_eq!(ask(&router, "/users/4", ONE).await.status(), 200);
}

#[tokio::test]
async fn nested_routers_are_known_by_their_whole_pattern() {
    let (limits, _) = limits([routes("user", "/api/users/{id}", rule("user", [], 1))]);
    let users = Router::new().route("/users/{id}", get(|| async {}));
    let router = Router::new().nest("/api", users).layer(limits);
    assert_eq!(ask(&router, "/api/users/1", ONE).await.status(), 200);
    assert_eq!(ask(&router, "/api/users/2", ONE).await.status(), 429);
}

#[tokio::test]
async fn who_connects_is_counted_by_network() {
    let (limits, _) = limits([rule("any", [Part::Address], 1)]);
    let router = Router::new().route("/", get(|| async {})).layer(limits);
    let mut answers = Vec::new();
    // The last two are one /64.
    for from in ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "[2001:db8::1]:1", "[2001:db8::ffff:2]:1"] {
        answers.push(ask(&router, "/", from).await.status().as_u16());
    }
    assert_eq!(answers, [200, 429, 200, 200, 429]);
}

#[tokio::test]
async fn only_trusted_proxies_say_whom_they_speak_for() {
    let for_client = |forwarded| Request::get("/").header("x-forwarded-for", forwarded);
    let router = |trusted| {
        let (limits, _) = limits([rule("any", [Part::Address], 1)]);
        Router::new().route("/", get(|| async {})).layer(limits.trusted(trusted))
    };
    let alone = router(Trusted::default());
    assert_eq!(send(&alone, for_client("198.51.100.1"), ONE, "").await.status(), 200);
    assert_eq!(send(&alone, for_client("198.51.100.2"), ONE, "").await.status(), 429, "nobody is trusted");
    let behind = router(Trusted { proxies: Proxies::Count(1), ..Trusted::default() });
    assert_eq!(send(&behind, for_client("198.51.100.1"), ONE, "").await.status(), 200);
    assert_eq!(send(&behind, for_client("198.51.100.2"), ONE, "").await.status(), 200);
    let invented = send(&behind, for_client("203.0.113.9, 198.51.100.2"), ONE, "").await;
    assert_eq!(invented.status(), 429, "what the client writes itself does not count");
}

#[tokio::test]
async fn a_policy_replaces_rules_and_trust_and_no_counts() {
    let (limits, _) = limits([rule("any", [Part::Address], 2)]);
    let router = Router::new().route("/", get(|| async {})).layer(limits.clone());
    let ask = async |forwarded| {
        send(&router, Request::get("/").header("x-forwarded-for", forwarded), ONE, "").await.status().as_u16()
    };
    let replace = |more: &str| {
        let text =
            format!("policy = 'ratelimit'\nversion = 1\n[rule.any]\nkey = ['address']\nlimits = ['3/min']\n{more}");
        limits.replace(dbopt_policy::parse::<LimitPolicy>(text, "ratelimit.toml").expect("a good policy").policy);
    };
    assert_eq!(ask("198.51.100.1").await, 200);
    replace("");
    // What came before was half of the limit, and is a half of it still.
    assert_eq!([ask("198.51.100.1").await, ask("198.51.100.2").await], [200, 429]);
    replace("[client]\nproxies = 1\n");
    assert_eq!([ask("198.51.100.1").await, ask("198.51.100.2").await], [200, 200]);
}

#[tokio::test]
async fn handlers_read_what_was_decided() {
    async fn remaining(limited: Limited) -> String {
        limited.counted()[0].windows[0].remaining.to_string()
    }
    async fn perhaps(limited: Option<Limited>) -> String {
        limited.is_some().to_string()
    }
    let (limits, _) = limits([rule("any", [], 5)]);
    let behind = Router::new().route("/remaining", get(remaining)).route("/perhaps", get(perhaps)).layer(limits);
    assert_eq!(text(ask(&behind, "/remaining", ONE).await).await, "4");
    assert_eq!(text(ask(&behind, "/perhaps", ONE).await).await, "true");
    let bare = Router::new().route("/remaining", get(remaining)).route("/perhaps", get(perhaps));
    let mistaken = ask(&bare, "/remaining", ONE).await;
    assert_eq!(mistaken.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text(mistaken).await, "this route is not behind a `RateLimitLayer`");
    assert_eq!(text(ask(&bare, "/perhaps", ONE).await).await, "false");
}

#[tokio::test]
async fn a_handler_asks_about_what_only_it_knows() {
    async fn login(check: Check<Store, FakeRelativeClock>, account: String) -> Response {
        match check.with(|request| request.user(&account)).await {
            Ok(admitted) => (admitted, StatusCode::UNAUTHORIZED).into_response(),
            Err(refused) => refused.into_response(),
        }
    }
    let (limits, _) = limits([routes("login", "/login", rule("login", [Part::User], 1))]);
    let router = Router::new().route("/login", post(login)).with_state(limits);
    let attempt = async |account| send(&router, Request::post("/login"), ONE, account).await;
    let fields = |headers: &HeaderMap| headers["ratelimit"].to_str().expect("text").to_owned();
    let first = attempt("zoe@example.org").await;
    assert_eq!((first.status().as_u16(), fields(first.headers())), (401, "\"login\";r=0;t=60".to_owned()));
    let second = attempt("zoe@example.org").await;
    assert_eq!((second.status().as_u16(), &second.headers()["retry-after"]), (429, &"60".parse().expect("text")));
    let problem = text(second).await;
    assert!(problem.contains(r#""violated-policies":["login"]"#) && !problem.contains("zoe"), "{problem}");
    assert_eq!(attempt("bob").await.status(), 401);
}
