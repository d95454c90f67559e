//! A body that holds the request's places until it is finished.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::Permits;

pin_project! {
    /// The body of an answer: the service's own, or why the request was refused.
    ///
    /// It holds the places that the request takes under limits of concurrent requests, and gives them back when it has ended, has
    /// failed or is dropped. A connection that is upgraded (WebSocket) outlives its answer, and so these places.
    #[derive(Debug)]
    pub struct LimitedBody<B> {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = InnerPinned]
    enum Inner<B> {
        Service { #[pin] body: B, permits: Option<Permits> },
        Refused { text: Option<Bytes> },
    }
}

impl<B> LimitedBody<B> {
    pub(super) fn new(body: B, permits: Permits) -> Self {
        Self { inner: Inner::Service { body, permits: Some(permits) } }
    }
}

/// The body of a refusal.
impl<B> From<Bytes> for LimitedBody<B> {
    fn from(text: Bytes) -> Self {
        Self { inner: Inner::Refused { text: Some(text).filter(|text| !text.is_empty()) } }
    }
}

impl<B: Body<Data: From<Bytes>>> Body for LimitedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().inner.project() {
            InnerPinned::Service { body, permits } => {
                let frame = ready!(body.poll_frame(context));
                if !matches!(frame, Some(Ok(_))) {
                    *permits = None;
                }
                Poll::Ready(frame)
            }
            InnerPinned::Refused { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Service { body, .. } => body.is_end_stream(),
            Inner::Refused { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Service { body, .. } => body.size_hint(),
            Inner::Refused { text } => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}
