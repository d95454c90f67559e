//! The layer between a client and a server of tonic, in this process and without a network.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut};
use dbopt_ratelimit::{
    Algorithm, Keyer, Limit, Limiter, MemoryConfig, MemoryStore, Options, Part, Rule, Rules, Window,
    tower::{Limited, RateLimit, RateLimitLayer},
};
use governor::clock::FakeRelativeClock;
use http::uri::PathAndQuery;
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{self, UnaryService},
};
use tower_layer::Layer as _;
use tower_service::Service;

/// Messages that are bare text.
#[derive(Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let text = buffer.copy_to_bytes(buffer.remaining());
        String::from_utf8(text.into()).map(Some).map_err(|_| Status::internal("no text"))
    }
}

/// A server with one method, which greets and says how many greetings are left.
#[derive(Clone)]
struct Greeter;

impl UnaryService<String> for Greeter {
    type Response = String;
    type Future = Ready<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let left = request.extensions().get::<Limited>().map(|limited| limited.counted()[0].windows[0].remaining);
        ready(Ok(Response::new(format!("hello {}, {left:?}", request.into_inner()))))
    }
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async { Ok(server::Grpc::new(Text).unary(Self, request).await) })
    }
}

type Client = Grpc<RateLimit<Greeter, MemoryStore<FakeRelativeClock>, FakeRelativeClock>>;

/// A client of a server that greets each key twice a minute.
fn client(clock: &FakeRelativeClock) -> Client {
    let limit = Limit::new(Algorithm::Gcra, [Window::per_minute(NonZeroU32::MIN.saturating_add(1))]).expect("a limit");
    let rule = Rule {
        routes: vec!["/greet.Greeter/*".parse().expect("a route")],
        ..Rule::new("greet", [Part::Header("x-api-key".into())], limit)
    };
    let store = MemoryStore::with_clock(MemoryConfig::default(), clock.clone());
    let rules = Rules::new([rule]).expect("good rules");
    let limiter = Limiter::with(store, rules, Keyer::shared(b"0123456789abcdef"), Options::with_clock(clock.clone()));
    Grpc::new(RateLimitLayer::new(limiter).layer(Greeter))
}

async fn greet(client: &mut Client, key: &'static str) -> Result<Response<String>, Status> {
    client.ready().await.expect("ready");
    let mut request = Request::new("Ann".to_owned());
    request.metadata_mut().insert("x-api-key", key.parse().expect("text"));
    client.unary(request, PathAndQuery::from_static("/greet.Greeter/Greet"), Text).await
}

#[tokio::test]
async fn a_client_is_told_of_its_limits() {
    let mut client = client(&FakeRelativeClock::default());
    let first = greet(&mut client, "one").await.expect("greeted");
    assert_eq!(first.metadata().get("ratelimit").expect("the field"), r#""greet";r=1;t=30"#);
    assert_eq!(first.into_inner(), "hello Ann, Some(1)");
}

#[tokio::test]
async fn a_refused_client_gets_a_status_with_the_wait() {
    let clock = FakeRelativeClock::default();
    let mut client = client(&clock);
    for _ in 0..2 {
        greet(&mut client, "one").await.expect("greeted");
    }
    clock.advance(Duration::from_secs(10));
    let refused = greet(&mut client, "one").await.expect_err("refused");
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, "rule `greet`: 2/60s is used up"));
    assert_eq!(refused.metadata().get("grpc-retry-pushback-ms").expect("the wait"), "20000");
    assert_eq!(refused.metadata().get("retry-after").expect("the wait"), "20");
    // google.rpc.Status { 8, the message, [Any { google.rpc.RetryInfo { Duration { 20 s } } }] }
    let details = [
        b"\x08\x08\x12\x1erule `greet`: 2/60s is used up\x1a\x30".as_slice(),
        b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo",
        b"\x12\x04\x0a\x02\x08\x14",
    ];
    assert_eq!(refused.details(), details.concat());
    greet(&mut client, "other").await.expect("another key has its own count");
    clock.advance(Duration::from_secs(20));
    greet(&mut client, "one").await.expect("greeted again");
}
