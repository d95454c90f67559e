//! The layer over a service in this process: what clients are told, to the letter.

use std::{
    collections::VecDeque,
    convert::Infallible,
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dbopt_ratelimit::{
    Algorithm, Answer, Block, Charge, Key, Keyer, Lease, Limit, Limiter, List, MemoryConfig, MemoryStore, Missing,
    OnFailure, Options, Part, Rule, Rules, Store, StoreError, Window,
    tower::{Headers, Limited, LimitedBody, RateLimitLayer},
};
use futures_util::future::{Ready, poll_fn, ready};
use governor::clock::FakeRelativeClock;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use tower_layer::Layer as _;
use tower_service::Service;

/// A body of some frames.
#[derive(Clone, Debug, Default)]
struct Frames(VecDeque<Bytes>);

impl From<Bytes> for Frames {
    fn from(text: Bytes) -> Self {
        Self([text].into())
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|text| Ok(Frame::data(text))))
    }
}

async fn frame<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Option<Bytes> {
    let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
    frame.ok()?.into_data().ok()
}

async fn text<B: Body<Data = Bytes> + Unpin>(response: Response<B>) -> String {
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(data) = frame(&mut body).await {
        text.extend_from_slice(&data);
    }
    String::from_utf8(text).expect("text")
}

/// A service out of a function.
#[derive(Clone)]
struct Fun<F>(F);

impl<F: Fn(Request<Frames>) -> Result<Response<Frames>, String>> Service<Request<Frames>> for Fun<F> {
    type Response = Response<Frames>;
    type Error = String;
    type Future = Ready<Result<Response<Frames>, String>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Frames>) -> Self::Future {
        ready((self.0)(request))
    }
}

/// A store in memory whose engine can be taken away.
struct Shaky {
    store: MemoryStore<FakeRelativeClock>,
    is_down: Arc<AtomicBool>,
}

impl Shaky {
    fn answer<T>(&self, answer: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.is_down.load(Relaxed) { Err(StoreError::Unreachable("refused".into())) } else { answer() }
    }
}

impl Store for Shaky {
    async fn charge(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.answer(|| self.store.charge_now(charges))
    }

    async fn peek(&self, charges: &[Charge<'_>]) -> Result<Answer, StoreError> {
        self.answer(|| self.store.peek_now(charges))
    }

    async fn refund(&self, charges: &[Charge<'_>]) -> Result<(), StoreError> {
        self.store.refund_now(charges);
        Ok(())
    }

    async fn reset(&self, limit: &Limit, key: Key) -> Result<(), StoreError> {
        self.store.reset_now(limit, key);
        Ok(())
    }

    async fn acquire(&self, key: Key, most: NonZeroU32, longest: Duration) -> Result<Option<Lease>, StoreError> {
        self.answer(|| self.store.acquire_now(key, most, longest))
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.store.release_now(lease);
        Ok(())
    }

    fn release_at_once(&self, lease: Lease) -> bool {
        self.store.release_now(lease);
        true
    }
}

type Layer = RateLimitLayer<Shaky, FakeRelativeClock>;

/// A layer with a clock to advance and an engine to take away.
struct Bench {
    layer: Layer,
    clock: FakeRelativeClock,
    is_down: Arc<AtomicBool>,
}

impl Bench {
    fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self::with(Rules::new(rules).expect("good rules"))
    }

    fn with(rules: Rules) -> Self {
        let (clock, is_down) = (FakeRelativeClock::default(), Arc::<AtomicBool>::default());
        let store = MemoryStore::with_clock(MemoryConfig::default(), clock.clone());
        let store = Shaky { store, is_down: is_down.clone() };
        let options = Options::with_clock(clock.clone());
        let limiter = Limiter::with(store, rules, Keyer::shared(b"0123456789abcdef"), options);
        let layer = RateLimitLayer::new(limiter).who(|parts, request| match parts.headers.get("x-api-key") {
            Some(key) => request.api_key(key.to_str().unwrap_or_default()),
            None => request,
        });
        Self { layer, clock, is_down }
    }

    fn set(self, set: impl FnOnce(Layer) -> Layer) -> Self {
        Self { layer: set(self.layer), ..self }
    }

    /// Sends a request to a service that says hello.
    async fn send(&self, request: http::request::Builder) -> Response<LimitedBody<Frames>> {
        let hello = |_| Ok(Response::new(Frames::from(Bytes::from("hello"))));
        self.send_to(hello, request).await.expect("an answer")
    }

    async fn send_to(
        &self,
        service: impl Fn(Request<Frames>) -> Result<Response<Frames>, String> + Clone + Send + 'static,
        request: http::request::Builder,
    ) -> Result<Response<LimitedBody<Frames>>, String> {
        let request = request.body(Frames::default()).expect("a request");
        self.layer.layer(Fun(service)).call(request).await
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("above zero")
}

fn limit(windows: impl IntoIterator<Item = Window>) -> Limit {
    Limit::new(Algorithm::Gcra, windows).expect("a limit")
}

/// So many a minute for each API key.
fn per_minute(most: u32) -> Rule {
    Rule::new("keys", [Part::ApiKey], limit([Window::per_minute(number(most))]))
}

fn get() -> http::request::Builder {
    Request::get("/ml/x").header("x-api-key", "hush")
}

fn grpc() -> http::request::Builder {
    Request::post("/pkg.Service/Method").header("content-type", "application/grpc+proto")
}

/// The fields that the layer writes, one a line.
fn fields(headers: &HeaderMap) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().expect("text"))).collect()
}

