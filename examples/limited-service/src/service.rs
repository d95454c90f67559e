//! What the service does for its clients.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::{StatusCode, request::Parts},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use dbopt_ratelimit::{
    MemoryStore, Request as Facts,
    axum::Check,
    tower::{Limited, RateLimitLayer},
};
use futures_util::stream;

pub(crate) type Limits = RateLimitLayer<MemoryStore>;

/// The clients and what they pay for. A real service has them in a database, and no keys in its source.
const CLIENTS: [(&str, &str); 2] = [("demo-free", "free"), ("demo-pro", "pro")];

/// How many lines an export has, and how long each takes.
const LINES: u8 = 10;
const LINE_TAKES: Duration = Duration::from_millis(150);

pub(crate) fn router(limits: Limits) -> Router {
    Router::new()
        .route("/search/{topic}", get(search))
        .route("/export", get(export))
        // Limits come before the question who it is, so that guessing keys is limited too.
        .route_layer(from_fn(known))
        .route("/", get(|| async { "hello\n" }))
        .layer(limits.clone())
        // Not behind the layer: the handler asks by itself, and operators are not to be locked out.
        .route("/login", post(login))
        .route("/metrics", get(metrics))
        .with_state(limits)
}

/// Says to the limits who asks: only keys that are known count as keys, so that nobody has as many counts as it can invent.
pub(crate) fn who<'a>(parts: &'a Parts, request: Facts<'a>) -> Facts<'a> {
    match client(parts.headers.get("x-api-key")) {
        Some((key, plan)) => request.api_key(key).plan(plan),
        None => request,
    }
}

fn client(header: Option<&axum::http::HeaderValue>) -> Option<(&'static str, &'static str)> {
    CLIENTS.into_iter().find(|(key, _)| header.is_some_and(|header| header == key))
}

async fn known(request: Request, next: Next) -> Response {
    match client(request.headers().get("x-api-key")) {
        Some(_) => next.run(request).await,
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Quick, and says what remains.
async fn search(Path(topic): Path<String>, limited: Limited) -> String {
    let remaining = limited.counted().iter().filter_map(|counted| {
        let (window, state) = counted.tightest()?;
        Some(format!("{}: {} of {window} remain\n", counted.rule, state.remaining))
    });
    format!("nothing found about {topic}\n{}", remaining.collect::<String>())
}

/// Slow: the client has its place until the last line is sent, or until it goes away.
async fn export() -> Body {
    Body::from_stream(stream::unfold(1..=LINES, async |mut lines| {
        let line = lines.next()?;
        tokio::time::sleep(LINE_TAKES).await;
        Some((Ok::<_, Infallible>(format!("line {line}\n")), lines))
    }))
}

/// Only the handler knows who tries to sign in: the body says it. Nobody has a password here.
async fn login(check: Check<MemoryStore>, account: String) -> Response {
    match check.with(|request| request.user(account.trim().to_lowercase())).await {
        Ok(admitted) => (StatusCode::UNAUTHORIZED, admitted, "wrong password\n").into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn metrics(State(limits): State<Limits>) -> String {
    limits.limiter().metrics().to_string()
}
