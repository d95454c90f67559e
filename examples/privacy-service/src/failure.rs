//! What a client is told when something went wrong.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use dbopt_gdpr::{EraseError, Error, export};

/// Whatever went wrong is told to the log. A client is told whose fault it is, and no more.
pub(crate) struct Failure(StatusCode, Box<dyn std::error::Error + Send + Sync>);

impl Failure {
    pub(crate) fn new(status: StatusCode, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(status, why.into())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let error: Box<dyn std::error::Error + Send + Sync> = error.into();
        let walk = match (error.downcast_ref(), error.downcast_ref()) {
            (Some(export::Error::Ask(error)), _) | (_, Some(EraseError::Query(error))) => Some(error),
            _ => error.downcast_ref(),
        };
        let status = match (walk, error.downcast_ref()) {
            (Some(Error::NoPerson(_) | Error::BadKey(_)), _) => StatusCode::NOT_FOUND,
            (_, Some(EraseError::Busy | EraseError::Refused(_) | EraseError::Changed | EraseError::Future)) => {
                StatusCode::CONFLICT
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        crate::say(self.1);
        self.0.into_response()
    }
}