#[tokio::test]
async fn every_answer_tells_of_every_window() {
    let windows = [Window::per_minute(number(10)), Window::per_hour(number(100))];
    let other = Rule::new("all", [], limit([Window::new(number(5), Duration::from_millis(1_500)).expect("a window")]));
    let bench = Bench::new([Rule::new("ml", [Part::ApiKey], limit(windows)), other]);
    let first = bench.send(get()).await;
    assert_eq!(first.status(), 200);
    let policy = r#""ml/60s";q=10;w=60, "ml/3600s";q=100;w=3600, "all";q=5;w=2"#;
    assert_eq!(
        fields(first.headers()),
        format!("ratelimit-policy: {policy}\nratelimit: \"ml/60s\";r=9;t=6, \"ml/3600s\";r=99;t=36, \"all\";r=4;t=1\n"),
    );
    assert_eq!(text(first).await, "hello");
    // Of the first, half a second is left when the second comes.
    bench.clock.advance(Duration::from_millis(5_500));
    let second = bench.send(get()).await;
    assert_eq!(second.headers()["ratelimit"], r#""ml/60s";r=8;t=1, "ml/3600s";r=98;t=31, "all";r=4;t=1"#);
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again() {
    let windows = [Window::per_minute(number(7)), Window::per_hour(number(8))];
    let bench =
        Bench::new([Rule::new("ml", [Part::ApiKey], limit(windows))]).set(|layer| layer.headers(Headers::Draft));
    for _ in 0..7 {
        assert_eq!(bench.send(get()).await.status(), 200);
    }
    // One is replenished each 60/7 = 8.57 s: up to 9, and after 8 of them up to 1. The hour has one left and is not waited for.
    let refused = bench.send(get()).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(
        fields(refused.headers()),
        "retry-after: 9\n\
         ratelimit-policy: \"ml/60s\";q=7;w=60, \"ml/3600s\";q=8;w=3600\n\
         ratelimit: \"ml/60s\";r=0;t=9, \"ml/3600s\";r=1\n\
         content-type: application/problem+json\n"
    );
    let problem = concat!(
        r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","#,
        r#""title":"Request cannot be satisfied as assigned quota has been exceeded","#,
        r#""status":429,"detail":"rule `ml`: 7/60s is used up","violated-policies":["ml/60s"]}"#
    );
    assert_eq!(text(refused).await, problem);
    bench.clock.advance(Duration::from_secs(8));
    let refused = bench.send(get()).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &1.into()));
    // Whoever comes when it was told to is admitted.
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.send(get()).await.status(), 200);
    // Now both windows refuse: the longer wait counts, and is no shorter than any `t`.
    let refused = bench.send(get()).await;
    assert_eq!(refused.headers()["ratelimit"], r#""ml/60s";r=0;t=9, "ml/3600s";r=0;t=441"#);
    assert_eq!(refused.headers()["retry-after"], "441");
}

