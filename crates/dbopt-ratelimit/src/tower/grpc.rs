//! A refusal in gRPC: an answer of headers only
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses>).
//!
//! `google.rpc.Status` with `google.rpc.RetryInfo` is written by hand, since it is two numbers in four wrappings
//! (<https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>,
//! <https://protobuf.dev/programming-guides/encoding/>).

use std::{fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};

use crate::Wait;

/// The content type of a request of gRPC, which is also that of its answer.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(CONTENT_TYPE).filter(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Writes a status.
pub(super) fn write(code: u8, message: &str, wait: Wait, headers: &mut HeaderMap) {
    headers.insert(STATUS, u16::from(code).into());
    if let Ok(message) = HeaderValue::try_from(escaped(message)) {
        headers.insert(MESSAGE, message);
    }
    match wait {
        Wait::None => {}
        Wait::Never => {
            headers.insert(PUSHBACK, HeaderValue::from_static("-1"));
        }
        Wait::For(wait) => {
            let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            headers.insert(PUSHBACK, millis.into());
            let details = STANDARD_NO_PAD.encode(details(code, message, wait));
            if let Ok(details) = HeaderValue::try_from(details) {
                headers.insert(DETAILS, details);
            }
        }
    }
}

/// A message with all bytes percent-encoded that are not printable, and the percent sign.
fn escaped(message: &str) -> String {
    let mut escaped = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => escaped.push(byte.into()),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

/// `Status { code: 1, message: 2, details: 3 = [Any { type_url: 1, value: 2 = RetryInfo { retry_delay: 1 } }] }`
fn details(code: u8, message: &str, wait: Duration) -> Vec<u8> {
    let mut delay = Vec::new();
    number(&mut delay, 1, wait.as_secs());
    number(&mut delay, 2, wait.subsec_nanos().into());
    let mut retry = Vec::new();
    bytes(&mut retry, 1, &delay);
    let mut any = Vec::new();
    bytes(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
    bytes(&mut any, 2, &retry);
    let mut status = Vec::new();
    number(&mut status, 1, code.into());
    bytes(&mut status, 2, message.as_bytes());
    bytes(&mut status, 3, &any);
    status
}

/// A field of wire type 0; zero is what an absent one is.
fn number(buffer: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        buffer.push(field << 3);
        varint(buffer, value);
    }
}

/// A field of wire type 2.
fn bytes(buffer: &mut Vec<u8>, field: u8, value: &[u8]) {
    buffer.push(field << 3 | 2);
    varint(buffer, value.len() as u64);
    buffer.extend_from_slice(value);
}

fn varint(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(escaped("`ml`: 100% ü\n"), "`ml`: 100%25 %C3%BC%0A");
    }

    #[test]
    fn a_status_is_in_the_encoding_of_protocol_buffers() {
        let expected = [
            b"\x08\x08\x12\x02no\x1a\x33".as_slice(),
            b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo",
            b"\x12\x07\x0a\x05\x08\xac\x02\x10\x01",
        ];
        assert_eq!(details(8, "no", Duration::new(300, 1)), expected.concat());
    }
}