#[tokio::test]
async fn what_can_never_be_admitted_has_no_time_to_wait() {
    let rule = Rule { cost: number(5), ..per_minute(3) };
    let refused = Bench::new([rule.clone()]).send(get()).await;
    assert_eq!((refused.status().as_u16(), refused.headers().get("retry-after")), (429, None));
    assert_eq!(refused.headers()["ratelimit"], r#""keys";r=3"#);
    let refused = Bench::new([rule]).send(grpc().header("x-api-key", "hush")).await;
    assert_eq!(refused.headers()["grpc-retry-pushback-ms"], "-1");
}

#[tokio::test]
async fn fields_are_chosen() {
    let bench = Bench::new([per_minute(2)]).set(|layer| layer.headers(Headers::None));
    assert_eq!(fields(bench.send(get()).await.headers()), "");
    bench.send(get()).await;
    let refused = bench.send(get()).await;
    assert_eq!(fields(refused.headers()), "retry-after: 30\ncontent-type: application/problem+json\n");

    let windows = [Window::per_minute(number(10)), Window::per_hour(number(2))];
    let bench = Bench::new([Rule::new("ml", [], limit(windows))]).set(|layer| layer.headers(Headers::DraftAndOlder));
    let older = |response: &Response<_>| {
        ["limit", "remaining", "reset"].map(|name| {
            let value = response.headers()[format!("x-ratelimit-{name}")].to_str();
            value.expect("text").parse::<u32>().expect("a number")
        })
    };
    assert_eq!(older(&bench.send(get()).await), [2, 1, 1_800]);
    bench.send(get()).await;
    let refused = bench.send(get()).await;
    assert_eq!(older(&refused), [2, 0, 1_800]);
    assert!(refused.headers().contains_key("ratelimit"));
}

#[tokio::test]
async fn a_layer_further_inside_tells_too() {
    let (outer, inner) = (Bench::new([per_minute(5)]), Bench::new([Rule { name: "inner".into(), ..per_minute(3) }]));
    let hello = Fun(|_| Ok(Response::new(Frames::default())));
    let mut both = outer.layer.layer(inner.layer.layer(hello));
    let answer = both.call(get().body(Frames::default()).expect("a request")).await.expect("an answer");
    let told: Vec<_> = answer.headers().get_all("ratelimit").iter().collect();
    assert_eq!(told, ["\"inner\";r=2;t=20", "\"keys\";r=4;t=12"]);
}

#[tokio::test]
async fn rules_are_for_their_routes() {
    let rule = Rule { routes: vec!["/users/*/export".parse().expect("a route")], ..per_minute(1) };
    let by_path = Bench::new([rule.clone()]);
    let export = || Request::get("/users/7/export?all=1");
    assert_eq!(by_path.send(export()).await.status(), 200);
    assert_eq!(by_path.send(export()).await.status(), 429);
    assert_eq!(fields(by_path.send(Request::get("/users/7")).await.headers()), "");
    // A route that the service names counts instead of the path.
    let by_name = Bench::new([rule]).set(|layer| layer.route(|_| Some("/elsewhere")));
    assert_eq!(fields(by_name.send(export()).await.headers()), "");
}

#[tokio::test]
async fn shadow_mode_tells_and_refuses_nothing() {
    let bench = Bench::new([Rule { shadow: true, ..per_minute(1) }]);
    for _ in 0..3 {
        let answer = bench.send(get()).await;
        assert_eq!((answer.status().as_u16(), fields(answer.headers())), (200, String::new()));
    }
}

#[tokio::test]
async fn without_the_engine_each_rule_does_what_it_says() {
    let of = |on_failure| {
        let bench = Bench::new([Rule { on_failure, ..per_minute(1) }]);
        bench.is_down.store(true, Relaxed);
        bench
    };
    let open = of(OnFailure::Open);
    for _ in 0..2 {
        assert_eq!(open.send(get()).await.status(), 200);
    }
    let local = of(OnFailure::Local);
    assert_eq!(local.send(get()).await.status(), 200);
    assert_eq!(local.send(get()).await.status(), 429);
    let closed = of(OnFailure::Closed);
    let refused = closed.send(get()).await;
    assert_eq!((refused.status().as_u16(), refused.headers().get("retry-after")), (503, None));
    let problem = concat!(
        r#"{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","#,
        r#""title":"Request cannot be satisfied due to temporary server capacity constraints","#,
        r#""status":503,"detail":"rule `keys`: the store of the limits does not answer","violated-policies":["keys"]}"#
    );
    assert_eq!(text(refused).await, problem);
    assert_eq!(closed.send(grpc()).await.headers()["grpc-status"], "14");
}

#[tokio::test]
async fn who_is_denied_or_lacks_a_part_is_told_by_the_status() {
    let mut list = List::default();
    list.add(Part::ApiKey, "hush", ());
    let bench = Bench::with(Rules::new([per_minute(1)]).expect("good rules").deny(list));
    let refused = bench.send(get()).await;
    assert_eq!((refused.status().as_u16(), refused.headers().get("retry-after")), (403, None));
    assert_eq!(
        text(refused).await,
        r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"denied by a list"}"#
    );
    assert_eq!(bench.send(grpc().header("x-api-key", "hush")).await.headers()["grpc-status"], "7");

    let bench = Bench::new([Rule { missing: Missing::Refuse, ..per_minute(1) }]);
    let refused = bench.send(Request::get("/")).await;
    assert_eq!(refused.status(), 400);
    let problem = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"rule `keys`: the request has no api_key"}"#;
    assert_eq!(text(refused).await, problem);
    assert_eq!(bench.send(grpc()).await.headers()["grpc-status"], "3");
}

#[tokio::test]
async fn a_block_is_another_problem_and_waits_for_its_end() {
    let block = Block::new(number(1), Duration::from_secs(60), Duration::from_secs(900));
    let bench = Bench::new([Rule { block, ..per_minute(1) }]);
    for _ in 0..2 {
        bench.send(get()).await;
    }
    let refused = bench.send(get()).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &900.into()));
    assert!(text(refused).await.contains("#abnormal-usage-detected"));
}

#[tokio::test]
async fn places_are_held_until_the_body_is_finished() {
    let bench = Bench::new([Rule::concurrent("few", [Part::ApiKey], number(1), Duration::from_secs(60))]);
    let mut running = bench.send(get()).await.into_body();
    let refused = bench.send(get()).await;
    assert_eq!((refused.status().as_u16(), refused.headers().get("retry-after")), (429, None));
    assert!(
        text(refused).await.contains(r#""detail":"rule `few`: 1 are running already","violated-policies":["few"]"#)
    );
    assert_eq!(frame(&mut running).await.as_deref(), Some(b"hello".as_slice()));
    assert_eq!(bench.send(get()).await.status(), 429, "there may be more");
    assert_eq!(frame(&mut running).await, None);
    let next = bench.send(get()).await;
    assert_eq!(next.status(), 200, "the body is finished, though still there");
    drop(next);
    assert_eq!(bench.send(get()).await.status(), 200, "the client has gone");
    let failed = bench.send_to(|_| Err("broken".to_owned()), get()).await;
    assert_eq!(failed.map(|_| ()), Err("broken".to_owned()));
    assert_eq!(bench.send(get()).await.status(), 200, "the service has failed");
}

#[tokio::test]
async fn grpc_is_refused_in_headers_only() {
    let bench = Bench::new([per_minute(2)]);
    for _ in 0..2 {
        assert_eq!(bench.send(grpc()).await.status(), 200);
    }
    bench.clock.advance(Duration::from_nanos(1));
    let refused = bench.send(grpc()).await;
    assert_eq!((refused.status().as_u16(), refused.body().is_end_stream()), (200, true));
    // The details end with the wait of 29.999999999 s: 08 1d, 10 ff 93 eb dc 03.
    assert_eq!(
        fields(refused.headers()),
        "retry-after: 30\n\
         ratelimit-policy: \"keys\";q=2;w=60\n\
         ratelimit: \"keys\";r=0;t=30\n\
         content-type: application/grpc+proto\n\
         grpc-status: 8\n\
         grpc-message: rule `keys`: 2/60s is used up\n\
         grpc-retry-pushback-ms: 30000\n\
         grpc-status-details-bin: CAgSHXJ1bGUgYGtleXNgOiAyLzYwcyBpcyB1c2VkIHVwGjYKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SCgoICB0Q/5Pr3AM\n"
    );
    assert_eq!(text(refused).await, "");
}

#[tokio::test]
async fn the_service_reads_what_was_decided_and_can_give_it_back() {
    let bench = Bench::new([per_minute(1)]);
    let read = |request: Request<Frames>| {
        let limited = request.extensions().get::<Limited>().ok_or("not limited")?;
        let remaining = limited.counted()[0].windows[0].remaining;
        let mut response = Response::new(Frames::from(Bytes::from(remaining.to_string())));
        response.extensions_mut().insert(limited.clone());
        Ok(response)
    };
    let response = bench.send_to(read, get()).await.expect("an answer");
    let limited = response.extensions().get::<Limited>().expect("the decision").clone();
    assert_eq!(text(response).await, "0");
    assert_eq!(bench.send(get()).await.status(), 429);
    bench.layer.limiter().refund(&limited).await.expect("given back");
    assert_eq!(bench.send(get()).await.status(), 200);
}

#[tokio::test]
async fn a_key_is_told_to_nobody() {
    let bench = Bench::new([per_minute(1)]);
    bench.send(get()).await;
    for request in [get(), grpc().header("x-api-key", "hush")] {
        let refused = bench.send(request).await;
        let all = format!("{}{}", fields(refused.headers()), text(refused).await);
        assert!(all.contains("keys") && !all.contains("hush") && !all.contains("pk="), "{all}");
    }
}
